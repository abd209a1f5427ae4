//! Who plays in a drill: two guarded model nodes, the front, the load, and the store they share.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use mainstay_core::lease::Name;
use mainstay_store::{Entry, LeasePlan, LeaseSettings, Location, Settings, Store};
use tokio_postgres::NoTls;

use super::relay::Relay;
use crate::demo::load::{Book, Load, Plan as LoadPlan, Rows, Target};
use crate::demo::stage::{Dir, Front, Mishap, Node, Port, Process, until};

/// How a set is made.
pub(super) struct Plan {
    /// The URL of a database; `None`: files.
    pub(super) store: Option<String>,
    /// Time between renewals.
    pub(super) renew: Duration,
    /// Whether the guards reach the store through a relay.
    pub(super) relayed: bool,
    /// Whether files are kept.
    pub(super) keep: bool,
}

/// Everybody. They end when it is dropped.
pub(super) struct Set {
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
pub(super) struct Guarded {
    pub(super) name: &'static str,
    port: Port,
    file: PathBuf,
    process: Option<Process>,
}

impl Set {
    /// Starts them all, and the load once there is a leader.
    pub(super) async fn assemble(exe: &Path, plan: Plan) -> Result<Self, Mishap> {
        let dir = Dir::make(plan.keep)?;
        let url = plan.store.clone().unwrap_or_else(|| format!("sqlite:{}", dir.file("leases.db").display()));
        if plan.relayed && plan.store.is_none() {
            return Err(Mishap::new("this drill cuts the network to a store", "name a database with --store"));
        }
        let store = open(&url).await?;
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
        until("nobody becomes ready", STARTING, async || set.happened("ready", since).await.is_some()).await?;
        until("nobody is on standby", STARTING, async || set.is_attended().await).await?;
        let target = Target::Tcp(set.front.at());
        let load = Load::start(LoadPlan { target, rate: RATE, fresh_every: FRESH_EVERY, timeout: TIMEOUT });
        set.load = Some(load.map_err(|error| Mishap::new("could not start the load", error))?);
        Ok(set)
    }

    /// Starts (again) the Mainstay that guards a node.
    pub(super) fn start(&mut self, at: usize) -> Result<(), Mishap> {
        let Some(guard) = self.guards.get_mut(at) else { return Ok(()) };
        let log = self.dir.file(&format!("guard-{}.log", guard.name));
        let who = format!("guard {}", guard.name);
        guard.process = Some(Process::start(&who, &self.exe, &["run".as_ref(), guard.file.as_os_str()], &log)?);
        Ok(())
    }

    /// A second process with the configuration of a guard. What it says goes to the file whose path comes with it.
    pub(super) fn second(&self, at: usize) -> Result<(Process, PathBuf), Mishap> {
        let log = self.dir.file("second.log");
        let file = self.guards.get(at).map(|guard| guard.file.clone()).unwrap_or_default();
        let args = ["run".as_ref(), file.as_os_str(), "--admin".as_ref(), "off".as_ref()];
        Ok((Process::start("a second guard", &self.exe, &args, &log)?, log))
    }

    /// The guard and its process.
    pub(super) fn guard(&mut self, at: usize) -> Option<&mut Process> {
        self.guards.get_mut(at)?.process.as_mut()
    }

    /// Where a guard is told what an operator wants.
    pub(super) fn admin(&self, at: usize) -> PathBuf {
        self.dir.file(&format!("guard-{}.sock", NAMES.get(at).copied().unwrap_or_default()))
    }

    /// Runs this program with these words, and says how it ended and what it printed.
    pub(super) async fn command(&self, words: &[String], within: Duration) -> Result<(bool, String), Mishap> {
        let log = self.dir.file("command.log");
        // Of the last command nothing is wanted any more; there may have been none.
        let _old = std::fs::remove_file(&log);
        let mut process = Process::start("a command", &self.exe, words, &log)?;
        let status = process.ended(within).await?;
        Ok((status.success(), std::fs::read_to_string(&log).unwrap_or_default()))
    }

    /// The relay of a guard.
    pub(super) fn relay(&self, at: usize) -> Option<&Relay> {
        self.relays.get(at)
    }

    /// Who holds the lease: the index of the guard.
    pub(super) async fn holder(&self) -> Result<usize, Mishap> {
        let by = self.last("activated", SystemTime::UNIX_EPOCH).await.map(|entry| entry.by);
        let found = by.and_then(|by| NAMES.into_iter().position(|name| *name == *by));
        found.ok_or_else(|| Mishap::new("nobody holds the lease", "its history has no tenure"))
    }

    /// What happened first since then.
    pub(super) async fn happened(&self, what: &str, since: SystemTime) -> Option<Entry> {
        let entries = self.entries().await;
        entries.into_iter().find(|entry| *entry.what == *what && entry.at >= since)
    }

    /// What happened last since then.
    pub(super) async fn last(&self, what: &str, since: SystemTime) -> Option<Entry> {
        let mut entries = self.entries().await.into_iter().rev();
        entries.find(|entry| *entry.what == *what && entry.at >= since)
    }

    /// Everything that happened since then.
    pub(super) async fn since(&self, since: SystemTime) -> Vec<Entry> {
        let mut entries = self.entries().await;
        entries.retain(|entry| entry.at >= since);
        entries
    }

    async fn entries(&self) -> Vec<Entry> {
        // A store that is away is asked again soon.
        self.store.history(Some(&Name::from(LEASE)), HISTORY).await.unwrap_or_default()
    }

    /// Whether both guards are there.
    pub(super) async fn is_attended(&self) -> bool {
        for at in 0..NAMES.len() {
            let args = ["status".to_owned(), format!("--admin=unix:{}", self.admin(at).display())];
            if !self.command(&args, TIMEOUT).await.is_ok_and(|(there, _)| there) {
                return false;
            }
        }
        true
    }

    /// The load.
    pub(super) fn book(&self) -> Option<&Arc<Book>> {
        self.load.as_ref().map(Load::book)
    }

    /// Ends the load, when nothing of it is under way any more.
    pub(super) fn finish(&mut self) {
        if let Some(load) = self.load.take() {
            load.finish();
        }
    }

    /// All rows that the nodes wrote, in the database's order.
    pub(super) async fn rows(&self) -> Result<Rows, Mishap> {
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

    /// How long a tenure lasts without a renewal.
    pub(super) fn ttl(&self) -> Duration {
        self.plan.renew * 3
    }

    /// What the store is called, without secrets.
    pub(super) fn store(&self) -> String {
        self.store.describe()
    }

    /// Where the files are.
    pub(super) fn files(&self) -> PathBuf {
        self.dir.path().to_owned()
    }
}

/// Opens the drill's own view of the store; a database is set up first.
async fn open(url: &str) -> Result<Arc<dyn Store>, Mishap> {
    let at: Location = url.parse().map_err(|error| Mishap::new("could not use --store", error))?;
    let mut settings = Settings::new(at);
    settings.timeout = TIMEOUT;
    if url.starts_with("postgres") {
        let plan = LeasePlan {
            lease: LEASE.into(),
            group: Some(GROUP.into()),
            roles: NAMES.map(|name| role(name).into()).into(),
            database: None,
        };
        settings.leases.insert(LEASE.into(), LeaseSettings { role: None, group: Some(GROUP.into()), database: None });
        mainstay_store::init(&settings, &[plan])
            .await
            .map_err(|fault| Mishap::new("could not set the store up", fault))?;
        fresh(url).await?;
    }
    mainstay_store::open(&settings).map_err(|fault| Mishap::new("could not open the store", fault))
}

/// Takes away what an earlier drill wrote.
async fn fresh(url: &str) -> Result<(), Mishap> {
    let failed = |error| Mishap::new("could not make the database ready", error);
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.map_err(failed)?;
    let working = tokio::spawn(connection);
    let sql = format!(
        "DROP TABLE IF EXISTS writes; DELETE FROM mainstay.history WHERE lease = '{LEASE}';
         GRANT CREATE, USAGE ON SCHEMA public TO {GROUP}"
    );
    let done = client.batch_execute(&sql).await.map_err(failed);
    working.abort();
    done
}

fn role(name: &str) -> String {
    format!("{GROUP}_{name}")
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

fn guard_file(plan: &Plan, exe: &Path, dir: &Dir, name: &str, at: SocketAddr, url: &str) -> String {
    let (renew, ttl) = (plan.renew.as_millis(), plan.renew.as_millis() * 3);
    let data = plan.store.clone().unwrap_or_else(|| dir.file(Node::STORE).display().to_string());
    let (of_lease, of_guard, env) = if plan.store.is_some() {
        let all = NAMES.map(|name| format!("\"{}\"", role(name))).join(", ");
        (
            format!("early = true\ngroup = \"{GROUP}\"\nroles = [{all}]\n"),
            format!("role = \"{}\"\n", role(name)),
            ", PGUSER = \"{role}\", PGPASSWORD = \"{password}\"",
        )
    } else {
        (String::new(), String::new(), "")
    };
    format!(
        r#"# Written by `mainstay drill`.
[admin]
at = "unix:{admin}"
[store]
url = "{url}"
[lease.{LEASE}]
renew = "{renew}ms"
ttl = "{ttl}ms"
drain = "1s"
{of_lease}
[guard.{LEASE}-{name}]
lease = "{LEASE}"
name = "{name}"
run = ["{exe}", "model-node", "--at", "{at}", "--store", "{data}", "--name", "{name}", "--think-ms", "2", "--grace-ms", "0"]
env = {{ TOKEN = "{{token}}"{env} }}
ready = {{ http = "http://{at}/health", every = "10ms", timeout = "1s" }}
stop_within = "3s"
restart = {{ times = 0 }}
{of_guard}"#,
        admin = dir.file(&format!("guard-{name}.sock")).display(),
        exe = exe.display(),
    )
}

fn front_file(plan: &Plan, dir: &Dir, at: SocketAddr, [a, b]: [SocketAddr; 2], url: &str) -> String {
    let (renew, ttl) = (plan.renew.as_millis(), plan.renew.as_millis() * 3);
    format!(
        r#"# Written by `mainstay drill`.
[admin]
at = "unix:{admin}"
[store]
url = "{url}"
[lease.{LEASE}]
renew = "{renew}ms"
ttl = "{ttl}ms"
[pool.ledger]
policy = {{ leader = "{LEASE}" }}
nodes = [{{ at = "{a}", holder = "a" }}, {{ at = "{b}", holder = "b" }}]
check = {{ http = "/health", every = "200ms", every_in_doubt = "50ms", timeout = "1s", rise = 1, fall = 2 }}
hold = {{ requests = 10000, time = "30s" }}
[listen.front]
at = "{at}"
to = "http://ledger"
"#,
        admin = dir.file(Front::ADMIN).display(),
    )
}

const NAMES: [&str; 2] = ["a", "b"];
pub(super) const LEASE: &str = "drill";
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
