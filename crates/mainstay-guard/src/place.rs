//! Where a program runs: what others write down of it, and what its own machine can say of it afterwards.

use std::fmt;
use std::str::FromStr;

use mainstay_core::lease::Life;
use rustix::io::Errno;
use rustix::process::{Pid, getpid, test_kill_process};

use crate::lock::boot_id;
use crate::processes::Process;

/// A process of a machine, named for good: ids are used again, and mean something only in one run of a machine and in one
/// space of process ids (a container has its own).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The machine's name. Two may have the same.
    pub host: String,
    /// The process id.
    pub pid: i32,
    start: u64,
    boot: String,
    space: String,
}

impl Place {
    /// This process, on the machine of this name.
    #[must_use]
    pub fn here(host: &str) -> Self {
        let me = getpid();
        let start = Process::find(me).map_or(0, |process| process.start);
        Self { host: host.to_owned(), pid: me.as_raw_nonzero().get(), start, boot: boot_id(), space: space() }
    }

    /// Whether it lives, as far as this machine can tell.
    #[must_use]
    pub fn life(&self) -> Life {
        if self.boot.is_empty() || self.boot != boot_id() || self.space != space() {
            return Life::Unknown;
        }
        let Some(pid) = Pid::from_raw(self.pid) else { return Life::Unknown };
        match Process::find(pid) {
            Some(process) if process.start == self.start && !process.has_ended() => Life::Lives,
            Some(_) => Life::Dead,
            // Processes of others may be hidden.
            None if test_kill_process(pid) == Err(Errno::SRCH) => Life::Dead,
            None => Life::Unknown,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} {} {}", self.pid, self.start, self.boot, self.space, self.host)
    }
}

/// It is not what [`Place`] is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoPlace;

impl FromStr for Place {
    type Err = NoPlace;

    fn from_str(text: &str) -> Result<Self, NoPlace> {
        let words: Vec<&str> = text.splitn(5, ' ').collect();
        let [pid, start, boot, space, host] = words.as_slice() else { return Err(NoPlace) };
        let (pid, start) = (pid.parse().map_err(|_| NoPlace)?, start.parse().map_err(|_| NoPlace)?);
        Ok(Self { host: (*host).to_owned(), pid, start, boot: (*boot).to_owned(), space: (*space).to_owned() })
    }
}

/// The space that process ids of this program, and the times at which they began, mean something in. The machine's name
/// belongs to it, for a machine that was copied while it ran is told from its original by nothing else.
fn space() -> String {
    let of = |what: &str| std::fs::read_link(format!("/proc/self/ns/{what}"));
    let of = |what| of(what).map_or_else(|_| "-".to_owned(), |link| link.display().to_string());
    let host = rustix::system::uname().nodename().to_string_lossy().replace(char::is_whitespace, "_");
    format!("{}/{}/{host}", of("pid"), of("time"))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_place_is_read_as_it_is_written() {
        let here = Place::here("a host");
        assert_eq!(here.to_string().parse(), Ok(here));
        for wrong in ["", "here", "x 1 b s h", "1 2 3 4"] {
            assert_eq!(wrong.parse::<Place>(), Err(NoPlace), "{wrong}");
        }
    }

    #[test]
    fn only_the_own_machine_knows_who_lives() {
        let here = Place::here("h");
        assert_eq!(here.life(), Life::Lives);
        let check = |change: fn(&mut Place), expect: Life| {
            let mut place = here.clone();
            change(&mut place);
            assert_eq!(place.life(), expect, "{place}");
        };
        check(|place| place.start += 1, Life::Dead);
        check(|place| place.boot.push('x'), Life::Unknown);
        check(|place| place.boot.clear(), Life::Unknown);
        check(|place| place.space.push('x'), Life::Unknown);
        check(|place| place.pid = 0, Life::Unknown);
        let mut child = Command::new("true").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let start = Process::find(Pid::from_raw(pid).unwrap()).unwrap().start;
        child.wait().unwrap();
        assert_eq!(Place { pid, start, ..here.clone() }.life(), Life::Dead);
    }
}
