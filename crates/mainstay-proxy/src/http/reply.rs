//! Answers of Mainstay's own.

use std::io::Write as _;
use std::sync::Arc;

use mainstay_core::retry;
use mainstay_io::clock;
use mainstay_wire::h1::{self, Fault, Method, Parsed, Version};

use super::attempt::Failed;
use super::h2;
use super::job::Job;
use super::log::Outcome;
use super::spares::Buffers;
use super::{Conn, Flow};
use crate::counters::Limit;
use crate::params::Reply;

impl Conn {
    /// Answers by a route of its own.
    pub(super) async fn answer_here(&mut self, job: &mut Job, buffers: &mut Buffers, reply: &Reply) -> Flow {
        if reply.status == 444 {
            job.account.reason = "closed_by_route";
            return Flow::Abort;
        }
        let mut text = Vec::new();
        self.with_request(job, |context| context.fill(&reply.body, &mut text));
        let own = if matches!(reply.status, 301 | 302 | 303 | 307 | 308) {
            Own { status: reply.status, location: Some(text), body: Vec::new(), content_type: &reply.content_type }
        } else {
            Own { status: reply.status, location: None, body: text, content_type: &reply.content_type }
        };
        self.say(job, buffers, own).await
    }

    /// Answers a request that is refused before anything is done.
    pub(super) async fn answer_refusal(&mut self, job: &mut Job, buffers: &mut Buffers) -> Flow {
        let status = job.refusal.unwrap_or(400);
        match status {
            413 => {
                self.limit(Limit::BodyTooLarge);
                job.account.reason = "body_too_large";
            }
            _ => job.account.reason = "no_route",
        }
        self.answer_status(job, buffers, status).await
    }

    /// Answers a request whose last try has failed.
    pub(super) async fn answer_failure(&mut self, job: &mut Job, buffers: &mut Buffers, failed: &Failed) -> Flow {
        job.account.reason = failed.outcome.name();
        let status = match (failed.failure, failed.outcome) {
            (retry::Failure::Timeout, _) | (_, Outcome::ConnectTimeout) => 504,
            (_, Outcome::Busy | Outcome::NoResources) => 503,
            // Settled before the answer was let go: cannot be the last word.
            (retry::Failure::Status(status), _) => status,
            _ => 502,
        };
        self.answer_status(job, buffers, status).await
    }

    /// Answers a request whose body is no good.
    pub(super) async fn refuse_body(&mut self, job: &mut Job, buffers: &mut Buffers, status: u16) -> Flow {
        self.note_bad_body(job, status);
        self.answer_status(job, buffers, status).await
    }

    /// Counts a body that is no good, and notes the reason.
    pub(super) fn note_bad_body(&self, job: &mut Job, status: u16) {
        match status {
            408 => {
                self.limit(Limit::BodySlow);
                job.account.reason = "body_slow";
            }
            413 => {
                self.limit(Limit::BodyTooLarge);
                job.account.reason = "body_too_large";
            }
            _ => {
                if let Some(counters) = self.listening.counters() {
                    counters.faults.one(job.account.reason);
                }
            }
        }
    }

    /// Answers bytes that are no request, and ends the connection.
    pub(super) async fn refuse(&mut self, mut buffers: Box<Buffers>, fault: Fault) -> Flow {
        let status = fault.status();
        if let Some(counters) = self.listening.counters() {
            counters.faults.one(fault.name());
        }
        if matches!(status, 414 | 431) {
            self.limit(Limit::HeadTooLarge);
        }
        let flow = self.refuse_head(&mut buffers, status, fault.name()).await;
        self.worker.spares.give(buffers);
        flow
    }

    /// Answers a client that speaks TLS where none is spoken.
    pub(super) async fn refuse_tls(&mut self) -> Flow {
        if let Some(counters) = self.listening.counters() {
            counters.faults.one("tls");
        }
        let mut buffers = self.worker.spares.take();
        let flow = self.refuse_head(&mut buffers, 400, "tls").await;
        self.worker.spares.give(buffers);
        flow
    }

    /// Answers a head that did not come in time.
    pub(super) async fn refuse_slow(&mut self) -> Flow {
        let mut buffers = self.worker.spares.take();
        let flow = self.refuse_head(&mut buffers, 408, "head_slow").await;
        self.worker.spares.give(buffers);
        flow
    }

    /// Nothing is known of the request, not even its version, so the answer is the plainest there is.
    async fn refuse_head(&mut self, buffers: &mut Buffers, status: u16, reason: &'static str) -> Flow {
        let Some(table) = self.table() else { return Flow::Close };
        let mut job = Job::unknown(&table, self.now, self.input.len());
        job.account.reason = reason;
        let flow = self.answer_status(&mut job, buffers, status).await;
        self.log(&job, buffers);
        if flow == Flow::Close { Flow::Linger } else { flow }
    }

    /// Answers with a status, by the route's error page if it has one.
    pub(super) async fn answer_status(&mut self, job: &mut Job, buffers: &mut Buffers, status: u16) -> Flow {
        let route = std::rc::Rc::clone(&job.route);
        let page = route.params.error_pages.iter().find(|page| page.statuses.contains(&status));
        match page.filter(|_| job.page.is_none()) {
            Some(page) => self.answer_page(job, buffers, status, page).await,
            None => self.say(job, buffers, Own::plain(status)).await,
        }
    }

    /// Writes an answer of our own to the client.
    pub(super) async fn say(&mut self, job: &mut Job, buffers: &mut Buffers, own: Own<'_>) -> Flow {
        let keeps = job.can_keep() && buffers.unsent.is_empty() && !self.ending();
        let added = self.added_fields(job, own.status);
        if self.is_call() {
            own.write_call(job, &added, &mut buffers.spill);
        } else {
            own.write(job, keeps, &added, &mut buffers.spill);
        }
        job.account.status = own.status;
        let pushed = self.push_down(job, buffers).await;
        self.now = clock::now();
        match pushed {
            Err(flow) => flow,
            Ok(()) if keeps => Flow::Again,
            Ok(()) => Flow::Close,
        }
    }

    /// The fields the route adds to an answer with this status.
    pub(super) fn added_fields(&self, job: &Job, status: u16) -> Vec<(Arc<str>, Vec<u8>)> {
        let fields = &job.route.params.add_fields;
        let mut added = Vec::new();
        if fields.is_empty() {
            return added;
        }
        let usual = matches!(status, 200 | 201 | 204 | 206 | 301 | 302 | 303 | 304 | 307 | 308);
        self.with_request(job, |context| {
            let context = super::template::Context { status, ..*context };
            for field in fields.iter().filter(|field| field.always || usual) {
                let mut value = Vec::new();
                context.fill(&field.value, &mut value);
                added.push((Arc::clone(&field.name), value));
            }
        });
        added
    }

    /// Looks at the request's head once more. Not for the steady state.
    pub(super) fn with_request(&self, job: &Job, look: impl FnOnce(&super::template::Context<'_>)) {
        let head = self.input.get(..job.head_len).unwrap_or_default();
        if let Ok(Parsed::Done(request)) = h1::request(head, &job.table.head_limits()) {
            look(&self.context(&request, &job.route));
        }
    }
}

/// An answer of our own.
pub(super) struct Own<'a> {
    pub(super) status: u16,
    pub(super) location: Option<Vec<u8>>,
    pub(super) body: Vec<u8>,
    pub(super) content_type: &'a str,
}

impl Own<'_> {
    /// A status with a line that says what it means.
    pub(super) fn plain(status: u16) -> Self {
        let reason = h1::reason(status);
        let body = match status {
            502 => format!("{status} {reason}: the node this request went to gave no good answer\n"),
            503 => format!("{status} {reason}: no node can take this request just now\n"),
            504 => format!("{status} {reason}: no answer from a node in time\n"),
            _ => format!("{status} {reason}\n"),
        };
        Self { status, location: None, body: body.into_bytes(), content_type: PLAIN }
    }

    fn write(&self, job: &Job, keeps: bool, added: &[(Arc<str>, Vec<u8>)], out: &mut Vec<u8>) {
        let status = self.status;
        let bodiless = matches!(status, 204 | 304);
        out.clear();
        // Writing to a vector cannot fail.
        let _ = write!(out, "HTTP/1.1 {status} {}\r\n", h1::reason(status));
        if !bodiless {
            let _ = write!(out, "Content-Type: {}\r\nContent-Length: {}\r\n", self.content_type, self.body.len());
        }
        if let Some(location) = &self.location {
            h1::write_field(out, b"Location", location);
        }
        if status == 503 {
            out.extend_from_slice(b"Retry-After: 1\r\n");
        }
        match (keeps, job.version) {
            (false, _) => out.extend_from_slice(b"Connection: close\r\n"),
            (true, Version::Http10) => out.extend_from_slice(b"Connection: keep-alive\r\n"),
            (true, Version::Http11) => {}
        }
        for (name, value) in added {
            h1::write_field(out, name.as_bytes(), value);
        }
        out.extend_from_slice(b"\r\n");
        if job.method != Method::Head && !bodiless {
            out.extend_from_slice(&self.body);
        }
    }

    /// Writes it as an answer to a call of gRPC: a status of gRPC and nothing else. A route that adds one by itself has its
    /// way.
    fn write_call(&self, job: &Job, added: &[(Arc<str>, Vec<u8>)], out: &mut Vec<u8>) {
        out.clear();
        out.extend_from_slice(b"HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\nContent-Length: 0\r\n");
        if !added.iter().any(|(name, _)| name.eq_ignore_ascii_case("grpc-status")) {
            let reason = job.account.reason;
            h1::write_field(out, b"grpc-status", h2::Status::of(self.status, reason).text().as_bytes());
            let mut message = Vec::new();
            let own = format!("{} {}", self.status, h1::reason(self.status));
            let text = if self.body.is_empty() { own.into() } else { String::from_utf8_lossy(&self.body) };
            let why = if reason.is_empty() { String::new() } else { format!(" ({reason})") };
            h2::write_message(&format!("mainstay: {}{why}", text.trim_end()), &mut message);
            h1::write_field(out, b"grpc-message", &message);
        }
        for (name, value) in added.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("content-type")) {
            h1::write_field(out, name.as_bytes(), value);
        }
        out.extend_from_slice(b"\r\n");
    }
}

pub(super) const PLAIN: &str = "text/plain; charset=utf-8";
