//! `mainstay run`: everything put together, from the configuration to the last connection.

pub mod databases;
mod files;
pub mod leases;
mod load;
pub(crate) mod logging;
mod logs;
mod notify;
mod serve;
pub mod settings;
pub(crate) mod signals;

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use mainstay_io::lines::Target;
use tracing::error;

use crate::config;
use load::Loaded;
pub(crate) use logging::WAITING as LOG_WAITING;
use logs::Logs;
use settings::Admin;

/// Options of `mainstay run`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The configuration: TOML, an nginx.conf or a node.conf of Corda, told apart by content.
    file: PathBuf,
    /// Replaces an address of the file: HOST:PORT=HOST:PORT, or listen:ADDR=ADDR for a listener. Repeatable.
    #[arg(long = "map", value_name = "FROM=TO")]
    maps: Vec<String>,
    /// Where operators reach this process instead: unix:/path, host:port or off.
    #[arg(long, value_name = "ADDR", value_parser = parse_admin)]
    admin: Option<Admin>,
    /// A configuration that is no file's: its text. Where it has a guard, the end of the child is the end of the program.
    #[arg(skip)]
    text: Option<String>,
}

impl Args {
    /// Those of a configuration that is no file's.
    pub(crate) fn text(shown: &str, text: String) -> Self {
        Self { file: shown.into(), maps: Vec::new(), admin: None, text: Some(text) }
    }

    /// Whether the program ends with the exit code of the child it guards, whatever ended it.
    const fn ends_as_child(&self) -> bool {
        self.text.is_some()
    }
}

fn parse_admin(text: &str) -> Result<Admin, String> {
    let place = config::admin_address(text).map_err(|(fault, help)| format!("{fault}; {help}"))?;
    Ok(Admin::of(&place))
}

/// Runs until it is told to end. Exit code 0: ended as told; 1: could not start. Where the end of a guarded child is the
/// end of the program, the child's.
#[must_use]
pub fn run(args: &Args) -> ExitCode {
    let loaded = match args.load() {
        Ok(loaded) => loaded,
        Err(faults) => {
            eprintln!("{faults}");
            return ExitCode::FAILURE;
        }
    };
    let on_stderr = loaded.settings.log == Target::Stderr;
    let logs = match Logs::start(&loaded.settings) {
        Ok(logs) => logs,
        Err(error) => {
            eprintln!("mainstay: {}", chain(&error));
            return ExitCode::FAILURE;
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(CONTROL_THREADS)
        .thread_name("control")
        .enable_all()
        .build();
    let result = match runtime {
        Ok(runtime) => {
            let result = runtime.block_on(serve::serve(args, loaded, &logs));
            runtime.shutdown_timeout(SHUTDOWN_WITHIN);
            result
        }
        Err(error) => Err(format!("no runtime: {error}")),
    };
    if let Err(message) = &result {
        error!("{message}");
        if !on_stderr {
            eprintln!("mainstay: {message}");
        }
    }
    logs.stop();
    result.map_or(ExitCode::FAILURE, ExitCode::from)
}

/// An error and what caused it, on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let written = write!(text, ": {source}");
        debug_assert!(written.is_ok(), "a String takes everything");
        next = source.source();
    }
    text
}

/// Threads for checks, look-ups and operators.
const CONTROL_THREADS: usize = 2;

/// Longest wait for a name look-up that is under way when Mainstay ends.
const SHUTDOWN_WITHIN: Duration = Duration::from_millis(100);
