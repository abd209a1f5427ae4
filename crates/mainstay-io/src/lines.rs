//! A thread that writes lines to a file, standard output or standard error, so that nobody else waits for a disk, a
//! terminal or a pipe.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::Duration;

/// Where lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// The end of a file, which is opened anew when [`LineWriter::reopen`] asks for it.
    File(PathBuf),
}

/// The writing thread, until [`LineWriter::stop`].
#[derive(Debug)]
pub struct LineWriter {
    sender: LineSender,
    done: Receiver<()>,
}

/// Sends lines to a [`LineWriter`]; never waits.
#[derive(Clone, Debug)]
pub struct LineSender {
    channel: SyncSender<Message>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
enum Message {
    /// Whole lines.
    Lines(Vec<u8>),
    /// There is something new in [`Shared`].
    Look,
}

#[derive(Debug, Default)]
struct Shared {
    reopen: AtomicBool,
    stop: AtomicBool,
    dropped: AtomicU64,
    failed: AtomicU64,
}

impl LineWriter {
    /// Opens the target and starts to write; up to `waiting` messages wait for the thread.
    ///
    /// # Errors
    /// The file cannot be opened for appending, or the thread cannot be started.
    pub fn start(name: &str, target: Target, waiting: usize) -> io::Result<(Self, LineSender)> {
        let out = open(&target)?;
        let (channel, inbox) = sync_channel(waiting);
        let (ended, done) = sync_channel(1);
        let sender = LineSender { channel, shared: Arc::default() };
        let mut pen = Pen { target, out, shared: sender.shared.clone() };
        thread::Builder::new().name(name.to_owned()).spawn(move || {
            pen.run(inbox);
            // Nobody waits any more when this fails.
            let _told = ended.try_send(());
        })?;
        Ok((Self { sender: sender.clone(), done }, sender))
    }

    /// Has the file opened anew before the next line, so that a rotated one can be compressed.
    pub fn reopen(&self) {
        self.sender.shared.reopen.store(true, Ordering::Release);
        self.sender.look();
    }

    /// Writes what has been sent so far and ends. Returns whether all of it was written within `bound`.
    #[must_use]
    pub fn stop(self, bound: Duration) -> bool {
        let before = self.sender.failed();
        self.sender.shared.stop.store(true, Ordering::Release);
        self.sender.look();
        self.done.recv_timeout(bound).is_ok() && self.sender.failed() == before
    }
}

impl LineSender {
    /// Sends whole lines.
    ///
    /// # Errors
    /// The lines, when there is no room for them or the writer has ended. They are counted in [`Self::dropped`].
    pub fn send(&self, lines: Vec<u8>) -> Result<(), Vec<u8>> {
        let refused = match self.channel.try_send(Message::Lines(lines)) {
            Ok(()) => return Ok(()),
            Err(TrySendError::Full(message) | TrySendError::Disconnected(message)) => message,
        };
        self.shared.dropped.fetch_add(1, Ordering::Relaxed);
        match refused {
            Message::Lines(lines) => Err(lines),
            Message::Look => Ok(()),
        }
    }

    /// Messages that found no room.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }

    /// Messages that could not be written, for want of space on a disk for instance, and times the file could not be
    /// opened anew.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.shared.failed.load(Ordering::Relaxed)
    }

    fn look(&self) {
        // With the channel full the thread is awake anyway.
        let _sent = self.channel.try_send(Message::Look);
    }
}

/// The thread's own state.
struct Pen {
    target: Target,
    out: Box<dyn Write + Send>,
    shared: Arc<Shared>,
}

impl Pen {
    fn run(&mut self, inbox: Receiver<Message>) {
        while let Ok(message) = inbox.recv() {
            if self.shared.stop.load(Ordering::Acquire) {
                std::iter::once(message).chain(inbox.try_iter()).for_each(|message| self.take(message));
                return;
            }
            self.take(message);
        }
    }

    fn take(&mut self, message: Message) {
        if self.shared.reopen.swap(false, Ordering::AcqRel) {
            let opened = open(&self.target).map(|out| self.out = out);
            self.count(&opened);
        }
        if let Message::Lines(lines) = message {
            let written = self.out.write_all(&lines).and_then(|()| self.out.flush());
            self.count(&written);
        }
    }

    fn count(&self, result: &io::Result<()>) {
        if result.is_err() {
            self.shared.failed.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn open(target: &Target) -> io::Result<Box<dyn Write + Send>> {
    let append = |path| -> io::Result<File> { OpenOptions::new().create(true).append(true).open(path) };
    Ok(match target {
        Target::Stdout => Box::new(io::stdout()),
        Target::Stderr => Box::new(io::stderr()),
        Target::File(path) => Box::new(append(path)?),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_rotated_file_is_left_and_a_new_one_begun() {
        let dir = Dir::new();
        let (path, old) = (dir.0.join("access.log"), dir.0.join("access.log.1"));
        let (writer, sender) = LineWriter::start("lines", Target::File(path.clone()), 8).unwrap();
        sender.send(b"before\n".to_vec()).unwrap();
        let begun = Instant::now();
        while std::fs::read(&path).unwrap() != b"before\n" {
            assert!(begun.elapsed() < BOUND, "the first line is written");
            thread::yield_now();
        }
        std::fs::rename(&path, &old).unwrap();
        writer.reopen();
        sender.send(b"after\n".to_vec()).unwrap();
        assert!(writer.stop(BOUND));
        assert_eq!(std::fs::read(&old).unwrap(), b"before\n");
        assert_eq!(std::fs::read(&path).unwrap(), b"after\n");
        assert_eq!(sender.send(b"late\n".to_vec()), Err(b"late\n".to_vec()));
        assert_eq!((sender.dropped(), sender.failed()), (1, 0));
    }

    #[test]
    fn a_device_without_space_is_counted_and_survived() {
        let (writer, sender) = LineWriter::start("lines", Target::File("/dev/full".into()), 8).unwrap();
        for _ in 0..3 {
            sender.send(b"line\n".to_vec()).unwrap();
        }
        let begun = Instant::now();
        while sender.failed() < 3 {
            assert!(begun.elapsed() < BOUND, "each is tried");
            thread::yield_now();
        }
        assert!(writer.stop(BOUND));
    }

    #[test]
    fn a_reader_that_stopped_reading_costs_lines_and_no_time() {
        let dir = Dir::new();
        let path = dir.0.join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RWXU).unwrap();
        let _reader = OpenOptions::new().read(true).write(true).open(&path).unwrap();
        let (writer, sender) = LineWriter::start("lines", Target::File(path), 2).unwrap();
        let begun = Instant::now();
        while sender.dropped() == 0 {
            assert!(begun.elapsed() < BOUND, "a pipe is full at some point");
            let _refused = sender.send(vec![b'.'; 64 * 1024]);
        }
        assert!(!writer.stop(Duration::from_millis(50)), "the thread is stuck and left alone");
    }

    #[test]
    fn a_directory_is_no_file() {
        assert!(LineWriter::start("lines", Target::File("/".into()), 1).is_err());
    }

    const BOUND: Duration = Duration::from_secs(10);

    struct Dir(PathBuf);

    impl Dir {
        fn new() -> Self {
            static NEXT: AtomicU64 = AtomicU64::new(0);
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let path = std::env::temp_dir().join(format!("mainstay-lines-{}-{number}", std::process::id()));
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
