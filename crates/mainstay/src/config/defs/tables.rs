//! The tables as the reference shows them.

use super::{
    ACT, ADMIN, CHECK, EJECT, ERROR_PAGE, GUARD, HOLD, HOOK, LEASE, LIMIT, LISTEN, LOG, MIRROR, NODE, POOL, PROGRESS,
    READY, RESTART, RETRY, ROUTE, RUN, STORE, Setting, TLS,
};

/// A table of settings.
pub(in crate::config) struct Section {
    /// Its heading.
    pub(in crate::config) title: &'static str,
    /// What it is for.
    pub(in crate::config) doc: &'static str,
    /// Its settings.
    pub(in crate::config) rows: Vec<Row>,
}

/// A setting, whatever it becomes.
pub(in crate::config) struct Row {
    /// Its key.
    pub(in crate::config) key: &'static str,
    /// What an operator may write.
    pub(in crate::config) kind: String,
    /// What holds when it is not typed.
    pub(in crate::config) default: String,
    /// A value for it, as TOML.
    pub(in crate::config) example: &'static str,
    /// What it does.
    pub(in crate::config) doc: &'static str,
}

/// Every table, in the order an operator meets them.
pub(in crate::config) fn sections() -> Vec<Section> {
    let section = |title, doc, rows| Section { title, doc, rows };
    vec![
        section("[pool.NAME]", "Nodes that serve the same thing.", rows(POOL)),
        section("An entry of `nodes`", "A text is short for a table with `at` alone.", rows(NODE)),
        section(
            "An entry of `check`",
            "One checker runs for each address and check, however many pools and workers refer to it.",
            rows(CHECK),
        ),
        section("`eject`", "The keys of an `eject` table.", rows(EJECT)),
        section("`hold`", "The keys of a `hold` table.", rows(HOLD)),
        section(
            "[listen.NAME]",
            "Where clients connect. What it does with them is an [action](#an-action), whose keys stand in the same \
             table.",
            rows(LISTEN),
        ),
        section("An entry of `routes`", "The keys of an [action](#an-action) stand in the same table.", rows(ROUTE)),
        section(
            "An action",
            "What a listener or a route does: `to` or `reply`, and how. The keys stand directly in the table of the \
             listener or route.",
            rows(ACT),
        ),
        section("An entry of `mirror`", "A text is short for a table with `to` alone.", rows(MIRROR)),
        section("An entry of `error_pages`", "Another answer for some statuses.", rows(ERROR_PAGE)),
        section(
            "[retry.NAME]",
            "When a second node is tried. `[retry.default]` holds where no other is named.",
            rows(RETRY),
        ),
        section(
            "[limit.NAME]",
            "What clients may send and how long they may take. `[limit.default]` holds where no other is named.",
            rows(LIMIT),
        ),
        section(
            "[tls.NAME]",
            "Certificates, keys and anchors, of listeners or towards nodes. See [TLS](../tls.md). Files are read again when \
             they change.",
            rows(TLS),
        ),
        section("[store]", "Where leases are kept. Only where there is a `[lease.NAME]`.", rows(STORE)),
        section(
            "[lease.NAME]",
            "What at most one of several machines holds. See [failover](../failover.md).",
            rows(LEASE),
        ),
        section("[guard.NAME]", "A command that runs only while its lease is held.", rows(GUARD)),
        section("`ready`", "The keys of a `ready` table.", rows(READY)),
        section("`progress`", "The keys of a `progress` table.", rows(PROGRESS)),
        section(
            "`prepare`, `before` and `after`",
            "A list of texts is short for a table with `run` alone.",
            rows(HOOK),
        ),
        section("`restart`", "The keys of a `restart` table.", rows(RESTART)),
        section("[run]", "The process.", rows(RUN)),
        section("[admin]", "The listener for operators.", rows(ADMIN)),
        section("[log]", "What is written where.", rows(LOG)),
    ]
}

fn rows<T>(settings: &'static [Setting<T>]) -> Vec<Row> {
    let row = |setting: &Setting<T>| Row {
        key: setting.key,
        kind: setting.field.kind(),
        default: setting.default.show(),
        example: setting.example,
        doc: setting.doc,
    };
    settings.iter().map(row).collect()
}
