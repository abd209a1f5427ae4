//! One GET, as far as its status.

use std::io;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Asks for `path` at `at`, and gives the status of the answer. The connection is closed after that.
pub(crate) async fn status(at: &str, path: &str) -> io::Result<u16> {
    let mut stream = TcpStream::connect(at).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {at}\r\nUser-Agent: mainstay\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut head = Vec::new();
    let mut bytes = [0_u8; LINE];
    loop {
        let read = stream.read(&mut bytes).await?;
        head.extend_from_slice(bytes.get(..read).unwrap_or_default());
        if read == 0 || head.len() >= LINE || head.contains(&b'\n') {
            return parse(&head).ok_or_else(|| io::Error::other("what it answers is not HTTP"));
        }
    }
}

fn parse(head: &[u8]) -> Option<u16> {
    let rest = head.strip_prefix(b"HTTP/1.")?.get(1..)?.strip_prefix(b" ")?;
    let digits = rest.get(..3).filter(|digits| digits.iter().all(u8::is_ascii_digit))?;
    let ends = rest.get(3).is_none_or(|byte| b" \r\n".contains(byte));
    std::str::from_utf8(digits).ok().filter(|_| ends)?.parse().ok()
}

/// So much of an answer holds its status.
const LINE: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_status() {
        let check = |head: &str, expect| assert_eq!(parse(head.as_bytes()), expect, "{head}");
        check("HTTP/1.1 200 OK\r\n", Some(200));
        check("HTTP/1.0 503\r\n", Some(503));
        check("HTTP/1.1 204 ", Some(204));
        check("HTTP/1.1 2000 OK", None);
        check("HTTP/2 200", None);
        check("SSH-2.0-OpenSSH", None);
        check("", None);
    }
}
