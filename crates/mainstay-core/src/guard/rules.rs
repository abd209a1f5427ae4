use std::time::Duration;

use super::restart::RestartRule;
use super::wellness::WellnessRule;

/// How one child is guarded.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Time for the `prepare` command; `None`: there is none.
    pub prepare: Option<Duration>,
    /// Time for the `before` hook; `None`: there is none.
    pub before: Option<Duration>,
    /// Time for the `after` hook; `None`: there is none.
    pub after: Option<Duration>,
    /// When the child is ready, and when it is not well.
    pub wellness: WellnessRule,
    /// From the stop signal until it is killed.
    pub stop_within: Duration,
    /// Whether it is frozen when the store is not heard from; otherwise it is killed then.
    pub freeze: bool,
    /// What follows when it ends by itself.
    pub finish: Finish,
    /// When the program is ending: how long the keeper has to let the lease go in order, before the child is stopped
    /// without it.
    pub leave_within: Duration,
}

/// What follows when a child ends by itself.
#[derive(Clone, Copy, Debug)]
pub enum Finish {
    /// It is started again.
    Restart(RestartRule),
    /// Its work is done: the lease is freed, and the guard ends with its exit code.
    End,
}
