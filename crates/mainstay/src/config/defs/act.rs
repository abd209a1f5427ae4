//! What a listener or a route does.

use super::kinds::{Count, ErrorPages, Flag, Mirrors, Number16, Required, Size, StatusNumbers, Text, Texts, Time};
use super::{Of, Setting, Standard};
use crate::config::defaults;
use crate::config::typed::{Act, ErrorPage, Mirror};

/// The keys of an action, which stand directly in the table of its listener or route.
pub(in crate::config) static ACT: &[Setting<Act>] = &[
    Setting {
        key: "to",
        field: &Of(
            |act: &mut Act| &mut act.to,
            Text(
                "`\"http://POOL[:PORT][/prefix]\"`, the same with `https`, `http2`, `grpc` or `grpcs`, `\"tcp://POOL[:PORT]\"` or `\"postgres://USER@HOST[:PORT],.../DATABASE\"`",
            ),
        ),
        default: Standard::Words("none; a listener or route has `to` or `reply`"),
        example: r#""http://tessera:9101""#,
        doc: "Carries requests or connections to a node of this pool. The port is for nodes that have none of their \
              own. A prefix replaces the part of the path that the route matched; the rest goes on as it came. \
              Whether nodes are spoken to over TLS is said by the pool's `tls`; `https` and `grpcs` refuse to start where it \
              is not there. `tcp` is for whole listeners, and so is `postgres`: connections go to that of its hosts which is the primary; \
              see [the database](../database.md).",
    },
    Setting {
        key: "reply",
        field: &Of(|act: &mut Act| &mut act.reply, Number16("a status")),
        default: Standard::Words("none; a listener or route has `to` or `reply`"),
        example: "404",
        doc: "Answers with this status. 444 closes the connection without an answer.",
    },
    Setting {
        key: "body",
        field: &Of(|act: &mut Act| &mut act.body, Text("a template")),
        default: Standard::Words("empty"),
        example: r#""no such service on ${host}""#,
        doc: "Text of a `reply`.",
    },
    Setting {
        key: "location",
        field: &Of(|act: &mut Act| &mut act.location, Text("a template")),
        default: Standard::Words("none"),
        example: r#""https://${host}${target}""#,
        doc: "Where a `reply` of 301, 302, 303, 307 or 308 sends the client.",
    },
    Setting {
        key: "content_type",
        field: &Of(|act: &mut Act| &mut act.content_type, Text("a media type")),
        default: Standard::Words("`\"text/plain\"`"),
        example: r#""application/json""#,
        doc: "Content type of a `reply`.",
    },
    Setting {
        key: "retry",
        field: &Of(|act: &mut Act| &mut act.retry, Text("a name")),
        default: Standard::Words("`\"default\"`"),
        example: r#""tessera""#,
        doc: "The `[retry.NAME]` that says when another node is tried. For TCP only its `tries` and `within` count.",
    },
    Setting {
        key: "host",
        field: &Of(|act: &mut Act| &mut act.host, Text("`\"keep\"`, `\"node\"` or a template")),
        default: Standard::Words("`\"keep\"`"),
        example: r#""node""#,
        doc: "What the node sees as Host: what the client sent, the node's own name and port, or this text.",
    },
    Setting {
        key: "forwarded",
        field: &Of(|act: &mut Act| &mut act.forwarded, Text("`\"append\"`, `\"replace\"` or `\"pass\"`")),
        default: Standard::Words("`\"append\"`"),
        example: r#""replace""#,
        doc: "What the node is told about the client in `X-Forwarded-For`, `-Proto` and `-Host`: appended to what came, \
              in place of what came, or nothing but what came.",
    },
    Setting {
        key: "set",
        field: &Of(|act: &mut Act| &mut act.set, Texts("`\"Name: template\"` or a list of them")),
        default: Standard::Words("none"),
        example: r#"["X-Real-IP: ${client_address}", "X-Debug:"]"#,
        doc: "Request fields that are set on the way to the node; with nothing behind the colon, removed.",
    },
    Setting {
        key: "add",
        field: &Of(|act: &mut Act| &mut act.add, Texts("`\"Name: template\"` or a list of them")),
        default: Standard::Words("none"),
        example: r#"["X-Served-By: mainstay", "!X-Pool: ${pool}"]"#,
        doc: "Fields added to answers of status 200, 201, 204, 206, 301 to 304, 307 and 308; with `!` in front, to all.",
    },
    Setting {
        key: "mirror",
        field: &Of(|act: &mut Act| &mut act.mirror, Mirrors),
        default: Standard::Words("none"),
        example: r#""http://standby:9001/partyinfo""#,
        doc: "Sends a copy of each request here too. The answer is dropped, and whatever happens to the copy, the \
              request itself is neither delayed nor failed nor repeated. Text, a table, or a list of them.",
    },
    Setting {
        key: "read_timeout",
        field: &Of(|act: &mut Act| &mut act.read_timeout, Time),
        default: Standard::Time(defaults::READ_TIMEOUT),
        example: r#""5s""#,
        doc: "Longest time to the first byte of a node's answer, and between two reads of it. GoQuorum gives a call to \
              Tessera up after 5 s.",
    },
    Setting {
        key: "send_timeout",
        field: &Of(|act: &mut Act| &mut act.send_timeout, Time),
        default: Standard::Time(defaults::SEND_TIMEOUT),
        example: r#""10s""#,
        doc: "Longest time a node may take no byte of a request.",
    },
    Setting {
        key: "upgrade",
        field: &Of(|act: &mut Act| &mut act.upgrade, Flag),
        default: Standard::Words("`true`"),
        example: "false",
        doc: "Whether a client may switch to another protocol (WebSocket). Its connection then becomes a tunnel to one \
              node.",
    },
    Setting {
        key: "body_max",
        field: &Of(|act: &mut Act| &mut act.body_max, Size),
        default: Standard::Size(defaults::BODY_MAX),
        example: r#""10MiB""#,
        doc: "Largest request body; a larger one is answered 413. `\"0B\"` sets no bound.",
    },
    Setting {
        key: "error_pages",
        field: &Of(|act: &mut Act| &mut act.error_pages, ErrorPages),
        default: Standard::Words("none"),
        example: r#"{ status = [502, 503], answer = 503, to = "/sorry" }"#,
        doc: "Other answers in place of Mainstay's own. A table, or a list of tables.",
    },
    Setting {
        key: "intercept",
        field: &Of(|act: &mut Act| &mut act.intercept, Flag),
        default: Standard::Words("`false`"),
        example: "true",
        doc: "Whether `error_pages` replace the nodes' answers too.",
    },
];

/// An entry of `mirror`.
pub(in crate::config) static MIRROR: &[Setting<Mirror>] = &[
    Setting {
        key: "to",
        field: &Of(|mirror: &mut Mirror| &mut mirror.to, Required("`\"http://POOL[:PORT][/path]\"`")),
        default: Standard::Required,
        example: r#""http://standby:9001""#,
        doc: "Where the copy goes; `https` for `http` demands that the pool has `tls`. A path replaces the request's own, its query stays.",
    },
    Setting {
        key: "host",
        field: &Of(|mirror: &mut Mirror| &mut mirror.host, Text("`\"keep\"`, `\"node\"` or a template")),
        default: Standard::Words("`\"keep\"`"),
        example: r#""node""#,
        doc: "What the node sees as Host.",
    },
    Setting {
        key: "set",
        field: &Of(|mirror: &mut Mirror| &mut mirror.set, Texts("`\"Name: template\"` or a list of them")),
        default: Standard::Words("none"),
        example: r#""X-Copy: 1""#,
        doc: "Request fields set on the copy.",
    },
    Setting {
        key: "body_max",
        field: &Of(|mirror: &mut Mirror| &mut mirror.body_max, Size),
        default: Standard::Size(defaults::MIRROR_BODY_MAX),
        example: r#""64KiB""#,
        doc: "Requests with a larger body are not copied.",
    },
    Setting {
        key: "at_once",
        field: &Of(|mirror: &mut Mirror| &mut mirror.at_once, Count),
        default: Standard::Count(defaults::MIRROR_AT_ONCE as u64),
        example: "4",
        doc: "Most copies under way for each worker. Further ones are dropped and counted.",
    },
    Setting {
        key: "timeout",
        field: &Of(|mirror: &mut Mirror| &mut mirror.timeout, Time),
        default: Standard::Time(defaults::MIRROR_TIMEOUT),
        example: r#""2s""#,
        doc: "Longest time for one copy.",
    },
];

/// An entry of `error_pages`.
pub(in crate::config) static ERROR_PAGE: &[Setting<ErrorPage>] = &[
    Setting {
        key: "status",
        field: &Of(|page: &mut ErrorPage| &mut page.status, StatusNumbers),
        default: Standard::Required,
        example: "[502, 503, 504]",
        doc: "The statuses it replaces: a number or a list of them.",
    },
    Setting {
        key: "answer",
        field: &Of(|page: &mut ErrorPage| &mut page.answer, Number16("a status")),
        default: Standard::Words("the one it replaces"),
        example: "503",
        doc: "The status the client sees.",
    },
    Setting {
        key: "to",
        field: &Of(|page: &mut ErrorPage| &mut page.to, Required("a path or a URL")),
        default: Standard::Required,
        example: r#""/sorry""#,
        doc: "A path of the same listener that is asked instead, or a URL the client is sent to. Where the path's route \
              goes `to` a pool, a node is asked by GET (HEAD stays HEAD), with the request's fields and without its body; an \
              error there is not replaced again.",
    },
];
