//! Both logs of a running Mainstay.

use std::io;
use std::time::Duration;

use mainstay_io::lines::{LineSender, LineWriter};
use mainstay_proxy::access::{self, AccessSender, Format};
use tracing::{info, warn};

use super::logging::Log;
use super::settings::Settings;

/// The structured log and, where there is one, the access log.
#[derive(Debug)]
pub(super) struct Logs {
    main: Log,
    access: Option<(LineWriter, LineSender)>,
    format: Format,
}

impl Logs {
    /// Opens both.
    pub(super) fn start(settings: &Settings) -> Result<Self, LogError> {
        let main = Log::start(settings.level, settings.format, settings.log.clone());
        let main = main.map_err(|error| LogError { log: "log", error })?;
        let access = settings.access.clone();
        let access = access.map(|target| LineWriter::start("access-log", target, access::WAITING)).transpose();
        let access = access.map_err(|error| LogError { log: "access log", error })?;
        Ok(Self { main, access, format: settings.format })
    }

    /// Where workers log requests.
    pub(super) fn access(&self) -> Option<AccessSender> {
        self.access_lines().map(|lines| AccessSender::new(self.format, lines))
    }

    /// Where lines of the access log that found no room are counted.
    pub(super) fn access_lines(&self) -> Option<LineSender> {
        self.access.as_ref().map(|(_, lines)| lines.clone())
    }

    /// The same of the structured log.
    pub(super) fn main_lines(&self) -> LineSender {
        self.main.sender()
    }

    /// Takes what of the settings can be had without a restart.
    pub(super) fn apply(&self, settings: &Settings) {
        self.main.set_level(settings.level);
    }

    /// Opens files anew, after a rotation.
    pub(super) fn reopen(&self) {
        self.main.reopen();
        if let Some((writer, _)) = &self.access {
            writer.reopen();
        }
    }

    /// Says in the log when the access log cannot be written, and when it can be again; for as long as it is polled.
    pub(super) async fn watch(&self) {
        let Some((_, lines)) = &self.access else { return std::future::pending().await };
        let mut every = tokio::time::interval(LOOK_EVERY);
        let (mut failed, mut failing) = (lines.failed(), false);
        loop {
            every.tick().await;
            let before = std::mem::replace(&mut failed, lines.failed());
            match (failing, failed > before) {
                (false, true) => warn!("the access log cannot be written; is its disk full?"),
                (true, false) => info!("the access log can be written again"),
                _ => {}
            }
            failing = failed > before;
        }
    }

    /// Writes what has been logged so far. Workers must be gone.
    pub(super) fn stop(self) {
        if self.access.is_some_and(|(writer, _)| !writer.stop(LAST_LINES)) {
            warn!("the last lines of the access log could not be written");
        }
        self.main.stop();
    }
}

/// A log that cannot be opened.
#[derive(Debug)]
pub(super) struct LogError {
    log: &'static str,
    error: io::Error,
}

impl std::fmt::Display for LogError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the {} cannot be opened", self.log)
    }
}

impl std::error::Error for LogError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

const LOOK_EVERY: Duration = Duration::from_secs(5);
const LAST_LINES: Duration = Duration::from_secs(5);
