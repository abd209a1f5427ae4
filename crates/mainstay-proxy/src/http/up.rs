//! The rest of a request's body, from the client to the node.

use std::task::Poll;

use mainstay_core::retry;
use mainstay_io::clock;
use mainstay_io::timer::Interrupt;

use super::Conn;
use super::attempt::{Aim, Failed};
use super::job::Job;
use super::spares::Buffers;
use super::write::write_now;
use crate::params::Forward;
use crate::pool::Connection;
use crate::worker::KILL;

/// How sending a body went.
pub(super) enum Upload {
    /// All of it is with the node.
    Sent,
    /// The node says something before it has all of the body.
    NodeSpeaks,
    /// The node does not take it.
    Failed(Failed),
    /// The client sent what is no body, or too much, or too slowly: it gets this status.
    Refused(u16),
    /// Nobody waits for an answer any more: why.
    Abandoned(&'static str),
}

/// What there is to be done.
enum Turn {
    FromClient(std::io::Result<usize>),
    NodeReadable,
}

impl Conn {
    /// Takes the body of a stream's request, if it has come whole, is small and may be kept, as one that came behind its
    /// head: it goes to the node with it.
    ///
    /// # Errors
    /// It is none, or too large: the client gets this status.
    pub(super) fn take_whole(&mut self, job: &mut Job, forward: &Forward) -> Result<(), u16> {
        let Some(over) = self.over.as_ref().filter(|_| !job.body.is_done()) else { return Ok(()) };
        over.take_whole(forward.retry.buffer.max(job.mirrored()).min(MOST_AT_ONCE), &mut self.input);
        let piece = match job.body.measure(self.input.get(job.head_len..).unwrap_or_default()) {
            Ok(piece) => piece,
            Err(fault) => {
                job.account.reason = fault.name();
                return Err(fault.status());
            }
        };
        job.body_here = piece.used;
        job.body_seen = piece.used as u64;
        job.body_data = piece.data;
        job.withheld &= piece.used == 0;
        if job.route.params.body_max.is_some_and(|most| piece.data > most) { Err(413) } else { Ok(()) }
    }

    /// Sends the body as it comes, until all of it is sent or the node speaks.
    pub(super) async fn upload(
        &mut self,
        job: &mut Job,
        buffers: &mut Buffers,
        aim: &Aim<'_>,
        up: &mut Connection,
    ) -> Upload {
        loop {
            if !buffers.unsent.is_empty() {
                match self.push_up(buffers, aim, up).await {
                    Ok(true) => {}
                    Ok(false) => return Upload::NodeSpeaks,
                    Err(failed) => return Upload::Failed(failed),
                }
            }
            if job.body.is_done() {
                return Upload::Sent;
            }
            self.slot.set(clock::now() + self.patience(job.table.limits.body_timeout));
            let (worker, stream, node) = (&self.worker, &mut self.stream, &up.stream);
            let turn = self.slot.wait(|cx| {
                if node.poll_readable(cx).is_ready() {
                    return Poll::Ready(Turn::NodeReadable);
                }
                stream.poll_read(cx, &mut worker.lent.borrow_mut()).map(Turn::FromClient)
            });
            let count = match turn.await {
                Ok(Turn::NodeReadable) => return Upload::NodeSpeaks,
                Ok(Turn::FromClient(Ok(0) | Err(_))) => return Upload::Abandoned("client_gone"),
                Ok(Turn::FromClient(Ok(count))) => count,
                Err(Interrupt::Expired) => return Upload::Refused(408),
                Err(Interrupt::Signal(signals)) if signals & KILL != 0 => return Upload::Abandoned("killed"),
                Err(interrupt) => return Upload::Failed(Failed::of_interrupt(up, interrupt)),
            };
            if let Err(refused) = self.pass_up(job, buffers, aim.forward, up, count) {
                return refused;
            }
        }
    }

    /// Passes on the `count` bytes in the lent buffer; what the node does not take at once is left unsent.
    pub(super) fn pass_up(
        &mut self,
        job: &mut Job,
        buffers: &mut Buffers,
        forward: &Forward,
        up: &Connection,
        count: usize,
    ) -> Result<(), Upload> {
        let lent = self.worker.lent.borrow();
        let bytes = lent.get(..count).unwrap_or_default();
        let piece = match job.body.measure(bytes) {
            Ok(piece) => piece,
            Err(fault) => {
                job.account.reason = fault.name();
                return Err(Upload::Refused(fault.status()));
            }
        };
        let (body, rest) = bytes.split_at_checked(piece.used).unwrap_or((bytes, &[]));
        job.body_seen += body.len() as u64;
        job.body_data += piece.data;
        job.withheld &= body.is_empty();
        if job.route.params.body_max.is_some_and(|most| job.body_data > most) {
            return Err(Upload::Refused(413));
        }
        buffers.rest.extend_from_slice(rest);
        // Before it is written: where that fails, another node may get all of it.
        let most = forward.retry.buffer.max(job.mirrored());
        if job.kept == retry::Body::Kept && job.body_seen <= most as u64 {
            self.input.extend_from_slice(body);
            job.body_here += body.len();
        } else if job.kept == retry::Body::Kept {
            job.kept = retry::Body::Gone;
            self.input.truncate(job.head_len);
            job.body_here = 0;
        }
        let written = write_now(&up.stream, body, &[]).map_err(|_| Upload::Failed(Failed::broken(up)))?;
        buffers.unsent.extend_from_slice(body.get(written..).unwrap_or_default());
        Ok(())
    }

    /// Writes what is unsent to the node. False when the node speaks before it has taken all of it.
    async fn push_up(&mut self, buffers: &mut Buffers, aim: &Aim<'_>, up: &Connection) -> Result<bool, Failed> {
        let mut written = 0;
        while written < buffers.unsent.len() {
            self.now = clock::now();
            let ready = self.wait_for_node(aim, aim.forward.send_timeout, |cx| {
                if up.stream.poll_readable(cx).is_ready() {
                    return Poll::Ready(None);
                }
                up.stream.poll_writable(cx).map(Some)
            });
            match ready.await {
                Ok(Some(Ok(()))) => {}
                Ok(Some(Err(_))) => return Err(Failed::broken(up)),
                Ok(None) => {
                    // What went must not go again when an interim response is all that the node has to say.
                    buffers.unsent.drain(..written);
                    return Ok(false);
                }
                Err(interrupt) => return Err(Failed::of_interrupt(up, interrupt)),
            }
            let left = buffers.unsent.get(written..).unwrap_or_default();
            written += write_now(&up.stream, left, &[]).map_err(|_| Failed::broken(up))?;
        }
        buffers.unsent.clear();
        Ok(true)
    }
}

/// Largest body, framing included, that is sent together with its head.
const MOST_AT_ONCE: usize = 4096;
