//! Renewals: one statement and one commit for all leases of a program that are due.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use mainstay_core::lease::{Answer, Failure, Name, Nonce, RowState, Serving, Timeline};
use tokio::time::Instant;

use super::batch::{Job, Work};
use super::hints::Hints;
use super::rows::{self, Seen, micros};
use super::session::Session;
use super::steps;
use crate::words;

/// One renewal, as [`mainstay_core::lease::Request::Renew`] says it.
#[derive(Debug)]
pub(super) struct Renewal {
    pub(super) lease: Name,
    pub(super) nonce: Nonce,
    pub(super) timeline: Timeline,
    pub(super) ttl: Duration,
    pub(super) serving: Serving,
    pub(super) next: Option<Name>,
}

/// How they are sent.
#[derive(Debug)]
pub(super) struct Renewals {
    hints: Arc<Hints>,
    /// What was last said of each lease: others are told when it changes.
    said: HashMap<Name, (Serving, Option<Name>)>,
}

impl Renewals {
    pub(super) fn new(hints: Arc<Hints>) -> Self {
        Self { hints, said: HashMap::new() }
    }
}

impl Work for Renewals {
    type Item = Renewal;
    /// Of two about one lease the second waits: one statement changes a row once.
    type Key = Name;

    fn key(item: &Renewal) -> Name {
        item.lease.clone()
    }

    async fn send(&mut self, session: &Arc<Session>, jobs: Vec<Job<Renewal>>, end: Instant) {
        let mut seen = match update(session, &jobs, end).await {
            Ok(seen) => seen,
            Err(failure) => return jobs.into_iter().for_each(|job| job.reply(Err(failure.clone()))),
        };
        let mut news = Vec::new();
        for job in jobs {
            let renewal = &job.item;
            let Some(seen) = seen.remove(&renewal.lease) else {
                // The others need not wait for what became of this one.
                let session = Arc::clone(session);
                tokio::spawn(async move {
                    let why = refused(&session, &job.item, job.end).await;
                    job.reply(why);
                });
                continue;
            };
            self.hints.seen(&seen, session.key);
            let now = (renewal.serving, renewal.next.clone());
            // A tenure begins with a child that is starting.
            if self.said.get(&renewal.lease).unwrap_or(&(Serving::Starting, None)) != &now {
                self.said.insert(renewal.lease.clone(), now);
                news.push(renewal.lease.clone());
            }
            job.reply(Ok(seen.done()));
        }
        if !news.is_empty() {
            steps::notify(session, news);
        }
    }
}

async fn update(session: &Session, jobs: &[Job<Renewal>], end: Instant) -> Result<HashMap<Name, Seen>, Failure> {
    let each = || jobs.iter().map(|job| &job.item);
    let names: Vec<&str> = each().map(|it| &*it.lease).collect();
    let nonces: Vec<String> = each().map(|it| it.nonce.to_string()).collect();
    let timelines: Vec<i64> = each().map(|it| i64::from(it.timeline.0)).collect();
    let ttls: Vec<i64> = each().map(|it| micros(it.ttl)).collect();
    let servings: Vec<&str> = each().map(|it| words::serving(it.serving)).collect();
    let nexts: Vec<Option<&str>> = each().map(|it| it.next.as_deref()).collect();
    let values: [&(dyn tokio_postgres::types::ToSql + Sync); 7] =
        [&names, &nonces, &timelines, &ttls, &servings, &nexts, &session.key];
    let rows = session.run(end, session.client.query(&session.sql.renew, &values)).await?;
    rows.iter().map(|row| rows::seen(session, row).map(|seen| (seen.lease.clone(), seen))).collect()
}

/// Why a renewal was left out: the row is another's, or somebody had it locked.
async fn refused(session: &Session, renewal: &Renewal, end: Instant) -> Result<Answer, Failure> {
    let seen = match steps::read(session, &renewal.lease, end).await {
        Ok(seen) => seen,
        // The renewal itself was answered; only the row is not known.
        Err(Failure::Unknown(why) | Failure::NotDone(why)) => return Err(Failure::NotDone(why)),
    };
    let row = &seen.row;
    let fits = row.nonce == renewal.nonce && row.state != RowState::Free && row.epoch > 0;
    if fits && row.timeline == renewal.timeline && seen.timeline == renewal.timeline {
        return Err(Failure::NotDone(
            format!("somebody has the row of `{}` locked: see pg_locks", renewal.lease).into(),
        ));
    }
    Ok(seen.overtaken())
}
