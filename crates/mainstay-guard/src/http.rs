//! One GET, as far as its status.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Asks for `path` at `at`, and gives the status of the answer. The rest of it is read behind the caller's back, so that
/// who answers does not find its connection broken.
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
            let status = parse(&head).ok_or_else(|| io::Error::other("what it answers is not HTTP"));
            if status.is_ok() && read > 0 {
                tokio::spawn(read_out(stream));
            }
            return status;
        }
    }
}

/// Reads what is left of an answer, within bounds.
async fn read_out(stream: TcpStream) {
    let mut rest = stream.take(REST);
    // Nothing depends on it.
    let _read = tokio::time::timeout(REST_WITHIN, tokio::io::copy(&mut rest, &mut tokio::io::sink())).await;
}

fn parse(head: &[u8]) -> Option<u16> {
    let rest = head.strip_prefix(b"HTTP/1.")?.get(1..)?.strip_prefix(b" ")?;
    let digits = rest.get(..3).filter(|digits| digits.iter().all(u8::is_ascii_digit))?;
    let ends = rest.get(3).is_none_or(|byte| b" \r\n".contains(byte));
    std::str::from_utf8(digits).ok().filter(|_| ends)?.parse().ok()
}

/// So much of an answer holds its status.
const LINE: usize = 64;
/// Of an answer, so much is read at most, and for so long.
const REST: u64 = 256 * 1024;
const REST_WITHIN: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn takes_the_whole_answer() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap().to_string();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut bytes = [0; 1024];
            assert!(stream.read(&mut bytes).await.unwrap() > 0);
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n").await.unwrap();
            stream.write_all(&[b'x'; 100_000]).await.unwrap();
            stream.shutdown().await.unwrap();
            // The end, and no reset.
            stream.read(&mut bytes).await
        });
        assert_eq!(status(&at, "/").await.unwrap(), 200);
        let end = tokio::time::timeout(Duration::from_secs(10), server).await.unwrap().unwrap();
        assert_eq!(end.unwrap(), 0);
    }

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
