//! `[retry.NAME]` and `[limit.NAME]`.

use super::kinds::{BigCount, Count, Flag, RetryOn, Size, Time};
use super::{Of, Setting, Standard};
use crate::config::defaults;
use crate::config::typed::{Limit, Retry};

/// `[retry.NAME]`
pub(in crate::config) static RETRY: &[Setting<Retry>] = &[
    Setting {
        key: "tries",
        field: &Of(|retry: &mut Retry| &mut retry.tries, Count),
        default: Standard::Words("`0`: as many as the pool has nodes"),
        example: "3",
        doc: "Most tries of one request, the first included.",
    },
    Setting {
        key: "within",
        field: &Of(|retry: &mut Retry| &mut retry.within, Time),
        default: Standard::Time(defaults::RETRY_WITHIN),
        example: r#""3s""#,
        doc: "No further try starts after this time; `\"0s\"` sets no such bound.",
    },
    Setting {
        key: "buffer",
        field: &Of(|retry: &mut Retry| &mut retry.buffer, Size),
        default: Standard::Size(defaults::RETRY_BUFFER),
        example: r#""256KiB""#,
        doc: "Largest request body that is kept so that it can be sent again. A request with a larger one is tried \
              once, unless nothing of it was sent.",
    },
    Setting {
        key: "on",
        field: &Of(|retry: &mut Retry| &mut retry.on, RetryOn),
        default: Standard::Words("`[\"error\", \"timeout\", \"invalid\"]`"),
        example: r#"["error", "timeout", 404]"#,
        doc: "What calls for another node: `\"error\"` (the connection broke before an answer), `\"timeout\"` (no answer \
              in `read_timeout`), `\"invalid\"` (an answer that breaks the protocol), or a status from 400 to 599. A \
              connection that could not be made always does, since nothing was sent. When every node has been tried, \
              the client gets the last one's answer.",
    },
    Setting {
        key: "non_idempotent",
        field: &Of(|retry: &mut Retry| &mut retry.non_idempotent, Flag),
        default: Standard::Words("`false`"),
        example: "true",
        doc: "Whether this holds for POST, PATCH and other methods that are not safe to repeat, once such a request has \
              been sent. It may then be done twice, and the client is not told.",
    },
    Setting {
        key: "commands",
        field: &Of(|retry: &mut Retry| &mut retry.commands, Flag),
        default: Standard::Words("`false`"),
        example: "true",
        doc: "In a pool of `kind = \"canton\"`: whether a submission is repeated too, where the participant recognises it when \
              it comes again: it has a command id, its body is kept whole, and its deduplication period, if it names one, is \
              longer than an hour.",
    },
];

/// `[limit.NAME]`
pub(in crate::config) static LIMIT: &[Setting<Limit>] = &[
    Setting {
        key: "request_line",
        field: &Of(|limit: &mut Limit| &mut limit.request_line, Size),
        default: Standard::Size(defaults::REQUEST_LINE),
        example: r#""8KiB""#,
        doc: "Longest request line. A longer one is answered 414.",
    },
    Setting {
        key: "head",
        field: &Of(|limit: &mut Limit| &mut limit.head, Size),
        default: Standard::Size(defaults::HEAD),
        example: r#""16KiB""#,
        doc: "Longest head of a request, its request line included. A longer one is answered 431.",
    },
    Setting {
        key: "fields",
        field: &Of(|limit: &mut Limit| &mut limit.fields, Count),
        default: Standard::Count(defaults::FIELDS as u64),
        example: "64",
        doc: "Most fields in a head. A request with more is answered 431.",
    },
    Setting {
        key: "head_timeout",
        field: &Of(|limit: &mut Limit| &mut limit.head_timeout, Time),
        default: Standard::Time(defaults::HEAD_TIMEOUT),
        example: r#""5s""#,
        doc: "Longest time from the first byte of a head to its end. A slower client is answered 408.",
    },
    Setting {
        key: "body_timeout",
        field: &Of(|limit: &mut Limit| &mut limit.body_timeout, Time),
        default: Standard::Time(defaults::BODY_TIMEOUT),
        example: r#""10s""#,
        doc: "Longest time between two reads of a body. A slower client is answered 408.",
    },
    Setting {
        key: "send_timeout",
        field: &Of(|limit: &mut Limit| &mut limit.send_timeout, Time),
        default: Standard::Time(defaults::CLIENT_SEND_TIMEOUT),
        example: r#""10s""#,
        doc: "Longest time a client may take no byte of its answer. Then its connection is closed.",
    },
    Setting {
        key: "idle",
        field: &Of(|limit: &mut Limit| &mut limit.idle, Time),
        default: Standard::Time(defaults::CLIENT_IDLE),
        example: r#""30s""#,
        doc: "Longest time a connection may be silent between two requests; `\"0s\"` closes it after each answer.",
    },
    Setting {
        key: "requests",
        field: &Of(|limit: &mut Limit| &mut limit.requests, BigCount),
        default: Standard::Count(defaults::CLIENT_REQUESTS),
        example: "1000",
        doc: "Requests over one connection before it is closed.",
    },
    Setting {
        key: "streams",
        field: &Of(|limit: &mut Limit| &mut limit.streams, Count),
        default: Standard::Count(defaults::CLIENT_STREAMS as u64),
        example: "1000",
        doc: "HTTP/2: most requests of a client at a time on one connection. What goes beyond is refused, and the client \
              knows that nothing was done.",
    },
    Setting {
        key: "connections",
        field: &Of(|limit: &mut Limit| &mut limit.connections, Count),
        default: Standard::Count(defaults::CONNECTIONS as u64),
        example: "50000",
        doc: "Most client connections of a listener at a time. Further ones wait in its backlog. The only limit that \
              holds for TCP listeners too.",
    },
];
