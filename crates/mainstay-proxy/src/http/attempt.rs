//! One try of a request on one node.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::rc::Rc;

use mainstay_core::retry::{self, Decision, Sent};
use mainstay_io::clock;
use mainstay_io::timer::Interrupt;

use super::answer::{Answer, Taken};
use super::job::Job;
use super::log::{Outcome, Tried};
use super::spares::Buffers;
use super::up::Upload;
use super::write::{WriteEnd, write_rest, write_with_head};
use super::{Conn, Flow};
use crate::params::Forward;
use crate::pool::{Connection, Node, Pool};
use crate::view::Event;
use crate::worker::{KILL, NODE_OUT};

/// How a try ended.
pub(super) enum Attempt {
    /// The client has its answer, as far as it can get one.
    Ended(Flow),
    /// The node gave none that may be used.
    Failed(Failed),
}

/// A try that brought the client nothing so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct Failed {
    pub(super) failure: retry::Failure,
    pub(super) sent: Sent,
    pub(super) connection: retry::Connection,
    pub(super) outcome: Outcome,
    /// What follows, where that was settled before the answer was let go.
    pub(super) decided: Option<Decision>,
}

impl Failed {
    pub(super) fn before(failure: retry::Failure, outcome: Outcome) -> Self {
        Self { failure, sent: Sent::Nothing, connection: retry::Connection::Fresh, outcome, decided: None }
    }

    pub(super) fn after(up: &Connection, failure: retry::Failure, outcome: Outcome) -> Self {
        Self { failure, sent: Sent::Some, connection: up.kind(), outcome, decided: None }
    }

    /// The connection broke.
    pub(super) fn broken(up: &Connection) -> Self {
        Self::after(up, retry::Failure::Broken, Outcome::Broken)
    }
}

impl Conn {
    /// Sends the request to a node and brings the client its answer.
    pub(super) async fn attempt(
        &mut self,
        job: &mut Job,
        buffers: &mut Buffers,
        forward: &Forward,
        pool: &Rc<Pool>,
        index: u32,
    ) -> Attempt {
        let Some(node) = pool.node(index) else { return Attempt::Ended(Flow::Abort) };
        self.slot.lower(NODE_OUT);
        self.slot.tag(node.tag);
        self.slot.hear(NODE_OUT | KILL);
        let now = self.now;
        // What must not be done twice must not ride on a connection that is about to end.
        let certain = !job.method.is_idempotent();
        let mut up = match pool.take_idle(index, now, certain) {
            Some(up) => {
                job.account.connect = None;
                up
            }
            None => match Box::pin(self.dial(job, pool, node, index)).await {
                Ok(up) => up,
                Err(failed) => return Attempt::Failed(failed),
            },
        };
        node.counters.requests.one();
        if let Err(failed) = self.send(job, buffers, forward, &up).await {
            return Attempt::Failed(failed);
        }
        let sent_at = self.now;
        buffers.partial.clear();
        buffers.unsent.clear();
        // Whether what came behind an interim response is still to be looked at.
        let mut look_again = false;
        loop {
            if !job.body.is_done() || !buffers.unsent.is_empty() {
                match Box::pin(self.upload(job, buffers, forward, &mut up)).await {
                    Upload::Sent | Upload::NodeSpeaks => {}
                    Upload::Failed(failed) => return Attempt::Failed(failed),
                    Upload::Refused(status) => {
                        return Attempt::Ended(Box::pin(self.refuse_body(job, buffers, status)).await);
                    }
                    Upload::ClientGone => return Attempt::Ended(Flow::Abort),
                }
            }
            let count = match look_again {
                true => 0,
                false => match self.read_node(&mut up, pool, forward, sent_at, index).await {
                    Ok(count) => count,
                    Err(failed) => return Attempt::Failed(failed),
                },
            };
            if job.account.first_byte.is_none() {
                node.counters.first_byte.record(self.now.since(sent_at));
                job.account.first_byte = Some(self.now.since(job.begun));
            }
            let taken = match self.take_answer(job, buffers, forward, &up, pool, count) {
                Taken::More => {
                    look_again = false;
                    continue;
                }
                Taken::Interim => match Box::pin(self.pass_interim(job, buffers)).await {
                    Ok(()) => {
                        look_again = !buffers.partial.is_empty();
                        continue;
                    }
                    Err(flow) => return Attempt::Ended(flow),
                },
                Taken::Failed(failed) => return Attempt::Failed(failed),
                Taken::Final(answer) => answer,
            };
            return Attempt::Ended(self.finish(job, buffers, forward, up, pool, index, taken).await);
        }
    }

    /// Opens a connection to the node.
    async fn dial(&mut self, job: &mut Job, pool: &Rc<Pool>, node: &Node, index: u32) -> Result<Connection, Failed> {
        let Some(guard) = pool.begin(index) else {
            return Err(Failed::before(retry::Failure::Connect, Outcome::Busy));
        };
        let begun = clock::now();
        self.slot.set(begun + pool.params.connect_timeout);
        let mut connecting = pin!(node.connect());
        node.counters.connects.one();
        let connected = self.slot.wait(|cx| connecting.as_mut().poll(cx)).await;
        self.now = clock::now();
        match connected {
            Ok(Ok(stream)) => {
                let took = self.now.since(begun);
                node.counters.connect.record(took);
                job.account.connect = Some(took);
                Ok(guard.fresh(stream))
            }
            Ok(Err(error)) => Err(Failed::before(retry::Failure::Connect, Outcome::of_connect(&error))),
            Err(Interrupt::Expired) => Err(Failed::before(retry::Failure::Connect, Outcome::ConnectTimeout)),
            Err(Interrupt::Signal(_)) => Err(Failed::before(retry::Failure::NodeOut, Outcome::NodeOut)),
        }
    }

    /// Sends the head and what there is of the body.
    async fn send(&self, job: &Job, buffers: &mut Buffers, forward: &Forward, up: &Connection) -> Result<(), Failed> {
        let body = self.input.get(job.head_len..job.head_len + job.body_here).unwrap_or_default();
        let all = buffers.head.len() + body.len();
        let written = match write_with_head(&up.stream, &mut buffers.head, body) {
            Ok(written) if written == all => return Ok(()),
            Ok(written) => written,
            // The system took nothing, so the node has seen nothing.
            Err(_) => return Err(Failed { sent: Sent::Nothing, ..Failed::broken(up) }),
        };
        let patience = || clock::now() + forward.send_timeout;
        let rest = write_rest(&up.stream, &self.slot, (&buffers.head, body), written, patience);
        Box::pin(rest).await.map_err(|end| Failed::of_write(up, end))
    }

    /// Reads from the node into the lent buffer. A wait that gets long makes the node suspect.
    async fn read_node(
        &mut self,
        up: &mut Connection,
        pool: &Rc<Pool>,
        forward: &Forward,
        since: mainstay_core::Moment,
        index: u32,
    ) -> Result<usize, Failed> {
        let last = since + forward.read_timeout;
        let doubt = since + pool.params.doubt_after;
        let mut doubted = doubt >= last;
        self.slot.set(if doubted { last } else { doubt });
        loop {
            let (worker, stream) = (&self.worker, &mut up.stream);
            match self.slot.wait(|cx| stream.poll_read(cx, &mut worker.lent.borrow_mut())).await {
                Ok(Ok(count)) if count > 0 => {
                    self.now = clock::now();
                    return Ok(count);
                }
                Ok(_) => return Err(Failed::broken(up)),
                Err(Interrupt::Expired) if !doubted => {
                    doubted = true;
                    self.worker.report(pool, index, Event::Slow);
                    self.slot.set(last);
                }
                Err(interrupt) => return Err(Failed::of_interrupt(up, interrupt)),
            }
        }
    }

    /// Brings the client what is left of the answer and lets go of the connection to the node.
    #[expect(clippy::too_many_arguments, reason = "the end of a try needs all that a try had")]
    async fn finish(
        &mut self,
        job: &mut Job,
        buffers: &mut Buffers,
        forward: &Forward,
        mut up: Connection,
        pool: &Rc<Pool>,
        index: u32,
        mut answer: Answer,
    ) -> Flow {
        if answer.tunnel {
            return Box::pin(self.tunnel(job, buffers, up)).await;
        }
        if !answer.body.is_done() || !buffers.spill.is_empty() {
            match Box::pin(self.relay(job, buffers, forward, &mut up, &mut answer)).await {
                Flow::Again => {}
                ended => return ended,
            }
        }
        buffers.tries.push(Tried {
            pool: Rc::clone(pool),
            node: index,
            outcome: Outcome::Answered(job.account.status),
        });
        if let Some(node) = pool.node(index) {
            if node.answer_is_news() {
                self.worker.report(pool, index, Event::Answered);
            }
            if answer.node_keeps {
                node.keep(up, self.now);
            }
        }
        if answer.client_keeps { Flow::Again } else { Flow::Close }
    }
}

impl Failed {
    pub(super) fn of_write(up: &Connection, end: WriteEnd) -> Self {
        match end {
            WriteEnd::Broken => Self::broken(up),
            WriteEnd::Interrupted(interrupt) => Self::of_interrupt(up, interrupt),
        }
    }

    pub(super) fn of_interrupt(up: &Connection, interrupt: Interrupt) -> Self {
        match interrupt {
            Interrupt::Expired => Self::after(up, retry::Failure::Timeout, Outcome::Timeout),
            Interrupt::Signal(_) => Self::after(up, retry::Failure::NodeOut, Outcome::NodeOut),
        }
    }
}

impl Outcome {
    /// What a refused connection is called.
    pub(super) fn of_connect(error: &io::Error) -> Self {
        match error.raw_os_error() {
            // Out of descriptors, ports or memory: nothing is known of the node.
            Some(EMFILE | ENFILE | EADDRNOTAVAIL | ENOBUFS | ENOMEM) => Self::NoResources,
            _ => Self::Refused,
        }
    }
}

const ENFILE: i32 = 23;
const EMFILE: i32 = 24;
const ENOMEM: i32 = 12;
const EADDRNOTAVAIL: i32 = 99;
const ENOBUFS: i32 = 105;
