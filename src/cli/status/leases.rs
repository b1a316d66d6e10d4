//! Reads the controller's Leases: the leader, or the holders of shards. Called by `status::gather`.

use std::collections::BTreeSet;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, Client, api::ListParams};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    cluster::api_error,
    control::leases::{self, LeaseName},
};

/// Tolerated difference of clocks, in seconds; only for display.
const CLOCKS: i64 = 5;

/// State of the controller.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Controller {
    /// `Leading`; `Partial`, where some shards are nobody's; `Expired`, `Absent` or `Unknown`.
    pub state: LeaseState,
    /// Namespace of the leases.
    pub namespace: String,
    /// Over how many shards the accounts are shared out.
    pub shards: u16,
    /// Holders of shards, in order.
    pub held: Vec<ShardHolder>,
    /// Shards that nobody holds.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<u16>,
    /// Reason why the state is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Whether the namespace was given explicitly; an unknown state is an error then.
    #[serde(skip)]
    pub asked: bool,
}

/// Whether all shards have a holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub enum LeaseState {
    /// Every shard is held.
    Leading,
    /// Some shards are nobody's.
    Partial,
    /// All Leases are expired.
    Expired,
    /// There is no lease.
    Absent,
    /// The leases cannot be seen.
    Unknown,
}

/// Holder of a shard.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ShardHolder {
    /// Number of the shard, from 0.
    pub shard: u16,
    /// The replica.
    pub holder: String,
    /// Since when.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub since: Option<Timestamp>,
    /// Time of the last renewal.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub renewed: Option<Timestamp>,
    /// Whether the Lease is expired.
    pub expired: bool,
}

impl Controller {
    /// Returns whether a shard has no holder.
    pub fn is_missing(&self) -> bool {
        matches!(self.state, LeaseState::Absent | LeaseState::Expired | LeaseState::Partial)
    }

    /// Returns whether the state is unknown.
    pub fn is_unknown(&self) -> bool {
        self.state == LeaseState::Unknown
    }

    /// Returns the replicas that hold a shard.
    pub fn replicas(&self) -> BTreeSet<&str> {
        self.held.iter().filter(|held| !held.expired).map(|held| held.holder.as_str()).collect()
    }
}

/// The controller's namespace, where nobody says another one.
const NAMESPACE: &str = "roster-system";

/// Reads the Leases of the namespace that somebody asked for, or else of the usual one.
pub async fn controller(client: &Client, asked: Option<&str>, now: Timestamp) -> Controller {
    let namespace = asked.unwrap_or(NAMESPACE);
    let leases: Api<Lease> = Api::namespaced(client.clone(), namespace);
    match leases.list(&ListParams::default()).await {
        Ok(leases) => of(&leases.items, namespace, now),
        // A user without rights on Leases still sees the rest of the status.
        Err(error) => {
            let (message, asked) = (Some(api_error::message(&error)), asked.is_some());
            Controller { state: LeaseState::Unknown, message, asked, ..of(&[], namespace, now) }
        }
    }
}

fn of(leases: &[Lease], namespace: &str, now: Timestamp) -> Controller {
    let shards = leases.iter().filter_map(|lease| match LeaseName::parse(lease.metadata.name.as_deref()?)? {
        LeaseName::Shard { shard, of } => Some((of, held(lease, shard, now)?)),
        LeaseName::Replica { .. } => None,
    });
    let mut all: Vec<(u16, ShardHolder)> = shards.collect();
    // During a change of the number of shards there are Leases of both; the number whose Leases are held counts.
    all.sort_by_key(|(of, held)| (held.expired, *of, held.shard));
    let number = all.first().map_or(1, |(of, _)| *of);
    let held: Vec<ShardHolder> = all.into_iter().filter(|(of, _)| *of == number).map(|(_, held)| held).collect();
    let fresh: BTreeSet<u16> = held.iter().filter(|held| !held.expired).map(|held| held.shard).collect();
    let missing: Vec<u16> = (0..number).filter(|shard| !fresh.contains(shard)).collect();
    let state = match (held.is_empty(), fresh.is_empty(), missing.is_empty()) {
        (true, ..) => LeaseState::Absent,
        (_, true, _) => LeaseState::Expired,
        (_, _, false) => LeaseState::Partial,
        _ => LeaseState::Leading,
    };
    Controller { state, namespace: namespace.to_owned(), shards: number, held, missing, message: None, asked: false }
}

fn held(lease: &Lease, shard: u16, now: Timestamp) -> Option<ShardHolder> {
    let holder = leases::holder(lease)?.to_owned();
    let spec = lease.spec.as_ref()?;
    let (since, renewed) = (spec.acquire_time.as_ref().map(|time| time.0), spec.renew_time.as_ref().map(|time| time.0));
    let lasts = i64::from(spec.lease_duration_seconds.unwrap_or(15));
    let expired = renewed.is_some_and(|renewed| now.duration_since(renewed).as_secs() > lasts + CLOCKS);
    Some(ShardHolder { shard, holder, since, renewed, expired })
}

#[cfg(test)]
mod tests {
    use k8s_openapi::{
        api::coordination::v1::LeaseSpec,
        apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
    };

    use super::*;

    fn lease(name: &str, holder: Option<&str>, age: i64) -> Lease {
        let renewed = Timestamp::from_second(1_800_000_000 - age).unwrap();
        Lease {
            metadata: ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() },
            spec: Some(LeaseSpec {
                holder_identity: holder.map(str::to_owned),
                renew_time: Some(MicroTime(renewed)),
                lease_duration_seconds: Some(15),
                ..LeaseSpec::default()
            }),
        }
    }

    fn looked(leases: &[Lease]) -> Controller {
        of(leases, "roster-system", Timestamp::from_second(1_800_000_000).unwrap())
    }

    #[test]
    fn a_current_holder_differs_from_a_former_one() {
        assert_eq!(looked(&[]).state, LeaseState::Absent);
        assert_eq!(looked(&[lease("roster", None, 1)]).state, LeaseState::Absent);
        assert_eq!(looked(&[lease("roster", Some("a"), 1)]).state, LeaseState::Leading);
        assert_eq!(looked(&[lease("roster", Some("a"), 31)]).state, LeaseState::Expired);
    }

    #[test]
    fn every_shard_must_have_a_holder() {
        let mut leases = vec![
            lease("roster-replica-of-2-a", Some("a"), 1),
            lease("roster-1-of-2", Some("b"), 1),
            lease("roster-0-of-2", Some("a"), 2),
            // Left by a former number of shards.
            lease("roster-0-of-4", Some("z"), 900),
        ];
        let all = looked(&leases);
        assert_eq!((all.state, all.shards, all.replicas().len()), (LeaseState::Leading, 2, 2));
        leases.remove(1);
        let some = looked(&leases);
        assert_eq!((some.state, some.missing.as_slice()), (LeaseState::Partial, [1_u16].as_slice()));
    }
}
