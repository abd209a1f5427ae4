//! What a drill does while the load goes on.

use std::path::PathBuf;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::super::grpc::{Channel, Endpoint};
use super::super::participant::path;
use super::super::proto::Nothing;
use super::drill::{Args, endpoint};
use super::refuse::{Door, refuse};
use super::rotate::rotate;

/// One of them, or nothing.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Stroke {
    /// SIGKILL of this process.
    #[arg(long, value_name = "PID", group = "stroke")]
    kill: Option<i32>,
    /// SIGSTOP of this process, SIGKILL after `--for` (somebody noticed).
    #[arg(long, value_name = "PID", group = "stroke")]
    freeze: Option<i32>,
    /// SIGSTOP of this process, SIGCONT after `--for`.
    #[arg(long, value_name = "PID", group = "stroke")]
    pause: Option<i32>,
    /// SetPassive of the replica with this admin API.
    #[arg(long, value_name = "HOST:PORT", group = "stroke")]
    demote: Option<String>,
    /// Seconds between the signals of `--freeze` and `--pause`.
    #[arg(long = "for", default_value_t = 5)]
    seconds_between: u64,
    /// Clients come without a certificate, with one of another authority, one that has expired and one that was revoked:
    /// the front must refuse each, count it and say so. DIR is the authority whose clients are let in, as `mainstay pki`
    /// lays it out; its own keys must not be encrypted.
    #[arg(long, value_name = "DIR", group = "stroke", requires_all = ["ca", "revoked", "admin", "log"])]
    refuse: Option<PathBuf>,
    /// What the revoked client of that authority is called.
    #[arg(long, value_name = "NAME")]
    revoked: Option<String>,
    /// The admin listener of the front: a unix socket.
    #[arg(long, value_name = "PATH")]
    admin: Option<PathBuf>,
    /// The log of the front.
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// What the front calls the listener of `--ledger`.
    #[arg(long, value_name = "NAME", default_value = "ledger")]
    listener: String,
    /// A shell's command that puts another certificate in the place of the front's. New connections must be shown it, and
    /// nobody may notice.
    #[arg(long, value_name = "COMMAND", group = "stroke", requires = "ca")]
    rotate: Option<String>,
    /// How often it is done.
    #[arg(long, default_value_t = 100)]
    times: usize,
}

/// What came of a stroke, beside what the clients of the load saw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// How often new connections were shown another certificate than before.
    pub rotated: usize,
    /// Connections that were made meanwhile, each for a call of its own.
    pub connected: usize,
    /// Clients that were refused, and what for: counted and told.
    pub refused: Vec<String>,
    /// What was not as it must be.
    pub wrong: Vec<String>,
}

impl Stroke {
    /// Whether the clients of the load must notice nothing of it.
    pub(super) fn is_unnoticed(&self) -> bool {
        self.refuse.is_some() || self.rotate.is_some()
    }

    /// The front's door, for `--refuse`.
    fn door<'a>(&'a self, args: &'a Args) -> Option<Door<'a>> {
        Some(Door {
            anchors: args.ca.as_deref()?,
            authority: self.refuse.as_deref()?,
            revoked: self.revoked.as_deref()?,
            admin: self.admin.as_deref()?,
            log: self.log.as_deref()?,
            listener: &self.listener,
        })
    }
}

/// Does it.
pub(super) async fn strike(args: &Args) -> Result<Findings, String> {
    let stroke = &args.stroke;
    if let Some(door) = stroke.door(args) {
        return refuse(&door, &endpoint(args)?).await;
    }
    if let Some(command) = &stroke.rotate {
        return rotate(command, stroke.times, &endpoint(args)?).await;
    }
    if let Some(pid) = stroke.kill {
        signal(pid, Signal::KILL)?;
    } else if let Some(pid) = stroke.freeze.or(stroke.pause) {
        signal(pid, Signal::STOP)?;
        tokio::time::sleep(Duration::from_secs(stroke.seconds_between)).await;
        signal(pid, if stroke.freeze.is_some() { Signal::KILL } else { Signal::CONT })?;
    } else if let Some(admin) = &stroke.demote {
        let admin = Channel::new(Endpoint { at: admin.clone(), token: None, ..endpoint(args)? });
        let told = admin.one::<Nothing>(path::SET_PASSIVE, &Nothing {}, Duration::from_secs(5)).await;
        told.map_err(|status| format!("SetPassive: {status:?}"))?;
    }
    Ok(Findings::default())
}

fn signal(pid: i32, signal: Signal) -> Result<(), String> {
    let process = Pid::from_raw(pid).ok_or_else(|| format!("{pid} is no process"))?;
    kill_process(process, signal).map_err(|error| format!("signal {pid}: {error}"))
}
