//! Fields of a Lease: reads and rewrites the object of the API server for [`leases`](super) and `roster status`.
//! Other content of the object stays.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};

use crate::contract::Epoch;

/// Annotation with the generation of each store up to which the holder has reconciled all its accounts, as JSON.
const NOTE: &str = "roster.dev/gone-over";

/// Annotation of a Lease that was released although an earlier holder may still write, since not every store knows
/// the epoch.
const UNCLEAN: &str = "roster.dev/unclean";

/// Returns the epoch of the last holder: the time of taking, in microseconds. The replica that takes the Lease
/// ensures that it grows.
#[must_use]
pub fn epoch(lease: &Lease) -> Epoch {
    Epoch(lease.spec.as_ref().and_then(|spec| spec.acquire_time.as_ref()).map_or(0, |time| time.0.as_microsecond()))
}

/// Returns the identity of the holder; `None` if the Lease was released.
#[must_use]
pub fn holder(lease: &Lease) -> Option<&str> {
    lease.spec.as_ref()?.holder_identity.as_deref().filter(|holder| !holder.is_empty())
}

/// Returns the holder's note.
pub(super) fn note(lease: &Lease) -> Option<&String> {
    lease.metadata.annotations.as_ref()?.get(NOTE)
}

pub(super) fn name(lease: &Lease) -> &str {
    lease.metadata.name.as_deref().unwrap_or_default()
}

/// Returns the time for which the Lease lasts after a renewal, if set.
pub(super) fn duration(lease: &Lease) -> Option<Duration> {
    let seconds = lease.spec.as_ref()?.lease_duration_seconds?;
    u64::try_from(seconds).ok().map(Duration::from_secs)
}

/// Returns whether the Lease was released and no former holder can write any more.
pub(super) fn is_clean(lease: &Lease) -> bool {
    let annotations = lease.metadata.annotations.as_ref();
    holder(lease).is_none() && !annotations.is_some_and(|all| all.contains_key(UNCLEAN))
}

/// Returns the Lease as `identity` takes it, after a holder of epoch `before`. The epoch is the time, so that it also
/// grows when the Lease was deleted or restored from a backup. If clocks differ, it is at least `before` plus one.
pub(super) fn taken(
    found: Option<Lease>,
    name: &str,
    identity: &str,
    before: Epoch,
    duration: Duration,
    wall: Timestamp,
) -> Lease {
    let mut lease = found.unwrap_or_else(|| named(name));
    let next = wall.as_microsecond().max(before.0.saturating_add(1));
    let time = Timestamp::from_microsecond(next).unwrap_or(wall);
    let spec = lease.spec.take().unwrap_or_default();
    let spec = LeaseSpec {
        holder_identity: Some(identity.to_owned()),
        acquire_time: Some(MicroTime(time)),
        lease_transitions: Some(spec.lease_transitions.unwrap_or(0).saturating_add(1)),
        ..spec
    };
    lease.spec = Some(spec);
    // The annotations belong to the former holder.
    if let Some(annotations) = &mut lease.metadata.annotations {
        annotations.remove(NOTE);
        annotations.remove(UNCLEAN);
    }
    renewed(&lease, None, duration, wall)
}

/// Returns the Lease as its holder renews it.
pub(super) fn renewed(lease: &Lease, note: Option<&str>, duration: Duration, wall: Timestamp) -> Lease {
    let spec = LeaseSpec {
        renew_time: Some(micros(wall)),
        lease_duration_seconds: i32::try_from(duration.as_secs()).ok(),
        ..lease.spec.clone().unwrap_or_default()
    };
    annotated(Lease { metadata: lease.metadata.clone(), spec: Some(spec) }, NOTE, note)
}

/// Returns the Lease as its holder releases it.
pub(super) fn given_back(lease: &Lease, note: Option<&str>, clean: bool, wall: Timestamp) -> Lease {
    let spec =
        LeaseSpec { holder_identity: None, renew_time: Some(micros(wall)), ..lease.spec.clone().unwrap_or_default() };
    let lease = annotated(Lease { metadata: lease.metadata.clone(), spec: Some(spec) }, NOTE, note);
    annotated(lease, UNCLEAN, Some("true").filter(|_| !clean))
}

/// Returns the Lease by which a replica announces itself.
pub(super) fn presence(found: Option<Lease>, name: &str, identity: &str, duration: Duration, wall: Timestamp) -> Lease {
    let spec = LeaseSpec {
        holder_identity: Some(identity.to_owned()),
        lease_duration_seconds: i32::try_from(duration.as_secs()).ok(),
        renew_time: Some(micros(wall)),
        ..LeaseSpec::default()
    };
    Lease { spec: Some(spec), ..found.unwrap_or_else(|| named(name)) }
}

fn named(name: &str) -> Lease {
    Lease { metadata: ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() }, spec: None }
}

fn annotated(mut lease: Lease, key: &str, value: Option<&str>) -> Lease {
    if let Some(value) = value {
        let annotations = lease.metadata.annotations.get_or_insert_with(BTreeMap::new);
        annotations.insert(key.to_owned(), value.to_owned());
    }
    lease
}

/// Truncates a time to the microseconds that a Lease holds.
fn micros(wall: Timestamp) -> MicroTime {
    MicroTime(Timestamp::from_microsecond(wall.as_microsecond()).unwrap_or(wall))
}
