//! What the process itself runs with: workers, admin listener, logs.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// What the process itself runs with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Threads and time limits.
    pub run: Run,
    /// The listener for operators.
    pub admin: Admin,
    /// The logs.
    pub log: Log,
}

/// Threads and time limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Threads that carry traffic; `None`: one for each core.
    pub workers: Option<usize>,
    /// Longest time to finish what is under way when stopping or reloading.
    pub drain: Duration,
}

/// The listener for operators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admin {
    /// At the place that the program chooses by its user and environment.
    Default,
    /// There is none.
    Off,
    /// A unix socket.
    Unix(PathBuf),
    /// A TCP address.
    Tcp(SocketAddr),
}

/// The logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// The least important lines written.
    pub level: Level,
    /// Whether both logs are JSON lines.
    pub format: Format,
    /// Where the log goes; `None`: standard error.
    pub to: Option<PathBuf>,
    /// Where the access log goes.
    pub access: Access,
}

/// Importance of a line of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Something failed that an operator must see to.
    Error,
    /// Something is not as it should be.
    Warn,
    /// What happens.
    Info,
    /// Why it happens.
    Debug,
    /// Everything.
    Trace,
}

/// How a line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON object.
    Json,
}

/// Where the access log goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// Nowhere.
    Off,
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// A file, appended to.
    File(PathBuf),
}
