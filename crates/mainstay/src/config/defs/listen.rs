//! `[listen.NAME]` and its routes.

use super::kinds::{Count, Flag, Required, Routes, Text, Texts, Time};
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
        doc: "Host names this listener answers to, where several share an address.",
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
        key: "idle",
        field: &Of(|listen: &mut Listen| &mut listen.idle, Time),
        default: Standard::Time(defaults::SESSION_IDLE),
        example: r#""10m""#,
        doc: "TCP: a session without a byte in either direction for this long is ended.",
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
