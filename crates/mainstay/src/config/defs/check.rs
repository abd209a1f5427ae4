//! An entry of a pool's `check`.

use super::kinds::{Count, Flag, Number16, Statuses, Text, Texts, Time};
use super::{Of, Setting, Standard};
use crate::config::defaults;
use crate::config::typed::Check;

/// An entry of `check`.
pub(in crate::config) static CHECK: &[Setting<Check>] = &[
    Setting {
        key: "http",
        field: &Of(|check: &mut Check| &mut check.http, Text("a path")),
        default: Standard::Words("none; a check has `http`, `grpc` or `tcp`"),
        example: r#""/upcheck""#,
        doc: "Asks for this path, with its query if it has one, over HTTP.",
    },
    Setting {
        key: "grpc",
        field: &Of(|check: &mut Check| &mut check.grpc, Text("a service")),
        default: Standard::Words("none; a check has `http`, `grpc` or `tcp`"),
        example: r#""participant""#,
        doc: "Asks `grpc.health.v1.Health/Check` for this service, over HTTP/2; `\"\"` asks for the server \
              as a whole. Good is SERVING and nothing else.",
    },
    Setting {
        key: "watch",
        field: &Of(|check: &mut Check| &mut check.watch, Flag),
        default: Standard::Words("`false`"),
        example: "true",
        doc: "gRPC: whether `grpc.health.v1.Health/Watch` is kept open beside the checks. When the node tells there that it is \
              not as it was, or the stream is lost, it is checked at once. Checks alone decide; a node that has no Watch is \
              only asked at its turns.",
    },
    Setting {
        key: "tcp",
        field: &Of(|check: &mut Check| &mut check.tcp, Flag),
        default: Standard::Words("none; a check has `http`, `grpc` or `tcp`"),
        example: "true",
        doc: "Connects; with `send` and `expect`, also talks.",
    },
    Setting {
        key: "port",
        field: &Of(|check: &mut Check| &mut check.port, Number16("a port")),
        default: Standard::Words("the node's own"),
        example: "9000",
        doc: "The port that is checked, where it is not the one that is used.",
    },
    Setting {
        key: "tls",
        field: &Of(|check: &mut Check| &mut check.tls, Text("a name, or `\"off\"`")),
        default: Standard::Words("the pool's; `\"off\"` where the check has a `port` of its own"),
        example: r#""node""#,
        doc: "The `[tls.NAME]` that says what is spoken below the check.",
    },
    Setting {
        key: "method",
        field: &Of(|check: &mut Check| &mut check.method, Text("a method")),
        default: Standard::Words("`\"GET\"`"),
        example: r#""HEAD""#,
        doc: "The method it asks with, in capitals.",
    },
    Setting {
        key: "host",
        field: &Of(|check: &mut Check| &mut check.host, Text("a host")),
        default: Standard::Words("the node's host and the port"),
        example: r#""tessera.example.com""#,
        doc: "Value of the Host field.",
    },
    Setting {
        key: "status",
        field: &Of(|check: &mut Check| &mut check.status, Statuses),
        default: Standard::Words("`\"200-399\"`"),
        example: r#"[200, "301-303"]"#,
        doc: "Good statuses: a number, a range as text, or a list of them.",
    },
    Setting {
        key: "body",
        field: &Of(|check: &mut Check| &mut check.body, Text("a text pattern")),
        default: Standard::Words("any body will do"),
        example: r#""I'm up!""#,
        doc: "Text that the body must contain. Between two slashes it is a regular expression: `\"/up|ready/\"`. Behind \
              `!` it must not be there: `\"!starting\"`. Behind a backslash it is taken as it stands.",
    },
    Setting {
        key: "fields",
        field: &Of(|check: &mut Check| &mut check.fields, Texts("`\"Name: pattern\"` or a list of them")),
        default: Standard::Words("none"),
        example: r#"["Content-Type: application/json"]"#,
        doc: "Fields that the answer must have, with a text pattern as in `body`.",
    },
    Setting {
        key: "send",
        field: &Of(|check: &mut Check| &mut check.send, Text("text with `\\r`, `\\n`, `\\t`, `\\\\` and `\\xHH`")),
        default: Standard::Words("nothing"),
        example: r#"'PING\r\n'"#,
        doc: "TCP: what is sent once connected. In TOML, a text in single quotes keeps its backslashes.",
    },
    Setting {
        key: "expect",
        field: &Of(|check: &mut Check| &mut check.expect, Text("a text pattern")),
        default: Standard::Words("connecting is enough"),
        example: r#""PONG""#,
        doc: "TCP: what the answer must contain, a text pattern as in `body`.",
    },
    Setting {
        key: "every",
        field: &Of(|check: &mut Check| &mut check.every, Time),
        default: Standard::Time(defaults::CHECK_EVERY),
        example: r#""1s""#,
        doc: "Time from one check to the next while the node is clearly in or out; spread a little so that nodes are \
              not checked all at once.",
    },
    Setting {
        key: "every_in_doubt",
        field: &Of(|check: &mut Check| &mut check.every_in_doubt, Time),
        default: Standard::Words("`\"100ms\"`, or `every` if that is less"),
        example: r#""50ms""#,
        doc: "The same while its last checks disagree, or live traffic doubts it.",
    },
    Setting {
        key: "timeout",
        field: &Of(|check: &mut Check| &mut check.timeout, Time),
        default: Standard::Words("`\"1s\"`, or `every` if that is less"),
        example: r#""500ms""#,
        doc: "Longest time for one check; it may be longer than `every`.\n\nA check that runs out of it does not count \
              when live traffic had a good answer (no 5xx; on a TCP listener, any byte) from the node in the second half \
              of that time: then it is Mainstay, or the machine, that is late. Only `fall` and four more of them in a \
              row put the node out all the same. A frozen node answers nobody and goes out with the first.",
    },
    Setting {
        key: "rise",
        field: &Of(|check: &mut Check| &mut check.rise, Count),
        default: Standard::Count(defaults::CHECK_RISE as u64),
        example: "1",
        doc: "Consecutive good checks that bring a node in.",
    },
    Setting {
        key: "fall",
        field: &Of(|check: &mut Check| &mut check.fall, Count),
        default: Standard::Count(defaults::CHECK_FALL as u64),
        example: "2",
        doc: "Consecutive bad checks that put a node out.",
    },
];
