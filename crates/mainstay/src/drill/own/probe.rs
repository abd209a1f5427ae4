//! Asks again and again for what clients are to have all the time.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::{JoinHandle, JoinSet};

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    at: SocketAddr,
    /// The whole request; without one the connection is all.
    request: Option<String>,
}

impl Target {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let help = || format!("{text}: write http://HOST:PORT/PATH or tcp://HOST:PORT");
        let (scheme, rest) = text.split_once("://").ok_or_else(help)?;
        let (host, path) = rest.split_once('/').map_or((rest, String::new()), |(host, path)| (host, path.to_owned()));
        if path.contains(|it: char| it.is_ascii_control() || it == ' ') {
            return Err(help());
        }
        let request = match scheme {
            "http" => Some(format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")),
            "tcp" if path.is_empty() => None,
            _ => return Err(help()),
        };
        let found = host.to_socket_addrs().map_err(|error| format!("{host}: {error}"))?.next();
        Ok(Self { at: found.ok_or_else(help)?, request })
    }

    async fn is_served(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect(self.at).await else { return false };
        let Some(request) = &self.request else { return true };
        if stream.write_all(request.as_bytes()).await.is_err() {
            return false;
        }
        let mut answer = Vec::new();
        let whole = stream.take(LARGEST).read_to_end(&mut answer).await.is_ok();
        // "HTTP/1.1 200"
        whole && answer.starts_with(b"HTTP/1.") && answer.get(9) == Some(&b'2')
    }
}

/// Asks until it is dropped.
pub(super) struct Probe {
    asked: Arc<Mutex<Vec<Asked>>>,
    task: JoinHandle<()>,
}

/// One of them; without an end it is under way.
#[derive(Clone, Copy, Debug)]
struct Asked {
    start: Instant,
    end: Option<(Instant, bool)>,
}

/// What clients saw in a stretch of time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Seen {
    pub(super) requests: usize,
    pub(super) lost: usize,
    pub(super) longest_gap: Duration,
}

impl Probe {
    /// Begins, within a runtime.
    pub(super) fn start(target: Target, rate: u32) -> Self {
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let book = Arc::clone(&asked);
        let task = tokio::spawn(async move {
            let mut turns = tokio::time::interval(Duration::from_secs(1) / rate.max(1));
            let mut under_way = JoinSet::new();
            loop {
                turns.tick().await;
                while under_way.try_join_next().is_some() {}
                let (target, book) = (target.clone(), Arc::clone(&book));
                let number = open(&book);
                under_way.spawn(async move {
                    let served = tokio::time::timeout(LONGEST, target.is_served()).await.unwrap_or(false);
                    close(&book, number, served);
                });
            }
        });
        Self { asked, task }
    }

    /// Whether all that began before then have ended.
    pub(super) fn all_ended(&self, to: Instant) -> bool {
        lock(&self.asked).iter().all(|asked| asked.start >= to || asked.end.is_some())
    }

    /// What became of those that began in a stretch of time.
    pub(super) fn seen(&self, from: Instant, to: Instant) -> Seen {
        let book = lock(&self.asked);
        let ours = || book.iter().filter(|asked| (from..to).contains(&asked.start));
        let good = book.iter().filter_map(|asked| asked.end.filter(|(_, good)| *good).map(|(end, _)| end));
        let mut good: Vec<Instant> = good.filter(|end| (from..to).contains(end)).chain([from, to]).collect();
        good.sort_unstable();
        Seen {
            requests: ours().count(),
            lost: ours().filter(|asked| !matches!(asked.end, Some((_, true)))).count(),
            longest_gap: good.iter().zip(good.iter().skip(1)).map(|(one, next)| *next - *one).max().unwrap_or_default(),
        }
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn open(book: &Mutex<Vec<Asked>>) -> usize {
    let mut book = lock(book);
    book.push(Asked { start: Instant::now(), end: None });
    book.len() - 1
}

fn close(book: &Mutex<Vec<Asked>>, number: usize, good: bool) {
    if let Some(asked) = lock(book).get_mut(number) {
        asked.end = Some((Instant::now(), good));
    }
}

/// Held for a few instructions, never while waiting.
fn lock(book: &Mutex<Vec<Asked>>) -> std::sync::MutexGuard<'_, Vec<Asked>> {
    book.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Longest wait for an answer.
pub(super) const LONGEST: Duration = Duration::from_secs(30);
/// Most that is read of an answer.
const LARGEST: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_is_written_as_a_url() {
        let good = Target::parse("http://127.0.0.1:80/a?b=c").expect("a target");
        assert!(
            good.request.is_some_and(|request| request.starts_with("GET /a?b=c HTTP/1.1\r\nHost: 127.0.0.1:80\r\n"))
        );
        assert_eq!(Target::parse("tcp://127.0.0.1:80").map(|target| target.request), Ok(None));
        for bad in [
            "127.0.0.1:80",
            "https://127.0.0.1:80/",
            "tcp://127.0.0.1:80/x",
            "http://127.0.0.1/",
            "http://127.0.0.1:80/a b",
        ] {
            assert!(Target::parse(bad).is_err(), "{bad}");
        }
    }
}
