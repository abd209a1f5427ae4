//! The command line. Results go to standard output, everything else to standard error.

mod guard;
mod jwt;
mod lease;
mod pki;
mod store;
pub(crate) mod when;

use std::ffi::OsString;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser};

use crate::admin::Place;
use crate::admin::client::{Answer, ClientError, ask};
use crate::admin::document::{Said, Status};
use crate::config::{check, import};
use crate::{demo, drill, run, status};

/// Keeps permissioned-ledger nodes available.
#[derive(Debug, Parser)]
#[command(name = "mainstay", version, about, arg_required_else_help = true)]
pub enum Cli {
    /// Runs everything in a configuration until SIGTERM (drains) or SIGINT.
    Run(run::Args),
    /// Reports every fault of a configuration, with its place and what to write instead.
    Check(Check),
    /// Shows a running Mainstay: listeners, pools, nodes, and why one is out.
    Status(There),
    /// Gives a node no new work; what is under way on it may finish.
    Drain(Node),
    /// Lets a node have work again.
    Admit(Node),
    /// Has a running Mainstay read its configuration again.
    Reload(There),
    /// Hands a lease over in order, and shows how it goes.
    Switchover(lease::Switchover),
    /// Maintenance: nobody takes a lease over until it is resumed.
    Pause(lease::Lease),
    /// Ends a pause.
    Resume(lease::Lease),
    /// What happened to leases: who, when, why, and how long each step took.
    History(lease::HistoryOf),
    /// Runs a command only while a lease is held: the guard without a file.
    Guard(guard::Guard),
    /// Sets up the store of leases, or looks whether it is fit.
    #[command(subcommand)]
    Store(store::Store),
    /// Prints an nginx.conf or a node.conf of Corda as Mainstay's own TOML, or every reason why it cannot.
    Import(Import),
    /// Certificates: makes, renews, revokes, shows and verifies them.
    #[command(subcommand)]
    Pki(pki::Pki),
    /// Tokens and key sets.
    #[command(subcommand)]
    Jwt(jwt::Jwt),
    /// Shows on this machine, in under a minute, what Mainstay does.
    Demo(demo::Args),
    /// Rehearses a failure of a guarded node, and says what came of it.
    Drill(drill::Args),
    /// A model node, as the demo starts two of.
    #[command(hide = true)]
    ModelNode(demo::NodeArgs),
    /// Runs a command that ends with its parent.
    #[command(hide = true)]
    Leash(demo::LeashArgs),
    /// Outlives a guard until its child is dead. A guard starts it.
    #[command(hide = true)]
    Sentinel(Words),
}

/// Words that mean something to whoever wrote them.
#[derive(Debug, Args)]
pub struct Words {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<OsString>,
}

/// Which running Mainstay, and how its answer is printed.
#[derive(Debug, Args)]
pub struct There {
    /// Its admin listener: unix:/path or host:port [default: MAINSTAY_ADMIN, or where Mainstay listens by itself].
    #[arg(long, value_name = "ADDR", value_parser = Place::parse)]
    admin: Option<Place>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// A node.
#[derive(Debug, Args)]
pub struct Node {
    /// Its name as `mainstay status` shows it, in every pool; or POOL/NODE.
    node: String,
    #[command(flatten)]
    there: There,
}

/// What is checked.
#[derive(Debug, Args)]
pub struct Check {
    /// The configuration: TOML, an nginx.conf or a node.conf of Corda, told apart by content.
    file: PathBuf,
    /// Replaces an address of the file, as for `run`. Repeatable.
    #[arg(long = "map", value_name = "FROM=TO")]
    maps: Vec<String>,
}

/// What is imported.
#[derive(Debug, Args)]
pub struct Import {
    /// The nginx.conf or node.conf; what it includes is read too.
    file: PathBuf,
}

/// Does what the command line says.
#[must_use]
pub fn dispatch(cli: Cli) -> ExitCode {
    match cli {
        Cli::Run(args) => run::run(&args),
        Cli::Check(args) => check::command(&args.file, &args.maps),
        Cli::Status(there) => show_status(&there),
        Cli::Drain(node) => tell(&node.there, &format!("/drain?node={}", encode(&node.node))),
        Cli::Admit(node) => tell(&node.there, &format!("/admit?node={}", encode(&node.node))),
        Cli::Reload(there) => tell(&there, "/reload"),
        Cli::Switchover(it) => lease::switchover(&it),
        Cli::Pause(of) => lease::pause(&of),
        Cli::Resume(of) => lease::resume(&of),
        Cli::History(of) => lease::history(&of),
        Cli::Guard(guard) => guard::command(guard),
        Cli::Store(store) => store::command(&store),
        Cli::Import(import) => import::command(&import.file),
        Cli::Pki(pki) => pki::command(&pki),
        Cli::Jwt(jwt) => jwt::command(&jwt),
        Cli::Demo(args) => demo::run(args),
        Cli::Drill(args) => drill::run(&args),
        Cli::ModelNode(args) => demo::model_node(&args),
        Cli::Leash(args) => demo::leash(&args),
        Cli::Sentinel(args) => mainstay_guard::sentinel::main(args.words),
    }
}

fn show_status(there: &There) -> ExitCode {
    let answer = match ask(there.admin.as_ref(), "GET", "/status") {
        Ok(answer) => answer,
        Err(error) => return could_not_ask(&error),
    };
    if there.json {
        return print(&answer.body, answer.status == 200);
    }
    match serde_json::from_str::<Status>(&answer.body) {
        Ok(status) => {
            let colours = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            print(&status::render(&status, colours), true)
        }
        Err(_) => complain(&answer),
    }
}

/// Has something done and prints what came of it.
fn tell(there: &There, target: &str) -> ExitCode {
    let answer = match ask(there.admin.as_ref(), "POST", target) {
        Ok(answer) => answer,
        Err(error) => return could_not_ask(&error),
    };
    if there.json {
        return print(&answer.body, answer.status == 200);
    }
    match serde_json::from_str::<Said>(&answer.body) {
        Ok(said) if said.ok => print(&format!("{}\n", said.message), true),
        _ => complain(&answer),
    }
}

fn complain(answer: &Answer) -> ExitCode {
    match serde_json::from_str::<Said>(&answer.body) {
        Ok(said) => eprintln!("mainstay: {}", said.message),
        Err(_) => eprintln!("mainstay: the admin listener's answer (status {}) makes no sense", answer.status),
    }
    ExitCode::FAILURE
}

fn could_not_ask(error: &ClientError) -> ExitCode {
    match std::error::Error::source(error) {
        Some(source) => eprintln!("mainstay: {error}: {source}"),
        None => eprintln!("mainstay: {error}"),
    }
    match error {
        ClientError::NothingRuns(_) => ExitCode::from(NOTHING_RUNS),
        ClientError::Failed(..) => ExitCode::FAILURE,
        ClientError::NoPlace(_) => ExitCode::from(USAGE),
    }
}

fn print(text: &str, good: bool) -> ExitCode {
    // A reader that stops reading (`| head`) has what it wanted.
    let _taken = io::stdout().write_all(text.as_bytes());
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Percent-encodes everything that has a meaning in a query.
fn encode(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b':' | b'/' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(encode).collect()
}

/// Exit code for what makes no sense.
const USAGE: u8 = 2;

/// Exit code when nothing runs where a running Mainstay is looked for.
const NOTHING_RUNS: u8 = 3;
