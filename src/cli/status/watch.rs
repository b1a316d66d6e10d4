//! `roster status --watch`: the overview again and again, until somebody ends it.

use std::time::Duration;

use jiff::Timestamp;

use super::gather::Status;
use crate::cli::output::{clear, complain, print};

/// Looks how the cluster is and shows it, every so often; it does not end by itself. A look that fails is told, and tried
/// again.
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
