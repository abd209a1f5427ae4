//! `listen`.

use super::ast::Directive;
use super::lex::Word;
use super::pools::{Kind, slug};
use super::scope::typed;
use super::units;
use super::upstream::{lacks_port, parameter, unknown};
use crate::config::fault::Report;
use crate::config::typed::{Maybe, Span, Spanned};

/// One address of a `server`.
#[derive(Clone, Debug)]
pub(super) struct Address {
    /// As the configuration has it.
    pub(super) at: Spanned<String>,
    /// Whether its server answers for names that no other one has.
    pub(super) default: bool,
    /// Whether clients speak TLS.
    pub(super) ssl: bool,
    /// Connections that wait to be accepted.
    pub(super) backlog: Maybe<u32>,
}

/// Reads one `listen`; with `ipv6only=off` it is two addresses.
pub(super) fn read(directive: &Directive, kind: Kind, report: &mut Report) -> Vec<Address> {
    let span = directive.arg_span(0);
    let Some(at) = address(directive.arg(0), kind, span, report) else { return Vec::new() };
    let mut address = Address { at: typed(at, span), default: false, ssl: false, backlog: None };
    let mut both = false;
    for word in directive.args.iter().skip(1) {
        let (name, value) = word.text.split_once('=').unwrap_or((word.text.as_str(), ""));
        match name {
            "default_server" | "default" if kind == Kind::Http => address.default = true,
            "ssl" => address.ssl = true,
            "http2" if kind == Kind::Http => {}
            "backlog" => address.backlog = parameter(word, units::number(value).filter(|length| *length > 0), report),
            "ipv6only" => match value {
                "on" => {}
                "off" => both = true,
                _ => drop(parameter::<()>(word, None, report)),
            },
            "reuseport" | "bind" | "deferred" | "so_keepalive" | "rcvbuf" | "sndbuf" | "setfib" | "fastopen"
            | "accept_filter" => {}
            _ => refuse(word, name, kind, report),
        }
    }
    let Some(port) = address.at.value.strip_prefix("[::]").map(str::to_owned).filter(|_| both) else {
        return vec![address];
    };
    let v4 = Address { at: typed(port, span), ..address.clone() };
    vec![v4, address]
}

/// A name for the listener of an address: its port, its address and port, or its socket's file name.
pub(super) fn name(at: &str) -> String {
    match at.strip_prefix("unix:") {
        Some(path) => {
            let file = path.rsplit('/').next().unwrap_or(path);
            slug(file.rsplit_once('.').map_or(file, |(stem, _)| stem))
        }
        None => slug(at),
    }
}

/// nginx's forms of an address: `9080`, `*:9080`, `host`, `host:9080`, `[::]:9080`, `unix:/path`.
fn address(text: &str, kind: Kind, span: Span, report: &mut Report) -> Option<String> {
    if let Some(path) = text.strip_prefix("unix:") {
        if path.is_empty() {
            report.fault(span, "`unix:` needs a path").help("as in `listen unix:/run/name.sock;`");
            return None;
        }
        return Some(text.to_owned());
    }
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(format!(":{text}"));
    }
    let text = text.strip_prefix('*').filter(|rest| rest.is_empty() || rest.starts_with(':')).unwrap_or(text);
    if !text.is_empty() && !lacks_port(text) {
        return Some(text.to_owned());
    }
    match kind {
        Kind::Http => Some(format!("{text}:80")),
        Kind::Stream => {
            report.fault(span, "a `listen` of `stream` needs a port").help(format!("as in `listen {text}:22000;`"));
            None
        }
    }
}

fn refuse(word: &Word, name: &str, kind: Kind, report: &mut Report) {
    let why = match name {
        "quic" | "spdy" => "HTTP/1 and HTTP/2 over TCP are spoken here",
        "udp" => "only TCP is carried",
        "proxy_protocol" => "clients with a PROXY header are not understood",
        _ => {
            let known: &[&str] = if kind == Kind::Http { &HTTP_PARAMETERS } else { &HTTP_PARAMETERS[1..] };
            unknown(word, name, known, report);
            return;
        }
    };
    report.fault(word.span, format!("`{}`: {why}", word.text));
}

const HTTP_PARAMETERS: [&str; 11] = [
    "default_server",
    "backlog=",
    "reuseport",
    "ipv6only=",
    "bind",
    "deferred",
    "so_keepalive=",
    "rcvbuf=",
    "sndbuf=",
    "setfib=",
    "fastopen=",
];

#[cfg(test)]
mod tests {
    use super::super::ast::parse;
    use super::*;

    #[test]
    fn forms() {
        for (text, expect) in [
            ("9080", &[":9080"][..]),
            ("*:9080", &[":9080"]),
            ("*", &[":80"]),
            ("0.0.0.0:80", &["0.0.0.0:80"]),
            ("127.0.0.1", &["127.0.0.1:80"]),
            ("[::]:80", &["[::]:80"]),
            ("[::1]", &["[::1]:80"]),
            ("[::]:80 ipv6only=off", &[":80", "[::]:80"]),
            ("[::]:80 ipv6only=on", &["[::]:80"]),
            ("localhost:81", &["localhost:81"]),
            ("unix:/home/ubuntu/tm.ipc", &["unix:/home/ubuntu/tm.ipc"]),
            ("80 default_server reuseport backlog=511 deferred bind so_keepalive=on", &[":80"]),
        ] {
            check(text, Kind::Http, Ok(expect));
        }
        check("22000 so_keepalive=on", Kind::Stream, Ok(&[":22000"]));
    }

    #[test]
    fn faults() {
        for (text, expect) in [
            ("443 quic", "`quic`: HTTP/1 and HTTP/2 over TCP are spoken here"),
            ("80 proxy_protocol", "`proxy_protocol`: clients with a PROXY header are not understood"),
            ("80 defualt_server", "`defualt_server` is not known here"),
            ("80 backlog=x", "`backlog=x` has no good value"),
            ("[::]:80 ipv6only=maybe", "`ipv6only=maybe` has no good value"),
            ("unix:", "`unix:` needs a path"),
        ] {
            check(text, Kind::Http, Err(expect));
        }
        check("127.0.0.1", Kind::Stream, Err("a `listen` of `stream` needs a port"));
        check("53 udp", Kind::Stream, Err("`udp`: only TCP is carried"));
        check("80 default_server", Kind::Stream, Err("`default_server` is not known here"));
    }

    #[test]
    fn names() {
        for (at, expect) in [
            (":9080", "9080"),
            ("127.0.0.1:80", "127-0-0-1-80"),
            ("[::1]:80", "1--80"),
            ("unix:/home/ubuntu/tm.ipc", "tm"),
            ("unix:/", "pool"),
        ] {
            assert_eq!(name(at), expect);
        }
    }

    #[track_caller]
    fn check(text: &str, kind: Kind, expect: Result<&[&str], &str>) {
        let mut report = Report::default();
        let directive = parse(&format!("listen {text};"), 0, &mut report).remove(0);
        let found: Vec<String> = read(&directive, kind, &mut report).into_iter().map(|at| at.at.value).collect();
        let found = report.found().first().map_or(Ok(found), |fault| Err(fault.message.clone()));
        let expect = expect.map(|list| list.iter().map(|at| (*at).to_owned()).collect::<Vec<_>>());
        assert_eq!(found, expect.map_err(str::to_owned), "{text}");
    }
}
