//! Who waits for a connection of a pool, in the order they came.

use std::cell::RefCell;
use std::collections::VecDeque;

use mainstay_io::timer::Raiser;

/// Those of one worker who wait.
#[derive(Default)]
pub(super) struct Queue(RefCell<VecDeque<Waiter>>);

struct Waiter {
    who: Raiser,
    choosy: bool,
}

impl Queue {
    /// Joins at the end; false when `most` wait already. Whoever is `choosy` cannot take every node, because some have
    /// failed it: so it does not hold up those behind it.
    pub(super) fn join(&self, who: Raiser, choosy: bool, most: usize) -> bool {
        let mut waiting = self.0.borrow_mut();
        let room = waiting.len() < most;
        if room {
            waiting.push_back(Waiter { who, choosy });
        }
        room
    }

    /// Leaves, from wherever it stands.
    pub(super) fn leave(&self, who: &Raiser) {
        self.0.borrow_mut().retain(|waiter| !waiter.who.is_same(who));
    }

    /// Whether somebody waits whose turn it is before any newcomer's.
    pub(super) fn is_line(&self) -> bool {
        self.0.borrow().iter().any(|waiter| !waiter.choosy)
    }

    /// Whether `who`, which is not choosy, is the next.
    pub(super) fn is_next(&self, who: &Raiser) -> bool {
        self.0.borrow().iter().find(|waiter| !waiter.choosy).is_some_and(|next| next.who.is_same(who))
    }

    /// Raises `signal` for everybody whose turn it may be.
    pub(super) fn wake(&self, signal: u8) {
        for waiter in self.0.borrow().iter() {
            waiter.who.raise(signal);
            if !waiter.choosy {
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use mainstay_io::timer::Timers;

    use super::*;

    #[test]
    fn whoever_came_first_is_next_and_the_choosy_hold_up_nobody() {
        let timers = Timers::default();
        let slots: Vec<_> = (0..4).map(|_| timers.slot(0)).collect();
        let [choosy, first, second, late] = [0, 1, 2, 3].map(|at: usize| slots[at].raiser());
        let queue = Queue::default();
        assert!(queue.join(choosy.clone(), true, 3));
        assert!(!queue.is_line(), "a newcomer need not wait for the choosy");
        assert!(queue.join(first.clone(), false, 3) && queue.join(second.clone(), false, 3));
        assert!(!queue.join(late, false, 3), "it is full");
        assert!(queue.is_line() && queue.is_next(&first) && !queue.is_next(&second));
        queue.wake(8);
        assert_eq!([0, 1, 2].map(|at: usize| slots[at].raised()), [8, 8, 0]);
        queue.leave(&first);
        assert!(queue.is_next(&second));
        queue.leave(&second);
        queue.leave(&choosy);
        assert!(!queue.is_line());
    }
}
