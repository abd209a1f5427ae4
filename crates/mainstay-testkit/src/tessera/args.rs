//! How a model instance is set up.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// A model of one Tessera instance: Q2T, P2P and third-party servers over a real PostgreSQL.
#[derive(Clone, Debug, clap::Parser)]
#[command(name = "model-tessera")]
pub struct Args {
    /// Which of the two measured versions it behaves as.
    #[arg(long, value_enum, default_value = "q100")]
    pub behaves: Behaviour,
    /// Where the Q2T server listens: `HOST:PORT`, or `unix:PATH`.
    #[arg(long)]
    pub q2t: At,
    /// Where the P2P server listens.
    #[arg(long)]
    pub p2p: At,
    /// Where the third-party server listens.
    #[arg(long)]
    pub third: At,
    /// The P2P server's `serverAddress`: the identity of the node. Its instances share it.
    #[arg(long)]
    pub address: String,
    /// The node's public keys, in base64; the first is the default.
    #[arg(long = "key", required = true)]
    pub keys: Vec<String>,
    /// `serverAddress` of a peer.
    #[arg(long = "peer")]
    pub peers: Vec<String>,
    /// The database, in words and values: `host=/tmp/x port=5432 user=postgres dbname=a`.
    #[arg(long)]
    pub database: String,
    /// `partyInfoInterval`, in milliseconds. Time-outs towards peers are three quarters of it.
    #[arg(long, default_value = "5000")]
    pub party_info_interval: u64,
}

impl Args {
    /// How often it tells its peers about itself.
    pub fn interval(&self) -> Duration {
        Duration::from_millis(self.party_info_interval)
    }
}

/// The two versions whose behaviour was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Behaviour {
    /// 0.11 of 2019: static `/upcheck`, publishes before it inserts, keeps peers that are down.
    T011,
    /// 1.0.0 of 2021: `/upcheck` asks the database, inserts before it publishes, drops peers that are down.
    Q100,
}

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum At {
    /// `HOST:PORT`.
    Tcp(String),
    /// `unix:PATH`.
    Unix(PathBuf),
}

impl FromStr for At {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text.strip_prefix("unix:") {
            Some(path) => Self::Unix(path.into()),
            None => Self::Tcp(text.to_owned()),
        })
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(at) => f.write_str(at),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}
