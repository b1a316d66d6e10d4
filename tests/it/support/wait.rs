//! Waits for a condition with a deadline. No test sleeps otherwise.

use std::panic::Location;
use std::time::{Duration, Instant};

/// Deadline of tests for something that takes a second or two when the machine is idle.
pub const PATIENCE: Duration = Duration::from_secs(240);

/// Asks again and again until there is an answer, and gives it back.
///
/// # Panics
/// After `deadline`, saying where and on what it waited. A single attempt that hangs counts, too.
#[track_caller]
pub fn eventually<T>(
    deadline: Duration,
    what: &str,
    mut attempt: impl AsyncFnMut() -> Option<T>,
) -> impl Future<Output = T> {
    eventually_or(deadline, what.to_owned(), async move || attempt().await.ok_or_else(String::new))
}

/// Like [`eventually`], for attempts that describe the present state; the last description becomes part of the message.
#[track_caller]
pub fn eventually_or<T>(
    deadline: Duration,
    what: String,
    mut attempt: impl AsyncFnMut() -> Result<T, String>,
) -> impl Future<Output = T> {
    let caller = Location::caller();
    async move {
        let started = Instant::now();
        let mut pause = Duration::from_millis(10);
        let mut last = String::new();
        let answer = tokio::time::timeout(deadline, async {
            loop {
                match attempt().await {
                    Ok(answer) => return answer,
                    Err(instead) => last = instead,
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_millis(250));
            }
        });
        match answer.await {
            Ok(answer) => answer,
            Err(tokio::time::error::Elapsed { .. }) => {
                let last = if last.is_empty() { last } else { format!("; there was: {last}") };
                panic!("{caller}: waited {:?} for: {what}{last}", started.elapsed())
            }
        }
    }
}
