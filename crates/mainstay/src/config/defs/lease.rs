//! `[store]` and `[lease.NAME]`.

use super::kinds::{Flag, Text, Texts, Time};
use super::{Of, Setting, Standard};
use crate::config::defaults;
use crate::config::typed::{Lease, Store};

/// `[store]`
pub(in crate::config) static STORE: &[Setting<Store>] = &[
    Setting {
        key: "url",
        field: &Of(
            |store: &mut Store| &mut store.url,
            Text("`\"sqlite:FILE\"` or `\"postgres://USER@HOST,HOST/DATABASE\"`"),
        ),
        default: Standard::Words("`\"sqlite:mainstay.db\"`"),
        example: r#""postgres://mainstay@db-a,db-b/mainstay""#,
        doc: "Where leases are kept. `sqlite:` is for programs of one machine; the path is taken from the folder of the \
              configuration. `postgres://` is for several: of its hosts, the one that can be written to is used. \
              `sslmode` and the like may stand behind a `?`.",
    },
    Setting {
        key: "password_file",
        field: &Of(|store: &mut Store| &mut store.password_file, Text("a path")),
        default: Standard::Words("none"),
        example: r#""/etc/mainstay/store.password""#,
        doc: "A file whose first line is the password of the url's user. It must be readable by its owner only.",
    },
    Setting {
        key: "ca",
        field: &Of(|store: &mut Store| &mut store.ca, Text("a path")),
        default: Standard::Words("what `sslrootcert` in the url says, else those of the system"),
        example: r#""/etc/mainstay/db-ca.pem""#,
        doc: "A file of certificates (PEM), one of which must have signed the database's.",
    },
    Setting {
        key: "timeout",
        field: &Of(|store: &mut Store| &mut store.timeout, Time),
        default: Standard::Time(defaults::STORE_TIMEOUT),
        example: r#""500ms""#,
        doc: "Longest time for one request to the store. Of no lease longer than its `renew`.",
    },
];

/// `[lease.NAME]`
pub(in crate::config) static LEASE: &[Setting<Lease>] = &[
    Setting {
        key: "renew",
        field: &Of(|lease: &mut Lease| &mut lease.renew, Time),
        default: Standard::Time(defaults::RENEW),
        example: r#""1s""#,
        doc: "How often the holder says that it goes on, and how often the others look.",
    },
    Setting {
        key: "ttl",
        field: &Of(|lease: &mut Lease| &mut lease.ttl, Time),
        default: Standard::Words("three times `renew`"),
        example: r#""3s""#,
        doc: "How long the lease lasts without that: at least three times `renew`. A holder whose machine or network is \
              gone is replaced after so long. Give all members of a lease the same.",
    },
    Setting {
        key: "early",
        field: &Of(|lease: &mut Lease| &mut lease.early, Flag),
        default: Standard::Words("`true` with a store of one machine, else `false`"),
        example: "true",
        doc: "Whether the lease is taken before `ttl` has passed, half a second after the holder's session with the store \
              was seen to end, if no renewal follows. With `sqlite:` this means that the child is gone too. With \
              `postgres://` it does not: set it only for nodes all of whose effects are in a database that fences \
              (`role`).",
    },
    Setting {
        key: "takeover_unfenced",
        field: &Of(|lease: &mut Lease| &mut lease.takeover_unfenced, Flag),
        default: Standard::Words("`false`"),
        example: "true",
        doc: "Whether the lease is also taken over by itself where nothing but time keeps two holders apart: a store of \
              `postgres://` and a guard without `role`. A holder that was paused can then write for a moment after \
              another has begun. Without it, such a lease waits for an operator's `mainstay switchover`.",
    },
    Setting {
        key: "synchronous",
        field: &Of(|lease: &mut Lease| &mut lease.synchronous, Flag),
        default: Standard::Words("`false`"),
        example: "true",
        doc: "Says that the database is replicated synchronously and that only a member of its quorum is ever promoted, \
              so that nothing it acknowledged is lost; or that no other server ever takes its place. A tenure, and the \
              child, then go on when a standby is promoted; otherwise the child is started anew, and it is frozen whenever \
              the store is lost, until the same database answers again.",
    },
    Setting {
        key: "drain",
        field: &Of(|lease: &mut Lease| &mut lease.drain, Time),
        default: Standard::Time(defaults::LEASE_DRAIN),
        example: r#""10s""#,
        doc: "In a planned switch-over: how long requests under way may take to finish before the child is stopped.",
    },
    Setting {
        key: "fence_within",
        field: &Of(|lease: &mut Lease| &mut lease.fence_within, Time),
        default: Standard::Time(defaults::FENCE_WITHIN),
        example: r#""30s""#,
        doc: "How long fencing may take before a new holder gives up.",
    },
    Setting {
        key: "database",
        field: &Of(|lease: &mut Lease| &mut lease.database, Text("a name")),
        default: Standard::Words("none; must be set where a guard of the lease has a `role`"),
        example: r#""partya""#,
        doc: "The database that the children work in, on the server of the store.",
    },
    Setting {
        key: "group",
        field: &Of(|lease: &mut Lease| &mut lease.group, Text("a name")),
        default: Standard::Words("none"),
        example: r#""partya""#,
        doc: "The role that owns what the children create, so that the next holder can use it. Their login roles are \
              members of it and act as it.",
    },
    Setting {
        key: "roles",
        field: &Of(|lease: &mut Lease| &mut lease.roles, Texts("a text or a list of texts")),
        default: Standard::Words("the `role` of this file's guard"),
        example: r#"["partya_1", "partya_2"]"#,
        doc: "The login roles of all holders, which `mainstay store init` makes.",
    },
];
