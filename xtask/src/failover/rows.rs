//! The lines of the table.

/// A line of the table.
pub(super) struct Row {
    /// What it is called on the command line.
    pub(super) name: &'static str,
    pub(super) what: &'static str,
    pub(super) drill: &'static str,
    pub(super) store: Store,
    pub(super) renew: &'static str,
    pub(super) runs: Runs,
    /// So many at once: few where times are measured, many where most of the time is spent waiting.
    pub(super) sets: u32,
    /// Requests per second of each set.
    pub(super) rate: &'static str,
    pub(super) wanted: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Store {
    Sqlite,
    Postgres,
}

#[derive(Clone, Copy)]
pub(super) enum Runs {
    Usual,
    Frozen,
}

impl Store {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        }
    }
}

pub(super) const ROWS: &[Row] = &[
    Row { wanted: "active <= 700", ..row("kill-child-file", "child killed", "kill-child", Store::Sqlite) },
    Row { wanted: "active <= 700", ..row("kill-child", "child killed", "kill-child", Store::Postgres) },
    Row { wanted: "active <= 700", ..row("kill-guard-file", "guard killed", "kill-guard", Store::Sqlite) },
    Row { wanted: "active <= 700", ..row("kill-guard", "guard killed", "kill-guard", Store::Postgres) },
    Row {
        renew: "1s",
        sets: 6,
        rate: "50",
        wanted: "active <= 3,500; 0 stale",
        ..row("freeze-machine", "machine frozen for 2 x ttl, then woken", "freeze-machine", Store::Postgres)
    },
    Row {
        sets: 3,
        wanted: "0 stale",
        ..row("partition-store", "holder cut off from the store", "partition-store", Store::Postgres)
    },
    Row {
        renew: "100ms",
        runs: Runs::Frozen,
        sets: 4,
        rate: "40",
        wanted: "0 stale",
        ..row("freeze-guard", "guard frozen for 2 x ttl, then woken", "freeze-guard", Store::Postgres)
    },
    Row {
        renew: "1s",
        sets: 4,
        wanted: "no takeover",
        ..row("blink-store", "store away for less than ttl", "blink-store", Store::Postgres)
    },
    Row {
        wanted: "no stale write",
        ..row("crash-database", "database killed and started again", "crash-database", Store::Postgres)
    },
    Row {
        wanted: "writes resume <= 1,000; no takeover, no restart of the node",
        ..row("promote-database", "primary killed, synchronous standby promoted", "promote-database", Store::Postgres)
    },
    Row {
        wanted: "token grows; nothing of the lost history written back",
        ..row(
            "promote-database-lossy",
            "primary killed, standby promoted that lacks commits",
            "promote-database-lossy",
            Store::Postgres,
        )
    },
    Row {
        sets: 4,
        rate: "50",
        wanted: "no takeover; 0 lost",
        ..row("clock-jump-file", "a guard's wall clock +-1 h", "clock-jump", Store::Sqlite)
    },
    Row {
        sets: 4,
        rate: "50",
        wanted: "no takeover; 0 lost",
        ..row("clock-jump", "wall clock of the database or a guard +-1 h", "clock-jump", Store::Postgres)
    },
    Row {
        wanted: "refused; 0 lost",
        ..row("double-start", "second start with the same name", "double-start", Store::Postgres)
    },
    Row {
        wanted: "control <= 50; 0 lost; gap < 1,000",
        ..row("switchover-file", "planned switch-over", "switchover", Store::Sqlite)
    },
    Row {
        wanted: "control <= 50; 0 lost; gap < 1,000",
        ..row("switchover", "planned switch-over", "switchover", Store::Postgres)
    },
];

const fn row(name: &'static str, what: &'static str, drill: &'static str, store: Store) -> Row {
    Row { name, what, drill, store, renew: "300ms", runs: Runs::Usual, sets: 2, rate: "200", wanted: "" }
}
