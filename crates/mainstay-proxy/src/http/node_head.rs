//! The head a node gets.

use std::sync::Arc;

use mainstay_wire::h1::{ForwardedEdit, HostEdit, RequestEdit};

use super::spares::Buffers;
use super::template::{self, Context};
use crate::params::{Forwarded, HostRule, Template};

/// How a request's head is changed for a node.
pub(crate) struct NodeHead<'a> {
    /// So many bytes of the path are replaced by these.
    pub(crate) prefix: Option<(usize, &'a [u8])>,
    pub(crate) host: &'a HostRule,
    pub(crate) forwarded: Forwarded,
    pub(crate) set: &'a [(Arc<str>, Template)],
    /// Name of the node, once it is known.
    pub(crate) node: Option<&'a str>,
    pub(crate) upgrade: bool,
}

impl NodeHead<'_> {
    /// Writes it into the buffers' `head`, in place of what was there. Allocates only where fields are set.
    pub(crate) fn write(&self, context: &Context<'_>, buffers: &mut Buffers) {
        let Buffers { head, values, .. } = buffers;
        head.clear();
        values.clear();
        let mut fill = |template: &Template| {
            let from = values.len();
            context.fill(template, values);
            from..values.len()
        };
        let set: Vec<_> = self.set.iter().map(|(name, template)| (name.as_bytes(), fill(template))).collect();
        let host = match self.host {
            HostRule::Set(template) => fill(template),
            HostRule::Keep | HostRule::Node => 0..0,
        };
        let client_from = values.len();
        if self.forwarded != Forwarded::Pass {
            template::write_address(context.peer, values);
        }
        let value = |range: std::ops::Range<usize>| values.get(range).unwrap_or_default();
        let set: Vec<_> = set.into_iter().map(|(name, range)| (name, value(range))).collect();
        let host = match (self.host, self.node) {
            (HostRule::Set(_), _) => HostEdit::Set(value(host)),
            (HostRule::Node, Some(node)) => HostEdit::Set(host_of(node)),
            // HTTP/1.0 knows requests without Host, and nodes refuse an empty one.
            (HostRule::Keep, _) if context.request.host.is_none() => HostEdit::Set(context.pool_name.as_bytes()),
            (HostRule::Node | HostRule::Keep, _) => HostEdit::Keep,
        };
        let client = value(client_from..values.len());
        let proto: &[u8] = if context.listening.is_encrypted() { b"https" } else { b"http" };
        let forwarded = match self.forwarded {
            Forwarded::Pass => ForwardedEdit::Pass,
            Forwarded::Append => ForwardedEdit::Append { client, proto },
            Forwarded::Replace => ForwardedEdit::Replace { client, proto },
        };
        let edit =
            RequestEdit { prefix: self.prefix, host, set: &set, forwarded, keep_alive: true, upgrade: self.upgrade };
        context.request.write_head(head, &edit);
    }
}

/// A node's name as a Host; a unix socket has none.
fn host_of(node: &str) -> &[u8] {
    if node.starts_with("unix:") { b"localhost" } else { node.as_bytes() }
}
