//! Carrying a session's bytes, and noticing when there are none.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use mainstay_core::Moment;
use mainstay_io::clock;
use mainstay_io::pump::{Lent, Pump, State};
use mainstay_io::timer::Interrupt;

use super::dial::NodeEnd;
use super::watch::{Due, Watch};
use super::{End, Farewell, Session};
use crate::access::Outcome;
use crate::counters::{Close, Failure, Limit};
use crate::view::{Event, Until};
use crate::worker::{DEMOTED, KILL, ON_NODE};

/// A session on its node.
pub(super) struct Carrier<'a> {
    session: &'a mut Session,
    node: NodeEnd,
    pump: Pump,
    watch: Watch,
    /// The deadline the slot has.
    armed: Moment,
    seen: Seen,
    /// When the node was asked something first.
    asked: Option<Moment>,
}

/// What had moved when it was looked at last: from the client, to the node, from the node, to the client.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Seen {
    client_came: u64,
    node_went: u64,
    node_came: u64,
    client_went: u64,
}

impl<'a> Carrier<'a> {
    /// Carries bytes both ways until both sides have ended, one breaks, nothing has moved for too long, or the node
    /// goes out.
    pub(super) fn new(session: &'a mut Session, node: NodeEnd) -> Self {
        session.slot.hear(ON_NODE);
        let watch = Watch::new(session.params.idle_timeout, session.pool.params.doubt_after, clock::now());
        session.slot.set(watch.deadline());
        if let Some(node) = session.pool.node(node.index) {
            node.counters.requests.one();
        }
        Self {
            session,
            node,
            pump: Pump::default(),
            armed: watch.deadline(),
            watch,
            seen: Seen::default(),
            asked: None,
        }
    }
}

impl Future for Carrier<'_> {
    type Output = End;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<End> {
        let end = ready!(self.carry(cx));
        self.ended(end);
        Poll::Ready(end)
    }
}

impl Carrier<'_> {
    fn carry(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        // Looked at again each time bytes may go on: whoever was stopped and woken must not wait to be told.
        if self.node.until.as_ref().is_some_and(Until::is_over) {
            return Poll::Ready(End::demoted());
        }
        let Session { worker, client, .. } = &mut *self.session;
        let mut buffer = worker.lent.borrow_mut();
        let mut lent = Lent { buffer: &mut buffer, pipes: &worker.pipes };
        let pumped = self.pump.poll(cx, client, &mut self.node.connection.stream, &mut lent);
        drop(buffer);
        self.note_progress();
        if pumped.is_ready() {
            return Poll::Ready(self.through());
        }
        loop {
            let interrupted = self.session.slot.poll_interrupt(cx);
            match ready!(interrupted) {
                Interrupt::Signal(signals) if signals & KILL != 0 => return Poll::Ready(End::killed()),
                Interrupt::Signal(signals) if signals & DEMOTED != 0 => return Poll::Ready(End::demoted()),
                Interrupt::Signal(_) => return Poll::Ready(End::node_out()),
                Interrupt::Expired => {
                    if let Some(end) = self.expired() {
                        return Poll::Ready(end);
                    }
                }
            }
        }
    }

    /// Tells the watch what has moved, and makes sure that the slot wakes in time.
    fn note_progress(&mut self) {
        let (forth, back) = (&self.pump.forth, &self.pump.back);
        let seen = Seen {
            client_came: forth.came(),
            node_went: forth.went(),
            node_came: back.came(),
            client_went: back.went(),
        };
        if seen == self.seen {
            return;
        }
        self.count(seen);
        let now = clock::now();
        if seen.node_came > self.seen.node_came {
            self.node_spoke(now);
        }
        // After the node's word, which was spoken before the node can have seen what was just written to it.
        if seen.node_went > self.seen.node_went {
            self.watch.asked(now);
            self.asked.get_or_insert(now);
        }
        self.watch.moved(now);
        self.seen = seen;
        if self.watch.deadline() < self.armed {
            self.arm();
        }
    }

    fn count(&self, seen: Seen) {
        let before = self.seen;
        let counters = &self.session.counters;
        counters.bytes_in.add(seen.client_came - before.client_came);
        counters.bytes_out.add(seen.client_went - before.client_went);
        if let Some(node) = self.session.pool.node(self.node.index) {
            node.counters.bytes_sent.add(seen.node_went - before.node_went);
            node.counters.bytes_received.add(seen.node_came - before.node_came);
        }
    }

    fn node_spoke(&mut self, now: Moment) {
        self.watch.answered(now);
        let Session { worker, pool, account, begun, .. } = &mut *self.session;
        let Some(node) = pool.node(self.node.index) else { return };
        node.counters.answered.set(now);
        if account.first_byte.is_none() {
            account.first_byte = Some(now.since(*begun));
            // A node that speaks first has not been waited for.
            if let Some(asked) = self.asked {
                node.counters.first_byte.record(now.since(asked));
            }
        }
        if node.answer_is_news() {
            worker.report(pool, self.node.index, Event::Answered);
        }
    }

    fn expired(&mut self) -> Option<End> {
        match self.watch.due(clock::now()) {
            Due::Idle => return Some(self.idle()),
            Due::Doubt => {
                // What the node is to be asked depends on what it speaks.
                let event = if is_http_request(self.pump.forth.opening()) { Event::Slow } else { Event::SlowOpaque };
                self.session.worker.report(&self.session.pool, self.node.index, event);
            }
            Due::Nothing => {}
        }
        self.arm();
        None
    }

    /// Sets the slot to the watch's deadline. One that moves further away is left for [`Self::expired`] to find.
    fn arm(&mut self) {
        self.armed = self.watch.deadline();
        self.session.slot.set(self.armed);
    }

    /// Both directions are through, or a side has broken.
    fn through(&self) -> End {
        let (forth, back) = (self.pump.forth.state(), self.pump.back.state());
        match (forth, back) {
            (State::Ended, State::Ended) => End::of_session(Close::Finished, None, Farewell::Orderly),
            (State::SenderBroke(_), _) | (_, State::ReceiverBroke(_)) => {
                End::of_session(Close::Client, Some("client_broke"), Farewell::Reset)
            }
            (_, State::SenderBroke(_)) | (State::ReceiverBroke(_), _) => End::node_broke(),
            (State::Open | State::Ending, _) | (_, State::Open | State::Ending) => {
                End::of_session(Close::Failed, Some("incomplete"), Farewell::Reset)
            }
        }
    }

    fn idle(&self) -> End {
        self.session.counters.limits.one(Limit::Idle);
        let waits = |state| state == State::Ending;
        let seen = self.seen;
        let stuck = seen.client_came > seen.node_went || seen.node_came > seen.client_went;
        let lost = stuck || waits(self.pump.forth.state()) || waits(self.pump.back.state());
        End::of_session(Close::Idle, Some("idle"), if lost { Farewell::Reset } else { Farewell::Orderly })
    }

    fn ended(&mut self, end: End) {
        let Session { account, pool, .. } = &mut *self.session;
        if end.farewell == Farewell::Reset {
            self.node.connection.stream.reset_on_close();
        }
        account.bytes_in = self.pump.forth.came();
        account.bytes_out = self.pump.back.went();
        if let Some(outcome) = end.last {
            account.tried(self.node.index, outcome);
        }
        if let (Some(Outcome::Failed(failure)), Some(node)) = (end.last, pool.node(self.node.index)) {
            node.counters.failures.one(failure);
        }
    }
}

impl End {
    fn of_session(close: Close, reason: Option<&'static str>, farewell: Farewell) -> Self {
        Self { close, last: Some(Outcome::Session), reason, farewell }
    }

    fn node_broke() -> Self {
        let last = Some(Outcome::Failed(Failure::Broken));
        Self { close: Close::Node, last, reason: Some("node_broke"), farewell: Farewell::Reset }
    }

    /// Its node went out: the client learns it at once, not when it tires of waiting.
    fn node_out() -> Self {
        let last = Some(Outcome::Failed(Failure::WentOut));
        Self { close: Close::Node, last, reason: Some("node_out"), farewell: Farewell::Reset }
    }

    /// Its node lost the lease: nothing more of the client's may reach it.
    fn demoted() -> Self {
        let last = Some(Outcome::Failed(Failure::Demoted));
        Self { close: Close::Node, last, reason: Some("demoted"), farewell: Farewell::Reset }
    }

    fn killed() -> Self {
        Self::of_session(Close::Drain, Some("drained"), Farewell::Reset)
    }
}

/// Whether a session begins like an HTTP/1 request: a method in capital letters, a space, and what begins a target.
fn is_http_request(opening: &[u8]) -> bool {
    let method = opening.iter().take_while(|byte| byte.is_ascii_uppercase()).count();
    let behind = opening.get(method..).unwrap_or_default();
    method >= 3 && matches!(behind, [b' ', b'/' | b'*' | b'h' | b'H', ..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_is_told_by_its_first_bytes() {
        for opening in ["GET / HTTP/1.1\r\n", "POST /send HTTP", "OPTIONS * HTTP/1", "GET http://a/ HT", "PROPFIND / H"]
        {
            assert!(is_http_request(opening.as_bytes()), "{opening}");
        }
        for opening in ["", "GET", "GET ", "\x16\x03\x01\x02", "get / HTTP/1.1", "SSH-2.0-OpenSSH", "A / B", "GET x"] {
            assert!(!is_http_request(opening.as_bytes()), "{opening}");
        }
    }
}
