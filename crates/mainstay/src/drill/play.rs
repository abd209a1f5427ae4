//! The failures, one after the other, and what came of each.

use std::time::{Duration, Instant, SystemTime};

use rustix::process::Signal;
use serde::Serialize;

use super::kind::Kind;
use crate::demo::guarded::{Set, Takeover, strike};
use crate::demo::load::{Account, Order};
use crate::demo::stage::{Mishap, until};

/// What came of one run.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Run {
    /// From the failure (or the wish) until the successor was fenced and active, in milliseconds.
    pub(super) active_ms: Option<f64>,
    /// The same until its node was ready.
    pub(super) ready_ms: Option<f64>,
    /// Longest time in which no client had a good answer, in milliseconds.
    pub(super) longest_gap_ms: f64,
    /// Requests of that time.
    pub(super) requests: usize,
    /// Those whose client saw no success.
    pub(super) lost: usize,
    /// How often the lease changed hands.
    pub(super) takeovers: usize,
    /// What the successor said of its steps.
    pub(super) steps: Option<String>,
    /// What was not as it must be.
    pub(super) broken: Vec<String>,
}

/// Plays a drill so often.
///
/// Ends the load, and says how what was written lies in the database.
pub(super) async fn all(set: &mut Set, kind: Kind, runs: u32) -> Result<(Vec<Run>, Order), Mishap> {
    let mut played = Vec::new();
    tokio::time::sleep(CALM).await;
    for number in 1..=runs {
        let run = one(set, kind).await?;
        let moved =
            run.ready_ms.map_or_else(|| "the lease stayed".to_owned(), |ready| format!("ready after {ready:.0} ms"));
        eprintln!("run {number} of {runs}: {moved}, {} of {} requests lost", run.lost, run.requests);
        played.push(run);
    }
    set.finish();
    Ok((played, set.rows().await?.order()))
}

async fn one(set: &mut Set, kind: Kind) -> Result<Run, Mishap> {
    let holder = set.holder().await?;
    let (from, at) = (Instant::now(), SystemTime::now());
    let mut run = Run::default();
    match kind {
        Kind::KillChild => {
            strike::kill_child(set, holder).await?;
        }
        Kind::KillGuard => {
            strike::kill_guard(set, holder).await?;
        }
        Kind::FreezeGuard => {
            strike::freeze_guard(set, holder).await?;
        }
        Kind::FreezeMachine => strike::freeze_machine(set, holder).await?,
        Kind::PartitionStore => strike::cut(set, &[holder], set.ttl() * 3).await,
        Kind::BlinkStore => strike::cut(set, &[0, 1], set.ttl() / 3).await,
        Kind::DoubleStart => double_start(set, holder, &mut run).await?,
        Kind::Switchover => {
            if let Err(said) = strike::switchover(set, holder).await? {
                run.broken.push(format!("the switch-over failed: {said}"));
            }
        }
    }
    if kind.moves() {
        let what = "nobody took over";
        until(what, TAKEOVER_WITHIN, async || set.happened("ready", at).await.is_some()).await?;
    }
    // What comes late is to be seen too: a woken holder's writes, a second takeover.
    tokio::time::sleep(AFTERMATH.max(set.ttl())).await;
    let takeover = Takeover::since(set, at).await;
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    (run.active_ms, run.ready_ms) = (takeover.active.map(ms), takeover.ready.map(ms));
    (run.steps, run.takeovers) = (takeover.steps, takeover.count);
    if kind == Kind::KillChild {
        // A member whose tenures fail again and again is held back, which is not what is measured here.
        if let Some(process) = set.guard(holder) {
            process.signal(Signal::KILL)?;
            process.ended(TAKEOVER_WITHIN).await?;
        }
    }
    if matches!(kind, Kind::KillChild | Kind::KillGuard) {
        set.start(holder)?;
    }
    until("the other guard is not back", TAKEOVER_WITHIN, async || set.is_attended().await).await?;
    // Until then the member that was killed counts as one that could take over, beside the new one of its name.
    tokio::time::sleep(set.ttl() * 2).await;
    account(set, from, &mut run).await?;
    judge(kind, &mut run);
    Ok(run)
}

async fn account(set: &Set, from: Instant, run: &mut Run) -> Result<(), Mishap> {
    let to = Instant::now();
    let Some(book) = set.book() else { return Ok(()) };
    until("requests never end", ENDING, async || book.all_ended(to)).await?;
    let account = Account::of(book, &set.rows().await?, from, to);
    run.longest_gap_ms = account.longest_gap.as_secs_f64() * 1000.0;
    run.requests = account.requests;
    run.lost = account.lost.len();
    if account.missing > 0 {
        run.broken.push(format!("{} confirmed writes are missing", account.missing));
    }
    if account.twice > 0 {
        run.broken.push(format!("{} writes were done twice", account.twice));
    }
    Ok(())
}

fn judge(kind: Kind, run: &mut Run) {
    let expected = usize::from(kind.moves());
    if run.takeovers != expected {
        run.broken.push(format!("{} takeovers instead of {expected}", run.takeovers));
    }
    if !kind.may_lose() && run.lost > 0 {
        run.broken.push(format!("{} requests were lost, none may be", run.lost));
    }
}

async fn double_start(set: &Set, guard: usize, run: &mut Run) -> Result<(), Mishap> {
    let (mut second, log) = set.second(guard)?;
    let status = second.ended(TAKEOVER_WITHIN).await?;
    let said = std::fs::read_to_string(&log).unwrap_or_default();
    if status.success() || !said.contains("runs already on this machine") {
        run.broken.push(format!("the second guard was not refused: {}", said.trim()));
    }
    Ok(())
}

/// Before the first failure.
const CALM: Duration = Duration::from_secs(1);
/// After each.
const AFTERMATH: Duration = Duration::from_millis(500);
const TAKEOVER_WITHIN: Duration = Duration::from_secs(60);
/// Longest time for requests under way.
const ENDING: Duration = Duration::from_secs(40);
