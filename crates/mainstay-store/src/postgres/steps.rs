//! What is asked about one lease, but for looks, renewals and fencing.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mainstay_core::lease::{Failure, Name, Request};
use tokio::time::Instant;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Row as PgRow, Statement};

use super::rows::{self, Seen, get, micros, signed, unsigned};
use super::session::Session;
use crate::{Entry, Presence, words};

/// What came of a step: what was seen, and whether it was done.
pub(super) struct Step {
    pub(super) seen: Seen,
    pub(super) done: bool,
}

/// Does what a request says that needs neither roles nor company.
pub(super) async fn step(session: &Session, lease: &Name, request: &Request, end: Instant) -> Result<Step, Failure> {
    let (sql, name) = (&session.sql, &**lease);
    let updated = match request {
        Request::Acquire { seen, timeline, epoch_at_least, nonce, holder, ttl, early } => {
            let (epoch, seq, least) = (signed(seen.epoch), signed(seen.seq), signed(*epoch_at_least));
            let (timeline, nonce, ttl) = (i64::from(timeline.0), nonce.to_string(), micros(*ttl));
            let values: [&(dyn ToSql + Sync); 10] =
                [&name, &epoch, &seq, &timeline, &least, &nonce, &&**holder, &ttl, early, &session.key];
            update(session, &sql.acquire, &values, end).await?
        }
        Request::Activate { nonce, timeline, ttl } => {
            let (nonce, timeline, ttl) = (nonce.to_string(), i64::from(timeline.0), micros(*ttl));
            update(session, &sql.activate, &[&name, &nonce, &timeline, &ttl], end).await?
        }
        Request::Carry { nonce, from, to, seq_at_least, ttl } => {
            let (nonce, from, to) = (nonce.to_string(), i64::from(from.0), i64::from(to.0));
            let (seq, ttl) = (signed(*seq_at_least), micros(*ttl));
            update(session, &sql.carry, &[&name, &nonce, &from, &to, &seq, &ttl], end).await?
        }
        Request::Transfer { nonce, next, ttl } => {
            let (nonce, next, ttl) = (nonce.to_string(), next.as_deref(), micros(*ttl));
            update(session, &sql.transfer, &[&name, &nonce, &next, &ttl], end).await?
        }
        Request::Switch { id, to, after } => {
            let (id, to, after) = (id.to_string(), to.as_deref(), micros(*after));
            update(session, &sql.switch, &[&name, &id, &to, &after], end).await?
        }
        Request::Settle { id, outcome } => {
            let (word, reason) = words::outcome(outcome);
            update(session, &sql.settle, &[&name, &id.to_string(), &word, &reason], end).await?
        }
        Request::Pause(paused) => update(session, &sql.pause, &[&name, &paused.as_deref()], end).await?,
        Request::Look { .. } | Request::Fence { .. } | Request::Renew { .. } => None,
    };
    match updated {
        Some(seen) => Ok(Step { seen, done: true }),
        None => Ok(Step { seen: read(session, lease, end).await?, done: false }),
    }
}

/// Reads the row.
pub(super) async fn read(session: &Session, lease: &Name, end: Instant) -> Result<Seen, Failure> {
    match rows_of(session, &[lease], end).await?.first() {
        Some(row) => rows::seen(session, row),
        None => Err(missing(lease)),
    }
}

/// Tells whoever listens that these leases are worth a look. Nobody waits for it, and nothing depends on it.
pub(super) fn notify(session: &Arc<Session>, leases: Vec<Name>) {
    let session = Arc::clone(session);
    tokio::spawn(async move {
        let names: Vec<&str> = leases.iter().map(|lease| &**lease).collect();
        let told =
            session.run(Instant::now() + NOTIFYING, session.client.execute(&session.sql.notify, &[&names])).await;
        if let Err(failure) = told {
            tracing::debug!(?failure, "tell others of a change");
        }
    });
}

/// Forgets the members that have not looked for long: each start of a program leaves one.
pub(super) fn forget_members(session: &Arc<Session>, leases: Vec<Name>) {
    let session = Arc::clone(session);
    tokio::spawn(async move {
        let query =
            "DELETE FROM mainstay.member WHERE lease = ANY ($1) AND seen < clock_timestamp() - interval '1 hour'";
        let names: Vec<&str> = leases.iter().map(|lease| &**lease).collect();
        let end = Instant::now() + NOTIFYING;
        if let Err(failure) = session.run(end, async { session.client.execute(query, &[&names]).await }).await {
            tracing::debug!(?failure, "forget members");
        }
    });
}

/// Writes down what happened.
pub(super) async fn record(session: &Session, entry: &Entry, end: Instant) -> Result<(), Failure> {
    let at = micros(entry.at.duration_since(UNIX_EPOCH).unwrap_or_default());
    let (epoch, kept) = (signed(entry.epoch), i64::from(Entry::KEPT));
    let values: [&(dyn ToSql + Sync); 7] =
        [&at, &&*entry.lease, &&*entry.by, &epoch, &&*entry.what, &&*entry.text, &kept];
    session.run(end, session.client.execute(&session.sql.record, &values)).await.map(drop)
}

/// The records of members, the last first.
pub(super) async fn presences(session: &Session, lease: &Name, end: Instant) -> Result<Vec<Presence>, Failure> {
    let rows = session.run(end, session.client.query(&session.sql.presences, &[&&**lease])).await?;
    rows.iter().map(rows::presence).collect()
}

/// What happened, oldest first.
pub(super) async fn history(
    session: &Session,
    lease: Option<&Name>,
    limit: u32,
    end: Instant,
) -> Result<Vec<Entry>, Failure> {
    let (lease, limit) = (lease.map(|lease| &**lease), i64::from(limit));
    let rows = session.run(end, session.client.query(&session.sql.history, &[&lease, &limit])).await?;
    let entry = |row: &PgRow| {
        Ok(Entry {
            at: time(get(row, 0)?),
            lease: get::<&str>(row, 1)?.into(),
            by: get::<&str>(row, 2)?.into(),
            epoch: unsigned(get(row, 3)?),
            what: get::<&str>(row, 4)?.into(),
            text: get::<&str>(row, 5)?.into(),
        })
    };
    rows.iter().rev().map(entry).collect()
}

async fn update(
    session: &Session,
    statement: &Statement,
    values: &[&(dyn ToSql + Sync)],
    end: Instant,
) -> Result<Option<Seen>, Failure> {
    let row = session.run(end, session.client.query_opt(statement, values)).await?;
    row.map(|row| rows::seen(session, &row)).transpose()
}

/// The rows of these leases, once for each member that looked lately.
pub(super) async fn rows_of(session: &Session, leases: &[&str], end: Instant) -> Result<Vec<PgRow>, Failure> {
    let values: [&(dyn ToSql + Sync); 2] = [&leases, &micros(MEMBER_KEPT)];
    session.run(end, session.client.query(&session.sql.read, &values)).await
}

pub(super) fn missing(lease: &Name) -> Failure {
    Failure::NotDone(format!("the store has no lease `{lease}`: nobody guards it yet").into())
}

fn time(micros: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_micros(unsigned(micros))
}

/// How long a member that no longer looks is told of.
const MEMBER_KEPT: Duration = Duration::from_secs(60);
/// How long may take what nobody waits for.
const NOTIFYING: Duration = Duration::from_secs(1);
