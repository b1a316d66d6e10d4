//! Time of the loop: a value that its driver passes in. All modules of the loop use it instead of a clock.

use std::{ops::Add, time::Duration};

use jiff::Timestamp;

/// Instant of a monotonic clock, as the time since an arbitrary origin. Values of two processes are not comparable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mono(pub Duration);

impl Mono {
    /// Returns the time from `earlier` to this instant; zero if `earlier` is later.
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

/// Current time on both clocks. Waits and deadlines use the monotonic clock; times that users write (start, expiry)
/// are compared with the wall clock. The wall clock may jump relative to the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Time since an arbitrary origin.
    pub mono: Mono,
    /// Wall clock.
    pub wall: Timestamp,
}
