//! From the bytes of a head to a [`Job`] with the head for the node. Nothing waits here.

use std::rc::Rc;

use mainstay_core::{Moment, retry};
use mainstay_wire::h1::{self, Parsed};

use super::Conn;
use super::body::Body;
use super::job::{Account, Job};
use super::route::{Route, Table};
use super::spares::Buffers;
use super::template::{self, Context};
use crate::params::{Action, Forward, HashKey, HostRule, Policy};

/// What has become of the bytes of a head.
pub(super) enum Prepared {
    /// More are needed.
    More,
    /// They are no request that can be served.
    Refused(h1::Fault),
    /// They are one. Its head for the node is in the buffers, unless it differs from node to node.
    Ready(Job),
}

impl Conn {
    /// Reads the head at the start of the input.
    pub(super) fn prepare(&self, buffers: &mut Buffers, begun: Moment) -> Prepared {
        // A listener that is one for TCP now: the next read finds that out and ends the connection.
        let Some(table) = self.table() else { return Prepared::More };
        let request = match h1::request(&self.input, &table.head_limits()) {
            Ok(Parsed::Done(request)) => request,
            Ok(Parsed::More) => return Prepared::More,
            Err(fault) => return Prepared::Refused(fault),
        };
        let (route, missing) = match table.find(request.host, request.path) {
            Some(route) => (route, false),
            None => (table.nowhere(), true),
        };
        let route = Rc::clone(route);
        let mut job = match self.job(&table, &route, &request, begun) {
            Ok(job) => job,
            Err(fault) => return Prepared::Refused(fault),
        };
        job.refusal = if missing { Some(404) } else { refusal(&route, &request, job.body_data) };
        if let (None, Action::Forward(forward)) = (job.refusal, &route.params.action) {
            job.upgrade &= forward.upgrade;
            self.write_node_head(&request, &job, forward, buffers);
        }
        Prepared::Ready(job)
    }

    /// Writes the head for the node, unless it differs from node to node, and what a hash policy looks at.
    pub(super) fn write_node_head(
        &self,
        request: &h1::Request<'_>,
        job: &Job,
        forward: &Forward,
        buffers: &mut Buffers,
    ) {
        let context = self.context(request, &job.route);
        if forward.host != HostRule::Node {
            job.route.node_head(forward, None, job.upgrade).write(&context, buffers);
        }
        let policy = job.route.pool.as_ref().map(|pool| &pool.params.policy);
        if let Some(Policy::Hash(key)) = policy {
            write_key(key, &context, &mut buffers.key);
        }
    }

    /// What templates may speak of.
    pub(super) fn context<'a>(&'a self, request: &'a h1::Request<'a>, route: &'a Route) -> Context<'a> {
        Context {
            request,
            peer: self.peer,
            listening: &self.listening,
            site_name: &route.site_name,
            pool_name: route.pool.as_ref().map_or("", |pool| &pool.params.name),
            status: 0,
            identity: self.stream.identity(),
        }
    }

    fn job(
        &self,
        table: &Rc<Table>,
        route: &Rc<Route>,
        request: &h1::Request<'_>,
        begun: Moment,
    ) -> Result<Job, h1::Fault> {
        let mut body = Body::of_request(request.body);
        let behind = self.input.get(request.len..).unwrap_or_default();
        let here = body.measure(behind)?;
        let another = self.served + 1 < table.limits.requests && !table.limits.idle_timeout.is_zero();
        Ok(Job {
            table: Rc::clone(table),
            route: Rc::clone(route),
            begun,
            method: request.method,
            version: request.version,
            keep: request.keep_alive && another,
            upgrade: request.upgrade.is_some(),
            head_len: request.len,
            body_here: here.used,
            body,
            withheld: request.expect_continue && here.used == 0,
            body_seen: here.used as u64,
            body_data: here.data,
            kept: retry::Body::Kept,
            refusal: None,
            page: None,
            waited: None,
            up: None,
            account: Account::default(),
        })
    }
}

/// The status a request is refused with before anything is done.
fn refusal(route: &Route, request: &h1::Request<'_>, body_data: u64) -> Option<u16> {
    if route.params.internal {
        return Some(404);
    }
    match (request.body, route.params.body_max) {
        (h1::BodyLength::Length(length), Some(most)) if length > most => Some(413),
        (h1::BodyLength::Chunked, Some(most)) if body_data > most => Some(413),
        _ => None,
    }
}

/// Writes what a hash policy looks at; nothing where the request has no such thing.
fn write_key(key: &HashKey, context: &Context<'_>, out: &mut Vec<u8>) {
    match key {
        HashKey::Client => template::write_address(context.peer, out),
        HashKey::Target => out.extend_from_slice(context.request.origin),
        HashKey::Field(name) => out.extend_from_slice(context.request.field(name.as_bytes()).unwrap_or_default()),
    }
}
