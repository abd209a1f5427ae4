//! The structured log: what Mainstay says about itself. It is written by a thread of its own, so that a worker never
//! waits for a disk or a pipe; lines that find no room are counted.

use std::io::{self, IsTerminal as _, Write};
use std::time::Duration;

use mainstay_io::lines::{LineSender, LineWriter, Target};
use mainstay_proxy::access::{Format, Stamp};
use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer, Registry, reload};

/// The log of this process.
#[derive(Debug)]
pub(crate) struct Log {
    writer: LineWriter,
    sender: LineSender,
    level: reload::Handle<LevelFilter, Registry>,
}

impl Log {
    /// Starts to log; to be called once.
    pub(crate) fn start(level: LevelFilter, format: Format, target: Target) -> io::Result<Self> {
        let colours = target == Target::Stderr && io::stderr().is_terminal();
        let (writer, sender) = LineWriter::start("log", target, WAITING)?;
        let (filter, handle) = reload::Layer::new(level);
        let lines = lines(format, colours, sender.clone());
        let installed = tracing_subscriber::registry().with(filter).with(lines).try_init();
        installed.map_err(io::Error::other)?;
        Ok(Self { writer, sender, level: handle })
    }

    /// Logs what is at least this important from now on.
    pub(crate) fn set_level(&self, level: LevelFilter) {
        // Fails when the subscriber is gone, which it never is.
        let _changed = self.level.reload(level);
    }

    /// Opens the file anew after a rotation.
    pub(crate) fn reopen(&self) {
        self.writer.reopen();
    }

    /// Where lines are counted that found no room.
    pub(crate) fn sender(&self) -> LineSender {
        self.sender.clone()
    }

    /// Writes what has been logged so far.
    pub(crate) fn stop(self) {
        // There is no log left to say it in.
        let _whole = self.writer.stop(LAST_WORDS);
    }
}

fn lines<S>(format: Format, colours: bool, sender: LineSender) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let layer =
        tracing_subscriber::fmt::layer().with_writer(Pen(sender)).with_timer(Now).with_target(false).with_ansi(colours);
    match format {
        Format::Text => layer.boxed(),
        Format::Json => layer.json().flatten_event(true).boxed(),
    }
}

/// The time of a line, as in the access log.
struct Now;

impl FormatTime for Now {
    fn format_time(&self, to: &mut Writer<'_>) -> std::fmt::Result {
        write!(to, "{}", Stamp(std::time::SystemTime::now()))
    }
}

/// Sends each event as one message.
struct Pen(LineSender);

impl<'a> MakeWriter<'a> for Pen {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

impl Write for &Pen {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        // A line that finds no room is counted by the sender.
        let _sent = self.0.send(line.to_vec());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Lines that may wait to be written.
pub(crate) const WAITING: usize = 1024;

/// Longest time to write the last lines.
const LAST_WORDS: Duration = Duration::from_secs(2);
