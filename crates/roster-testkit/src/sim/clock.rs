//! Simulated time.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use roster_core::control::{Mono, Now};

/// Simulated time since the run began, in microseconds.
pub type Time = u64;
/// One millisecond.
pub const MILLI: Time = 1_000;
/// One second.
pub const SECOND: Time = 1_000 * MILLI;
/// One minute.
pub const MINUTE: Time = 60 * SECOND;

/// Wall clock at the beginning of every run.
pub const BEGIN: Timestamp = Timestamp::constant(1_800_000_000, 0);

/// The clocks: one that never goes back, and a wall clock that may jump.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock {
    /// Time since the run began.
    pub time: Time,
    /// Seconds by which the wall clock was moved.
    pub moved: i64,
}

impl Clock {
    /// Returns the wall clock.
    #[must_use]
    pub fn wall(self) -> Timestamp {
        let micros = i64::try_from(self.time).unwrap_or(i64::MAX);
        BEGIN + SignedDuration::from_micros(micros) + SignedDuration::from_secs(self.moved)
    }

    /// Returns both clocks of a process that began at `origin`.
    #[must_use]
    pub fn now(self, origin: Time) -> Now {
        Now { mono: Mono(Duration::from_micros(self.time.saturating_sub(origin))), wall: self.wall() }
    }
}

/// Returns the wall clock's time at a time of a run, unless it is moved.
#[must_use]
pub fn nominal(time: Time) -> Timestamp {
    Clock { time, moved: 0 }.wall()
}
