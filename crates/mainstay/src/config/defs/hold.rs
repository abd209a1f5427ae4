//! `hold` of a pool.

use super::kinds::{Count, Size, Time};
use super::{Of, Setting, Standard};
use crate::config::defaults;
use crate::config::typed::Hold;

/// `hold`
pub(in crate::config) static HOLD: &[Setting<Hold>] = &[
    Setting {
        key: "requests",
        field: &Of(|hold: &mut Hold| &mut hold.requests, Count),
        default: Standard::Count(defaults::HOLD.requests as u64),
        example: "200",
        doc: "Most requests and connections that wait at a time, over all workers. A further request is answered 503 with \
              a Retry-After, a further connection is refused. 0 holds none.",
    },
    Setting {
        key: "bytes",
        field: &Of(|hold: &mut Hold| &mut hold.bytes, Size),
        default: Standard::Size(defaults::HOLD.bytes),
        example: r#""4MiB""#,
        doc: "Most memory that they take together: what has come of them. The rest of a body is not read meanwhile.",
    },
    Setting {
        key: "time",
        field: &Of(|hold: &mut Hold| &mut hold.time, Time),
        default: Standard::Time(defaults::HOLD.time),
        example: r#""10s""#,
        doc: "How long each waits at most: more than a takeover lasts, and less than the patience of clients.",
    },
];
