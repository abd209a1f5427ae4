//! Copies of requests. They live in tasks of their own, bounded in number, size and time, and begin once the request
//! itself is done with: whatever becomes of a copy, the request neither waits for it nor fails with it.

use std::rc::Rc;
use std::time::Duration;

use mainstay_core::retry;
use mainstay_io::clock;
use mainstay_io::timer::Slot;
use mainstay_wire::h1::{self, HeadLimits, Method, Parsed};

use super::Conn;
use super::body::Body;
use super::job::Job;
use super::node_head::NodeHead;
use super::spares::Buffers;
use super::write::write_rest;
use crate::params::{Forward, Mirror};
use crate::pool::{Connection, Key, Pool};
use crate::worker::{ON_NODE, Worker};

/// A copy, ready to be sent.
struct Copy {
    bytes: Vec<u8>,
    method: Method,
    timeout: Duration,
    /// Nodes that must not get it, because they may have got the request itself.
    skip: Vec<u32>,
}

impl Conn {
    /// Sends the request's copies on their way.
    pub(super) fn mirror(&self, job: &Job, buffers: &mut Buffers, forward: &Forward) {
        for (params, pool) in forward.mirrors.iter().zip(&job.route.mirrors) {
            match self.copy(job, buffers, forward, params, pool) {
                Some(copy) if self.worker.mirrors.get() < params.at_once => {
                    let (worker, pool) = (Rc::clone(&self.worker), Rc::clone(pool));
                    worker.mirrors.set(worker.mirrors.get() + 1);
                    worker.counters.mirrors.add(1);
                    tokio::task::spawn_local(send(worker, pool, copy));
                }
                Some(_) | None => self.worker.counters.mirrors_dropped.one(),
            }
        }
    }

    /// The copy for one mirror; `None` if its body is not at hand or too large.
    fn copy(
        &self,
        job: &Job,
        buffers: &mut Buffers,
        forward: &Forward,
        params: &Mirror,
        pool: &Rc<Pool>,
    ) -> Option<Copy> {
        let body = self.input.get(job.head_len..job.head_len + job.body_here)?;
        if job.kept == retry::Body::Gone || !job.body.is_done() || body.len() > params.body_max {
            return None;
        }
        let head = self.input.get(..job.head_len)?;
        let Ok(Parsed::Done(request)) = h1::request(head, &job.table.head_limits()) else { return None };
        let node_head = NodeHead {
            prefix: params.path.as_ref().map(|path| (request.path.len(), path.as_bytes())),
            host: &params.host,
            forwarded: forward.forwarded,
            set: &params.set_fields,
            node: None,
            upgrade: false,
        };
        let was_sent = buffers.head.clone();
        node_head.write(&self.context(&request, &job.route), buffers);
        let same_target = first_line(&was_sent) == first_line(&buffers.head);
        let skip = if same_target { reached(buffers, pool) } else { Vec::new() };
        let bytes = [buffers.head.as_slice(), body].concat();
        Some(Copy { bytes, method: job.method, timeout: params.timeout, skip })
    }
}

/// The nodes of `pool` that the request itself was sent to.
fn reached(buffers: &Buffers, pool: &Pool) -> Vec<u32> {
    let names = buffers.tries.iter().filter(|tried| tried.outcome.was_sent()).filter_map(|tried| {
        let node = tried.pool.node(tried.node)?;
        Some(std::sync::Arc::clone(&node.name))
    });
    let names: Vec<_> = names.collect();
    let is_one = |(index, node): (u32, &crate::pool::Node)| names.contains(&node.name).then_some(index);
    (0..).zip(pool.nodes.iter()).filter_map(is_one).collect()
}

fn first_line(head: &[u8]) -> &[u8] {
    head.split(|byte| *byte == b'\n').next().unwrap_or_default()
}

/// Sends one copy and waits for its answer, so that the node gets to take it.
async fn send(worker: Rc<Worker>, pool: Rc<Pool>, copy: Copy) {
    let slot = worker.timers.slot(0);
    slot.hear(ON_NODE);
    slot.set(clock::now() + copy.timeout);
    let result = match pool.pick(Key::None, &copy.skip, clock::now()) {
        None => None,
        Some(index) => deliver(&worker, &slot, &pool, index, &copy).await,
    };
    worker.mirrors.set(worker.mirrors.get() - 1);
    worker.counters.mirrors.sub(1);
    match result {
        Some(()) => worker.counters.mirrors_done.one(),
        None => worker.counters.mirrors_failed.one(),
    }
}

async fn deliver(worker: &Worker, slot: &Slot, pool: &Rc<Pool>, index: u32, copy: &Copy) -> Option<()> {
    let deadline = clock::now() + copy.timeout;
    let node = pool.node(index)?;
    slot.tag(node.tag);
    let mut begun = None;
    let mut up = match pool.take_idle(index, clock::now(), true, &mut begun) {
        Some(up) => up,
        None => {
            let guard = begun.take().or_else(|| pool.begin(index))?;
            node.counters.connects.one();
            guard.fresh(node.connect(slot, pool.params.connect_timeout.min(copy.timeout)).await.ok()?)
        }
    };
    node.counters.requests.one();
    write_rest(&up.stream, slot, (&copy.bytes, &[]), 0, || deadline).await.ok()?;
    let keeps = swallow(worker, slot, &mut up, copy.method).await?;
    if keeps {
        node.keep(up, clock::now());
    }
    Some(())
}

/// Reads an answer to its end. True when the connection can be kept.
async fn swallow(worker: &Worker, slot: &Slot, up: &mut Connection, method: Method) -> Option<bool> {
    let mut head = Vec::new();
    let mut open: Option<(Body, bool)> = None;
    loop {
        if let Some((Body::Done, keeps)) = open {
            return Some(keeps);
        }
        let stream = &mut up.stream;
        let read = slot.wait(|cx| stream.poll_read(cx, &mut worker.lent.borrow_mut())).await.ok()?.ok()?;
        let lent = worker.lent.borrow();
        let bytes = lent.get(..read)?;
        match &mut open {
            Some((Body::UntilClose, _)) if read == 0 => return Some(false),
            _ if read == 0 => return None,
            Some((body, _)) => {
                body.take(bytes).ok()?;
            }
            None => {
                head.extend_from_slice(bytes);
                open = open_answer(&mut head, method)?;
            }
        }
    }
}

/// Reads past interim responses to the final one; `Some(None)` while its head is not whole.
#[expect(clippy::option_option, reason = "not yet and never are different answers")]
fn open_answer(head: &mut Vec<u8>, method: Method) -> Option<Option<(Body, bool)>> {
    loop {
        let (len, open) = match h1::response(head, &HEAD_LIMITS, method).ok()? {
            Parsed::More => return Some(None),
            Parsed::Done(response) if response.status < 200 => (response.len, None),
            Parsed::Done(response) => {
                let mut body = Body::of_response(response.body);
                let behind = head.get(response.len..).unwrap_or_default();
                let used = body.take(behind).ok()?;
                (response.len, Some((body, response.keep_alive && used == behind.len())))
            }
        };
        if open.is_some() {
            return Some(open);
        }
        head.drain(..len);
    }
}

const HEAD_LIMITS: HeadLimits = HeadLimits { request_line: 8192, head: 64 * 1024, fields: h1::MOST_FIELDS };
