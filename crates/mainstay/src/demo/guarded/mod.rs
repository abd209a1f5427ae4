//! Two guarded model nodes, the front that follows their lease, a load, and the store they share: what drills and the
//! demo's second half are played on.

mod database;
mod files;
mod relay;
mod store;
pub(crate) mod strike;
mod takeover;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use mainstay_core::lease::Name;
use mainstay_store::{Entry, Store};

use crate::admin::Place;
use crate::admin::client::ask;
use crate::admin::document::Status;
use crate::cli::when::{self, When};

use super::load::{Book, Load, Plan as LoadPlan, Rows, Target};
use super::stage::{Clock, Dir, Front, Launch, Mishap, Node, Port, Process, until};
pub(crate) use database::{Database, Own};
use files::{front_file, guard_file};
use relay::Relay;
use store::{host, host_of, open, session};
pub(crate) use takeover::Takeover;

/// How a set is made.
pub(crate) struct Plan {
    /// What the lease is called.
    pub(crate) lease: &'static str,
    /// What a node takes for an answer.
    pub(crate) think: Duration,
    /// The URL of a database; `None`: files, unless there is one of its own.
    pub(crate) store: Option<String>,
    /// A database that is made for this.
    pub(crate) own: Option<Own>,
    /// Time between renewals.
    pub(crate) renew: Duration,
    /// Whether the guards reach the store through a relay.
    pub(crate) relayed: bool,
    /// Whether the guards, and a database of its own, have clocks that can be set.
    pub(crate) clocked: bool,
    /// Requests per second; half of them are writes.
    pub(crate) rate: u32,
    /// Whether files are kept.
    pub(crate) keep: bool,
}

/// Everybody. They end when it is dropped.
pub(crate) struct Set {
    load: Option<Load>,
    front: Front,
    guards: [Guarded; 2],
    relays: Vec<Relay>,
    database: Option<Database>,
    store: Arc<dyn Store>,
    plan: Plan,
    exe: PathBuf,
    dir: Dir,
}

/// A Mainstay with a model node.
pub(crate) struct Guarded {
    pub(crate) name: &'static str,
    port: Port,
    file: PathBuf,
    clock: Option<Clock>,
    process: Option<Process>,
}

impl Set {
    /// Starts them all, and the load once there is a leader.
    pub(crate) async fn assemble(exe: &Path, mut plan: Plan) -> Result<Self, Mishap> {
        let dir = Dir::make(plan.keep)?;
        let database = match plan.own {
            Some(own) => Some(Database::make(exe, own, plan.clocked, plan.keep).await?),
            None => None,
        };
        plan.store = database.as_ref().map(Database::url).or(plan.store);
        let url = plan.store.clone().unwrap_or_else(|| format!("sqlite:{}", dir.file("leases.db").display()));
        if plan.relayed && plan.store.is_none() {
            return Err(Mishap::new("this drill cuts the network to a store", "name a database with --store"));
        }
        let store = open(&url, plan.lease).await?;
        let mut relays = Vec::new();
        if let Some(url) = plan.store.as_ref().filter(|_| plan.relayed) {
            for _ in NAMES {
                relays.push(Relay::start(host_of(url)?).await?);
            }
        }
        let guards = guards(&plan, exe, &dir, &url, &relays)?;
        let nodes = guards.each_ref().map(|guard| guard.port.address());
        let front = Front::start(exe, &dir, |at| front_file(&plan, &dir, at, nodes, &url)).await?;
        let mut set = Self { load: None, front, guards, relays, database, store, plan, exe: exe.to_owned(), dir };
        for at in 0..NAMES.len() {
            set.start(at)?;
        }
        let since = SystemTime::UNIX_EPOCH;
        until("nobody becomes ready", STARTING, async || {
            set.any_ended() || set.happened("ready", since).await.is_some()
        })
        .await?;
        set.all_run()?;
        until("nobody is on standby", STARTING, async || set.is_attended().await).await?;
        let target = Target::Tcp(set.front.at());
        let load = Load::start(LoadPlan { target, rate: set.plan.rate, fresh_every: FRESH_EVERY, timeout: TIMEOUT });
        set.load = Some(load.map_err(|error| Mishap::new("could not start the load", error))?);
        Ok(set)
    }

    /// Starts (again) the Mainstay that guards a node.
    pub(crate) fn start(&mut self, at: usize) -> Result<(), Mishap> {
        let Some(guard) = self.guards.get_mut(at) else { return Ok(()) };
        let log = self.dir.file(&format!("guard-{}.log", guard.name));
        let who = format!("guard {}", guard.name);
        let mut launch = Launch::new(&self.exe, ["run".as_ref(), guard.file.as_os_str()]);
        launch.env = guard.clock.as_ref().map(Clock::env).unwrap_or_default();
        guard.process = Some(Process::launch(&who, &self.exe, &launch, &log)?);
        Ok(())
    }

    fn any_ended(&mut self) -> bool {
        self.guards.iter_mut().filter_map(|guard| guard.process.as_mut()).any(|process| !process.runs())
    }

    /// A guard that has ended says why in its log.
    fn all_run(&mut self) -> Result<(), Mishap> {
        for guard in &mut self.guards {
            if guard.process.as_mut().is_some_and(|process| !process.runs()) {
                let said = std::fs::read_to_string(self.dir.file(&format!("guard-{}.log", guard.name)));
                return Err(Mishap::new(
                    format!("guard {} has ended", guard.name),
                    said.unwrap_or_default().trim_end(),
                ));
            }
        }
        Ok(())
    }

    /// A second process with the configuration of a guard. What it says goes to the file whose path comes with it.
    pub(crate) fn second(&self, at: usize) -> Result<(Process, PathBuf), Mishap> {
        let log = self.dir.file("second.log");
        let file = self.guards.get(at).map(|guard| guard.file.clone()).unwrap_or_default();
        let args = ["run".as_ref(), file.as_os_str(), "--admin".as_ref(), "off".as_ref()];
        Ok((Process::start("a second guard", &self.exe, &args, &log)?, log))
    }

    /// The guard and its process.
    pub(crate) fn guard(&mut self, at: usize) -> Option<&mut Process> {
        self.guards.get_mut(at)?.process.as_mut()
    }

    /// Where a guard is told what an operator wants.
    pub(crate) fn admin(&self, at: usize) -> PathBuf {
        self.dir.file(&format!("guard-{}.sock", NAMES.get(at).copied().unwrap_or_default()))
    }

    /// Runs this program with these words, and says how it ended and what it printed.
    pub(crate) async fn command(&self, words: &[String], within: Duration) -> Result<(bool, String), Mishap> {
        let log = self.dir.file("command.log");
        // Of the last command nothing is wanted any more; there may have been none.
        let _old = std::fs::remove_file(&log);
        let mut process = Process::start("a command", &self.exe, words, &log)?;
        let status = process.ended(within).await?;
        Ok((status.success(), std::fs::read_to_string(&log).unwrap_or_default()))
    }

    /// The relay of a guard.
    fn relay(&self, at: usize) -> Option<&Relay> {
        self.relays.get(at)
    }

    /// Who holds the lease: the index of the guard.
    pub(crate) async fn holder(&self) -> Result<usize, Mishap> {
        let by = self.last("activated", SystemTime::UNIX_EPOCH).await.map(|entry| entry.by);
        let found = by.and_then(|by| NAMES.into_iter().position(|name| *name == *by));
        found.ok_or_else(|| Mishap::new("nobody holds the lease", "its history has no tenure"))
    }

    /// Whether the last tenure that began has got as far as a ready node, and has not ended.
    pub(crate) async fn is_led(&self) -> bool {
        let entries = self.entries().await;
        let Some(last) = entries.iter().rev().find(|entry| *entry.what == *"activated") else { return false };
        let of_it = entries.iter().filter(|entry| (entry.epoch, &entry.by) == (last.epoch, &last.by));
        let told: Vec<&str> = of_it.map(|entry| &*entry.what).collect();
        told.contains(&"ready") && !told.contains(&"lost")
    }

    /// What happened first since then.
    pub(crate) async fn happened(&self, what: &str, since: SystemTime) -> Option<Entry> {
        let entries = self.entries().await;
        entries.into_iter().find(|entry| *entry.what == *what && entry.at >= since)
    }

    /// What happened last since then.
    pub(crate) async fn last(&self, what: &str, since: SystemTime) -> Option<Entry> {
        let mut entries = self.entries().await.into_iter().rev();
        entries.find(|entry| *entry.what == *what && entry.at >= since)
    }

    /// Everything that happened since then.
    pub(crate) async fn since(&self, since: SystemTime) -> Vec<Entry> {
        let mut entries = self.entries().await;
        entries.retain(|entry| entry.at >= since);
        entries
    }

    async fn entries(&self) -> Vec<Entry> {
        // A store that is away is asked again soon.
        self.store.history(Some(&Name::from(self.plan.lease)), HISTORY).await.unwrap_or_default()
    }

    /// Whether both guards are there.
    pub(crate) async fn is_attended(&self) -> bool {
        for at in 0..NAMES.len() {
            let args = ["status".to_owned(), format!("--admin=unix:{}", self.admin(at).display())];
            if !self.command(&args, TIMEOUT).await.is_ok_and(|(there, _)| there) {
                return false;
            }
        }
        true
    }

    /// The load.
    pub(crate) fn book(&self) -> Option<&Arc<Book>> {
        self.load.as_ref().map(Load::book)
    }

    /// Ends the load, when nothing of it is under way any more. What it needs of this runtime (relays) goes on meanwhile.
    pub(crate) async fn finish(&mut self) {
        if let Some(load) = self.load.take() {
            // It fails only if the load panicked; the account counts what it left as lost.
            let _book = tokio::task::spawn_blocking(move || load.finish()).await;
        }
    }

    /// All rows that the nodes wrote, in the database's order.
    pub(crate) async fn rows(&self) -> Result<Rows, Mishap> {
        let failed = |error: &dyn std::fmt::Display| Mishap::new("could not read the nodes' database", error);
        let Some(url) = &self.plan.store else {
            return Rows::read(&self.dir.file(Node::STORE)).map_err(|error| failed(&error));
        };
        let client = session(url).await.map_err(|error| failed(&error))?;
        let found = client.query("SELECT coalesce(id, ''), node, token FROM writes ORDER BY seq", &[]).await;
        let mut rows = Rows::default();
        for row in found.map_err(|error| failed(&error))? {
            let text = |at: usize| row.try_get::<_, String>(at).unwrap_or_default();
            rows.add(text(0), text(1), &text(2));
        }
        Ok(rows)
    }

    /// Rows that a node wrote who remembered a write that the database does not have. Nothing on a file, which forgets
    /// nothing.
    pub(crate) async fn written_back(&self) -> Result<usize, Mishap> {
        let failed = |error| Mishap::new("could not read the nodes' database", error);
        let Some(url) = &self.plan.store else { return Ok(0) };
        let client = session(url).await.map_err(failed)?;
        let query = "SELECT count(*) FROM writes WHERE after IS NOT NULL
                     AND NOT EXISTS (SELECT FROM writes known WHERE known.id = writes.after)";
        let count: i64 = client.query_one(query, &[]).await.map_err(failed)?.try_get(0).map_err(failed)?;
        Ok(usize::try_from(count).unwrap_or_default())
    }

    /// Rows behind the `last` one there was when the database was promoted, of a tenure in an older history of it.
    pub(crate) async fn written_by(&self, timeline: u32, last: i64) -> Result<usize, Mishap> {
        let failed = |error| Mishap::new("could not read the nodes' database", error);
        let Some(url) = &self.plan.store else { return Ok(0) };
        let client = session(url).await.map_err(failed)?;
        let query = "SELECT count(*) FROM writes WHERE seq > $1 AND split_part(token, '.', 1)::bigint <= $2";
        let count = client.query_one(query, &[&last, &i64::from(timeline)]).await.map_err(failed)?;
        Ok(usize::try_from(count.try_get::<_, i64>(0).map_err(failed)?).unwrap_or_default())
    }

    /// By how many seconds somebody's clock is ahead of this machine's.
    pub(crate) async fn clock_of(&self, whose: &str) -> Result<i64, Mishap> {
        let failed = |why: &dyn std::fmt::Display| Mishap::new("could not read a clock", why);
        let Some(at) = NAMES.iter().position(|name| whose.ends_with(&format!(" {name}"))) else {
            let client = session(self.plan.store.as_deref().unwrap_or_default()).await.map_err(|why| failed(&why))?;
            let query = "SELECT extract(epoch FROM clock_timestamp())::bigint";
            let shown = client.query_one(query, &[]).await.and_then(|row| row.try_get::<_, i64>(0));
            return Ok(shown.map_err(|why| failed(&why))? - seconds(SystemTime::now()));
        };
        // A reload of the same file changes nothing, and says when it was.
        let words = ["reload".to_owned(), format!("--admin=unix:{}", self.admin(at).display())];
        self.command(&words, TIMEOUT).await?;
        let shown = self.status(at).await?.reload.map(|reload| reload.at).unwrap_or_default();
        let whole = shown.split(['.', 'Z']).next().unwrap_or_default();
        match when::parse(&format!("{whole}Z")) {
            Ok(When::At(shown)) => Ok(seconds(shown) - seconds(SystemTime::now())),
            _ => Err(failed(&"the guard does not say when it was asked")),
        }
    }

    /// The database that was made for this.
    pub(crate) fn database(&mut self) -> Result<&mut Database, Mishap> {
        let none = || Mishap::new("could not touch the database", "it is not this rehearsal's own");
        self.database.as_mut().ok_or_else(none)
    }

    /// The clocks that can be set, with whose they are: the guards', and the database's.
    pub(crate) fn clocks(&self) -> Vec<(String, Clock)> {
        let guards =
            self.guards.iter().filter_map(|guard| Some((format!("guard {}", guard.name), guard.clock.clone()?)));
        let database = self.database.as_ref().and_then(|database| Some(("the database".to_owned(), database.clock()?)));
        database.into_iter().map(|(whose, clock)| (whose, clock.clone())).chain(guards).collect()
    }

    /// How often the lease was taken.
    pub(crate) async fn tenures(&self) -> usize {
        self.entries().await.iter().filter(|entry| *entry.what == *"activated").count()
    }

    /// What a guard says of the lease and of itself.
    pub(crate) async fn status(&self, at: usize) -> Result<Status, Mishap> {
        let failed = |why: String| Mishap::new("could not ask a guard", why);
        let place = Place::Unix(self.admin(at));
        let asked = tokio::task::spawn_blocking(move || ask(Some(&place), "GET", "/status")).await;
        let answer = asked.map_err(|error| failed(error.to_string()))?.map_err(|error| failed(error.to_string()))?;
        serde_json::from_str(&answer.body).map_err(|error| failed(error.to_string()))
    }

    /// What the lease is called.
    pub(crate) fn lease(&self) -> &'static str {
        self.plan.lease
    }

    /// Where the nodes listen while they run.
    pub(crate) fn nodes(&self) -> [SocketAddr; 2] {
        self.guards.each_ref().map(|guard| guard.port.address())
    }

    /// The guards that run: their names and process ids.
    pub(crate) fn processes(&self) -> impl Iterator<Item = (&'static str, u32)> {
        self.guards.iter().filter_map(|guard| Some((guard.name, guard.process.as_ref()?.id())))
    }

    /// The front.
    pub(crate) fn front(&self) -> &Front {
        &self.front
    }

    /// How long a tenure lasts without a renewal.
    pub(crate) fn ttl(&self) -> Duration {
        self.plan.renew * 3
    }

    /// What the store is called, without secrets.
    pub(crate) fn store(&self) -> String {
        self.store.describe()
    }

    /// Where the files are.
    pub(crate) fn files(&self) -> PathBuf {
        self.dir.path().to_owned()
    }
}

/// Since 1970.
fn seconds(at: SystemTime) -> i64 {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// The two Mainstays with a node each, not started yet.
fn guards(plan: &Plan, exe: &Path, dir: &Dir, url: &str, relays: &[Relay]) -> Result<[Guarded; 2], Mishap> {
    let make = |at: usize| {
        let (name, port) = (NAMES.get(at).copied().unwrap_or_default(), Port::take()?);
        let url = relays.get(at).map_or_else(|| url.to_owned(), |it| url.replacen(&host(url), &it.at().to_string(), 1));
        let file = dir.file(&format!("guard-{name}.toml"));
        let text = guard_file(plan, exe, dir, name, port.address(), &url);
        std::fs::write(&file, text).map_err(|error| Mishap::new("could not write a configuration", error))?;
        let clock = if plan.clocked { Some(Clock::make(dir.file(&format!("clock-{name}")))?) } else { None };
        Ok::<_, Mishap>(Guarded { name, port, file, clock, process: None })
    };
    Ok([make(0)?, make(1)?])
}

const NAMES: [&str; 2] = ["a", "b"];
/// The role that owns what the nodes create; the login roles' names begin so too.
const GROUP: &str = "mainstay_drill";
const FRESH_EVERY: usize = 4;
/// Longest wait of a client.
const TIMEOUT: Duration = Duration::from_secs(20);
const STARTING: Duration = Duration::from_secs(30);
/// Entries of the history that are looked at.
const HISTORY: u32 = 10_000;
