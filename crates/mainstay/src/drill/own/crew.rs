//! The Mainstays that run, and what they say.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::admin::Place;
use crate::admin::client::{ClientError, ask};
use crate::admin::document::{Lease, Status};
use crate::config::load;
use crate::demo::stage::Mishap;
use crate::run::settings::Admin;

use super::super::kind::Kind;
use super::Own;

/// All that are asked.
pub(super) struct Crew {
    members: Vec<Member>,
    lease: String,
}

/// One of them.
#[derive(Clone, Debug)]
pub(super) struct Member {
    /// Its configuration; `None` for one that is only asked.
    pub(super) file: Option<PathBuf>,
    /// Where it is asked; `None`: at the usual places.
    pub(super) place: Option<Place>,
}

/// Whom it is done to.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// Its place in the crew.
    pub(super) at: usize,
    pub(super) file: PathBuf,
    /// Its process.
    pub(super) pid: u32,
    pub(super) lease: Lease,
    /// What its child is called, and its process.
    pub(super) guard: String,
    pub(super) child: u32,
}

impl Crew {
    /// Reads the files, and asks who runs.
    pub(super) async fn find(args: &Own) -> Result<Self, Mishap> {
        let mut members = Vec::new();
        for file in &args.files {
            members.push(Member { file: Some(file.clone()), place: place(file)? });
        }
        members.extend(args.watch.iter().map(|place| Member { file: None, place: Some(place.clone()) }));
        let mut names: Vec<String> = Vec::new();
        for member in &members {
            let status = member.status().await.map_err(|why| why.mishap(member))?;
            let guarded = status.leases.into_iter().filter(|lease| lease.child.is_some());
            names.extend(guarded.map(|lease| lease.name));
        }
        names.sort();
        names.dedup();
        let lease = match (&args.lease, &names[..]) {
            (Some(wanted), _) if names.contains(wanted) => wanted.clone(),
            (Some(wanted), _) => return Err(Mishap::new(format!("nobody guards `{wanted}` here"), some(&names))),
            (None, [only]) => only.clone(),
            (None, []) => return Err(Mishap::new("nothing to do it to", "none of these Mainstays guards anything")),
            (None, _) => return Err(Mishap::new("several leases: say which with --lease", some(&names))),
        };
        Ok(Self { members, lease })
    }

    /// The holder, if everything is as it should be before a failure. Waited for a little: a holder looks for the other
    /// members only now and then, and may not have seen one that is there.
    pub(super) async fn target(&self, kind: Kind) -> Result<Target, Mishap> {
        let patience = Instant::now() + PATIENCE;
        loop {
            match self.target_now(kind).await {
                Err(_) if Instant::now() < patience => tokio::time::sleep(AGAIN).await,
                found => return found,
            }
        }
    }

    async fn target_now(&self, kind: Kind) -> Result<Target, Mishap> {
        let refused = |why: String| Mishap::new(format!("{} was not begun", kind.name()), why);
        // Not everybody has heard of a pause at the same time.
        if let Some(by) = self.seen(None).await.into_iter().find_map(|lease| lease.paused_by) {
            return Err(refused(format!("`{}` was paused by {by}: nobody would take over", self.lease)));
        }
        for (at, member) in self.members.iter().enumerate() {
            let Some(file) = &member.file else { continue };
            let status = member.status().await.map_err(|why| why.mishap(member))?;
            let pid = status.pid;
            let Some(lease) = status.leases.into_iter().find(|lease| lease.name == self.lease) else { continue };
            if lease.standing != "held" {
                continue;
            }
            unfit(&lease, kind).map_or(Ok(()), |why| Err(refused(why)))?;
            let others = self.members.len() > 1;
            if !others && matches!(kind, Kind::KillGuard | Kind::FreezeGuard) {
                let why =
                    "nobody is left to be asked what came of it: name another Mainstay, by its file or with --watch";
                return Err(refused(why.to_owned()));
            }
            let child = lease.child.as_ref().and_then(|child| Some((child.guard.clone(), child.pid?)));
            let Some((guard, child)) = child else { return Err(refused("the holder has no child that runs".into())) };
            return Ok(Target { at, file: file.clone(), pid, lease, guard, child });
        }
        Err(refused(format!("none of the files is of the holder of `{}`: run the drill on its machine", self.lease)))
    }

    pub(super) fn member(&self, at: usize) -> Option<&Member> {
        self.members.get(at)
    }

    /// The lease, by the word of everybody who answers. `without` is not asked.
    pub(super) async fn seen(&self, without: Option<usize>) -> Vec<Lease> {
        let mut seen = Vec::new();
        for (at, member) in self.members.iter().enumerate() {
            if Some(at) == without {
                continue;
            }
            // One that was killed does not answer.
            let Ok(status) = member.status().await else { continue };
            seen.extend(status.leases.into_iter().filter(|lease| lease.name == self.lease));
        }
        seen
    }
}

/// Why a failure is not to be made now.
fn unfit(lease: &Lease, kind: Kind) -> Option<String> {
    let name = &lease.name;
    if !lease.fresh {
        return Some(format!("the store of `{name}` does not answer ({})", lease.store));
    }
    if lease.phase != "ready" {
        return Some(format!("the node of `{name}` is not ready: {}", lease.phase));
    }
    let other = |state: &str| matches!(state, "standby" | "prepared");
    let moves = *kind.takeovers().start() > 0;
    if moves && !lease.members.iter().any(|member| member.priority > 0 && other(&member.state)) {
        return Some(format!("nobody is there to take `{name}` over: see `mainstay status`"));
    }
    None
}

impl Target {
    /// What will be done to what.
    pub(super) fn warning(&self, kind: Kind, runs: u32) -> String {
        let Self { file, pid, lease, guard, child, .. } = self;
        let what = match kind {
            Kind::KillChild => format!("SIGKILL goes to process {child}, the node of [guard.{guard}]"),
            Kind::KillGuard => {
                format!("SIGKILL goes to process {pid}, the Mainstay of {}; its node dies with it", file.display())
            }
            Kind::FreezeGuard => format!(
                "SIGSTOP goes to process {pid}, the Mainstay of {}, and SIGCONT after {:.1} s",
                file.display(),
                lease.ttl_s * 2.0
            ),
            Kind::DoubleStart => format!("`mainstay run {}` is started once more, and must be refused", file.display()),
            _ => format!("`mainstay switchover {}` is asked of process {pid}", lease.name),
        };
        let mut text = format!("This is done for real, to what runs here: {what}.");
        // Writing to a String cannot fail.
        let _infallible = write!(
            text,
            "\nLease `{}`, held by {} as {}, tier {}, ttl {:.1} s.",
            lease.name, lease.me, lease.token, lease.tier, lease.ttl_s
        );
        if kind == Kind::KillChild {
            text.push_str(
                " The node is started again in place as often as `restart` allows, or another member takes the lease over; \
                 requests under way on the node may be lost.",
            );
        } else if *kind.takeovers().start() > 0 {
            text.push_str(" Another member takes it over; requests under way on the node may be lost.");
        }
        if runs > 1 {
            let _infallible = write!(text, " {runs} times, to whoever holds it then.");
        }
        if lease.tier == "advisory" {
            text.push_str("\nNothing but time keeps two holders of this lease apart.");
        }
        text
    }
}

/// Why one was not asked.
pub(super) enum Silent {
    Client(ClientError),
    Nonsense,
}

impl Silent {
    fn mishap(self, member: &Member) -> Mishap {
        let who =
            member.file.as_ref().map_or("a Mainstay".to_owned(), |file| format!("the Mainstay of {}", file.display()));
        match self {
            Self::Client(error @ ClientError::NothingRuns(_)) => Mishap::new(format!("{who} does not run"), error),
            Self::Client(error) => Mishap::new(format!("could not ask {who}"), error),
            Self::Nonsense => Mishap::new(format!("could not ask {who}"), "its answer makes no sense"),
        }
    }
}

impl Member {
    /// What it says of itself.
    pub(super) async fn status(&self) -> Result<Status, Silent> {
        let place = self.place.clone();
        let asked = tokio::task::spawn_blocking(move || ask(place.as_ref(), "GET", "/status")).await;
        let answer = asked.map_err(|_| Silent::Nonsense)?.map_err(Silent::Client)?;
        serde_json::from_str(&answer.body).map_err(|_| Silent::Nonsense)
    }

    /// How it is given to a command.
    pub(super) fn words(&self) -> Vec<String> {
        self.place.iter().map(|place| format!("--admin={place}")).collect()
    }
}

/// Where the Mainstay of a file is asked.
fn place(file: &Path) -> Result<Option<Place>, Mishap> {
    let loaded = load(file, &[]).map_err(|faults| Mishap::new(format!("could not use {}", file.display()), faults))?;
    match Admin::of(&loaded.process.admin) {
        Admin::At(place) => Ok(Some(place)),
        Admin::Usual => Ok(None),
        Admin::Off => {
            let why = "the drill asks it who holds the lease: give it an `at` in [admin]";
            Err(Mishap::new(format!("the Mainstay of {} has no admin listener", file.display()), why))
        }
    }
}

fn some(names: &[String]) -> String {
    if names.is_empty() { "there is none".to_owned() } else { names.join(", ") }
}

/// How long a holder may take to see that everything is as it should be.
const PATIENCE: Duration = Duration::from_secs(3);
const AGAIN: Duration = Duration::from_millis(200);
