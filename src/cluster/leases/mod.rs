//! Executes the requests of [`ShardCoordinator`](crate::control::leases::ShardCoordinator), which makes all decisions,
//! and publishes the time until which each shard may be written. Called by the controller, whose writers check a
//! [`LeaseCheck`].
//!
//! ```text
//! LeaseTask, Leadership ──► driver (one task) ◄──► ShardCoordinator
//!       ▲                    │    └──► calls ──► API server
//!       └── Event, LeaseCheck ◄────┘
//! ```

mod calls;
mod driver;
mod leadership;

use kube::Client;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

pub use self::leadership::{Event, Leadership, LeaseCheck};
use self::{driver::Driver, leadership::Command};
use crate::control::leases::{LeaseEvent, ShardConfig};

/// Participation of this replica. Dropping it takes no more shards, and does not touch those already taken.
#[derive(Debug)]
pub struct LeaseTask {
    /// Events, in order.
    pub events: mpsc::UnboundedReceiver<Event>,
    /// Cancelled when a shard was lost without being given back.
    pub ended: CancellationToken,
    serves: bool,
    commands: mpsc::UnboundedSender<Command>,
}

impl LeaseTask {
    /// Starts participating.
    #[must_use]
    pub fn join(client: Client, config: ShardConfig) -> Self {
        let ended = CancellationToken::new();
        let (out, events) = mpsc::unbounded_channel();
        let (commands, orders) = mpsc::unbounded_channel();
        tokio::spawn(Driver::new(client, config, out, commands.downgrade(), ended.clone()).run(orders));
        Self { events, ended, serves: false, commands }
    }

    /// Allows taking shards, since accounts can be reconciled now. A single shard is taken from the start.
    pub fn serve(&mut self) {
        if !std::mem::replace(&mut self.serves, true) {
            let _ = self.commands.send(Command::Event(LeaseEvent::Serve));
        }
    }

    /// Stops taking shards. A shard that is being taken at this moment still arrives as an event.
    pub async fn rest(&mut self) {
        let (done, stopped) = oneshot::channel();
        let _ = self.commands.send(Command::Stop(done));
        let _ = stopped.await;
    }

    /// Ends the participation, and announces that. Gives back shards that were taken and whose event was not received
    /// yet.
    pub async fn leave(mut self) {
        self.rest().await;
        while let Ok(event) = self.events.try_recv() {
            if let Event::Taken(leadership) = event {
                leadership.release().await;
            }
        }
    }
}

impl Drop for LeaseTask {
    fn drop(&mut self) {
        let _ = self.commands.send(Command::Event(LeaseEvent::Abandon));
    }
}
