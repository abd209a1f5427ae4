//! nginx's variables, in the texts that may have them.

use super::lex::Word;
use crate::config::fault::{Report, did_you_mean};

/// What some variables stand for at a place; these are known when the file is read.
#[derive(Clone, Debug, Default)]
pub(super) struct Fixed {
    /// `$server_name`: the first name of the server.
    pub(super) server_name: String,
    /// `$proxy_host`: the host of `proxy_pass` as it is written, where there is one.
    pub(super) proxy_host: Option<String>,
}

/// Turns a text with `$name` and `${name}` into one with `${part}` as the configuration has it; `None` after a fault.
pub(super) fn template(word: &Word, fixed: &Fixed, report: &mut Report) -> Option<String> {
    let mut text = String::new();
    let mut rest = word.text.as_str();
    let mut good = true;
    while let Some(at) = rest.find('$') {
        text.push_str(&rest[..at]);
        let (name, behind) = variable(&rest[at + 1..]);
        rest = behind;
        match part(name, fixed) {
            Some(part) => text.push_str(&part),
            None => {
                good = false;
                unknown(word, name, report);
            }
        }
    }
    text.push_str(rest);
    good.then_some(text)
}

/// Whether a text has variables.
pub(super) fn has_variables(text: &str) -> bool {
    text.contains('$')
}

fn variable(text: &str) -> (&str, &str) {
    if let Some(braced) = text.strip_prefix('{') {
        return braced.split_once('}').unwrap_or((braced, ""));
    }
    let length = text.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count();
    text.split_at(length)
}

fn part(name: &str, fixed: &Fixed) -> Option<String> {
    if let Some((_, part)) = PARTS.iter().find(|(known, _)| *known == name) {
        return Some(format!("${{{part}}}"));
    }
    if let Some(field) = name.strip_prefix("http_").filter(|field| !field.is_empty()) {
        return Some(format!("${{field:{}}}", field.replace('_', "-")));
    }
    match name {
        "server_name" => Some(fixed.server_name.clone()),
        "proxy_host" => fixed.proxy_host.clone(),
        "https" => Some(String::new()),
        _ => None,
    }
}

fn unknown(word: &Word, name: &str, report: &mut Report) {
    let fault = report.fault(word.span, format!("the variable `${name}` is not known here"));
    let names = PARTS.iter().map(|(known, _)| *known).chain(["server_name", "proxy_host", "https"]);
    match did_you_mean(name, names.clone()) {
        Some(near) => fault.help(format!("did you mean `${near}`?")),
        None => {
            let mut names: Vec<String> = names.map(|known| format!("${known}")).collect();
            names.push("$http_NAME".to_owned());
            fault.help(format!("known are {}", names.join(" ")))
        }
    };
}

/// nginx's names and the configuration's.
const PARTS: [(&str, &str); 14] = [
    ("host", "host"),
    ("remote_addr", "client_address"),
    ("remote_port", "client_port"),
    ("proxy_add_x_forwarded_for", "forwarded_for"),
    ("scheme", "scheme"),
    ("request_method", "method"),
    ("request_uri", "target"),
    ("uri", "path"),
    ("document_uri", "path"),
    ("args", "query"),
    ("query_string", "query"),
    ("server_addr", "server_address"),
    ("server_port", "server_port"),
    ("status", "status"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_become_parts() {
        check("plain", Ok("plain"));
        check("$host:$server_port", Ok("${host}:${server_port}"));
        check("${scheme}://x$request_uri", Ok("${scheme}://x${target}"));
        check("$http_x_real_ip", Ok("${field:x-real-ip}"));
        check("$server_name|$proxy_host|$https|", Ok("a.example|q2t||"));
        check("$proxy_add_x_forwarded_for", Ok("${forwarded_for}"));
    }

    #[test]
    fn others_are_faults() {
        check("$hots", Err("the variable `$hots` is not known here"));
        check("a $ b", Err("the variable `$` is not known here"));
        check("${host", Ok("${host}"));
        check("$http_", Err("the variable `$http_` is not known here"));
        check("$1", Err("the variable `$1` is not known here"));
        check("${é}", Err("the variable `$é` is not known here"));
    }

    fn check(text: &str, expect: Result<&str, &str>) {
        let fixed = Fixed { server_name: "a.example".into(), proxy_host: Some("q2t".into()) };
        let word = Word { text: text.into(), span: crate::config::typed::Span::default(), quoted: false };
        let mut report = Report::default();
        let found = template(&word, &fixed, &mut report);
        let fault = report.found().first().map(|fault| fault.message.clone());
        assert_eq!(
            found.clone().ok_or_else(|| fault.unwrap_or_default()),
            expect.map(str::to_owned).map_err(str::to_owned)
        );
    }
}
