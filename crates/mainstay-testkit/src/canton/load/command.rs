//! Commands at a steady rate.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use super::super::grpc::{Channel, Code, Status};
use super::super::participant::path;
use super::super::proto::{Commands, SubmitAndWaitRequest, SubmitAndWaitResponse};
use super::book::{Book, Fate, Record};
use super::{Ending, Plan, party};

/// Sends them.
pub(super) struct Sender {
    pub(super) channels: Vec<Arc<Channel>>,
    pub(super) book: Arc<Book>,
    pub(super) plan: Plan,
    pub(super) run: String,
}

impl Sender {
    /// Sends until it is told to end; then those that were begun go on.
    pub(super) async fn send_all(self, mut ending: watch::Receiver<Ending>) {
        let this = Arc::new(self);
        let mut ticks = tokio::time::interval(Duration::from_secs(1) / this.plan.rate.max(1));
        // A late machine must not make a burst of it.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        for number in 0_usize.. {
            tokio::select! {
                _ = ticks.tick() => { tokio::spawn(Arc::clone(&this).send(number)); }
                _ = ending.wait_for(|ending| *ending > Ending::No) => return,
            }
        }
    }

    /// Sends one, and again as long as that may help.
    async fn send(self: Arc<Self>, number: usize) {
        let id = format!("{}-{number}", self.run);
        let begun = Instant::now();
        let record = Record { begun, failed: Vec::new(), end: None };
        self.book.pages().commands.insert(id.clone(), record);
        let commands = Commands {
            user_id: self.plan.user.clone(),
            command_id: id.clone(),
            commands: vec![Vec::new()],
            act_as: vec![party(&self.run, number % self.plan.streams.max(1))],
            submission_id: String::new(),
        };
        let request = SubmitAndWaitRequest { commands: Some(commands) };
        let mut again = AGAIN;
        let fate = loop {
            let Some(channel) = self.channels.get(number % self.channels.len().max(1)) else { return };
            let answer = channel.one::<SubmitAndWaitResponse>(path::SUBMIT_AND_WAIT, &request, self.plan.timeout).await;
            match answer {
                Ok(_) => break Fate::Done,
                Err(Status { code: Code::AlreadyExists, .. }) => break Fate::Duplicate,
                Err(status) => self.note(&id, status),
            }
            if begun.elapsed() > PATIENCE {
                break Fate::GivenUp;
            }
            tokio::time::sleep(again.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
            again = (again * 2).min(AT_MOST);
        };
        if let Some(record) = self.book.pages().commands.get_mut(&id) {
            record.end = Some((Instant::now(), fate));
        }
    }

    fn note(&self, id: &str, status: Status) {
        let mut pages = self.book.pages();
        pages.refused = Some(status.clone());
        if let Some(record) = pages.commands.get_mut(id) {
            record.failed.push(status);
        }
    }
}

/// How long a client goes on with one command.
const PATIENCE: Duration = Duration::from_secs(45);
/// Before a command is sent again for the first time; then twice as long each time.
const AGAIN: Duration = Duration::from_millis(100);
/// What Canton asks for in its RetryInfo.
const AT_MOST: Duration = Duration::from_secs(1);
