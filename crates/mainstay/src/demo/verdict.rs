//! What the demo promises, and whether it was kept.

use std::time::Duration;

use serde::Serialize;

use super::load::{Account, Lost, Order};
use super::scene::{Act, Found, Kind, Over, Progress};
use super::stage::{Fault, Mishap};

/// Whether an act kept to its bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ruling {
    /// What went too far; none: passed.
    pub(super) broken: Vec<String>,
    /// What else there is to say, if it passed.
    pub(super) note: String,
}

impl Ruling {
    /// Holds an act's account against the bounds of its fault.
    pub(super) fn of(kind: Kind, account: &Account, found: &Found) -> Self {
        let fault = found.fault;
        let mut broken = match (kind, fault) {
            (Kind::Kill, Some(fault)) => kill(&account.lost, fault),
            (Kind::Freeze, Some(fault)) => freeze(&account.lost, fault),
            (Kind::KillChild | Kind::KillGuard | Kind::FreezeGuard, Some(fault)) => {
                others(&account.lost, fault, "the node that died")
            }
            _ if account.lost.is_empty() => Vec::new(),
            _ => vec![format!("{} lost, none may be: {}", account.lost.len(), reasons(&account.lost))],
        };
        if matches!(kind, Kind::Kill | Kind::Freeze) && account.longest_gap.max(account.slowest) > HELD_UP {
            let (gap, slowest) = (account.longest_gap.as_millis(), account.slowest.as_millis());
            broken.push(format!("held up by the node: no answer for {gap} ms, the slowest after {slowest} ms"));
        }
        broken.extend(succession(found));
        if account.requests == 0 {
            broken.push("no requests were made".to_owned());
        }
        if account.twice > 0 {
            broken.push(format!("{} writes were done twice", account.twice));
        }
        if account.missing > 0 {
            broken.push(format!("{} confirmed writes are missing", account.missing));
        }
        if !broken.is_empty() && account.late > BUSY {
            broken
                .push(format!("this machine is busy: the load itself was up to {} ms late", account.late.as_millis()));
        }
        let note = if broken.is_empty() { note(kind, &account.lost, fault) } else { String::new() };
        Self { broken, note }
    }

    pub(super) fn passed(&self) -> bool {
        self.broken.is_empty()
    }
}

/// A killed node takes along what was being written on it. A read can be asked again elsewhere, and so can a write
/// that had not been sent.
fn kill(lost: &[Lost], fault: Fault) -> Vec<String> {
    let mut broken = others(lost, fault, "node a");
    let elsewhere = lost.iter().filter(|lost| lost.written_by.as_deref().is_some_and(|node| node != "a")).count();
    if elsewhere > 0 {
        broken.push(format!("{elsewhere} lost that node b had written"));
    }
    broken
}

/// What was lost and was no write under way when the node died.
fn others(lost: &[Lost], fault: Fault, node: &str) -> Vec<String> {
    let owed = |lost: &&Lost| lost.record.write && lost.record.under_way(fault.from, fault.to);
    let others: Vec<Lost> = lost.iter().filter(|lost| !owed(lost)).cloned().collect();
    if others.is_empty() {
        return Vec::new();
    }
    vec![format!("{} lost that were no writes under way on {node}: {}", others.len(), reasons(&others))]
}

/// A lease goes to one other, and whoever had it writes no more.
fn succession(found: &Found) -> Vec<String> {
    let mut broken = Vec::new();
    if let Some(said) = &found.failed {
        broken.push(format!("the switch-over failed: {said}"));
    }
    if let Some(takeover) = found.takeover.as_ref().filter(|takeover| takeover.count != 1) {
        broken.push(format!("{} takeovers instead of 1", takeover.count));
    }
    if let Some(order) = &found.order {
        if order.stale > 0 {
            broken.push(format!("{} stale writes in {} overlaps", order.stale, order.overlaps));
        }
        if order.rows == 0 {
            broken.push("nothing was written, so that nothing is shown".to_owned());
        }
    }
    broken
}

/// A frozen node is found out and left alone.
fn freeze(lost: &[Lost], fault: Fault) -> Vec<String> {
    let mut broken = Vec::new();
    if lost.len() > MAX_LOST_FROZEN {
        broken.push(format!("{} lost, at most {MAX_LOST_FROZEN} may be: {}", lost.len(), reasons(lost)));
    }
    let late = lost.iter().filter(|lost| lost.record.start > fault.to + FOUND_OUT).count();
    if late > 0 {
        broken.push(format!("{late} lost that came later than {} ms after the freeze", FOUND_OUT.as_millis()));
    }
    broken
}

fn note(kind: Kind, lost: &[Lost], fault: Option<Fault>) -> String {
    let Some(last) = lost.iter().map(|lost| lost.record.start).max() else { return String::new() };
    let written = lost.iter().filter(|lost| lost.written_by.is_some()).count();
    let mut note = match (kind, fault) {
        (Kind::Kill | Kind::KillChild | Kind::KillGuard | Kind::FreezeGuard, Some(_)) => {
            "writes under way on it".to_owned()
        }
        (Kind::Freeze, Some(fault)) => {
            format!("all within {} ms of the freeze", last.saturating_duration_since(fault.from).as_millis())
        }
        _ => String::new(),
    };
    if written > 0 {
        // A blind second try would have made two of each.
        note.push_str(&format!("; {written} in the database all the same, once"));
    }
    note
}

/// What clients saw, most frequent first.
fn reasons(lost: &[Lost]) -> String {
    let mut reasons: Vec<(String, usize)> = Vec::new();
    for one in lost {
        let reason = one.record.failure().map_or_else(|| "no answer yet".to_owned(), |failure| failure.to_string());
        match reasons.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, count)) => *count += 1,
            None => reasons.push((reason, 1)),
        }
    }
    reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let texts: Vec<String> = reasons.into_iter().map(|(reason, count)| format!("{count} x {reason}")).collect();
    texts.join(", ")
}

/// The verdict of a whole demo, for programs.
#[derive(Debug, Serialize)]
pub(super) struct Verdict {
    pub(super) passed: bool,
    /// What kept it from being played to its end.
    pub(super) mishap: Option<String>,
    pub(super) seconds: f64,
    pub(super) requests: usize,
    pub(super) lost: usize,
    pub(super) done_twice: usize,
    pub(super) missing: usize,
    /// Rows of a replaced holder behind one of its successor, in the database's own order.
    pub(super) stale_writes: usize,
    /// How often a replaced holder wrote on.
    pub(super) overlaps: usize,
    /// Rows written within a tenure.
    pub(super) tenured_rows: usize,
    pub(super) acts: Vec<ActVerdict>,
}

/// One act of it.
#[derive(Debug, Serialize)]
pub(super) struct ActVerdict {
    name: &'static str,
    what: &'static str,
    passed: bool,
    broken: Vec<String>,
    requests: usize,
    lost: usize,
    lost_but_written: usize,
    done_twice: usize,
    missing: usize,
    longest_gap_ms: f64,
    slowest_ms: f64,
    /// From the fault (or the wish) until the successor's node was ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    takeover_ms: Option<f64>,
    /// The same until the successor was fenced and active.
    #[serde(skip_serializing_if = "Option::is_none")]
    active_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stale_writes: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    overlaps: Option<usize>,
}

impl Verdict {
    /// Adds up the acts that are over. It passed if all of them are, and did.
    pub(super) fn of(acts: &[Act], took: Duration, mishap: Option<Mishap>) -> Self {
        let over = || acts.iter().filter_map(|act| act.over().map(|over| (act.kind, over)));
        let sum = |count: fn(&Account) -> usize| over().map(|(_, over)| count(&over.account)).sum();
        let ordered =
            |count: fn(&Order) -> usize| over().filter_map(|(_, over)| over.found.order.as_ref()).map(count).sum();
        let all_over = over().count() == acts.len();
        Self {
            passed: all_over && over().all(|(_, over)| over.ruling.passed()),
            mishap: mishap.map(|mishap| mishap.to_string()),
            seconds: took.as_secs_f64(),
            requests: sum(|account| account.requests),
            lost: sum(|account| account.lost.len()),
            done_twice: sum(|account| account.twice),
            missing: sum(|account| account.missing),
            stale_writes: ordered(|order| order.stale),
            overlaps: ordered(|order| order.overlaps),
            tenured_rows: ordered(|order| order.rows),
            acts: over().map(|(kind, over)| ActVerdict::of(kind, over)).collect(),
        }
    }
}

impl ActVerdict {
    fn of(kind: Kind, over: &Over) -> Self {
        let Over { account, ruling, found, .. } = over;
        let ms = |time: Duration| time.as_secs_f64() * 1000.0;
        let takeover = found.takeover.as_ref();
        Self {
            name: kind.name(),
            what: kind.title(),
            passed: ruling.passed(),
            broken: ruling.broken.clone(),
            requests: account.requests,
            lost: account.lost.len(),
            lost_but_written: account.lost.iter().filter(|lost| lost.written_by.is_some()).count(),
            done_twice: account.twice,
            missing: account.missing,
            longest_gap_ms: ms(account.longest_gap),
            slowest_ms: ms(account.slowest),
            takeover_ms: takeover.and_then(|takeover| takeover.ready).map(ms),
            active_ms: takeover.and_then(|takeover| takeover.active).map(ms),
            stale_writes: found.order.map(|order| order.stale),
            overlaps: found.order.map(|order| order.overlaps),
        }
    }
}

impl Act {
    /// Its end, once it is there.
    pub(super) fn over(&self) -> Option<&Over> {
        match &self.progress {
            Progress::Over(over) => Some(over),
            _ => None,
        }
    }
}

/// Most requests that may be lost while a node is frozen: half the writes of 0.3 s at 400 requests a second, and as
/// many again.
const MAX_LOST_FROZEN: usize = 60;
/// A load that starts its requests this late does not get the processor it needs; nor do the nodes.
const BUSY: Duration = Duration::from_millis(60);
/// Longest time a request may take, or all answers may stay away, because of a node that is dead or frozen.
const HELD_UP: Duration = Duration::from_secs(1);
/// Longest time until a frozen node gets no more requests.
const FOUND_OUT: Duration = Duration::from_millis(300);

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::super::guarded::Takeover;
    use super::super::load::{Failure, Outcome, Record};
    use super::*;

    /// A request lost that started `start_ms` and ended `end_ms` after the beginning; the fault takes from 1000 ms on
    /// to 1010 ms.
    fn lost(write: bool, start_ms: u64, end_ms: u64, written_by: Option<&str>, beginning: Instant) -> Lost {
        let at = |ms| beginning + Duration::from_millis(ms);
        let end = Some((at(end_ms), Outcome::Failed(Failure::Status(502))));
        let record = Record { write, start: at(start_ms), late: Duration::ZERO, end, node: None };
        Lost { record, written_by: written_by.map(str::to_owned) }
    }

    fn check(kind: Kind, requests: &[(bool, u64, u64, Option<&str>)], expect: &[&str]) {
        let beginning = Instant::now();
        let at = |ms| beginning + Duration::from_millis(ms);
        let lost = requests.iter().map(|(write, start, end, by)| lost(*write, *start, *end, *by, beginning)).collect();
        let account = Account { requests: 1000, lost, ..Account::default() };
        let fault = Some(Fault { from: at(1000), to: at(1010) });
        let ruling = Ruling::of(kind, &account, &Found { fault, ..Found::default() });
        assert_eq!(ruling.broken, expect, "{kind:?} {requests:?}");
    }

    #[test]
    fn a_killed_node_may_take_along_its_own_writes_only() {
        check(Kind::Kill, &[], &[]);
        check(Kind::Kill, &[(true, 990, 1005, None), (true, 1005, 1020, Some("a"))], &[]);
        let others = "1 lost that were no writes under way on node a: 1 x status 502";
        check(Kind::Kill, &[(false, 990, 1005, None)], &[others]);
        check(Kind::Kill, &[(true, 1011, 1020, None)], &[others]);
        check(Kind::Kill, &[(true, 980, 999, None)], &[others]);
        check(Kind::Kill, &[(true, 990, 1005, Some("b"))], &["1 lost that node b had written"]);
    }

    #[test]
    fn a_frozen_node_is_found_out_in_time() {
        check(Kind::Freeze, &[(true, 990, 1200, Some("b")), (true, 1310, 1400, None)], &[]);
        check(Kind::Freeze, &[(true, 1311, 1400, None)], &["1 lost that came later than 300 ms after the freeze"]);
        check(Kind::Freeze, &[(true, 1000, 1200, None); 60], &[]);
        check(Kind::Freeze, &[(true, 1000, 1200, None); 61], &["61 lost, at most 60 may be: 61 x status 502"]);
    }

    #[test]
    fn requests_are_not_held_up_by_a_frozen_node() {
        let beginning = Instant::now();
        let ruling = |slowest_ms| {
            let account = Account { requests: 1, slowest: Duration::from_millis(slowest_ms), ..Account::default() };
            let fault = Some(Fault { from: beginning, to: beginning });
            Ruling::of(Kind::Freeze, &account, &Found { fault, ..Found::default() }).passed()
        };
        assert!(ruling(1000));
        assert!(!ruling(1001));
    }

    #[test]
    fn nothing_else_may_lose_anything() {
        check(Kind::Roll, &[], &[]);
        check(Kind::Roll, &[(true, 990, 1005, None)], &["1 lost, none may be: 1 x status 502"]);
        check(Kind::Reload, &[(false, 990, 1005, None)], &["1 lost, none may be: 1 x status 502"]);
    }

    #[test]
    fn rows_too_many_or_too_few_are_never_right() {
        let ruling = |account: Account| Ruling::of(Kind::Calm, &account, &Found::default()).broken;
        assert_eq!(ruling(Account { requests: 1, twice: 2, ..Account::default() }), ["2 writes were done twice"]);
        assert_eq!(
            ruling(Account { requests: 1, missing: 3, ..Account::default() }),
            ["3 confirmed writes are missing"]
        );
        assert_eq!(ruling(Account::default()), ["no requests were made"]);
    }
    #[test]
    fn a_holder_that_dies_may_take_along_its_own_writes_only() {
        for kind in [Kind::KillChild, Kind::KillGuard, Kind::FreezeGuard] {
            check(kind, &[(true, 990, 1005, None), (true, 1005, 1020, Some("b"))], &[]);
            let others = "1 lost that were no writes under way on the node that died: 1 x status 502";
            check(kind, &[(false, 990, 1005, None)], &[others]);
            check(kind, &[(true, 1011, 1020, None)], &[others]);
        }
        check(Kind::Switchover, &[(true, 990, 1005, None)], &["1 lost, none may be: 1 x status 502"]);
    }

    #[test]
    fn a_lease_changes_hands_once_and_nobody_writes_behind_it() {
        let ruling = |found: Found| {
            let account = Account { requests: 1, ..Account::default() };
            Ruling::of(Kind::Switchover, &account, &found).broken
        };
        let takeover = |count| Some(Takeover { count, ..Takeover::default() });
        let order = |rows, stale, overlaps| Some(Order { rows, tenures: 2, stale, overlaps });
        let right = Found { takeover: takeover(1), order: order(9, 0, 0), ..Found::default() };
        assert_eq!(ruling(right.clone()), [""; 0]);
        assert_eq!(ruling(Found { takeover: takeover(2), ..right.clone() }), ["2 takeovers instead of 1"]);
        assert_eq!(ruling(Found { takeover: takeover(0), ..right.clone() }), ["0 takeovers instead of 1"]);
        assert_eq!(ruling(Found { order: order(9, 3, 1), ..right.clone() }), ["3 stale writes in 1 overlaps"]);
        let nothing = "nothing was written, so that nothing is shown";
        assert_eq!(ruling(Found { order: order(0, 0, 0), ..right.clone() }), [nothing]);
        let failed = Some("nobody is fit".to_owned());
        assert_eq!(ruling(Found { failed, ..right }), ["the switch-over failed: nobody is fit"]);
    }
}
