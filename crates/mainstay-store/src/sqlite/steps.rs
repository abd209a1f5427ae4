//! One request as one transaction.

use std::io;
use std::time::Duration;

use mainstay_core::lease::{Answer, Failure, Member, MemberState, Name, Nonce, Request, Row, RowState, Stamp};
use rusqlite::{Transaction, TransactionBehavior};

use super::lock::Locks;
use super::open::Database;
use super::watch::Watchers;
use super::{rows, trouble};
use crate::{Entry, Presence, apply};

/// What the store's thread owns.
#[derive(Debug)]
pub(super) struct State {
    pub(super) database: Database,
    pub(super) locks: Locks,
    pub(super) watchers: Watchers,
    pub(super) timeout: Duration,
    /// Where this program runs.
    pub(super) place: Name,
}

impl State {
    /// Does what a request says.
    pub(super) fn step(&mut self, lease: &Name, request: &Request) -> Result<Answer, Failure> {
        self.lasting(!matches!(request, Request::Renew { .. } | Request::Look { .. }))?;
        let (locks, place) = (self.locks.clone(), self.place.clone());
        let (answer, news) = self.transaction(|step, now| {
            let decided = decide(step, &locks, lease, request, now)?;
            if let (Answer::Done { .. }, Request::Look { me }) = (&decided.0, request) {
                rows::note_place(step, lease, me.instance, &place)?;
            }
            Ok(decided)
        })?;
        match (&answer, request) {
            (Answer::Done { .. }, Request::Transfer { nonce, .. })
            | (
                Answer::Overtaken { .. },
                Request::Acquire { nonce, .. }
                | Request::Fence { nonce }
                | Request::Activate { nonce, .. }
                | Request::Renew { nonce, .. }
                | Request::Transfer { nonce, .. },
            ) => self.locks.release_of(lease, *nonce),
            _ => {}
        }
        if let Some(row) = news {
            self.watchers.tell(lease, &row);
        }
        Ok(answer)
    }

    /// Who looked lately, and from where.
    pub(super) fn presences(&mut self, lease: &Name) -> Result<Vec<Presence>, Failure> {
        let read = rows::presences(&self.database.connection, lease, now());
        read.map_err(|error| self.not_done(&error))
    }

    /// Writes down something that happened.
    pub(super) fn record(&mut self, entry: &Entry) -> Result<(), Failure> {
        self.lasting(false)?;
        self.transaction(|step, _| rows::record(step, entry).map_err(Stop::Sqlite))
    }

    /// Reads what happened.
    pub(super) fn history(&mut self, lease: Option<&Name>, limit: u32) -> Result<Vec<Entry>, Failure> {
        let read = rows::history(&self.database.connection, lease, limit);
        read.map_err(|error| self.not_done(&error))
    }

    /// Whether the next steps must survive that the machine loses power. Those that a start of the machine ends anyway
    /// need not, and cost a fraction.
    fn lasting(&self, lasting: bool) -> Result<(), Failure> {
        let mode = if lasting { "FULL" } else { "NORMAL" };
        let set = self.database.connection.pragma_update(None, "synchronous", mode);
        set.map_err(|error| self.not_done(&error))
    }

    fn transaction<T>(&mut self, work: impl FnOnce(&Transaction<'_>, Stamp) -> Result<T, Stop>) -> Result<T, Failure> {
        let Self { database, timeout, .. } = self;
        let (path, timeout) = (&database.path, *timeout);
        let not_done = |error: &rusqlite::Error| trouble::not_done(error, path, timeout);
        if !database.is_at_its_path() {
            let text = format!(
                "{} was removed or replaced while it was in use: put it back, or restart every Mainstay that uses it",
                path.display()
            );
            return Err(Failure::NotDone(text.into()));
        }
        let step = database.connection.transaction_with_behavior(TransactionBehavior::Immediate);
        let step = step.map_err(|error| not_done(&error))?;
        let boot: String =
            step.query_row("SELECT max(boot) FROM machine", [], |row| row.get(0)).map_err(|error| not_done(&error))?;
        if boot != database.boot {
            let text =
                format!("{} is used by another machine as well: give each its own, or use PostgreSQL", path.display());
            return Err(Failure::NotDone(text.into()));
        }
        let done = work(&step, now()).map_err(|stop| match stop {
            Stop::Sqlite(error) => not_done(&error),
            Stop::Because(text) => Failure::NotDone(text.into()),
        })?;
        step.commit().map_err(|error| trouble::at_commit(&error, path, timeout))?;
        Ok(done)
    }

    fn not_done(&self, error: &rusqlite::Error) -> Failure {
        trouble::not_done(error, &self.database.path, self.timeout)
    }
}

/// Why a step is not done.
pub(super) enum Stop {
    Sqlite(rusqlite::Error),
    Because(String),
}

impl From<rusqlite::Error> for Stop {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

/// The answer, and the row if it or a member is not as it was.
fn decide(
    step: &Transaction<'_>,
    locks: &Locks,
    lease: &Name,
    request: &Request,
    now: Stamp,
) -> Result<(Answer, Option<Row>), Stop> {
    let (timeline, clock) = (rows::TIMELINE, now);
    let row = match (rows::read(step, lease)?, request) {
        (Some(row), _) => row,
        (None, Request::Look { .. }) => {
            let row = rows::fresh(now);
            rows::write(step, lease, &row)?;
            row
        }
        (None, _) => return Err(Stop::Because(format!("the store has no lease `{lease}`: nobody guards it yet"))),
    };
    if goes_on(request, &row) && astray(locks, lease, &row) {
        // Nobody is locked out any more, and the child still runs: it is stopped at once, and the row stays as it is until
        // it has expired.
        let row = Row { state: RowState::Free, ..row };
        return Ok((Answer::Overtaken { row, timeline, clock }, None));
    }
    if let Request::Look { me } = request {
        let same = |member: &Member| Member { age: me.age, ..member.clone() } == *me;
        let known = rows::members(step, lease, now)?.iter().any(same);
        rows::note(step, lease, me, now)?;
        let members = rows::members(step, lease, now)?;
        let news = (!known).then(|| row.clone());
        return Ok((Answer::Done { row, timeline, clock, members }, news));
    }
    if let Some(nonce) = tenure(request)
        && row.nonce == nonce
        && row.state != RowState::Free
        && locks.was_let_go(lease, nonce)
    {
        // The tenure ended with its lock, and the child before it. Who held it has to take the lease, and the lock, anew.
        let free = Request::Transfer { nonce, next: None, ttl: row.ttl };
        let new = apply(&row, &free, timeline, now).unwrap_or(row);
        rows::write(step, lease, &new)?;
        return Ok((Answer::Overtaken { row: new.clone(), timeline, clock }, Some(new)));
    }
    let Some(new) = apply(&row, request, timeline, now) else {
        return Ok((Answer::Overtaken { row, timeline, clock }, None));
    };
    if let Request::Acquire { nonce, .. } = request {
        let told = |error: io::Error| Stop::Because(format!("the lock of lease `{lease}`: {error}"));
        // Where the file of the holder's lock was removed or replaced, only time tells that its child stands still.
        let known = rows::lock(step, lease)?;
        let same = known.is_none() || known == locks.file(lease).map_err(told)?;
        if row.state != RowState::Free && row.expires_at >= now && !same {
            return Ok((Answer::Overtaken { row, timeline, clock }, None));
        }
        let Some(file) = locks.take(lease, *nonce).map_err(told)? else {
            return Ok((Answer::Overtaken { row, timeline, clock }, None));
        };
        rows::note_lock(step, lease, file)?;
    }
    if new != row {
        rows::write(step, lease, &new)?;
    }
    let news = crate::semantics::is_news(&row, &new).then(|| new.clone());
    Ok((Answer::Done { row: new, timeline, clock, members: Vec::new() }, news))
}

/// Whether who asks holds the lease, and means to go on.
fn goes_on(request: &Request, row: &Row) -> bool {
    match request {
        Request::Look { me } => me.state == MemberState::Holder,
        other => tenure(other) == Some(row.nonce),
    }
}

/// Whether the lock of the row's tenure is this program's, and on a file that is not there any more.
fn astray(locks: &Locks, lease: &Name, row: &Row) -> bool {
    let astray = row.state != RowState::Free && locks.is_astray(lease, row.nonce);
    if astray {
        tracing::warn!(%lease, "the file of its lock was removed or replaced while it was in use: the tenure ends");
    }
    astray
}

/// The tenure that a request goes on with.
fn tenure(request: &Request) -> Option<Nonce> {
    match request {
        Request::Fence { nonce } | Request::Activate { nonce, .. } | Request::Renew { nonce, .. } => Some(*nonce),
        _ => None,
    }
}

/// The machine's time since it was started, its sleep included.
pub(super) fn now() -> Stamp {
    let nanos = mainstay_io::clock::boot().as_nanos();
    Stamp(i64::try_from(nanos / 1_000).unwrap_or(i64::MAX))
}
