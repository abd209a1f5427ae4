//! What each drill does to a set, and what must hold of it alone.

use std::time::{Duration, Instant, SystemTime};

use super::kind::Kind;
use super::play::Run;
use crate::demo::guarded::{Set, strike};
use crate::demo::load::Book;
use crate::demo::stage::{Mishap, until};

/// Where the time of a run is counted from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Begun {
    pub(super) from: Instant,
    pub(super) at: SystemTime,
}

impl Begun {
    pub(super) fn now() -> Self {
        Self { from: Instant::now(), at: SystemTime::now() }
    }
}

/// Does it, for the `number`th time.
pub(super) async fn strike(set: &mut Set, kind: Kind, number: u32, run: &mut Run) -> Result<Begun, Mishap> {
    let holder = set.holder().await?;
    let begun = Begun::now();
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
        Kind::CrashDatabase => {
            let at = set.database()?.crash().await?;
            resume(set, begun, at, run).await?;
        }
        Kind::PromoteDatabase => promote(set, holder, begun, run).await?,
        Kind::PromoteDatabaseLossy => return promote_lossy(set, holder, number, run).await,
        Kind::ClockJump => jump(set, number, run).await?,
        Kind::DoubleStart => double_start(set, holder, run).await?,
        Kind::Switchover => {
            if let Err(said) = strike::switchover(set, holder).await? {
                run.broken.push(format!("the switch-over failed: {said}"));
            }
        }
    }
    Ok(begun)
}

/// Notes how long after the database could be written to again a client's write was confirmed.
async fn resume(set: &Set, begun: Begun, writable: Instant, run: &mut Run) -> Result<(), Mishap> {
    let Some(book) = set.book() else { return Ok(()) };
    let mut confirmed = None;
    until("no write is confirmed any more", RESUMING, async || {
        confirmed = first_write(book, begun.from, writable);
        confirmed.is_some()
    })
    .await?;
    let after = confirmed.map(|confirmed| confirmed.saturating_duration_since(writable));
    run.resumed_ms = after.map(|after| after.as_secs_f64() * 1000.0);
    Ok(())
}

/// When the first write was confirmed after that moment, of those that began in this run.
fn first_write(book: &Book, from: Instant, after: Instant) -> Option<Instant> {
    book.look(|records| {
        let first = records.partition_point(|record| record.start < from);
        let ours = records.iter().skip(first).filter(|record| record.write && record.is_done());
        ours.filter_map(|record| record.end.map(|(end, _)| end)).filter(|end| *end > after).min()
    })
}

/// Nothing was lost with the old primary, so the tenure and its node are to go on.
async fn promote(set: &mut Set, holder: usize, begun: Begun, run: &mut Run) -> Result<(), Mishap> {
    let (node, before) = (strike::child(set, holder)?, token(set, holder).await?);
    let (at, _) = set.database()?.promote().await?;
    resume(set, begun, at, run).await?;
    tokio::time::sleep(set.ttl()).await;
    if strike::child(set, holder).ok() != Some(node) {
        run.broken.push("the node was restarted".to_owned());
    }
    grown(set, before, run).await?;
    set.database()?.mend().await
}

/// The standby hears nothing more, a holder is replaced, writes are confirmed: none of it is in the database that goes on.
/// Every other time the holder stays, so that the one who remembers more than the database is the one who may write there.
async fn promote_lossy(set: &mut Set, holder: usize, number: u32, run: &mut Run) -> Result<Begun, Mishap> {
    // What is confirmed from here on is lost.
    let from = Instant::now();
    set.database()?.fall_behind();
    if !number.is_multiple_of(2)
        && let Err(said) = strike::switchover(set, holder).await?
    {
        run.broken.push(format!("the switch-over failed: {said}"));
    }
    more_writes(set).await?;
    let holder = set.holder().await?;
    let before = token(set, holder).await?;
    let begun = Begun { from, at: SystemTime::now() };
    let (at, last) = set.database()?.promote().await?;
    resume(set, begun, at, run).await?;
    until("nobody took over", RESUMING, async || set.happened("ready", begun.at).await.is_some()).await?;
    tokio::time::sleep(set.ttl()).await;
    grown(set, before, run).await?;
    let late = set.written_by(before.0, last).await?;
    if late > 0 {
        run.broken.push(format!("{late} rows of the tenure that ended with the old database are in the new one"));
    }
    set.database()?.mend().await?;
    Ok(begun)
}

/// Waits until clients have had some more writes confirmed.
async fn more_writes(set: &Set) -> Result<(), Mishap> {
    let Some(book) = set.book() else { return Ok(()) };
    let from = Instant::now();
    until("no write is confirmed any more", RESUMING, async || {
        let done = book.look(|records| {
            let first = records.partition_point(|record| record.start < from);
            records.iter().skip(first).filter(|record| record.write && record.is_done()).count()
        });
        done >= LOST_AT_LEAST
    })
    .await
}

/// The token of whoever holds the lease now is to be greater than the one before.
async fn grown(set: &Set, before: (u32, u64), run: &mut Run) -> Result<(), Mishap> {
    let holder = set.holder().await?;
    let after = token(set, holder).await?;
    if after.0 <= before.0 || after.1 < before.1 {
        let ((line, epoch), (new_line, new_epoch)) = (before, after);
        run.broken.push(format!("the token went from {line}.{epoch} to {new_line}.{new_epoch}"));
    }
    Ok(())
}

/// The lease's token, by the word of its holder.
async fn token(set: &Set, guard: usize) -> Result<(u32, u64), Mishap> {
    let lease = set.status(guard).await?.leases.pop();
    let token = lease.and_then(|lease| {
        let (line, epoch) = lease.token.split_once('.')?;
        Some((line.parse().ok()?, epoch.parse().ok()?))
    });
    token.ok_or_else(|| Mishap::new("could not read the lease's token", "the guard does not tell it"))
}

/// Sets one side's clock; with each run another's.
async fn jump(set: &mut Set, number: u32, run: &mut Run) -> Result<(), Mishap> {
    let clocks = set.clocks();
    let (before, side) = (set.tenures().await, usize::try_from(number.saturating_sub(1)).unwrap_or_default());
    let Some((whose, clock)) = side.checked_rem(clocks.len()).and_then(|at| clocks.get(at)) else {
        return Err(Mishap::new("could not set a clock", "nobody has one that can be set"));
    };
    run.side = Some(whose.clone());
    for seconds in [HOUR, -HOUR, 0] {
        clock.set(seconds)?;
        let apart = set.clock_of(whose).await? - seconds;
        if apart.abs() > CLOCK_APART {
            return Err(Mishap::new(format!("could not set the clock of {whose}"), format_args!("{apart} s off")));
        }
        tokio::time::sleep(set.ttl() * 2).await;
    }
    run.takeovers = set.tenures().await.saturating_sub(before);
    Ok(())
}

async fn double_start(set: &Set, guard: usize, run: &mut Run) -> Result<(), Mishap> {
    let (mut second, log) = set.second(guard)?;
    let status = second.ended(RESUMING).await?;
    let said = std::fs::read_to_string(&log).unwrap_or_default();
    if status.success() || !said.contains("runs already on this machine") {
        run.broken.push(format!("the second guard was not refused: {}", said.trim()));
    }
    Ok(())
}

/// Longest time for anything to go on.
const RESUMING: Duration = Duration::from_secs(60);
/// Writes that are confirmed and then lost, at least.
const LOST_AT_LEAST: usize = 20;
/// In seconds.
const HOUR: i64 = 3600;
/// How far a clock may be off what it was set to, in seconds.
const CLOCK_APART: i64 = 60;
