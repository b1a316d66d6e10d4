//! Implements `roster status --watch`: prints the overview repeatedly. Called by `roster status`.

use std::time::Duration;

use jiff::Timestamp;

use super::gather::Status;
use crate::cli::output::{clear, complain, print};

/// Prints the overview at an interval, and does not return by itself. Errors are printed, and the next request follows.
pub(super) async fn watch<F>(
    every: Duration,
    look: impl Fn(Timestamp) -> F,
    show: impl Fn(&Status, Timestamp) -> anyhow::Result<()>,
) -> anyhow::Result<u8>
where
    F: Future<Output = anyhow::Result<Status>>,
{
    loop {
        let now = Timestamp::now();
        let found = look(now).await;
        clear()?;
        match found {
            Ok(status) => {
                show(&status, now)?;
                print("\n")?;
            }
            Err(error) => complain(format!("error: {}", crate::cli::one_line(&error))),
        }
        tokio::time::sleep(every).await;
    }
}
