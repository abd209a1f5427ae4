//! A node from its start to its end.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, watch};
use tokio_postgres::Config;
use tokio_rustls::TlsAcceptor;

use super::args::{Args, Kind};
use super::grpc::{Call, Channel, Code, Endpoint, Port, Reply, Service, Status};
use super::health::{Condition, Health};
use super::ledger::Ledger;
use super::locks::{Main, Numbers, Session};
use super::participant::{Admin, Participant, Role};
use super::sequencer::Sequencer;
use super::tls;
use super::tokens::Tokens;
use crate::program;

/// The program: one node, until it is killed.
pub fn main() -> ExitCode {
    let args = Args::parse();
    program::run("model-canton", async { run(args).await.map(|()| ExitCode::SUCCESS) })
}

async fn run(args: Args) -> Result<(), String> {
    let config: Config = args.database.parse().map_err(|error| format!("--database: {error}"))?;
    let health =
        Arc::new(Health { kind: args.kind, version: args.version, condition: watch::channel(Condition::Starting).0 });
    let cannot = |at: &str, error: &std::io::Error| format!("cannot bind {at}: {error}");
    let (http, grpc) = (&args.http_health, &args.grpc_health);
    Arc::clone(&health).serve_http(http).await.map_err(|error| cannot(http, &error))?;
    let _grpc = Port::open(grpc, None, Arc::clone(&health)).await.map_err(|error| cannot(grpc, &error))?;
    let mut terminated = signal(SignalKind::terminate()).map_err(|error| error.to_string())?;
    let kind = args.kind;
    let node = async {
        match kind {
            Kind::Participant => participant(args, config, &health).await,
            Kind::Mediator => mediator(args, config, &health).await,
            Kind::Sequencer => sequencer(args, config, &health).await,
        }
    };
    tokio::select! {
        ended = node => ended,
        _ = terminated.recv() => std::process::exit(143),
    }
}

/// TLS of its ports: with clients' certificates where they are asked for.
fn acceptor(args: &Args, clients: bool) -> Result<Option<TlsAcceptor>, String> {
    let (Some(cert), Some(key)) = (&args.cert, &args.key) else { return Ok(None) };
    let anchors = args.client_ca.as_deref().filter(|_| clients);
    tls::server(cert, key, anchors).map(Some).map_err(|error| format!("TLS: {error}"))
}

async fn open<S: Service>(at: &str, tls: Option<TlsAcceptor>, service: Arc<S>) -> Result<Port, String> {
    Port::open(at, tls, service).await.map_err(|error| format!("cannot bind {at}: {error}"))
}

async fn participant(args: Args, config: Config, health: &Health) -> Result<(), String> {
    let sequencer = sequencer_of(&args)?;
    let node = Arc::new(Participant {
        connected: watch::channel(sequencer.is_none()).0,
        role: watch::channel(Role::Passive).0,
        set_passive: Notify::new(),
        tokens: args.jwks.as_deref().map(Tokens::read).transpose()?,
        sequencer,
        args,
    });
    let args = &node.args;
    let (times, at) = (args.times, args.public.as_deref().unwrap_or_default());
    let tls = acceptor(args, true)?;
    let numbers = numbers(args, &config)?;
    let _admin = open(&args.admin, tls.clone(), Arc::new(Admin(Arc::clone(&node)))).await?;
    tokio::time::sleep(times.starting).await;
    let _was = health.condition.send_replace(Condition::NotServing);
    eprintln!("ready: passive");
    loop {
        let main = Main::wait(&config, numbers, times).await;
        eprintln!("has the main lock");
        let ledger = async {
            let sessions = main.sessions(&config).await?;
            tokio::time::sleep(times.promoting).await;
            Ledger::open(sessions, args.name.clone()).await
        };
        let ledger = match ledger.await {
            Ok(ledger) => ledger,
            Err(why) => {
                eprintln!("could not become active: {why}");
                continue;
            }
        };
        let subscribed = tokio::spawn({
            let node = Arc::clone(&node);
            async move { node.subscribe().await }
        });
        let _was = node.role.send_replace(Role::Active(Arc::clone(&ledger)));
        let port = open(at, tls.clone(), Arc::clone(&node)).await?;
        let _was = health.condition.send_replace(Condition::Serving);
        eprintln!("active");
        let (why, pause) = tokio::select! {
            why = main.hold() => (why, Duration::ZERO),
            () = node.set_passive.notified() => ("told to be passive".to_owned(), times.passive_check * 2),
        };
        let _was = node.role.send_replace(Role::Demoting);
        let _was = health.condition.send_replace(Condition::NotServing);
        eprintln!("SYNC_SERVICE_BECAME_PASSIVE: {why}");
        tokio::time::sleep(times.demoting).await;
        ledger.close();
        subscribed.abort();
        drop(main);
        let _was = node.role.send_replace(Role::Passive);
        port.close(times.lingering).await;
        eprintln!("passive");
        tokio::time::sleep(pause).await;
    }
}

fn sequencer_of(args: &Args) -> Result<Option<Channel>, String> {
    let Some(at) = &args.sequencer else { return Ok(None) };
    let tls = args.sequencer_ca.as_deref().map(|anchors| tls::client(anchors, None)).transpose();
    let tls = tls.map_err(|error| format!("--sequencer-ca: {error}"))?;
    let endpoint = Endpoint { at: at.clone(), name: args.sequencer_name.clone(), tls, token: None };
    Ok(Some(Channel::new(endpoint)))
}

fn numbers(args: &Args, config: &Config) -> Result<Numbers, String> {
    let database = config.get_dbname().ok_or("--database: it has to name one")?;
    Numbers::of(args.kind, database).ok_or_else(|| "it elects nobody".to_owned())
}

async fn mediator(args: Args, config: Config, health: &Health) -> Result<(), String> {
    let numbers = numbers(&args, &config)?;
    let _admin = open(&args.admin, acceptor(&args, true)?, Arc::new(Mute)).await?;
    tokio::time::sleep(args.times.starting).await;
    let _was = health.condition.send_replace(Condition::NotServing);
    eprintln!("ready: passive");
    loop {
        let main = Main::wait(&config, numbers, args.times).await;
        let _sessions = match main.sessions(&config).await {
            Ok(sessions) => sessions,
            Err(why) => {
                eprintln!("could not become active: {why}");
                continue;
            }
        };
        let _was = health.condition.send_replace(Condition::Serving);
        eprintln!("active");
        let why = main.hold().await;
        let _was = health.condition.send_replace(Condition::NotServing);
        eprintln!("passive: {why}");
    }
}

async fn sequencer(args: Args, config: Config, health: &Health) -> Result<(), String> {
    let _admin = open(&args.admin, acceptor(&args, true)?, Arc::new(Mute)).await?;
    let session = loop {
        match Session::open(&config, args.times).await {
            Ok(session) => break session,
            Err(error) => eprintln!("database: {error}"),
        }
        tokio::time::sleep(args.times.starting).await;
    };
    let node = Sequencer::open(session, args.name.clone(), health.condition.subscribe()).await?;
    tokio::time::sleep(args.times.starting).await;
    let _port = open(args.public.as_deref().unwrap_or_default(), acceptor(&args, false)?, Arc::new(node)).await?;
    let _was = health.condition.send_replace(Condition::Serving);
    eprintln!("ready: active");
    std::future::pending().await
}

/// An admin API on which the model answers nothing.
#[derive(Debug)]
struct Mute;

impl Service for Mute {
    async fn answer(&self, call: Call, _reply: &mut Reply) -> Result<(), Status> {
        Err(Status::new(Code::Unimplemented, format!("Method not found: {}", call.path)))
    }
}
