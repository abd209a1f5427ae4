//! `[listen.NAME]` and its routes.

use super::guarding::Holding;
use super::kinds::{Count, Flag, Required, Routes, Text, Texts, Time, Versions};
use super::{Of, Setting, Standard};
use crate::config::defaults;
use crate::config::typed::{Listen, Route};

/// `[listen.NAME]`, without what it does.
pub(in crate::config) static LISTEN: &[Setting<Listen>] = &[
    Setting {
        key: "at",
        field: &Of(
            |listen: &mut Listen| &mut listen.at,
            Texts("`\":port\"`, `\"host:port\"`, `\"[v6]:port\"` or `\"unix:/path\"`, or a list of them"),
        ),
        default: Standard::Required,
        example: r#"[":9101", "unix:/qdata/tm.ipc"]"#,
        doc: "Where clients connect. `\":port\"`, or the number alone, is every IPv4 address of the machine, \
              `\"[::]:port\"` every IPv6 address. A unix socket left behind by a dead process is replaced, a living \
              one never. Several HTTP listeners may share an address when their `names` differ.",
    },
    Setting {
        key: "tls",
        field: &Of(|listen: &mut Listen| &mut listen.tls, Text("a name")),
        default: Standard::Words("none: bytes come as they are"),
        example: r#""edge""#,
        doc: "The `[tls.NAME]` that says what clients are shown and have to show.",
    },
    Setting {
        key: "names",
        field: &Of(|listen: &mut Listen| &mut listen.names, Texts("a host name or a list of them")),
        default: Standard::Words("every name"),
        example: r#"["node.example.com", "*.internal", "www.*"]"#,
        doc: "Host names this listener answers to, where several share an address. On TCP listeners: names that clients ask \
              for in their TLS, which is passed on as it comes.",
    },
    Setting {
        key: "default",
        field: &Of(|listen: &mut Listen| &mut listen.default, Flag),
        default: Standard::Words("the one without `names`, else the first of the address"),
        example: "true",
        doc: "Whether it answers for names that no other listener of the address has.",
    },
    Setting {
        key: "routes",
        field: &Of(|listen: &mut Listen| &mut listen.routes, Routes),
        default: Standard::Words("none"),
        example: r#"[{ path = "/push", to = "http://tessera:9001" }]"#,
        doc: "What is done with some paths: an exact path comes first, then the longest prefix. What the listener \
              itself does is for all others; without it they are answered 404. Routes take over no setting of their \
              listener.",
    },
    Setting {
        key: "limit",
        field: &Of(|listen: &mut Listen| &mut listen.limit, Text("a name")),
        default: Standard::Words("`\"default\"`"),
        example: r#""strict""#,
        doc: "The `[limit.NAME]` that holds for its clients.",
    },
    Setting {
        key: "backlog",
        field: &Of(|listen: &mut Listen| &mut listen.backlog, Count),
        default: Standard::Count(defaults::BACKLOG as u64),
        example: "4096",
        doc: "Connections the kernel may keep waiting to be accepted; `net.core.somaxconn` bounds it.",
    },
    Setting {
        key: "mode",
        field: &Of(|listen: &mut Listen| &mut listen.mode, Text("permission bits in octal")),
        default: Standard::Words("what the umask leaves"),
        example: r#""0660""#,
        doc: "Permissions of a unix socket. Whoever may write to it may connect.",
    },
    Setting {
        key: "owner",
        field: &Of(|listen: &mut Listen| &mut listen.owner, Text("`\"user\"`, `\"user:group\"` or `\":group\"`")),
        default: Standard::Words("the user Mainstay runs as"),
        example: r#""root:0""#,
        doc: "Owner of a unix socket: names of `/etc/passwd` and `/etc/group`, or numbers.",
    },
    Setting {
        key: "access_log",
        field: &Of(|listen: &mut Listen| &mut listen.access_log, Flag),
        default: Standard::Words("`true`"),
        example: "false",
        doc: "Whether it writes to the access log.",
    },
    Setting {
        key: "http2",
        field: &Of(|listen: &mut Listen| &mut listen.http2, Versions),
        default: Standard::Words("`true`"),
        example: r#""only""#,
        doc: "HTTP: whether clients may speak HTTP/2, which their first bytes say. With `false` such a client is \
              answered 505; with `\"only\"` nothing else is understood, as suits gRPC.",
    },
    Setting {
        key: "idle",
        field: &Of(|listen: &mut Listen| &mut listen.idle, Time),
        default: Standard::Words("`\"1h\"`, of a database `\"1d\"`"),
        example: r#""10m""#,
        doc: "TCP: a session without a byte in either direction for this long is ended.",
    },
    Setting {
        key: "lease",
        field: &Of(|listen: &mut Listen| &mut listen.database.lease, Text("the name of a lease")),
        default: Standard::Words("that of the file's guard, if it has one"),
        example: r#""bank-a""#,
        doc: "Database: only while this program's own guard has a tenure of this lease can it be reached; its sessions \
              are reset when the tenure ends, or may have ended. See [the database](../database.md).",
    },
    Setting {
        key: "hold",
        field: &Of(|listen: &mut Listen| &mut listen.database.hold, Holding),
        default: Standard::Words("`{ requests = 1000, bytes = \"16MiB\", time = \"10s\" }`"),
        example: r#"{ requests = 200, time = "5s" }"#,
        doc: "Database: connections that wait while it has no primary or there is no tenure, instead of failing.",
    },
    Setting {
        key: "handshake",
        field: &Of(|listen: &mut Listen| &mut listen.database.handshake, Time),
        default: Standard::Time(defaults::HANDSHAKE),
        example: r#""5s""#,
        doc: "Database: longest time to a client's first byte. Until then no server is connected to.",
    },
    Setting {
        key: "password_file",
        field: &Of(|listen: &mut Listen| &mut listen.database.password_file, Text("a path")),
        default: Standard::Words("the password of the url, if it has one"),
        example: r#""/etc/mainstay/asks.password""#,
        doc: "Database: file whose first line is the password of the user in `to`. Read again for each login.",
    },
    Setting {
        key: "ca",
        field: &Of(|listen: &mut Listen| &mut listen.database.ca, Text("a path")),
        default: Standard::Words("`sslrootcert` of the url; without either the hosts' certificates are not compared"),
        example: r#""/etc/mainstay/database-ca.crt""#,
        doc: "Database: certificates (PEM) that those of the hosts must be signed by when they are asked who is the \
              primary. Nodes verify for themselves: their encryption passes through untouched.",
    },
    Setting {
        key: "ask_every",
        field: &Of(|listen: &mut Listen| &mut listen.database.ask_every, Time),
        default: Standard::Time(defaults::ASK_EVERY),
        example: r#""1s""#,
        doc: "Database: how often each host is asked whether it is the primary. While none is, they are asked every 50 ms.",
    },
    Setting {
        key: "ask_timeout",
        field: &Of(|listen: &mut Listen| &mut listen.database.ask_timeout, Time),
        default: Standard::Time(defaults::ASK_TIMEOUT),
        example: r#""2s""#,
        doc: "Database: longest time for a host's answer, and to connect to it. A primary that is later gets no new \
              connections until it answers again.",
    },
];

/// An entry of `routes`, without what it does.
pub(in crate::config) static ROUTE: &[Setting<Route>] = &[
    Setting {
        key: "path",
        field: &Of(|route: &mut Route| &mut route.path, Required("`\"/prefix\"` or `\"=/exact\"`")),
        default: Standard::Required,
        example: r#""=/upcheck""#,
        doc: "Which paths it takes, compared byte for byte as they came: nothing is decoded or merged.",
    },
    Setting {
        key: "internal",
        field: &Of(|route: &mut Route| &mut route.internal, Flag),
        default: Standard::Words("`false`"),
        example: "true",
        doc: "Whether it is reached only by `error_pages`; clients get 404.",
    },
];
