//! A steady load of sends and reads, and the account of what became of them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use tokio::task::JoinHandle;

use crate::client::{Answer, Client, To};
use crate::world::{KEY_A, KEY_B};

/// What became of the requests.
#[derive(Clone, Debug, Default)]
pub(crate) struct Account {
    /// Hash and payload of every accepted send.
    pub(crate) accepted: Vec<(String, String)>,
    /// How often sends were refused, by what was said.
    pub(crate) refused: BTreeMap<String, usize>,
    pub(crate) reads: usize,
    /// What was said to reads that failed.
    pub(crate) failed_reads: Vec<String>,
    pub(crate) longest_read: Duration,
    pub(crate) longest_send: Duration,
}

impl Account {
    pub(crate) fn refusals(&self) -> usize {
        self.refused.values().sum()
    }
}

/// A load that runs on the calling thread.
#[derive(Debug)]
pub(crate) struct Load {
    account: Rc<RefCell<Account>>,
    stop: Rc<RefCell<bool>>,
    workers: Vec<JoinHandle<()>>,
}

impl Load {
    /// Starts a few clients, each on a connection of its own: send, read what was sent, read something older, pause.
    /// Within a `LocalSet`.
    pub(crate) fn start(to: &To) -> Self {
        let (account, stop) = (Rc::new(RefCell::new(Account::default())), Rc::new(RefCell::new(false)));
        let worker = |number: usize| {
            let (client, account, stop) = (Client::new(to.clone()), Rc::clone(&account), Rc::clone(&stop));
            tokio::task::spawn_local(work(number, client, account, stop))
        };
        let workers = (0..WORKERS).map(worker).collect();
        Self { account, stop, workers }
    }

    /// Waits until so many more reads have ended.
    pub(crate) async fn reads(&self, more: usize) {
        let count = || self.account.borrow().reads;
        let goal = count() + more;
        mainstay_testkit::until("no further reads", GOING_ON, async || count() >= goal).await.expect("it goes on");
    }

    /// Waits until there have been so many requests, and ends it.
    pub(crate) async fn finish(self, requests: usize) -> Account {
        let enough = || {
            let account = self.account.borrow();
            account.reads + account.accepted.len() + account.refusals() >= requests
        };
        mainstay_testkit::until("too few requests", FINISHING, async || enough()).await.expect("it goes on");
        *self.stop.borrow_mut() = true;
        for worker in self.workers {
            worker.await.expect("a worker ends well");
        }
        self.account.take()
    }
}

/// Requests that a drill makes at least: few where the time is short, 2,000 and more where somebody asks for it.
pub(crate) fn requests() -> usize {
    std::env::var("MAINSTAY_TEST_REQUESTS").ok().and_then(|text| text.parse().ok()).unwrap_or(800)
}

async fn work(number: usize, mut client: Client, account: Rc<RefCell<Account>>, stop: Rc<RefCell<bool>>) {
    let mut mine: Vec<(String, String)> = Vec::new();
    for turn in 0.. {
        if *stop.borrow() {
            return;
        }
        let payload = BASE64_STANDARD.encode(format!("payload {turn} of worker {number}"));
        let body = serde_json::json!({ "payload": payload, "from": KEY_A, "to": [KEY_B] }).to_string();
        let start = Instant::now();
        let answer = client.post("/send", "application/json", body.into_bytes()).await;
        note_send(&account, start.elapsed());
        match accepted(&answer) {
            Some(hash) => {
                mine.push((hash.clone(), payload.clone()));
                account.borrow_mut().accepted.push((hash, payload));
            }
            None => *account.borrow_mut().refused.entry(said(&answer)).or_default() += 1,
        }
        for pick in [mine.last(), mine.get(fastrand::usize(..mine.len().max(1)))].into_iter().flatten() {
            let start = Instant::now();
            let read = read(&mut client, &pick.0, &pick.1).await;
            let mut account = account.borrow_mut();
            account.reads += 1;
            account.longest_read = account.longest_read.max(start.elapsed());
            account.failed_reads.extend(read.err());
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn note_send(account: &RefCell<Account>, took: Duration) {
    let mut account = account.borrow_mut();
    account.longest_send = account.longest_send.max(took);
}

/// Reads a payload; an error that says what came when it is not what was sent.
pub(crate) async fn read(client: &mut Client, hash: &str, payload: &str) -> Result<(), String> {
    let target = format!("/transaction/{}", hash.replace('/', "%2F"));
    let answer = client.get(&target).await;
    let value = answer.as_ref().ok().filter(|answer| answer.status == 200).map(|answer| answer.body.as_slice());
    let value: Option<serde_json::Value> = value.and_then(|body| serde_json::from_slice(body).ok());
    if value.is_some_and(|value| value["payload"] == payload) { Ok(()) } else { Err(said(&answer)) }
}

/// The hash of an accepted send.
fn accepted(answer: &Result<Answer, String>) -> Option<String> {
    let answer = answer.as_ref().ok().filter(|answer| answer.status == 201)?;
    let value: serde_json::Value = serde_json::from_slice(&answer.body).ok()?;
    value["key"].as_str().map(str::to_owned)
}

fn said(answer: &Result<Answer, String>) -> String {
    match answer {
        Ok(answer) => format!("{} {}", answer.status, answer.text().chars().take(80).collect::<String>()),
        Err(error) => error.clone(),
    }
}

const WORKERS: usize = 4;
/// Between the turns of a worker.
const PAUSE: Duration = Duration::from_millis(20);
/// Longest time for some reads.
const GOING_ON: Duration = Duration::from_secs(60);
/// Longest time for all requests.
const FINISHING: Duration = Duration::from_secs(240);
