//! Executes the requests of [`ShardCoordinator`](crate::control::leases::ShardCoordinator), which makes all decisions,
//! and publishes the time until which each shard may be written. Called by the controller, whose writers check a
//! [`Term`].
//!
//! ```text
//! Share, Leadership ──► driver (one task) ◄──► ShardCoordinator
//!       ▲                    │    └──► calls ──► API server
//!       └── Event, Term ◄────┘
//! ```

mod calls;
mod driver;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use kube::Client;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use self::driver::{Command, Driver};
use crate::{
    control::{
        ShareEvent,
        leases::{LeaseEvent, ShardConfig},
    },
    store::Epoch,
};

/// Change of this replica's shards.
#[derive(Debug)]
pub enum Event {
    /// This replica has taken a shard.
    Taken(Leadership),
    /// Any other event.
    Share(ShareEvent),
}

/// Participation of this replica. Dropping it takes no more shards, and does not touch those already taken.
#[derive(Debug)]
pub struct Share {
    /// Events, in order.
    pub events: mpsc::UnboundedReceiver<Event>,
    /// Cancelled when a shard was lost without being given back.
    pub ended: CancellationToken,
    serves: bool,
    commands: mpsc::UnboundedSender<Command>,
}

impl Share {
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
        let (told, stopped) = oneshot::channel();
        let _ = self.commands.send(Command::Stop(told));
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

impl Drop for Share {
    fn drop(&mut self) {
        let _ = self.commands.send(Command::Event(LeaseEvent::Abandon));
    }
}

/// Leadership of a shard, until [`Leadership::lost`]. Dropping it ends the leadership without informing a successor.
#[derive(Debug)]
pub struct Leadership {
    /// Number of the shard.
    pub shard: u16,
    /// Epoch, higher than that of every earlier holder.
    pub epoch: Epoch,
    /// Whether the former holder has ended its writes and given the lease back.
    pub clean: bool,
    /// Cancelled when the leadership has ended; nothing may be written any more.
    pub lost: CancellationToken,
    until: Until,
    commands: mpsc::UnboundedSender<Command>,
}

/// Check that a shard is still held, for use right before a write. A cancellation alone is not enough: a process that
/// was suspended may run a writer before anything that could cancel it.
#[derive(Clone, Debug)]
pub struct Term {
    lost: CancellationToken,
    until: Until,
}

/// Time at which the leadership ends unless the lease is renewed.
type Until = Arc<Mutex<Instant>>;

impl Term {
    /// Returns whether the shard is still held.
    #[must_use]
    pub fn holds(&self) -> bool {
        !self.lost.is_cancelled() && Instant::now() < *self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Leadership {
    /// Returns the check for writers.
    #[must_use]
    pub fn term(&self) -> Term {
        Term { lost: self.lost.clone(), until: Arc::clone(&self.until) }
    }

    /// Reports that every store has this epoch.
    pub fn every_store_knows(&self) {
        self.send(LeaseEvent::EveryStoreKnows(self.shard, self.epoch));
    }

    /// Publishes a note to the holders of the other Leases, with the next renewal of this one.
    pub fn say(&self, note: &str) {
        self.send(LeaseEvent::Say(self.shard, self.epoch, note.to_owned()));
    }

    /// Ends the leadership and lets a successor take over at once. Must be called after the last write has ended.
    pub async fn release(self) {
        let (told, released) = oneshot::channel();
        let _ = self.commands.send(Command::Release(self.shard, self.epoch, told));
        let _ = released.await;
    }

    fn send(&self, event: LeaseEvent) {
        let _ = self.commands.send(Command::Event(event));
    }
}

impl Drop for Leadership {
    fn drop(&mut self) {
        self.lost.cancel();
        self.send(LeaseEvent::Drop(self.shard, self.epoch));
    }
}
