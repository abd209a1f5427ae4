//! Watches the hosts of a database that nodes write to, which need not be the store: which of them takes writes.
//!
//! Only after a login does a server say whether it is the primary, so one session with each host is kept, and asked again
//! and again. A session that breaks is asked for at once, and while no primary answers all hosts are asked more often.

use std::error::Error as _;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mainstay_core::database::{Choice, Chooser, History, Said, Why};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_postgres::{Client, Config, Statement};

use super::line::apart;
use super::session::{self, Undialled, Wire};
use super::sql::TIMELINE;
use super::tls::Tls;
use super::trouble::sentence;
use super::url::Url;
use crate::{FileFault, Secret};

/// What is watched, and how.
#[derive(Clone, Debug)]
pub struct DatabaseSettings {
    /// What it is called in the log.
    pub name: Arc<str>,
    /// Its hosts, and as whom to ask them: any user that may log in.
    pub url: Url,
    /// File with that user's password, read for each login; without one it is the URL's, if that has any.
    pub password_file: Option<PathBuf>,
    /// Certificates that the hosts' own are signed by.
    pub ca: Option<PathBuf>,
    /// How often each host is asked.
    pub every: Duration,
    /// Longest time for one answer, and to connect.
    pub timeout: Duration,
}

/// A database that is watched until this is dropped.
#[derive(Debug)]
pub struct Database {
    sight: watch::Receiver<Sight>,
    counts: Arc<[HostCounts]>,
    _tasks: JoinSet<()>,
}

/// What is known of a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sight {
    /// Where sessions go.
    pub choice: Choice,
    /// Its hosts, in the order of the URL.
    pub hosts: Vec<HostSight>,
}

/// What is known of a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostSight {
    /// As in [`Url::hosts`].
    pub name: Arc<str>,
    /// What it said last.
    pub said: Said,
    /// Why it said nothing; a sentence.
    pub fault: Option<Arc<str>>,
}

/// What was counted of a host.
#[derive(Debug, Default)]
pub struct HostCounts {
    /// Times it was asked.
    pub asked: AtomicU64,
    /// Times it gave no answer.
    pub failed: AtomicU64,
}

impl Database {
    /// Begins to watch, within a tokio runtime.
    ///
    /// # Errors
    /// The certificates cannot be used: a sentence.
    pub fn watch(settings: &DatabaseSettings) -> Result<Self, FileFault> {
        let DatabaseSettings { name, url, password_file, ca, every, timeout } = settings;
        let tls = Tls::new(url.trust(), ca.as_ref().or(url.ca()).map(|path| &**path)).map_err(FileFault)?;
        let targets = url.targets(None, *timeout);
        let unheard =
            |(name, _): &(String, Config)| HostSight { name: name.as_str().into(), said: Said::Nothing, fault: None };
        let hosts: Vec<_> = targets.iter().map(unheard).collect();
        let chooser = Chooser::new(hosts.len());
        let (publish, sight) = watch::channel(Sight { choice: chooser.choice(), hosts });
        let (tell, told) = mpsc::channel(NEWS);
        let counts: Arc<[HostCounts]> = targets.iter().map(|_| HostCounts::default()).collect();
        let mut tasks = JoinSet::new();
        for (host, (name, config)) in targets.into_iter().enumerate() {
            let asker = Asker {
                host,
                name,
                config,
                password_file: password_file.clone(),
                tls: tls.clone(),
                every: *every,
                timeout: *timeout,
                tell: tell.clone(),
                sight: sight.clone(),
                counts: Arc::clone(&counts),
            };
            tasks.spawn(asker.run());
        }
        tasks.spawn(choose(Arc::clone(name), chooser, told, publish));
        Ok(Self { sight, counts, _tasks: tasks })
    }

    /// What is known, and when it changes.
    #[must_use]
    pub fn sight(&self) -> watch::Receiver<Sight> {
        self.sight.clone()
    }

    /// What was counted, for each host.
    #[must_use]
    pub fn counts(&self) -> &[HostCounts] {
        &self.counts
    }
}

impl Sight {
    /// The host that sessions go to, and whether it answers.
    #[must_use]
    pub fn primary(&self) -> Option<(&HostSight, bool)> {
        match self.choice {
            Choice::Primary { host, answers, .. } => Some((self.hosts.get(host)?, answers)),
            Choice::Nobody(_) => None,
        }
    }

    fn name(&self, host: usize) -> &str {
        self.hosts.get(host).map_or("", |host| &host.name)
    }
}

impl fmt::Display for Sight {
    /// What is to be known of it, in a sentence.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.choice {
            Choice::Primary { host, history, answers: true } => {
                write!(f, "{} is the primary, in timeline {}", self.name(host), history.timeline)
            }
            Choice::Primary { host, answers: false, .. } => {
                write!(f, "{} was the primary, and does not answer", self.name(host))
            }
            Choice::Nobody(Why::NoPrimary) => write!(f, "no host is a primary"),
            Choice::Nobody(Why::Replaced { host, timeline, newest }) => write!(
                f,
                "{} takes writes in timeline {timeline}, and timeline {newest} was seen: it was replaced, stop it",
                self.name(host)
            ),
            Choice::Nobody(Why::Apart { host, timeline, tenure }) => write!(
                f,
                "{} takes writes in timeline {timeline}, and the tenure is of timeline {tenure}: nothing is let through \
                 until it is of that timeline too",
                self.name(host)
            ),
            Choice::Nobody(Why::Torn { hosts: (one, other), timeline }) => write!(
                f,
                "{} and {} both take writes in timeline {timeline}: stop the one that should not (or name a server that \
                 is there twice only once)",
                self.name(one),
                self.name(other)
            ),
            Choice::Nobody(Why::Strangers { hosts: (one, other) }) => write!(
                f,
                "{} and {} are no copies of one another (their system identifiers differ): name the hosts of one database",
                self.name(one),
                self.name(other)
            ),
        }
    }
}

impl fmt::Display for HostSight {
    /// What it said last, as a phrase.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.said, &self.fault) {
            (Said::Writes(History { timeline, .. }), _) => write!(f, "takes writes, in timeline {timeline}"),
            (Said::Reads(_), _) => write!(f, "a standby, or set read only"),
            (Said::Nothing | Said::Stopped, Some(fault)) => write!(f, "{fault}"),
            (Said::Nothing | Said::Stopped, None) => write!(f, "has not answered yet"),
        }
    }
}

struct News {
    host: usize,
    said: Said,
    fault: Option<Arc<str>>,
}

async fn choose(name: Arc<str>, mut chooser: Chooser, mut told: mpsc::Receiver<News>, publish: watch::Sender<Sight>) {
    while let Some(News { host, said, fault }) = told.recv().await {
        let before = chooser.choice();
        let choice = chooser.heard(host, said);
        publish.send_if_modified(|sight| {
            let old = sight.clone();
            sight.choice = choice;
            if let Some(known) = sight.hosts.get_mut(host) {
                (known.said, known.fault) = (said, fault);
            }
            old != *sight
        });
        if choice != before {
            log(&name, &publish.borrow());
        }
    }
}

fn log(database: &str, sight: &Sight) {
    match sight.choice {
        Choice::Primary { answers: true, .. } => tracing::info!(database, "{sight}"),
        Choice::Primary { answers: false, .. } | Choice::Nobody(Why::NoPrimary) => tracing::warn!(database, "{sight}"),
        Choice::Nobody(_) => tracing::error!(database, "nothing is let through to this database: {sight}"),
    }
}

/// Asks one host.
struct Asker {
    host: usize,
    name: String,
    config: Config,
    password_file: Option<PathBuf>,
    tls: Tls,
    every: Duration,
    timeout: Duration,
    tell: mpsc::Sender<News>,
    sight: watch::Receiver<Sight>,
    counts: Arc<[HostCounts]>,
}

impl Asker {
    async fn run(mut self) {
        loop {
            let (said, fault) = match self.open().await {
                Ok(session) => (Said::Nothing, self.ask_on(&session).await),
                Err(failed) => failed,
            };
            self.tell(said, Some(fault)).await;
            self.pause().await;
        }
    }

    async fn open(&self) -> Result<Session, (Said, String)> {
        self.count(|counts| &counts.asked);
        let config = self.config().await.map_err(|fault| (Said::Nothing, format!("{}: {fault}", self.name)))?;
        let dialled = session::dial(&self.name, &config, &self.tls, self.timeout, None).await;
        let (client, wire) = dialled.map_err(|failed| {
            let said = if is_closed(&failed) { Said::Stopped } else { Said::Nothing };
            (said, failed.sentence(&self.name))
        })?;
        let silent = |wire: &Wire, why: String| {
            wire.end(&why);
            (Said::Nothing, why)
        };
        match timeout(self.timeout, client.prepare(&question())).await {
            Ok(Ok(question)) => Ok(Session { client, wire, question }),
            Ok(Err(error)) => Err(silent(&wire, sentence(&error, &self.name))),
            Err(_) => Err(silent(&wire, self.too_late())),
        }
    }

    /// With the password as it is in its file at this moment.
    async fn config(&self) -> Result<Config, String> {
        let mut config = self.config.clone();
        if let Some(path) = self.password_file.clone() {
            let read = tokio::task::spawn_blocking(move || Secret::from_file(&path));
            config.password(read.await.map_err(|error| error.to_string())??.reveal());
        }
        Ok(config)
    }

    /// Asks until the session is of no use any more, and says why.
    async fn ask_on(&mut self, session: &Session) -> String {
        loop {
            self.count(|counts| &counts.asked);
            let asked = timeout(self.timeout, session.client.query_one(&session.question, &[])).await;
            let why = match asked {
                Ok(Ok(row)) => match said(&row) {
                    Ok(said) => {
                        self.tell(said, None).await;
                        tokio::select! {
                            () = session.wire.ended() => format!("{}: {}", self.name, session.wire.why()),
                            () = self.pause() => continue,
                        }
                    }
                    Err(error) => sentence(&error, &self.name),
                },
                Ok(Err(error)) => sentence(&error, &self.name),
                Err(_) => self.too_late(),
            };
            session.wire.end(&why);
            return why;
        }
    }

    async fn tell(&self, said: Said, fault: Option<String>) {
        if fault.is_some() {
            self.count(|counts| &counts.failed);
        }
        // Nobody takes it when the database is watched no longer.
        let _ended = self.tell.send(News { host: self.host, said, fault: fault.map(Into::into) }).await;
    }

    /// Until it is to be asked again: at once when the primary has just gone, and often until there is one.
    async fn pause(&mut self) {
        let has_primary = |sight: &Sight| matches!(sight.choice, Choice::Primary { answers: true, .. });
        if has_primary(&self.sight.borrow_and_update()) {
            let gone = self.sight.wait_for(|sight| !has_primary(sight));
            // Either way it is time to ask.
            let _gone = timeout(apart(self.every), gone).await;
        } else {
            sleep(apart(self.every.min(HURRIED))).await;
        }
    }

    fn count(&self, which: impl Fn(&HostCounts) -> &AtomicU64) {
        if let Some(counts) = self.counts.get(self.host) {
            which(counts).fetch_add(1, Ordering::Relaxed);
        }
    }

    fn too_late(&self) -> String {
        format!("{}: the server did not answer within {:?}", self.name, self.timeout)
    }
}

struct Session {
    client: Client,
    wire: Wire,
    question: Statement,
}

/// Whether the host is there and nobody listens.
fn is_closed(failed: &Undialled) -> bool {
    let Undialled::Failed(error) = failed else { return false };
    let kind = error.source().and_then(|source| source.downcast_ref::<io::Error>()).map(io::Error::kind);
    matches!(kind, Some(io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound))
}

fn said(row: &tokio_postgres::Row) -> Result<Said, tokio_postgres::Error> {
    let (reads, system, timeline): (bool, i64, i64) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    let timeline = u32::try_from(timeline).unwrap_or(u32::MAX);
    let history = History { system: system.cast_unsigned(), timeline };
    Ok(if reads { Said::Reads(history) } else { Said::Writes(history) })
}

/// Whether it takes no writes, its system, its timeline. The user that asks may be set read only himself, which says
/// nothing; a standby's own timeline is that of its last checkpoint.
fn question() -> String {
    format!(
        "SELECT pg_catalog.pg_is_in_recovery() OR (pg_catalog.current_setting('default_transaction_read_only') = 'on' AND
            EXISTS (SELECT FROM pg_catalog.pg_settings WHERE name = 'default_transaction_read_only'
                AND source NOT IN ('user', 'database user', 'client', 'session'))),
        (SELECT system_identifier FROM pg_catalog.pg_control_system()),
        CASE WHEN pg_catalog.pg_is_in_recovery()
            THEN (SELECT timeline_id::bigint FROM pg_catalog.pg_control_checkpoint()) ELSE {TIMELINE} END"
    )
}

/// Longest time between two questions while no primary answers.
const HURRIED: Duration = Duration::from_millis(50);
/// News that wait to be taken in; whoever has more waits.
const NEWS: usize = 64;
