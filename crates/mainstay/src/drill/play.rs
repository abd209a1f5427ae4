//! The failures, one after the other, and what came of each.

use std::time::{Duration, Instant};

use mainstay_proxy::access::Stamp;
use rustix::process::Signal;
use serde::Serialize;

use super::kind::Kind;
use super::strike::{Begun, strike};
use crate::demo::guarded::{Set, Takeover};
use crate::demo::load::{Account, Order};
use crate::demo::stage::{Mishap, until};

/// What came of one run.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Run {
    /// From the failure (or the wish) until the successor was fenced and active, in milliseconds.
    pub(super) active_ms: Option<f64>,
    /// The same until its node was ready.
    pub(super) ready_ms: Option<f64>,
    /// Of a planned switch-over until the successor was active: without what the previous holder needed to drain, and its node
    /// to stop.
    pub(super) control_ms: Option<f64>,
    /// Longest time in which no client had a good answer, in milliseconds.
    pub(super) longest_gap_ms: f64,
    /// Requests of that time.
    pub(super) requests: usize,
    /// Those whose client saw no success.
    pub(super) lost: usize,
    /// From when the database could be written to again until a client's write was confirmed, in milliseconds.
    pub(super) resumed_ms: Option<f64>,
    /// Confirmed writes that the database does not have.
    pub(super) missing: usize,
    /// Whose clock was set.
    pub(super) side: Option<String>,
    /// How often the lease changed hands.
    pub(super) takeovers: usize,
    /// What the successor said of its steps.
    pub(super) steps: Option<String>,
    /// What was not as it must be.
    pub(super) broken: Vec<String>,
    /// The lease's history of that time, when something was not.
    pub(super) history: Vec<String>,
}

/// What came of all runs.
pub(super) struct Played {
    pub(super) runs: Vec<Run>,
    /// How what was written lies in the database.
    pub(super) order: Order,
    /// Rows of a node that remembered a write which the database does not have.
    pub(super) written_back: usize,
}

impl Run {
    /// In one line.
    fn told(&self) -> String {
        let mut said: Vec<String> = self.side.iter().map(|side| format!("clock of {side} set")).collect();
        said.push(self.ready_ms.map_or("the lease stayed".to_owned(), |ready| format!("ready after {ready:.0} ms")));
        said.extend(self.resumed_ms.map(|after| format!("writes resumed after {after:.0} ms")));
        said.push(format!("{} of {} requests lost", self.lost, self.requests));
        said.extend((self.missing > 0).then(|| format!("{} confirmed writes missing", self.missing)));
        said.extend(self.broken.iter().map(|what| format!("broken: {what}")));
        said.join(", ")
    }
}

/// Plays a drill so often.
///
/// Ends the load, and says how what was written lies in the database.
pub(super) async fn all(set: &mut Set, kind: Kind, runs: u32) -> Result<Played, Mishap> {
    let mut played = Vec::new();
    tokio::time::sleep(CALM).await;
    for number in 1..=runs {
        let run = one(set, kind, number).await;
        let went_on = run.is_ok();
        let run = run.unwrap_or_else(|mishap| Run { broken: vec![mishap.to_string()], ..Run::default() });
        eprintln!("run {number} of {runs}: {}", run.told());
        run.history.iter().for_each(|line| eprintln!("  {line}"));
        played.push(run);
        if !went_on {
            // What was played before is worth a report all the same.
            break;
        }
    }
    set.finish().await;
    Ok(Played { runs: played, order: set.rows().await?.order(), written_back: set.written_back().await? })
}

async fn one(set: &mut Set, kind: Kind, number: u32) -> Result<Run, Mishap> {
    // A tenure may have begun anew since the last run: on a busy machine a renewal may come too late by itself.
    until("nobody leads with a ready node", TAKEOVER_WITHIN, async || set.is_led().await).await?;
    let holder = set.holder().await?;
    let mut run = Run::default();
    let Begun { from, at } = strike(set, kind, number, &mut run).await?;
    if *kind.takeovers().start() > 0 {
        let what = "nobody took over";
        until(what, TAKEOVER_WITHIN, async || set.happened("ready", at).await.is_some()).await?;
    }
    // What comes late is to be seen too: a woken holder's writes, a second takeover.
    tokio::time::sleep(AFTERMATH.max(set.ttl())).await;
    if !kind.sets_clocks() {
        let takeover = Takeover::since(set, at).await;
        let ms = |time: Duration| time.as_secs_f64() * 1000.0;
        (run.active_ms, run.ready_ms) = (takeover.active.map(ms), takeover.ready.map(ms));
        let control = takeover.active.zip(takeover.parting).map(|(active, parting)| active.saturating_sub(parting));
        run.control_ms = control.filter(|_| kind == Kind::Switchover).map(ms);
        (run.steps, run.takeovers) = (takeover.steps, takeover.count);
    }
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
    account(set, kind, from, &mut run).await?;
    judge(kind, &mut run);
    if !run.broken.is_empty() {
        run.history = set.since(at).await.iter().map(told).collect();
    }
    Ok(run)
}

/// A line of the history.
fn told(entry: &mainstay_store::Entry) -> String {
    format!("{}  {}  #{}  {}: {}", Stamp(entry.at), entry.by, entry.epoch, entry.what, entry.text)
}

async fn account(set: &Set, kind: Kind, from: Instant, run: &mut Run) -> Result<(), Mishap> {
    let to = Instant::now();
    let Some(book) = set.book() else { return Ok(()) };
    until("requests never end", ENDING, async || book.all_ended(to)).await?;
    let account = Account::of(book, &set.rows().await?, from, to);
    run.longest_gap_ms = account.longest_gap.as_secs_f64() * 1000.0;
    run.requests = account.requests;
    run.lost = account.lost.len();
    run.missing = account.missing;
    if kind.may_miss() && account.missing == 0 {
        run.broken.push("no confirmed write was lost with the old database, so that nothing is shown".to_owned());
    }
    if account.missing > 0 && !kind.may_miss() {
        run.broken.push(format!("{} confirmed writes are missing", account.missing));
    }
    if account.twice > 0 {
        run.broken.push(format!("{} writes were done twice", account.twice));
    }
    Ok(())
}

fn judge(kind: Kind, run: &mut Run) {
    let expected = kind.takeovers();
    if !expected.contains(&run.takeovers) {
        let expected =
            if expected.start() == expected.end() { expected.end().to_string() } else { "at most 1".to_owned() };
        run.broken.push(format!("{} takeovers instead of {expected}", run.takeovers));
    }
    if !kind.may_lose() && run.lost > 0 {
        run.broken.push(format!("{} requests were lost, none may be", run.lost));
    }
}

/// Before the first failure.
const CALM: Duration = Duration::from_secs(1);
/// After each.
const AFTERMATH: Duration = Duration::from_millis(500);
const TAKEOVER_WITHIN: Duration = Duration::from_secs(60);
/// Longest time for requests under way.
const ENDING: Duration = Duration::from_secs(40);
