//! From a configured guard to what `mainstay-guard` is told.

use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;

use mainstay_core::guard::{Finish, RestartRule};
use mainstay_core::lease::Terms;
use mainstay_guard::{
    CgroupUse, Command, Grant, Grants, Hook, Output, Params, Probe, Progress, Ready, Secret, Template,
};
use mainstay_io::lines::LineSender;
use mainstay_store::{Keeper, Tier};
use rustix::process::Signal;

use crate::config::leases::{self, Cgroup, Guard, StopSignal};

/// What the guard of this lease is told.
///
/// # Errors
/// A sentence about what of it makes no sense.
pub(super) fn of(
    guard: &Guard,
    terms: &Terms,
    keeper: Arc<Keeper>,
    out: LineSender,
    err: LineSender,
) -> Result<Params, String> {
    let name = &guard.name;
    let run = Command::new(&guard.run).ok_or_else(|| format!("guard {name} runs nothing"))?;
    let env = guard.env.iter().map(|(variable, text)| {
        let template = Template::parse(text).map_err(|error| format!("guard {name}: {variable}: {error}"))?;
        Ok((OsString::from(variable), template))
    });
    Ok(Params {
        name: name.as_str().into(),
        run,
        dir: guard.dir.clone(),
        env: env.collect::<Result<_, String>>()?,
        password_file: guard.password_file.clone(),
        grants: grants(keeper),
        ready: guard.ready.as_ref().map(ready).transpose()?,
        unwell_after: guard.unwell_after,
        progress: guard.progress.as_ref().map(progress).transpose()?,
        prepare: hook(guard.prepare.as_ref())?,
        before: hook(guard.before.as_ref())?,
        after: hook(guard.after.as_ref())?,
        stop_signal: signal(guard.stop_signal),
        stop_within: guard.stop_within,
        freeze: guard.freeze,
        finish: guard.restart.map_or(Finish::End, |restart| {
            Finish::Restart(RestartRule { times: restart.times, within: restart.within, backoff: restart.backoff })
        }),
        leave_within: leave_within(terms),
        state_dir: mainstay_guard::state_dir(),
        sentinel: Command::this_program(&[SENTINEL]),
        cgroup: match guard.cgroup {
            Cgroup::Auto => CgroupUse::Auto,
            Cgroup::Never => CgroupUse::Never,
            Cgroup::Required => CgroupUse::Required,
        },
        output: Output { out, err },
    })
}

/// How long a lease may take to be given up in order: what is under way ends, the child stops, the store is told.
pub(super) fn leave_within(terms: &Terms) -> Duration {
    terms.drain_within.saturating_add(terms.stop_within).saturating_add(terms.ttl)
}

/// What the store gives to a tenure.
fn grants(keeper: Arc<Keeper>) -> Grants {
    Grants::new(move |nonce| {
        let grant = keeper.grant(nonce);
        if grant.lock.is_none() && keeper.tier() == Tier::Exclusive {
            return Err("the lock of its lease was let go: the tenure is over".to_owned());
        }
        let (role, password) = match grant.credential {
            Some(credential) => (Some(credential.role), Some(Secret::new(credential.password.reveal()))),
            None => (None, None),
        };
        Ok(Grant { role, password, inherit: grant.lock.into_iter().collect() })
    })
}

fn command(words: &[String]) -> Result<Command, String> {
    Command::new(words).ok_or_else(|| "a command without a program".to_owned())
}

fn hook(hook: Option<&leases::Hook>) -> Result<Option<Hook>, String> {
    hook.map(|hook| Ok(Hook { run: command(&hook.run)?, within: hook.within })).transpose()
}

fn ready(ready: &leases::Ready) -> Result<Ready, String> {
    let probe = match &ready.probe {
        leases::Probe::Tcp(at) => Probe::Tcp(at.clone()),
        leases::Probe::Http { at, path, status } => Probe::Http { at: at.clone(), path: path.clone(), status: *status },
        leases::Probe::Run(words) => Probe::Run(command(words)?),
    };
    Ok(Ready { probe, every: ready.every, timeout: ready.timeout, within: ready.within })
}

fn progress(progress: &leases::Progress) -> Result<Progress, String> {
    let leases::Progress { run, every, timeout, within } = progress;
    Ok(Progress { run: command(run)?, every: *every, timeout: *timeout, within: *within })
}

const fn signal(signal: StopSignal) -> Signal {
    match signal {
        StopSignal::Term => Signal::TERM,
        StopSignal::Int => Signal::INT,
        StopSignal::Quit => Signal::QUIT,
        StopSignal::Hup => Signal::HUP,
        StopSignal::Usr1 => Signal::USR1,
        StopSignal::Usr2 => Signal::USR2,
    }
}

/// The hidden subcommand that is a sentinel.
const SENTINEL: &str = "sentinel";
