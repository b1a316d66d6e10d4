//! Taking a Lease.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use kube::{Api, Client};
use tokio_util::sync::CancellationToken;

use super::{Leadership, NOTE, Timing, UNCLEAN, epoch, holder, now, params};
use crate::store::Epoch;

/// Leases as they last changed while somebody held them, and when that was seen here.
#[derive(Clone, Debug, Default)]
pub struct Sightings(HashMap<String, (Lease, Instant)>);

impl Sightings {
    /// Looks at a Lease again; whether its holder is another one than before.
    pub fn look(&mut self, lease: &Lease) -> bool {
        let Some(name) = lease.metadata.name.clone() else { return false };
        if holder(lease).is_none() {
            return false;
        }
        let before = self.0.get(&name).map(|(before, _)| before);
        let same = |before: &Lease| {
            (&before.metadata.uid, &before.metadata.resource_version)
                == (&lease.metadata.uid, &lease.metadata.resource_version)
        };
        if before.is_some_and(same) {
            return false;
        }
        let is_news = before.and_then(holder) != holder(lease);
        self.0.insert(name, (lease.clone(), Instant::now()));
        is_news
    }

    /// A Lease is gone for good.
    pub fn forget(&mut self, name: &str) {
        self.0.remove(name);
    }

    /// Whether the Lease of this name has not changed for as long as it says; `otherwise` where it does not say. One that
    /// was deleted under its holder is judged as it was: that one gets the time to notice.
    #[must_use]
    pub fn is_expired(&self, name: &str, otherwise: Duration) -> bool {
        self.0.get(name).is_none_or(|(lease, at)| {
            let seconds = lease.spec.as_ref().and_then(|spec| spec.lease_duration_seconds);
            let duration = seconds.and_then(|seconds| u64::try_from(seconds).ok()).map(Duration::from_secs);
            at.elapsed() > duration.unwrap_or(otherwise)
        })
    }

    /// The epoch of the Lease of this name as it was last held.
    fn epoch(&self, name: &str) -> Epoch {
        self.0.get(name).map_or(Epoch(0), |(lease, _)| epoch(lease))
    }
}

/// Whoever contends for one Lease.
#[derive(Clone, Debug)]
pub struct Contender {
    api: Api<Lease>,
    name: String,
    identity: String,
    timing: Timing,
}

impl Contender {
    /// One who contends for the Lease `name`; `identity` must be of this process only.
    #[must_use]
    pub fn new(client: Client, namespace: &str, name: &str, identity: &str, timing: Timing) -> Self {
        Self { api: Api::namespaced(client, namespace), name: name.to_owned(), identity: identity.to_owned(), timing }
    }

    /// Takes the Lease if it is free, in an epoch higher than `after`. `seen` is what was seen of it so far; `ended` is
    /// cancelled when it is lost without being given back.
    ///
    /// # Errors
    /// When the API server refuses or cannot be reached; a conflict where somebody else was quicker.
    pub async fn attempt(
        &self,
        seen: &mut Sightings,
        after: Epoch,
        ended: &CancellationToken,
    ) -> Result<Option<Leadership>, kube::Error> {
        // From before the request: others see the renewal later, so they wait longer than we count on.
        let asked = Instant::now();
        let found = self.api.get_opt(&self.name).await?;
        if let Some(lease) = &found {
            seen.look(lease);
        }
        let given_back = found.as_ref().is_some_and(|lease| holder(lease).is_none());
        if !given_back && !seen.is_expired(&self.name, self.timing.duration) {
            return Ok(None);
        }
        // Of one that is new nobody can say what was before: it may have been deleted under its holder, or be the first of
        // another number of shards.
        let annotated =
            |lease: &Lease| lease.metadata.annotations.as_ref().is_some_and(|all| all.contains_key(UNCLEAN));
        let clean = given_back && !found.as_ref().is_some_and(annotated);
        let mut lease = found.unwrap_or_else(|| Lease {
            metadata: ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() },
            spec: None,
        });
        let new = lease.metadata.resource_version.is_none();
        let before = seen.epoch(&self.name).max(epoch(&lease)).max(after);
        lease.spec = Some(self.taken(lease.spec.unwrap_or_default(), before));
        // What the one before has said is not our word.
        if let Some(annotations) = &mut lease.metadata.annotations {
            annotations.remove(NOTE);
            annotations.remove(UNCLEAN);
        }
        let lease = if new {
            self.api.create(&params(), &lease).await
        } else {
            self.api.replace(&self.name, &params(), &lease).await
        }?;
        Ok(Some(Leadership::new(self.clone(), lease, clean, asked, ended.clone())))
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

    pub(super) fn renewed(&self, spec: LeaseSpec) -> LeaseSpec {
        LeaseSpec {
            renew_time: Some(MicroTime(now())),
            lease_duration_seconds: i32::try_from(self.timing.duration.as_secs()).ok(),
            ..spec
        }
    }

    pub(super) fn api(&self) -> &Api<Lease> {
        &self.api
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn identity(&self) -> &str {
        &self.identity
    }

    pub(super) fn timing(&self) -> Timing {
        self.timing
    }
}
