//! For the tests: a guard, or the sentinel of one, as a process.
//!
//! `model-guard guard NAME FOLDER cgroup|descent STOP_MS COMMAND...` takes standings as lines of its standard input
//! (`held UNTIL_MS KILL_MS NONCE`, counted from when it reads them, `frozen KILL_MS NONCE`, `yield MS NONCE`, `without`,
//! `leave`), and writes what it does (`until NANOS NANOS`, `report STATE`, `trouble TEXT`, `over CODE`) to its standard
//! output. A file named by `MODEL_GUARD_LOCK` is locked at its start, and each run inherits that lock while it is held.

use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use mainstay_core::guard::{Finish, RestartRule};
use mainstay_core::lease::{Nonce, Order, Standing, Tenure, Timeline, Token};
use mainstay_guard::{CgroupUse, Command, Grant, Grants, Guard, Output, Params, sentinel};
use mainstay_io::lines::{LineWriter, Target};
use mainstay_io::{clock, lock};
use rustix::fs::{FlockOperation, flock};
use rustix::process::Signal;
use tokio::sync::{mpsc, watch};

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1);
    match words.next() {
        Some(word) if word == "sentinel" => sentinel::main(words),
        Some(word) if word == "guard" => {
            let words: Vec<String> = words.map(|word| word.to_string_lossy().into_owned()).collect();
            let runtime = tokio::runtime::Runtime::new();
            match runtime.map_err(|error| error.to_string()).and_then(|runtime| runtime.block_on(guard(&words))) {
                Ok(code) => ExitCode::from(code),
                Err(error) => {
                    eprintln!("{error}");
                    ExitCode::FAILURE
                }
            }
        }
        _ => ExitCode::from(2),
    }
}

async fn guard(words: &[String]) -> Result<u8, String> {
    let params = params(words).ok_or("see the head of this program")??;
    let (to, orders) = watch::channel(Order { number: 0, standing: Standing::Without });
    let mut guard = Guard::start(params, orders).await.map_err(|error| error.to_string())?;
    let (mut status, mut trouble) = (guard.status.clone(), guard.status.clone());
    let (send, mut lines) = mpsc::channel(16);
    std::thread::spawn(move || {
        std::io::stdin().lines().map_while(Result::ok).all(|line| send.blocking_send(line).is_ok())
    });
    loop {
        tokio::select! {
            line = lines.recv() => match line.as_deref() {
                Some("leave") => guard.stop(),
                Some(line) => {
                    let standing = standing_of(line).ok_or("no such standing")?;
                    to.send_modify(|order| *order = Order { number: order.number + 1, standing });
                }
                None => return Err("nobody is there".to_owned()),
            },
            Some(report) = guard.reports.recv() => say(&format!("report {:?}", report.child)),
            over = status.wait_for(|status| status.over) => break drop(over),
            Ok(()) = trouble.changed() => {
                let text = trouble.borrow_and_update().trouble.clone();
                text.into_iter().for_each(|text| say(&format!("trouble {text}")));
            }
        }
    }
    let code = guard.ended().await;
    say(&format!("over {code}"));
    Ok(code)
}

fn params(words: &[String]) -> Option<Result<Params, String>> {
    let [name, folder, cgroup, stop_within, command @ ..] = words else { return None };
    let (_, line) = match LineWriter::start("output", Target::Stderr, 1024) {
        Ok(writer) => writer,
        Err(error) => return Some(Err(error.to_string())),
    };
    Some(Ok(Params {
        name: name.as_str().into(),
        run: Command::new(command)?,
        dir: None,
        env: Vec::new(),
        password_file: None,
        grants: grants()?,
        ready: None,
        unwell_after: None,
        progress: None,
        prepare: None,
        before: None,
        after: None,
        stop_signal: Signal::TERM,
        stop_within: Duration::from_millis(stop_within.parse().ok()?),
        freeze: true,
        finish: Finish::Restart(RestartRule {
            times: 3,
            within: Duration::from_secs(60),
            backoff: Duration::from_millis(10),
        }),
        leave_within: Duration::ZERO,
        state_dir: folder.into(),
        sentinel: Command::this_program(&["sentinel"]),
        cgroup: if cgroup == "cgroup" { CgroupUse::Required } else { CgroupUse::Never },
        output: Output { out: line.clone(), err: line },
    }))
}

/// The lock that comes with every tenure, if there is one.
fn grants() -> Option<Grants> {
    let Some(path) = std::env::var_os("MODEL_GUARD_LOCK") else { return Some(Grants::none()) };
    let file = std::fs::File::open(path).ok()?;
    flock(&file, FlockOperation::NonBlockingLockExclusive).ok()?;
    let file = Arc::new(OwnedFd::from(file));
    Some(Grants::new(move |_| match lock::is_held(&file) {
        Ok(true) => Ok(Grant { inherit: vec![file.clone()], ..Grant::default() }),
        _ => Err("the lock was let go".to_owned()),
    }))
}

fn standing_of(line: &str) -> Option<Standing> {
    let mut words = line.split(' ');
    let kind = words.next()?;
    let mut number = || words.next()?.parse::<u64>().ok();
    let now = clock::boot();
    let mut moment = || Some(now + Duration::from_millis(number()?));
    let standing = match kind {
        "without" => return Some(Standing::Without),
        "held" => {
            let (until, kill_at) = (moment()?, moment()?);
            say(&format!("until {} {}", until.as_nanos(), kill_at.as_nanos()));
            Standing::Held { tenure: tenure(number()?), until, kill_at }
        }
        "frozen" => {
            let kill_at = moment()?;
            Standing::Frozen { tenure: tenure(number()?), until: None, kill_at }
        }
        "yield" => {
            let until = moment()?;
            Standing::Yield { tenure: tenure(number()?), until }
        }
        _ => return None,
    };
    Some(standing)
}

fn tenure(number: u64) -> Tenure {
    Tenure { nonce: Nonce(number.into()), token: Token { timeline: Timeline(1), epoch: number } }
}

fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    // Nobody is there to be told when this fails.
    let _told = writeln!(out, "{text}").and_then(|()| out.flush());
}
