//! Text with values filled in per request, and lines of fields.

use std::sync::Arc;

use mainstay_proxy::params::{Part, Template};

use super::Cx;
use crate::config::fault::did_you_mean;
use crate::config::typed::{Span, Spanned};

/// Reads `${name}` in a text; `$${` stands for `${` itself.
pub(super) fn template(cx: &mut Cx<'_>, typed: &Spanned<String>) -> Template {
    read(cx, &typed.value, typed.span)
}

/// The same for text that goes into a field, which no control character may end.
pub(super) fn field_value(cx: &mut Cx<'_>, text: &str, span: Span) -> Template {
    if text.chars().any(|letter| letter.is_control() && letter != '\t') {
        cx.fault(span, "a control character cannot stand in a field").help("leave it out");
    }
    read(cx, text, span)
}

/// Reads `Name: value`.
pub(super) fn field<'t>(cx: &mut Cx<'_>, text: &'t str, span: Span) -> Option<(Arc<str>, &'t str)> {
    let Some((name, value)) = text.split_once(':') else {
        cx.fault(span, format!("\"{text}\" is no field")).help(format!("write \"{text}: value\""));
        return None;
    };
    let name = name.trim();
    if !is_token(name) {
        cx.fault(span, format!("\"{name}\" is no name of a field")).help("write \"Name: value\"");
        return None;
    }
    Some((name.into(), value.trim()))
}

/// Reads a field of a request or an answer that Mainstay may set: not one that frames the message.
pub(super) fn own_field<'t>(cx: &mut Cx<'_>, text: &'t str, span: Span) -> Option<(Arc<str>, &'t str)> {
    let (name, value) = field(cx, text, span)?;
    if FRAMING.iter().any(|framing| framing.eq_ignore_ascii_case(&name)) {
        cx.fault(span, format!("{name} belongs to each connection, so Mainstay writes it itself"))
            .help("leave it out; `upgrade` says whether WebSocket passes");
        return None;
    }
    Some((name, value))
}

/// Whether a text can be a method or the name of a field (RFC 9110, 5.6.2).
pub(super) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

fn read(cx: &mut Cx<'_>, text: &str, span: Span) -> Template {
    let mut parts = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        if let Some(escaped) = rest[..at].strip_suffix('$') {
            plain.push_str(escaped);
            plain.push_str("${");
            rest = &rest[at + 2..];
            continue;
        }
        plain.push_str(&rest[..at]);
        let Some(end) = rest[at..].find('}') else {
            cx.fault(span, "this `${` is never closed").help("write `${name}`, or `$${` for the characters themselves");
            return Template(Vec::new());
        };
        let name = &rest[at + 2..at + end];
        if !plain.is_empty() {
            parts.push(Part::Text(std::mem::take(&mut plain).into()));
        }
        parts.extend(part(cx, name, span));
        rest = &rest[at + end + 1..];
    }
    plain.push_str(rest);
    if !plain.is_empty() {
        parts.push(Part::Text(plain.into()));
    }
    Template(parts)
}

fn part(cx: &mut Cx<'_>, name: &str, span: Span) -> Option<Part> {
    if let Some(field) = name.strip_prefix("field:").filter(|field| is_token(field)) {
        return Some(Part::Field(field.into()));
    }
    if let Some((_, part)) = PARTS.iter().find(|(known, _)| *known == name) {
        return Some(part.clone());
    }
    let names = || PARTS.iter().map(|(name, _)| *name);
    let help = match did_you_mean(name, names()) {
        Some(guess) => format!("did you mean `${{{guess}}}`?"),
        None => format!("there are {} and field:NAME", names().collect::<Vec<_>>().join(", ")),
    };
    cx.fault(span, format!("there is no value `${{{name}}}`")).help(help);
    None
}

/// The values that can be filled in, beside `field:NAME`.
const PARTS: [(&str, Part); 13] = [
    ("host", Part::Host),
    ("client_address", Part::ClientAddress),
    ("client_port", Part::ClientPort),
    ("forwarded_for", Part::ForwardedFor),
    ("scheme", Part::Scheme),
    ("method", Part::Method),
    ("target", Part::Target),
    ("path", Part::Path),
    ("query", Part::Query),
    ("pool", Part::PoolName),
    ("server_address", Part::ServerAddress),
    ("server_port", Part::ServerPort),
    ("status", Part::Status),
];

/// Fields of one connection or of the framing of a message.
const FRAMING: [&str; 8] =
    ["Connection", "Content-Length", "Keep-Alive", "Proxy-Connection", "TE", "Trailer", "Transfer-Encoding", "Upgrade"];
