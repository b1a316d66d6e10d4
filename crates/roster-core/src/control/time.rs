//! Time as the loop sees it: a value passed in.

use std::{ops::Add, time::Duration};

use jiff::Timestamp;

/// Instant of a clock that never goes back, as the time since an arbitrary origin. Two processes cannot compare theirs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mono(pub Duration);

impl Mono {
    /// Returns the time from `earlier` to this instant; zero where that one is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for Mono {
    type Output = Self;

    fn add(self, time: Duration) -> Self {
        Self(self.0.saturating_add(time))
    }
}

/// The present, on both clocks: waits and deadlines are measured on the one that never goes back, and what people write
/// (start, expiry) is compared with the wall clock. The two may jump apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Time since an arbitrary origin.
    pub mono: Mono,
    /// Wall clock.
    pub wall: Timestamp,
}
