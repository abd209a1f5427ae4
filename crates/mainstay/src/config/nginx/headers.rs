//! Fields set on requests (`proxy_set_header`) and added to answers (`add_header`).

use super::ast::Directive;
use super::lex::Word;
use super::scope::{Scope, typed};
use super::vars::{Fixed, has_variables, template};
use crate::config::fault::Report;
use crate::config::typed::{Maybe, Spanned};

/// What `proxy_set_header` or `grpc_set_header` comes to.
#[derive(Debug, Default)]
pub(super) struct Fields {
    /// What the node sees as Host; `None`: nginx's `$proxy_host`.
    pub(super) host: Maybe<String>,
    /// The Host where it is the same for every request.
    pub(super) fixed_host: Maybe<String>,
    /// Other fields, as `Name: value`.
    pub(super) set: Vec<Spanned<String>>,
    /// Whether `Upgrade` goes on.
    pub(super) upgrade: Maybe<bool>,
}

/// Reads the `proxy_set_header`, or those of another family, that hold in a place. `upgrades` are variables that a `map` of
/// `$http_upgrade` made.
pub(super) fn request(
    family: &str,
    scope: &Scope<'_>,
    fixed: &Fixed,
    upgrades: &[String],
    report: &mut Report,
) -> Fields {
    let mut fields = Fields::default();
    for directive in scope.all(&format!("{family}_set_header")) {
        let name = directive.arg(0);
        let value = directive.arg(1);
        match name.to_ascii_lowercase().as_str() {
            "host" => set_host(directive, fixed, &mut fields, report),
            "connection" => connection(directive, upgrades, report),
            "upgrade" if value == "$http_upgrade" || value == "${http_upgrade}" => {
                fields.upgrade = Some(typed(true, directive.span()));
            }
            "upgrade" if value.is_empty() => {}
            "upgrade" | "content-length" | "transfer-encoding" | "keep-alive" | "te" | "trailer" => {
                let message = format!("`{name}` belongs to the connection; Mainstay sets it itself");
                report.fault(directive.span(), message);
            }
            _ if !is_name(name) => bad_name(directive, report),
            _ => {
                let Some(word) = directive.args.get(1) else { continue };
                if let Some(text) = value_of(word, fixed, report) {
                    let text = format!("{name}: {text}");
                    fields.set.push(typed(text.trim_end().to_owned(), directive.span()));
                }
            }
        }
    }
    fields
}

fn set_host(directive: &Directive, fixed: &Fixed, fields: &mut Fields, report: &mut Report) {
    let Some(word) = directive.args.get(1) else { return };
    let text = match word.text.as_str() {
        "$http_host" | "${http_host}" => Some("keep".to_owned()),
        "" => {
            report.fault(word.span, "a request cannot go without Host");
            None
        }
        _ => value_of(word, fixed, report).map(plain_host),
    };
    fields.host = text.map(|text| typed(text, word.span));
    if !has_variables(&word.text) && !word.text.is_empty() {
        fields.fixed_host = Some(typed(word.text.clone(), word.span));
    }
}

/// A host that is called as one of the configuration's own words.
pub(super) fn plain_host(text: String) -> String {
    if matches!(text.as_str(), "keep" | "node") { "${pool}".to_owned() } else { text }
}

/// Connections to nodes are Mainstay's own; the usual words that ask for keep-alive or an upgrade say nothing more.
fn connection(directive: &Directive, upgrades: &[String], report: &mut Report) {
    let value = directive.arg(1);
    let name = value.strip_prefix("${").and_then(|name| name.strip_suffix('}')).or_else(|| value.strip_prefix('$'));
    let known = match name {
        Some("http_connection") => true,
        Some(name) => upgrades.iter().any(|known| known == name),
        None => value.is_empty() || value.eq_ignore_ascii_case("upgrade") || value.eq_ignore_ascii_case("keep-alive"),
    };
    if value.eq_ignore_ascii_case("close") {
        report.note(
            directive.span(),
            "connections to nodes are kept; `keep_idle = 0` of a `[pool]` opens one for each request",
        );
    } else if !known {
        report
            .fault(directive.span(), "`Connection` belongs to the connection; Mainstay sets it itself")
            .help("known are \"\", \"upgrade\", \"keep-alive\", \"close\" and $http_connection");
    }
}

/// Reads the `add_header` that hold in a place, as `Name: value`, with a `!` in front for `always`.
pub(super) fn answer(scope: &Scope<'_>, fixed: &Fixed, report: &mut Report) -> Vec<Spanned<String>> {
    let mut added = Vec::new();
    for directive in scope.all("add_header") {
        let always = match directive.arg(2) {
            "" => "",
            "always" => "!",
            other => {
                report.fault(directive.arg_span(2), format!("`add_header` takes `always`, not `{other}`"));
                continue;
            }
        };
        if !is_name(directive.arg(0)) {
            bad_name(directive, report);
            continue;
        }
        let Some(word) = directive.args.get(1) else { continue };
        if word.text.is_empty() {
            continue;
        }
        if let Some(text) = value_of(word, fixed, report) {
            added.push(typed(format!("{always}{}: {text}", directive.arg(0)), directive.span()));
        }
    }
    added
}

fn value_of(word: &Word, fixed: &Fixed, report: &mut Report) -> Option<String> {
    if word.text.chars().any(char::is_control) {
        report.fault(word.span, "a field's value has no control characters");
        return None;
    }
    template(word, fixed, report)
}

fn bad_name(directive: &Directive, report: &mut Report) {
    report.fault(directive.arg_span(0), format!("`{}` is no name of a field", directive.arg(0)));
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
        && !text.starts_with('!')
}
