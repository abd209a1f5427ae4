//! The measures that keep two holders apart, each of which a test can take away to show that it is needed.

/// Which safety measures are in force. All of them are, except in tests that show what happens without: only the
/// feature `variants`, which no product crate turns on, has ways to take one away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Safety {
    /// The previous holder is fenced at the database before the new one is active.
    pub(super) fence: bool,
    /// A new epoch is higher than any that was ever seen, not only than the row's.
    pub(super) epoch_above_seen: bool,
    /// After a promotion nobody acquires until every tenure of the old history has run out.
    pub(super) quarantine: bool,
    /// A tenure ends with the database's history, unless nothing can have been lost with it.
    pub(super) end_with_history: bool,
    /// A tenure counts from before its renewal was sent, not from when the answer came.
    pub(super) count_from_send: bool,
    /// A tenure runs out.
    pub(super) run_out: bool,
    /// A lease is taken and given only when the own child is known to be gone.
    pub(super) child_gone: bool,
    /// A contender waits a whole `ttl` by its own clock.
    pub(super) own_clock: bool,
    /// A renewal whose outcome is not known does not extend the tenure.
    pub(super) unknown_is_nothing: bool,
    /// What fencing came to counts for the tenure that asked for it alone.
    pub(super) fence_of_tenure: bool,
    /// The child does nothing while nobody knows whether another database takes the store's place.
    pub(super) still_when_lost: bool,
}

impl Safety {
    /// All of them.
    pub(super) const ALL: Self = Self {
        fence: true,
        epoch_above_seen: true,
        quarantine: true,
        end_with_history: true,
        count_from_send: true,
        run_out: true,
        child_gone: true,
        own_clock: true,
        unknown_is_nothing: true,
        fence_of_tenure: true,
        still_when_lost: true,
    };
}

/// Ways to break the protocol, one measure at a time.
#[cfg(feature = "variants")]
impl Safety {
    /// Nothing is taken away.
    #[must_use]
    pub const fn all() -> Self {
        Self::ALL
    }

    /// Becomes active without making the previous holder unable to write.
    #[must_use]
    pub const fn without_fence(self) -> Self {
        Self { fence: false, ..self }
    }

    /// Counts epochs from the row alone.
    #[must_use]
    pub const fn with_plain_epoch(self) -> Self {
        Self { epoch_above_seen: false, ..self }
    }

    /// Acquires in a promoted database at once.
    #[must_use]
    pub const fn without_quarantine(self) -> Self {
        Self { quarantine: false, ..self }
    }

    /// Carries its tenure into any promoted database that has its nonce.
    #[must_use]
    pub const fn with_tenure_carried(self) -> Self {
        Self { end_with_history: false, ..self }
    }

    /// Counts a tenure from the answer.
    #[must_use]
    pub const fn counting_from_answer(self) -> Self {
        Self { count_from_send: false, ..self }
    }

    /// Never lets its tenure run out by itself.
    #[must_use]
    pub const fn without_end(self) -> Self {
        Self { run_out: false, ..self }
    }

    /// Gives and takes the lease whatever its child does.
    #[must_use]
    pub const fn whatever_the_child_does(self) -> Self {
        Self { child_gone: false, ..self }
    }

    /// Believes the store's clock alone.
    #[must_use]
    pub const fn without_own_clock(self) -> Self {
        Self { own_clock: false, ..self }
    }

    /// Takes the answer to fencing in an earlier tenure for the answer to fencing in this one.
    #[must_use]
    pub const fn with_any_fence(self) -> Self {
        Self { fence_of_tenure: false, ..self }
    }

    /// Lets its child run until its tenure has run out, whatever becomes of the store.
    #[must_use]
    pub const fn running_when_lost(self) -> Self {
        Self { still_when_lost: false, ..self }
    }

    /// Counts a renewal of unknown outcome as done.
    #[must_use]
    pub const fn with_unknown_as_done(self) -> Self {
        Self { unknown_is_nothing: false, ..self }
    }
}
