//! The failures, one after the other, and what came of each.

use std::time::{Duration, Instant};

use super::super::kind::Kind;
use super::crew::{Crew, Target};
use super::probe::{self, Probe, Seen};
use super::report::{Report, Run};
use super::{Order, strike};
use crate::demo::load::Order as Rows;
use crate::demo::stage::{Mishap, until};

/// Plays a drill so often.
pub(super) async fn all(order: Order<'_>, crew: Crew, first: Target) -> Result<Report, Mishap> {
    let Order { kind, runs, args, .. } = order;
    let probe = args.probe.clone().map(|target| Probe::start(target, order.rate));
    let before = rows(&order).await?;
    let mut report = Report::new(kind, &first, &args.files);
    let mut target = Some(first);
    let begun = Instant::now();
    tokio::time::sleep(CALM).await;
    if let Some(probe) = &probe {
        let served = async || {
            let seen = probe.seen(begun, Instant::now());
            seen.lost < seen.requests
        };
        let none =
            until("nothing was done: nobody answers what --probe names, before anything failed", SERVED_WITHIN, served);
        none.await?;
    }
    for number in 1..=runs {
        let begun = match target.take() {
            Some(target) => Ok(target),
            None => crew.target(kind).await,
        };
        let run = match begun {
            Ok(target) => one(&order, &crew, &target, probe.as_ref()).await,
            Err(mishap) => Err(mishap),
        };
        let went_on = run.as_ref().is_ok_and(|run| run.notes.is_empty());
        let run = run.unwrap_or_else(|mishap| Run { broken: vec![mishap.to_string()], ..Run::default() });
        eprintln!("run {number} of {runs}: {}", run.told());
        report.add(run);
        if !went_on {
            break;
        }
    }
    if let (Some(before), Some(after)) = (before, rows(&order).await?) {
        report.audit(after.without(before));
    }
    Ok(report)
}

async fn rows(order: &Order<'_>) -> Result<Option<Rows>, Mishap> {
    match &order.args.audit {
        Some(audit) => audit.order(&order.args.audit_query).await.map(Some),
        None => Ok(None),
    }
}

async fn one(order: &Order<'_>, crew: &Crew, target: &Target, probe: Option<&Probe>) -> Result<Run, Mishap> {
    let kind = order.kind;
    let Some(member) = crew.member(target.at) else { return Err(Mishap::new("could not begin", "nobody is there")) };
    let (from, node) = (Instant::now(), strike::started(target.child));
    let epoch = epoch(&target.lease.token);
    let without = strike::silences(kind).then_some(target.at);
    let mut run = Run::default();
    let moves = *kind.takeovers().start() > 0;
    let (struck, watched) = tokio::join!(strike::strike(kind, target, member), async {
        if moves { watch(kind, crew, target, without, from).await } else { Ok(Outcome::default()) }
    });
    run.broken.extend(struck?);
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    let outcome = watched.unwrap_or_else(|mishap| {
        run.broken.push(mishap.to_string());
        Outcome::default()
    });
    (run.active_ms, run.ready_ms) = (outcome.active.map(ms), outcome.ready.map(ms));
    // What comes late is to be seen too: a second takeover, a node that lives on.
    tokio::time::sleep(AFTERMATH.max(Duration::from_secs_f64(target.lease.ttl_s))).await;
    if moves && node.is_some() && strike::started(target.child) == node {
        run.broken.push(format!("the former holder's node, process {}, lives on", target.child));
    }
    if moves {
        come_back(order, crew, target, &mut run).await;
    }
    let seen = crew.seen(None).await;
    let newest = seen.iter().map(|lease| self::epoch(&lease.token)).max().unwrap_or_default();
    run.takeovers = usize::try_from(newest.saturating_sub(epoch)).unwrap_or_default();
    let expected = if outcome.in_place { 0..=0 } else { kind.takeovers() };
    if !expected.contains(&run.takeovers) {
        run.broken.push(format!("{} takeovers instead of {}", run.takeovers, expected.end()));
    }
    if let Some(probe) = probe {
        let to = Instant::now();
        until("requests never end", probe::LONGEST * 2, async || probe.all_ended(to)).await?;
        let seen = probe.seen(from, to);
        (run.requests, run.lost) = (Some(seen.requests), Some(seen.lost));
        run.longest_gap_ms = Some(ms(seen.longest_gap));
        run.broken.extend(outcome.ready.and_then(|ready| unserved(probe.seen(from + ready, to))));
        if !kind.may_lose() && seen.lost > 0 {
            run.broken.push(format!("{} requests were lost, none may be", seen.lost));
        }
    }
    Ok(run)
}

/// What is wrong when nobody is served although a node is ready: the way that clients have, or the probe's.
fn unserved(seen: Seen) -> Option<String> {
    let Seen { requests, lost, .. } = seen;
    (requests > 0 && lost == requests).then(|| {
        format!(
            "none of {requests} requests was served after a node was ready: if --probe names a listener of the Mainstay that \
             was struck, name one of another, or what clients use to get to either"
        )
    })
}

/// What came of a failure, counted from it.
#[derive(Default)]
struct Outcome {
    /// When a later tenure was active.
    active: Option<Duration>,
    /// When its node was ready; or the holder's own, started again.
    ready: Option<Duration>,
    /// The node was started again in the same tenure, as its guard's `restart` allows: nobody had to take over.
    in_place: bool,
}

/// Looks until a node is ready again, of a later tenure or, when only the node was killed, of the same.
async fn watch(
    kind: Kind,
    crew: &Crew,
    target: &Target,
    without: Option<usize>,
    from: Instant,
) -> Result<Outcome, Mishap> {
    let before = epoch(&target.lease.token);
    let mut outcome = Outcome::default();
    until("nobody took over", TAKEOVER_WITHIN, async || {
        for lease in crew.seen(without).await {
            let is_later = epoch(&lease.token) > before;
            let child = lease.child.as_ref().filter(|child| child.state == "ready").and_then(|child| child.pid);
            let again = kind == Kind::KillChild
                && epoch(&lease.token) == before
                && lease.me == target.lease.me
                && child.is_some_and(|pid| i64::from(pid) != i64::from(target.child));
            if is_later && matches!(lease.phase.as_str(), "starting" | "ready") {
                outcome.active.get_or_insert(from.elapsed());
            }
            if again || (is_later && lease.phase == "ready") {
                outcome.ready.get_or_insert(from.elapsed());
                outcome.in_place = again && !is_later;
            }
        }
        outcome.ready.is_some()
    })
    .await?;
    Ok(outcome)
}

/// Waits until the one it was done to is a member again: one that waits, or, if nobody was faster, the holder. A killed
/// Mainstay may stay away: that is its supervisor's affair.
async fn come_back(order: &Order<'_>, crew: &Crew, target: &Target, run: &mut Run) {
    let is_member = async || {
        crew.seen(None).await.iter().any(|lease| {
            let settled = lease.child.as_ref().is_some_and(|child| matches!(child.state.as_str(), "gone" | "ready"));
            lease.me == target.lease.me && lease.fresh && settled
        })
    };
    if until("it does not come back", order.args.back_within, is_member).await.is_ok() {
        return;
    }
    if order.kind == Kind::KillGuard {
        run.notes.push(format!(
            "the Mainstay of {} was killed and is not back: start it with `mainstay run {}`",
            target.file.display(),
            target.file.display()
        ));
    } else {
        run.broken.push(format!("{} is no member again within {:?}", target.lease.me, order.args.back_within));
    }
}

/// The number of a tenure, behind its timeline.
fn epoch(token: &str) -> u64 {
    token.rsplit_once('.').and_then(|(_, epoch)| epoch.parse().ok()).unwrap_or_default()
}

/// Before the first failure.
const CALM: Duration = Duration::from_secs(1);
/// How long the probe may take to be answered for the first time.
const SERVED_WITHIN: Duration = Duration::from_secs(10);
/// After each.
const AFTERMATH: Duration = Duration::from_millis(500);
/// A child may take so long to start.
const TAKEOVER_WITHIN: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probe_that_nobody_serves_any_more_is_told_of() {
        let check = |requests, lost, expect: bool| {
            let seen = Seen { requests, lost, longest_gap: Duration::ZERO };
            assert_eq!(unserved(seen).is_some(), expect, "{lost} of {requests}");
        };
        check(0, 0, false);
        check(10, 9, false);
        check(10, 10, true);
    }
}
