//! `enterpriseConfiguration.mutualExclusionConfiguration`: the lease that means the same.

use std::time::Duration;

use super::database::Database;
use super::node::{Node, host_name};
use crate::config::fault::did_you_mean;
use crate::config::hocon::Data;
use crate::config::typed::{Lease, Maybe, Spanned};
use crate::config::units::show_time;

/// `machineName`: who holds the lease. `guessed` says that the environment lacks the machine's name.
pub(super) fn machine(node: &mut Node<'_>, guessed: bool) -> Spanned<String> {
    let path = [EXCLUSION[0], EXCLUSION[1], "machineName"];
    let Some(machine) = node.text(&path) else {
        let span = node.at(&EXCLUSION).map_or(node.start(), |value| value.span);
        return Spanned { value: host_name().unwrap_or_else(|| "localhost".to_owned()), span };
    };
    if machine.value.trim().is_empty() {
        node.fault(machine.span, "`machineName` is empty here: nothing tells this machine from the other")
            .help("write a name, or set the variable it comes from before the command: HOSTNAME=$(hostname)");
        return machine;
    }
    if guessed {
        let message = format!("HOSTNAME is not in the environment: this machine's name, {}, is taken", machine.value);
        node.note(machine.span, message).help("a shell has it, but passes it on only after `export HOSTNAME`");
    }
    machine
}

/// The lease's times, and what it is about.
pub(super) fn read(node: &mut Node<'_>, database: Option<&Database>) -> Lease {
    let mut lease = Lease::default();
    (lease.renew, lease.ttl) = times(node);
    if let Some(database) = database {
        lease.database = Some(database.name.clone());
        lease.group = Some(database.group.clone());
        lease.roles = vec![database.role.clone()];
    }
    lease
}

/// Its name: the organisation of `myLegalName`, as far as names go.
pub(super) fn name(node: &mut Node<'_>) -> Spanned<String> {
    let standard = Spanned { value: "corda".to_owned(), span: node.start() };
    let Some(legal) = node.text(&["myLegalName"]) else { return standard };
    let parts = legal.value.split(',').filter_map(|part| part.trim().split_once('='));
    let organisation = parts.filter(|(key, _)| key.trim().eq_ignore_ascii_case("O")).map(|(_, value)| value.trim());
    let letters = organisation.flat_map(str::chars).map(|letter| match letter {
        letter if letter.is_ascii_alphanumeric() => letter.to_ascii_lowercase(),
        _ => '-',
    });
    let name: String = letters.take(LONGEST_NAME).collect();
    let name = name.trim_matches('-');
    if name.is_empty() { standard } else { Spanned { value: name.to_owned(), span: legal.span } }
}

fn times(node: &mut Node<'_>) -> (Maybe<Duration>, Maybe<Duration>) {
    let Some(value) = node.at(&EXCLUSION) else {
        let start = node.start();
        node.note(start, "there is no `mutualExclusionConfiguration`: the lease has Mainstay's own times");
        return (None, None);
    };
    let Data::Object(object) = &value.data else {
        node.fault(value.span, "`mutualExclusionConfiguration` takes settings in { }");
        return (None, None);
    };
    for entry in object.fields.iter().filter(|entry| !KEYS.contains(&entry.name.as_str())) {
        let fault = node.fault(entry.span, format!("`mutualExclusionConfiguration` has no setting `{}`", entry.name));
        if let Some(guess) = did_you_mean(&entry.name, KEYS) {
            fault.help(format!("did you mean `{guess}`?"));
        }
    }
    if let Some(on) = node.flag(&[EXCLUSION[0], EXCLUSION[1], "on"]).filter(|on| !on.value) {
        let message = "mutual exclusion is off here; with Mainstay the lease is always kept: it is what prevents two";
        node.note(on.span, message);
    }
    let update = time(node, "updateInterval");
    let wait = time(node, "waitInterval");
    agree(node, update, wait)
}

/// The same wait before another may take over; more renewals where one that is missed would end it.
fn agree(node: &mut Node<'_>, update: Maybe<Duration>, wait: Maybe<Duration>) -> (Maybe<Duration>, Maybe<Duration>) {
    let Some(wait) = wait else {
        if let Some(update) = update {
            node.fault(update.span, "`updateInterval` without `waitInterval`")
                .help("add `waitInterval`, at least three times as long");
        }
        return (None, None);
    };
    let most = third(wait.value);
    let update = update.unwrap_or(Spanned { value: most, span: wait.span });
    if update.value >= wait.value {
        let message = format!(
            "`waitInterval` ({}) must be longer than `updateInterval` ({}): another would take over from a node that is well",
            show_time(wait.value),
            show_time(update.value)
        );
        node.fault(wait.span, message).help("at least three times as long").see(update.span, "`updateInterval`");
        return (None, None);
    }
    if update.value > most {
        let message = format!(
            "with `updateInterval` {} and `waitInterval` {}, one late renewal ends the lease: it is renewed every {}",
            show_time(update.value),
            show_time(wait.value),
            show_time(most)
        );
        node.note(update.span, message).help("a `ttl` lasts at least three renewals");
    }
    if wait.value > LONG {
        let message = format!("another machine takes over only {} after this one is lost", show_time(wait.value));
        node.note(wait.span, message).help("renew = \"1s\" and ttl = \"3s\" are what Mainstay is made for");
    }
    let renew = Spanned { value: update.value.min(most), span: update.span };
    (Some(renew), Some(wait))
}

/// A third of a time, in whole seconds where it has some.
fn third(time: Duration) -> Duration {
    let third = time / 3;
    match third.as_secs() {
        0 => Duration::from_millis(u64::from(third.subsec_millis())),
        seconds => Duration::from_secs(seconds),
    }
}

/// A time: milliseconds, or a number with a unit.
fn time(node: &mut Node<'_>, name: &str) -> Maybe<Duration> {
    let text = node.text(&[EXCLUSION[0], EXCLUSION[1], name])?;
    match duration(&text.value).filter(|time| (SHORTEST..=LONGEST).contains(time)) {
        Some(value) => Some(Spanned { value, span: text.span }),
        None => {
            let message = format!("`{name}`: \"{}\" is no time between 30 ms and a day", text.value);
            node.fault(text.span, message).help("write milliseconds, as 20000");
            None
        }
    }
}

fn duration(text: &str) -> Option<Duration> {
    let end = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit_ms = match unit.trim() {
        "" | "ms" | "milli" | "millis" | "millisecond" | "milliseconds" => 1,
        "s" | "second" | "seconds" => 1_000,
        "m" | "minute" | "minutes" => 60_000,
        "h" | "hour" | "hours" => 3_600_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit_ms).map(Duration::from_millis)
}

/// Where it stands.
pub(super) const EXCLUSION: [&str; 2] = ["enterpriseConfiguration", "mutualExclusionConfiguration"];

const KEYS: [&str; 4] = ["on", "machineName", "updateInterval", "waitInterval"];

const SHORTEST: Duration = Duration::from_millis(30);
const LONGEST: Duration = Duration::from_secs(86_400);

/// A wait that is worth a word.
const LONG: Duration = Duration::from_secs(10);

const LONGEST_NAME: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, expect_ms) in [
            ("20000", Some(20_000)),
            ("20 seconds", Some(20_000)),
            ("2m", Some(120_000)),
            ("1h", Some(3_600_000)),
            ("500ms", Some(500)),
            ("1.5s", None),
            ("-1", None),
            ("", None),
            ("s", None),
            ("1 fortnight", None),
            ("99999999999999999999", None),
            ("18446744073709551615h", None),
        ] {
            assert_eq!(duration(text), expect_ms.map(Duration::from_millis), "{text}");
        }
    }
}
