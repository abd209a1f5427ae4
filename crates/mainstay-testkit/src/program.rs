//! What the programs of this crate have in common.

use std::future::Future;
use std::process::ExitCode;

/// Runs a program until it ends; why it failed goes to the error output, behind its name.
pub(crate) fn run(name: &str, work: impl Future<Output = Result<ExitCode, String>>) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.map_err(|error| error.to_string()).and_then(|runtime| runtime.block_on(work)).unwrap_or_else(|error| {
        eprintln!("{name}: {error}");
        ExitCode::FAILURE
    })
}
