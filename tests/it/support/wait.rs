//! Waiting for something to become so; nothing in these tests sleeps otherwise.

use std::panic::Location;
use std::time::{Duration, Instant};

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
    let caller = Location::caller();
    async move {
        let started = Instant::now();
        let mut pause = Duration::from_millis(10);
        let answer = tokio::time::timeout(deadline, async {
            loop {
                if let Some(answer) = attempt().await {
                    return answer;
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_millis(250));
            }
        });
        match answer.await {
            Ok(answer) => answer,
            Err(tokio::time::error::Elapsed { .. }) => panic!("{caller}: waited {:?} for: {what}", started.elapsed()),
        }
    }
}
