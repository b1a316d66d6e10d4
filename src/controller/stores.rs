//! Opens identity stores when they are first needed, and again after failures. Used by `shell`, `refresh` and `pass_environment`.

use std::{
    collections::{BTreeSet, HashMap},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use futures::{StreamExt, stream::BoxStream};
use tokio::{
    sync::{Mutex, mpsc},
    task::JoinHandle,
};
use tracing::Instrument as _;

use crate::{
    api::IdentityStoreSpec,
    control::Permit,
    model::{AccountKey, Name},
    store::{Batch, Claim, Outcome, Secrets, Store, StoreError, StoreLocation},
    telemetry::Metrics,
};

/// Longest wait for a call of a store.
const PATIENCE: Duration = Duration::from_secs(30);

/// Longest wait for a store without transactions: a large account takes thousands of requests, and each has its own
/// timeout.
const PATIENCE_WITH_MANY: Duration = Duration::from_mins(10);

/// Pause between attempts to listen to a store.
const LISTEN_AGAIN: Duration = Duration::from_secs(2);

/// Change by others in a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announced {
    /// Name of the IdentityStore.
    pub store: Name,
    /// Changed account; `None` if changes may have been missed, so that all accounts must be reconciled.
    pub account: Option<AccountKey>,
}

/// All stores in use, by location: two objects that name one file share it.
pub struct Stores {
    directory: PathBuf,
    secrets: Arc<dyn Secrets>,
    metrics: Metrics,
    announced: mpsc::UnboundedSender<Announced>,
    open: HashMap<StoreLocation, Arc<Slot>>,
}

/// State of one location.
struct Slot {
    place: StoreLocation,
    store: Mutex<Option<Open>>,
    /// Claims that the store has received.
    claimed: Mutex<BTreeSet<Claim>>,
}

/// Open store and its listener.
struct Open {
    store: Arc<dyn Store>,
    listening: Option<Listening>,
    /// Whether the store is opened again at the next call. Until then its listener continues.
    stale: bool,
}

/// Task that listens to a store; dropping this aborts it.
struct Listening {
    task: JoinHandle<()>,
    /// Whether a change may have been missed while it did not listen.
    missed: Arc<AtomicBool>,
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Store as used by one pass: with metrics and time limits.
#[derive(Clone)]
pub struct StoreHandle {
    /// Name of the IdentityStore.
    pub name: Name,
    slot: Result<Arc<Slot>, StoreError>,
    secrets: Arc<dyn Secrets>,
    metrics: Metrics,
    announced: mpsc::UnboundedSender<Announced>,
}

impl Stores {
    /// Returns an empty set of stores. Embedded stores have their files in `directory`; changes by others are sent to
    /// `announced`.
    #[must_use]
    pub fn new(
        directory: &Path,
        secrets: Arc<dyn Secrets>,
        metrics: Metrics,
        announced: mpsc::UnboundedSender<Announced>,
    ) -> Self {
        Self { directory: directory.to_owned(), secrets, metrics, announced, open: HashMap::new() }
    }

    /// Returns the store of an IdentityStore.
    pub fn handle(&mut self, name: &Name, spec: &IdentityStoreSpec) -> StoreHandle {
        let slot = StoreLocation::of(name, spec, &self.directory).map(|place| {
            let slot = self.open.entry(place.clone());
            slot.or_insert_with(|| Arc::new(Slot { place, store: Mutex::new(None), claimed: Mutex::default() })).clone()
        });
        StoreHandle {
            name: name.clone(),
            slot,
            secrets: self.secrets.clone(),
            metrics: self.metrics.clone(),
            announced: self.announced.clone(),
        }
    }
}

impl StoreHandle {
    /// Returns the largest number of changes that a pass makes at a time.
    #[must_use]
    pub fn slice(&self) -> usize {
        self.slot.as_ref().map_or(1, |slot| slot.place.slice())
    }

    /// Returns the store, and opens it if necessary.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub async fn get(&self) -> Result<Arc<dyn Store>, StoreError> {
        let slot = self.slot.as_ref().map_err(Clone::clone)?;
        let mut open = slot.store.lock().await;
        if let Some(open) = open.as_ref().filter(|open| !open.stale) {
            return Ok(open.store.clone());
        }
        let started = Instant::now();
        let opened = tokio::time::timeout(PATIENCE, slot.place.open(&*self.secrets)).await;
        let store = self.noted(opened.unwrap_or_else(|_| Err(no_answer(PATIENCE))))?;
        self.metrics.store_call(&self.name, "open", started.elapsed());
        // Listening starts before the first read, so that no change in between is missed.
        let listening = self.listen(&store).await;
        let former = open.replace(Open { store: store.clone(), listening, stale: false });
        let former = former.and_then(|former| former.listening.as_ref().map(|one| one.missed.load(Ordering::Relaxed)));
        if former == Some(true) {
            // The receiver is gone when the controller ends.
            let _ = self.announced.send(Announced { store: self.name.clone(), account: None });
        }
        Ok(store)
    }

    /// Calls the store within a time limit. After `Unavailable` or `Denied` the store is opened again at the next call,
    /// and its secrets are read again.
    ///
    /// # Errors
    /// Those of opening and of the call, and `Unavailable` if the store does not respond in time.
    pub async fn call<T, F>(&self, what: &'static str, call: impl FnOnce(Arc<dyn Store>) -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        let store = self.get().await?;
        let patience = if store.capabilities().transactions { PATIENCE } else { PATIENCE_WITH_MANY };
        let started = Instant::now();
        // The span has the name of the call.
        let span = tracing::debug_span!("store", otel.name = what, store = %self.name);
        let result = match tokio::time::timeout(patience, call(store)).instrument(span).await {
            Ok(result) => result,
            Err(_) => Err(no_answer(patience)),
        };
        self.metrics.store_call(&self.name, what, started.elapsed());
        self.open_afresh_after(result.as_ref().err()).await;
        self.noted(result)
    }

    /// Fences out a former holder of these accounts that could still write. Called before anything is read.
    ///
    /// # Errors
    /// When the store cannot record the claim.
    pub async fn claim(&self, cluster: &str, permit: &Permit) -> Result<(), StoreError> {
        if permit.clean {
            return Ok(());
        }
        let slot = self.slot.as_ref().map_err(Clone::clone)?;
        let mut claimed = slot.claimed.lock().await;
        if claimed.contains(&permit.claim) {
            return Ok(());
        }
        let claim = permit.claim;
        self.call("claim", |store| async move { store.claim(cluster, claim).await }).await?;
        claimed.insert(claim);
        Ok(())
    }

    /// Makes the changes of a pass within a time limit. Returns one outcome for each change.
    ///
    /// # Errors
    /// When the store cannot be opened or does not respond.
    pub async fn apply(&self, batch: &Batch<'_>, permit: &Permit) -> Result<Vec<Outcome>, StoreError> {
        let claim = permit.claim;
        let outcomes = self.call("apply", |store| async move { Ok(store.apply(batch, claim).await) }).await?;
        let failed = outcomes.iter().filter_map(|outcome| outcome.as_ref().err());
        let failed = failed.inspect(|error| self.metrics.store_error(&self.name, error.kind()));
        let away = failed.fold(None, |away, error| match error {
            StoreError::Unavailable(_) | StoreError::Denied(_) => Some(error),
            StoreError::Conflict(_) | StoreError::Invalid(_) | StoreError::Unsupported(_) => away,
        });
        self.open_afresh_after(away).await;
        Ok(outcomes)
    }

    /// Listens to a store that announces changes. If listening fails, the store is used all the same: the next check
    /// finds changes by others.
    async fn listen(&self, store: &Arc<dyn Store>) -> Option<Listening> {
        let first = match tokio::time::timeout(PATIENCE, store.watch()).await {
            Ok(Ok(None)) => return None,
            Ok(Ok(first)) => first,
            Ok(Err(error)) => {
                tracing::warn!(store = %self.name, %error, "the store cannot report changes by others at present; only \
                                                            checks find them");
                None
            }
            Err(_) => None,
        };
        let missed = Arc::new(AtomicBool::new(first.is_none()));
        let (name, announced) = (self.name.clone(), self.announced.clone());
        let task = tokio::spawn(announce(name, store.clone(), first, announced, missed.clone()));
        Some(Listening { task, missed })
    }

    async fn open_afresh_after(&self, error: Option<&StoreError>) {
        if matches!(error, Some(StoreError::Unavailable(_) | StoreError::Denied(_)))
            && let Ok(slot) = &self.slot
        {
            let mut open = slot.store.lock().await;
            match open.as_mut().filter(|open| open.listening.is_some()) {
                Some(open) => open.stale = true,
                None => *open = None,
            }
        }
    }

    /// Counts the error of a result in the metrics.
    fn noted<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(error) = &result {
            self.metrics.store_error(&self.name, error.kind());
        }
        result
    }
}

/// Forwards a store's announcements while it is open.
async fn announce(
    name: Name,
    store: Arc<dyn Store>,
    mut stream: Option<BoxStream<'static, AccountKey>>,
    announced: mpsc::UnboundedSender<Announced>,
    missed: Arc<AtomicBool>,
) {
    loop {
        if let Some(stream) = &mut stream {
            while let Some(account) = stream.next().await {
                if announced.send(Announced { store: name.clone(), account: Some(account) }).is_err() {
                    return;
                }
            }
        }
        missed.store(true, Ordering::Relaxed);
        tokio::time::sleep(LISTEN_AGAIN).await;
        stream = match tokio::time::timeout(PATIENCE, store.watch()).await {
            Ok(Ok(Some(stream))) => Some(stream),
            Ok(Ok(None)) => return,
            Ok(Err(_)) | Err(_) => None,
        };
        if stream.is_some() {
            missed.store(false, Ordering::Relaxed);
            if announced.send(Announced { store: name.clone(), account: None }).is_err() {
                return;
            }
        }
    }
}

fn no_answer(within: Duration) -> StoreError {
    StoreError::Unavailable(format!("no response within {} s", within.as_secs()))
}
