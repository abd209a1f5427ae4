//! What a pool of Canton's participants adds to the rule for retries.

use mainstay_core::retry;
use mainstay_core::retry::canton::{self, Call};
use mainstay_wire::h1::{self, Parsed, ResponseBody};

use super::Conn;
use super::attempt::Aim;
use super::body::Body;
use super::job::Job;
use super::log::Outcome;
use crate::counters::Repeated;
use crate::params::Kind;
use crate::view::Event;

impl Conn {
    /// Whether an answer is a participant's word, and nothing else, that it is not available.
    pub(super) fn unavailable(&self, aim: &Aim<'_>, response: &h1::Response<'_>) -> Option<Outcome> {
        if aim.pool.params.kind != Kind::Canton || !self.is_call() {
            return None;
        }
        let is_all = matches!(response.body, ResponseBody::None | ResponseBody::Length(0));
        if response.status != 200 || !is_all || response.field(b"grpc-status") != Some(b"14") {
            return None;
        }
        let field = |name: &[u8]| response.field(name).unwrap_or_default();
        if canton::is_passive(field(b"grpc-message"), field(b"grpc-status-details-bin")) {
            // It will not take a call for a while: its checks are to see that now.
            self.worker.report(aim.pool, aim.index, Event::Slow);
            return Some(Outcome::Passive);
        }
        Some(Outcome::Unavailable)
    }

    /// What makes it safe to do the call again, though it may have been done; `None` where nothing does.
    pub(super) fn repeated(&self, job: &Job, aim: &Aim<'_>) -> Option<Repeated> {
        // With a prefix, the node sees another path.
        if aim.pool.params.kind != Kind::Canton || !self.is_call() || aim.forward.prefix.is_some() {
            return None;
        }
        let Ok(Parsed::Done(request)) = h1::request(self.input.get(..job.head_len)?, &job.table.head_limits()) else {
            return None;
        };
        match Call::of(request.origin) {
            Call::Read => Some(Repeated::Read),
            Call::Command(layout) if aim.forward.retry.commands => {
                let mut body = Body::of_request(request.body);
                let mut data = Vec::new();
                body.take_data(self.kept_body(job)?, &mut data).ok()?;
                let params = &aim.pool.params;
                let waits = params.hold.time + params.queue.wait + params.connect_timeout;
                let later = self.now.since(job.begun).saturating_add(waits);
                (body.is_done() && canton::is_recognised(layout, &data, later)).then_some(Repeated::Command)
            }
            Call::Command(_) | Call::Other => None,
        }
    }

    /// The body as it came, where all of it is at hand.
    fn kept_body(&self, job: &Job) -> Option<&[u8]> {
        let is_whole = job.kept == retry::Body::Kept && job.body.is_done();
        self.input.get(job.head_len..job.head_len + job.body_here).filter(|_| is_whole)
    }
}
