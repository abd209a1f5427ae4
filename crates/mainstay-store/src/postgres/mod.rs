//! Leases in PostgreSQL, for programs of several machines: the row, and roles by which the previous holder is fenced.
//!
//! One connection to the primary serves a whole program; what is asked goes out without waiting for what was asked before.

mod admin;
mod batch;
mod database;
mod fence;
mod hints;
mod line;
mod looks;
mod memory;
mod quote;
mod renewals;
mod rows;
mod session;
mod sql;
mod steps;
mod tls;
mod trouble;
mod url;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use mainstay_core::lease::{Answer, Failure, Name, Nonce, Request};
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;
use tokio::time::Instant;

pub(crate) use admin::{check, init, script};
pub use database::{Database, DatabaseSettings, HostCounts, HostSight, Sight};
pub use url::{HostAddress, Url};

use crate::{Asking, Entry, FileFault, Grant, Hint, LeaseSettings, Presence, Settings, Store, Tier};
use batch::Batches;
use fence::Fencing;
use hints::Hints;
use line::{Line, Way};
use looks::{Look, Looks};
use memory::Memory;
use renewals::{Renewal, Renewals};
use session::Session;
use tls::Tls;

/// A store in PostgreSQL.
#[derive(Debug)]
pub(crate) struct Postgres {
    way: Way,
    settings: HashMap<Name, LeaseSettings>,
    timeout: Duration,
    hints: Arc<Hints>,
    line: Arc<Line>,
    looks: Batches<Look>,
    renewals: Batches<Renewal>,
    watcher: AbortHandle,
    memory: Arc<Memory>,
}

impl Postgres {
    /// Begins to connect. Within a tokio runtime.
    pub(crate) fn open(url: &Url, settings: &Settings) -> Result<Self, FileFault> {
        let way = way(url, settings).map_err(FileFault)?;
        let hints = Arc::new(Hints::default());
        let line = Arc::new(Line::open(way.clone(), Arc::clone(&hints)));
        let watcher = tokio::spawn(watch_sessions(Arc::clone(&line), Arc::clone(&hints))).abort_handle();
        let memory = Arc::<Memory>::default();
        let looks = Looks::new(Arc::clone(&hints), Arc::clone(&memory), settings.place.clone());
        let looks = Batches::start(Arc::clone(&line), looks);
        let renewals = Batches::start(Arc::clone(&line), Renewals::new(Arc::clone(&hints)));
        let (settings, timeout) = (settings.leases.clone(), settings.timeout);
        Ok(Self { way, settings, timeout, hints, line, looks, renewals, watcher, memory })
    }

    async fn answer(&self, lease: &Name, request: Request, end: Instant) -> Result<Answer, Failure> {
        let request = match request {
            Request::Look { me } => return self.looks.ask(Look { lease: lease.clone(), me }, end).await,
            Request::Renew { nonce, timeline, ttl, serving, next } => {
                let renewal = Renewal { lease: lease.clone(), nonce, timeline, ttl, serving, next };
                return self.renewals.ask(renewal, end).await;
            }
            request => request,
        };
        let session = self.line.session(end).await?;
        let settings = self.settings.get(lease).cloned().unwrap_or_default();
        let fencing = Fencing { session: &session, way: &self.way, lease, settings: &settings, end };
        match (&request, &settings.role) {
            (Request::Fence { nonce }, _) => fencing.fence(*nonce).await,
            (Request::Activate { nonce, timeline, ttl }, Some(role)) => {
                let credential = self.memory.credential(lease, *nonce, role)?;
                let answer = fencing.activate(*nonce, *timeline, *ttl, &credential).await?;
                self.tell(&session, lease, &answer);
                Ok(answer)
            }
            _ => {
                let step = steps::step(&session, lease, &request, end).await?;
                self.hints.seen(&step.seen, session.key);
                if let Request::Transfer { nonce, .. } = request {
                    self.memory.forget_credential(lease, nonce);
                }
                let answer = if step.done { step.seen.done() } else { step.seen.overtaken() };
                self.tell(&session, lease, &answer);
                Ok(answer)
            }
        }
    }

    fn tell(&self, session: &Arc<Session>, lease: &Name, answer: &Answer) {
        if matches!(answer, Answer::Done { .. }) {
            steps::notify(session, vec![lease.clone()]);
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.watcher.abort();
        self.line.close();
    }
}

impl Store for Postgres {
    fn ask<'a>(&'a self, lease: &'a Name, request: Request, timeout: Duration) -> Asking<'a, Answer> {
        Box::pin(self.answer(lease, request, Instant::now() + timeout))
    }

    fn presences<'a>(&'a self, lease: &'a Name) -> Asking<'a, Vec<Presence>> {
        let end = Instant::now() + self.timeout;
        Box::pin(async move { steps::presences(&*self.line.session(end).await?, lease, end).await })
    }

    fn hints(&self, lease: &Name) -> mpsc::Receiver<Hint> {
        self.hints.watch(lease)
    }

    fn losses(&self) -> Option<watch::Receiver<u64>> {
        Some(self.hints.losses())
    }

    fn grant(&self, lease: &Name, nonce: Nonce) -> Grant {
        let credential = self.memory.drawn(lease, nonce);
        Grant { credential, lock: None }
    }

    fn record<'a>(&'a self, entry: Entry) -> Asking<'a, ()> {
        let end = Instant::now() + self.timeout;
        Box::pin(async move { steps::record(&*self.line.session(end).await?, &entry, end).await })
    }

    fn history<'a>(&'a self, lease: Option<&'a Name>, limit: u32) -> Asking<'a, Vec<Entry>> {
        let end = Instant::now() + self.timeout;
        Box::pin(async move { steps::history(&*self.line.session(end).await?, lease, limit, end).await })
    }

    fn system(&self) -> Option<u64> {
        self.hints.system()
    }

    fn tier(&self, lease: &Name) -> Tier {
        let own = self.settings.get(lease).is_some_and(|settings| settings.role.is_some());
        let has_roles = own || self.memory.has_roles(lease);
        if has_roles { Tier::Fenced } else { Tier::Advisory }
    }

    fn describe(&self) -> String {
        self.way.url.to_string()
    }
}

/// Looks again and again whether the sessions of the leases' holders have ended: each holds an advisory lock as long as it
/// lives. They are asked for, not waited for: who waits keeps the database from cleaning up.
async fn watch_sessions(line: Arc<Line>, hints: Arc<Hints>) {
    loop {
        tokio::time::sleep(WATCHING).await;
        let sessions = hints.sessions();
        let Some(session) = line.now().filter(|_| !sessions.is_empty()) else { continue };
        let keys: Vec<i64> = sessions.into_iter().collect();
        let asked = async { session.client.query(&session.sql.free_keys, &[&keys]).await };
        match session.run(Instant::now() + WATCHING_LIMIT, asked).await {
            Ok(rows) => {
                let ended = rows.iter().filter_map(|row| row.try_get(0).ok()).collect();
                hints.ended(&ended);
            }
            Err(failure) => tracing::debug!(?failure, "look whether holders' sessions have ended"),
        }
    }
}

fn way(url: &Url, settings: &Settings) -> Result<Way, String> {
    let ca = settings.ca.as_ref().or(url.ca());
    let tls = Tls::new(url.trust(), ca.map(|path| &**path))?;
    Ok(Way { url: url.clone(), password: settings.password.clone(), tls, limit: settings.timeout })
}

/// How often holders' sessions are looked after.
const WATCHING: Duration = Duration::from_millis(50);
/// How long that may take.
const WATCHING_LIMIT: Duration = Duration::from_secs(2);
