//! Whether this process lives and can do its work.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Longest silence of the main loop before the process counts as stuck.
const MAX_SILENCE: Duration = Duration::from_mins(1);

/// The health of the process; clones share it.
#[derive(Clone, Debug)]
pub struct Health {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    /// The last beat of the main loop; none before the first.
    beat: Option<Instant>,
    ready: Result<(), String>,
}

impl Default for Health {
    fn default() -> Self {
        Self::new()
    }
}

impl Health {
    /// Alive and not ready yet.
    #[must_use]
    pub fn new() -> Self {
        Self { state: Arc::new(Mutex::new(State { beat: None, ready: Err("starting".to_owned()) })) }
    }

    /// Says whether the process can do its work, and if not, why.
    pub fn set_ready(&self, ready: Result<(), String>) {
        self.with(|state| state.ready = ready);
    }

    /// The main loop goes round. From the first call on, it must be called at least once a minute.
    pub fn beat(&self) {
        self.with(|state| state.beat = Some(Instant::now()));
    }

    /// The main loop has ended, and may begin again: from now on silence is no illness.
    pub fn rest(&self) {
        self.with(|state| state.beat = None);
    }

    /// What `/readyz` answers.
    ///
    /// # Errors
    /// Why the process is not ready.
    pub fn ready(&self) -> Result<(), String> {
        self.with(|state| state.ready.clone())
    }

    /// What `/healthz` answers at a time. A process that waits for its turn to lead is healthy.
    ///
    /// # Errors
    /// When the main loop is stuck, for how long.
    pub fn alive(&self, now: Instant) -> Result<(), String> {
        let silence = self.with(|state| state.beat).map(|beat| now.saturating_duration_since(beat));
        match silence {
            Some(silence) if silence > MAX_SILENCE => {
                Err(format!("the main loop has not gone round for {} s", silence.as_secs()))
            }
            _ => Ok(()),
        }
    }

    /// A panic elsewhere cannot leave the two values half written.
    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn before_the_first_beat_silence_is_no_illness() {
        let health = Health::new();
        assert_eq!(health.alive(Instant::now() + 10 * MAX_SILENCE), Ok(()));
    }

    #[test]
    fn one_that_led_and_waits_again_is_well() {
        let health = Health::new();
        health.beat();
        health.rest();
        assert_eq!(health.alive(Instant::now() + 10 * MAX_SILENCE), Ok(()));
    }

    #[test]
    fn a_stuck_main_loop_is_ill_and_recovers() {
        let health = Health::new();
        health.beat();
        let now = Instant::now();
        assert_eq!(health.alive(now + Duration::from_secs(50)), Ok(()));
        assert_eq!(
            health.alive(now + Duration::from_secs(65)),
            Err("the main loop has not gone round for 65 s".to_owned())
        );
        health.beat();
        assert_eq!(health.alive(Instant::now()), Ok(()));
    }
}
