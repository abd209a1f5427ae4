//! `mainstay switchover`, `pause`, `resume` and `history`: what operators do with leases.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};

use clap::Args;
use mainstay_core::Span;

use super::{There, USAGE, complain, could_not_ask, encode, print, tell, when};
use crate::admin::client::{Answer, ask};
use crate::admin::document::{Event, History, Progress, Said};

/// A lease.
#[derive(Debug, Args)]
pub struct Lease {
    /// Its name, as in `[lease.NAME]`.
    lease: String,
    #[command(flatten)]
    there: There,
}

/// A switch-over.
#[derive(Debug, Args)]
pub struct Switchover {
    /// The lease, as in `[lease.NAME]`.
    lease: String,
    /// Who is to hold it [default: the best that can].
    #[arg(long, value_name = "NODE")]
    to: Option<String>,
    /// When it is to begin: 2026-11-21T22:00:00Z, or in a while: +10m [default: now].
    #[arg(long, value_name = "TIME", value_parser = when::parse)]
    at: Option<when::When>,
    /// One that was asked for does not begin.
    #[arg(long, conflicts_with_all = ["to", "at"])]
    cancel: bool,
    #[command(flatten)]
    there: There,
}

/// What happened.
#[derive(Debug, Args)]
pub struct HistoryOf {
    /// Of this lease [default: of all].
    lease: Option<String>,
    /// So many events, the last ones.
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    limit: u32,
    #[command(flatten)]
    there: There,
}

/// `mainstay pause`
pub(super) fn pause(of: &Lease) -> ExitCode {
    tell(&of.there, &format!("/pause?lease={}&by={}", encode(&of.lease), encode(&operator())))
}

/// `mainstay resume`
pub(super) fn resume(of: &Lease) -> ExitCode {
    tell(&of.there, &format!("/resume?lease={}", encode(&of.lease)))
}

/// `mainstay history`
pub(super) fn history(of: &HistoryOf) -> ExitCode {
    let lease = of.lease.as_ref().map_or_else(String::new, |lease| format!("lease={}&", encode(lease)));
    let answer = match ask(of.there.admin.as_ref(), "GET", &format!("/history?{lease}limit={}", of.limit)) {
        Ok(answer) => answer,
        Err(error) => return could_not_ask(&error),
    };
    if of.there.json {
        return print(&answer.body, answer.status == 200);
    }
    match serde_json::from_str::<History>(&answer.body) {
        Ok(history) => {
            print(&history.events.iter().map(|event| line(event, of.lease.is_none())).collect::<String>(), true)
        }
        Err(_) => complain(&answer),
    }
}

fn line(event: &Event, named: bool) -> String {
    let Event { at, lease, by, epoch, text, .. } = event;
    let lease = if named { format!("{lease}: ") } else { String::new() };
    clean(&format!("{at}  {by}  #{epoch}  {lease}{text}")) + "\n"
}

/// `mainstay switchover`
pub(super) fn switchover(it: &Switchover) -> ExitCode {
    let lease = encode(&it.lease);
    if it.cancel {
        return tell(&it.there, &format!("/switchover/cancel?lease={lease}"));
    }
    let after = match it.at.as_ref().map_or(Ok(Duration::ZERO), |at| at.from(SystemTime::now())) {
        Ok(after) => after,
        Err(why) => {
            eprintln!("mainstay: {why}");
            return ExitCode::from(USAGE);
        }
    };
    let to = it.to.as_ref().map_or_else(String::new, |to| format!("&to={}", encode(to)));
    let seen = events(it).pop();
    let target = format!("/switchover?lease={lease}{to}&after_ms={}", after.as_millis());
    let answer = match ask(it.there.admin.as_ref(), "POST", &target) {
        Ok(answer) => answer,
        Err(error) => return could_not_ask(&error),
    };
    let said = serde_json::from_str::<Said>(&answer.body).ok().filter(|said| said.ok);
    let Some((message, id)) = said.and_then(|said| Some((said.message, said.id?))) else {
        return refused(it, &answer);
    };
    note(&format!("{message}; it goes on if this command is ended"));
    follow(it, &id, after, seen)
}

fn refused(it: &Switchover, answer: &Answer) -> ExitCode {
    if it.there.json { print(&answer.body, false) } else { complain(answer) }
}

/// Shows what happens until the switch-over has ended.
fn follow(it: &Switchover, id: &str, after: Duration, seen: Option<Event>) -> ExitCode {
    let begun = Instant::now();
    let mut teller = Teller { seen, told: Vec::new(), begun };
    let target = format!("/switchover?lease={}&id={id}", encode(&it.lease));
    let mut unknown_since = None;
    loop {
        let answer = ask(it.there.admin.as_ref(), "GET", &target);
        let progress = match answer.as_ref().map(|answer| serde_json::from_str::<Progress>(&answer.body)) {
            Ok(Ok(progress)) => progress,
            Ok(Err(_)) => return answer.as_ref().map_or(ExitCode::FAILURE, complain),
            // The program that was asked may be the one that is switched away from, and end.
            Err(error) => return could_not_ask(error),
        };
        teller.tell(events(it));
        match progress.state.as_str() {
            "done" => return ended(it, &progress, begun, true),
            "refused" | "failed" => return ended(it, &progress, begun, false),
            "unknown" => {
                // The program that was asked has it in the store, and reads it from there with its next look.
                let since = *unknown_since.get_or_insert_with(Instant::now);
                if since.elapsed() > UNKNOWN_WITHIN {
                    return ended(it, &progress, begun, false);
                }
            }
            _ => unknown_since = None,
        }
        if begun.elapsed() > after + ALL_WITHIN {
            note("it has not ended yet, and goes on: see `mainstay status` and `mainstay history`");
            return ExitCode::FAILURE;
        }
        wait();
    }
}

fn ended(it: &Switchover, progress: &Progress, begun: Instant, good: bool) -> ExitCode {
    if it.there.json {
        return print(&(serde_json::to_string_pretty(progress).unwrap_or_default() + "\n"), good);
    }
    let text = format!("{} after {}: {}\n", progress.state, Span(begun.elapsed()), clean(&progress.message));
    if good {
        return print(&text, true);
    }
    note(text.trim_end());
    ExitCode::FAILURE
}

/// Tells of a switch-over what comes into the history, each step once: some are seen, and written, by every member.
struct Teller {
    /// The last event that was there.
    seen: Option<Event>,
    told: Vec<(String, String)>,
    begun: Instant,
}

impl Teller {
    fn tell(&mut self, all: Vec<Event>) {
        let last = self.seen.as_ref().and_then(|seen| all.iter().rposition(|event| event == seen));
        for Event { by, what, text, .. } in all.get(last.map_or(0, |at| at + 1)..).unwrap_or_default() {
            let step = (what.clone(), text.clone());
            // Who holds the lease is told by who gives it and who takes it.
            if what == "holder" || self.told.contains(&step) {
                continue;
            }
            note(&clean(&format!("{:>8.2} s  {by}  {text}", self.begun.elapsed().as_secs_f64())));
            self.told.push(step);
        }
        self.seen = all.into_iter().next_back().or(self.seen.take());
    }
}

/// What happened to the lease lately; empty where that cannot be had.
fn events(it: &Switchover) -> Vec<Event> {
    let target = format!("/history?lease={}&limit=50", encode(&it.lease));
    let answer = ask(it.there.admin.as_ref(), "GET", &target).ok();
    answer.and_then(|answer| serde_json::from_str::<History>(&answer.body).ok()).map_or_else(Vec::new, |it| it.events)
}

#[expect(clippy::disallowed_methods, reason = "a command has one thread, and nothing else to do")]
fn wait() {
    std::thread::sleep(LOOK_EVERY);
}

fn note(text: &str) {
    // Nobody may be reading.
    let _told = writeln!(std::io::stderr(), "{text}");
}

/// Text without what could steer a terminal.
fn clean(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '?' } else { letter }).collect()
}

/// Who asks, as others are to know it.
fn operator() -> String {
    let user =
        std::env::var("SUDO_USER").or_else(|_| std::env::var("USER")).unwrap_or_else(|_| "an operator".to_owned());
    format!("{user}@{}", rustix::system::uname().nodename().to_string_lossy())
}

const LOOK_EVERY: Duration = Duration::from_millis(100);
/// A switch-over that is in the store is seen with the next look.
const UNKNOWN_WITHIN: Duration = Duration::from_secs(10);
/// Preparing, draining, stopping, fencing and starting all have limits; this is longer than most of them together.
const ALL_WITHIN: Duration = Duration::from_secs(600);
