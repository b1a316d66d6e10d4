//! Who may write: Leases, and the epoch that tells those who held one apart (docs/architecture.md "Fencing").
//!
//! Every write carries the resourceVersion and the UID of the Lease as last seen, so that nobody renews or takes what
//! changed meanwhile. Expiry is judged by the time that passed here since the Lease last changed, never by another
//! machine's clock. Why this is our own: docs/decisions/0007. Which Leases there are: [`super::sharing`].

mod contender;
mod keeper;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::PostParams;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub use self::contender::{Contender, Sightings};
use self::keeper::Keeper;
use crate::{api::MANAGER, store::Epoch};

/// Name of the Lease of a leader who has everything.
pub const NAME: &str = "roster";

/// What a holder says on its Lease: the generations of the stores that it has gone over all its accounts with, as JSON.
const NOTE: &str = "roster.dev/gone-over";

/// On a Lease that was given back: whoever held it before may not have ended its writes yet, and not every store knows.
const UNCLEAN: &str = "roster.dev/unclean";

/// How a lease is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// How long others wait after they last saw it change; whole seconds.
    pub duration: Duration,
    /// How long after its last renewal the leader considers itself one. The difference to `duration` is the time that
    /// requests under way have to end.
    pub deadline: Duration,
    /// Time between two attempts to renew or to take.
    pub retry: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self { duration: Duration::from_secs(15), deadline: Duration::from_secs(10), retry: Duration::from_secs(2) }
    }
}

/// This process leads, until [`Leadership::lost`]. Dropping it ends that without telling a successor.
#[derive(Debug)]
pub struct Leadership {
    /// Higher than that of every earlier leader.
    pub epoch: Epoch,
    /// Cancelled when leading has ended; nothing may be written any more.
    pub lost: CancellationToken,
    clean: Arc<AtomicBool>,
    until: Until,
    note: Note,
    stop: CancellationToken,
    keeper: JoinHandle<()>,
}

/// Whether a leadership still lasts, to be asked right before a write: a process that was stopped and goes on may run
/// a writer before anything that could cancel it.
#[derive(Clone, Debug)]
pub struct Term {
    lost: CancellationToken,
    until: Until,
}

/// When leading ends unless the lease is renewed.
type Until = Arc<Mutex<Instant>>;
/// What is to be said on the Lease.
type Note = Arc<Mutex<Option<String>>>;

impl Term {
    /// Whether it lasts.
    #[must_use]
    pub fn holds(&self) -> bool {
        !self.lost.is_cancelled() && Instant::now() < *locked(&self.until)
    }
}

impl Leadership {
    /// Starts to renew a Lease that was taken; `asked` is from before it was.
    fn new(contender: Contender, lease: Lease, clean: bool, asked: Instant, ended: CancellationToken) -> Self {
        let epoch = epoch(&lease);
        let until = Arc::new(Mutex::new(asked + contender.timing().deadline));
        let (lost, stop, note) = (CancellationToken::new(), CancellationToken::new(), Note::default());
        let clean = Arc::new(AtomicBool::new(clean));
        tracing::info!(lease = contender.name(), identity = contender.identity(), epoch = epoch.0, "took the lease");
        let keeper = Keeper {
            contender,
            lease,
            until: Arc::clone(&until),
            note: Arc::clone(&note),
            clean: Arc::clone(&clean),
            lost: lost.clone(),
            ended,
            stop: stop.clone(),
        };
        Self { epoch, lost, clean, until, note, stop, keeper: tokio::spawn(keeper.run()) }
    }

    /// What writers ask.
    #[must_use]
    pub fn term(&self) -> Term {
        Term { lost: self.lost.clone(), until: Arc::clone(&self.until) }
    }

    /// Whether whoever led before has ended its writes, or can write nothing more: it gave the lease back, or every store
    /// knows of this term.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.clean.load(Ordering::Relaxed)
    }

    /// Every store knows of this term.
    pub fn every_store_knows(&self) {
        self.clean.store(true, Ordering::Relaxed);
    }

    /// Says something to whoever holds the other Leases; they read it when it has been renewed the next time.
    pub fn say(&self, note: &str) {
        *locked(&self.note) = Some(note.to_owned());
    }

    /// Ends leading and lets a successor take over at once. To be called when the last write has ended.
    pub async fn release(mut self) {
        self.stop.cancel();
        let _ = (&mut self.keeper).await;
    }
}

impl Drop for Leadership {
    fn drop(&mut self) {
        self.keeper.abort();
        self.lost.cancel();
    }
}

/// The time of taking, in microseconds; whoever takes makes sure that it grows.
#[must_use]
pub fn epoch(lease: &Lease) -> Epoch {
    Epoch(lease.spec.as_ref().and_then(|spec| spec.acquire_time.as_ref()).map_or(0, |time| time.0.as_microsecond()))
}

/// Who holds it.
#[must_use]
pub fn holder(lease: &Lease) -> Option<&String> {
    lease.spec.as_ref()?.holder_identity.as_ref().filter(|holder| !holder.is_empty())
}

/// What its holder says on it.
#[must_use]
pub fn note(lease: &Lease) -> Option<&String> {
    lease.metadata.annotations.as_ref()?.get(NOTE)
}

pub(super) fn params() -> PostParams {
    PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() }
}

/// A Lease holds microseconds.
pub(super) fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
}

fn locked<T>(value: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}
