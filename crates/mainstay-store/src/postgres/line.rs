//! Keeps one session with the primary: finds it among the hosts, and again when it has moved.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use mainstay_core::Span;
use mainstay_core::lease::{Failure, Name};
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_postgres::{Client, Config, Row};

use super::admin::pooler;
use super::hints::Hints;
use super::session::{self, Session};
use super::sql::{SCHEMA_VERSION, Statements, TIMELINE};
use super::tls::Tls;
use super::trouble::{POOLER, sentence};
use super::url::Url;
use crate::Secret;

/// How to get to the database.
#[derive(Clone, Debug)]
pub(super) struct Way {
    pub(super) url: Url,
    pub(super) password: Option<Secret>,
    pub(super) tls: Tls,
    /// For each step of connecting.
    pub(super) limit: Duration,
}

/// A session that is made again whenever it ends. Ends when it is closed.
#[derive(Debug)]
pub(super) struct Line {
    link: watch::Receiver<Link>,
    task: AbortHandle,
}

#[derive(Clone)]
enum Link {
    /// There is none. Why, as a sentence.
    Down(Name),
    Up(Arc<Session>),
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Down(why) => write!(f, "Down({why})"),
            Self::Up(session) => write!(f, "Up({})", session.host),
        }
    }
}

impl Line {
    /// Begins to connect.
    pub(super) fn open(way: Way, hints: Arc<Hints>) -> Self {
        let (publish, link) = watch::channel(Link::Down("not connected yet".into()));
        let task = tokio::spawn(maintain(way, hints, publish)).abort_handle();
        Self { link, task }
    }

    /// The session, or why there is none shortly before `deadline`, so that whoever asks still hears it.
    pub(super) async fn session(&self, deadline: Instant) -> Result<Arc<Session>, Failure> {
        let left = deadline.saturating_duration_since(Instant::now());
        let deadline = deadline - TELLING.min(left / 4);
        let mut link = self.link.clone();
        let up = link.wait_for(|link| matches!(link, Link::Up(session) if !session.is_over()));
        if let Ok(Ok(found)) = timeout_at(deadline, up).await
            && let Link::Up(session) = &*found
        {
            return Ok(Arc::clone(session));
        }
        let why = match &*self.link.borrow() {
            Link::Down(why) => why.clone(),
            Link::Up(_) => "not connected yet".into(),
        };
        Err(Failure::NotDone(why))
    }

    /// The session, if there is one just now.
    pub(super) fn now(&self) -> Option<Arc<Session>> {
        match &*self.link.borrow() {
            Link::Up(session) => Some(Arc::clone(session)),
            Link::Down(_) => None,
        }
    }
}

impl Line {
    /// Ends the session, for good.
    pub(super) fn close(&self) {
        self.task.abort();
        if let Some(session) = self.now() {
            session.doom("the store was closed");
        }
    }
}

async fn maintain(way: Way, hints: Arc<Hints>, publish: watch::Sender<Link>) {
    let mut was_up = false;
    loop {
        let session = find(&way, &hints, &publish).await;
        if !was_up && let Err(why) = without_pooler(&way, &session).await {
            publish.send_replace(Link::Down(why.into()));
            tokio::time::sleep(PAUSE_MAX).await;
            continue;
        }
        let session = Arc::new(session);
        hints.reached(session.system);
        tracing::debug!(host = %session.host, "connected to the store");
        publish.send_replace(Link::Up(Arc::clone(&session)));
        if std::mem::replace(&mut was_up, true) {
            hints.cut();
        }
        let why = tokio::select! {
            why = session.ended() => why,
            () = superseded(&way, &session) => session.ended().await,
        };
        hints.lost();
        tracing::debug!(host = %session.host, %why, "the connection to the store ended");
        publish.send_replace(Link::Down(format!("{}: {why}", session.host).into()));
        tokio::time::sleep(apart(PAUSE_MIN)).await;
    }
}

/// Ends a session when another host is the primary of a newer history: this one was replaced, and does not know.
async fn superseded(way: &Way, session: &Session) {
    loop {
        tokio::time::sleep(REVIEW).await;
        for (host, config) in way.url.targets(way.password.as_ref(), way.limit) {
            if host == session.host {
                continue;
            }
            let Ok(client) = bare(&host, &config, way).await else { continue };
            let timeline = client.query_one(&format!("SELECT {TIMELINE}"), &[]).await;
            if timeline.is_ok_and(|row| row.get::<_, i64>(0) > session.timeline) {
                tracing::warn!(old = %session.host, new = %host, "another host is the primary now: stop the old one");
                session.doom(&format!("it was replaced by {host}"));
                return;
            }
        }
    }
}

/// Nothing, unless what is set up in a session is not there for its next statement. Asked once: later, each answer says
/// which process of the server it comes from.
async fn without_pooler(way: &Way, session: &Session) -> Result<(), String> {
    match pooler::is_between(way, &session.host).await {
        Ok(false) => Ok(()),
        Ok(true) => {
            session.doom(POOLER);
            Err(format!("{}: {POOLER}", session.host))
        }
        Err(why) if why.contains(POOLER) => {
            session.doom(POOLER);
            Err(why)
        }
        Err(why) => {
            tracing::debug!(%why, "look for a pooler in between");
            Ok(())
        }
    }
}

/// Asks all hosts again and again, none waiting for another, until one is the primary; of two that say that they are (one
/// of them is to be stopped) it is that of the newer history. A host that has said why it is none is not waited for once
/// another is. Meanwhile it publishes why there is none.
async fn find(way: &Way, hints: &Arc<Hints>, publish: &watch::Sender<Link>) -> Session {
    let (tell, mut told) = mpsc::channel(FAULTS);
    let mut tries = JoinSet::new();
    let targets = way.url.targets(way.password.as_ref(), way.limit);
    let hosts = targets.len();
    for (host, config) in targets {
        let (way, hints, tell) = (way.clone(), Arc::clone(hints), tell.clone());
        tries.spawn(async move {
            let mut pause = PAUSE_MIN;
            loop {
                match open(&host, config.clone(), &way.tls, way.limit, Arc::clone(&hints)).await {
                    Ok(session) => return session,
                    // Told again with the next try when nobody has room for it.
                    Err(fault) => drop(tell.try_send((host.clone(), fault))),
                }
                tokio::time::sleep(apart(pause)).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
        });
    }
    let mut faults = BTreeMap::new();
    let first = loop {
        tokio::select! {
            Some(Ok(session)) = tries.join_next() => break session,
            Some((host, fault)) = told.recv() => {
                faults.insert(host, fault);
                let all: Vec<&str> = faults.values().map(String::as_str).collect();
                publish.send_replace(Link::Down(all.join("; ").into()));
            }
        }
    };
    faults.extend(std::iter::from_fn(|| told.try_recv().ok()));
    let all_spoke = faults.keys().filter(|host| **host != first.host).count() + 1 >= hosts;
    let (mut best, end) = (first, Instant::now() + if all_spoke { Duration::ZERO } else { GRACE });
    while let Ok(Some(Ok(session))) = timeout_at(end, tries.join_next()).await {
        if session.timeline > best.timeline {
            best = session;
        }
    }
    best
}

/// Apart from each other, so that a database that comes back is not met by all at once.
pub(super) fn apart(pause: Duration) -> Duration {
    pause.mul_f64(0.5 + fastrand::f64() / 2.0)
}

/// Connects to one host and sees that it is fit.
async fn open(host: &str, config: Config, tls: &Tls, limit: Duration, hints: Arc<Hints>) -> Result<Session, String> {
    let (client, wire) = session::connect(host, &config, tls, limit, Some(hints)).await?;
    let fit = timeout(limit, set_up(host, &config, &client)).await;
    let fit = fit.map_err(|_| silent(host, limit)).and_then(|fit| fit);
    match fit {
        Ok((sql, about)) => {
            let About { key, pid, timeline, system } = about;
            Ok(Session { client, sql, host: host.to_owned(), config, key, pid, timeline, system, wire })
        }
        Err(fault) => {
            wire.end(&fault);
            Err(fault)
        }
    }
}

/// A connection to a server that is a primary, whether it holds a store or not, set up as any other.
pub(super) async fn bare(host: &str, config: &Config, way: &Way) -> Result<Client, String> {
    let (client, wire) = session::connect(host, config, &way.tls, way.limit, None).await?;
    let fit = async {
        client.batch_execute(SETTINGS).await.map_err(|error| sentence(&error, host))?;
        let row = client.query_one(ABOUT, &[]).await.map_err(|error| sentence(&error, host))?;
        is_writable(host, &row)
    };
    let fit = timeout(way.limit, fit).await;
    match fit.map_err(|_| silent(host, way.limit)).and_then(|fit| fit) {
        Ok(()) => Ok(client),
        Err(fault) => {
            wire.end(&fault);
            Err(fault)
        }
    }
}

fn silent(host: &str, limit: Duration) -> String {
    format!("{host}: the server did not answer within {}", Span(limit))
}

fn is_writable(host: &str, about: &Row) -> Result<(), String> {
    let (standby, read_only): (bool, bool) = (about.get(0), about.get(1));
    if !standby && !read_only {
        return Ok(());
    }
    let what = if standby {
        "a standby"
    } else {
        "set read only: see default_transaction_read_only there. If it is not the primary"
    };
    Err(format!(
        "{host} is {what}: name the primary in the store's url, or all hosts, and the primary is found among them"
    ))
}

struct About {
    key: i64,
    pid: i32,
    timeline: i64,
    system: u64,
}

async fn set_up(host: &str, config: &Config, client: &Client) -> Result<(Statements, About), String> {
    let say = |error: tokio_postgres::Error| sentence(&error, host);
    client.batch_execute(SETTINGS).await.map_err(say)?;
    let row = client.query_one(ABOUT, &[]).await.map_err(say)?;
    is_writable(host, &row)?;
    let (version, pid): (i32, i32) = (row.get(2), row.get(3));
    if version < VERSION_MIN {
        return Err(format!("{host} is PostgreSQL {}: the store needs 13 or newer", version / 10_000));
    }
    let database = config.get_dbname().unwrap_or_default();
    if !row.get::<_, bool>(4) {
        return Err(format!(
            "{host}: database `{database}` holds no store: run `mainstay store init` with the store's url"
        ));
    }
    let schema: Option<i32> =
        client.query_one("SELECT max(version) FROM mainstay.version", &[]).await.map_err(say)?.get(0);
    let schema = schema.unwrap_or(0);
    if schema != SCHEMA_VERSION {
        return Err(format!(
            "{host}: the store in database `{database}` has schema {schema}, this Mainstay knows {SCHEMA_VERSION}: {}",
            if schema > SCHEMA_VERSION { "run the newer one" } else { "run `mainstay store init`" }
        ));
    }
    let key = fastrand::i64(1..);
    let timeline = format!(
        "SELECT pg_try_advisory_lock($1), {TIMELINE}, (SELECT system_identifier FROM pg_catalog.pg_control_system())"
    );
    let row = client.query_one(&timeline, &[&key]).await.map_err(say)?;
    client.batch_execute("LISTEN mainstay").await.map_err(say)?;
    let sql = Statements::prepare(client).await.map_err(say)?;
    let system = row.get::<_, i64>(2).cast_unsigned();
    Ok((sql, About { key, pid, timeline: row.get(1), system }))
}

/// What each connection is set to. What may be made stricter by the server's own configuration stays so.
pub(super) const SETTINGS: &str = "
SET search_path = pg_catalog;
SET lock_timeout = '300ms';
SET standard_conforming_strings = on;
SET default_transaction_isolation = 'read committed';
SET client_min_messages = warning;
SET bytea_output = hex;
SELECT set_config(name, setting, false) FROM (VALUES
    ('idle_session_timeout', '0'), ('idle_in_transaction_session_timeout', '5s'), ('tcp_keepalives_idle', '2'),
    ('tcp_keepalives_interval', '1'), ('tcp_keepalives_count', '3'), ('statement_timeout', '10s')
) AS wanted (name, setting) WHERE EXISTS (SELECT FROM pg_settings known WHERE known.name = wanted.name);
SELECT set_config('synchronous_commit', 'on', false)
    WHERE current_setting('synchronous_commit') IN ('off', 'local', 'remote_write');
";

const ABOUT: &str = "SELECT pg_is_in_recovery(), current_setting('transaction_read_only')::boolean,
    current_setting('server_version_num')::integer, pg_backend_pid(), to_regclass('mainstay.version') IS NOT NULL";

/// The oldest server that is supported.
const VERSION_MIN: i32 = 130_000;
/// How often the other hosts are asked whether one of them was promoted.
const REVIEW: Duration = Duration::from_secs(5);
/// How long the other hosts are waited for once a primary was found.
const GRACE: Duration = Duration::from_millis(50);
/// Between two attempts to connect.
const PAUSE_MIN: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_millis(100);
/// How long it takes at most to tell why there is no session.
const TELLING: Duration = Duration::from_millis(50);
/// Faults that wait to be published.
const FAULTS: usize = 16;
