//! Leadership of a shard as its holder has it: for writing, until it is lost or given back. Made by `driver`; held by the
//! controller, whose writers check a [`LeaseCheck`].

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::{
    control::{ShardEvent, leases::LeaseEvent},
    store::Epoch,
};

/// Change of this replica's shards.
#[derive(Debug)]
pub enum Event {
    /// This replica has taken a shard.
    Taken(Leadership),
    /// Any other event.
    Shard(ShardEvent),
}

/// Command to the task. The task ends when no sender is left.
#[derive(Debug)]
pub(super) enum Command {
    /// Event for the coordinator.
    Event(LeaseEvent),
    /// Take no more shards, and confirm.
    Stop(oneshot::Sender<()>),
    /// Give a shard back, and confirm when that has ended.
    Release(u16, Epoch, oneshot::Sender<()>),
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
    pub(super) until: Until,
    pub(super) commands: mpsc::UnboundedSender<Command>,
}

/// Check that a shard is still held, for use right before a write. A cancellation alone is not enough: a process that
/// was suspended may run a writer before anything that could cancel it.
#[derive(Clone, Debug)]
pub struct LeaseCheck {
    lost: CancellationToken,
    until: Until,
}

/// Time at which the leadership ends unless the lease is renewed.
pub(super) type Until = Arc<Mutex<Instant>>;

impl LeaseCheck {
    /// Returns whether the shard is still held.
    #[must_use]
    pub fn is_held(&self) -> bool {
        !self.lost.is_cancelled() && Instant::now() < *self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Leadership {
    /// Returns the check for writers.
    #[must_use]
    pub fn check(&self) -> LeaseCheck {
        LeaseCheck { lost: self.lost.clone(), until: Arc::clone(&self.until) }
    }

    /// Reports that every store has this epoch.
    pub fn mark_clean(&self) {
        self.send(LeaseEvent::MarkClean(self.shard, self.epoch));
    }

    /// Publishes a note to the holders of the other Leases, with the next renewal of this one.
    pub fn publish_note(&self, note: &str) {
        self.send(LeaseEvent::PublishNote(self.shard, self.epoch, note.to_owned()));
    }

    /// Ends the leadership and lets a successor take over at once. Must be called after the last write has ended.
    pub async fn release(self) {
        let (done, released) = oneshot::channel();
        let _ = self.commands.send(Command::Release(self.shard, self.epoch, done));
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
