//! The identity stores in use: opened when first needed, opened again after they failed.

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
    store::{Batch, Claim, Outcome, Place, Secrets, Store, StoreError},
    telemetry::Metrics,
};

/// A store that does not answer within this time is away.
const PATIENCE: Duration = Duration::from_secs(30);

/// The same for a store that does not answer in one piece: a large account is thousands of requests, each of which the
/// store bounds by itself.
const PATIENCE_WITH_MANY: Duration = Duration::from_mins(10);

/// Time between two attempts to listen to a store.
const LISTEN_AGAIN: Duration = Duration::from_secs(2);

/// Changes that somebody else made in a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announced {
    /// Name of the IdentityStore.
    pub store: Name,
    /// The account; none where some may have been missed, so that all are to be looked at.
    pub account: Option<AccountKey>,
}

/// All stores in use, by where they are: two objects that name one file share it.
pub struct Stores {
    directory: PathBuf,
    secrets: Arc<dyn Secrets>,
    metrics: Metrics,
    announced: mpsc::UnboundedSender<Announced>,
    open: HashMap<Place, Arc<Slot>>,
}

/// The place of one store.
struct Slot {
    place: Place,
    store: Mutex<Option<Open>>,
    /// What it has been told of our claims.
    claimed: Mutex<BTreeSet<Claim>>,
}

/// An open store, and who listens to it.
struct Open {
    store: Arc<dyn Store>,
    listening: Option<Listening>,
    /// It is to be opened afresh; until then its listener goes on.
    stale: bool,
}

/// A task that listens to a store for as long as this is there.
struct Listening {
    task: JoinHandle<()>,
    /// Whether something may have been said while it did not listen.
    missed: Arc<AtomicBool>,
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A store as one pass uses it: named, timed, and bounded in time.
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
    /// Stores whose files are below `directory`, and whose secrets are these; what they announce is sent.
    #[must_use]
    pub fn new(
        directory: &Path,
        secrets: Arc<dyn Secrets>,
        metrics: Metrics,
        announced: mpsc::UnboundedSender<Announced>,
    ) -> Self {
        Self { directory: directory.to_owned(), secrets, metrics, announced, open: HashMap::new() }
    }

    /// The store that an IdentityStore describes.
    pub fn handle(&mut self, name: &Name, spec: &IdentityStoreSpec) -> StoreHandle {
        let slot = Place::of(name, spec, &self.directory).map(|place| {
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
    /// Returns how many changes a pass has it make at a time.
    #[must_use]
    pub fn slice(&self) -> usize {
        self.slot.as_ref().map_or(1, |slot| slot.place.slice())
    }

    /// The store, opened if need be.
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
        // From before the first look, so that nothing is missed between the two.
        let listening = self.listen(&store).await;
        let former = open.replace(Open { store: store.clone(), listening, stale: false });
        let former = former.and_then(|former| former.listening.as_ref().map(|one| one.missed.load(Ordering::Relaxed)));
        if former == Some(true) {
            // Nobody is there to hear it when the controller ends.
            let _ = self.announced.send(Announced { store: self.name.clone(), account: None });
        }
        Ok(store)
    }

    /// Does something with the store, within bounded time. After `Unavailable` or `Denied` the store is opened
    /// afresh next time, with its secrets read afresh.
    ///
    /// # Errors
    /// What opening or doing it says, or that the store does not answer.
    pub async fn call<T, F>(&self, what: &'static str, call: impl FnOnce(Arc<dyn Store>) -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        let store = self.get().await?;
        let patience = if store.capabilities().transactions { PATIENCE } else { PATIENCE_WITH_MANY };
        let started = Instant::now();
        // In a trace it is named for what it does.
        let span = tracing::debug_span!("store", otel.name = what, store = %self.name);
        let result = match tokio::time::timeout(patience, call(store)).instrument(span).await {
            Ok(result) => result,
            Err(_) => Err(no_answer(patience)),
        };
        self.metrics.store_call(&self.name, what, started.elapsed());
        self.open_afresh_after(result.as_ref().err()).await;
        self.noted(result)
    }

    /// Before anything is read: keeps out whoever had these accounts before, should that one be about to write.
    ///
    /// # Errors
    /// When the store cannot be told.
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

    /// Makes the changes of a pass, within bounded time; one outcome for each.
    ///
    /// # Errors
    /// When the store cannot be opened or does not answer.
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

    /// Listens to a store that announces changes. One that cannot be listened to now is used all the same: what others
    /// change is then found by the next check.
    async fn listen(&self, store: &Arc<dyn Store>) -> Option<Listening> {
        let first = match tokio::time::timeout(PATIENCE, store.watch()).await {
            Ok(Ok(None)) => return None,
            Ok(Ok(first)) => first,
            Ok(Err(error)) => {
                tracing::warn!(store = %self.name, %error, "changes by others are found by checks only, for now");
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

    /// Counts an error.
    fn noted<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(error) = &result {
            self.metrics.store_error(&self.name, error.kind());
        }
        result
    }
}

/// Passes on what a store announces, for as long as it is open.
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
    StoreError::Unavailable(format!("no answer within {} s", within.as_secs()))
}
