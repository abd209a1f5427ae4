//! Until when a tenure is good, from the steps that confirmed it.
//!
//! Every step of a tenure adds one to the row's `seq`, and nobody else's step does. A step counts from just before it
//! was sent. One whose outcome is not known is a *ghost*: it may have been done, or be done later. When the row then
//! shows that `k` more steps were done than were acknowledged, the latest of those was sent no earlier than the `k`-th
//! oldest ghost, so the tenure counts from that one; which of them it was need not be known.

use crate::Moment;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Validity {
    /// The row's `seq` after the last step that is known to have been done.
    acked: u64,
    /// When that step was sent, or a moment before.
    from: Moment,
    /// When each ghost was sent, the oldest first.
    ghosts: Vec<Moment>,
    /// Ghosts for which there was no room in the list; they are the youngest.
    more: u64,
}

/// A row that the own steps do not explain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Odd {
    /// It lacks steps that were acknowledged.
    WentBack,
    /// It has more steps than were taken: somebody else has the nonce.
    Copied,
}

impl Validity {
    /// After the step that began the tenure.
    pub(super) fn new(seq: u64, sent: Moment) -> Self {
        Self { acked: seq, from: sent, ghosts: Vec::new(), more: 0 }
    }

    pub(super) fn from(&self) -> Moment {
        self.from
    }

    pub(super) fn acked(&self) -> u64 {
        self.acked
    }

    /// A step sent then may or may not have been done.
    pub(super) fn unknown(&mut self, sent: Moment) {
        if self.ghosts.len() < GHOSTS_AT_MOST {
            self.ghosts.push(sent);
        } else {
            self.more = self.more.saturating_add(1);
        }
    }

    /// A step sent then is taken to have been done, without knowing.
    pub(super) fn assume(&mut self, sent: Moment) {
        self.from = self.from.max(sent);
    }

    /// A step sent then was done, after which the row had `seq`.
    pub(super) fn done(&mut self, sent: Moment, seq: u64) -> Result<(), Odd> {
        let before = seq.checked_sub(1).ok_or(Odd::WentBack)?;
        self.read(before)?;
        self.acked = seq;
        self.from = self.from.max(sent);
        Ok(())
    }

    /// The row was seen with `seq`.
    pub(super) fn read(&mut self, seq: u64) -> Result<(), Odd> {
        let steps = seq.checked_sub(self.acked).ok_or(Odd::WentBack)?;
        let listed = u64::try_from(self.ghosts.len()).unwrap_or(u64::MAX);
        if steps > listed.saturating_add(self.more) {
            return Err(Odd::Copied);
        }
        let counted = usize::try_from(steps.min(listed)).unwrap_or(0);
        if let Some(latest) = self.ghosts.drain(..counted).next_back() {
            self.from = self.from.max(latest);
        }
        self.more -= steps.saturating_sub(listed);
        self.acked = seq;
        Ok(())
    }
}

/// More than can be sent within a `ttl` at the pace of retries that matters; those beyond only count.
const GHOSTS_AT_MOST: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    /// Steps: `u10` unknown, sent at 10; `d30=7` done, sent at 30, seq 7; `r8` read with seq 8.
    fn check(script: &str, expect: &str) {
        let mut validity = Validity::new(5, Moment::from_millis(1));
        let mut out = String::new();
        for word in script.split_whitespace() {
            let (kind, rest) = word.split_at(1);
            let number = |text: &str| text.parse::<u64>().expect("a number");
            let result = match (kind, rest.split_once('=')) {
                ("u", _) => {
                    validity.unknown(Moment::from_millis(number(rest)));
                    Ok(())
                }
                ("d", Some((sent, seq))) => validity.done(Moment::from_millis(number(sent)), number(seq)),
                _ => validity.read(number(rest)),
            };
            out = match result {
                Ok(()) => format!("{}@{}", validity.acked(), validity.from().as_millis()),
                Err(odd) => format!("{odd:?}"),
            };
        }
        assert_eq!(out, expect, "{script}");
    }

    #[test]
    fn unknown_steps_count_from_their_own_beginning() {
        check("d10=6", "6@10");
        check("u10", "5@1");
        check("u10 r5", "5@1");
        check("u10 r6", "6@10");
        check("u10 u20 r6", "6@10");
        check("u10 u20 r7", "7@20");
        check("u10 u20 r6 r7", "7@20");
        check("u10 d20=6", "6@20");
        check("u10 d20=7", "7@20");
        check("u10 d20=6 r7", "7@20");
        check("u10 u20 d30=7 r8", "8@30");
        check("u30 d20=6 r7", "7@30");
    }

    #[test]
    fn rows_that_own_steps_do_not_explain_are_odd() {
        check("r6", "Copied");
        check("d10=7", "Copied");
        check("u10 d20=8", "Copied");
        check("d10=5", "WentBack");
        check("d10=6 r5", "WentBack");
        check("r0", "WentBack");
        check("d1=0", "WentBack");
    }

    #[test]
    fn ghosts_beyond_the_list_never_extend() {
        let many: String = (0..20).map(|at| format!("u{} ", 100 + at)).collect();
        check(&format!("{many} r25"), "25@115");
        check(&format!("{many} r26"), "Copied");
        check(&format!("{many} r24 r25 d300=26"), "26@300");
    }
}
