//! What many leases ask at the same time, together: one statement for all that wait.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mainstay_core::lease::{Answer, Failure};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::line::Line;
use super::session::Session;

/// How one kind of question is asked for many leases.
pub(super) trait Work: Send + 'static {
    /// One question.
    type Item: Send + 'static;
    /// What two questions of one statement must not have in common.
    type Key: Eq + Hash + Send;

    fn key(item: &Self::Item) -> Self::Key;

    /// Asks, by `end`, and answers each job.
    fn send(
        &mut self,
        session: &Arc<Session>,
        jobs: Vec<Job<Self::Item>>,
        end: Instant,
    ) -> impl Future<Output = ()> + Send;
}

/// The way to the task that asks.
#[derive(Debug)]
pub(super) struct Batches<T> {
    queue: mpsc::Sender<Job<T>>,
}

/// One question that waits for its answer.
#[derive(Debug)]
pub(super) struct Job<T> {
    pub(super) item: T,
    pub(super) end: Instant,
    /// Whoever sets it first decides: the task that sends, or the caller who no longer waits.
    taken: Arc<AtomicBool>,
    answer: oneshot::Sender<Result<Answer, Failure>>,
}

impl<T: Send + 'static> Batches<T> {
    /// Starts the task. It ends with this handle.
    pub(super) fn start<W: Work<Item = T>>(line: Arc<Line>, work: W) -> Self {
        let (queue, jobs) = mpsc::channel(QUEUE);
        tokio::spawn(run(line, work, jobs));
        Self { queue }
    }

    /// Asks, and waits for the answer until `end`.
    pub(super) async fn ask(&self, item: T, end: Instant) -> Result<Answer, Failure> {
        let (answer, answered) = oneshot::channel();
        let taken = Arc::new(AtomicBool::new(false));
        if self.queue.try_send(Job { item, end, taken: Arc::clone(&taken), answer }).is_err() {
            return Err(Failure::NotDone(format!("{QUEUE} requests to the store wait already").into()));
        }
        match timeout_at(end + MARGIN, answered).await {
            Ok(Ok(result)) => result,
            Err(_) if !taken.swap(true, Ordering::AcqRel) => {
                Err(Failure::NotDone("the store was away, or busy, for too long".into()))
            }
            Ok(Err(_)) | Err(_) => Err(Failure::Unknown("the store did not answer in time".into())),
        }
    }
}

impl<T> Job<T> {
    pub(super) fn reply(self, result: Result<Answer, Failure>) {
        // Who no longer waits was told that nobody knows.
        let _left = self.answer.send(result);
    }
}

async fn run<W: Work>(line: Arc<Line>, mut work: W, mut jobs: mpsc::Receiver<Job<W::Item>>) {
    let mut held_over: Vec<Job<W::Item>> = Vec::new();
    let mut earliest = Instant::now();
    loop {
        if held_over.is_empty() {
            let Some(job) = jobs.recv().await else { return };
            held_over.push(job);
        }
        // Who asks seldom is not kept waiting; who asks often has company.
        sleep_until(earliest).await;
        earliest = Instant::now() + PACE;
        while held_over.len() < BATCH
            && let Ok(job) = jobs.try_recv()
        {
            held_over.push(job);
        }
        let mut keys = HashSet::new();
        let (batch, rest): (Vec<_>, Vec<_>) = held_over.into_iter().partition(|job| keys.insert(W::key(&job.item)));
        held_over = rest;
        let Some(end) = batch.iter().map(|job| job.end).max() else { continue };
        match line.session(end).await {
            Ok(session) => {
                // Whoever has given up already was told that it is not done.
                let batch: Vec<_> = batch.into_iter().filter(|job| !job.taken.swap(true, Ordering::AcqRel)).collect();
                if let Some(end) = batch.iter().map(|job| job.end).max() {
                    work.send(&session, batch, end).await;
                }
            }
            Err(failure) => batch.into_iter().for_each(|job| job.reply(Err(failure.clone()))),
        }
    }
}

/// Questions of one kind that may wait.
const QUEUE: usize = 4096;
/// Questions in one statement.
const BATCH: usize = 500;
/// From the beginning of one statement to the next at least.
const PACE: Duration = Duration::from_millis(10);
/// How much later than the statement's own the answer is given up.
const MARGIN: Duration = Duration::from_millis(20);
