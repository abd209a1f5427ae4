//! Clients of a Ledger API: streams that are opened again when they end, and a steady rate of commands that are sent again,
//! with the same command id, until they are done.

mod book;
mod command;
mod drill;
mod refuse;
mod rotate;
mod stream;
mod strike;
mod verdict;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::grpc::{Channel, Endpoint};

pub use book::{Book, Fate};
pub use drill::main;
pub use strike::Findings;
pub use verdict::{Struck, Verdict};

/// What the clients do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where.
    pub endpoint: Endpoint,
    /// Streams of completions, each of a party of its own.
    pub streams: usize,
    /// Commands a second, for one party after the other.
    pub rate: u32,
    /// The user that streams and commands are of: that of the token.
    pub user: String,
    /// Longest time for one try of a command.
    pub timeout: Duration,
}

/// Clients at work.
#[derive(Debug)]
pub struct Load {
    book: Arc<Book>,
    ending: watch::Sender<Ending>,
    tasks: JoinSet<()>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Ending {
    /// All go on.
    No,
    /// No new commands; streams go on.
    Commands,
    /// Streams end too.
    All,
}

impl Load {
    /// Starts them.
    pub fn start(plan: Plan) -> Self {
        let (book, ending) = (Arc::new(Book::new(plan.streams)), watch::channel(Ending::No).0);
        let mut tasks = JoinSet::new();
        let run = format!("{:08x}", fastrand::u32(..));
        let channels = |count: usize| -> Vec<Arc<Channel>> {
            (0..count.max(1)).map(|_| Arc::new(Channel::new(plan.endpoint.clone()))).collect()
        };
        for (number, channel) in channels(plan.streams.div_ceil(STREAMS_EACH)).iter().enumerate() {
            for number in (number * STREAMS_EACH..plan.streams).take(STREAMS_EACH) {
                let (channel, book, user) = (Arc::clone(channel), Arc::clone(&book), plan.user.clone());
                tasks.spawn(stream::keep(channel, book, number, party(&run, number), user, ending.subscribe()));
            }
        }
        let sender = command::Sender { channels: channels(CHANNELS), book: Arc::clone(&book), plan, run };
        tasks.spawn(sender.send_all(ending.subscribe()));
        Self { book, ending, tasks }
    }

    /// What has happened so far.
    pub fn book(&self) -> &Arc<Book> {
        &self.book
    }

    /// Sends no more, waits until each command has its end, and the streams have shown what was done; then ends them.
    pub async fn finish(mut self) -> Arc<Book> {
        let _was = self.ending.send_replace(Ending::Commands);
        let book = Arc::clone(&self.book);
        // What is not there by then is missing, and is told so.
        let _late = crate::until("commands without an end", ENDING, async || book.settled()).await;
        let _late = crate::until("completions are not shown", SHOWING, async || book.unseen().is_empty()).await;
        let _was = self.ending.send_replace(Ending::All);
        let ends = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(SHOWING, ends).await.is_err() {
            self.tasks.abort_all();
        }
        book
    }
}

/// A party of this run.
fn party(run: &str, number: usize) -> String {
    format!("party-{run}-{number}::1220")
}

/// Streams that share a connection: fewer than any server allows.
const STREAMS_EACH: usize = 50;
/// Connections for commands.
const CHANNELS: usize = 4;
/// Longest time for commands to end.
const ENDING: Duration = Duration::from_secs(60);
/// Longest time for streams to show what was done.
const SHOWING: Duration = Duration::from_secs(15);
