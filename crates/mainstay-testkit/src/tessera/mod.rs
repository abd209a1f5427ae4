//! A protocol-true *model* of Tessera: one instance per process.
//!
//! Tessera itself is not to be had from any registry. This model answers as two real versions were measured to answer
//! ([`Behaviour`]), and above all has their *hazards*, which is what a proxy before them must cope with:
//!
//! - which peers exist is in the memory of each instance, learned only from what a peer POSTs to that instance, and lost
//!   with it: a restarted instance is up and answers 404 to sends;
//! - a payload is stored and published in one transaction, in an order that differs, so that failures leave halves;
//! - `/sendsignedtx` twice is 500, `/push` twice is 500 or 201, `/send` twice is two payloads;
//! - 404 means that there is no such path, no such payload, or no such recipient *here*;
//! - ten database connections; who gets none hangs for 30 s;
//! - SIGTERM does not drain, and after SIGKILL a unix socket file stays, on which the next start fails.
//!
//! Left out: cryptography (a payload's readers are written beside it), privacy groups, the remote enclave, TLS.

mod args;
mod node;
mod p2p;
mod party;
mod payload;
mod peer;
mod pool;
mod q2t;
mod reply;
mod routes;
mod serve;
mod store;
mod third;

use std::process::ExitCode;
use std::sync::Arc;

pub use args::{Args, At, Behaviour};
pub use party::Told;

use clap::Parser as _;
use tokio::signal::unix::{SignalKind, signal};

use node::Node;
use pool::Pool;
use routes::Server;
use serve::Bound;

use crate::program;

/// The program: one instance, until it is killed.
pub fn main() -> ExitCode {
    let args = Args::parse();
    program::run("model-tessera", async { run(args).await.map(|()| ExitCode::SUCCESS) })
}

async fn run(args: Args) -> Result<(), String> {
    let config = args.database.parse().map_err(|error| format!("--database: {error}"))?;
    let pool = Pool::new(config);
    let tables = store::create_tables(&pool, args.behaves).await;
    tables.map_err(|reply| format!("could not make the tables: {reply:?}"))?;
    let places = [(Server::Q2t, &args.q2t), (Server::P2p, &args.p2p), (Server::Third, &args.third)];
    let mut bound = Vec::new();
    for (server, at) in places {
        let listening = Bound::listen(at).await.map_err(|error| format!("cannot bind {at}: {error}"))?;
        bound.push((server, listening));
    }
    let mut terminated = signal(SignalKind::terminate()).map_err(|error| error.to_string())?;
    let sockets: Vec<_> = [&args.q2t, &args.p2p, &args.third].map(At::clone).into();
    let node = Arc::new(Node::new(args, pool));
    for (server, listening) in bound {
        tokio::spawn(listening.serve(server, Arc::clone(&node)));
    }
    tokio::spawn(async move { node.tell().await });
    eprintln!("ready");
    terminated.recv().await;
    for at in sockets {
        if let At::Unix(path) = at {
            // It may be gone, and nothing depends on it.
            let _gone = std::fs::remove_file(path);
        }
    }
    // What is under way is cut: the real one does not drain either.
    std::process::exit(143)
}
