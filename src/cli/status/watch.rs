//! `roster status --watch`: the overview again and again, until somebody ends it.

use std::time::Duration;

use jiff::Timestamp;
use kube::Client;

use super::{Args, gather, show_status};
use crate::cli::output::{clear, complain, print};

/// Shows how the cluster is every so often; it does not end by itself. A question that fails is told, and asked again.
pub(super) async fn watch(client: &Client, args: &Args, every: Duration) -> anyhow::Result<u8> {
    loop {
        let now = Timestamp::now();
        let found = gather::status(client, args.namespace.as_deref(), args.store_namespace.as_deref(), now).await;
        clear()?;
        match found {
            Ok(status) => {
                show_status(args, &status, now)?;
                print("\n")?;
            }
            Err(error) => complain(format!("error: {}", crate::cli::one_line(&error))),
        }
        tokio::time::sleep(every).await;
    }
}
