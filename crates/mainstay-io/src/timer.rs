//! Coarse timers shared by all tasks of one thread: one tick for everybody, no timer per read.
//!
//! A task owns one [`Slot`]. It holds the deadline of whatever the task waits for and the signals others raise for
//! it, so a wait ends by its own event, by time or by a signal, without a `select!` and without an allocation.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use mainstay_core::Moment;
use tokio::sync::Notify;

use crate::alarm::Alarm;

/// Shortest time between two looks at the slots: deadlines are met this late at the most, plus one turn of the loop.
pub const TICK: Duration = Duration::from_millis(10);

/// What ended a wait before its event came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interrupt {
    /// The deadline passed.
    Expired,
    /// Somebody raised these signals; they stay raised until [`Slot::lower`].
    Signal(u8),
}

/// The slots of one thread.
#[derive(Clone, Default)]
pub struct Timers(Rc<Shared>);

#[derive(Default)]
struct Shared {
    slots: RefCell<Vec<Rc<Inner>>>,
    /// Most slots at a time since [`Timers::take_most`].
    most: Cell<usize>,
    /// When [`Timers::run`] looks next, in clock nanoseconds.
    next: Cell<u64>,
    earlier: Notify,
}

/// One task's deadline and signals.
pub struct Slot {
    inner: Rc<Inner>,
    timers: Timers,
}

struct Inner {
    deadline: Cell<u64>,
    index: Cell<u32>,
    /// Signals, and above them which of them the task listens to.
    raised: Cell<u8>,
    heard: Cell<u8>,
    tag: Cell<u64>,
    group: u64,
    waker: RefCell<Option<Waker>>,
}

impl Timers {
    /// Makes a slot without deadline. `group` is for [`Timers::raise_group`].
    #[must_use]
    pub fn slot(&self, group: u64) -> Slot {
        let mut slots = self.0.slots.borrow_mut();
        let index = u32::try_from(slots.len()).unwrap_or(u32::MAX);
        let inner = Rc::new(Inner {
            deadline: Cell::new(NEVER),
            index: Cell::new(index),
            raised: Cell::new(0),
            heard: Cell::new(u8::MAX),
            tag: Cell::new(0),
            group,
            waker: RefCell::new(None),
        });
        slots.push(Rc::clone(&inner));
        self.0.most.set(self.0.most.get().max(slots.len()));
        Slot { inner, timers: self.clone() }
    }

    /// Wakes the tasks whose deadline has passed, for ever. `clock` is the one the deadlines are taken from.
    ///
    /// # Errors
    /// As [`Alarm::after`].
    pub async fn run(&self, alarm: Alarm, clock: impl Fn() -> Moment) -> io::Result<()> {
        loop {
            let now = clock().as_nanos();
            let next = self.expire(now);
            self.0.next.set(next);
            if next == NEVER {
                self.0.earlier.notified().await;
                continue;
            }
            let wait = Duration::from_nanos(next.saturating_sub(now)).max(TICK);
            self.0.next.set(now.saturating_add(u64::try_from(wait.as_nanos()).unwrap_or(NEVER)));
            let (mut ring, mut earlier) = (pin!(alarm.after(wait)), pin!(self.0.earlier.notified()));
            poll_fn(|cx| match earlier.as_mut().poll(cx) {
                Poll::Ready(()) => Poll::Ready(Ok(())),
                Poll::Pending => ring.as_mut().poll(cx),
            })
            .await?;
        }
    }

    /// Raises `signal` for every slot with this tag.
    pub fn raise_tagged(&self, tag: u64, signal: u8) {
        for inner in self.0.slots.borrow().iter().filter(|inner| inner.tag.get() == tag) {
            inner.raise(signal);
        }
    }

    /// Raises `signal` for every slot of this group.
    pub fn raise_group(&self, group: u64, signal: u8) {
        for inner in self.0.slots.borrow().iter().filter(|inner| inner.group == group) {
            inner.raise(signal);
        }
    }

    /// Raises `signal` for every slot.
    pub fn raise_all(&self, signal: u8) {
        for inner in self.0.slots.borrow().iter() {
            inner.raise(signal);
        }
    }

    /// How many slots there are, which is how many tasks.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.slots.borrow().len()
    }

    /// Most slots there were at a time since this was asked last.
    #[must_use]
    pub fn take_most(&self) -> usize {
        self.0.most.replace(self.len())
    }

    /// Whether there is no slot.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Wakes what is due by `now` and says when the next one is.
    fn expire(&self, now: u64) -> u64 {
        let mut next = NEVER;
        for inner in self.0.slots.borrow().iter() {
            let deadline = inner.deadline.get();
            if deadline <= now {
                inner.deadline.set(PASSED);
                inner.wake();
            } else {
                next = next.min(deadline);
            }
        }
        next
    }
}

impl Slot {
    /// Sets the deadline of the waits that follow.
    pub fn set(&self, deadline: Moment) {
        let nanos = deadline.as_nanos().max(PASSED + 1);
        self.inner.deadline.set(nanos);
        let shared = &self.timers.0;
        // A late look costs at most a tick; an early one costs a wake-up, so small differences are let go.
        if nanos.saturating_add(TICK_NANOS) < shared.next.get() {
            shared.next.set(nanos);
            shared.earlier.notify_one();
        }
    }

    /// Waits that follow have no deadline.
    pub fn clear(&self) {
        self.inner.deadline.set(NEVER);
    }

    /// Marks the slot for [`Timers::raise_tagged`]; 0 is no mark.
    pub fn tag(&self, tag: u64) {
        self.inner.tag.set(tag);
    }

    /// Which signals end the waits that follow; the others stay raised, unheard. At first: all.
    pub fn hear(&self, signals: u8) {
        self.inner.heard.set(signals);
    }

    /// The signals raised, heard or not.
    #[must_use]
    pub fn raised(&self) -> u8 {
        self.inner.raised.get()
    }

    /// Takes signals back.
    pub fn lower(&self, signals: u8) {
        self.inner.raised.set(self.inner.raised.get() & !signals);
    }

    /// Waits for `event`, the deadline or a signal. An event that is there already wins.
    ///
    /// # Errors
    /// What ended the wait, if it was not `event`.
    pub async fn wait<T>(&self, mut event: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Result<T, Interrupt> {
        poll_fn(|cx| match event(cx) {
            Poll::Ready(value) => Poll::Ready(Ok(value)),
            Poll::Pending => self.poll_interrupt(cx).map(Err),
        })
        .await
    }

    /// Waits for the deadline or a signal alone.
    pub async fn interrupted(&self) -> Interrupt {
        poll_fn(|cx| self.poll_interrupt(cx)).await
    }

    /// Ready once the deadline has passed or a heard signal is raised; else the task is woken then.
    pub fn poll_interrupt(&self, cx: &mut Context<'_>) -> Poll<Interrupt> {
        let inner = &self.inner;
        let signals = inner.raised.get() & inner.heard.get();
        if signals != 0 {
            return Poll::Ready(Interrupt::Signal(signals));
        }
        if inner.deadline.get() == PASSED {
            return Poll::Ready(Interrupt::Expired);
        }
        let mut waker = inner.waker.borrow_mut();
        match waker.as_mut() {
            Some(known) if known.will_wake(cx.waker()) => {}
            _ => *waker = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    /// Something that can raise this slot's signals.
    #[must_use]
    pub fn raiser(&self) -> Raiser {
        Raiser(Rc::clone(&self.inner))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut slots = self.timers.0.slots.borrow_mut();
        let index = self.inner.index.get();
        let Ok(at) = usize::try_from(index) else { return };
        if at < slots.len() {
            slots.swap_remove(at);
            if let Some(moved) = slots.get(at) {
                moved.index.set(index);
            }
        }
    }
}

/// Raises signals for one slot; harmless when the slot is gone.
#[derive(Clone)]
pub struct Raiser(Rc<Inner>);

impl Raiser {
    /// Raises `signals`.
    pub fn raise(&self, signals: u8) {
        self.0.raise(signals);
    }

    /// Whether both raise signals for the same slot.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

impl Inner {
    fn raise(&self, signals: u8) {
        self.raised.set(self.raised.get() | signals);
        if signals & self.heard.get() != 0 {
            self.wake();
        }
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.borrow().as_ref() {
            waker.wake_by_ref();
        }
    }
}

const NEVER: u64 = u64::MAX;
/// A deadline that has passed and was told.
const PASSED: u64 = 0;
const TICK_NANOS: u64 = 10_000_000;

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn clock(origin: Instant) -> impl Fn() -> Moment {
        move || Moment::ZERO + origin.elapsed() + Duration::from_nanos(1)
    }

    #[tokio::test]
    async fn a_wait_ends_by_event_time_or_signal() {
        let origin = Instant::now();
        let timers = Timers::default();
        let slot = timers.slot(0);
        let ticking = timers.clone();
        let work = async {
            assert_eq!(slot.wait(|_| Poll::Ready(7)).await, Ok(7));
            slot.set(clock(origin)() + Duration::from_millis(30));
            let begun = Instant::now();
            assert_eq!(slot.wait(|_| Poll::<()>::Pending).await, Err(Interrupt::Expired));
            assert!(begun.elapsed() >= Duration::from_millis(29), "expired after {:?}", begun.elapsed());
            slot.clear();
            slot.tag(9);
            slot.hear(4);
            timers.raise_tagged(8, 4);
            timers.raise_tagged(9, 2);
            assert!(tokio::time::timeout(TICK, slot.interrupted()).await.is_err(), "heard what it must not");
            timers.raise_tagged(9, 4);
            assert_eq!(slot.interrupted().await, Interrupt::Signal(4));
            slot.lower(6);
            assert_eq!(slot.raised(), 0);
        };
        tokio::select! {
            () = work => {}
            ended = ticking.run(Alarm::new().unwrap(), clock(origin)) => panic!("the tick ended: {ended:?}"),
            () = tokio::time::sleep(Duration::from_secs(5)) => panic!("stuck"),
        }
    }

    #[test]
    fn dropped_slots_leave_the_others_in_place() {
        let timers = Timers::default();
        let (a, b, c) = (timers.slot(0), timers.slot(0), timers.slot(0));
        drop(a);
        c.tag(1);
        timers.raise_tagged(1, 1);
        assert_eq!((b.raised(), c.raised(), timers.len()), (0, 1, 2));
        drop(c);
        assert_eq!((timers.take_most(), timers.take_most()), (3, 1));
        drop(b);
        assert!(timers.is_empty());
    }
}
