//! The `location` blocks of a `server`, nested ones included.

use super::ast::Directive;
use super::scope::{Scope, own};
use crate::config::fault::Report;
use crate::config::typed::Span;

/// One `location`.
#[derive(Debug)]
pub(super) struct Location<'a> {
    /// Which paths.
    pub(super) path: String,
    /// Whether only this path itself.
    pub(super) exact: bool,
    /// Whether clients cannot reach it.
    pub(super) internal: bool,
    /// The block.
    pub(super) directive: &'a Directive,
    /// What holds in it.
    pub(super) scope: Scope<'a>,
}

impl Location<'_> {
    /// From `location` to its path.
    pub(super) fn span(&self) -> Span {
        self.directive.span()
    }

    /// The path as a route of the configuration has it.
    pub(super) fn route(&self) -> String {
        if self.exact { format!("={}", self.path) } else { self.path.clone() }
    }
}

/// Every `location` of a block, in the order of the file. Paths of nested ones are whole paths, so that the longest
/// prefix finds the same block whether they are nested or not.
pub(super) fn collect<'a>(block: &'a [Directive], scope: &Scope<'a>, report: &mut Report) -> Vec<Location<'a>> {
    let mut found = Vec::new();
    collect_in(block, scope, None, &mut found, report);
    found
}

/// The location nginx would take for a path.
pub(super) fn find<'l, 'a>(locations: &'l [Location<'a>], path: &str) -> Option<&'l Location<'a>> {
    let exact = locations.iter().find(|location| location.exact && location.path == path);
    let prefixes = locations.iter().filter(|location| !location.exact && path.starts_with(&location.path));
    exact.or_else(|| prefixes.max_by_key(|location| location.path.len()))
}

fn collect_in<'a>(
    block: &'a [Directive],
    scope: &Scope<'a>,
    parent: Option<usize>,
    found: &mut Vec<Location<'a>>,
    report: &mut Report,
) {
    for directive in own(block, "location") {
        let Some((path, exact)) = path(directive, report) else { continue };
        let span = directive.span();
        let outside = |outer: &&Location<'_>| outer.exact || !path.starts_with(&outer.path);
        if let Some(outer) = parent.and_then(|index| found.get(index)).filter(outside) {
            let message = format!("`{path}` is outside the location `{}` around it", outer.path);
            report.fault(span, message).see(outer.span(), "the one around it");
            continue;
        }
        if let Some(first) = found.iter().find(|known| known.exact == exact && known.path == path) {
            report.fault(span, format!("there is a location `{path}` already")).see(first.span(), "the first one");
            continue;
        }
        let inner = scope.inner(directive.children());
        let internal = own(directive.children(), "internal").next().is_some();
        found.push(Location { path, exact, internal, directive, scope: inner.clone() });
        let index = found.len() - 1;
        collect_in(directive.children(), &inner, Some(index), found, report);
    }
}

fn path(directive: &Directive, report: &mut Report) -> Option<(String, bool)> {
    let first = directive.arg(0);
    let (modifier, path) = match directive.args.len() {
        1 => MODIFIERS
            .iter()
            .find_map(|modifier| first.strip_prefix(modifier).map(|path| (*modifier, path)))
            .unwrap_or(("", first)),
        2 => (first, directive.arg(1)),
        _ => return None,
    };
    let span = directive.span();
    match modifier {
        "" | "^~" | "=" => {}
        "~" | "~*" => {
            let fault = report.fault(span, "locations with regular expressions are not supported");
            fault.help("write a prefix, as in `location /push { ... }`, or `location = /push` for one path");
            return None;
        }
        _ => {
            report.fault(directive.arg_span(0), format!("`{modifier}` is no modifier of a location")).help("= or ^~");
            return None;
        }
    }
    if path.starts_with('@') {
        report.fault(span, "named locations are not supported").help("use a path and `internal`");
        return None;
    }
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"?#\"<>\\^`{|}%".contains(&byte);
    if !path.starts_with('/') || !path.bytes().all(plain) {
        report
            .fault(span, format!("`{path}` is no path as requests carry it"))
            .help("paths start with `/` and are compared byte for byte, without decoding");
        return None;
    }
    Some((path.to_owned(), modifier == "="))
}

const MODIFIERS: [&str; 4] = ["^~", "~*", "~", "="];
