//! Simulated time. Used by all modules of the simulator.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use roster_core::control::{Mono, Now};

/// Simulated time since the run began, in microseconds.
pub type Time = u64;
/// One millisecond, in units of [`Time`].
pub const MILLI: Time = 1_000;
/// One second, in units of [`Time`].
pub const SECOND: Time = 1_000 * MILLI;
/// One minute, in units of [`Time`].
pub const MINUTE: Time = 60 * SECOND;

/// Wall clock at the beginning of every run.
pub const BEGIN: Timestamp = Timestamp::constant(1_800_000_000, 0);

/// Clocks: a monotonic one, and a wall clock that may jump.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock {
    /// Monotonic time since the run began.
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

    /// Returns both clocks of a process that started at `origin`.
    #[must_use]
    pub fn now(self, origin: Time) -> Now {
        Now { mono: Mono(Duration::from_micros(self.time.saturating_sub(origin))), wall: self.wall() }
    }
}

/// Returns the wall clock at a time of a run, without jumps.
#[must_use]
pub fn nominal(time: Time) -> Timestamp {
    Clock { time, moved: 0 }.wall()
}
