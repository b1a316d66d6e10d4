//! The I/O of leases: a task that carries out the calls of [`ShardCoordinator`](crate::control::leases::ShardCoordinator),
//! where everything is decided, and publishes until when each shard may be written.
//!
//! ```text
//!  Share, Leadership ──► driver (one task) ◄──► ShardCoordinator
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

/// Something that happened to this replica's shards.
#[derive(Debug)]
pub enum Event {
    /// A shard is ours.
    Taken(Leadership),
    /// Anything else.
    Share(ShareEvent),
}

/// A replica that takes part. Dropping it takes nothing more, and leaves alone what was taken.
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
    /// Takes part from now on.
    #[must_use]
    pub fn join(client: Client, config: ShardConfig) -> Self {
        let ended = CancellationToken::new();
        let (out, events) = mpsc::unbounded_channel();
        let (commands, orders) = mpsc::unbounded_channel();
        tokio::spawn(Driver::new(client, config, out, commands.downgrade(), ended.clone()).run(orders));
        Self { events, ended, serves: false, commands }
    }

    /// Takes shards from now on, since accounts can be looked after. A single shard is taken from the start.
    pub fn serve(&mut self) {
        if !std::mem::replace(&mut self.serves, true) {
            let _ = self.commands.send(Command::Event(LeaseEvent::Serve));
        }
    }

    /// Takes nothing any more. What is being taken just now still comes.
    pub async fn rest(&mut self) {
        let (told, stopped) = oneshot::channel();
        let _ = self.commands.send(Command::Stop(told));
        let _ = stopped.await;
    }

    /// Takes no part any more, and says so; what was taken and not yet heard of is given back.
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

/// This process holds a shard, until [`Leadership::lost`]. Dropping it ends that without telling a successor.
#[derive(Debug)]
pub struct Leadership {
    /// The shard.
    pub shard: u16,
    /// Higher than that of every earlier holder.
    pub epoch: Epoch,
    /// Whether whoever held it before has ended its writes: it gave the lease back, and said so.
    pub clean: bool,
    /// Cancelled when holding has ended; nothing may be written any more.
    pub lost: CancellationToken,
    until: Until,
    commands: mpsc::UnboundedSender<Command>,
}

/// Whether a shard is still held, to be asked right before a write: a process that was stopped and goes on may run a writer
/// before anything that could cancel it.
#[derive(Clone, Debug)]
pub struct Term {
    lost: CancellationToken,
    until: Until,
}

/// When holding ends unless the lease is renewed.
type Until = Arc<Mutex<Instant>>;

impl Term {
    /// Returns whether it lasts.
    #[must_use]
    pub fn holds(&self) -> bool {
        !self.lost.is_cancelled() && Instant::now() < *self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Leadership {
    /// Returns what writers ask.
    #[must_use]
    pub fn term(&self) -> Term {
        Term { lost: self.lost.clone(), until: Arc::clone(&self.until) }
    }

    /// Notes that every store knows of this epoch.
    pub fn every_store_knows(&self) {
        self.send(LeaseEvent::EveryStoreKnows(self.shard, self.epoch));
    }

    /// Says something to the holders of the other Leases; they read it when this one was renewed the next time.
    pub fn say(&self, note: &str) {
        self.send(LeaseEvent::Say(self.shard, self.epoch, note.to_owned()));
    }

    /// Ends holding and lets a successor take over at once. To be called when the last write has ended.
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
