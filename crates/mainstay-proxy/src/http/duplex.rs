//! A request's body and its answer at the same time: a node may answer before it has all of the body, and read on.

use std::cell::RefCell;
use std::io;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use mainstay_io::clock;
use mainstay_io::stream::Stream;
use mainstay_io::timer::Interrupt;

use super::answer::Answer;
use super::attempt::Aim;
use super::body::Body;
use super::down::LAST_WORDS;
use super::job::Job;
use super::spares::Buffers;
use super::up::Upload;
use super::write::write_now;
use super::{Conn, Flow};
use crate::counters::Limit;
use crate::pool::Connection;
use crate::worker::{CUT, KILL, ON_NODE};

/// What moved, or can.
enum Event {
    FromClient(io::Result<usize>),
    ToNode(io::Result<()>),
    FromNode(io::Result<usize>),
    ToClient(io::Result<()>),
    /// The node has closed, or says more than its answer.
    NodeEnded,
}

/// What each direction waits for.
#[derive(Clone, Copy)]
struct Waits {
    up: Up,
    down: Down,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Up {
    /// For the client's next piece of the body.
    Client,
    /// For the node to take what is unsent.
    Node,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Down {
    /// For the client to take what is spilled.
    Client,
    /// For the node's next piece of the answer.
    Node,
    /// For nothing: the answer is with the client.
    Through,
}

impl Conn {
    /// Carries the rest of the request's body while the answer comes, and beyond its end if the node reads on. `Again`
    /// when nothing more of the body goes to the node; of the answer there may be more to come. `Relayed` when the rest of
    /// both needs no task.
    ///
    /// Whoever streams both ways may be silent in one direction while the other moves, so that the time-outs count from
    /// the last movement in either.
    pub(super) async fn duplex(
        &mut self,
        job: &mut Job,
        buffers: &mut Buffers,
        aim: &Aim<'_>,
        up: &mut Connection,
        answer: &mut Answer,
    ) -> Flow {
        self.slot.hear(ON_NODE);
        let mut node_is_out = false;
        let mut node_first = false;
        while !job.is_sent(buffers) {
            let waits = Waits::now(job, buffers, answer);
            // A call is over with its answer, whatever its client still had to say.
            if waits.down == Down::Through && (!answer.node_keeps || self.is_call()) {
                break;
            }
            if self.may_relay(job, buffers, up, answer) {
                return Flow::Relayed;
            }
            let patience = waits.patience(self, job, aim, node_is_out);
            self.slot.set(self.now + patience);
            node_first = !node_first;
            let (lent, client, node) = (&self.worker.lent, &mut self.stream, &mut up.stream);
            let moved = self.slot.wait(|cx| waits.poll(cx, node_first, lent, client, node)).await;
            self.now = clock::now();
            let result = match moved {
                Ok(event) => self.moved(job, buffers, aim, up, answer, event),
                Err(Interrupt::Signal(signals)) if signals & CUT == 0 => {
                    self.slot.hear(CUT);
                    node_is_out = true;
                    continue;
                }
                Err(Interrupt::Signal(signals)) if signals & KILL == 0 => Err("demoted"),
                Err(Interrupt::Signal(_)) => Err("killed"),
                Err(Interrupt::Expired) => Err(self.stuck(job, aim, waits)),
            };
            match result {
                Ok(true) => {}
                Ok(false) => break,
                // Its client has all of the answer.
                Err(_) if waits.down == Down::Through => break,
                Err(reason) => {
                    job.account.reason = reason;
                    return Flow::Abort;
                }
            }
        }
        if !job.is_sent(buffers) {
            buffers.unsent.clear();
            answer.node_keeps = false;
            answer.client_keeps &= job.body.is_done();
        }
        Flow::Again
    }

    /// Carries on what has moved. False when the node takes no more of the body.
    fn moved(
        &mut self,
        job: &mut Job,
        buffers: &mut Buffers,
        aim: &Aim<'_>,
        up: &Connection,
        answer: &mut Answer,
        event: Event,
    ) -> Result<bool, &'static str> {
        match event {
            Event::FromClient(Ok(count)) if count > 0 => match self.pass_up(job, buffers, aim.forward, up, count) {
                Ok(()) => Ok(true),
                Err(Upload::Refused(status)) => {
                    self.note_bad_body(job, status);
                    Err(job.account.reason)
                }
                Err(_) => Ok(false),
            },
            // It sends no more, and may still read; if it is gone altogether, writing to it tells.
            Event::FromClient(Ok(_)) => Ok(false),
            Event::FromClient(Err(_)) | Event::ToClient(Err(_)) => Err("client_gone"),
            Event::ToNode(Ok(())) => Ok(write_now(&up.stream, &buffers.unsent, &[])
                .map(|written| buffers.unsent.drain(..written.min(buffers.unsent.len())))
                .is_ok()),
            Event::ToNode(Err(_)) | Event::NodeEnded => Ok(false),
            Event::FromNode(Ok(0)) if matches!(answer.body, Body::UntilClose) => {
                answer.body = Body::Done;
                Ok(false)
            }
            Event::FromNode(Ok(count)) if count > 0 => {
                if self.pass_down(job, buffers, answer, count) {
                    Ok(true)
                } else {
                    Err("answer_invalid")
                }
            }
            Event::FromNode(_) => Err("node_lost_in_answer"),
            Event::ToClient(Ok(())) => {
                let written = write_now(&self.stream, &buffers.spill, &[]).map_err(|_| "client_gone")?;
                job.account.bytes_out += written as u64;
                buffers.spill.drain(..written.min(buffers.spill.len()));
                Ok(true)
            }
        }
    }

    /// Nothing has moved for too long: on whose account.
    fn stuck(&self, job: &Job, aim: &Aim<'_>, waits: Waits) -> &'static str {
        match waits {
            Waits { down: Down::Client, .. } => {
                self.limit(Limit::SendTimeout);
                "client_does_not_read"
            }
            Waits { up: Up::Node, .. } => "node_does_not_read",
            Waits { down: Down::Node, .. } if aim.forward.read_timeout < job.table.limits.body_timeout => {
                "node_lost_in_answer"
            }
            Waits { .. } => {
                self.limit(Limit::BodySlow);
                "body_slow"
            }
        }
    }
}

impl Waits {
    fn now(job: &Job, buffers: &Buffers, answer: &Answer) -> Self {
        let up = if buffers.unsent.is_empty() { Up::Client } else { Up::Node };
        let down = match (buffers.spill.is_empty(), answer.body.is_done()) {
            (false, _) => Down::Client,
            (true, false) => Down::Node,
            (true, true) => Down::Through,
        };
        debug_assert!(up == Up::Node || !job.body.is_done(), "there is nothing to wait for");
        Self { up, down }
    }

    fn patience(self, conn: &Conn, job: &Job, aim: &Aim<'_>, node_is_out: bool) -> Duration {
        let limits = &job.table.limits;
        let up = match self.up {
            Up::Client => conn.patience(limits.body_timeout),
            Up::Node => aim.forward.send_timeout,
        };
        let down = match self.down {
            Down::Client => limits.send_timeout,
            Down::Node => conn.patience(aim.forward.read_timeout),
            Down::Through => up,
        };
        let on_node = self.up == Up::Node || self.down == Down::Node;
        let most = if node_is_out && on_node { LAST_WORDS } else { Duration::MAX };
        up.min(down).min(most)
    }

    fn poll(
        self,
        cx: &mut Context<'_>,
        node_first: bool,
        lent: &RefCell<Box<[u8]>>,
        client: &mut Stream,
        node: &mut Stream,
    ) -> Poll<Event> {
        // In turn, so that neither direction keeps the other waiting.
        for look_down in [node_first, !node_first] {
            let polled = if look_down {
                self.poll_down(cx, lent, client, node)
            } else {
                match self.up {
                    Up::Client => client.poll_read(cx, &mut lent.borrow_mut()).map(Event::FromClient),
                    Up::Node => node.poll_writable(cx).map(Event::ToNode),
                }
            };
            if polled.is_ready() {
                return polled;
            }
        }
        Poll::Pending
    }

    fn poll_down(
        self,
        cx: &mut Context<'_>,
        lent: &RefCell<Box<[u8]>>,
        client: &Stream,
        node: &mut Stream,
    ) -> Poll<Event> {
        match self.down {
            Down::Client => client.poll_writable(cx).map(Event::ToClient),
            Down::Node => node.poll_read(cx, &mut lent.borrow_mut()).map(Event::FromNode),
            Down::Through => loop {
                // The event queue's word may be an old one.
                if ready!(node.poll_readable(cx)).is_err() || !node.is_quiet() {
                    return Poll::Ready(Event::NodeEnded);
                }
            },
        }
    }
}
