//! A node's answer, from the bytes of its head to what the client gets of it. Nothing waits here.

use std::rc::Rc;

use mainstay_core::retry::{self, Decision};
use mainstay_wire::h1::{self, Connection as Saying, HeadLimits, Parsed, ResponseEdit, Version};

use super::Conn;
use super::attempt::{Aim, Failed};
use super::body::Body;
use super::job::Job;
use super::log::Outcome;
use super::spares::Buffers;
use super::write::write_with_head;
use crate::pool::Connection;

/// An answer whose head is on its way to the client.
pub(super) struct Answer {
    /// What is still to come of its body.
    pub(super) body: Body,
    /// Whether the rest of the request's body is wanted all the same.
    pub(super) reads_on: bool,
    /// Whether its chunks are taken off for a client that does not know them.
    pub(super) dechunks: bool,
    /// Whether the node's connection can carry another request once the body is through.
    pub(super) node_keeps: bool,
    /// Whether the client's can.
    pub(super) client_keeps: bool,
    /// Whether the connection becomes a tunnel.
    pub(super) tunnel: bool,
}

/// What has become of bytes from a node.
pub(super) enum Taken {
    /// More are needed for a head.
    More,
    /// An interim response, its head for the client in the buffers' `reply`.
    Interim,
    /// No answer that may be used.
    Failed(Failed),
    /// An answer in whose place the client gets the page for this status.
    Page(u16),
    /// The answer. Its head, and what came of its body, are written or in the buffers' `spill`.
    Final(Answer),
}

impl Conn {
    /// Takes the `count` bytes in the lent buffer.
    pub(super) fn take_answer(
        &mut self,
        job: &mut Job,
        buffers: &mut Buffers,
        aim: &Aim<'_>,
        up: &Connection,
        count: usize,
    ) -> Taken {
        let worker = Rc::clone(&self.worker);
        let lent = worker.lent.borrow();
        let bytes = lent.get(..count).unwrap_or_default();
        if buffers.partial.is_empty() {
            return self.take_bytes(job, buffers, aim, up, bytes);
        }
        let mut partial = std::mem::take(&mut buffers.partial);
        partial.extend_from_slice(bytes);
        let taken = self.take_bytes(job, buffers, aim, up, &partial);
        if buffers.partial.is_empty() {
            partial.clear();
            buffers.partial = partial;
        }
        taken
    }

    fn take_bytes(
        &mut self,
        job: &mut Job,
        buffers: &mut Buffers,
        aim: &Aim<'_>,
        up: &Connection,
        bytes: &[u8],
    ) -> Taken {
        let invalid = || Taken::Failed(Failed::after(up, retry::Failure::Invalid, Outcome::Invalid));
        let response = match h1::response(bytes, &NODE_HEAD_LIMITS, job.method) {
            Ok(Parsed::Done(response)) => response,
            Ok(Parsed::More) => {
                buffers.partial.extend_from_slice(bytes);
                return Taken::More;
            }
            Err(_) => return invalid(),
        };
        let behind = bytes.get(response.len..).unwrap_or_default();
        match response.status {
            101 if job.upgrade && response.upgrade.is_some() => {
                return self.take_tunnel(job, buffers, &response, behind);
            }
            101 => return invalid(),
            100..200 => {
                job.withheld &= response.status != 100;
                buffers.reply.clear();
                if job.version == Version::Http11 {
                    response.write_head(&mut buffers.reply, &edit(job, Saying::Keep, &[]));
                }
                buffers.partial.extend_from_slice(behind);
                return Taken::Interim;
            }
            _ => {}
        }
        if let Some((failure, outcome)) = self.unwanted(aim, &response) {
            let mut failed = Failed::after(up, failure, outcome);
            let decision = self.again(job, buffers, aim, &failed);
            if !matches!(decision, Decision::Stop(_)) {
                failed.decided = Some(decision);
                return Taken::Failed(failed);
            }
        }
        let params = &job.route.params;
        if params.intercept
            && job.page.is_none()
            && params.error_pages.iter().any(|page| page.statuses.contains(&response.status))
        {
            return Taken::Page(response.status);
        }
        self.take_final(job, buffers, &response, behind).map_or_else(|_| invalid(), Taken::Final)
    }

    /// What kind of failure an answer is, where the rule has a word for it.
    fn unwanted(&self, aim: &Aim<'_>, response: &h1::Response<'_>) -> Option<(retry::Failure, Outcome)> {
        let status = response.status;
        if aim.forward.retry.statuses.contains(&status) {
            return Some((retry::Failure::Status(status), Outcome::Answered(status)));
        }
        self.unavailable(aim, response).map(|outcome| (retry::Failure::Unavailable, outcome))
    }

    fn take_final(
        &mut self,
        job: &mut Job,
        buffers: &mut Buffers,
        response: &h1::Response<'_>,
        behind: &[u8],
    ) -> Result<Answer, h1::Fault> {
        let mut body = Body::of_response(response.body);
        let until_close = matches!(body, Body::UntilClose);
        let dechunks = job.version == Version::Http10 && matches!(body, Body::Chunked(_));
        buffers.spill.clear();
        buffers.reply.clear();
        // A client that was told to wait for `100 Continue` takes the answer for a sign that the body is not wanted.
        let reads_on = !job.is_sent(buffers) && !job.withheld;
        let node_keeps = response.keep_alive && !until_close && (reads_on || job.is_sent(buffers));
        let all_read = job.body.is_done() || (reads_on && node_keeps);
        let client_keeps = job.keep && all_read && !until_close && !dechunks && !self.ending();
        let saying = if client_keeps { Saying::Keep } else { Saying::Close };
        let shown = shown(job, response.status);
        let added = self.added_fields(job, shown.unwrap_or(response.status));
        let added: Vec<_> = added.iter().map(|(name, value)| (name.as_bytes(), value.as_slice())).collect();
        response.write_head(&mut buffers.reply, &ResponseEdit { status: shown, ..edit(job, saying, &added) });
        job.account.status = shown.unwrap_or(response.status);
        let used = if dechunks {
            buffers.spill.extend_from_slice(&buffers.reply);
            body.take_data(behind, &mut buffers.spill)?
        } else {
            let used = body.take(behind)?;
            let now = behind.get(..used).unwrap_or_default();
            // A client that is gone shows itself again when the rest is written.
            let written = write_with_head(&self.stream, &mut buffers.reply, now).unwrap_or(0);
            job.account.bytes_out += written as u64;
            let now_from = written.saturating_sub(buffers.reply.len());
            buffers.spill.extend_from_slice(buffers.reply.get(written..).unwrap_or_default());
            buffers.spill.extend_from_slice(now.get(now_from..).unwrap_or_default());
            used
        };
        let node_keeps = node_keeps && used == behind.len();
        Ok(Answer { body, reads_on, dechunks, node_keeps, client_keeps, tunnel: false })
    }

    fn take_tunnel(
        &mut self,
        job: &mut Job,
        buffers: &mut Buffers,
        response: &h1::Response<'_>,
        behind: &[u8],
    ) -> Taken {
        buffers.reply.clear();
        response.write_head(&mut buffers.reply, &edit(job, Saying::Upgrade, &[]));
        buffers.spill.clear();
        buffers.spill.extend_from_slice(&buffers.reply);
        buffers.spill.extend_from_slice(behind);
        job.account.status = response.status;
        let body = Body::Done;
        let (reads_on, dechunks, node_keeps, client_keeps) = (false, false, false, false);
        Taken::Final(Answer { body, reads_on, dechunks, node_keeps, client_keeps, tunnel: true })
    }
}

fn edit<'a>(job: &Job, connection: Saying, add: &'a [(&'a [u8], &'a [u8])]) -> ResponseEdit<'a> {
    ResponseEdit { add, connection, client: job.version, status: None, dechunk: false }
}

/// The status an error page is shown with in place of the node's own. One that means that there is no body would break
/// the framing, on either side.
fn shown(job: &Job, own: u16) -> Option<u16> {
    let has_no_body = |status| matches!(status, 204 | 304);
    job.page.filter(|wanted| !has_no_body(*wanted) && !has_no_body(own))
}

/// Bounds on what a node may answer. A node is trusted more than a client, but memory is not its to take.
const NODE_HEAD_LIMITS: HeadLimits = HeadLimits { request_line: 8192, head: 64 * 1024, fields: h1::MOST_FIELDS };
