//! Which server answers what.

use hyper::body::Bytes;
use hyper::header::{ACCEPT, CONTENT_TYPE};
use hyper::http::request::Parts;

use super::args::Behaviour;
use super::node::Node;
use super::reply::Reply;
use super::{p2p, q2t, third};

/// One of the three servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Server {
    Q2t,
    P2p,
    Third,
}

impl Server {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Q2t => "q2t",
            Self::P2p => "p2p",
            Self::Third => "third",
        }
    }
}

/// A request as a server sees it.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) method: String,
    /// The path cut at its slashes, each piece decoded.
    pub(super) path: Vec<String>,
    pub(super) body: Bytes,
    parts: Parts,
}

impl Asked {
    pub(super) fn new(parts: Parts, body: Bytes) -> Self {
        let method = if parts.method == "HEAD" { "GET".to_owned() } else { parts.method.to_string() };
        let path = parts.uri.path().trim_start_matches('/').split('/').map(decoded).collect();
        Self { method, path, body, parts }
    }

    /// The value of a header; empty without one.
    pub(super) fn header(&self, name: &str) -> &str {
        self.parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Refuses what is not JSON, and who wants something else.
    pub(super) fn is_json(&self) -> Result<(), Reply> {
        let fits =
            |header: &str, any: bool| header.contains("json") || (any && (header.is_empty() || header.contains("*/*")));
        if !fits(self.header(CONTENT_TYPE.as_str()), false) {
            return Err(Reply::misreported("415 Unsupported Media Type"));
        }
        if !fits(self.header(ACCEPT.as_str()), true) {
            return Err(Reply::misreported("406 Not Acceptable"));
        }
        Ok(())
    }

    /// The kind of JSON that an answer has.
    pub(super) fn json_kind(&self, node: &Node) -> &'static str {
        let accept = self.header(ACCEPT.as_str());
        let old = node.behaves(Behaviour::T011) || accept.contains("application/json");
        if old { "application/json" } else { "application/vnd.tessera-2.1+json" }
    }
}

/// Answers a request.
pub(super) async fn answer(server: Server, node: &Node, asked: &Asked) -> Reply {
    let path: Vec<&str> = asked.path.iter().map(String::as_str).collect();
    let answered = match (asked.method.as_str(), path.as_slice()) {
        ("GET", ["upcheck"]) => Ok(node.upcheck().await),
        (_, ["upcheck"]) => Err(Reply::misreported("405 Method Not Allowed")),
        ("GET", ["version"]) => Ok(Reply::text(200, version(node))),
        ("GET", ["version", "distribution"]) => Ok(Reply::text(200, version(node))),
        ("GET", ["version", "api"]) if node.behaves(Behaviour::Q100) => {
            Ok(Reply::json(200, &serde_json::json!(["1.0", "2.0", "2.1", "3.0"])))
        }
        ("GET", [""]) => Ok(Reply::text(200, "A model of Tessera")),
        (method, path) => match server {
            Server::Q2t => q2t::answer(node, method, path, asked).await,
            Server::P2p => p2p::answer(node, method, path, asked).await,
            Server::Third => third::answer(node, method, path, asked).await,
        },
    };
    answered.unwrap_or_else(|refusal| refusal)
}

fn version(node: &Node) -> &'static str {
    if node.behaves(Behaviour::T011) { "0.11-SNAPSHOT" } else { "1.0.0" }
}

/// `%2F` becomes `/`; `+` stays what it is.
fn decoded(piece: &str) -> String {
    let mut bytes = Vec::with_capacity(piece.len());
    let mut rest = piece.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let hex = tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        let byte = hex.filter(|_| *first == b'%').and_then(|hex| u8::from_str_radix(hex, 16).ok());
        rest = if byte.is_some() { &tail[2..] } else { tail };
        bytes.push(byte.unwrap_or(*first));
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::decoded;

    #[test]
    fn decodes_pieces_of_paths() {
        let check = |piece: &str, expect: &str| assert_eq!(decoded(piece), expect, "{piece}");
        check("a%2Fb+c%3d%3D", "a/b+c==");
        check("a%2", "a%2");
        check("%zz%", "%zz%");
    }
}
