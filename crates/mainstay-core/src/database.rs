//! Which of a database's hosts may be written to: the primary of the newest history that anybody has shown, or nobody.
//!
//! A standby that is promoted begins a new timeline, and knows it. A primary that was replaced does not: it goes on taking
//! writes that nobody will ever see again. So a lower timeline never wins, also when its server is the only one that
//! answers; and of two servers that write in one timeline neither wins, because nothing tells which of them is the right
//! one. What a host said last stands while it is silent. Asking each host only "are you the primary?", and following the
//! first that says yes, finds the replaced one as often as its successor.

/// What a host says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Said {
    /// Nothing: it is out of reach, or does not answer in time.
    Nothing,
    /// Nobody listens there: the server has ended.
    Stopped,
    /// It takes no writes: a standby, or a server that is set read only. The history it has followed so far.
    Reads(History),
    /// It takes writes, in this history.
    Writes(History),
}

/// A line of writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct History {
    /// Which database system: the same on a primary and its standbys.
    pub system: u64,
    /// Grows with each promotion.
    pub timeline: u32,
}

/// Where sessions go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Choice {
    /// To this host. While it does not answer, those that it has may go on, and new ones wait.
    Primary {
        /// Its index.
        host: usize,
        /// What it writes.
        history: History,
        /// Whether it answered when it was asked last.
        answers: bool,
    },
    /// Nowhere.
    Nobody(Why),
}

/// Why nobody may be written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Why {
    /// No host takes writes, as far as is known.
    NoPrimary,
    /// Only a host of an older history does: it was replaced, and does not know.
    Replaced {
        /// Its index.
        host: usize,
        /// The history it writes.
        timeline: u32,
        /// The newest that was seen.
        newest: u32,
    },
    /// Two hosts write in one timeline.
    Torn {
        /// Their indices.
        hosts: (usize, usize),
        /// The timeline.
        timeline: u32,
    },
    /// It writes in another history than the tenure that would go there is of.
    Apart {
        /// Its index.
        host: usize,
        /// The timeline that it writes in.
        timeline: u32,
        /// That of the tenure.
        tenure: u32,
    },
    /// Two hosts are no copies of one another.
    Strangers {
        /// Their indices.
        hosts: (usize, usize),
    },
}

impl Choice {
    /// What is left of it for somebody who runs in a tenure of this history, in the same database system: what he remembers
    /// was written in it, and another one may lack that. A tenure of another system says nothing about this one.
    #[must_use]
    pub const fn in_tenure(self, tenure: History) -> Self {
        match self {
            Self::Primary { host, history, .. }
                if history.system == tenure.system && history.timeline != tenure.timeline =>
            {
                Self::Nobody(Why::Apart { host, timeline: history.timeline, tenure: tenure.timeline })
            }
            choice => choice,
        }
    }
}

/// Chooses among the hosts of one database.
#[derive(Clone, Debug)]
pub struct Chooser {
    hosts: Vec<Known>,
    newest: Option<History>,
    choice: Choice,
}

/// What is known of a host.
#[derive(Clone, Copy, Debug)]
struct Known {
    /// What it said last.
    last: Said,
    /// What it said last when it said anything.
    word: Option<Word>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Word {
    writes: bool,
    history: History,
}

impl Chooser {
    /// Among so many hosts, none of which was heard yet.
    #[must_use]
    pub fn new(hosts: usize) -> Self {
        let hosts = vec![Known { last: Said::Nothing, word: None }; hosts];
        Self { hosts, newest: None, choice: Choice::Nobody(Why::NoPrimary) }
    }

    /// Takes note of what a host says, and chooses.
    pub fn heard(&mut self, host: usize, said: Said) -> Choice {
        if let Some(known) = self.hosts.get_mut(host) {
            known.last = said;
            known.word = match said {
                Said::Nothing | Said::Stopped => known.word,
                Said::Reads(history) => Some(Word { writes: false, history }),
                Said::Writes(history) => Some(Word { writes: true, history }),
            };
        }
        self.choice = self.choose();
        self.choice
    }

    /// Where sessions go just now.
    #[must_use]
    pub const fn choice(&self) -> Choice {
        self.choice
    }

    fn choose(&mut self) -> Choice {
        let words: Vec<(usize, Word)> =
            self.hosts.iter().enumerate().filter_map(|(host, known)| Some((host, known.word?))).collect();
        let Some((first, one)) = words.first().copied() else { return Choice::Nobody(Why::NoPrimary) };
        if let Some((other, _)) = words.iter().find(|(_, word)| word.history.system != one.history.system) {
            return Choice::Nobody(Why::Strangers { hosts: (first, *other) });
        }
        let known = self.newest.filter(|newest| newest.system == one.history.system);
        let newest = words.iter().map(|(_, word)| word.history).chain(known).max().unwrap_or(one.history);
        self.newest = Some(newest);
        self.among(&words, newest.timeline)
    }

    fn among(&self, words: &[(usize, Word)], newest: u32) -> Choice {
        let writers = || words.iter().filter(|(_, word)| word.writes).map(|(host, word)| (*host, word.history));
        let last = |host: usize| self.hosts.get(host).map_or(Said::Nothing, |known| known.last);
        let mut living = writers().filter(|(host, its)| its.timeline == newest && last(*host) != Said::Stopped);
        match (living.next(), living.next()) {
            (Some((one, its)), Some((other, _))) => {
                return Choice::Nobody(Why::Torn { hosts: (one, other), timeline: its.timeline });
            }
            (Some((host, history)), None) => {
                return Choice::Primary { host, history, answers: matches!(last(host), Said::Writes(_)) };
            }
            (None, _) => {}
        }
        // The one there was may be back before anybody takes its place.
        if let Choice::Primary { host, history, .. } = self.choice
            && history.timeline == newest
            && writers().any(|writer| writer == (host, history))
        {
            return Choice::Primary { host, history, answers: false };
        }
        let replaced = writers().find(|(host, its)| its.timeline < newest && matches!(last(*host), Said::Writes(_)));
        Choice::Nobody(match replaced {
            Some((host, its)) => Why::Replaced { host, timeline: its.timeline, newest },
            None => Why::NoPrimary,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `(host, what it says, what follows)`. Words are `w3` (writes in timeline 3), `r3`, `-` (nothing), `x` (stopped),
    /// and `y3` for one of another system that writes; what follows is `0` for a choice, `0?` while that does not
    /// answer, or what is wrong.
    #[track_caller]
    fn check(steps: &[(usize, &str, &str)]) {
        let mut chooser = Chooser::new(3);
        for (at, (host, word, expect)) in steps.iter().enumerate() {
            let timeline = word.get(1..).and_then(|timeline| timeline.parse().ok()).unwrap_or(0);
            let said = match word.get(..1) {
                Some("w") => Said::Writes(History { system: 1, timeline }),
                Some("y") => Said::Writes(History { system: 2, timeline }),
                Some("r") => Said::Reads(History { system: 1, timeline }),
                Some("x") => Said::Stopped,
                _ => Said::Nothing,
            };
            let found = match chooser.heard(*host, said) {
                Choice::Primary { host, answers, .. } => format!("{host}{}", if answers { "" } else { "?" }),
                Choice::Nobody(Why::NoPrimary) => "none".to_owned(),
                Choice::Nobody(Why::Replaced { host, timeline, newest }) => {
                    format!("{host} replaced {timeline}<{newest}")
                }
                Choice::Nobody(Why::Apart { .. }) => "apart".to_owned(),
                Choice::Nobody(Why::Torn { hosts, .. }) => format!("torn {} {}", hosts.0, hosts.1),
                Choice::Nobody(Why::Strangers { hosts }) => format!("strangers {} {}", hosts.0, hosts.1),
            };
            assert_eq!(found, *expect, "step {at}: {host} says {word}");
        }
    }

    #[test]
    fn the_primary_is_found_and_followed() {
        check(&[(0, "r1", "none"), (1, "w1", "1"), (0, "-", "1"), (1, "w1", "1")]);
        check(&[(0, "w1", "0"), (1, "r1", "0"), (0, "x", "0?"), (1, "r1", "0?"), (1, "w2", "1"), (0, "r2", "1")]);
        check(&[(0, "w1", "0"), (0, "x", "0?"), (0, "w1", "0")]);
        check(&[(0, "w1", "0"), (0, "-", "0?"), (0, "r1", "none"), (0, "w2", "0")]);
    }

    #[test]
    fn one_that_was_replaced_is_left_for_good() {
        check(&[(0, "w1", "0"), (1, "w2", "1"), (0, "w1", "1"), (1, "-", "1?"), (0, "w1", "1?")]);
        check(&[(0, "w1", "0"), (1, "w2", "1"), (1, "r2", "0 replaced 1<2"), (0, "w1", "0 replaced 1<2")]);
        check(&[(0, "w1", "0"), (1, "r2", "0 replaced 1<2"), (1, "w2", "1")]);
        check(&[(1, "w2", "1"), (1, "x", "1?"), (0, "w1", "1?"), (1, "r2", "0 replaced 1<2"), (0, "x", "none")]);
    }

    #[test]
    fn of_two_in_one_timeline_neither_is_right() {
        check(&[(0, "w1", "0"), (1, "w1", "torn 0 1"), (1, "-", "torn 0 1"), (1, "r1", "0")]);
        check(&[(0, "w1", "0"), (0, "-", "0?"), (1, "w1", "torn 0 1"), (2, "w2", "2")]);
        check(&[(0, "w1", "0"), (1, "w1", "torn 0 1"), (1, "x", "0"), (0, "x", "0?")]);
    }

    #[test]
    fn a_tenure_goes_to_its_own_history_alone() {
        let at = |system, timeline| History { system, timeline };
        let primary = |history| Choice::Primary { host: 1, history, answers: true };
        let apart = |timeline, tenure| Choice::Nobody(Why::Apart { host: 1, timeline, tenure });
        for (choice, tenure, expect) in [
            (primary(at(7, 2)), at(7, 2), primary(at(7, 2))),
            (primary(at(7, 2)), at(7, 1), apart(2, 1)),
            (primary(at(7, 1)), at(7, 2), apart(1, 2)),
            (primary(at(8, 1)), at(7, 2), primary(at(8, 1))),
            (Choice::Nobody(Why::NoPrimary), at(7, 2), Choice::Nobody(Why::NoPrimary)),
        ] {
            assert_eq!(choice.in_tenure(tenure), expect, "{choice:?} in {tenure:?}");
        }
    }

    #[test]
    fn servers_that_are_no_copies_are_not_mixed() {
        check(&[(0, "w1", "0"), (1, "y5", "strangers 0 1"), (1, "-", "strangers 0 1"), (1, "r1", "0")]);
        check(&[(0, "w7", "0"), (0, "y1", "0"), (0, "y1", "0")]);
    }
}
