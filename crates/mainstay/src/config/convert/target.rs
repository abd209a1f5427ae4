//! `to`: the pool that traffic goes to.

use super::Cx;
use crate::config::fault::did_you_mean;
use crate::config::typed::{Span, Spanned};

/// What a `to` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct To {
    pub(super) scheme: Scheme,
    /// Whether it demands that nodes are spoken to over TLS. The pool says how, and may say so without that.
    pub(super) encrypted: bool,
    pub(super) pool: String,
    pub(super) port: Option<u16>,
    /// From its slash on.
    pub(super) path: Option<String>,
}

/// What is spoken to the nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    Http,
    /// HTTP/2, which both know before the first byte.
    Http2,
    Tcp,
}

/// Reads `http://POOL[:PORT][/path]`, the same with `https`, `http2`, `grpc` or `grpcs`, or `tcp://POOL[:PORT]`.
pub(super) fn parse(cx: &mut Cx<'_>, typed: &Spanned<String>) -> Option<To> {
    match split(&typed.value) {
        Ok(to) => Some(to),
        Err((message, help)) => {
            cx.fault(typed.span, message).help(help);
            cx.unsure = true;
            None
        }
    }
}

/// The index of the pool that `to` names.
pub(super) fn pool(cx: &mut Cx<'_>, to: &To, span: Span) -> Option<usize> {
    let pools = &cx.config.pools;
    if let Some(index) = pools.iter().position(|(name, _)| name.value == to.pool) {
        let unsaid = pools.get(index).filter(|(_, pool)| to.encrypted && pool.tls.is_none());
        if let Some((name, _)) = unsaid.filter(|(name, _)| !cx.broken.around(name.span)) {
            cx.fault(span, format!("this wants TLS, and [pool.{}] does not say what its nodes have to show", to.pool))
                .help("add `tls = \"NAME\"` to the pool, and [tls.NAME] with the `ca` of the nodes' certificates")
                .see(name.span, "the pool");
        }
        return Some(index);
    }
    let name = &to.pool;
    let names: Vec<&str> = pools.iter().map(|(name, _)| name.value.as_str()).collect();
    let help = match did_you_mean(name, names.iter().copied()) {
        Some(guess) => format!("did you mean \"{guess}\"?"),
        None if name.contains('.') || names.is_empty() => {
            format!("`to` names a pool: write [pool.NAME] with nodes = [\"{name}\"], and NAME here")
        }
        None => format!("the pools are {}", names.join(", ")),
    };
    cx.fault(span, format!("there is no pool \"{name}\"")).help(help);
    cx.unsure = true;
    None
}

fn split(text: &str) -> Result<To, (String, String)> {
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err((
            format!("\"{text}\" has no scheme"),
            format!("write \"http://{text}\" for HTTP, or \"tcp://{text}\" for bytes"),
        ));
    };
    let encrypted = matches!(scheme, "https" | "grpcs");
    let scheme = match scheme {
        "http" | "https" => Scheme::Http,
        "http2" | "grpc" | "grpcs" => Scheme::Http2,
        "tcp" => Scheme::Tcp,
        "postgres" | "postgresql" => {
            return Err((
                "a database is for a whole listener".to_owned(),
                "write it as `to` of a [listen.NAME] without routes".to_owned(),
            ));
        }
        other => {
            return Err((
                format!("there is no scheme \"{other}\""),
                match other {
                    "h2" | "h2c" => format!("write \"http2://{rest}\" for HTTP/2; over TLS it is \"grpcs://{rest}\""),
                    "http2s" | "h2s" => format!("write \"grpcs://{rest}\" for HTTP/2 over TLS"),
                    _ => format!("there are http, https, http2, grpc, grpcs and tcp, as in \"http://{rest}\""),
                },
            ));
        }
    };
    let (authority, path) = match rest.find('/') {
        Some(at) => (&rest[..at], Some(&rest[at..])),
        None => (rest, None),
    };
    let (pool, port) = match authority.split_once(':') {
        Some((pool, port)) => (pool, Some(port)),
        None => (authority, None),
    };
    let port = match port {
        None => None,
        Some(port) => match port.parse::<u16>().ok().filter(|number| *number > 0 && number.to_string() == port) {
            Some(number) => Some(number),
            None => {
                return Err((
                    format!("\"{text}\": there is no port \"{port}\""),
                    "write a port from 1 to 65535".to_owned(),
                ));
            }
        },
    };
    if pool.is_empty() {
        return Err((
            format!("\"{text}\" names no pool"),
            "write \"http://POOL\" with the name of a [pool.NAME]".to_owned(),
        ));
    }
    if scheme == Scheme::Tcp && path.is_some() {
        return Err((format!("\"{text}\": bytes have no path"), format!("write \"tcp://{authority}\"")));
    }
    if let Some(bad) = path.and_then(|path| path.chars().find(|letter| !is_path_letter(*letter))) {
        return Err((
            format!("\"{text}\": {bad:?} cannot stand in a path"),
            "write a path without query, blanks or letters beyond ASCII".to_owned(),
        ));
    }
    Ok(To { scheme, encrypted, pool: pool.to_owned(), port, path: path.map(str::to_owned) })
}

/// What may stand in a path as it goes over the wire.
pub(super) fn is_path_letter(letter: char) -> bool {
    letter.is_ascii_graphic() && letter != '?' && letter != '#'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn split_texts() {
        for (text, expect) in [
            ("http://tessera", "Http tessera None None"),
            ("http://tessera:9101/push", "Http tessera Some(9101) Some(\"/push\")"),
            ("grpc://participant1:4001", "Http2 participant1 Some(4001) None"),
            ("http2://tessera/push", "Http2 tessera None Some(\"/push\")"),
            ("tcp://quorum:8545", "Tcp quorum Some(8545) None"),
            ("quorum", "! \"quorum\" has no scheme"),
            ("https://a", "Http+tls a None None"),
            ("grpcs://a:4001", "Http2+tls a Some(4001) None"),
            ("tcps://a", "! there is no scheme \"tcps\""),
            ("udp://a", "! there is no scheme \"udp\""),
            ("http://a:0", "! \"http://a:0\": there is no port \"0\""),
            ("http://a:port", "! \"http://a:port\": there is no port \"port\""),
            ("http://", "! \"http://\" names no pool"),
            ("tcp://a/b", "! \"tcp://a/b\": bytes have no path"),
            ("http://a/b?c", "! \"http://a/b?c\": '?' cannot stand in a path"),
        ] {
            let found = match split(text) {
                Ok(To { scheme, encrypted, pool, port, path }) => {
                    format!("{scheme:?}{} {pool} {port:?} {path:?}", if encrypted { "+tls" } else { "" })
                }
                Err((message, _)) => format!("! {message}"),
            };
            assert_eq!(found, expect);
        }
    }
}
