//! Renewals, which are many, together: one statement and one commit for all that wait.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mainstay_core::lease::{Answer, Failure, Name, Nonce, RowState, Serving, Timeline};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

use super::hints::Hints;
use super::line::Line;
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

/// The way to the task that sends them.
#[derive(Debug)]
pub(super) struct Renewals {
    queue: mpsc::Sender<Job>,
}

#[derive(Debug)]
struct Job {
    renewal: Renewal,
    end: Instant,
    /// Whoever sets it first decides: the task that sends, or the caller who no longer waits.
    taken: Arc<AtomicBool>,
    answer: oneshot::Sender<Result<Answer, Failure>>,
}

impl Renewals {
    /// Starts the task. It ends with this handle.
    pub(super) fn start(line: Arc<Line>, hints: Arc<Hints>) -> Self {
        let (queue, jobs) = mpsc::channel(QUEUE);
        tokio::spawn(run(line, hints, jobs));
        Self { queue }
    }

    /// Renews, by `end`.
    pub(super) async fn ask(&self, renewal: Renewal, end: Instant) -> Result<Answer, Failure> {
        let (answer, answered) = oneshot::channel();
        let taken = Arc::new(AtomicBool::new(false));
        if self.queue.try_send(Job { renewal, end, taken: Arc::clone(&taken), answer }).is_err() {
            return Err(Failure::NotDone(format!("{QUEUE} renewals wait already").into()));
        }
        match timeout_at(end + MARGIN, answered).await {
            Ok(Ok(result)) => result,
            Err(_) if !taken.swap(true, Ordering::AcqRel) => {
                Err(Failure::NotDone("the store was away, or busy, for too long".into()))
            }
            Ok(Err(_)) | Err(_) => Err(Failure::Unknown("the store did not answer the renewal in time".into())),
        }
    }
}

async fn run(line: Arc<Line>, hints: Arc<Hints>, mut jobs: mpsc::Receiver<Job>) {
    // What was last said of each lease: others are told when it changes.
    let mut said = HashMap::new();
    let mut held_over = Vec::new();
    loop {
        if held_over.is_empty() {
            let Some(job) = jobs.recv().await else { return };
            held_over.push(job);
        }
        while held_over.len() < BATCH
            && let Ok(job) = jobs.try_recv()
        {
            held_over.push(job);
        }
        // Of two about one lease the second waits: one statement changes a row once.
        let mut leases = HashSet::new();
        let (batch, rest): (Vec<Job>, Vec<Job>) =
            held_over.into_iter().partition(|job| leases.insert(job.renewal.lease.clone()));
        held_over = rest;
        let Some(end) = batch.iter().map(|job| job.end).max() else { continue };
        match line.session(end).await {
            Ok(session) => send(&session, &hints, batch, &mut said).await,
            Err(failure) => batch.into_iter().for_each(|job| reply(job, Err(failure.clone()))),
        }
    }
}

async fn send(
    session: &Arc<Session>,
    hints: &Hints,
    batch: Vec<Job>,
    said: &mut HashMap<Name, (Serving, Option<Name>)>,
) {
    // Whoever has given up already was told that it is not done.
    let batch: Vec<Job> = batch.into_iter().filter(|job| !job.taken.swap(true, Ordering::AcqRel)).collect();
    let Some(end) = batch.iter().map(|job| job.end).max() else { return };
    let mut seen = match update(session, &batch, end).await {
        Ok(seen) => seen,
        Err(failure) => return batch.into_iter().for_each(|job| reply(job, Err(failure.clone()))),
    };
    let mut news = Vec::new();
    for job in batch {
        let renewal = &job.renewal;
        let Some(seen) = seen.remove(&renewal.lease) else {
            // The others need not wait for what became of this one.
            let session = Arc::clone(session);
            tokio::spawn(async move {
                let why = refused(&session, &job.renewal, job.end).await;
                reply(job, why);
            });
            continue;
        };
        hints.seen(&seen, session.key);
        let now = (renewal.serving, renewal.next.clone());
        // A tenure begins with a child that is starting.
        if said.get(&renewal.lease).unwrap_or(&(Serving::Starting, None)) != &now {
            said.insert(renewal.lease.clone(), now);
            news.push(renewal.lease.clone());
        }
        reply(job, Ok(seen.done()));
    }
    if !news.is_empty() {
        steps::notify(session, news);
    }
}

async fn update(session: &Session, batch: &[Job], end: Instant) -> Result<HashMap<Name, Seen>, Failure> {
    let each = || batch.iter().map(|job| &job.renewal);
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

fn reply(job: Job, result: Result<Answer, Failure>) {
    // Who no longer waits was told that nobody knows.
    let _left = job.answer.send(result);
}

/// Renewals that may wait.
const QUEUE: usize = 4096;
/// Renewals in one statement.
const BATCH: usize = 500;
/// How much later than the statement's own the answer is given up.
const MARGIN: Duration = Duration::from_millis(20);
