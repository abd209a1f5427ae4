//! One connection of the load: sends a request, verifies the answer, again.

use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;

use super::calls::End;
use super::head;
use super::link::Link;
use super::poll::{Interest, Moved, Poll, Target};
use super::tls::Terms;

/// What every connection of a row does.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) target: Target,
    pub(super) request: Arc<[u8]>,
    pub(super) expect: Expect,
    /// A new connection for each request; the answer ends with the connection.
    pub(super) fresh: bool,
}

/// What makes an answer right.
#[derive(Clone, Copy, Debug)]
pub(super) enum Expect {
    /// Status 200 and a body of this length, both said and sent.
    Http(usize),
    /// So many bytes.
    Bytes(usize),
    /// Calls of gRPC, so many at a time.
    Calls(usize),
    /// One call of gRPC at a time, each when it is due.
    Paced,
    /// So many calls of gRPC that have each had one message and stay open.
    Held(usize),
}

/// What an event led to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing yet.
    Pending,
    /// The answer is complete and right.
    Done,
    /// So many are, and as many were asked for again.
    Several(u64),
    /// It is not, and why.
    Wrong(String),
}

/// A connection and the request under way on it.
pub(super) struct Client {
    link: Link,
    state: State,
    partial: Vec<u8>,
    calls: Option<Box<End>>,
    /// When the request should have been sent, whether it could be or not.
    pub(super) due: Instant,
}

#[derive(Clone, Copy)]
enum State {
    Idle,
    Sending(usize),
    AwaitHead,
    /// So many bytes are to come.
    AwaitBytes(usize),
    AwaitEnd,
}

impl Client {
    pub(super) fn connect(poll: &Poll, job: &Job, token: u64) -> Result<Self> {
        let link = Link::open(poll, &job.target, token)?;
        Ok(Self { link, state: State::Idle, partial: Vec::new(), calls: None, due: Instant::now() })
    }

    pub(super) fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle)
    }

    /// What it and the proxy agreed on, with TLS.
    pub(super) fn terms(&self) -> Option<Terms> {
        self.link.terms()
    }

    /// Sends a request; the connection must be idle.
    pub(super) fn start(&mut self, poll: &Poll, job: &Job, due: Instant) -> Result<Step> {
        self.due = due;
        let end = match job.expect {
            Expect::Calls(count) => End::load(count),
            Expect::Held(count) => End::holding(count),
            Expect::Paced => {
                match &mut self.calls {
                    Some(end) => end.call(),
                    None => self.calls = Some(Box::new(End::paced())),
                }
                return self.flush(poll, 0);
            }
            Expect::Http(_) | Expect::Bytes(_) => return self.send(poll, job, 0),
        };
        self.calls = Some(Box::new(end));
        self.flush(poll, 0)
    }

    /// Handles an event.
    pub(super) fn handle(&mut self, poll: &Poll, job: &Job, buffer: &mut [u8]) -> Result<Step> {
        if self.calls.is_some() {
            return self.handle_calls(poll, buffer);
        }
        if let State::Sending(sent) = self.state {
            return self.send(poll, job, sent);
        }
        let count = match self.link.read(poll, buffer)? {
            Moved::Later => return Ok(Step::Pending),
            Moved::End => {
                return Ok(match self.state {
                    State::AwaitEnd => Step::Done,
                    State::Idle => Step::Wrong("closed while idle".to_owned()),
                    _ => Step::Wrong("closed before the answer was complete".to_owned()),
                });
            }
            Moved::Bytes(count) => count,
        };
        let step = match self.state {
            State::AwaitHead => self.head(job, &buffer[..count]),
            State::AwaitBytes(left) => self.bytes(job, left, count),
            _ => Step::Wrong(format!("{count} bytes that nobody asked for")),
        };
        let ended = matches!(self.state, State::AwaitEnd) && step == Step::Pending && self.link.is_over();
        Ok(if ended { Step::Done } else { step })
    }

    fn send(&mut self, poll: &Poll, job: &Job, mut sent: usize) -> Result<Step> {
        while sent < job.request.len() {
            match self.link.write(poll, &job.request[sent..])? {
                Moved::Bytes(count) => sent += count,
                Moved::End => return Ok(Step::Wrong("closed while sending".to_owned())),
                Moved::Later => {
                    self.state = State::Sending(sent);
                    self.link.watch(poll, Interest::Write)?;
                    return Ok(Step::Pending);
                }
            }
        }
        self.link.watch(poll, Interest::Read)?;
        self.state = match job.expect {
            Expect::Http(_) => State::AwaitHead,
            Expect::Bytes(length) => State::AwaitBytes(length),
            Expect::Calls(_) | Expect::Paced | Expect::Held(_) => State::Idle,
        };
        Ok(Step::Pending)
    }

    fn handle_calls(&mut self, poll: &Poll, buffer: &mut [u8]) -> Result<Step> {
        let Some(end) = &mut self.calls else { return Ok(Step::Pending) };
        let done = match self.link.read(poll, buffer)? {
            Moved::Later => 0,
            Moved::End => return Ok(Step::Wrong("closed while calls were under way".to_owned())),
            Moved::Bytes(count) => match end.take(&buffer[..count]) {
                Ok(done) => done,
                Err(why) => return Ok(Step::Wrong(why)),
            },
        };
        self.flush(poll, done)
    }

    /// Writes what the calls have to say.
    fn flush(&mut self, poll: &Poll, done: u64) -> Result<Step> {
        let Some(end) = &mut self.calls else { return Ok(Step::Pending) };
        let mut interest = Interest::Read;
        while !end.out().is_empty() {
            match self.link.write(poll, end.out())? {
                Moved::Bytes(count) => drop(end.out().drain(..count)),
                Moved::End => return Ok(Step::Wrong("closed while sending".to_owned())),
                Moved::Later => {
                    interest = Interest::Write;
                    break;
                }
            }
        }
        self.link.watch(poll, interest)?;
        if end.is_silent() || (end.is_paced() && done > 0) {
            self.state = State::Idle;
            return Ok(Step::Done);
        }
        if end.is_paced() && !end.is_busy() {
            return Ok(Step::Pending);
        }
        self.state = State::AwaitHead;
        Ok(if done == 0 { Step::Pending } else { Step::Several(done) })
    }

    fn head(&mut self, job: &Job, bytes: &[u8]) -> Step {
        if self.partial.is_empty()
            && let Some(end) = head::end(bytes)
        {
            return self.judge(job, &bytes[..end], bytes.len() - end);
        }
        self.partial.extend_from_slice(bytes);
        let Some(end) = head::end(&self.partial) else { return Step::Pending };
        let whole = std::mem::take(&mut self.partial);
        self.judge(job, &whole[..end], whole.len() - end)
    }

    fn judge(&mut self, job: &Job, head: &[u8], body: usize) -> Step {
        let Expect::Http(expected) = job.expect else { return Step::Wrong("a head nobody asked for".to_owned()) };
        if !head.starts_with(b"HTTP/1.1 200 ") || head::length(head) != Some(expected) {
            return Step::Wrong(format!("expected 200 and {expected} bytes, got {}", String::from_utf8_lossy(head)));
        }
        self.bytes(job, expected, body)
    }

    fn bytes(&mut self, job: &Job, left: usize, count: usize) -> Step {
        match left.checked_sub(count) {
            None => Step::Wrong(format!("{} bytes too many", count - left)),
            Some(0) if job.fresh => {
                self.state = State::AwaitEnd;
                Step::Pending
            }
            Some(0) => {
                self.state = State::Idle;
                Step::Done
            }
            Some(left) => {
                self.state = State::AwaitBytes(left);
                Step::Pending
            }
        }
    }
}
