//! Health of the process, for `/healthz` and `/readyz`. Updated by the controller; read by `http`.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Longest silence of the main loop before the process counts as stuck.
const MAX_SILENCE: Duration = Duration::from_mins(1);

/// Health of the process; clones share it.
#[derive(Clone, Debug)]
pub struct Health {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    /// Time of the main loop's last iteration; `None` while it does not run.
    beat: Option<Instant>,
    ready: Result<(), String>,
}

impl Default for Health {
    fn default() -> Self {
        Self::new()
    }
}

impl Health {
    /// Returns a state that is alive and not ready yet.
    #[must_use]
    pub fn new() -> Self {
        Self { state: Arc::new(Mutex::new(State { beat: None, ready: Err("starting".to_owned()) })) }
    }

    /// Sets whether the process can do its work, and if not, why.
    pub fn set_ready(&self, ready: Result<(), String>) {
        self.with(|state| state.ready = ready);
    }

    /// Records an iteration of the main loop. From the first call on, it must be called at least once a minute.
    pub fn beat(&self) {
        self.with(|state| state.beat = Some(Instant::now()));
    }

    /// Records that the main loop has ended, and may start again. Silence is no fault until the next [`Self::beat`].
    pub fn rest(&self) {
        self.with(|state| state.beat = None);
    }

    /// Returns the response of `/readyz`.
    ///
    /// # Errors
    /// Why the process is not ready.
    pub fn ready(&self) -> Result<(), String> {
        self.with(|state| state.ready.clone())
    }

    /// Returns the response of `/healthz` at a time. A process that waits to lead is healthy.
    ///
    /// # Errors
    /// When the main loop is stuck, with the time since its last iteration.
    pub fn alive(&self, now: Instant) -> Result<(), String> {
        let silence = self.with(|state| state.beat).map(|beat| now.saturating_duration_since(beat));
        match silence {
            Some(silence) if silence > MAX_SILENCE => {
                Err(format!("the main loop has not run for {} s", silence.as_secs()))
            }
            _ => Ok(()),
        }
    }

    /// Accesses the state. A panic elsewhere cannot leave it half written, so a poisoned lock is ignored.
    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_healthy_before_its_first_heartbeat() {
        let health = Health::new();
        assert_eq!(health.alive(Instant::now() + 10 * MAX_SILENCE), Ok(()));
    }

    #[test]
    fn a_former_leader_that_waits_is_healthy() {
        let health = Health::new();
        health.beat();
        health.rest();
        assert_eq!(health.alive(Instant::now() + 10 * MAX_SILENCE), Ok(()));
    }

    #[test]
    fn a_stuck_main_loop_is_unhealthy_until_it_recovers() {
        let health = Health::new();
        health.beat();
        let now = Instant::now();
        assert_eq!(health.alive(now + Duration::from_secs(50)), Ok(()));
        assert_eq!(health.alive(now + Duration::from_secs(65)), Err("the main loop has not run for 65 s".to_owned()));
        health.beat();
        assert_eq!(health.alive(Instant::now()), Ok(()));
    }
}
