//! `[guard.NAME]` and the tables in it.

use super::guarding::{HookKind, Priority, ProgressCheck, ReadyCheck, Restarts, Variables, Words};
use super::kinds::{Count, Flag, Number16, Text, Time};
use super::{Of, Setting, Standard};
use crate::config::defaults;
use crate::config::typed::{Guard, Hook, Progress, Ready, Restart};

/// `[guard.NAME]`
pub(in crate::config) static GUARD: &[Setting<Guard>] = &[
    Setting {
        key: "lease",
        field: &Of(|guard: &mut Guard| &mut guard.lease, Text("the name of a lease")),
        default: Standard::Required,
        example: r#""bank-a""#,
        doc: "The `[lease.NAME]` within which the child runs. One guard of a file for each lease.",
    },
    Setting {
        key: "name",
        field: &Of(|guard: &mut Guard| &mut guard.name, Text("a name")),
        default: Standard::Words("the machine's host name"),
        example: r#""corda-1""#,
        doc: "Who holds the lease then: a name of its own for each of the machines. Pools find their leader by it, and a second Mainstay of the same name does not begin.",
    },
    Setting {
        key: "run",
        field: &Of(|guard: &mut Guard| &mut guard.run, Words),
        default: Standard::Required,
        example: r#"["java", "-jar", "corda.jar"]"#,
        doc: "The child: a program that stays in the foreground, and its arguments. It runs only while the lease is held.",
    },
    Setting {
        key: "dir",
        field: &Of(|guard: &mut Guard| &mut guard.dir, Text("a path")),
        default: Standard::Words("where Mainstay runs"),
        example: r#""/opt/corda""#,
        doc: "Where the child and its hooks run.",
    },
    Setting {
        key: "env",
        field: &Of(|guard: &mut Guard| &mut guard.env, Variables),
        default: Standard::Words("nothing"),
        example: r#"{ DB_USER = "{role}", DB_PASSWORD = "{password}" }"#,
        doc: "What is added to their environment. `{role}` and `{password}` are the login of this tenure, `{epoch}` is its number and `{token}` its fencing token; `{{role}}` is the text itself.",
    },
    Setting {
        key: "role",
        field: &Of(|guard: &mut Guard| &mut guard.role, Text("a name")),
        default: Standard::Words("none: the database does not keep two holders apart"),
        example: r#""partya_1""#,
        doc: "The child's own login role in PostgreSQL. It can log in only while this guard holds the lease: a former holder can write no more.",
    },
    Setting {
        key: "password_file",
        field: &Of(|guard: &mut Guard| &mut guard.password_file, Text("a path")),
        default: Standard::Words("none"),
        example: r#""/run/mainstay/corda.password""#,
        doc: "A file that the role's password is written to before the child starts, with mode 0600. It is drawn anew for each tenure.",
    },
    Setting {
        key: "ready",
        field: &Of(|guard: &mut Guard| &mut guard.ready, ReadyCheck),
        default: Standard::Words("none: it is ready once it is started"),
        example: r#"{ tcp = "127.0.0.1:10002" }"#,
        doc: "When the child is ready to be sent clients.",
    },
    Setting {
        key: "unwell_after",
        field: &Of(|guard: &mut Guard| &mut guard.unwell_after, Time),
        default: Standard::Words("never"),
        example: r#""10s""#,
        doc: "Another takes over when the ready check has failed for so long.",
    },
    Setting {
        key: "progress",
        field: &Of(|guard: &mut Guard| &mut guard.progress, ProgressCheck),
        default: Standard::Words("none"),
        example: r#"{ run = ["/opt/corda/last-flow.sh"], within = "5m" }"#,
        doc: "How a child is recognized that lives but stands still. Another takes over then.",
    },
    Setting {
        key: "prepare",
        field: &Of(|guard: &mut Guard| &mut guard.prepare, HookKind),
        default: Standard::Words("none"),
        example: r#"["/opt/corda/warm.sh"]"#,
        doc: "Runs on the successor before a planned switch-over begins. If it fails, nothing is switched.",
    },
    Setting {
        key: "before",
        field: &Of(|guard: &mut Guard| &mut guard.before, HookKind),
        default: Standard::Words("none"),
        example: r#"{ run = ["mount", "/journal"], within = "10s" }"#,
        doc: "Runs before each start of the child, within the tenure. If it fails, the child is not started.",
    },
    Setting {
        key: "after",
        field: &Of(|guard: &mut Guard| &mut guard.after, HookKind),
        default: Standard::Words("none"),
        example: r#"["umount", "/journal"]"#,
        doc: "Runs each time when the child is gone, before the lease is given up.",
    },
    Setting {
        key: "stop_signal",
        field: &Of(|guard: &mut Guard| &mut guard.stop_signal, Text("a signal")),
        default: Standard::Words("`\"TERM\"`"),
        example: r#""INT""#,
        doc: "What asks the child to end: `TERM`, `INT`, `QUIT`, `HUP`, `USR1` or `USR2`. All of its process group gets it.",
    },
    Setting {
        key: "stop_within",
        field: &Of(|guard: &mut Guard| &mut guard.stop_within, Time),
        default: Standard::Time(defaults::STOP_WITHIN),
        example: r#""10s""#,
        doc: "From then until it is killed, with all its processes.",
    },
    Setting {
        key: "restart",
        field: &Of(|guard: &mut Guard| &mut guard.restart, Restarts),
        default: Standard::Words("`{ times = 3, within = \"1m\", backoff = \"1s\" }`"),
        example: r#"{ times = 1, within = "10m" }"#,
        doc: "How often a child that ended by itself is started again in place before another takes over.",
    },
    Setting {
        key: "freeze",
        field: &Of(|guard: &mut Guard| &mut guard.freeze, Flag),
        default: Standard::Words("`true`"),
        example: r#"false"#,
        doc: "Whether the child is frozen when the lease could not be renewed in time, and goes on when it is; otherwise it is killed at once.",
    },
    Setting {
        key: "kill_after",
        field: &Of(|guard: &mut Guard| &mut guard.kill_after, Time),
        default: Standard::Words("`\"1m\"`; the lease's `ttl` where the store is a file"),
        example: r#""20s""#,
        doc: "How long it stays frozen before it is killed after all. Where the store is a file nobody else takes over before that.",
    },
    Setting {
        key: "priority",
        field: &Of(|guard: &mut Guard| &mut guard.priority, Priority),
        default: Standard::Words("`100`"),
        example: r#""preferred""#,
        doc: "Who takes over first: the higher. `\"preferred\"` is 200, `\"never\"` is 0: such a guard never takes the lease.",
    },
    Setting {
        key: "cgroup",
        field: &Of(|guard: &mut Guard| &mut guard.cgroup, Text("`\"auto\"`, `\"never\"` or `\"required\"`")),
        default: Standard::Words("`\"auto\"`"),
        example: r#""required""#,
        doc: "Whether the child gets a control group of its own, by which the kernel freezes and kills all its processes as one. Under systemd this takes `Delegate=yes`.",
    },
];

/// `ready`
pub(in crate::config) static READY: &[Setting<Ready>] = &[
    Setting {
        key: "tcp",
        field: &Of(|ready: &mut Ready| &mut ready.tcp, Text("`\"host:port\"`")),
        default: Standard::Words("none; one of `tcp`, `http` and `run`"),
        example: r#""127.0.0.1:10002""#,
        doc: "A connection to it can be made.",
    },
    Setting {
        key: "http",
        field: &Of(|ready: &mut Ready| &mut ready.http, Text("`\"http://host:port/path\"`")),
        default: Standard::Words("none; one of `tcp`, `http` and `run`"),
        example: r#""http://127.0.0.1:8080/health""#,
        doc: "A GET is answered with a status from 200 to 299.",
    },
    Setting {
        key: "run",
        field: &Of(|ready: &mut Ready| &mut ready.run, Words),
        default: Standard::Words("none; one of `tcp`, `http` and `run`"),
        example: r#"["/opt/node/ready.sh"]"#,
        doc: "The command ends with exit code 0.",
    },
    Setting {
        key: "status",
        field: &Of(|ready: &mut Ready| &mut ready.status, Number16("a status")),
        default: Standard::Words("200 to 299"),
        example: r#"204"#,
        doc: "The one status that `http` must be answered with.",
    },
    Setting {
        key: "every",
        field: &Of(|ready: &mut Ready| &mut ready.every, Time),
        default: Standard::Time(defaults::READY_EVERY),
        example: r#""100ms""#,
        doc: "Time from one try to the next.",
    },
    Setting {
        key: "timeout",
        field: &Of(|ready: &mut Ready| &mut ready.timeout, Time),
        default: Standard::Time(defaults::READY_TIMEOUT),
        example: r#""500ms""#,
        doc: "Longest time for one try.",
    },
    Setting {
        key: "within",
        field: &Of(|ready: &mut Ready| &mut ready.within, Time),
        default: Standard::Words("as long as it takes"),
        example: r#""2m""#,
        doc: "The child must be ready so long after its start; otherwise it is killed, which counts as a failure.",
    },
];

/// `progress`
pub(in crate::config) static PROGRESS: &[Setting<Progress>] = &[
    Setting {
        key: "run",
        field: &Of(|progress: &mut Progress| &mut progress.run, Words),
        default: Standard::Required,
        example: r#"["/opt/node/height.sh"]"#,
        doc: "Prints something that changes as long as the child does its work, such as the number of its last block.",
    },
    Setting {
        key: "every",
        field: &Of(|progress: &mut Progress| &mut progress.every, Time),
        default: Standard::Time(defaults::PROGRESS_EVERY),
        example: r#""10s""#,
        doc: "Time from one try to the next.",
    },
    Setting {
        key: "timeout",
        field: &Of(|progress: &mut Progress| &mut progress.timeout, Time),
        default: Standard::Time(defaults::PROGRESS_TIMEOUT),
        example: r#""2s""#,
        doc: "Longest time for one try.",
    },
    Setting {
        key: "within",
        field: &Of(|progress: &mut Progress| &mut progress.within, Time),
        default: Standard::Required,
        example: r#""5m""#,
        doc: "The same output for so long means that the child stands still.",
    },
];

/// `prepare`, `before` and `after`
pub(in crate::config) static HOOK: &[Setting<Hook>] = &[
    Setting {
        key: "run",
        field: &Of(|hook: &mut Hook| &mut hook.run, Words),
        default: Standard::Required,
        example: r#"["mount", "/journal"]"#,
        doc: "The command. An exit code other than 0 is a failure.",
    },
    Setting {
        key: "within",
        field: &Of(|hook: &mut Hook| &mut hook.within, Time),
        default: Standard::Time(defaults::HOOK_WITHIN),
        example: r#""2m""#,
        doc: "Then it is killed, which is a failure too.",
    },
];

/// `restart`
pub(in crate::config) static RESTART: &[Setting<Restart>] = &[
    Setting {
        key: "times",
        field: &Of(|restart: &mut Restart| &mut restart.times, Count),
        default: Standard::Count(defaults::RESTART_TIMES as u64),
        example: r#"1"#,
        doc: "So many failures are followed by a start in place; with one more, another takes over.",
    },
    Setting {
        key: "within",
        field: &Of(|restart: &mut Restart| &mut restart.within, Time),
        default: Standard::Time(defaults::RESTART_WITHIN),
        example: r#""10m""#,
        doc: "The time in which they are counted.",
    },
    Setting {
        key: "backoff",
        field: &Of(|restart: &mut Restart| &mut restart.backoff, Time),
        default: Standard::Time(defaults::RESTART_BACKOFF),
        example: r#""500ms""#,
        doc: "Wait before the first; it doubles with each that follows, up to half a minute.",
    },
];
