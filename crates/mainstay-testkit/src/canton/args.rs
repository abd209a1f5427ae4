//! How a model node is set up.

use std::path::PathBuf;
use std::time::Duration;

/// A model of one Canton node: its gRPC ports, its health servers, and its election on a real PostgreSQL.
#[derive(Clone, Debug, clap::Parser)]
#[command(name = "model-canton")]
pub struct Args {
    /// What it is.
    #[arg(value_enum)]
    pub kind: Kind,
    /// What this replica is called in its log and in the database.
    #[arg(long)]
    pub name: String,
    /// The Ledger API of a participant, which listens only while it is active, or the public API of a sequencer.
    #[arg(long, value_name = "HOST:PORT", required_if_eq_any([("kind", "participant"), ("kind", "sequencer")]))]
    pub public: Option<String>,
    /// The admin API.
    #[arg(long, value_name = "HOST:PORT")]
    pub admin: String,
    /// `monitoring.http-health-server`: plain HTTP/1.
    #[arg(long, value_name = "HOST:PORT")]
    pub http_health: String,
    /// `monitoring.grpc-health-server`: plain HTTP/2.
    #[arg(long, value_name = "HOST:PORT")]
    pub grpc_health: String,
    /// Which version's HTTP health it speaks: 2 answers 500 where 3 answers 503.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(2..=3))]
    pub version: u8,
    /// The database that its replicas share: a URL, or words and values.
    #[arg(long)]
    pub database: String,
    /// Certificate, and behind it those that lead to a root. Without it the public and admin APIs speak plain HTTP/2.
    #[arg(long, requires = "key")]
    pub cert: Option<PathBuf>,
    /// Its key.
    #[arg(long)]
    pub key: Option<PathBuf>,
    /// The anchor of clients' certificates: with it, clients of a participant's Ledger API and of the admin API must show
    /// one. A sequencer's public API asks for none.
    #[arg(long, requires = "cert")]
    pub client_ca: Option<PathBuf>,
    /// The key set (JWKS) by which tokens on the Ledger API are judged. Without it none is asked for.
    #[arg(long)]
    pub jwks: Option<PathBuf>,
    /// A participant's sequencer: what it submits is ordered there, and a subscription is held open.
    #[arg(long, value_name = "HOST:PORT")]
    pub sequencer: Option<String>,
    /// The name that the sequencer's certificate must have.
    #[arg(long, default_value = "localhost")]
    pub sequencer_name: String,
    /// The anchor of the sequencer's certificate. Without it, it is spoken to in plain HTTP/2.
    #[arg(long)]
    pub sequencer_ca: Option<PathBuf>,
    /// How long things take.
    #[command(flatten)]
    pub times: Times,
}

/// How long things take. What is not said is Canton's default.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Times {
    /// `passive-check-period`: how often a passive replica tries to get the lock.
    #[arg(long, default_value = "15000", value_name = "MS", value_parser = milliseconds)]
    pub passive_check: Duration,
    /// `health-check-period`: how often the active one looks whether it still has it.
    #[arg(long, default_value = "5000", value_name = "MS", value_parser = milliseconds)]
    pub active_check: Duration,
    /// `health-check-timeout` of the database connections.
    #[arg(long, default_value = "15000", value_name = "MS", value_parser = milliseconds)]
    pub check_timeout: Duration,
    /// From the start until readiness is registered on the health servers: the start-up trap.
    #[arg(long, default_value = "500", value_name = "MS", value_parser = milliseconds)]
    pub starting: Duration,
    /// From the lock until the Ledger API serves.
    #[arg(long, default_value = "200", value_name = "MS", value_parser = milliseconds)]
    pub promoting: Duration,
    /// From the loss of the lock until the Ledger API is closed: submissions meanwhile get NODE_IS_PASSIVE_REPLICA.
    #[arg(long, default_value = "300", value_name = "MS", value_parser = milliseconds)]
    pub demoting: Duration,
    /// How long streams stay open and silent when the Ledger API is closed. With 0 they end at once, and say why.
    #[arg(long, default_value = "0", value_name = "MS", value_parser = milliseconds)]
    pub lingering: Duration,
    /// From a submission until its effect.
    #[arg(long, default_value = "10", value_name = "MS", value_parser = milliseconds)]
    pub think: Duration,
}

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// One active, the others passive.
    Participant,
    /// All active.
    Sequencer,
    /// One active, the others passive; no public API.
    Mediator,
}

impl Kind {
    /// Its readiness on the gRPC health server.
    pub fn service(self) -> &'static str {
        match self {
            Self::Participant => "participant",
            Self::Sequencer => "sequencer",
            Self::Mediator => "mediator",
        }
    }
}

fn milliseconds(text: &str) -> Result<Duration, std::num::ParseIntError> {
    text.parse().map(Duration::from_millis)
}
