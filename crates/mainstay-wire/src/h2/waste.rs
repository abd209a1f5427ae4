//! How much of what the other side sends moves nothing forward: the measure against floods.

/// Frames that cost their sender little and us some work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Flood {
    /// Streams opened and reset before they ended.
    Reset,
    /// PING.
    Ping,
    /// SETTINGS.
    Settings,
    /// WINDOW_UPDATE.
    WindowUpdate,
    /// DATA without a byte that does not end its stream.
    EmptyData,
    /// CONTINUATION, or a field block beyond its limit.
    Continuation,
    /// PRIORITY, and frames of unknown types.
    Other,
    /// DATA on a stream that we reset, beyond what its window let the other side send before it could know.
    LateData,
    /// Frames for streams that have ended, and messages that are malformed.
    Broken,
    /// Requests whose fields are beyond the limit.
    LargeHead,
}

impl Flood {
    /// All of them, to register a counter for each.
    pub const ALL: &'static [Self] = &[
        Self::Reset,
        Self::Ping,
        Self::Settings,
        Self::WindowUpdate,
        Self::EmptyData,
        Self::LateData,
        Self::Continuation,
        Self::Other,
        Self::Broken,
        Self::LargeHead,
    ];

    /// Name for logs and metrics, in snake case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reset => "reset_flood",
            Self::Ping => "ping_flood",
            Self::Settings => "settings_flood",
            Self::WindowUpdate => "window_update_flood",
            Self::EmptyData => "empty_data_flood",
            Self::LateData => "late_data_flood",
            Self::Continuation => "continuation_flood",
            Self::Other => "frame_flood",
            Self::Broken => "error_flood",
            Self::LargeHead => "large_head_flood",
        }
    }

    const fn cost(self) -> u32 {
        match self {
            // More than the answer that it gets, which ends a stream, pays off.
            Self::LargeHead => 36,
            Self::Reset | Self::LateData | Self::Broken => 8,
            Self::Ping | Self::Settings => 4,
            Self::Continuation | Self::EmptyData | Self::Other => 2,
            Self::WindowUpdate => 1,
        }
    }
}

/// A debt that useless frames raise, and that time and useful frames pay off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Waste {
    debt: u32,
    most: u32,
}

impl Waste {
    /// Up to `most` is borne.
    pub(super) const fn new(most: u32) -> Self {
        Self { debt: 0, most }
    }

    /// A useless frame came.
    ///
    /// # Errors
    /// It was one too many.
    pub(super) const fn add(&mut self, what: Flood) -> Result<(), Flood> {
        self.debt += what.cost();
        if self.debt > self.most { Err(what) } else { Ok(()) }
    }

    /// A piece of work was done for which such frames are needed.
    pub(super) const fn useful(&mut self, worth: u32) {
        self.debt = self.debt.saturating_sub(worth);
    }

    /// A second went by.
    pub(super) const fn second(&mut self) {
        self.debt = self.debt.saturating_sub(self.most / SECONDS);
    }
}

/// A full debt is forgiven in so many seconds.
const SECONDS: u32 = 20;
