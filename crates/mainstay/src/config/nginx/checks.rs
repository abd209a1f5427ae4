//! `health_check` and the `match` blocks it names.

use super::ast::Directive;
use super::lex::Word;
use super::scope::{own, typed};
use super::units;
use super::upstream::{parameter, unknown};
use crate::config::fault::{Report, did_you_mean};
use crate::config::typed::{Check, Maybe, Spanned};

/// An HTTP check. Its good statuses are 200 to 399 unless a `match` says otherwise, as Mainstay has it too; `blocks` are the directives of `http`.
pub(super) fn http(directive: &Directive, blocks: &[Directive], report: &mut Report) -> Option<Spanned<Check>> {
    let parameters = Parameters::read(directive, &HTTP_PARAMETERS, report)?;
    let mut check = parameters.check;
    check.http = Some(parameters.uri.unwrap_or_else(|| typed("/".to_owned(), directive.span())));
    if let Some(name) = parameters.matches {
        for line in matching(&name, blocks, report)?.children() {
            http_line(line, &mut check, report);
        }
    }
    Some(typed(check, directive.span()))
}

/// A TCP check; `blocks` are the directives of `stream`.
pub(super) fn stream(directive: &Directive, blocks: &[Directive], report: &mut Report) -> Option<Spanned<Check>> {
    let parameters = Parameters::read(directive, &STREAM_PARAMETERS, report)?;
    let mut check = parameters.check;
    check.tcp = Some(typed(true, directive.span()));
    if let Some(name) = parameters.matches {
        for line in matching(&name, blocks, report)?.children() {
            match line.name.text.as_str() {
                "send" => check.send = Some(typed(bytes(line.arg(0)), line.arg_span(0))),
                "expect" => check.expect = expected(line, report),
                _ => {}
            }
        }
    }
    Some(typed(check, directive.span()))
}

struct Parameters {
    check: Check,
    uri: Maybe<String>,
    matches: Maybe<String>,
}

impl Parameters {
    fn read(directive: &Directive, known: &[&str], report: &mut Report) -> Option<Self> {
        let span = directive.span();
        let mut check = Check {
            every: Some(typed(INTERVAL, span)),
            rise: Some(typed(1, span)),
            fall: Some(typed(1, span)),
            ..Check::default()
        };
        let (mut uri, mut matches) = (None, None);
        for word in &directive.args {
            let (name, value) = word.text.split_once('=').unwrap_or((word.text.as_str(), ""));
            let is_known = known.iter().any(|known| known.trim_end_matches('=') == name);
            match name {
                _ if !is_known => unknown(word, name, known, report),
                "interval" => check.every = parameter(word, units::time(value).filter(|time| !time.is_zero()), report),
                "fails" => check.fall = parameter(word, units::number(value).filter(|fails| *fails > 0), report),
                "passes" => check.rise = parameter(word, units::number(value).filter(|passes| *passes > 0), report),
                "port" => check.port = parameter(word, units::number(value).filter(|port| *port > 0), report),
                "uri" => uri = parameter(word, Some(value.to_owned()).filter(|uri| uri.starts_with('/')), report),
                "match" => matches = parameter(word, Some(value.to_owned()).filter(|name| !name.is_empty()), report),
                "jitter" | "keepalive_time" => {
                    parameter(word, units::time(value), report);
                }
                _ => {}
            }
        }
        Some(Self { check, uri, matches })
    }
}

fn matching<'a>(name: &Spanned<String>, blocks: &'a [Directive], report: &mut Report) -> Option<&'a Directive> {
    let found = own(blocks, "match").find(|block| block.arg(0) == name.value);
    if found.is_none() {
        let fault = report.fault(name.span, format!("there is no `match` called `{}` here", name.value));
        if let Some(near) = did_you_mean(&name.value, own(blocks, "match").map(|block| block.arg(0))) {
            fault.help(format!("did you mean `{near}`?"));
        }
    }
    found
}

fn http_line(line: &Directive, check: &mut Check, report: &mut Report) {
    match line.name.text.as_str() {
        "status" => check.status.extend(statuses(line, report)),
        "header" => check.fields.extend(field(line, report)),
        "body" => {
            let negated = match line.arg(0) {
                "~" => "",
                "!~" => "!",
                other => {
                    let message = format!("`body` takes `~` or `!~` and an expression, not `{other}`");
                    report.fault(line.arg_span(0), message);
                    return;
                }
            };
            check.body = Some(typed(format!("{negated}/{}/", line.arg(1)), line.arg_span(1)));
        }
        _ => {}
    }
}

/// `status 200 300-399;` or, for all others, `status ! 500;`.
fn statuses(line: &Directive, report: &mut Report) -> Vec<Spanned<String>> {
    let negated = line.arg(0) == "!";
    let mut ranges = Vec::new();
    for word in line.args.iter().skip(usize::from(negated)) {
        match range(word) {
            Some(range) => ranges.push((range, word.span)),
            None => {
                report.fault(word.span, format!("`{}` is no status", word.text)).help("as in 200 or 200-399");
            }
        }
    }
    if !negated {
        return ranges.iter().map(|((from, to), span)| typed(show(*from, *to), *span)).collect();
    }
    let mut good = Vec::new();
    let mut from = 200;
    ranges.sort_by_key(|(range, _)| *range);
    for ((low, high), _) in ranges {
        if low > from {
            good.push(typed(show(from, low - 1), line.span()));
        }
        from = from.max(high + 1);
    }
    if from <= 599 {
        good.push(typed(show(from, 599), line.span()));
    }
    good
}

fn range(word: &Word) -> Option<(u16, u16)> {
    let (from, to) = word.text.split_once('-').unwrap_or((&word.text, &word.text));
    let (from, to) = (units::number(from)?, units::number(to)?);
    (100 <= from && from <= to && to <= 599).then_some((from, to))
}

fn show(from: u16, to: u16) -> String {
    if from == to { from.to_string() } else { format!("{from}-{to}") }
}

/// `header Name;`, `header Name = value;`, `header Name ~ expression;` and their opposites.
fn field(line: &Directive, report: &mut Report) -> Maybe<String> {
    let name = line.arg(0);
    let (operator, value) = (line.arg(1), line.arg(2));
    let pattern = match (operator, line.args.len()) {
        ("", 1) if name != "!" => "/^/".to_owned(),
        ("=", 3) => format!("/^{}$/", escape(value)),
        ("!=", 3) => format!("!/^{}$/", escape(value)),
        ("~", 3) => format!("/{value}/"),
        ("!~", 3) => format!("!/{value}/"),
        (_, 2) if name == "!" => {
            report.fault(line.span(), "that a field is absent cannot be checked");
            return None;
        }
        _ => {
            report.fault(line.span(), "`header` takes a name, or a name, one of = != ~ !~ and a value");
            return None;
        }
    };
    Some(typed(format!("{name}: {pattern}"), line.span()))
}

fn expected(line: &Directive, report: &mut Report) -> Maybe<String> {
    match line.args.as_slice() {
        [text] => Some(typed(literal(&text.text), text.span)),
        [tilde, expression] if tilde.text == "~" => Some(typed(format!("/{}/", expression.text), expression.span)),
        _ => {
            report.fault(line.span(), "`expect` takes a text, or `~` and an expression");
            None
        }
    }
}

/// Bytes to send, as the configuration has them: `\xHH` stays, control characters are escaped.
fn bytes(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        match letter {
            '\r' => shown.push_str("\\r"),
            '\n' => shown.push_str("\\n"),
            '\t' => shown.push_str("\\t"),
            '\\' if is_hex(rest) => shown.push('\\'),
            '\\' => shown.push_str("\\\\"),
            letter if letter.is_ascii_control() => shown.push_str(&format!("\\x{:02x}", u32::from(letter))),
            letter => shown.push(letter),
        }
        rest = &rest[letter.len_utf8()..];
    }
    shown
}

/// A text to look for, as the configuration has it: an expression where the plain text would be misread.
fn literal(text: &str) -> String {
    let plain = !text.starts_with(['/', '!']) && !text.contains(|letter: char| letter == '\\' || letter.is_control());
    if plain {
        return text.to_owned();
    }
    let mut shown = String::new();
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        if letter == '\\' && is_hex(rest) {
            shown.push('\\');
        } else {
            shown.push_str(&escape(letter.encode_utf8(&mut [0; 4])));
        }
        rest = &rest[letter.len_utf8()..];
    }
    format!("/(?-u){shown}/")
}

fn is_hex(text: &str) -> bool {
    matches!(text.as_bytes(), [b'\\', b'x', a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit())
}

/// A text as an expression that fits it alone.
fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for letter in text.chars() {
        match letter {
            '\r' => escaped.push_str("\\r"),
            '\n' => escaped.push_str("\\n"),
            '\t' => escaped.push_str("\\t"),
            letter if letter.is_ascii_control() => escaped.push_str(&format!("\\x{:02x}", u32::from(letter))),
            letter if letter.is_ascii_punctuation() && letter != '/' && letter != '_' => {
                escaped.push('\\');
                escaped.push(letter);
            }
            letter => escaped.push(letter),
        }
    }
    escaped
}

const HTTP_PARAMETERS: [&str; 10] = [
    "uri=",
    "port=",
    "interval=",
    "jitter=",
    "fails=",
    "passes=",
    "match=",
    "mandatory",
    "persistent",
    "keepalive_time=",
];
const STREAM_PARAMETERS: [&str; 8] =
    ["port=", "interval=", "jitter=", "fails=", "passes=", "match=", "mandatory", "persistent"];
/// nginx's time between checks where `health_check` says none.
const INTERVAL: std::time::Duration = std::time::Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::super::ast::parse;
    use super::*;

    #[test]
    fn nginx_defaults_hold() {
        let check = one("health_check;", http).unwrap();
        assert_eq!(check.http.unwrap().value, "/");
        assert_eq!(check.every.unwrap().value, INTERVAL);
        assert_eq!((check.rise.unwrap().value, check.fall.unwrap().value), (1, 1));
        assert!(check.status.is_empty());
        assert_eq!(check.port, None);
    }

    #[test]
    fn parameters_are_read() {
        let text = "health_check port=9000 uri=/upcheck interval=2s fails=3 passes=2 jitter=1s mandatory persistent;";
        let check = one(text, http).unwrap();
        assert_eq!(check.http.unwrap().value, "/upcheck");
        assert_eq!(check.port.unwrap().value, 9000);
        assert_eq!(check.every.unwrap().value.as_secs(), 2);
        assert_eq!((check.rise.unwrap().value, check.fall.unwrap().value), (2, 3));
    }

    #[test]
    fn match_blocks_say_what_is_good() {
        let text = r#"health_check match=ok; match ok { status 200 300-399; header Content-Type = text/html;
            header X; header Y !~ bad; body ~ "I'm up"; }"#;
        let check = one(text, http).unwrap();
        assert_eq!(values(&check.status), ["200", "300-399"]);
        assert_eq!(values(&check.fields), [r"Content-Type: /^text/html$/", "X: /^/", "Y: !/bad/"]);
        assert_eq!(check.body.unwrap().value, "/I'm up/");
        let check = one("health_check match=ok; match ok { status ! 500-502 404; body !~ down; }", http).unwrap();
        assert_eq!(values(&check.status), ["200-403", "405-499", "503-599"]);
        assert_eq!(check.body.unwrap().value, "!/down/");
    }

    #[test]
    fn tcp_sends_and_expects() {
        let text = r#"health_check match=ping; match ping { send "PING\r\n\x00"; expect ~ "^\+PONG"; }"#;
        let check = one(text, stream).unwrap();
        assert_eq!(check.send.unwrap().value, r"PING\r\n\x00");
        assert_eq!(check.expect.unwrap().value, r"/^\+PONG/");
        for (text, expect) in [("+PONG", "+PONG"), (r"\x2b!", r"/(?-u)\x2b\!/"), ("/a", "/(?-u)/a/"), ("é", "é")] {
            assert_eq!(literal(text), expect);
        }
    }

    #[test]
    fn others_are_faults() {
        for (text, expect) in [
            ("health_check prot=9000;", "`prot=9000` is not known here"),
            ("health_check port=port1;", "`port=port1` has no good value"),
            ("health_check interval=0;", "`interval=0` has no good value"),
            ("health_check uri=upcheck;", "`uri=upcheck` has no good value"),
            ("health_check match=okk; match ok { status 200; }", "there is no `match` called `okk` here"),
            ("health_check match=ok; match ok { status 99; }", "`99` is no status"),
            ("health_check match=ok; match ok { header ! X; }", "that a field is absent cannot be checked"),
            ("health_check match=ok; match ok { body = x; }", "`body` takes `~` or `!~` and an expression, not `=`"),
            ("health_check type=grpc;", "`type=grpc` is not known here"),
        ] {
            assert_eq!(one(text, http), Err(expect.to_owned()), "{text}");
        }
        assert_eq!(one("health_check uri=/;", stream), Err("`uri=/` is not known here".to_owned()));
    }

    type Reader = fn(&Directive, &[Directive], &mut Report) -> Option<Spanned<Check>>;

    fn one(text: &str, read: Reader) -> Result<Check, String> {
        let mut report = Report::default();
        let parsed = parse(text, 0, &mut report);
        let check = read(&parsed[0], &parsed, &mut report);
        match report.found().first() {
            Some(fault) => Err(fault.message.clone()),
            None => Ok(check.unwrap().value),
        }
    }

    fn values(list: &[Spanned<String>]) -> Vec<&str> {
        list.iter().map(|entry| entry.value.as_str()).collect()
    }
}
