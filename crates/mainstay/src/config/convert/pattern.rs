//! Texts to look for, and bytes to send.

use mainstay_proxy::params::Pattern;

use super::Cx;
use crate::config::typed::{Span, Spanned};

/// Reads `text`, `/regex/`, `!text` or `!/regex/`; a leading backslash takes the rest as it stands.
pub(super) fn pattern(cx: &mut Cx<'_>, text: &str, span: Span) -> Option<Pattern> {
    if let Some(rest) = text.strip_prefix('!') {
        return pattern(cx, rest, span).map(|inner| Pattern::Not(Box::new(inner)));
    }
    if text.is_empty() {
        cx.fault(span, "an empty text is found everywhere")
            .help("write the text that is looked for, or leave the key out");
        return None;
    }
    let expression = text.strip_prefix('/').and_then(|rest| rest.strip_suffix('/'));
    let Some(expression) = expression else {
        return Some(Pattern::Text(text.strip_prefix('\\').unwrap_or(text).as_bytes().to_vec()));
    };
    match regex::bytes::Regex::new(expression) {
        Ok(regex) => Some(Pattern::Regex(regex)),
        Err(error) => {
            let shown = error.to_string();
            let what = shown.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            cx.fault(span, format!("`{expression}` is no regular expression: {what}"))
                .help("mend it, or write a backslash in front of the first slash to look for the text itself");
            None
        }
    }
}

/// Reads `\r`, `\n`, `\t`, `\\` and `\xHH` in a text.
pub(super) fn bytes(cx: &mut Cx<'_>, typed: &Spanned<String>) -> Vec<u8> {
    let mut out = Vec::with_capacity(typed.value.len());
    let mut rest = typed.value.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'\\' {
            out.push(*first);
            continue;
        }
        let (byte, used) = match rest {
            [b'r', ..] => (Some(b'\r'), 1),
            [b'n', ..] => (Some(b'\n'), 1),
            [b't', ..] => (Some(b'\t'), 1),
            [b'\\', ..] => (Some(b'\\'), 1),
            [b'x', high, low, ..] => (hex(*high).zip(hex(*low)).map(|(high, low)| high << 4 | low), 3),
            _ => (None, 0),
        };
        let Some(byte) = byte else {
            cx.fault(typed.span, "a backslash stands for nothing here")
                .help(r"write \r, \n, \t, \xHH, or \\ for itself");
            return out;
        };
        out.push(byte);
        rest = rest.get(used..).unwrap_or_default();
    }
    out
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}
