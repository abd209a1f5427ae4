//! Error pages: another answer in place of an error.

use std::rc::Rc;

use mainstay_core::retry;
use mainstay_wire::h1::{self, Method, Parsed};

use super::body::Body;
use super::job::{Account, Job};
use super::reply::{Own, PLAIN};
use super::route::Route;
use super::spares::Buffers;
use super::{Conn, Flow};
use crate::params::{Action, ErrorPage, Forward};

impl Conn {
    /// Answers with an error page: the text of a route of the same site, what a node answers there, or a place
    /// elsewhere.
    pub(super) async fn answer_page(
        &mut self,
        job: &mut Job,
        buffers: &mut Buffers,
        status: u16,
        page: &ErrorPage,
    ) -> Flow {
        if page.to.starts_with("http://") || page.to.starts_with("https://") {
            let location = Some(page.to.as_bytes().to_vec());
            let status = page.status.unwrap_or(302);
            return self.say(job, buffers, Own { status, location, body: Vec::new(), content_type: PLAIN }).await;
        }
        let path = page.to.split('?').next().unwrap_or_default();
        let shown = page.status.unwrap_or(status);
        let Some(route) = job.table.inside(job.route.site, path.as_bytes()).map(Rc::clone) else {
            return self.say(job, buffers, Own::plain(status)).await;
        };
        match &route.params.action {
            Action::Reply(reply) => {
                let mut body = Vec::new();
                self.with_request(job, |context| context.fill(&reply.body, &mut body));
                let content_type = &reply.content_type;
                self.say(job, buffers, Own { status: shown, location: None, body, content_type }).await
            }
            Action::Forward(forward) => match self.page_head(job, &page.to) {
                Some(head) => self.forward_page(job, buffers, head, (forward, &route), shown).await,
                None => self.say(job, buffers, Own::plain(status)).await,
            },
        }
    }

    /// Asks a node for the page, as nginx does: by GET (HEAD stays HEAD), with the fields of the request and without
    /// its body. The client gets the answer with the status `shown`.
    async fn forward_page(
        &mut self,
        job: &mut Job,
        buffers: &mut Buffers,
        head: Vec<u8>,
        (forward, route): (&Forward, &Rc<Route>),
        shown: u16,
    ) -> Flow {
        let request_input = std::mem::replace(&mut self.input, head);
        let mut own = self.worker.spares.take();
        let mut page = Job {
            table: Rc::clone(&job.table),
            route: Rc::clone(route),
            begun: self.now,
            method: if job.method == Method::Head { Method::Head } else { Method::Get },
            version: job.version,
            keep: job.can_keep(),
            upgrade: false,
            head_len: self.input.len(),
            body_here: 0,
            body: Body::Done,
            withheld: false,
            body_seen: 0,
            body_data: 0,
            kept: retry::Body::Kept,
            refusal: None,
            page: Some(shown),
            waited: None,
            up: None,
            account: Account::default(),
        };
        if let Ok(Parsed::Done(request)) = h1::request(&self.input, &page.table.head_limits()) {
            self.write_node_head(&request, &page, forward, &mut own);
        }
        let before = self.now.since(job.begun);
        let flow = Box::pin(self.forward(&mut page, &mut own, forward)).await;
        self.input = request_input;
        buffers.tries.append(&mut own.tries);
        self.worker.spares.give(own);
        job.account.status = page.account.status;
        job.account.bytes_out += page.account.bytes_out;
        job.account.first_byte = page.account.first_byte.map(|first| before + first);
        flow
    }

    /// The head by which a page is asked for; `None` if the page's path is no target of a request.
    fn page_head(&self, job: &Job, to: &str) -> Option<Vec<u8>> {
        let mut head = Vec::new();
        self.with_request(job, |context| {
            let request = context.request;
            head.extend_from_slice(if job.method == Method::Head { b"HEAD " } else { b"GET " });
            head.extend_from_slice(to.as_bytes());
            head.extend_from_slice(b" HTTP/1.1\r\n");
            h1::write_field(&mut head, b"Host", request.host.unwrap_or(b"localhost"));
            for (name, value) in request.fields() {
                if !OF_THE_BODY.iter().any(|own| name.eq_ignore_ascii_case(own)) {
                    h1::write_field(&mut head, name, value);
                }
            }
            head.extend_from_slice(b"\r\n");
        });
        let is_one = matches!(h1::request(&head, &job.table.head_limits()), Ok(Parsed::Done(_)));
        is_one.then_some(head)
    }
}

/// Fields that speak of a body that is not sent, or of another protocol; and the host, which is written anew.
const OF_THE_BODY: &[&[u8]] = &[
    b"host",
    b"content-length",
    b"transfer-encoding",
    b"content-type",
    b"content-encoding",
    b"trailer",
    b"expect",
    b"upgrade",
];
