//! The identity stores in use: opened when first needed, opened again after they failed.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::Mutex;

use crate::{
    api::IdentityStoreSpec,
    model::Name,
    store::{Batch, Epoch, Outcome, Place, Secrets, Store, StoreError},
    telemetry::Metrics,
};

/// A store that does not answer within this time is away.
const PATIENCE: Duration = Duration::from_secs(30);

/// All stores in use, by where they are: two objects that name one file share it.
pub struct Stores {
    directory: PathBuf,
    secrets: Arc<dyn Secrets>,
    metrics: Metrics,
    open: HashMap<Place, Arc<Slot>>,
}

/// The place of one store.
struct Slot {
    place: Place,
    store: Mutex<Option<Arc<dyn Store>>>,
}

/// A store as one pass uses it: named, timed, and bounded in time.
#[derive(Clone)]
pub struct StoreHandle {
    /// Name of the IdentityStore.
    pub name: Name,
    slot: Result<Arc<Slot>, StoreError>,
    secrets: Arc<dyn Secrets>,
    metrics: Metrics,
}

impl Stores {
    /// Stores whose files are below `directory`, and whose secrets are these.
    #[must_use]
    pub fn new(directory: &Path, secrets: Arc<dyn Secrets>, metrics: Metrics) -> Self {
        Self { directory: directory.to_owned(), secrets, metrics, open: HashMap::new() }
    }

    /// The store that an IdentityStore describes.
    pub fn handle(&mut self, name: &Name, spec: &IdentityStoreSpec) -> StoreHandle {
        let slot = Place::of(name, spec, &self.directory).map(|place| {
            let slot = self.open.entry(place.clone());
            slot.or_insert_with(|| Arc::new(Slot { place, store: Mutex::new(None) })).clone()
        });
        StoreHandle { name: name.clone(), slot, secrets: self.secrets.clone(), metrics: self.metrics.clone() }
    }
}

impl StoreHandle {
    /// The store, opened if need be.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub async fn get(&self) -> Result<Arc<dyn Store>, StoreError> {
        let slot = self.slot.as_ref().map_err(Clone::clone)?;
        let mut open = slot.store.lock().await;
        if let Some(store) = open.as_ref() {
            return Ok(store.clone());
        }
        let started = Instant::now();
        let opened = tokio::time::timeout(PATIENCE, slot.place.open(&*self.secrets)).await;
        let store = self.noted(opened.unwrap_or_else(|_| Err(no_answer())))?;
        self.metrics.store_call(&self.name, "open", started.elapsed());
        *open = Some(store.clone());
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
        let started = Instant::now();
        let result = match tokio::time::timeout(PATIENCE, call(store)).await {
            Ok(result) => result,
            Err(_) => Err(no_answer()),
        };
        self.metrics.store_call(&self.name, what, started.elapsed());
        self.open_afresh_after(result.as_ref().err()).await;
        self.noted(result)
    }

    /// Makes the changes of a pass, within bounded time; one outcome for each.
    ///
    /// # Errors
    /// When the store cannot be opened or does not answer.
    pub async fn apply(&self, batch: &Batch<'_>, epoch: Epoch) -> Result<Vec<Outcome>, StoreError> {
        let outcomes = self.call("apply", |store| async move { Ok(store.apply(batch, epoch).await) }).await?;
        let failed = outcomes.iter().filter_map(|outcome| outcome.as_ref().err());
        let failed = failed.inspect(|error| self.metrics.store_error(&self.name, error.kind()));
        let away = failed.fold(None, |away, error| match error {
            StoreError::Unavailable(_) | StoreError::Denied(_) => Some(error),
            StoreError::Conflict(_) | StoreError::Invalid(_) => away,
        });
        self.open_afresh_after(away).await;
        Ok(outcomes)
    }

    async fn open_afresh_after(&self, error: Option<&StoreError>) {
        if matches!(error, Some(StoreError::Unavailable(_) | StoreError::Denied(_)))
            && let Ok(slot) = &self.slot
        {
            *slot.store.lock().await = None;
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

fn no_answer() -> StoreError {
    StoreError::Unavailable(format!("no answer within {} s", PATIENCE.as_secs()))
}
