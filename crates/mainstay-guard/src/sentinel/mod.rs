//! The process that outlives a guard, for as long as it takes to kill the guard's child.
//!
//! A guard starts one for each run of a command and tells it, over a socket, until when the run may go on. It starts the
//! command and enforces these deadlines on the clock that counts a sleeping machine's time: it freezes the run's
//! processes at `until` and kills them at `kill_at`, unless it was told of later ones. It kills them at once when it is
//! told to, when the guard dies (the socket ends then), and when the command itself has ended and left something
//! behind. It says that they are gone when there is not one left, and ends.
//!
//! A run may have inherited locks that outlive it in the guard. When the run is gone and the guard does not take notice of
//! that, though its tenure has run out (it was stopped, say), the sentinel lets go of them before it ends: nothing that
//! they stand for is left, and whoever waits for them need not wait for the guard.
//!
//! It is in a session of its own, takes no notice of the signals that end programs, asks to be spared when memory is
//! short, locks what memory it uses, and opens what it needs before the command runs. It has one thread and never waits
//! for anybody: not for the guard to read what it says, not for a process to die.

mod launch;
mod protocol;
mod watch;

use std::ffi::OsString;
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use rustix::process::Signal;

pub(crate) use protocol::{Lines, Order, Word};

/// What a `mainstay sentinel` does with the words after that one. Not for people: a guard starts it.
pub fn main(words: impl IntoIterator<Item = OsString>) -> ExitCode {
    // What the sentinel writes would be taken for the child's, and might have to wait for a reader.
    std::panic::set_hook(Box::new(|_| {}));
    let words: Vec<OsString> = words.into_iter().collect();
    match words.split_first() {
        Some((first, rest)) if first == LAUNCH => launch::main(rest.iter().cloned()),
        Some((first, rest)) if first == WATCH => match Orders::parse(rest) {
            Some(orders) => watch::main(&orders, words_before(words.len())),
            None => ExitCode::from(USAGE),
        },
        _ => ExitCode::from(USAGE),
    }
}

/// What a sentinel is started with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Orders {
    /// Whether the run is frozen at `until`; otherwise it is killed then.
    pub(crate) freeze: bool,
    pub(crate) stop_signal: Signal,
    pub(crate) cgroup: Option<PathBuf>,
    /// The descriptors that are locks of the tenure: let go when the run is gone and the guard takes no notice of that.
    pub(crate) locks: Vec<RawFd>,
    /// Never empty.
    pub(crate) command: Vec<OsString>,
}

impl Orders {
    /// As words, for the command line.
    pub(crate) fn words(&self) -> Vec<OsString> {
        let cgroup = self.cgroup.as_deref().unwrap_or(Path::new(""));
        let freeze = if self.freeze { FREEZE } else { "kill" };
        let mut words: Vec<OsString> = vec![WATCH.into(), freeze.into()];
        words.push(self.stop_signal.as_raw().to_string().into());
        words.push(cgroup.into());
        words.push(self.locks.iter().map(RawFd::to_string).collect::<Vec<_>>().join(",").into());
        words.extend(self.command.iter().cloned());
        words
    }

    fn parse(words: &[OsString]) -> Option<Self> {
        let (head, command) = words.split_at_checked(4)?;
        let [freeze, signal, cgroup, locks] = head else { return None };
        let orders = Self {
            freeze: freeze == FREEZE,
            stop_signal: Signal::from_named_raw(signal.to_str()?.parse().ok()?)?,
            cgroup: (!cgroup.is_empty()).then(|| cgroup.into()),
            locks: parse_locks(locks.to_str()?)?,
            command: command.to_vec(),
        };
        (!orders.command.is_empty()).then_some(orders)
    }
}

fn parse_locks(text: &str) -> Option<Vec<RawFd>> {
    text.split(',').filter(|number| !number.is_empty()).map(|number| number.parse().ok()).collect()
}

/// Of this process's own words, those between its name and the last `own`.
fn words_before(own: usize) -> Vec<OsString> {
    let all: Vec<OsString> = std::env::args_os().skip(1).collect();
    let before = all.len().saturating_sub(own);
    all.into_iter().take(before).collect()
}

/// The first word of a sentinel, and of the step between it and the command.
const WATCH: &str = "watch";
const LAUNCH: &str = "launch";
const FREEZE: &str = "freeze";
const USAGE: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_read_as_they_are_written() {
        let orders = Orders {
            freeze: true,
            stop_signal: Signal::TERM,
            cgroup: Some("/sys/fs/cgroup/a b".into()),
            locks: vec![5, 17],
            command: vec!["sh".into(), "-c".into(), "--".into()],
        };
        for orders in [Orders { freeze: false, cgroup: None, locks: Vec::new(), ..orders.clone() }, orders] {
            let words = orders.words();
            assert_eq!(Orders::parse(words.get(1..).unwrap()), Some(orders.clone()));
            assert_eq!(Orders::parse(words.get(1..5).unwrap()), None, "no command");
        }
    }
}
