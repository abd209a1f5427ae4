//! The rest of an answer, from the node to the client.

use std::time::Duration;

use mainstay_core::retry;
use mainstay_io::clock;
use mainstay_io::timer::Interrupt;
use mainstay_io::transfer::{Transfer, TransferEnd};

use super::answer::Answer;
use super::attempt::Aim;
use super::body::Body;
use super::job::Job;
use super::spares::Buffers;
use super::write::{WriteEnd, write_now, write_rest};
use super::{Conn, Flow};
use crate::params::Forward;
use crate::pool::Connection;
use crate::worker::{CUT, DEMOTED, KILL, ON_NODE};

impl Conn {
    /// Passes on the answer's body as it comes. `Again` when it is through, `Relayed` when the rest needs no task.
    pub(super) async fn relay(
        &mut self,
        job: &mut Job,
        buffers: &mut Buffers,
        aim: &Aim<'_>,
        up: &mut Connection,
        answer: &mut Answer,
    ) -> Flow {
        let forward = aim.forward;
        if self.is_call() && !answer.body.is_done() && job.route.mirrors.is_empty() {
            self.shed(job, buffers);
        }
        if !job.is_sent(buffers) && answer.reads_on {
            match Box::pin(self.duplex(job, buffers, aim, up, answer)).await {
                Flow::Again => {}
                ended => return ended,
            }
        }
        loop {
            if !buffers.spill.is_empty()
                && let Err(flow) = self.push_down(job, buffers).await
            {
                return flow;
            }
            if answer.body.is_done() {
                self.now = clock::now();
                return Flow::Again;
            }
            if self.may_relay(job, buffers, up, answer) {
                return Flow::Relayed;
            }
            if let Some(flow) = self.transfer(job, forward, up, answer).await {
                if let Flow::Again = flow {
                    continue;
                }
                return flow;
            }
            let count = match self.read_body(up, forward).await {
                Ok(0) if matches!(answer.body, Body::UntilClose) => return Flow::Again,
                Ok(count) if count > 0 => count,
                _ => {
                    // The client must not take the part for the whole.
                    job.account.reason = self.lost_in_answer();
                    return Flow::Abort;
                }
            };
            if !self.pass_down(job, buffers, answer, count) {
                job.account.reason = "answer_invalid";
                return Flow::Abort;
            }
        }
    }

    /// Lets go of what only another try or a copy would need, but for the head, which the log tells of. There is no other
    /// try once the answer has begun, and a stream may last for days.
    fn shed(&mut self, job: &mut Job, buffers: &mut Buffers) {
        let spares = &self.worker.spares;
        let head = self.input.get(..job.head_len).unwrap_or_default().to_vec();
        spares.give_bytes(std::mem::replace(&mut self.input, head));
        job.kept = retry::Body::Gone;
        job.body_here = 0;
        let Buffers { head, reply, partial, key, values, .. } = buffers;
        for bytes in [head, reply, partial, key, values] {
            spares.give_bytes(std::mem::take(bytes));
        }
    }

    /// Passes on a large body of known length without copying it. `None` when it has to be copied.
    async fn transfer(
        &mut self,
        job: &mut Job,
        forward: &Forward,
        up: &Connection,
        answer: &mut Answer,
    ) -> Option<Flow> {
        let Body::Length(length) = answer.body else { return None };
        if length < WORTH_SPLICING || up.stream.socket().is_none() || self.stream.socket().is_none() {
            return None;
        }
        let mut transfer = Transfer::new(&self.worker.pipes, length)?;
        self.slot.hear(ON_NODE);
        let mut patience = forward.read_timeout.min(job.table.limits.send_timeout);
        loop {
            let before = transfer.left();
            self.slot.set(clock::now() + patience);
            let ended = self.slot.wait(|cx| transfer.poll(cx, &up.stream, &self.stream)).await;
            job.account.bytes_out += before - transfer.left();
            job.account.reason = match ended {
                Ok(Ok(())) => {
                    answer.body = Body::Done;
                    return Some(Flow::Again);
                }
                Ok(Err(TransferEnd::Unable)) => return None,
                Err(Interrupt::Expired) if transfer.left() < before => continue,
                Err(Interrupt::Signal(signals)) if signals & CUT == 0 => {
                    self.slot.hear(CUT);
                    // What it has said already may still be on its way to a client that is slow.
                    patience = if transfer.waits_for_receiver() { patience } else { patience.min(LAST_WORDS) };
                    continue;
                }
                Err(Interrupt::Signal(signals)) if signals & KILL == 0 => "demoted",
                Ok(Err(TransferEnd::Sender)) => "node_lost_in_answer",
                Ok(Err(TransferEnd::Receiver)) => "client_gone",
                Err(_) if transfer.waits_for_receiver() => "client_does_not_read",
                Err(_) => "node_lost_in_answer",
            };
            return Some(Flow::Abort);
        }
    }

    /// Why the node gave no more of its answer.
    fn lost_in_answer(&self) -> &'static str {
        if self.slot.raised() & DEMOTED == 0 { "node_lost_in_answer" } else { "demoted" }
    }

    async fn read_body(&mut self, up: &mut Connection, forward: &Forward) -> Result<usize, ()> {
        self.slot.hear(ON_NODE);
        self.slot.set(clock::now() + self.patience(forward.read_timeout));
        loop {
            let (worker, stream) = (&self.worker, &mut up.stream);
            match self.slot.wait(|cx| stream.poll_read(cx, &mut worker.lent.borrow_mut())).await {
                Ok(read) => return read.map_err(|_| ()),
                Err(Interrupt::Signal(signals)) if signals & CUT == 0 => {
                    self.slot.hear(CUT);
                    self.slot.set(clock::now() + LAST_WORDS);
                }
                Err(_) => return Err(()),
            }
        }
    }

    /// Passes on the `count` bytes in the lent buffer; what the client does not take at once goes into the spill.
    /// False when they break the protocol.
    pub(super) fn pass_down(
        &mut self,
        job: &mut Job,
        buffers: &mut Buffers,
        answer: &mut Answer,
        count: usize,
    ) -> bool {
        let lent = self.worker.lent.borrow();
        let bytes = lent.get(..count).unwrap_or_default();
        if answer.dechunks {
            let taken = answer.body.take_data(bytes, &mut buffers.spill);
            return taken.is_ok();
        }
        let Ok(used) = answer.body.take(bytes) else { return false };
        answer.node_keeps &= used == count;
        let body = bytes.get(..used).unwrap_or_default();
        // A client that is gone shows itself again when the rest is written.
        let written = write_now(&self.stream, body, &[]).unwrap_or(0);
        job.account.bytes_out += written as u64;
        buffers.spill.extend_from_slice(body.get(written..).unwrap_or_default());
        true
    }

    /// Writes the spill to the client.
    pub(super) async fn push_down(&mut self, job: &mut Job, buffers: &mut Buffers) -> Result<(), Flow> {
        self.slot.hear(KILL);
        let patience = || clock::now() + job.table.limits.send_timeout;
        let written = write_rest(&self.stream, &self.slot, (&buffers.spill, &[]), 0, patience).await;
        match written {
            Ok(()) => {
                job.account.bytes_out += buffers.spill.len() as u64;
                buffers.spill.clear();
                Ok(())
            }
            Err(end) => {
                job.account.reason = match end {
                    WriteEnd::Broken => "client_gone",
                    WriteEnd::Interrupted(Interrupt::Expired) => "client_does_not_read",
                    WriteEnd::Interrupted(Interrupt::Signal(_)) => "killed",
                };
                if let WriteEnd::Interrupted(Interrupt::Expired) = end {
                    self.limit(crate::counters::Limit::SendTimeout);
                }
                Err(Flow::Abort)
            }
        }
    }

    /// Writes an interim response's head, in the buffers' `reply`, to the client.
    pub(super) async fn pass_interim(&mut self, job: &mut Job, buffers: &mut Buffers) -> Result<(), Flow> {
        buffers.spill.extend_from_slice(&buffers.reply);
        let pushed = self.push_down(job, buffers).await;
        self.slot.hear(ON_NODE);
        pushed
    }
}

/// Bodies with so much left are spliced; for less, copying costs less than the system calls that a pipe adds.
const WORTH_SPLICING: u64 = 128 * 1024;
/// How long a node that is out may be silent in the middle of an answer.
pub(super) const LAST_WORDS: Duration = Duration::from_secs(1);
