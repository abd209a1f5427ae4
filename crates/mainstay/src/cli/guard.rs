//! `mainstay guard`: the guard without a file.

use std::process::ExitCode;

use clap::Args;

use crate::config::print::print;
use crate::config::typed::{self, Config, Maybe, Spanned};
use crate::run;

/// A guard without a file.
#[derive(Debug, Args)]
pub struct Guard {
    /// The lease: the command runs only while it is held.
    #[arg(long, value_name = "NAME")]
    lease: String,
    /// Where it is kept: sqlite:FILE or postgres://...
    #[arg(long, value_name = "URL")]
    store: String,
    /// File with the password of the store's user.
    #[arg(long, value_name = "FILE")]
    store_password_file: Option<String>,
    /// Who holds the lease then; members on one machine need one each [default: the host name].
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The command is ready when a connection to host:port can be made, or http://host:port/path answers.
    #[arg(long, value_name = "ADDR|URL")]
    ready: Option<String>,
    /// Time between renewals [default: 1s].
    #[arg(long, value_name = "TIME", value_parser = crate::config::units::time)]
    renew: Option<std::time::Duration>,
    /// How long the lease lasts without one [default: three renewals].
    #[arg(long, value_name = "TIME", value_parser = crate::config::units::time)]
    ttl: Option<std::time::Duration>,
    /// From the stop signal until the command is killed [default: 30s].
    #[arg(long, value_name = "TIME", value_parser = crate::config::units::time)]
    stop_within: Option<std::time::Duration>,
    /// A number, `never` or `preferred` [default: 100].
    #[arg(long, value_name = "PRIORITY")]
    priority: Option<String>,
    /// Where operators reach this process: unix:/path or host:port.
    #[arg(long, value_name = "ADDR", default_value = "off")]
    admin: String,
    /// The command, in the foreground, and its arguments.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    run: Vec<String>,
}

/// `mainstay guard`. The exit code is the command's.
pub(super) fn command(guard: Guard) -> ExitCode {
    run::run(&run::Args::text("the command line", print(&config(guard))))
}

/// The same as a file would say.
fn config(guard: Guard) -> Config {
    let ready = guard.ready.map(|ready| {
        let http = ready.contains("://");
        typed::Ready {
            http: maybe(http.then(|| ready.clone())),
            tcp: maybe((!http).then_some(ready)),
            ..typed::Ready::default()
        }
    });
    let lease = typed::Lease { renew: maybe(guard.renew), ttl: maybe(guard.ttl), ..typed::Lease::default() };
    let holder = guard.name;
    let child = typed::Guard {
        lease: some(guard.lease.clone()),
        name: maybe(holder.clone()),
        run: guard.run.into_iter().map(spanned).collect(),
        ready: maybe(ready),
        stop_within: maybe(guard.stop_within),
        priority: maybe(guard.priority),
        ..typed::Guard::default()
    };
    Config {
        run: typed::Run { workers: some(1), drain: None },
        admin: typed::Admin { at: some(guard.admin) },
        store: typed::Store {
            url: some(guard.store),
            password_file: maybe(guard.store_password_file),
            ..typed::Store::default()
        },
        guards: vec![(spanned(guard_name(&guard.lease, holder.as_deref())), child)],
        leases: vec![(spanned(guard.lease), lease)],
        ..Config::default()
    }
}

/// One name is guarded once on a machine: members of one lease that share a machine differ in their holder's name.
fn guard_name(lease: &str, holder: Option<&str>) -> String {
    holder.map_or_else(|| lease.to_owned(), |holder| format!("{lease}-{holder}"))
}

fn some<T>(value: T) -> Maybe<T> {
    Some(spanned(value))
}

fn maybe<T>(value: Option<T>) -> Maybe<T> {
    value.map(spanned)
}

fn spanned<T>(value: T) -> Spanned<T> {
    Spanned { value, span: typed::Span::default() }
}
