//! The thread that writes the access log.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use tracing::{info, warn};

use super::{AccessSender, Format, WAITING};

/// Where the access log goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// The end of a file, which is opened anew when a log rotation asks for it.
    File(PathBuf),
}

/// The writer of an access log, living until [`AccessWriter::stop`].
#[derive(Debug)]
pub struct AccessWriter {
    lines: SyncSender<Message>,
    shared: Arc<Shared>,
    done: Receiver<()>,
}

/// What workers send to the writer.
#[derive(Debug)]
pub(super) enum Message {
    /// Whole lines.
    Lines(Vec<u8>),
    /// There is something new in [`Shared`].
    Look,
}

#[derive(Debug, Default)]
struct Shared {
    reopen: AtomicBool,
    stop: AtomicBool,
    errors: AtomicU64,
}

impl AccessWriter {
    /// Opens the target and starts to write.
    ///
    /// # Errors
    /// The file cannot be opened for appending, or the thread cannot be started.
    pub fn start(target: Target, format: Format) -> io::Result<(Self, AccessSender)> {
        let out = open(&target)?;
        let (lines, inbox) = sync_channel(WAITING);
        let (ended, done) = sync_channel(1);
        let shared = Arc::new(Shared::default());
        let mut pen = Pen { target, out, shared: shared.clone(), failing: false };
        thread::Builder::new().name("access-log".into()).spawn(move || {
            pen.run(&inbox);
            // Nobody waits any more when this fails.
            let _told = ended.try_send(());
        })?;
        Ok((Self { lines: lines.clone(), shared, done }, AccessSender { format, lines }))
    }

    /// Has the file opened anew before the next line, so that a rotated one can be compressed.
    pub fn reopen(&self) {
        self.shared.reopen.store(true, Ordering::Release);
        // With the channel full the thread is awake anyway.
        let _sent = self.lines.try_send(Message::Look);
    }

    /// Buffers that could not be written, for want of space for instance.
    #[must_use]
    pub fn errors(&self) -> u64 {
        self.shared.errors.load(Ordering::Relaxed)
    }

    /// Writes what workers have sent and ends, within `bound`. The workers' buffers must be gone.
    pub fn stop(self, bound: Duration) {
        self.shared.stop.store(true, Ordering::Release);
        let _sent = self.lines.try_send(Message::Look);
        if self.done.recv_timeout(bound).is_err() {
            warn!("the access log's last lines could not be written in time");
        }
    }
}

/// The thread's own state.
struct Pen {
    target: Target,
    out: Box<dyn Write + Send>,
    shared: Arc<Shared>,
    failing: bool,
}

impl Pen {
    fn run(&mut self, inbox: &Receiver<Message>) {
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
            self.reopen();
        }
        if let Message::Lines(lines) = message {
            self.write(&lines);
        }
    }

    fn write(&mut self, lines: &[u8]) {
        match self.out.write_all(lines).and_then(|()| self.out.flush()) {
            Ok(()) if self.failing => {
                self.failing = false;
                info!("the access log can be written again");
            }
            Ok(()) => {}
            Err(error) => {
                self.shared.errors.fetch_add(1, Ordering::Relaxed);
                if !self.failing {
                    self.failing = true;
                    warn!(%error, "the access log cannot be written");
                }
            }
        }
    }

    fn reopen(&mut self) {
        match open(&self.target) {
            Ok(out) => self.out = out,
            Err(error) => warn!(%error, "the access log cannot be opened anew; the old file is kept"),
        }
    }
}

fn open(target: &Target) -> io::Result<Box<dyn Write + Send>> {
    Ok(match target {
        Target::Stdout => Box::new(io::stdout()),
        Target::Stderr => Box::new(io::stderr()),
        Target::File(path) => Box::new(append(path)?),
    })
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn a_rotated_file_is_left_and_a_new_one_begun() {
        let dir = Dir::new("rotate");
        let (path, old) = (dir.0.join("access.log"), dir.0.join("access.log.1"));
        let (writer, sender) = AccessWriter::start(Target::File(path.clone()), Format::Text).unwrap();
        sender.lines.send(Message::Lines(b"before\n".to_vec())).unwrap();
        let (looked, seen) = (dir.0.join("access.log"), std::time::Instant::now());
        while std::fs::read(&looked).unwrap() != b"before\n" {
            assert!(seen.elapsed() < BOUND, "the first line is written");
            thread::yield_now();
        }
        std::fs::rename(&path, &old).unwrap();
        writer.reopen();
        sender.lines.send(Message::Lines(b"after\n".to_vec())).unwrap();
        writer.stop(BOUND);
        assert_eq!(std::fs::read(&old).unwrap(), b"before\n");
        assert_eq!(std::fs::read(&path).unwrap(), b"after\n");
    }

    #[test]
    fn a_device_without_space_is_counted_and_survived() {
        let (writer, sender) = AccessWriter::start(Target::File("/dev/full".into()), Format::Text).unwrap();
        for _ in 0..3 {
            sender.lines.send(Message::Lines(b"line\n".to_vec())).unwrap();
        }
        let shared = writer.shared.clone();
        writer.stop(BOUND);
        assert_eq!(shared.errors.load(Ordering::Relaxed), 3);
    }

    #[test]
    fn a_directory_is_no_file() {
        assert!(AccessWriter::start(Target::File("/".into()), Format::Json).is_err());
    }

    const BOUND: Duration = Duration::from_secs(10);

    struct Dir(PathBuf);

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
