//! A PostgreSQL server of a rehearsal's own, which can be killed, copied and promoted.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{Gid, Uid};
use rustix::process::{Pid, Signal};
use tokio_postgres::{Client, Config, NoTls};

use super::{Clock, Dir, Launch, Mishap, Port, Process, until};
use crate::demo::leash::By;

/// A server on the loopback interface, in a directory of its own. Ends, and is removed, when this is dropped.
pub(crate) struct Server {
    name: &'static str,
    exe: PathBuf,
    process: Option<Process>,
    port: Port,
    password: String,
    owner: Option<(u32, u32)>,
    clock: Option<Clock>,
    // Behind the process, which ends first.
    dir: Dir,
}

/// How one is made.
pub(crate) struct Making<'a> {
    /// What it is called in what is said of it.
    pub(crate) name: &'static str,
    /// A Mainstay binary.
    pub(crate) exe: &'a Path,
    /// Whether it gets a clock of its own.
    pub(crate) clocked: bool,
    /// Whether its directory stays.
    pub(crate) keep: bool,
}

impl Server {
    /// Makes an empty one and starts it. Root gives it to the user `postgres`, or to `nobody`.
    pub(crate) async fn make(making: Making<'_>) -> Result<Self, Mishap> {
        let mut server = Self::prepare(making, Port::take()?, random())?;
        let secret = server.dir.file("password");
        std::fs::write(&secret, &server.password).map_err(|error| Mishap::new("could not write a password", error))?;
        server.give(&secret)?;
        let words = ["--username=postgres", "--auth=scram-sha-256", "--encoding=UTF8", "--no-locale", "--no-sync"];
        let mut args: Vec<String> = words.map(str::to_owned).into();
        args.push(format!("--pgdata={}", server.data().display()));
        args.push(format!("--pwfile={}", secret.display()));
        server.run("initdb", args).await?;
        server.start().await?;
        Ok(server)
    }

    /// Makes a standby of a primary and starts it. It hears of the primary through `feed`.
    pub(crate) async fn copy(
        making: Making<'_>,
        port: Port,
        of: &Self,
        feed: std::net::SocketAddr,
    ) -> Result<Self, Mishap> {
        let mut server = Self::prepare(making, port, of.password.clone())?;
        let source = format!(
            "host={} port={} user=postgres password={} application_name={}",
            feed.ip(),
            feed.port(),
            of.password,
            server.name.replace(' ', "_")
        );
        let mut args: Vec<String> =
            ["--write-recovery-conf", "--checkpoint=fast", "--no-sync"].map(str::to_owned).into();
        args.push(format!("--pgdata={}", server.data().display()));
        args.push(format!("--dbname={source}"));
        server.run("pg_basebackup", args).await?;
        server.start().await?;
        Ok(server)
    }

    fn prepare(making: Making<'_>, port: Port, password: String) -> Result<Self, Mishap> {
        let Making { name, exe, clocked, keep } = making;
        let owner = owner()?;
        let dir = Dir::make(keep)?;
        let clock = if clocked { Some(Clock::make(dir.file("clock"))?) } else { None };
        let server = Self { name, exe: exe.to_owned(), process: None, port, password, owner, clock, dir };
        let failed = |error: std::io::Error| Mishap::new("could not make a directory for a database", error);
        std::fs::DirBuilder::new().mode(0o700).create(server.data()).map_err(failed)?;
        server.give(&server.data())?;
        server.give(server.dir.path())?;
        Ok(server)
    }

    /// Lets it serve, and waits until it does.
    pub(crate) async fn start(&mut self) -> Result<(), Mishap> {
        let words = [format!("-D{}", self.data().display()), format!("-p{}", self.port.address().port())];
        let settings = SETTINGS.iter().map(|setting| format!("-c{setting}"));
        let mut launch = self.launch("postgres", words.into_iter().chain(settings))?;
        launch.env.extend(self.clock.iter().flat_map(Clock::env));
        launch.by = By::Quit;
        let mut process = Process::launch(self.name, &self.exe, &launch, &self.log())?;
        let what = format!("{} does not serve", self.name);
        let serves = async || !process.runs() || self.connect().await.is_ok();
        until(&what, STARTING, serves).await?;
        if !process.runs() {
            return Err(Mishap::new(format!("{} has ended", self.name), self.said()));
        }
        self.process = Some(process);
        Ok(())
    }

    /// SIGKILL of the server and of the process of every session, as of a machine that is switched off.
    pub(crate) async fn kill(&mut self) -> Result<(), Mishap> {
        let Some(mut process) = self.process.take() else { return Ok(()) };
        let children = format!("/proc/{0}/task/{0}/children", process.id());
        // Stopped first, so that it starts nothing while its children are counted.
        process.signal(Signal::STOP)?;
        let children = std::fs::read_to_string(children).unwrap_or_default();
        let children: Vec<i32> = children.split_whitespace().filter_map(|id| id.parse().ok()).collect();
        process.signal(Signal::KILL)?;
        for child in children.iter().filter_map(|id| Pid::from_raw(*id)) {
            // One that has just ended needs no signal.
            let _ended = rustix::process::kill_process(child, Signal::KILL);
        }
        process.ended(STARTING).await?;
        let gone = async || children.iter().all(|id| !Path::new(&format!("/proc/{id}")).exists());
        until("sessions of a killed database live on", STARTING, gone).await
    }

    /// Makes a primary of a standby. When it could be written to.
    pub(crate) async fn promote(&self) -> Result<Instant, Mishap> {
        let failed = |error| Mishap::new("could not promote the standby", error);
        let client = self.connect().await.map_err(failed)?;
        client.query_one("SELECT pg_promote(false)", &[]).await.map_err(failed)?;
        until("the standby is no primary", STARTING, async || {
            let asked = client.query_one("SELECT NOT pg_is_in_recovery()", &[]).await;
            asked.is_ok_and(|row| row.try_get(0).unwrap_or_default())
        })
        .await?;
        Ok(Instant::now())
    }

    /// A session as its superuser.
    pub(crate) async fn connect(&self) -> Result<Client, tokio_postgres::Error> {
        let mut config = Config::new();
        config.host("127.0.0.1").port(self.port.address().port()).user("postgres").password(&self.password);
        config.dbname(DATABASE).connect_timeout(CONNECTING);
        let (client, connection) = config.connect(NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }

    /// The URL of some servers that have one password: this one and its standbys.
    pub(crate) fn url(&self, hosts: &[std::net::SocketAddr]) -> String {
        let hosts: Vec<String> = hosts.iter().map(ToString::to_string).collect();
        format!("postgres://postgres:{}@{}/{DATABASE}", self.password, hosts.join(","))
    }

    /// The clock that it goes by, where that is not the machine's.
    pub(crate) fn clock(&self) -> Option<&Clock> {
        self.clock.as_ref()
    }

    /// Where it listens.
    pub(crate) fn at(&self) -> std::net::SocketAddr {
        self.port.address()
    }

    /// Ends it, and leaves its address to another.
    pub(crate) fn leave(self) -> Port {
        self.port
    }

    fn data(&self) -> PathBuf {
        self.dir.file("data")
    }

    fn log(&self) -> PathBuf {
        self.dir.file("log")
    }

    fn said(&self) -> String {
        std::fs::read_to_string(self.log()).unwrap_or_default()
    }

    fn launch(&self, program: &str, args: impl IntoIterator<Item = String>) -> Result<Launch, Mishap> {
        let mut launch = Launch::new(&programs()?.join(program), args);
        launch.owner = self.owner;
        Ok(launch)
    }

    async fn run(&self, program: &'static str, args: Vec<String>) -> Result<(), Mishap> {
        let launch = self.launch(program, args)?;
        let status = Process::launch(program, &self.exe, &launch, &self.log())?.ended(MAKING).await?;
        if status.success() { Ok(()) } else { Err(Mishap::new(format!("{program} ended with {status}"), self.said())) }
    }

    fn give(&self, path: &Path) -> Result<(), Mishap> {
        let Some((user, group)) = self.owner else { return Ok(()) };
        let given = rustix::fs::chown(path, Some(Uid::from_raw(user)), Some(Gid::from_raw(group)));
        given.map_err(|error| Mishap::new(format!("could not give {} away", path.display()), error))
    }
}

/// The folder of PostgreSQL's programs; of several, the newest.
fn programs() -> Result<PathBuf, Mishap> {
    let mut found: Vec<(u32, PathBuf)> = Vec::new();
    for (folder, before) in [("/usr/lib/postgresql", ""), ("/usr", "pgsql-")] {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let version = name.to_str().and_then(|name| name.strip_prefix(before)?.parse().ok());
            found.extend(version.map(|version| (version, entry.path().join("bin"))));
        }
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    found.extend(std::env::split_paths(&path).map(|folder| (0, folder)));
    found.retain(|(_, folder)| folder.join("initdb").exists() && folder.join("postgres").exists());
    let newest = found.into_iter().max_by_key(|(version, _)| *version);
    newest.map(|(_, folder)| folder).ok_or_else(|| {
        Mishap::new(
            "no PostgreSQL here",
            "install its server (Debian: postgresql), or have initdb and postgres in PATH",
        )
    })
}

/// PostgreSQL refuses to run as root.
fn owner() -> Result<Option<(u32, u32)>, Mishap> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let users =
        std::fs::read_to_string("/etc/passwd").map_err(|error| Mishap::new("could not look for users", error))?;
    let user = |wanted: &str| {
        let mut fields = users.lines().map(|line| line.split(':')).find(|line| line.clone().next() == Some(wanted))?;
        Some((fields.nth(2)?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    let found = user("postgres").or_else(|| user("nobody"));
    found.map(Some).ok_or_else(|| Mishap::new("could not start a database as root", "there is no user `postgres`"))
}

fn random() -> String {
    format!("{:032x}", mainstay_store::keeper::draw().0)
}

/// Killed are processes, never the machine: what a process has written survives it, so nothing waits for a disk.
const SETTINGS: &[&str] = &[
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "fsync=off",
    "shared_buffers=16MB",
    "max_connections=60",
    "max_prepared_transactions=10",
    "wal_keep_size=64MB",
    "wal_retrieve_retry_interval=100ms",
];
const DATABASE: &str = "postgres";
/// Longest time to make a server.
const MAKING: Duration = Duration::from_secs(120);
/// Longest time to start, or to end.
const STARTING: Duration = Duration::from_secs(60);
const CONNECTING: Duration = Duration::from_secs(2);
