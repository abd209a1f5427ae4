//! The tables about leases: `[store]`, `[lease.NAME]` and `[guard.NAME]`.

use std::time::Duration;

use super::{Maybe, Spanned};

/// `[store]`: where leases are kept.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Store {
    /// `sqlite:FILE` or `postgres://...`.
    pub url: Maybe<String>,
    /// File with the password of the url's user.
    pub password_file: Maybe<String>,
    /// File of certificates that the database's own is signed by.
    pub ca: Maybe<String>,
    /// Longest time for one request.
    pub timeout: Maybe<Duration>,
}

/// `[lease.NAME]`
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lease {
    /// Time between renewals.
    pub renew: Maybe<Duration>,
    /// How long it lasts without one.
    pub ttl: Maybe<Duration>,
    /// Whether it is taken before it has run out, once its holder's session has ended.
    pub early: Maybe<bool>,
    /// Whether it is taken over where only time keeps two holders apart.
    pub takeover_unfenced: Maybe<bool>,
    /// Whether the database is replicated synchronously.
    pub synchronous: Maybe<bool>,
    /// Longest time for requests under way when it is handed over.
    pub drain: Maybe<Duration>,
    /// Longest time to fence.
    pub fence_within: Maybe<Duration>,
    /// The database that its holders' children work in.
    pub database: Maybe<String>,
    /// The role that owns what they create.
    pub group: Maybe<String>,
    /// The login roles of all holders.
    pub roles: Vec<Spanned<String>>,
}

/// `[guard.NAME]`
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Guard {
    /// Name of a `[lease.NAME]`.
    pub lease: Maybe<String>,
    /// Of this holder; default: the host name.
    pub name: Maybe<String>,
    /// The login role of its child.
    pub role: Maybe<String>,
    /// The child: program and arguments.
    pub run: Vec<Spanned<String>>,
    /// Where it runs.
    pub dir: Maybe<String>,
    /// What is added to its environment.
    pub env: Vec<(Spanned<String>, Spanned<String>)>,
    /// Where its password is written.
    pub password_file: Maybe<String>,
    /// When it is ready.
    pub ready: Maybe<Ready>,
    /// How one that stands still is recognized.
    pub progress: Maybe<Progress>,
    /// Hand over when the ready check has failed for so long.
    pub unwell_after: Maybe<Duration>,
    /// Makes ready for a switch-over.
    pub prepare: Maybe<Hook>,
    /// Runs before each start.
    pub before: Maybe<Hook>,
    /// Runs when the child is gone.
    pub after: Maybe<Hook>,
    /// What asks it to end.
    pub stop_signal: Maybe<String>,
    /// Then it is killed.
    pub stop_within: Maybe<Duration>,
    /// When it is started again.
    pub restart: Maybe<Restart>,
    /// Whether it is frozen rather than killed while the store is away.
    pub freeze: Maybe<bool>,
    /// How long it stays frozen at most.
    pub kill_after: Maybe<Duration>,
    /// A number, `never` or `preferred`.
    pub priority: Maybe<String>,
    /// `auto`, `never` or `required`.
    pub cgroup: Maybe<String>,
}

/// `ready` of a guard.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ready {
    /// `host:port`. One of `tcp`, `http` and `run` must be there.
    pub tcp: Maybe<String>,
    /// `http://host:port/path`
    pub http: Maybe<String>,
    /// A command.
    pub run: Vec<Spanned<String>>,
    /// The status that `http` must get.
    pub status: Maybe<u16>,
    /// How often.
    pub every: Maybe<Duration>,
    /// Longest time for one.
    pub timeout: Maybe<Duration>,
    /// Longest time from the start.
    pub within: Maybe<Duration>,
}

/// `progress` of a guard.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    /// A command whose output changes.
    pub run: Vec<Spanned<String>>,
    /// How often.
    pub every: Maybe<Duration>,
    /// Longest time for one.
    pub timeout: Maybe<Duration>,
    /// The same output for so long is standing still.
    pub within: Maybe<Duration>,
}

/// `prepare`, `before` and `after` of a guard: words, or a table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hook {
    /// Program and arguments.
    pub run: Vec<Spanned<String>>,
    /// Longest time for it.
    pub within: Maybe<Duration>,
}

/// `restart` of a guard.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Restart {
    /// So many times ...
    pub times: Maybe<u32>,
    /// ... in this time.
    pub within: Maybe<Duration>,
    /// Wait before the first.
    pub backoff: Maybe<Duration>,
}

/// `hold` of a pool.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hold {
    /// Most requests and connections.
    pub requests: Maybe<u32>,
    /// Most bytes of them.
    pub bytes: Maybe<u64>,
    /// Longest time for each.
    pub time: Maybe<Duration>,
}
