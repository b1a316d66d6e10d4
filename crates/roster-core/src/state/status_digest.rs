//! Digests of statuses: a hash that shows whether a status is as Roster would write it, and the times that must not
//! change while nothing else does. Watches compute them, and `report` uses them to render the next status; no access
//! depends on them.

use std::{hash::Hasher, num::NonZeroU32};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use serde::Serialize;
use smallvec::SmallVec;

use crate::api::{self, ConditionType, DriftStatus, MemberAccess};

/// Digest of a status, and the times in it that must survive the next write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatusDigest {
    /// Hash of the whole status as Roster would write it; 0 if there is none.
    pub hash: u64,
    /// Generation that the status refers to; -1 for an object that was not reconciled yet.
    pub observed_generation: i64,
    /// Time of the last transition of each condition.
    pub since: SmallVec<[Since; 3]>,
    /// Whether `Synced` is True because a pass changed the store, not because the store matched already.
    pub applied: bool,
    /// Time since which drift has been reported.
    pub drift_detected: Option<Seconds>,
    /// Time at which drift was last corrected.
    pub drift_corrected: Option<Seconds>,
    /// Time of the last complete check of the account.
    pub last_checked: Option<Seconds>,
    /// Generation in force: of the catalog that an Account follows, or of an IdentityStore's own blocks.
    pub in_force: Option<NonZeroU32>,
    /// Number of managed accounts in the status of an Account.
    pub managed_accounts: u32,
    /// Reason why it is not in sync, if that delays a catalog rollout.
    pub held: Option<Held>,
    /// Access in the status of a Membership.
    pub access: Option<MemberAccess>,
    /// End of access in the status of a Membership.
    pub access_until: Option<Seconds>,
}

/// Reason why an account is not in sync, if that delays the rollout of a catalog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// The removal guard holds removals.
    Guarded,
    /// The store refuses a change.
    Rejected,
    /// The store is unavailable.
    Away,
}

/// Seconds since 1970-01-01 UTC, the resolution of Kubernetes. Times outside of `u32` become 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seconds(pub u32);

impl Seconds {
    /// Returns the second in which `at` lies.
    #[must_use]
    pub fn of(at: Timestamp) -> Self {
        Self(u32::try_from(at.as_second()).unwrap_or(0))
    }

    /// Returns the start of the second.
    #[must_use]
    pub fn timestamp(self) -> Timestamp {
        Timestamp::from_second(i64::from(self.0)).unwrap_or(Timestamp::UNIX_EPOCH)
    }
}

/// Time of a condition's last transition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Since {
    /// Type of the condition.
    pub condition: ConditionType,
    /// Whether the condition is True.
    pub is_true: bool,
    /// Time of the transition.
    pub at: Seconds,
}

impl StatusDigest {
    /// Returns whether this generation is in force.
    #[must_use]
    pub fn is_in_force(&self, generation: i64) -> bool {
        self.in_force.is_some_and(|at| i64::from(at.get()) == generation)
    }

    /// Returns the time since which `condition` has been `is_true`, if it is.
    #[must_use]
    pub fn since(&self, condition: ConditionType, is_true: bool) -> Option<Seconds> {
        self.since.iter().find(|since| since.condition == condition && since.is_true == is_true).map(|since| since.at)
    }

    /// Returns whether a condition is present, with any value.
    #[must_use]
    pub fn has(&self, condition: ConditionType) -> bool {
        self.since.iter().any(|since| since.condition == condition)
    }

    /// Returns whether a condition is present and True.
    #[must_use]
    pub fn is_true(&self, condition: ConditionType) -> bool {
        self.since(condition, true).is_some()
    }
}

/// Fields of a status that the digest includes, for any kind.
pub trait Digestible: Serialize {
    /// Returns the conditions.
    fn conditions(&self) -> &[Condition];
    /// Returns the generation that the status refers to.
    fn observed_generation(&self) -> Option<i64>;
    /// Returns the reported drift.
    fn drift(&self) -> Option<&DriftStatus> {
        None
    }
    /// Returns the time of the last complete check.
    fn last_checked(&self) -> Option<Timestamp> {
        None
    }
    /// Returns the generation in force.
    fn in_force(&self) -> Option<i64> {
        None
    }
    /// Returns the number of managed accounts.
    fn managed_accounts(&self) -> Option<i64> {
        None
    }
    /// Returns the end of a member's access.
    fn access_until(&self) -> Option<Seconds> {
        None
    }
    /// Returns a member's access.
    fn access(&self) -> Option<MemberAccess> {
        None
    }
}

macro_rules! digestible {
    ($($status:ident { $($with:tt)* })*) => {
        $(impl Digestible for api::$status {
            fn conditions(&self) -> &[Condition] {
                &self.conditions
            }
            fn observed_generation(&self) -> Option<i64> {
                self.observed_generation
            }
            $($with)*
        })*
    };
}

macro_rules! with_drift {
    ($($status:ident)*) => {
        digestible! { $($status {
            fn drift(&self) -> Option<&DriftStatus> {
                self.drift.as_ref()
            }
        })* }
    };
}

digestible! {
    PermissionCatalogStatus {}
    IdentityStoreStatus {
        fn in_force(&self) -> Option<i64> {
            self.blocked_in_force
        }
    }
    InvitationStatus {}
    AccountStatus {
        fn drift(&self) -> Option<&DriftStatus> {
            self.drift.as_ref()
        }
        fn last_checked(&self) -> Option<Timestamp> {
            self.last_checked_time.as_ref().map(|time| time.0)
        }
        fn in_force(&self) -> Option<i64> {
            self.catalog_generation
        }
        fn managed_accounts(&self) -> Option<i64> {
            self.managed_accounts
        }
    }
}
digestible! {
    MembershipStatus {
        fn drift(&self) -> Option<&DriftStatus> {
            self.drift.as_ref()
        }
        fn access(&self) -> Option<MemberAccess> {
            self.access
        }
        fn access_until(&self) -> Option<Seconds> {
            self.access_until.as_ref().map(|until| Seconds::of(until.0))
        }
    }
}
with_drift! { RoleStatus UserGroupStatus }

/// Computes the digest of a status.
pub fn digest<S: Digestible>(status: &S) -> StatusDigest {
    let mut writer = HashWriter(Fnv::default());
    // Writing JSON into a hash cannot fail; a status that could not be written would read as absent.
    let hash = serde_json::to_writer(&mut writer, status).map_or(0, |()| writer.0.finish());
    let since = status
        .conditions()
        .iter()
        .filter_map(|condition| {
            Some(Since {
                condition: ConditionType::parse(&condition.type_)?,
                is_true: condition.status == "True",
                at: Seconds::of(condition.last_transition_time.0),
            })
        })
        .collect();
    let synced = status.conditions().iter().find(|condition| condition.type_ == ConditionType::Synced.as_str());
    let second = |time: &k8s_openapi::apimachinery::pkg::apis::meta::v1::Time| Seconds::of(time.0);
    StatusDigest {
        hash,
        observed_generation: status.observed_generation().unwrap_or(-1),
        since,
        applied: synced.is_some_and(|condition| condition.reason == api::SyncReason::Applied.to_string()),
        drift_detected: status.drift().and_then(|drift| drift.detected_at.as_ref().map(second)),
        drift_corrected: status.drift().and_then(|drift| drift.last_corrected_time.as_ref().map(second)),
        last_checked: status.last_checked().map(Seconds::of),
        in_force: status.in_force().and_then(|at| NonZeroU32::new(u32::try_from(at).ok()?)),
        managed_accounts: status.managed_accounts().and_then(|count| u32::try_from(count).ok()).unwrap_or(0),
        held: synced.filter(|condition| condition.status == "False").and_then(held),
        access: status.access(),
        access_until: status.access_until(),
    }
}

fn held(synced: &Condition) -> Option<Held> {
    match api::SyncReason::parse(&synced.reason)? {
        api::SyncReason::RemovalGuarded => Some(Held::Guarded),
        api::SyncReason::StoreRejected => Some(Held::Rejected),
        api::SyncReason::StoreUnavailable => Some(Held::Away),
        _ => None,
    }
}

struct HashWriter(Fnv);

impl std::io::Write for HashWriter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.write(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// 64-bit FNV-1a. The digest covers Roster's own output, so it needs no defence against chosen texts; it must only be
/// equal in every process.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
