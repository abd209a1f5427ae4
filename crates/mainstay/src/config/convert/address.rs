//! Addresses as they are typed.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use mainstay_proxy::params::Address;

/// Where a node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A host, perhaps with a port.
    Host(Host, Option<u16>),
    /// A stream socket in the file system.
    Unix(PathBuf),
}

/// A host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Host {
    /// By its address.
    Ip(IpAddr),
    /// By its name.
    Name(Arc<str>),
}

/// What is wrong with an address, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) message: String,
    pub(super) help: String,
}

impl Host {
    /// The host with a port.
    pub(super) fn at(&self, port: u16) -> Address {
        match self {
            Self::Ip(ip) => Address::Ip(SocketAddr::new(*ip, port)),
            Self::Name(host) => Address::Name { host: Arc::clone(host), port },
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
            Self::Ip(ip) => write!(f, "{ip}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// A node's address as an operator is shown it, which [`node`] reads again.
pub(super) fn show(address: &Address) -> String {
    match address {
        Address::Ip(address) => address.to_string(),
        Address::Name { host, port } => format!("{host}:{port}"),
        Address::Unix(path) => format!("unix:{}", path.display()),
    }
}

/// `host`, `host:port`, `[v6]`, `[v6]:port`, a bare IPv6 address, or `unix:/path`.
pub(super) fn node(text: &str) -> Result<Place, Wrong> {
    if let Some(path) = text.strip_prefix("unix:") {
        return unix(path).map(Place::Unix);
    }
    if let Some((scheme, rest)) = text.split_once("://") {
        return Err(wrong(
            format!("\"{text}\" is a URL; a node is a host and a port"),
            format!("write \"{}\", and `{scheme}://` into `to`", rest.trim_end_matches('/')),
        ));
    }
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Ok(Place::Host(Host::Ip(ip), None));
    }
    let (host, port) = host_and_port(text)?;
    Ok(Place::Host(self::host(text, host)?, port.map(|port| port_number(text, port)).transpose()?))
}

/// `:port`, `port`, `*:port`, `address:port`, `[v6]:port` or `unix:/path`: an address of this machine.
pub(super) fn listen(text: &str) -> Result<Result<SocketAddr, PathBuf>, Wrong> {
    if let Some(path) = text.strip_prefix("unix:") {
        return unix(path).map(Err);
    }
    let every = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(Ok(SocketAddr::new(every, listen_port(text, text)?)));
    }
    let (host, port) = host_and_port(text)?;
    let Some(port) = port else {
        return Err(wrong(format!("\"{text}\" has no port"), format!("write \"{text}:PORT\"")));
    };
    let port = listen_port(text, port)?;
    let ip = match host {
        "" | "*" => every,
        "localhost" => IpAddr::V4(Ipv4Addr::LOCALHOST),
        host => host.parse().map_err(|_| {
            wrong(
                format!("\"{host}\" is no address of this machine that can be listened on"),
                format!("write its IP address, or \":{port}\" for all of them"),
            )
        })?,
    };
    Ok(Ok(SocketAddr::new(ip, port)))
}

fn unix(path: &str) -> Result<PathBuf, Wrong> {
    if path.is_empty() || path.contains('\0') {
        return Err(wrong("a unix socket needs a path".to_owned(), "write \"unix:/path/to.sock\"".to_owned()));
    }
    if path.len() > LONGEST_UNIX_PATH {
        return Err(wrong(
            format!("the path of a unix socket has at most {LONGEST_UNIX_PATH} bytes, this one has {}", path.len()),
            "choose a shorter path".to_owned(),
        ));
    }
    Ok(PathBuf::from(path))
}

/// The host without its brackets, and what stands behind its colon.
fn host_and_port(text: &str) -> Result<(&str, Option<&str>), Wrong> {
    if let Some(rest) = text.strip_prefix('[') {
        let bad = || wrong(format!("\"{text}\" is no address"), "write \"[IPV6]:PORT\"".to_owned());
        let (host, rest) = rest.split_once(']').ok_or_else(bad)?;
        return match rest.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if rest.is_empty() => Ok((host, None)),
            None => Err(bad()),
        };
    }
    match text.split_once(':') {
        Some((_, port)) if port.contains(':') => Err(wrong(
            format!("\"{text}\" has several colons"),
            "write an IPv6 address in brackets: \"[2001:db8::1]:9000\"".to_owned(),
        )),
        Some((host, port)) => Ok((host, Some(port))),
        None => Ok((text, None)),
    }
}

fn host(text: &str, host: &str) -> Result<Host, Wrong> {
    if let Ok(ip) = host.parse() {
        return Ok(Host::Ip(ip));
    }
    let good = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
    let label = |label: &str| !label.is_empty() && label.len() <= 63 && label.chars().all(good);
    let name = host.strip_suffix('.').unwrap_or(host);
    let digits =
        name.rsplit('.').next().is_some_and(|last| !last.is_empty() && last.bytes().all(|b| b.is_ascii_digit()));
    if name.len() <= 253 && name.split('.').all(label) && !digits {
        return Ok(Host::Name(host.into()));
    }
    let what = if digits && name.contains('.') { "IP address" } else { "host" };
    Err(wrong(format!("\"{text}\" is no {what}"), "write \"HOST:PORT\", e.g. \"10.0.1.11:9000\"".to_owned()))
}

fn port_number(text: &str, port: &str) -> Result<u16, Wrong> {
    let numeric = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    if !numeric {
        return Err(wrong(
            format!("\"{text}\" is a placeholder: \"{port}\" is no port"),
            format!("write the real address, or give it with `--map {text}=HOST:PORT`"),
        ));
    }
    match port.parse() {
        Ok(0) | Err(_) => {
            Err(wrong(format!("\"{text}\": there is no port {port}"), "write a port from 1 to 65535".to_owned()))
        }
        Ok(port) => Ok(port),
    }
}

/// Port 0 lets the kernel choose one.
fn listen_port(text: &str, port: &str) -> Result<u16, Wrong> {
    let parsed = port.bytes().all(|byte| byte.is_ascii_digit()).then(|| port.parse().ok()).flatten();
    parsed.ok_or_else(|| {
        wrong(format!("\"{text}\": there is no port \"{port}\""), "write a port from 1 to 65535".to_owned())
    })
}

fn wrong(message: String, help: String) -> Wrong {
    Wrong { message, help }
}

/// What a socket address of the kernel has room for.
const LONGEST_UNIX_PATH: usize = 107;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes() {
        for (text, expect) in [
            ("10.0.1.11", Some("10.0.1.11 None")),
            ("10.0.1.11:9101", Some("10.0.1.11 Some(9101)")),
            ("tessera_1:9080", Some("tessera_1 Some(9080)")),
            ("node.example.com.", Some("node.example.com. None")),
            ("[::1]:9000", Some("[::1] Some(9000)")),
            ("[::1]", Some("[::1] None")),
            ("::1", Some("[::1] None")),
            ("unix:/tmp/a", Some("unix /tmp/a")),
            ("url1:port1", None),
            ("a:0", None),
            ("a:65536", None),
            ("a:+1", None),
            ("a:", None),
            (":1", None),
            ("", None),
            ("unix:", None),
            ("http://a:1", None),
            ("a b:1", None),
            ("a/b", None),
            ("10.0.0.300", None),
            ("1", None),
            ("[::1", None),
            ("[::1]9", None),
            ("a..b", None),
            ("a:1:2", None),
        ] {
            let found = node(text).ok().map(|place| match place {
                Place::Host(host, port) => format!("{host} {port:?}"),
                Place::Unix(path) => format!("unix {}", path.display()),
            });
            assert_eq!(found.as_deref(), expect, "{text}");
        }
    }

    #[test]
    fn listens() {
        for (text, expect) in [
            (":9101", Some("0.0.0.0:9101")),
            ("9101", Some("0.0.0.0:9101")),
            ("*:9101", Some("0.0.0.0:9101")),
            ("[::]:80", Some("[::]:80")),
            ("localhost:0", Some("127.0.0.1:0")),
            ("10.0.0.1:80", Some("10.0.0.1:80")),
            ("unix:tm.ipc", Some("unix tm.ipc")),
            ("10.0.0.1", None),
            ("tessera:80", None),
            (":http", None),
            (":+1", None),
            (":", None),
            ("", None),
        ] {
            let found = listen(text).ok().map(|place| match place {
                Ok(address) => address.to_string(),
                Err(path) => format!("unix {}", path.display()),
            });
            assert_eq!(found.as_deref(), expect, "{text}");
        }
    }

    #[test]
    fn a_placeholder_is_called_one() {
        let wrong = node("url1:port1").unwrap_err();
        assert_eq!(wrong.message, "\"url1:port1\" is a placeholder: \"port1\" is no port");
        assert_eq!(wrong.help, "write the real address, or give it with `--map url1:port1=HOST:PORT`");
    }
}
