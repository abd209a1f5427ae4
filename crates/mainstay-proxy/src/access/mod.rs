//! The access log, off the request path: a worker formats records into a buffer of its own, and whole buffers go over a
//! bounded channel to one thread that writes them. What finds the channel full is dropped and counted.

mod line;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use mainstay_io::lines::LineSender;

pub use line::{Format, Stamp};

use crate::counters::{Failure, Kind, WorkerCounters};

/// One request (or TCP session) and what became of it.
#[derive(Clone, Debug)]
pub struct Record<'a> {
    /// The client; `None` on a unix socket.
    pub client: Option<SocketAddr>,
    /// Whom the client's certificate names.
    pub identity: Option<&'a str>,
    /// The listener's name.
    pub listener: &'a str,
    /// The method as it came; empty on a TCP listener.
    pub method: &'a [u8],
    /// The target as it came; empty on a TCP listener.
    pub target: &'a [u8],
    /// Status of the answer; 0 without one.
    pub status: u16,
    /// Bytes from the client.
    pub bytes_in: u64,
    /// Bytes to the client.
    pub bytes_out: u64,
    /// Nodes tried, in order.
    pub tries: &'a [Try<'a>],
    /// Time to connect to the last node; `None` when an idle connection was used.
    pub connect: Option<Duration>,
    /// From the first byte of the request to the first byte of the answer.
    pub first_byte: Option<Duration>,
    /// From the first byte of the request to the last byte of the answer.
    pub end: Duration,
    /// Why it failed.
    pub reason: Option<&'a str>,
}

/// One try on one node.
#[derive(Clone, Copy, Debug)]
pub struct Try<'a> {
    /// The node's name.
    pub node: &'a str,
    /// How it ended.
    pub outcome: Outcome,
}

/// How a try ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// With this status.
    Status(u16),
    /// A TCP session was made and came to its end.
    Session,
    /// It failed.
    Failed(Failure),
    /// The client went away first.
    Abandoned,
}

impl Outcome {
    fn name(self) -> Option<&'static str> {
        match self {
            Self::Status(_) => None,
            Self::Session => Some("session"),
            Self::Failed(failure) => Some(failure.name()),
            Self::Abandoned => Some("abandoned"),
        }
    }
}

/// Where workers send their lines, and how these look.
#[derive(Clone, Debug)]
pub struct AccessSender {
    format: Format,
    lines: LineSender,
}

impl AccessSender {
    /// Lines of this format for a writer, which should let [`WAITING`] buffers wait.
    #[must_use]
    pub const fn new(format: Format, lines: LineSender) -> Self {
        Self { format, lines }
    }

    /// A buffer for one worker.
    #[must_use]
    pub fn buffer(&self, counters: Arc<WorkerCounters>) -> AccessBuffer {
        AccessBuffer { sender: self.clone(), counters, lines: Vec::new(), records: 0 }
    }
}

/// A worker's lines that are not written yet. What is in it when it is dropped is sent.
#[derive(Debug)]
pub struct AccessBuffer {
    sender: AccessSender,
    counters: Arc<WorkerCounters>,
    lines: Vec<u8>,
    records: u64,
}

impl AccessBuffer {
    /// Adds a record; sends the buffer when it is full.
    pub fn push(&mut self, record: &Record<'_>) {
        if self.lines.capacity() == 0 {
            self.lines.reserve(BUFFER);
        }
        line::write(&mut self.lines, self.sender.format, SystemTime::now(), record);
        self.records += 1;
        if self.lines.len() >= BUFFER - LINE {
            self.flush();
        }
    }

    /// Sends what there is. To be called at every tick of the worker's timer.
    pub fn flush(&mut self) {
        if self.records == 0 {
            return;
        }
        let records = std::mem::take(&mut self.records);
        match self.sender.lines.send(std::mem::take(&mut self.lines)) {
            Ok(()) => self.counters.access_written.add(records),
            Err(mut refused) => {
                self.counters.access_dropped.add(records);
                refused.clear();
                self.lines = refused;
            }
        }
    }
}

impl Drop for AccessBuffer {
    fn drop(&mut self) {
        self.flush();
    }
}

/// Size of a worker's buffer, in bytes.
pub const BUFFER: usize = 32 * 1024;

/// Buffers that may wait for the writer, over all workers.
pub const WAITING: usize = 128;

/// Room left for one line of usual length before a buffer counts as full.
const LINE: usize = 1024;

#[cfg(test)]
mod tests {
    use mainstay_io::lines::{LineWriter, Target};

    use super::*;

    fn record<'a>() -> Record<'a> {
        Record {
            client: None,
            listener: "tm",
            method: b"GET",
            target: b"/upcheck",
            status: 200,
            bytes_in: 0,
            bytes_out: 13,
            tries: &[],
            connect: None,
            first_byte: None,
            end: Duration::from_millis(1),
            reason: None,
            identity: None,
        }
    }

    #[test]
    fn a_full_channel_costs_records_and_says_how_many() {
        let dir = Dir::new("full");
        let pipe = dir.0.join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RWXU).unwrap();
        let _reader = std::fs::OpenOptions::new().read(true).write(true).open(&pipe).unwrap();
        let (_writer, lines) = LineWriter::start("lines", Target::File(pipe), 1).unwrap();
        let counters = Arc::new(WorkerCounters::default());
        let mut buffer = AccessSender::new(Format::Text, lines).buffer(counters.clone());
        let mut pushed = 0;
        while counters.access_dropped.get() == 0 {
            buffer.push(&record());
            pushed += 1;
            assert!(pushed < 100_000, "a pipe that nobody reads is full at some point");
        }
        assert_eq!(counters.access_written.get() + counters.access_dropped.get(), pushed);
        assert!(buffer.lines.capacity() >= BUFFER && buffer.lines.is_empty(), "the buffer is used again");
    }

    #[test]
    fn what_is_left_is_sent_by_a_tick_and_by_the_end() {
        let dir = Dir::new("end");
        let file = dir.0.join("access.log");
        let (writer, lines) = LineWriter::start("lines", Target::File(file.clone()), 4).unwrap();
        let counters = Arc::new(WorkerCounters::default());
        let mut buffer = AccessSender::new(Format::Json, lines).buffer(counters.clone());
        buffer.flush();
        buffer.push(&record());
        assert_eq!(counters.access_written.get(), 0, "not yet");
        buffer.flush();
        assert_eq!(counters.access_written.get(), 1);
        buffer.push(&record());
        drop(buffer);
        assert_eq!(counters.access_written.get(), 2);
        assert!(writer.stop(Duration::from_secs(10)));
        let text = std::fs::read_to_string(file).unwrap();
        assert_eq!(text.lines().filter(|line| line.ends_with("\"retries\":0}")).count(), 2, "{text}");
    }

    struct Dir(std::path::PathBuf);

    impl Dir {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("mainstay-access-{name}-{}", std::process::id()));
            std::fs::create_dir(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Dir {
        fn drop(&mut self) {
            let _removed = std::fs::remove_dir_all(&self.0);
        }
    }
}
