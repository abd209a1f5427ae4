//! The three proxies, each configured for the same work as its experts would.

use std::fmt::{self, Write as _};
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

use super::backend::Addresses;
use super::poll::Target;
use super::process::Process;
use super::rig::Rig;
use super::row::Row;
use super::tls::{Credentials, Terms};

/// A proxy that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Subject {
    Mainstay,
    Nginx,
    Haproxy,
    /// No proxy but what one costs at least: see [`super::floor`].
    Floor,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Mainstay => "Mainstay",
            Self::Nginx => "nginx",
            Self::Haproxy => "HAProxy",
            Self::Floor => "floor",
        })
    }
}

/// Where things are and which cores they get.
#[derive(Clone, Debug)]
pub(super) struct Site {
    /// For files of this run.
    pub(super) folder: PathBuf,
    /// Mainstay's executable.
    pub(super) mainstay: PathBuf,
    /// The proxy's core.
    pub(super) proxy_cpu: usize,
    /// The load's and the backend's core.
    pub(super) load_cpu: usize,
    pub(super) tls: Credentials,
}

/// Where a proxy listens.
#[derive(Clone, Debug)]
pub(super) struct Doors {
    http: SocketAddr,
    unix: PathBuf,
    echo: SocketAddr,
    bulk: SocketAddr,
    calls: SocketAddr,
    tls: SocketAddr,
    credentials: Credentials,
}

impl Doors {
    fn new(folder: &Path, credentials: Credentials) -> Result<Self> {
        Ok(Self {
            http: free_port()?,
            unix: folder.join("web.sock"),
            echo: free_port()?,
            bulk: free_port()?,
            calls: free_port()?,
            tls: free_port()?,
            credentials,
        })
    }

    /// The door a row goes through.
    pub(super) fn of(&self, row: Row) -> Target {
        match row {
            Row::Unix => Target::Unix(self.unix.clone()),
            Row::Tcp300 | Row::Tcp16k => Target::Tcp(self.echo),
            Row::TcpBulk => Target::Tcp(self.bulk),
            Row::Grpc16x8 | Row::Grpc64x1 | Row::GrpcIdle => Target::Tcp(self.calls),
            Row::Tls300 | Row::Tls16k | Row::TlsNew => Target::Tls(self.tls, Arc::clone(&self.credentials.client)),
            _ => Target::Tcp(self.http),
        }
    }
}

/// A proxy that runs.
pub(super) struct Running {
    pub(super) subject: Subject,
    pub(super) doors: Doors,
    pub(super) process: Process,
    /// What it agreed on with the load, if a row has TLS.
    pub(super) terms: Option<Terms>,
}

impl Subject {
    /// Starts it in a folder of its own and waits until every door in use answers.
    pub(super) fn start(self, site: &Site, rig: &mut Rig, rows: &[Row]) -> Result<Running> {
        let folder = site.folder.join(self.to_string().to_lowercase());
        fs::create_dir_all(&folder)?;
        let doors = Doors::new(&folder, site.tls.clone())?;
        let mut command = self.command(site, &folder, &doors, rig.addresses()?)?;
        command.env("OPENSSL_CONF", &site.tls.openssl);
        let log = File::create(folder.join("log"))?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let process = Process::start(&mut command, site.proxy_cpu, site.load_cpu)?;
        let mut running = Running { subject: self, doors, process, terms: None };
        if let Err(error) = running.wait(rig, rows) {
            let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
            return Err(error.context(format!("{self} did not start; it said:\n{log}")));
        }
        Ok(running)
    }

    /// Whether it can do what a row asks.
    pub(super) fn has(self, row: Row) -> bool {
        let is_call = matches!(row, Row::Grpc16x8 | Row::Grpc64x1 | Row::GrpcIdle);
        self != Self::Floor || !(is_call || row.is_tls() || matches!(row, Row::Get1m | Row::TcpBulk | Row::Idle))
    }

    fn command(self, site: &Site, folder: &Path, doors: &Doors, nodes: Addresses) -> Result<Command> {
        let written = |name: &str, text: String| -> Result<PathBuf> {
            let file = folder.join(name);
            fs::write(&file, text)?;
            Ok(file)
        };
        let mut command = Command::new(self.program(site)?);
        match self {
            Self::Mainstay => command.arg("run").arg(written("mainstay.toml", mainstay(folder, doors, nodes))?),
            Self::Nginx => {
                command.arg("-p").arg(folder).arg("-c").arg(written("nginx.conf", nginx(folder, doors, nodes))?)
            }
            Self::Haproxy => command.arg("-db").arg("-f").arg(written("haproxy.cfg", haproxy(doors, nodes))?),
            Self::Floor => command.args(floor(doors, nodes)),
        };
        Ok(command)
    }

    fn program(self, site: &Site) -> Result<PathBuf> {
        Ok(match self {
            Self::Mainstay => site.mainstay.clone(),
            Self::Nginx => "/usr/sbin/nginx".into(),
            Self::Haproxy => "/usr/sbin/haproxy".into(),
            Self::Floor => std::env::current_exe().context("find xtask itself")?,
        })
    }

    /// Its version, as it says it.
    pub(super) fn version(self, site: &Site) -> Result<String> {
        let argument = match self {
            Self::Mainstay => "--version",
            Self::Nginx | Self::Haproxy => "-v",
            Self::Floor => return Ok("floor: the relay in xtask/src/bench/floor.rs".to_owned()),
        };
        let program = self.program(site)?;
        let output = Command::new(&program).arg(argument).output().with_context(|| format!("run {program:?}"))?;
        let text = String::from_utf8_lossy(if output.stdout.is_empty() { &output.stderr } else { &output.stdout });
        let line = text.lines().next().unwrap_or_default();
        Ok(line.trim_start_matches("nginx version: ").split(" - ").next().unwrap_or_default().to_owned())
    }
}

impl Running {
    fn wait(&mut self, rig: &mut Rig, rows: &[Row]) -> Result<()> {
        let limit = Instant::now() + Duration::from_secs(10);
        for &row in rows {
            let job = row.job(self.doors.of(row));
            loop {
                let error = match rig.once(&job, Duration::from_secs(2)) {
                    Ok(terms) => {
                        self.terms = terms.or(self.terms.take());
                        break;
                    }
                    Err(error) => error,
                };
                self.process.must_run()?;
                if Instant::now() > limit {
                    bail!("no good answer for row {row}: {error:#}");
                }
                rig.serve(Duration::from_millis(50))?;
            }
        }
        // Health checks have had their first round when the measuring begins.
        rig.serve(Duration::from_millis(1500))
    }
}

fn floor(doors: &Doors, nodes: Addresses) -> Vec<String> {
    let [a, b] = nodes.http;
    let (unix, echo_node) = (doors.unix.display(), nodes.echo);
    let words = format!(
        "floor --http {} --unix {unix} --echo {} --echo-node {echo_node} --nodes {a} {b}",
        doors.http, doors.echo
    );
    words.split(' ').map(str::to_owned).collect()
}

/// An address that nobody listens on.
pub(super) fn free_port() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

fn mainstay(folder: &Path, doors: &Doors, nodes: Addresses) -> String {
    let Doors { http, unix, echo, bulk, calls, tls, credentials } = doors;
    let Addresses { http: [a, b], echo: echo_node, bulk: bulk_node, calls: [c, d] } = nodes;
    let (folder, unix) = (folder.display(), unix.display());
    let (cert, key) = (credentials.cert.display(), credentials.key.display());
    format!(
        r#"[run]
workers = 1
[admin]
at = "unix:{folder}/admin.sock"
[log]
level = "warn"
access = "off"
[limit.default]
connections = 15000
requests = {MANY}
idle = "600s"
[pool.web]
nodes = ["{a}", "{b}"]
check = {{ http = "/health", every = "1s" }}
keep_idle = 128
idle = "600s"
requests_per_connection = {MANY}
[pool.echo]
nodes = ["{echo_node}"]
check = {{ tcp = true, every = "1s" }}
[pool.bulk]
nodes = ["{bulk_node}"]
check = {{ tcp = true, every = "1s" }}
[pool.calls]
nodes = ["{c}", "{d}"]
check = {{ tcp = true, every = "1s" }}
idle = "600s"
requests_per_connection = {MANY}
[listen.calls]
at = "{calls}"
to = "grpc://calls"
forwarded = "pass"
[listen.web]
at = ["{http}", "unix:{unix}"]
to = "http://web"
forwarded = "pass"
[tls.edge]
cert = "{cert}"
key = "{key}"
[listen.tls]
at = "{tls}"
tls = "edge"
to = "http://web"
forwarded = "pass"
[listen.echo]
at = "{echo}"
to = "tcp://echo"
[listen.bulk]
at = "{bulk}"
to = "tcp://bulk"
"#
    )
}

fn nginx(folder: &Path, doors: &Doors, nodes: Addresses) -> String {
    let Doors { echo, bulk, calls, .. } = doors;
    let Addresses { http: [a, b], echo: echo_node, bulk: bulk_node, calls: [c, d] } = nodes;
    let (folder, web) = (folder.display(), nginx_web(doors));
    let mut text = String::new();
    if rustix::process::geteuid().is_root() {
        text.push_str("user root;\n");
    }
    if Path::new(STREAM_MODULE).exists() {
        let _ = writeln!(text, "load_module {STREAM_MODULE};");
    }
    let _ = write!(
        text,
        r"daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log error;
events {{ worker_connections 15000; multi_accept on; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  keepalive_timeout 600s;
  keepalive_requests {MANY};
  tcp_nodelay on;
  upstream web {{
    server {a};
    server {b};
    keepalive 128;
    keepalive_requests {MANY};
    keepalive_timeout 600s;
  }}
  upstream calls {{
    server {c};
    server {d};
    keepalive 128;
    keepalive_requests {MANY};
    keepalive_timeout 600s;
  }}
  server {{
    listen {calls} http2 backlog=4096;
    location / {{ grpc_pass grpc://calls; }}
  }}
{web}}}
stream {{
  access_log off;
  upstream echo {{ server {echo_node}; }}
  upstream bulk {{ server {bulk_node}; }}
  server {{ listen {echo} backlog=4096; proxy_pass echo; }}
  server {{ listen {bulk} backlog=4096; proxy_pass bulk; proxy_buffer_size 256k; }}
}}
"
    );
    text
}

fn nginx_web(doors: &Doors) -> String {
    let Doors { http, unix, tls, credentials, .. } = doors;
    let (unix, cert, key) = (unix.display(), credentials.cert.display(), credentials.key.display());
    format!(
        r"  server {{
    listen {http} backlog=4096;
    listen unix:{unix} backlog=4096;
    listen {tls} ssl backlog=4096;
    ssl_certificate {cert};
    ssl_certificate_key {key};
    ssl_protocols TLSv1.3;
    location / {{
      proxy_pass http://web;
      proxy_http_version 1.1;
      proxy_set_header Connection '';
      proxy_set_header Host $http_host;
      proxy_buffers 16 16k;
      proxy_busy_buffers_size 64k;
      proxy_max_temp_file_size 0;
    }}
  }}
"
    )
}

fn haproxy(doors: &Doors, nodes: Addresses) -> String {
    let Doors { http, unix, echo, bulk, calls, tls, credentials } = doors;
    let Addresses { http: [a, b], echo: echo_node, bulk: bulk_node, calls: [c, d] } = nodes;
    let (unix, both) = (unix.display(), credentials.both.display());
    format!(
        r"global
  nbthread 1
  maxconn 10500
  no strict-limits
defaults
  mode http
  timeout connect 5s
  timeout client 600s
  timeout server 600s
  timeout http-keep-alive 600s
  option http-keep-alive
  http-reuse always
  backlog 4096
frontend web
  bind {http}
  bind unix@{unix}
  bind {tls} ssl crt {both} alpn http/1.1
  default_backend web
  option splice-response
backend web
  option splice-response
  balance roundrobin
  option httpchk GET /health
  server a {a} check inter 1s pool-max-conn 128
  server b {b} check inter 1s pool-max-conn 128
frontend calls
  bind {calls} proto h2
  default_backend calls
backend calls
  balance roundrobin
  server a {c} proto h2 check inter 1s pool-max-conn 128
  server b {d} proto h2 check inter 1s pool-max-conn 128
frontend echo
  mode tcp
  bind {echo}
  default_backend echo
backend echo
  mode tcp
  server a {echo_node} check inter 1s
frontend bulk
  mode tcp
  option splice-response
  bind {bulk}
  default_backend bulk
backend bulk
  mode tcp
  option splice-response
  server a {bulk_node} check inter 1s
"
    )
}

const STREAM_MODULE: &str = "/usr/lib/nginx/modules/ngx_stream_module.so";
/// Requests over one connection: never closed for their number.
const MANY: u32 = 1_000_000_000;
