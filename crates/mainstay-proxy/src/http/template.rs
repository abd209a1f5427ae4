//! Texts with values filled in per request.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};

use mainstay_wire::h1;

use super::route::without_port;
use crate::params::{Part, Template};
use crate::worker::{Listening, Peer};

/// What a [`Template`] may speak of.
pub(crate) struct Context<'a> {
    pub(crate) request: &'a h1::Request<'a>,
    pub(crate) peer: Peer,
    pub(crate) listening: &'a Listening,
    pub(crate) site_name: &'a str,
    pub(crate) pool_name: &'a str,
    pub(crate) status: u16,
    /// Whom the client's certificate names.
    pub(crate) identity: Option<&'a str>,
}

impl Context<'_> {
    /// Appends `template` to `out`. Bytes that may not stand in a field value cannot come in: they come from a head
    /// that has been checked.
    pub(crate) fn fill(&self, template: &Template, out: &mut Vec<u8>) {
        for part in &template.0 {
            self.fill_part(part, out);
        }
    }

    fn fill_part(&self, part: &Part, out: &mut Vec<u8>) {
        match part {
            Part::Text(text) => out.extend_from_slice(text.as_bytes()),
            Part::Host => {
                let host = self.request.host.map_or(self.site_name.as_bytes(), without_port);
                out.extend(host.iter().map(u8::to_ascii_lowercase));
            }
            Part::Field(name) => out.extend_from_slice(self.request.field(name.as_bytes()).unwrap_or_default()),
            Part::ClientAddress => write_address(self.peer, out),
            Part::ClientPort => {
                if let Peer::Tcp(address) = self.peer {
                    write(out, format_args!("{}", address.port()));
                }
            }
            Part::ForwardedFor => {
                for (name, value) in self.request.fields() {
                    if name.eq_ignore_ascii_case(b"x-forwarded-for") {
                        out.extend_from_slice(value);
                        out.extend_from_slice(b", ");
                    }
                }
                write_address(self.peer, out);
            }
            Part::Scheme => out.extend_from_slice(if self.listening.is_encrypted() { b"https" } else { b"http" }),
            Part::ClientIdentity => out.extend(self.identity.unwrap_or_default().bytes().filter(is_field_byte)),
            Part::Method => out.extend_from_slice(self.request.method_text),
            Part::Target => out.extend_from_slice(self.request.origin),
            Part::Path => out.extend_from_slice(self.request.path),
            Part::Query => out.extend_from_slice(self.request.query.unwrap_or_default()),
            Part::PoolName => out.extend_from_slice(self.pool_name.as_bytes()),
            Part::ServerAddress => out.extend_from_slice(self.listening.address.as_bytes()),
            Part::ServerPort => write(out, format_args!("{}", self.listening.port)),
            Part::Status => write(out, format_args!("{}", self.status)),
        }
    }
}

/// The client's address as it goes into fields; `unix:` where it has none.
pub(crate) fn write_address(peer: Peer, out: &mut Vec<u8>) {
    match peer {
        Peer::Tcp(address) => match address.ip().to_canonical() {
            IpAddr::V4(address) => write_v4(address, out),
            IpAddr::V6(address) => write(out, format_args!("{address}")),
        },
        Peer::Unix => out.extend_from_slice(b"unix:"),
    }
}

/// Whether a byte of a certificate's name may stand in a field.
fn is_field_byte(byte: &u8) -> bool {
    matches!(byte, b' '..=b'~')
}

/// By hand, because it is written for every request and formatting costs a tenth of one.
fn write_v4(address: Ipv4Addr, out: &mut Vec<u8>) {
    for (index, octet) in address.octets().into_iter().enumerate() {
        if index > 0 {
            out.push(b'.');
        }
        if octet >= 100 {
            out.push(b'0' + octet / 100);
        }
        if octet >= 10 {
            out.push(b'0' + octet / 10 % 10);
        }
        out.push(b'0' + octet % 10);
    }
}

fn write(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    // Writing to a vector cannot fail.
    let _ = out.write_fmt(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_as_everywhere() {
        for text in ["0.0.0.0", "127.0.0.1", "9.10.99.100", "255.249.200.199", "::1", "2001:db8::1", "::ffff:10.0.0.1"]
        {
            let address: IpAddr = text.parse().unwrap();
            let mut out = Vec::new();
            write_address(Peer::Tcp((address, 1).into()), &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), address.to_canonical().to_string());
        }
    }
}
