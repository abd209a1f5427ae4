//! A call whose answer has begun: what comes on one of its streams goes on on the other. It has no task, buffer or timer of
//! its own: whoever carries one of the two connections brings what came on it, and the client's looks at the time.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use mainstay_core::Moment;
use mainstay_io::clock;
use mainstay_wire::h1::Fault;
use mainstay_wire::h2::{Code, Fields};

use super::call::{Call, Fate};
use super::grpc::{self, Status};
use super::lane::{End, Lane, Way};
use super::link::Link;
use super::session::Session;
use crate::counters::Limit;
use crate::http::answer::Answer;
use crate::http::body::Body;
use crate::http::down::LAST_WORDS;
use crate::http::job::Job;
use crate::http::log::{Told, Tried, tell};
use crate::http::route::{Route, Table};
use crate::http::spares::Buffers;
use crate::http::{Conn, Open};
use crate::params::Action;
use crate::pool::{Connection, Guard};
use crate::worker::{DEMOTED, KILL, NODE_OUT, ON_NODE};

/// A call under way between a client's stream and a node's.
pub(super) struct Relay {
    session: Rc<Session>,
    link: Rc<Link>,
    /// Its stream on the session.
    client: u32,
    /// Its stream on the link.
    node: u32,
    forth: Lane,
    back: Lane,
    /// When the client gives up waiting, as it said.
    deadline: Option<Moment>,
    /// When it ends because nothing has moved, while something has to.
    stuck_until: Cell<Option<Moment>>,
    /// The node is out, and has a moment for its last words.
    node_is_out: Cell<bool>,
    /// The node gave the stream up; the client gets what came before.
    lost: Cell<Option<Fate>>,
    over: Cell<bool>,
    /// Data of the request, in bytes.
    data: Cell<u64>,
    account: Account,
    _guard: Guard,
}

/// What is told of it in the end.
struct Account {
    table: Rc<Table>,
    route: Rc<Route>,
    open: Open,
    begun: Moment,
    status: u16,
    /// Bytes that the client had sent, and been sent, when it was taken over.
    bytes_in: u64,
    bytes_out: Cell<u64>,
    /// What the access log tells besides; `None` where there is none.
    logged: Option<Box<Logged>>,
}

struct Logged {
    /// Method and target.
    line: Box<[u8]>,
    tries: Box<[Tried]>,
    connect: Option<Duration>,
    first_byte: Option<Duration>,
}

impl Conn {
    /// Whether the rest of a call can be carried without a task: both its sides are streams, its answer has begun, what
    /// came has gone on, and nothing is to be done but to pass on what comes.
    pub(in crate::http) fn may_relay(&self, job: &Job, buffers: &Buffers, up: &Connection, answer: &Answer) -> bool {
        let (Some(exchange), Some(call)) = (&self.over, Call::of(&up.stream)) else { return false };
        exchange.is_grpc
            && matches!(answer.body, Body::Chunked(_))
            && !answer.dechunks
            && (answer.reads_on || job.is_sent(buffers))
            && job.route.mirrors.is_empty()
            && job.page.is_none()
            && buffers.spill.is_empty()
            && buffers.unsent.is_empty()
            && self.slot.raised() & ON_NODE == 0
            && exchange.may_relay(job.body.is_done())
            && call.may_relay(job.body.is_done())
    }

    /// Hands the rest of a call over.
    pub(in crate::http) fn start_relay(&mut self, mut job: Job, buffers: &mut Buffers) {
        let (Some(exchange), Some(up)) = (self.over.take(), job.up.take()) else { return };
        let Some(call) = Call::of(&up.stream).map(Rc::clone) else { return };
        let logged = job.table.access_log.then(|| {
            let head = self.input.get(..job.head_len).unwrap_or_default();
            let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
            Box::new(Logged {
                line: line.into(),
                tries: std::mem::take(&mut buffers.tries).into_boxed_slice(),
                connect: job.account.connect,
                first_byte: job.account.first_byte,
            })
        });
        let relay = Rc::new(Relay {
            session: Rc::clone(exchange.session()),
            link: Rc::clone(call.link()),
            client: exchange.hand_over(),
            node: call.hand_over(),
            forth: Lane::new(job.body.is_done()),
            back: Lane::new(false),
            deadline: exchange.deadline,
            stuck_until: Cell::new(None),
            node_is_out: Cell::new(false),
            lost: Cell::new(None),
            over: Cell::new(false),
            data: Cell::new(job.body_data),
            account: Account {
                open: Open::stream(&self.listening),
                begun: job.begun,
                status: job.account.status,
                bytes_in: (job.head_len as u64 + job.body_seen).saturating_sub(job.body_data),
                bytes_out: Cell::new(job.account.bytes_out),
                logged,
                table: job.table,
                route: job.route,
            },
            _guard: up.into_guard(),
        });
        relay.session.relay(relay.client, &relay);
        relay.link.relay(relay.node, &relay);
    }
}

impl Relay {
    /// A piece of the request came.
    pub(super) fn client_said(&self, bytes: &[u8], end: bool) {
        let data = self.data.get() + bytes.len() as u64;
        self.data.set(data);
        let way = self.forth_way();
        if self.account.route.params.body_max.is_some_and(|most| data > most) {
            way.release(bytes.len());
            self.session.limit(Limit::BodyTooLarge);
            return self.fail("body_too_large");
        }
        let moved = self.forth.push(&way, bytes, end.then_some(End::Plain));
        self.moved(moved);
    }

    /// The request has ended.
    pub(super) fn client_ended(&self, end: Result<End, Fault>) {
        match end {
            Ok(end) => {
                let moved = self.forth.push(&self.forth_way(), &[], Some(end));
                self.moved(moved);
            }
            Err(fault) => {
                self.session.fault(fault.name());
                self.fail(fault.name());
            }
        }
    }

    /// A piece of the answer came.
    pub(super) fn node_said(&self, bytes: &[u8], end: bool) {
        let moved = self.back.push(&self.back_way(), bytes, end.then_some(End::Plain));
        self.went_back(moved);
    }

    /// The answer has ended.
    pub(super) fn node_ended(&self, end: Result<End, Fault>) {
        match end {
            Ok(end) => {
                let moved = self.back.push(&self.back_way(), &[], Some(end));
                self.went_back(moved);
            }
            Err(_) => self.fail("answer_invalid"),
        }
    }

    /// More may be sent to the client.
    pub(super) fn client_has_room(&self) {
        if self.back.is_stuck() {
            let moved = self.back.go_on(&self.back_way());
            self.went_back(moved);
        }
    }

    /// More may be sent to the node.
    pub(super) fn node_has_room(&self) {
        if self.forth.is_stuck() {
            let moved = self.forth.go_on(&self.forth_way());
            self.moved(moved);
        }
    }

    /// Nobody waits for the answer any more.
    pub(super) fn client_left(&self, why: &'static str) {
        self.finish(why);
    }

    /// The node gave the stream up, or is gone.
    pub(super) fn node_left(&self, fate: Fate) {
        // Nothing more goes there; what came before still goes to the client, and that may be all.
        self.forth.close(&self.forth_way());
        if self.back.has_ended() {
            return;
        }
        if self.back.is_stuck() {
            self.lost.set(Some(fate));
        } else {
            self.lose(fate);
        }
    }

    /// What runs on the node hears this.
    pub(super) fn hear(&self, signals: u8) {
        if signals & KILL != 0 {
            self.fail("killed");
        } else if signals & DEMOTED != 0 {
            self.fail("demoted");
        } else if signals & NODE_OUT != 0 {
            self.node_is_out.set(true);
            self.wait_anew();
        }
    }

    /// When it is to be looked at, if nothing happens until then.
    pub(super) fn until(&self) -> Option<Moment> {
        [self.deadline, self.stuck_until.get()].into_iter().flatten().min()
    }

    /// Ends it, if its time is over.
    pub(super) fn expire(&self, now: Moment) {
        let is_over = |until: Option<Moment>| until.is_some_and(|until| until <= now);
        if is_over(self.deadline) {
            self.end_call(Status::DEADLINE_EXCEEDED, "the call's deadline is over", "deadline");
        } else if is_over(self.stuck_until.get()) {
            if self.back.is_stuck() {
                self.session.limit(Limit::SendTimeout);
                self.fail("client_does_not_read");
            } else if self.forth.is_stuck() {
                self.fail("node_does_not_read");
            } else {
                self.fail("node_lost_in_answer");
            }
        }
    }

    fn forth_way(&self) -> Way<'_> {
        Way { from: (&self.session.carrier, self.client), to: (&self.link.carrier, self.node) }
    }

    fn back_way(&self) -> Way<'_> {
        Way { from: (&self.link.carrier, self.node), to: (&self.session.carrier, self.client) }
    }

    /// So many bytes of the answer went to the client.
    fn went_back(&self, moved: usize) {
        let out = &self.account.bytes_out;
        out.set(out.get() + moved as u64);
        if self.back.is_closed() {
            // A call is over with its answer, whatever its client still had to say (RFC 9113 8.1).
            self.session.carrier.with(|connection| connection.reset(self.client, Code::NO_ERROR));
            return self.finish("");
        }
        if let Some(fate) = self.lost.get().filter(|_| !self.back.is_stuck()) {
            return self.lose(fate);
        }
        self.moved(moved);
    }

    /// So many bytes went on: whoever has to move has its time anew.
    fn moved(&self, count: usize) {
        if count > 0 || self.stuck_until.get().is_none() {
            self.wait_anew();
        }
    }

    fn wait_anew(&self) {
        let until = self.patience().map(|patience| clock::now() + patience);
        self.stuck_until.set(until);
        if let Some(until) = until {
            self.session.look_at(until);
        }
    }

    /// How long those may take who have to move; `None`: nobody has to.
    fn patience(&self) -> Option<Duration> {
        let Account { table, route, .. } = &self.account;
        let (to_client, to_node) = (self.back.is_stuck(), self.forth.is_stuck());
        let client = to_client.then_some(table.limits.send_timeout);
        let node = match &route.params.action {
            Action::Forward(forward) if to_node => Some(forward.send_timeout),
            Action::Forward(_) | Action::Reply(_) => None,
        };
        let last = (self.node_is_out.get() && (to_node || !to_client)).then_some(LAST_WORDS);
        [client, node, last].into_iter().flatten().min()
    }

    /// The rest of the answer will not come.
    fn lose(&self, fate: Fate) {
        let Fate::Reset(code) = fate else { return self.fail("node_lost_in_answer") };
        self.session.carrier.with(|connection| connection.reset(self.client, code));
        self.finish("node_lost_in_answer");
    }

    /// Ends the call as one that has failed.
    fn fail(&self, reason: &'static str) {
        self.end_call(Status::of(0, reason), reason, reason);
    }

    fn end_call(&self, status: Status, why: &str, reason: &'static str) {
        if self.over.get() {
            return;
        }
        let mut fields = Fields::new();
        grpc::write_status(status, why, &mut fields);
        self.session.carrier.with(|connection| {
            connection.headers(self.client, fields.iter(), true);
            connection.reset(self.client, Code::NO_ERROR);
        });
        self.finish(reason);
    }

    /// Lets go of both streams; the client's has been told what there was to tell.
    fn finish(&self, reason: &'static str) {
        if self.over.replace(true) {
            return;
        }
        self.forth.close(&self.forth_way());
        self.back.close(&self.back_way());
        // Of a stream that has ended both ways nothing is left that could be given up.
        self.link.carrier.with(|connection| connection.reset(self.node, Code::CANCEL));
        self.link.forget(self.node);
        self.session.forget(self.client);
        self.tell(reason);
    }

    fn tell(&self, reason: &'static str) {
        let Account { table, open, begun, status, bytes_in, bytes_out, logged, .. } = &self.account;
        open.end();
        let logged = logged.as_deref();
        let told = Told {
            peer: self.session.peer,
            identity: self.session.identity.as_deref(),
            head: logged.map_or(&[], |logged| &logged.line),
            status: *status,
            bytes_in: bytes_in + self.data.get(),
            bytes_out: bytes_out.get(),
            tries: logged.map_or(&[], |logged| &logged.tries),
            connect: logged.and_then(|logged| logged.connect),
            first_byte: logged.and_then(|logged| logged.first_byte),
            took: clock::now().since(*begun),
            reason,
        };
        tell(&self.session.worker, &self.session.listening, table.access_log, &told);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every silent call owns this much; the entries of its two streams in the tables of their connections come on top.
    #[test]
    fn a_silent_call_is_small() {
        let size = size_of::<Relay>();
        assert!(size <= 224, "{size} bytes");
    }
}
