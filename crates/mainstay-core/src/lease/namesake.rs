//! Whether another member of the own name lives: asked once, before a member begins to contend.
//!
//! Two machines that were given one name by mistake do no harm to the lease, for tenures are told apart by nonces. But
//! people, pools and switch-overs tell members apart by name, so the second is not to begin.
//!
//! A member lives when its record in the store, or the tenure of its name, was seen to change *twice* while this member
//! watched: the last step of a dead one may still have been under way, but only one. It is dead when nothing changed for
//! `ttl` and 1 %, counted from its last step by the store's clock, so that a machine that was started again need not wait
//! for longer than its former life would have held the lease. What this machine knows of its own processes goes first:
//! [`Life`].
//!
//! While it asks, a member has a record of its own, under a name that says so, which no other takes for a member that
//! could do anything. Of two that ask at the same time, each writes before it reads, so at least one sees the other. The
//! one that has waited for a renewal says so, and goes before one that has not: who is refused and comes again, with
//! another instance, does not overtake it. Else the one with the lower instance goes on. The other is refused.
//!
//! This is outside [`super::Machine`]: it guards people against a mistake, not the lease against two holders, and what it
//! does not see at the start (the store was away) is told by the machine's notice later.

use std::collections::BTreeMap;
use std::time::Duration;

use super::row::{Nonce, Stamp};
use super::terms::Terms;
use crate::Moment;

/// Another record of the own name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namesake {
    /// Its instance.
    pub instance: Nonce,
    /// It asks, too, and has not begun.
    pub asks: bool,
    /// It has asked for as long as [`NameWatch::is_patient`] says.
    pub patient: bool,
    /// It wrote last that it holds the lease.
    pub holds: bool,
    /// When it wrote last, by the store's clock.
    pub seen: Stamp,
    /// How long ago that was.
    pub age: Duration,
    /// What this machine knows of it.
    pub life: Life,
}

/// What a machine knows of a program from the processes that it runs itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// It is one of them.
    Lives,
    /// It was one of them.
    Dead,
    /// It runs, or ran, elsewhere, or on this machine before it was started.
    Unknown,
}

/// A tenure under the own name that has not run out by the store's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamedTenure {
    /// Which.
    pub nonce: Nonce,
    /// Its steps until now.
    pub seq: u64,
    /// Of each.
    pub ttl: Duration,
    /// How long ago the last one was.
    pub age: Duration,
}

/// What the store showed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NameLook {
    /// All other records of the name.
    pub namesakes: Vec<Namesake>,
    /// The tenure of the name, if there is one.
    pub tenure: Option<NamedTenure>,
}

/// What follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nobody else has the name.
    Alone,
    /// Somebody may have it. Look again soon; when nothing changes any more it is known by this moment.
    Wait(Moment),
    /// Somebody has it; who, if a record says so.
    Taken(Option<Nonce>),
}

/// What was seen until now.
#[derive(Debug)]
pub struct NameWatch {
    me: Nonce,
    ttl: Duration,
    renew: Duration,
    begun: Option<Moment>,
    records: BTreeMap<Nonce, Watched>,
    tenure: Option<(Nonce, Watched)>,
}

/// What says by its changes that somebody lives.
#[derive(Clone, Copy, Debug)]
struct Watched {
    last: i64,
    changes: u32,
    /// When that was seen, by the own clock.
    since: Moment,
    /// How old it was then, by the store's clock.
    age: Duration,
}

impl NameWatch {
    /// A watch of the member with these terms.
    #[must_use]
    pub fn new(terms: &Terms) -> Self {
        Self {
            me: terms.me.instance,
            ttl: terms.ttl,
            renew: terms.renew,
            begun: None,
            records: BTreeMap::new(),
            tenure: None,
        }
    }

    /// Whether it has waited for so long at `now` that who begins to ask later does not go before it.
    #[must_use]
    pub fn is_patient(&self, now: Moment) -> bool {
        self.begun.is_some_and(|begun| now.since(begun) >= self.renew)
    }

    /// Judges what was read at `now`.
    pub fn look(&mut self, look: &NameLook, now: Moment) -> Verdict {
        let first = self.begun.is_none();
        let begun = *self.begun.get_or_insert(now);
        let mut verdict = self.tenure(look, now);
        for namesake in &look.namesakes {
            verdict = worse(verdict, self.namesake(namesake, first, now));
        }
        match verdict {
            // Only others that ask can keep on being there without an answer: one of them is about to begin.
            Verdict::Wait(_) if now.since(begun) > self.ttl.saturating_mul(PATIENCE_TTLS) => Verdict::Alone,
            verdict => verdict,
        }
    }

    /// How long to wait between two looks.
    #[must_use]
    pub fn pause(terms: &Terms) -> Duration {
        (terms.renew / LOOKS_A_RENEWAL).clamp(PAUSE_LEAST, PAUSE_MOST)
    }

    fn namesake(&mut self, it: &Namesake, first: bool, now: Moment) -> Verdict {
        if it.life == Life::Lives && !it.asks {
            return Verdict::Taken(Some(it.instance));
        }
        let ends = wait(self.ttl);
        let (last, changes) = (it.seen.0, u32::from(!first));
        // Whoever has not waited comes after those that have.
        let goes_first = (!self.is_patient(now), self.me) < (!it.patient, it.instance);
        let fresh = Watched { last, changes, since: now, age: it.age };
        match self.records.entry(it.instance).or_insert(fresh).judge(last, ends, now) {
            Verdict::Taken(_) if it.asks && goes_first => Verdict::Wait(now + ends),
            // What changes lives, whatever this machine knows: it may be a copy of the one it ran on.
            Verdict::Wait(_) if it.life == Life::Dead => Verdict::Alone,
            Verdict::Taken(_) => Verdict::Taken(Some(it.instance)),
            verdict => verdict,
        }
    }

    /// A holder writes its record seldom, but renews.
    fn tenure(&mut self, look: &NameLook, now: Moment) -> Verdict {
        let Some(tenure) = look.tenure else {
            self.tenure = None;
            return Verdict::Alone;
        };
        let mut holders = look.namesakes.iter().filter(|it| it.holds).peekable();
        let is_dead = holders.peek().is_some() && holders.all(|holder| holder.life == Life::Dead);
        let last = i64::try_from(tenure.seq).unwrap_or(i64::MAX);
        let fresh = || (tenure.nonce, Watched { last, changes: 0, since: now, age: tenure.age });
        let (nonce, known) = self.tenure.get_or_insert_with(fresh);
        if *nonce != tenure.nonce {
            // Somebody took it under this name, and lives.
            return Verdict::Taken(None);
        }
        match known.judge(last, wait(tenure.ttl.max(self.ttl)), now) {
            Verdict::Wait(_) if is_dead => Verdict::Alone,
            verdict => verdict,
        }
    }
}

impl Watched {
    fn judge(&mut self, last: i64, ends: Duration, now: Moment) -> Verdict {
        if self.last != last {
            (self.last, self.since, self.age) = (last, now, Duration::ZERO);
            self.changes += 1;
        }
        if self.changes >= CHANGES_OF_THE_LIVING {
            return Verdict::Taken(None);
        }
        let until = self.since + ends.saturating_sub(self.age);
        if until > now { Verdict::Wait(until) } else { Verdict::Alone }
    }
}

/// What is to be done about both.
fn worse(one: Verdict, other: Verdict) -> Verdict {
    match (one, other) {
        (Verdict::Taken(who), Verdict::Taken(other)) => Verdict::Taken(who.or(other)),
        (taken @ Verdict::Taken(_), _) | (_, taken @ Verdict::Taken(_)) => taken,
        (Verdict::Wait(one), Verdict::Wait(other)) => Verdict::Wait(one.max(other)),
        (wait @ Verdict::Wait(_), _) | (_, wait) => wait,
    }
}

fn wait(ttl: Duration) -> Duration {
    ttl + ttl / Terms::DRIFT_DIVISOR
}

/// The last step of a dead one may be seen late; two cannot.
const CHANGES_OF_THE_LIVING: u32 = 2;
/// So many times `ttl` others that ask are waited for.
const PATIENCE_TTLS: u32 = 4;
const LOOKS_A_RENEWAL: u32 = 8;
const PAUSE_LEAST: Duration = Duration::from_millis(20);
const PAUSE_MOST: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests {
    use super::super::terms::Identity;
    use super::*;

    /// A script of looks, `MILLIS: RECORD...`, and after `=` what is said: `alone`, `taken INSTANCE`, `taken`, or until
    /// when to wait. A record is `INSTANCE@SEEN`, both in milliseconds by one clock, with `?` if it asks, `p` if it is patient, `h` if it
    /// holds, `+` and `-` for what this machine knows; `#SEQ@SEEN` is a tenure. The own instance is 5, `ttl` 3 s.
    fn check(script: &str) {
        let me = Identity { name: "a".into(), instance: Nonce(5), priority: 1 };
        let terms = Terms::new("bank".into(), me, Duration::from_secs(1), Duration::from_secs(3));
        let mut watch = NameWatch::new(&terms);
        for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (at, rest) = line.split_once(':').unwrap();
            let (records, expect) = rest.split_once('=').unwrap();
            let at: u64 = at.parse().unwrap();
            let mut look = NameLook::default();
            for word in records.split_whitespace() {
                let (what, seen) = word.split_once('@').unwrap();
                let seen: u64 = seen.parse().unwrap();
                let age = Duration::from_millis(at - seen);
                if let Some(seq) = what.strip_prefix('#') {
                    let seq = seq.parse().unwrap();
                    look.tenure = Some(NamedTenure { nonce: Nonce(1), seq, ttl: terms.ttl, age });
                    continue;
                }
                let life = match what {
                    what if what.contains('+') => Life::Lives,
                    what if what.contains('-') => Life::Dead,
                    _ => Life::Unknown,
                };
                look.namesakes.push(Namesake {
                    instance: Nonce(what.trim_end_matches(['?', 'p', 'h', '+', '-']).parse().unwrap()),
                    asks: what.contains('?'),
                    patient: what.contains('p'),
                    holds: what.contains('h'),
                    seen: Stamp(i64::try_from(seen).unwrap()),
                    age,
                    life,
                });
            }
            let said = match watch.look(&look, Moment::from_millis(at)) {
                Verdict::Alone => "alone".to_owned(),
                Verdict::Wait(until) => format!("{}", until.as_millis()),
                Verdict::Taken(Some(who)) => format!("taken {}", who.0),
                Verdict::Taken(None) => "taken".to_owned(),
            };
            assert_eq!(said, expect.trim(), "{line:?} of {script}");
        }
    }

    #[test]
    fn who_has_no_namesake_begins_at_once() {
        check("10000: = alone");
        check("10000: 1@5000 = alone");
        check("10000: #7@5000 = alone");
        check("10000: 1-@9999 2h-@9998 #7@9999 = alone");
        check("5000: 1@0 = alone");
    }

    #[test]
    fn who_lives_is_seen_to_change_twice() {
        check("10000: 1@9500 = 12530\n 10100: 1@10050 = 13130\n 10900: 1@10050 = 13130\n 11100: 1@11050 = taken 1");
        check("10000: 1h@6000 #7@9500 = 12530\n 10600: #8@10500 = 13630\n 11600: #9@11500 = taken");
        check("10000: 1+@9999 = taken 1");
        // The machine takes it for dead, for it is a copy of the one that it runs on.
        check("10000: 1-@9999 2@9000 = 12030\n 10200: 1-@10100 2@9000 = 12030\n 11200: 1-@11100 2@9000 = taken 1");
        check(
            "10000: 1h-@9999 2@9000 #7@9999 = 12030\n 10200: 1h-@9999 2@9000 #8@10100 = 12030\n 11200: 1h-@9999 2@9000 #9@11100 = taken",
        );
        check("10000: = alone\n 10100: 1@10050 = 13080\n 10200: 1@10150 = taken 1");
    }

    #[test]
    fn who_died_elsewhere_is_waited_for_until_its_time_is_over() {
        check("10000: 1@8000 = 11030\n 11000: 1@8000 = 11030\n 11030: 1@8000 = alone");
        check("10000: 1h@8000 #7@9000 = 12030\n 12030: 1h@8000 #7@9000 = alone");
        check("10000: 1@9999 = 13029\n 10020: 1@10001 = 13050\n 13050: 1@10001 = alone");
        check("10000: 1-h@9000 2@9000 #7@9000 = 12030\n 12100: 1-h@9000 2@9000 = alone");
        check("10000: 1-h@9000 2h@9000 #7@9900 = 12930");
    }

    #[test]
    fn of_those_that_ask_the_lowest_goes_on() {
        check("10000: 3?@9999 = 13029\n 10100: 3?@10099 = 13130\n 10200: 3?@10199 = taken 3");
        check("10000: 7?@9999 = 13029\n 10100: 7?@10099 = 13130\n 10200: 7?@10199 = 13230\n 10300: 7@10299 = taken 7");
        check("10000: 7?+@9999 = 13029\n 13100: 7?@9999 = alone");
        check("10000: 7?@9999 = 13029\n 22100: 7?@22000 = alone");
        check("10000: 7?@9999 = 13029\n 10100: 7?p@10099 = 13130\n 10200: 7?p@10199 = taken 7");
        check("10000: 1@9999 = 13029\n 11100: 3?@11099 1@9999 = 14129\n 11200: 3?@11199 1@9999 = 14230");
        check("10000: 1@9999 = 13029\n 11100: 3?@11099 1@9999 = 14129\n 11200: 3?p@11199 1@9999 = taken 3");
    }
}
