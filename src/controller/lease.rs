//! Who leads: one Lease, and the epoch that tells leaders apart (design/architecture.md "Fencing").
//!
//! Every write carries the resourceVersion and the UID of the Lease as last seen, so that nobody renews or takes what
//! changed meanwhile. Expiry is judged by the time that passed here since the Lease last changed, never by another
//! machine's clock. Why this is our own: docs/decisions/0007.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::PostParams;
use kube::{Api, Client};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::api::MANAGER;
use crate::store::Epoch;

/// Name of the Lease.
pub const NAME: &str = "roster";

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

/// The lease cannot be contended for. What may heal by itself is tried again instead.
#[derive(Debug, thiserror::Error)]
#[error("cannot take the lease {namespace}/{NAME}: {why}")]
pub struct LeaseError {
    namespace: String,
    why: String,
    /// Whether a right is missing, which may be given later.
    pub forbidden: bool,
}

/// This process leads, until [`Leadership::lost`]. Dropping it ends that without telling a successor.
#[derive(Debug)]
pub struct Leadership {
    /// Higher than that of every earlier leader.
    pub epoch: Epoch,
    /// Cancelled when leading has ended; nothing may be written any more.
    pub lost: CancellationToken,
    until: Until,
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

impl Term {
    /// Whether it lasts.
    #[must_use]
    pub fn holds(&self) -> bool {
        !self.lost.is_cancelled() && Instant::now() < read(&self.until)
    }
}

impl Leadership {
    /// What writers ask.
    #[must_use]
    pub fn term(&self) -> Term {
        Term { lost: self.lost.clone(), until: Arc::clone(&self.until) }
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

/// Waits until this process leads. `identity` must be of this process only.
///
/// # Errors
/// When the API server refuses it from the start: no such namespace, or no right to its leases.
pub async fn acquire(client: Client, namespace: &str, identity: &str) -> Result<Leadership, LeaseError> {
    acquire_with(client, namespace, identity, Timing::default()).await
}

/// As [`acquire`], with other times.
///
/// # Errors
/// As [`acquire`].
pub async fn acquire_with(
    client: Client,
    namespace: &str,
    identity: &str,
    timing: Timing,
) -> Result<Leadership, LeaseError> {
    let api = Api::namespaced(client, namespace);
    let mut contender = Contender { api, identity: identity.to_owned(), timing, seen: None };
    let mut may = false;
    loop {
        // From before the request: others see the renewal later, so they wait longer than we count on.
        let asked = Instant::now();
        match timeout(timing.deadline, contender.attempt()).await {
            Ok(Ok(Some(lease))) => return Ok(lead(contender, lease, asked)),
            Ok(Ok(None)) => may = true,
            // Whoever may wait for it may not for a moment after the API server has started: it knows no rights yet.
            Ok(Err(error)) if is_final(&error) && !may => {
                let forbidden = code(&error) == Some(403);
                return Err(LeaseError {
                    namespace: namespace.to_owned(),
                    why: with_hint(&error, namespace),
                    forbidden,
                });
            }
            Ok(Err(error)) if !is_conflict(&error) => {
                tracing::warn!(error = said(&error), "cannot reach the lease; trying again");
            }
            Ok(Err(_)) => {}
            Err(_) => tracing::warn!("no answer about the lease; trying again"),
        }
        sleep(timing.retry).await;
    }
}

fn lead(contender: Contender, lease: Lease, asked: Instant) -> Leadership {
    let epoch = epoch(&lease);
    let until = Arc::new(Mutex::new(asked + contender.timing.deadline));
    let (lost, stop) = (CancellationToken::new(), CancellationToken::new());
    tracing::info!(identity = contender.identity, epoch = epoch.0, "took the lease");
    let keeper = Keeper { contender, lease, until: Arc::clone(&until), lost: lost.clone(), stop: stop.clone() };
    Leadership { epoch, lost, until, stop, keeper: tokio::spawn(keeper.run()) }
}

/// The time of taking, in microseconds; [`taken`] makes sure that it grows.
fn epoch(lease: &Lease) -> Epoch {
    Epoch(lease.spec.as_ref().and_then(|spec| spec.acquire_time.as_ref()).map_or(0, |time| time.0.as_microsecond()))
}

struct Contender {
    api: Api<Lease>,
    identity: String,
    timing: Timing,
    /// The Lease as it last changed while somebody held it, and when that was seen.
    seen: Option<(Lease, Instant)>,
}

impl Contender {
    /// Takes the Lease if it is free.
    async fn attempt(&mut self) -> Result<Option<Lease>, kube::Error> {
        let found = self.api.get_opt(NAME).await?;
        if let Some(lease) = found.as_ref().filter(|lease| holder(lease).is_some()) {
            self.look(lease);
        }
        let free = match &found {
            // Deleted under a leader: that one gets the time to notice.
            None => self.expired(),
            Some(lease) => holder(lease).is_none() || self.expired(),
        };
        if !free {
            return Ok(None);
        }
        let mut lease = found.unwrap_or_else(|| Lease {
            metadata: ObjectMeta { name: Some(NAME.to_owned()), ..ObjectMeta::default() },
            spec: None,
        });
        let new = lease.metadata.resource_version.is_none();
        let before = self.seen.as_ref().map_or(Epoch(0), |(seen, _)| epoch(seen)).max(epoch(&lease));
        lease.spec = Some(self.taken(lease.spec.unwrap_or_default(), before));
        let params = params();
        let lease =
            if new { self.api.create(&params, &lease).await } else { self.api.replace(NAME, &params, &lease).await }?;
        Ok(Some(lease))
    }

    fn look(&mut self, lease: &Lease) {
        let before = self.seen.as_ref().map(|(seen, _)| seen);
        if before.is_some_and(|before| {
            (&before.metadata.uid, &before.metadata.resource_version)
                == (&lease.metadata.uid, &lease.metadata.resource_version)
        }) {
            return;
        }
        if before.and_then(holder) != holder(lease) {
            tracing::info!(leader = holder(lease), "waiting for the lease");
        }
        self.seen = Some((lease.clone(), Instant::now()));
    }

    fn expired(&self) -> bool {
        self.seen.as_ref().is_none_or(|(lease, at)| {
            let seconds = lease.spec.as_ref().and_then(|spec| spec.lease_duration_seconds);
            let duration = seconds.and_then(|seconds| u64::try_from(seconds).ok()).map(Duration::from_secs);
            at.elapsed() > duration.unwrap_or(self.timing.duration)
        })
    }

    /// The spec of a leader after one of epoch `before`. The epoch is the time, so that it also grows when the Lease
    /// was deleted or came back from a backup, and one more than before where clocks differ.
    fn taken(&self, spec: LeaseSpec, before: Epoch) -> LeaseSpec {
        let next = Timestamp::now().as_microsecond().max(before.0.saturating_add(1));
        let time = Timestamp::from_microsecond(next).unwrap_or_else(|_| Timestamp::now());
        LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            acquire_time: Some(MicroTime(time)),
            lease_transitions: Some(spec.lease_transitions.unwrap_or(0).saturating_add(1)),
            ..self.renewed(spec)
        }
    }

    fn renewed(&self, spec: LeaseSpec) -> LeaseSpec {
        LeaseSpec {
            renew_time: Some(MicroTime(now())),
            lease_duration_seconds: i32::try_from(self.timing.duration.as_secs()).ok(),
            ..spec
        }
    }
}

/// Renews the Lease while this process leads.
struct Keeper {
    contender: Contender,
    lease: Lease,
    until: Until,
    lost: CancellationToken,
    stop: CancellationToken,
}

impl Keeper {
    async fn run(mut self) {
        let why = loop {
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return self.give_up().await,
                () = sleep(self.contender.timing.retry) => {}
            }
            let left = read(&self.until).saturating_duration_since(Instant::now());
            if left.is_zero() {
                break "it could not be renewed in time".to_owned();
            }
            let asked = Instant::now();
            // Two attempts fit in, should the first one hang.
            match timeout(left.min(self.contender.timing.deadline / 2), self.renew()).await {
                Ok(Ok(true)) => write(&self.until, asked + self.contender.timing.deadline),
                Ok(Ok(false)) => break "somebody took or deleted it".to_owned(),
                // Also a refusal may pass: an API server that has just started knows no rights yet.
                Ok(Err(error)) => tracing::warn!(error = said(&error), "cannot renew the lease; trying again"),
                Err(_) => tracing::warn!("no answer to the renewal of the lease; trying again"),
            }
        };
        self.lost.cancel();
        tracing::error!(why, "lost the lease");
    }

    /// Whether it is ours and renewed.
    async fn renew(&mut self) -> Result<bool, kube::Error> {
        match self.put(self.contender.renewed(self.spec())).await {
            Ok(()) => Ok(true),
            Err(error) if is_gone(&error) => Ok(false),
            Err(error) if is_conflict(&error) => {
                // An annotation is no loss, and neither is a renewal whose answer got lost.
                let Some(lease) = self.contender.api.get_opt(NAME).await? else { return Ok(false) };
                let ours = holder(&lease) == Some(&self.contender.identity)
                    && lease.metadata.uid == self.lease.metadata.uid
                    && epoch(&lease) == epoch(&self.lease);
                if !ours {
                    return Ok(false);
                }
                self.lease = lease;
                self.put(self.contender.renewed(self.spec())).await.map(|()| true)
            }
            Err(error) => Err(error),
        }
    }

    async fn give_up(mut self) {
        self.lost.cancel();
        let spec = LeaseSpec { holder_identity: None, renew_time: Some(MicroTime(now())), ..self.spec() };
        match timeout(self.contender.timing.retry, self.put(spec)).await {
            Ok(Ok(())) => tracing::info!("gave the lease back"),
            Ok(Err(error)) => {
                tracing::warn!(error = said(&error), "cannot give the lease back; a successor waits until it expires");
            }
            Err(_) => tracing::warn!("no answer to giving the lease back; a successor waits until it expires"),
        }
    }

    fn spec(&self) -> LeaseSpec {
        self.lease.spec.clone().unwrap_or_default()
    }

    async fn put(&mut self, spec: LeaseSpec) -> Result<(), kube::Error> {
        let lease = Lease { spec: Some(spec), ..self.lease.clone() };
        self.lease = self.contender.api.replace(NAME, &params(), &lease).await?;
        Ok(())
    }
}

fn params() -> PostParams {
    PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() }
}

/// A Lease holds microseconds.
fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
}

fn holder(lease: &Lease) -> Option<&String> {
    lease.spec.as_ref()?.holder_identity.as_ref().filter(|holder| !holder.is_empty())
}

fn read(until: &Until) -> Instant {
    *until.lock().unwrap_or_else(PoisonError::into_inner)
}

fn write(until: &Until, time: Instant) {
    *until.lock().unwrap_or_else(PoisonError::into_inner) = time;
}

/// What the API server said; `Display` adds a dump of the whole answer.
fn said(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        other => other.to_string(),
    }
}

/// The same, and what to do where that is plain.
fn with_hint(error: &kube::Error, namespace: &str) -> String {
    match code(error) {
        Some(404) => format!("{}; make it with `kubectl create namespace {namespace}`", said(error)),
        Some(403) => format!("{}; {}", said(error), super::RIGHTS),
        _ => said(error),
    }
}

fn code(error: &kube::Error) -> Option<u16> {
    match error {
        kube::Error::Api(status) => Some(status.code),
        _ => None,
    }
}

fn is_conflict(error: &kube::Error) -> bool {
    code(error) == Some(409)
}

fn is_gone(error: &kube::Error) -> bool {
    code(error) == Some(404)
}

/// Refused in a way that asking again does not change; a timeout (408) or too many requests (429) do pass.
fn is_final(error: &kube::Error) -> bool {
    code(error).is_some_and(|code| (400..500).contains(&code) && ![408, 409, 429].contains(&code))
}
