//! `[run]`, `[admin]` and `[log]`.

use super::kinds::{Count, Text, Time};
use super::{Of, Setting, Standard};
use crate::config::defaults;
use crate::config::typed::{Admin, Log, Run};

/// `[run]`
pub(in crate::config) static RUN: &[Setting<Run>] = &[
    Setting {
        key: "workers",
        field: &Of(|run: &mut Run| &mut run.workers, Count),
        default: Standard::Words("one for each core"),
        example: "4",
        doc: "Threads that carry traffic. Each has its own listening sockets and its own connections to the nodes.",
    },
    Setting {
        key: "drain",
        field: &Of(|run: &mut Run| &mut run.drain, Time),
        default: Standard::Time(defaults::DRAIN),
        example: r#""30s""#,
        doc: "Longest time to finish what is under way when Mainstay stops or takes a new configuration. Whatever is \
              left then is cut.",
    },
];

/// `[admin]`
pub(in crate::config) static ADMIN: &[Setting<Admin>] = &[Setting {
    key: "at",
    field: &Of(|admin: &mut Admin| &mut admin.at, Text("`\"unix:/path\"`, `\"host:port\"` or `\"off\"`")),
    default: Standard::Words(
        "what the variable `MAINSTAY_ADMIN` says, else the first that can be had of `/run/mainstay/admin.sock`, \
         `$XDG_RUNTIME_DIR/mainstay/admin.sock` and `/tmp/mainstay-UID/admin.sock`",
    ),
    example: r#""127.0.0.1:9901""#,
    doc: "Where `mainstay status`, `reload`, `drain` and `admit` reach this process, and where `/metrics` and `/status` \
          are served. Whoever can connect there controls Mainstay, so over TCP keep it on the loopback address.",
}];

/// `[log]`
pub(in crate::config) static LOG: &[Setting<Log>] = &[
    Setting {
        key: "level",
        field: &Of(
            |log: &mut Log| &mut log.level,
            Text("`\"error\"`, `\"warn\"`, `\"info\"`, `\"debug\"` or `\"trace\"`"),
        ),
        default: Standard::Words("`\"info\"`"),
        example: r#""warn""#,
        doc: "The least important lines that are still written to the log.",
    },
    Setting {
        key: "format",
        field: &Of(|log: &mut Log| &mut log.format, Text("`\"text\"` or `\"json\"`")),
        default: Standard::Words("`\"text\"`"),
        example: r#""json""#,
        doc: "How both logs are written.",
    },
    Setting {
        key: "to",
        field: &Of(|log: &mut Log| &mut log.to, Text("`\"stderr\"` or a path")),
        default: Standard::Words("`\"stderr\"`"),
        example: r#""/var/log/mainstay.log""#,
        doc: "Where the log goes.",
    },
    Setting {
        key: "access",
        field: &Of(|log: &mut Log| &mut log.access, Text("`\"off\"`, `\"stdout\"`, `\"stderr\"` or a path")),
        default: Standard::Words("`\"off\"`"),
        example: r#""/var/log/mainstay-access.log""#,
        doc: "Where the access log goes: a line for each request, and for each TCP session. A reader that does not keep \
              up costs lines, which are counted, never requests.",
    },
];
