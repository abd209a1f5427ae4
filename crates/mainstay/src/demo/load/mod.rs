//! A steady load whose every request is accounted for.
//!
//! Open loop: requests start when the clock says so, however slowly earlier ones are answered, so that a stall is seen
//! by everybody it would have hit. Each request ends in exactly one way and *nothing is ever repeated*: what a client
//! of the real thing would see is what is counted.

mod account;
mod book;
mod client;
mod rows;

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

pub use account::{Account, Lost};
pub use book::{Book, Failure, Outcome, Record};
pub use rows::{Order, Rows};

use client::{Client, Exchange};

/// What is asked of whom, and how often.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where the service is.
    pub target: Target,
    /// Requests per second; every other one is a write.
    pub rate: u32,
    /// Each how-many-th request comes on a connection of its own; 0: none does, 1: all do. The others use kept-alive
    /// ones, as many as it takes.
    pub fresh_every: usize,
    /// Longest wait for an answer, the connection included.
    pub timeout: Duration,
}

/// An address to connect to.
#[derive(Clone, Debug)]
pub enum Target {
    /// TCP.
    Tcp(SocketAddr),
    /// A stream socket in the file system.
    Unix(PathBuf),
}

/// A load under way, on a thread of its own.
pub struct Load {
    book: Arc<Book>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Load {
    /// Starts it.
    pub fn start(plan: Plan) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let book = Arc::new(Book::new());
        let stop = Arc::new(AtomicBool::new(false));
        let thread = std::thread::Builder::new().name("load".to_owned()).spawn({
            let (book, stop) = (Arc::clone(&book), Arc::clone(&stop));
            move || tokio::task::LocalSet::new().block_on(&runtime, steady(plan, book, stop))
        })?;
        Ok(Self { book, stop, thread })
    }

    /// What has happened so far.
    pub fn book(&self) -> &Arc<Book> {
        &self.book
    }

    /// Starts no more requests, waits until each under way has ended (its timeout is the bound), and closes the book.
    pub fn finish(self) -> Arc<Book> {
        self.stop.store(true, Ordering::Relaxed);
        // A load that panicked leaves requests without an end; the account counts those as lost.
        let _panicked = self.thread.join();
        self.book
    }
}

async fn steady(plan: Plan, book: Arc<Book>, stop: Arc<AtomicBool>) {
    let client = Rc::new(Client::new(plan.target, plan.timeout));
    let written = Rc::new(RefCell::new(None));
    let mut requests = tokio::task::JoinSet::new();
    let start = Instant::now();
    for number in 0_u32.. {
        let due = start + Duration::from_secs(1) * number / plan.rate;
        // The timer's grain is a millisecond: what became due in between starts at once.
        if due > Instant::now() {
            tokio::time::sleep_until(due.into()).await;
        }
        if stop.load(Ordering::Relaxed) {
            break;
        }
        while requests.try_join_next().is_some() {}
        let fresh = plan.fresh_every != 0 && (number as usize).is_multiple_of(plan.fresh_every);
        requests.spawn_local(one(Rc::clone(&client), Arc::clone(&book), Rc::clone(&written), (due, fresh)));
    }
    while requests.join_next().await.is_some() {}
}

/// One request from its start to its one end. Reads ask for what was written (and confirmed) last.
async fn one(client: Rc<Client>, book: Arc<Book>, written: Rc<RefCell<Option<usize>>>, (due, fresh): (Instant, bool)) {
    let read = *written.borrow();
    let number = book.open(due, |number| number.is_multiple_of(2) || read.is_none());
    let exchange = match read.filter(|_| !number.is_multiple_of(2)) {
        Some(of) => Exchange { write: None, key: book.key(of), fresh },
        None => Exchange { write: Some(book.id(number)), key: book.key(number), fresh },
    };
    let (outcome, node) = client.exchange(&exchange).await;
    if exchange.write.is_some() && outcome == Outcome::Done {
        *written.borrow_mut() = Some(number);
    }
    book.close(number, outcome, node);
}
