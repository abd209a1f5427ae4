//! Drills on what an operator runs himself: Mainstays of this machine, found by their configurations.
//!
//! Nothing is started or configured here. Who holds the lease is asked of the admin listeners, the failure is made with
//! the processes that they name, and what came of it is asked of those that were left alone. What cannot be seen from
//! there (requests, rows) is counted only where the operator says where to look.

mod audit;
mod crew;
mod play;
mod probe;
mod report;
mod strike;

use std::path::PathBuf;
use std::time::Duration;

use crate::admin::Place;
use crate::demo::stage::Mishap;

use super::kind::Kind;
use crew::Crew;
pub(super) use report::Report;

/// Options of a drill on one's own configuration.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "On your own configuration")]
pub(super) struct Own {
    /// Configurations of Mainstays that run on this machine: the drill is done to one of them, not to a set of its own.
    #[arg(value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
    /// Which lease, if they keep several.
    #[arg(long, requires = "files")]
    lease: Option<String>,
    /// The admin listener of a further Mainstay, of another machine for instance, that is asked what came of it.
    /// Repeatable.
    #[arg(long, value_name = "ADDR", value_parser = Place::parse, requires = "files")]
    watch: Vec<Place>,
    /// What clients are to have all the time: http://HOST:PORT/PATH, asked for `--rate` times a second and good when it is
    /// answered with 2xx; or tcp://HOST:PORT, good when it can be connected to.
    #[arg(long, value_name = "URL", value_parser = probe::Target::parse, requires = "files")]
    probe: Option<probe::Target>,
    /// Where the nodes write with the token of their tenure: postgres://... or sqlite:FILE.
    #[arg(long, value_name = "URL", value_parser = audit::Audit::parse, requires = "files")]
    audit: Option<audit::Audit>,
    /// What gives these tokens there, as text, in the order of the writes.
    #[arg(long, value_name = "SQL", requires = "audit", default_value = "SELECT token FROM writes ORDER BY seq")]
    audit_query: String,
    /// How long a killed Mainstay is waited for: whoever supervises it is to start it again.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = crate::config::units::time, requires = "files")]
    back_within: Duration,
}

/// What is to be played.
#[derive(Clone, Copy, Debug)]
pub(super) struct Order<'a> {
    pub(super) kind: Kind,
    pub(super) runs: u32,
    pub(super) rate: u32,
    /// Whether the operator was told what will be done, and agrees.
    pub(super) agreed: bool,
    pub(super) args: &'a Own,
}

/// Plays it. `None` if nothing was done.
pub(super) async fn run(order: Order<'_>) -> Result<Option<Report>, Mishap> {
    let Order { kind, args, .. } = order;
    if !strike::can(kind) {
        return Err(Mishap::new(
            format!("{} is not done to what others run", kind.name()),
            "leave the file out, and it is played on a set of the drill's own",
        ));
    }
    let crew = Crew::find(args).await?;
    let target = crew.target(kind).await?;
    eprintln!("{}", target.warning(kind, order.runs));
    if args.audit.is_none() {
        eprintln!(
            "Stale writes cannot be counted: name the nodes' database with --audit, if they write down {{token}}."
        );
    }
    if args.probe.is_none() {
        eprintln!("What clients see is not counted: name an address with --probe.");
    }
    if !order.agreed {
        eprintln!("Nothing was done. Say --yes if it may be.");
        return Ok(None);
    }
    play::all(order, crew, target).await.map(Some)
}
