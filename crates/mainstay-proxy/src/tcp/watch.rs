//! What a session's silence means: nothing, that its node is to be doubted, or that nobody is there any more.

use std::time::Duration;

use mainstay_core::Moment;

/// Watches one session. A node is asked something whenever bytes are written to it, and has answered when any byte
/// comes back; a session is idle while no byte moves at all.
#[derive(Clone, Copy, Debug)]
pub(super) struct Watch {
    idle_timeout: Duration,
    doubt_after: Duration,
    last_byte: Moment,
    silence: Silence,
}

/// What the node owes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Silence {
    /// Nothing was asked since its last byte.
    None,
    /// It was asked at this moment.
    Since(Moment),
    /// It was asked, and has been doubted for its silence.
    Doubted,
}

/// What a deadline that has passed means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Bytes have moved since it was set.
    Nothing,
    /// The node has been silent for long.
    Doubt,
    /// The session has been silent for too long.
    Idle,
}

impl Watch {
    pub(super) fn new(idle_timeout: Duration, doubt_after: Duration, now: Moment) -> Self {
        Self { idle_timeout, doubt_after, last_byte: now, silence: Silence::None }
    }

    /// Bytes came from the node.
    pub(super) fn answered(&mut self, now: Moment) {
        self.last_byte = now;
        self.silence = Silence::None;
    }

    /// Bytes were written to the node.
    pub(super) fn asked(&mut self, now: Moment) {
        self.last_byte = now;
        if self.silence == Silence::None {
            self.silence = Silence::Since(now);
        }
    }

    /// Bytes moved in another way: read from the client, or written to it.
    pub(super) fn moved(&mut self, now: Moment) {
        self.last_byte = now;
    }

    /// When to ask [`Watch::due`] again, as far as can be said now.
    pub(super) fn deadline(&self) -> Moment {
        let idle = self.last_byte + self.idle_timeout;
        match self.silence {
            Silence::Since(asked) => idle.min(asked + self.doubt_after),
            Silence::None | Silence::Doubted => idle,
        }
    }

    /// What is due at `now`; doubt comes once in a silence.
    pub(super) fn due(&mut self, now: Moment) -> Due {
        if now >= self.last_byte + self.idle_timeout {
            return Due::Idle;
        }
        match self.silence {
            Silence::Since(asked) if now >= asked + self.doubt_after => {
                self.silence = Silence::Doubted;
                Due::Doubt
            }
            _ => Due::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    enum Step {
        Asked,
        Answered,
        Moved,
        Due(Due, u64),
    }
    use Step::{Answered, Asked, Moved};

    /// Runs `(milliseconds, step)` on a session with 1000 ms to idle and 100 ms to doubt; `Due` says what is due and
    /// when to ask next.
    #[track_caller]
    fn check(steps: &[(u64, Step)]) {
        let millis = Duration::from_millis;
        let mut watch = Watch::new(millis(1000), millis(100), Moment::ZERO);
        for (at, step) in steps {
            let now = Moment::from_millis(*at);
            match step {
                Asked => watch.asked(now),
                Answered => watch.answered(now),
                Moved => watch.moved(now),
                Step::Due(due, next) => {
                    assert_eq!(watch.due(now), *due, "at {at}");
                    assert_eq!(watch.deadline(), Moment::from_millis(*next), "at {at}");
                }
            }
        }
    }

    const fn due(due: Due, next: u64) -> Step {
        Step::Due(due, next)
    }

    #[test]
    fn a_session_without_a_byte_is_idle() {
        check(&[(0, due(Due::Nothing, 1000)), (999, due(Due::Nothing, 1000)), (1000, due(Due::Idle, 1000))]);
        check(&[(900, Moved), (1000, due(Due::Nothing, 1900)), (1900, due(Due::Idle, 1900))]);
    }

    #[test]
    fn a_node_that_was_asked_is_doubted_once_in_each_silence() {
        check(&[
            (10, Asked),
            (60, Asked),
            (109, due(Due::Nothing, 110)),
            (110, due(Due::Doubt, 1060)),
            (300, due(Due::Nothing, 1060)),
            (300, Asked),
            (500, due(Due::Nothing, 1300)),
            (600, Answered),
            (700, due(Due::Nothing, 1600)),
            (700, Asked),
            (800, due(Due::Doubt, 1700)),
        ]);
    }

    #[test]
    fn a_node_that_answered_is_not_doubted() {
        check(&[(10, Asked), (50, Answered), (500, due(Due::Nothing, 1050))]);
        check(&[(10, Answered), (10, Asked), (110, due(Due::Doubt, 1010))]);
    }
}
