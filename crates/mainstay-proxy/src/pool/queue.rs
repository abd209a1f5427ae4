//! Who waits for a connection of a pool, in the order of their tickets.

use std::cell::RefCell;
use std::collections::VecDeque;

use mainstay_io::timer::Raiser;

/// Those of one worker who wait.
#[derive(Default)]
pub(super) struct Queue(RefCell<VecDeque<Waiter>>);

struct Waiter {
    who: Raiser,
    choosy: bool,
    ticket: u64,
}

impl Queue {
    /// Joins behind all with smaller tickets. Whoever is `choosy` cannot take every node, because some have failed it:
    /// so it does not hold up those behind it.
    pub(super) fn join(&self, who: Raiser, choosy: bool, ticket: u64) {
        let mut waiting = self.0.borrow_mut();
        let at = waiting.partition_point(|waiter| waiter.ticket < ticket);
        waiting.insert(at, Waiter { who, choosy, ticket });
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.0.borrow().len()
    }

    /// Leaves, from wherever it stands.
    pub(super) fn leave(&self, who: &Raiser) {
        self.0.borrow_mut().retain(|waiter| !waiter.who.is_same(who));
    }

    /// The ticket of the first whose turn it is before any newcomer's, if there is one.
    pub(super) fn first(&self) -> Option<u64> {
        self.0.borrow().iter().find(|waiter| !waiter.choosy).map(|first| first.ticket)
    }

    /// Whether `who`, which is not choosy, is the next; then its ticket.
    pub(super) fn next(&self, who: &Raiser) -> Option<u64> {
        let waiting = self.0.borrow();
        let next = waiting.iter().find(|waiter| !waiter.choosy)?;
        next.who.is_same(who).then_some(next.ticket)
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
        let slots: Vec<_> = (0..3).map(|_| timers.slot(0)).collect();
        let [choosy, first, second] = [0, 1, 2].map(|at: usize| slots[at].raiser());
        let queue = Queue::default();
        queue.join(choosy.clone(), true, 1);
        assert_eq!(queue.first(), None, "a newcomer need not wait for the choosy");
        queue.join(second.clone(), false, 5);
        queue.join(first.clone(), false, 3);
        assert_eq!((queue.len(), queue.first()), (3, Some(3)), "by ticket, not by who joined first");
        assert_eq!((queue.next(&first), queue.next(&second)), (Some(3), None));
        queue.wake(8);
        assert_eq!([0, 1, 2].map(|at: usize| slots[at].raised()), [8, 8, 0]);
        queue.leave(&first);
        assert_eq!(queue.next(&second), Some(5));
        queue.leave(&second);
        queue.leave(&choosy);
        assert_eq!((queue.len(), queue.first()), (0, None));
    }
}
