//! What runs write, passed on line by line.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mainstay_io::clock;
use mainstay_io::lines::LineSender;
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;

/// Where lines go. Each is preceded by the guard's name.
#[derive(Clone, Debug)]
pub struct Output {
    /// Those of the standard output.
    pub out: LineSender,
    /// Those of the standard error.
    pub err: LineSender,
}

/// How much was written. Only ever grows.
#[derive(Debug, Default)]
pub struct Flow {
    lines: AtomicU64,
    bytes: AtomicU64,
    dropped: AtomicU64,
}

impl Flow {
    /// Lines read; a longer one than is passed on counts for each of its pieces.
    #[must_use]
    pub fn lines(&self) -> u64 {
        self.lines.load(Ordering::Relaxed)
    }

    /// Bytes read.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Lines that were not passed on, because whoever writes them was not done with those before.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

/// A pipe for a run to write to, whose lines are passed on until nobody can write to it any more.
pub(crate) fn pass_on(name: &str, to: LineSender, flow: Arc<Flow>) -> io::Result<OwnedFd> {
    let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    rustix::io::ioctl_fionbio(&read, true)?;
    let pipe = pipe::Receiver::from_owned_fd(read)?;
    let passage = Passage { cut: Cutter::new(name), to, flow, lost: 0 };
    tokio::spawn(passage.run(pipe));
    Ok(write)
}

struct Passage {
    cut: Cutter,
    to: LineSender,
    flow: Arc<Flow>,
    /// Lines dropped since one was passed on.
    lost: u64,
}

impl Passage {
    async fn run(mut self, mut pipe: pipe::Receiver) {
        let mut bytes = vec![0; READ];
        let (mut since, mut taken) = (clock::now(), 0_usize);
        while let Ok(read @ 1..) = pipe.read(&mut bytes).await {
            self.take(bytes.get(..read).unwrap_or_default());
            taken = taken.saturating_add(read);
            let passed = clock::now().since(since);
            if passed >= SECOND {
                (since, taken) = (clock::now(), 0);
            } else if taken >= MOST_PER_SECOND {
                // Whoever floods waits: passing it on costs as much as writing it did.
                tokio::time::sleep(SECOND.saturating_sub(passed)).await;
            }
        }
        let (lines, count) = self.cut.rest();
        self.send(lines, count);
    }

    fn take(&mut self, bytes: &[u8]) {
        self.flow.bytes.fetch_add(u64::try_from(bytes.len()).unwrap_or(0), Ordering::Relaxed);
        let (lines, count) = self.cut.take(bytes);
        self.send(lines, count);
    }

    fn send(&mut self, mut lines: Vec<u8>, count: u64) {
        if count == 0 {
            return;
        }
        self.flow.lines.fetch_add(count, Ordering::Relaxed);
        if self.lost > 0 {
            let note = format!("{}({} lines were too many and are left out)\n", self.cut.prefix, self.lost);
            lines.splice(0..0, note.into_bytes());
        }
        if self.to.send(lines).is_ok() {
            self.lost = 0;
        } else {
            self.lost = self.lost.saturating_add(count);
            self.flow.dropped.fetch_add(count, Ordering::Relaxed);
        }
    }
}

/// Cuts bytes into lines with a name before each.
struct Cutter {
    prefix: String,
    /// The beginning of a line whose end has not come.
    open: Vec<u8>,
}

impl Cutter {
    fn new(name: &str) -> Self {
        Self { prefix: format!("{name}: "), open: Vec::new() }
    }

    /// The lines that are whole by now, and how many.
    fn take(&mut self, bytes: &[u8]) -> (Vec<u8>, u64) {
        let (mut lines, mut count) = (Vec::new(), 0);
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, ends) = match piece.split_last() {
                Some((b'\n', text)) => (text, true),
                _ => (piece, false),
            };
            for part in text.chunks(LONGEST) {
                if self.open.len() + part.len() > LONGEST {
                    count += self.close(&mut lines);
                }
                self.open.extend_from_slice(part);
            }
            if ends {
                count += self.close(&mut lines);
            }
        }
        (lines, count)
    }

    /// What has begun and will not end.
    fn rest(&mut self) -> (Vec<u8>, u64) {
        let mut lines = Vec::new();
        let count = if self.open.is_empty() { 0 } else { self.close(&mut lines) };
        (lines, count)
    }

    fn close(&mut self, lines: &mut Vec<u8>) -> u64 {
        lines.extend_from_slice(self.prefix.as_bytes());
        lines.append(&mut self.open);
        lines.push(b'\n');
        1
    }
}

/// Bytes read at a time.
const READ: usize = 16 * 1024;
/// Bytes a second that are taken of one run's standard output or error.
const MOST_PER_SECOND: usize = 8 * 1024 * 1024;
const SECOND: Duration = Duration::from_secs(1);
/// Longest line that is passed on in one piece, in bytes.
const LONGEST: usize = 8 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pieces: &[&str], expect: &str) {
        let mut cut = Cutter::new("n");
        let mut lines = Vec::new();
        for piece in pieces {
            lines.append(&mut cut.take(piece.as_bytes()).0);
        }
        lines.append(&mut cut.rest().0);
        assert_eq!(String::from_utf8(lines).unwrap(), expect, "{pieces:?}");
    }

    #[test]
    fn lines_are_named() {
        check(&[], "");
        check(&["a\nb\n"], "n: a\nn: b\n");
        check(&["a", "b\n", "\n"], "n: ab\nn: \n");
        check(&["no end"], "n: no end\n");
    }

    #[test]
    fn an_endless_line_is_cut() {
        let mut cut = Cutter::new("n");
        let (mut bytes, mut count) = (0, 0);
        for _ in 0..100 {
            let (lines, more) = cut.take(&[b'x'; 1000]);
            assert!(cut.open.len() <= LONGEST);
            bytes += lines.iter().filter(|byte| **byte == b'x').count();
            count += more;
        }
        assert_eq!(bytes + cut.open.len(), 100_000);
        assert_eq!(count, 12);
        let (lines, count) = Cutter::new("n").take(&[b'x'; 3 * LONGEST]);
        assert_eq!((lines.len(), count), (2 * (LONGEST + 4), 2));
    }
}
