//! Request heads on their way to a node.

use super::fields::{Kind, Line, kind_of};
use super::message::BodyLength;
use super::request::Request;
use super::write::{Runs, content_length, list_field, write_field};

/// What is changed in a request head on its way.
#[derive(Clone, Copy, Debug)]
pub struct RequestEdit<'a> {
    /// So many bytes of the path are replaced by these; the rest of the target goes on byte for byte. They must be bytes
    /// that may stand in a path; a slash is put in front where they do not start with one. No effect on `*`.
    pub prefix: Option<(usize, &'a [u8])>,
    /// What the node sees as `Host`.
    pub host: HostEdit<'a>,
    /// Fields that replace all of their name, in any case; an empty value only removes. Names that belong to framing
    /// and connection (`Host`, `Content-Length`, `Transfer-Encoding`, `Connection`, `TE`, `Upgrade`) have no effect here.
    pub set: &'a [(&'a [u8], &'a [u8])],
    /// What the node is told about the client. Fields named in `set` are left to it.
    pub forwarded: ForwardedEdit<'a>,
    /// Whether the connection to the node is kept; otherwise it is told `close`.
    pub keep_alive: bool,
    /// Whether the request's [`upgrade`](Request::upgrade) is passed on.
    pub upgrade: bool,
}

/// What a node sees as `Host`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostEdit<'a> {
    /// [`Request::host`]; empty where there is none, which only HTTP/1.0 allows: set one then.
    Keep,
    /// This.
    Set(&'a [u8]),
}

/// What a node is told about the client, in `X-Forwarded-For`, `-Proto` and `-Host`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForwardedEdit<'a> {
    /// What the client says.
    Pass,
    /// The client's address is put behind what `X-Forwarded-For` says. The other two are added where the client did
    /// not send them.
    Append {
        /// The client's address.
        client: &'a [u8],
        /// `http` or `https`.
        proto: &'a [u8],
    },
    /// Only this. `X-Forwarded-Port` and `Forwarded` of the client are dropped too.
    Replace {
        /// The client's address.
        client: &'a [u8],
        /// `http` or `https`.
        proto: &'a [u8],
    },
}

impl Request<'_> {
    /// Appends the head as the node gets it to `out`: always HTTP/1.1, in origin form (or `*`), with the body framed
    /// as it came.
    pub fn write_head(&self, out: &mut Vec<u8>, edit: &RequestEdit<'_>) {
        out.reserve(self.head.len() + SPARE);
        let new_host = self.new_host(edit);
        let mut runs = Runs::new(self.head, out);
        let keeps_target = edit.prefix.is_none() && self.authority.is_none() && self.origin.len() == self.target.len();
        if !keeps_target || !self.is_plain {
            runs.leave_out(0, self.line_len);
            self.write_request_line(runs.copy_to(self.line_len), edit.prefix);
        }
        if let Some(host) = new_host {
            write_field(runs.copy_to(self.line_len), b"Host", host);
        }
        let mut judge = |line: Line<'_>| {
            if !self.is_kept(&line, edit, new_host.is_some()) {
                runs.leave_out(line.start, line.end);
            }
        };
        if edit.set.is_empty() {
            self.fields.special_lines(self.head).for_each(&mut judge);
        } else {
            self.fields.lines(self.head).for_each(&mut judge);
        }
        let out = runs.copy_to(self.fields.end());
        self.write_framing(out, edit);
        self.write_forwarded(out, edit);
        for (name, value) in edit.set {
            if !value.is_empty() && !is_ours(name) {
                write_field(out, name, value);
            }
        }
        out.extend_from_slice(b"\r\n");
    }

    fn new_host<'a>(&'a self, edit: &RequestEdit<'a>) -> Option<&'a [u8]> {
        match (edit.host, self.authority, self.host) {
            (HostEdit::Set(host), ..) => Some(host),
            (HostEdit::Keep, Some(authority), _) => Some(authority),
            (HostEdit::Keep, None, None) => Some(b""),
            (HostEdit::Keep, None, Some(_)) => None,
        }
    }

    fn write_request_line(&self, out: &mut Vec<u8>, prefix: Option<(usize, &[u8])>) {
        out.extend_from_slice(self.method_text);
        out.push(b' ');
        let has_path = self.origin.first() != Some(&b'?');
        match prefix.filter(|_| self.path != b"*") {
            None => {
                out.extend_from_slice(if has_path { b"" } else { b"/" });
                out.extend_from_slice(self.origin);
            }
            Some((length, new)) => {
                out.extend_from_slice(if new.first() == Some(&b'/') { b"" } else { b"/" });
                out.extend_from_slice(new);
                let rest = if has_path { self.origin } else { self.path };
                out.extend_from_slice(rest.get(length.min(self.path.len())..).unwrap_or_default());
                out.extend_from_slice(if has_path { b"" } else { self.origin });
            }
        }
        out.extend_from_slice(b" HTTP/1.1\r\n");
    }

    fn is_kept(&self, line: &Line<'_>, edit: &RequestEdit<'_>, has_new_host: bool) -> bool {
        let is_free = || !is_set(edit, |name| line.is_named(name));
        match line.kind {
            Kind::Other => is_free(),
            Kind::Host => !has_new_host,
            Kind::ContentLength => self.fields.plain_length,
            Kind::Upgrade => edit.upgrade && self.upgrade.is_some(),
            Kind::Expect => self.expect_continue && is_free(),
            Kind::ForwardedFor => edit.forwarded == ForwardedEdit::Pass && is_free(),
            Kind::ForwardedProto | Kind::ForwardedHost | Kind::ForwardedOther => {
                !matches!(edit.forwarded, ForwardedEdit::Replace { .. }) && is_free()
            }
            Kind::TransferEncoding | Kind::Connection | Kind::Te | Kind::Hop => false,
        }
    }

    fn write_framing(&self, out: &mut Vec<u8>, edit: &RequestEdit<'_>) {
        match self.body {
            BodyLength::Chunked => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
            BodyLength::Length(length) if !self.fields.plain_length => content_length(out, length),
            BodyLength::Length(_) | BodyLength::None => {}
        }
        let passes_upgrade = edit.upgrade && self.upgrade.is_some();
        let trailers = self.fields.wants_trailers;
        list_field(out, b"TE", &[(trailers, b"trailers")]);
        let options: [(bool, &[u8]); 3] =
            [(!edit.keep_alive, b"close"), (passes_upgrade, b"upgrade"), (trailers, b"TE")];
        list_field(out, b"Connection", &options);
    }

    fn write_forwarded(&self, out: &mut Vec<u8>, edit: &RequestEdit<'_>) {
        let (client, proto, appends) = match edit.forwarded {
            ForwardedEdit::Pass => return,
            ForwardedEdit::Append { client, proto } => (client, proto, true),
            ForwardedEdit::Replace { client, proto } => (client, proto, false),
        };
        let has = |kind| appends && self.fields.special_lines(self.head).any(|line| line.kind == kind);
        let is_free = |name: &[u8]| !is_set(edit, |set| set.eq_ignore_ascii_case(name));
        if is_free(b"X-Forwarded-For") {
            out.extend_from_slice(b"X-Forwarded-For: ");
            let came = self.fields.special_lines(self.head).filter(|line| appends && line.kind == Kind::ForwardedFor);
            for value in came.map(|line| line.value()).filter(|value| !value.is_empty()) {
                out.extend_from_slice(value);
                out.extend_from_slice(b", ");
            }
            out.extend_from_slice(client);
            out.extend_from_slice(b"\r\n");
        }
        if is_free(b"X-Forwarded-Proto") && !has(Kind::ForwardedProto) {
            write_field(out, b"X-Forwarded-Proto", proto);
        }
        if let Some(host) = self.host
            && is_free(b"X-Forwarded-Host")
            && !has(Kind::ForwardedHost)
        {
            write_field(out, b"X-Forwarded-Host", host);
        }
    }
}

/// Whether `set` has a name for which this holds.
fn is_set(edit: &RequestEdit<'_>, is_it: impl Fn(&[u8]) -> bool) -> bool {
    edit.set.iter().any(|(name, _)| is_it(name))
}

/// Whether the fields of this name are written by the rules of framing and connection alone.
pub(crate) fn is_ours(name: &[u8]) -> bool {
    matches!(
        kind_of(name),
        Kind::Host | Kind::ContentLength | Kind::TransferEncoding | Kind::Connection | Kind::Te | Kind::Upgrade
    )
}

/// Room for lines that are added, so that the output is enlarged once at most.
const SPARE: usize = 256;
