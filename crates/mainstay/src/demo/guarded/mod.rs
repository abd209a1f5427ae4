//! Two guarded model nodes, the front that follows their lease, a load, and the store they share: what drills and the
//! demo's second half are played on.

mod files;
mod relay;
pub(crate) mod strike;
mod takeover;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use mainstay_core::lease::Name;
use mainstay_store::{Entry, LeasePlan, LeaseSettings, Location, Settings, Store};
use tokio_postgres::NoTls;

use super::load::{Book, Load, Plan as LoadPlan, Rows, Target};
use super::stage::{Dir, Front, Mishap, Node, Port, Process, until};
use files::{front_file, guard_file, role};
use relay::Relay;
pub(crate) use takeover::Takeover;

/// How a set is made.
pub(crate) struct Plan {
    /// What the lease is called.
    pub(crate) lease: &'static str,
    /// What a node takes for an answer.
    pub(crate) think: Duration,
    /// The URL of a database; `None`: files.
    pub(crate) store: Option<String>,
    /// Time between renewals.
    pub(crate) renew: Duration,
    /// Whether the guards reach the store through a relay.
    pub(crate) relayed: bool,
    /// Whether files are kept.
    pub(crate) keep: bool,
}

/// Everybody. They end when it is dropped.
pub(crate) struct Set {
    load: Option<Load>,
    front: Front,
    guards: [Guarded; 2],
    relays: Vec<Relay>,
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
    process: Option<Process>,
}

impl Set {
    /// Starts them all, and the load once there is a leader.
    pub(crate) async fn assemble(exe: &Path, plan: Plan) -> Result<Self, Mishap> {
        let dir = Dir::make(plan.keep)?;
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
        let mut guards = Vec::new();
        for (at, name) in NAMES.into_iter().enumerate() {
            let port = Port::take()?;
            let url = relays
                .get(at)
                .map_or_else(|| url.clone(), |relay| url.replacen(&host(&url), &relay.at().to_string(), 1));
            let file = dir.file(&format!("guard-{name}.toml"));
            let text = guard_file(&plan, exe, &dir, name, port.address(), &url);
            std::fs::write(&file, text).map_err(|error| Mishap::new("could not write a configuration", error))?;
            guards.push(Guarded { name, port, file, process: None });
        }
        let Ok(guards) = <[Guarded; 2]>::try_from(guards) else {
            return Err(Mishap::new("could not cast", "two guards"));
        };
        let nodes = [guards[0].port.address(), guards[1].port.address()];
        let front = Front::start(exe, &dir, |at| front_file(&plan, &dir, at, nodes, &url)).await?;
        let mut set = Self { load: None, front, guards, relays, store, plan, exe: exe.to_owned(), dir };
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
        let load = Load::start(LoadPlan { target, rate: RATE, fresh_every: FRESH_EVERY, timeout: TIMEOUT });
        set.load = Some(load.map_err(|error| Mishap::new("could not start the load", error))?);
        Ok(set)
    }

    /// Starts (again) the Mainstay that guards a node.
    pub(crate) fn start(&mut self, at: usize) -> Result<(), Mishap> {
        let Some(guard) = self.guards.get_mut(at) else { return Ok(()) };
        let log = self.dir.file(&format!("guard-{}.log", guard.name));
        let who = format!("guard {}", guard.name);
        guard.process = Some(Process::start(&who, &self.exe, &["run".as_ref(), guard.file.as_os_str()], &log)?);
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

    /// Ends the load, when nothing of it is under way any more.
    pub(crate) fn finish(&mut self) {
        if let Some(load) = self.load.take() {
            load.finish();
        }
    }

    /// All rows that the nodes wrote, in the database's order.
    pub(crate) async fn rows(&self) -> Result<Rows, Mishap> {
        let failed = |error: &dyn std::fmt::Display| Mishap::new("could not read the nodes' database", error);
        let Some(url) = &self.plan.store else {
            return Rows::read(&self.dir.file(Node::STORE)).map_err(|error| failed(&error));
        };
        let (client, connection) = tokio_postgres::connect(url, NoTls).await.map_err(|error| failed(&error))?;
        let reading = tokio::spawn(connection);
        let found = client.query("SELECT coalesce(id, ''), node, token FROM writes ORDER BY seq", &[]).await;
        reading.abort();
        let mut rows = Rows::default();
        for row in found.map_err(|error| failed(&error))? {
            let text = |at: usize| row.try_get::<_, String>(at).unwrap_or_default();
            rows.add(text(0), text(1), &text(2));
        }
        Ok(rows)
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

/// Opens the drill's own view of the store; a database is set up first.
async fn open(url: &str, lease: &str) -> Result<Arc<dyn Store>, Mishap> {
    let at: Location = url.parse().map_err(|error| Mishap::new("could not use --store", error))?;
    let mut settings = Settings::new(at);
    settings.timeout = TIMEOUT;
    if url.starts_with("postgres") {
        let plan = LeasePlan {
            lease: lease.into(),
            group: Some(GROUP.into()),
            roles: NAMES.map(|name| role(name).into()).into(),
            database: None,
        };
        settings.leases.insert(lease.into(), LeaseSettings { role: None, group: Some(GROUP.into()), database: None });
        mainstay_store::init(&settings, &[plan])
            .await
            .map_err(|fault| Mishap::new("could not set the store up", fault))?;
        fresh(url, lease).await?;
    }
    mainstay_store::open(&settings).map_err(|fault| Mishap::new("could not open the store", fault))
}

/// Takes away what an earlier drill wrote.
async fn fresh(url: &str, lease: &str) -> Result<(), Mishap> {
    let failed = |error| Mishap::new("could not make the database ready", error);
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.map_err(failed)?;
    let working = tokio::spawn(connection);
    let sql = format!(
        "DROP TABLE IF EXISTS writes; DELETE FROM mainstay.history WHERE lease = '{lease}';
         GRANT CREATE, USAGE ON SCHEMA public TO {GROUP}"
    );
    let done = client.batch_execute(&sql).await.map_err(failed);
    working.abort();
    done
}

/// `host:port` of a URL, as it stands in it.
fn host(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    authority.rsplit_once('@').map_or(authority, |(_, host)| host).to_owned()
}

fn host_of(url: &str) -> Result<String, Mishap> {
    let host = host(url);
    if host.contains(',') || !host.contains(':') {
        return Err(Mishap::new("could not put a relay before the store", "write one host with its port into --store"));
    }
    Ok(host)
}

const NAMES: [&str; 2] = ["a", "b"];
/// The role that owns what the nodes create; the login roles' names begin so too.
const GROUP: &str = "mainstay_drill";
/// Requests per second; half of them are writes.
const RATE: u32 = 200;
const FRESH_EVERY: usize = 4;
/// Longest wait of a client.
const TIMEOUT: Duration = Duration::from_secs(20);
const STARTING: Duration = Duration::from_secs(30);
/// Entries of the history that are looked at.
const HISTORY: u32 = 10_000;
