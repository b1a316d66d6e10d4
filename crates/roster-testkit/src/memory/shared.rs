//! Handles on one store in memory that implement the trait `Store`. Opened by tests.

use std::{
    future::poll_fn,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Poll, Waker},
};

use async_trait::async_trait;
use jiff::Timestamp;
use roster_core::{
    contract::{AuditQuery, AuditRecord, Batch, Capabilities, Claim, Outcome, Store, StoreError, Totals},
    model::{AccountKey, Email, Name, Scope},
    plan::{Mark, Observed},
};

use super::{Kind, MemoryStore, OwnedBatch, Progress};

/// Store in memory that several handles share, like processes share a database.
#[derive(Clone, Debug)]
pub struct SharedStore {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug)]
struct Shared {
    store: MemoryStore,
    /// Whether it was ever opened for writing.
    is_made: bool,
    /// Calls that wait until the store responds.
    waiting: Vec<Waker>,
}

impl SharedStore {
    /// Returns an empty store.
    #[must_use]
    pub fn new(kind: Kind) -> Self {
        let shared = Shared { store: MemoryStore::new(kind), is_made: false, waiting: Vec::new() };
        Self { shared: Arc::new(Mutex::new(shared)) }
    }

    /// Opens the store.
    #[must_use]
    pub fn open(&self) -> MemoryHandle {
        self.lock().is_made = true;
        self.handle(false)
    }

    /// Opens the store read-only; returns `None` if it was never opened for writing.
    #[must_use]
    pub fn open_to_read(&self) -> Option<MemoryHandle> {
        self.lock().is_made.then(|| self.handle(true))
    }

    /// Gives access to the store itself: to turn faults on and off, to tamper, to read effective levels. Calls that
    /// wait for a response try again afterwards.
    pub fn with<T>(&self, run: impl FnOnce(&mut MemoryStore) -> T) -> T {
        let mut shared = self.lock();
        let result = run(&mut shared.store);
        shared.waiting.drain(..).for_each(Waker::wake);
        result
    }

    fn handle(&self, read_only: bool) -> MemoryHandle {
        MemoryHandle { store: self.clone(), read_only, closed: AtomicBool::new(false) }
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Open store in memory.
#[derive(Debug)]
pub struct MemoryHandle {
    store: SharedStore,
    read_only: bool,
    closed: AtomicBool,
}

impl MemoryHandle {
    /// Runs a call of one step as soon as the store responds.
    async fn answer<T>(
        &self,
        mut call: impl FnMut(&mut MemoryStore) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        poll_fn(|context| {
            let mut shared = self.store.lock();
            if shared.store.faults.silent {
                shared.waiting.push(context.waker().clone());
                return Poll::Pending;
            }
            Poll::Ready(self.check_open().and_then(|()| call(&mut shared.store)))
        })
        .await
    }

    fn check_open(&self) -> Result<(), StoreError> {
        if self.closed.load(Ordering::Relaxed) {
            return Err(StoreError::Unavailable("this handle of the store in memory is closed".to_owned()));
        }
        Ok(())
    }

    fn check_writable(&self) -> Result<(), StoreError> {
        self.check_open()?;
        if self.read_only {
            return Err(StoreError::Denied("the store in memory was opened to read".to_owned()));
        }
        Ok(())
    }
}

#[async_trait]
impl Store for MemoryHandle {
    fn capabilities(&self) -> Capabilities {
        self.store.lock().store.kind().capabilities()
    }

    async fn accounts(&self) -> Result<Vec<Mark>, StoreError> {
        self.answer(|store| store.marks()).await
    }

    async fn keys(&self) -> Result<Vec<AccountKey>, StoreError> {
        self.answer(|store| store.keys()).await
    }

    async fn totals(&self) -> Result<Totals, StoreError> {
        self.answer(|store| store.totals()).await
    }

    async fn id(&self) -> Result<Option<Name>, StoreError> {
        self.answer(|store| store.id().map(Some)).await
    }

    async fn observe(&self, account: &AccountKey, scope: &Scope, since: Timestamp) -> Result<Observed, StoreError> {
        self.answer(|store| store.observe(account, scope, since)).await
    }

    async fn with_access(&self, who: &[Email], now: Timestamp) -> Result<Vec<(AccountKey, Email)>, StoreError> {
        self.answer(|store| store.with_access(who, now)).await
    }

    async fn audit(&self, query: &AuditQuery) -> Result<Vec<AuditRecord>, StoreError> {
        self.answer(|store| store.audit(query)).await
    }

    /// Makes the changes step by step. Yields after each step, so that a call can be dropped at any of them.
    async fn apply(&self, batch: &Batch<'_>, claim: Claim) -> Vec<Outcome> {
        if let Err(error) = self.check_writable() {
            return batch.refused(&error);
        }
        let mut apply = self.store.lock().store.begin(OwnedBatch::from(batch), claim);
        poll_fn(|context| {
            let mut shared = self.store.lock();
            match apply.step(&mut shared.store) {
                Progress::Done(outcomes) => return Poll::Ready(outcomes),
                Progress::Going { .. } => context.waker().wake_by_ref(),
                Progress::Waiting => shared.waiting.push(context.waker().clone()),
            }
            Poll::Pending
        })
        .await
    }

    async fn claim(&self, cluster: &str, claim: Claim) -> Result<(), StoreError> {
        self.check_writable()?;
        self.answer(|store| store.claim(cluster, claim)).await
    }

    async fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }
}
