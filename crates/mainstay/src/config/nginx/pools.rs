//! `upstream` blocks, and the pools that a `proxy_pass` to an address makes by itself.

use std::time::Duration;

use super::ast::Directive;
use super::scope::typed;
use super::upstream;
use crate::config::fault::Report;
use crate::config::typed::{Check, Maybe, Node, Pool, Span, Spanned};

/// What a pool is spoken to with; `http` and `stream` have names of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A pool of `http`.
    Http,
    /// A pool of `stream`.
    Stream,
}

/// Index into [`Pools`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PoolIndex(usize);

/// Every pool of the file.
#[derive(Clone, Debug, Default)]
pub(super) struct Pools {
    drafts: Vec<Draft>,
    /// What those are called whose nodes are spoken to over TLS here and without it there.
    mixed: Vec<(Kind, String)>,
}

#[derive(Clone, Debug)]
struct Draft {
    kind: Kind,
    /// As the file calls it; an implicit pool by its address.
    called: String,
    name: Spanned<String>,
    pool: Pool,
    used: bool,
    /// Whether it is the second of two pools, the one over TLS.
    secure: bool,
}

impl Pools {
    /// Adds an `upstream` block.
    pub(super) fn add(&mut self, directive: &Directive, kind: Kind, report: &mut Report) {
        let called = directive.arg(0).to_owned();
        let span = directive.arg_span(0);
        if let Some(first) = self.find(&called, kind).and_then(|index| self.drafts.get(index.0)) {
            let message = format!("there is an `upstream` called `{called}` already");
            report.fault(span, message).see(first.name.span, "the first one");
            return;
        }
        let name = self.free_name(directive.arg(0), kind);
        let pool = upstream::pool(directive, kind, report);
        self.drafts.push(Draft { kind, called, name: typed(name, span), pool, used: false, secure: false });
    }

    /// The pool an `upstream` block of that name made.
    pub(super) fn find(&self, called: &str, kind: Kind) -> Option<PoolIndex> {
        let same = |draft: &Draft| draft.kind == kind && draft.called.eq_ignore_ascii_case(called);
        self.drafts.iter().position(same).map(PoolIndex)
    }

    /// The pool of one address, which needs no `upstream` block.
    pub(super) fn implicit(&mut self, at: &str, kind: Kind, span: Span) -> PoolIndex {
        if let Some(found) = self.drafts.iter().position(|draft| draft.kind == kind && draft.called == at) {
            return PoolIndex(found);
        }
        let name = self.free_name(at, kind);
        let node = Node { at: typed(at.to_owned(), span), ..Node::default() };
        let pool = Pool { nodes: vec![typed(node, span)], ..Pool::default() };
        self.drafts.push(Draft {
            kind,
            called: at.to_owned(),
            name: typed(name, span),
            pool,
            used: false,
            secure: false,
        });
        PoolIndex(self.drafts.len() - 1)
    }

    /// Notes that a pool's nodes are spoken to in both ways; `of` is where its index is known.
    pub(super) fn mix(&mut self, of: &Self, index: PoolIndex) {
        self.mixed.extend(of.drafts.get(index.0).map(|draft| (draft.kind, draft.called.clone())));
    }

    /// The pool to use where its nodes are spoken to over TLS: one of its own if elsewhere they are not.
    pub(super) fn secure(&mut self, index: PoolIndex, span: Span, report: &mut Report) -> PoolIndex {
        let Some(plain) = self.drafts.get(index.0) else { return index };
        let Draft { kind, called, name, pool, .. } = plain.clone();
        if !self.mixed.contains(&(kind, called.clone())) {
            return index;
        }
        let same = |draft: &Draft| draft.secure && draft.kind == kind && draft.called == called;
        if let Some(found) = self.drafts.iter().position(same) {
            return PoolIndex(found);
        }
        let own = self.free_name(&format!("{}-tls", name.value), kind);
        report
            .note(span, format!("`{called}` is used with TLS here and without it elsewhere, which makes two pools"))
            .help(format!("here it is `{own}`; what is counted and bounded (`max_conns`) holds for each of them"));
        // Who looks for its name finds the other one, which comes first.
        self.drafts.push(Draft { kind, called, name: typed(own, name.span), pool, used: false, secure: true });
        PoolIndex(self.drafts.len() - 1)
    }

    /// The configuration's name of a pool, which is used from here on.
    pub(super) fn used(&mut self, index: PoolIndex) -> String {
        let Some(draft) = self.drafts.get_mut(index.0) else { return String::new() };
        draft.used = true;
        draft.name.value.clone()
    }

    /// Adds a check, unless the pool has it.
    pub(super) fn add_check(&mut self, index: PoolIndex, check: Spanned<Check>) {
        if let Some(draft) = self.drafts.get_mut(index.0)
            && !draft.pool.checks.contains(&check)
        {
            draft.pool.checks.push(check);
        }
    }

    /// Bounds connection attempts; where locations differ, the shortest holds.
    pub(super) fn bound_connect(&mut self, index: PoolIndex, connect: Maybe<Duration>, report: &mut Report) {
        let (Some(draft), Some(connect)) = (self.drafts.get_mut(index.0), connect) else { return };
        match draft.pool.connect {
            Some(earlier) if earlier.value != connect.value => {
                let shortest = earlier.value.min(connect.value);
                draft.pool.connect = Some(typed(shortest, connect.span));
                let name = &draft.name.value;
                let message = format!("the shortest connect time-out holds for every use of `{name}`");
                report.note(connect.span, message).see(earlier.span, "another one");
            }
            Some(_) => {}
            None => draft.pool.connect = Some(connect),
        }
    }

    /// Makes a pool's nodes be spoken to over TLS, in one way.
    pub(super) fn encrypt(&mut self, index: PoolIndex, tls: Spanned<String>, report: &mut Report) {
        let Some(draft) = self.drafts.get_mut(index.0) else { return };
        match &draft.pool.tls {
            Some(earlier) if earlier.value != tls.value => {
                let message = format!("the nodes of `{}` are spoken to over TLS in two ways", draft.name.value);
                report.fault(tls.span, message).help("say the same in both places").see(earlier.span, "the other one");
            }
            _ => draft.pool.tls = Some(tls),
        }
    }

    /// The pools in the order of the file. nginx allows an `upstream` nobody uses; it is left out.
    pub(super) fn finish(self, report: &mut Report) -> Vec<(Spanned<String>, Pool)> {
        let (used, unused): (Vec<Draft>, Vec<Draft>) = self.drafts.into_iter().partition(|draft| draft.used);
        // What a fault is in may have used it.
        let unused = if report.has_faults() { Vec::new() } else { unused };
        for draft in unused {
            report.note(draft.name.span, format!("nothing uses the upstream `{}`; it is left out", draft.called));
        }
        used.into_iter().map(|draft| (draft.name, draft.pool)).collect()
    }

    /// A name of letters, digits, `_`, `-` and `.` that no other pool has.
    fn free_name(&self, wanted: &str, kind: Kind) -> String {
        let plain = if wanted.bytes().all(is_plain) { wanted.to_owned() } else { slug(wanted) };
        let taken = |name: &str| self.drafts.iter().any(|draft| draft.name.value == name);
        if !taken(&plain) {
            return plain;
        }
        let by_kind = format!("{plain}-{}", if kind == Kind::Http { "http" } else { "tcp" });
        if !taken(&by_kind) {
            return by_kind;
        }
        (2_usize..).map(|count| format!("{by_kind}-{count}")).find(|name| !taken(name)).unwrap_or(by_kind)
    }
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_-.".contains(&byte)
}

/// A text as a name.
pub(super) fn slug(text: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-');
    let replaced: String = text.chars().map(|letter| if plain(letter) { letter } else { '-' }).collect();
    let trimmed = replaced.trim_matches('-');
    if trimmed.is_empty() { "pool".to_owned() } else { trimmed.to_owned() }
}
