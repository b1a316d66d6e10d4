//! Holds the settings that decide about a plan, besides desired and observed content: store, account, pause and guard.
//! Built by `evaluate`; read by the plan module.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use jiff::{SignedDuration, Timestamp};

use super::{Fingerprint, Hold, Mark, ObjectKey};
use crate::{
    api::{AccountSpec, Adoption, DriftPolicy, IdentityStoreSpec, Unmanaged},
    model::RoleName,
    resolve::{Origin, Settings},
    state::AccountAnnotations,
};

/// Period over which the removal guard counts removals.
pub const GUARD_WINDOW: SignedDuration = SignedDuration::from_mins(10);

/// Policy of one account: the store's defaults and the account's settings, combined. The account can only be stricter.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Mark of this account.
    pub mark: Mark,
    /// Treatment of unmarked entries in the store.
    pub adoption: Adoption,
    /// Whether objects declare the desired members. If so, a revocation takes access away even if the entry has lost
    /// its mark.
    pub is_declared: bool,
    /// Treatment of drift: correct or report.
    pub drift: DriftPolicy,
    /// Treatment of members whom no object declares.
    pub unmanaged: Unmanaged,
    /// Object that sets `unmanaged`; `None` if that is unknown.
    pub unmanaged_by: Option<Origin>,
    /// Reason why grants, definitions and corrections wait; `None` if they do not. Revocations never wait.
    pub paused: Option<Pause>,
    /// Objects as they were authorised, which the store keeps with each entry.
    pub authorised: AuthorisedObjects,
    /// Limits above which removals are held back.
    pub guard: GuardPolicy,
    /// Whether the store evaluates start and expiry itself. If not, a member outside their time window holds no
    /// permissions in it, and is planned again when the window begins or ends.
    pub holds_windows: bool,
    /// Time of this pass: decides who has expired, and so what the guard counts.
    pub now: Timestamp,
}

impl Policy {
    /// Combines the policy of one account. For `guarded_roles` see [`GuardPolicy::guarded_roles`].
    pub(crate) fn new(
        mark: Mark,
        store: &IdentityStoreSpec,
        account: &AccountSpec,
        annotations: &AccountAnnotations,
        guarded_roles: BTreeSet<RoleName>,
        now: Timestamp,
    ) -> Self {
        let settings = Settings::of(store, account);
        Self {
            mark,
            adoption: store.adoption,
            is_declared: true,
            drift: settings.drift,
            unmanaged: settings.unmanaged,
            unmanaged_by: None,
            paused: (store.paused || annotations.paused).then_some(Pause::Asked),
            authorised: AuthorisedObjects::Unknown,
            guard: GuardPolicy {
                maximum_percent: settings.maximum_percent,
                minimum_count: settings.minimum_count,
                approved: annotations.approved.iter().map(ToString::to_string).collect(),
                guarded_roles,
                holding: GuardState::Passes,
            },
            holds_windows: store.holds_windows(),
            now,
        }
    }

    /// Returns a policy that reports all differences and corrects none, for commands that only compare.
    pub(crate) fn only_reporting(self) -> Self {
        Self { drift: DriftPolicy::Report, unmanaged: Unmanaged::Report, paused: None, ..self }
    }
}

/// Objects behind the entries of a store as they were authorised, each as text.
#[derive(Clone, Debug, Default)]
pub enum AuthorisedObjects {
    /// Nobody knows; the store keeps what it has.
    #[default]
    Unknown,
    /// The account does not enforce who may change access. Entries lose the text when they are written.
    NotEnforced,
    /// The objects of each entry.
    Of(Arc<HashMap<ObjectKey, Arc<str>>>),
}

impl AuthorisedObjects {
    /// Returns the text that an entry should have, if it needs no other change.
    pub(super) fn expected(&self, object: &ObjectKey, stored: Option<&Fingerprint>) -> Option<Arc<str>> {
        match self {
            Self::Of(objects) => objects.get(object).cloned(),
            Self::Unknown | Self::NotEnforced => stored.and_then(|stored| stored.authorised.clone()),
        }
    }

    /// Returns the text that is written with an entry.
    pub(super) fn written(&self, object: &ObjectKey, stored: Option<&Fingerprint>) -> Option<Arc<str>> {
        match self {
            Self::NotEnforced => None,
            Self::Unknown | Self::Of(_) => self.expected(object, stored),
        }
    }
}

/// Reason why grants, definitions and corrections wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    /// The store or the account is paused.
    Asked,
    /// The store that answers is not the one used so far.
    StoreReplaced,
    /// The Account was changed without authority.
    Unauthorized,
}

impl Pause {
    /// Returns the reason that is recorded for held objects.
    #[must_use]
    pub const fn hold(self) -> Hold {
        match self {
            Self::Asked => Hold::Paused,
            Self::StoreReplaced => Hold::StoreReplaced,
            Self::Unauthorized => Hold::Unauthorized,
        }
    }
}

/// Removals of an account that the guard holds already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GuardState {
    /// None are held for their number.
    #[default]
    Passes,
    /// Some are held; whether for their number or for the last holder of a role is unknown (after a restart).
    HoldsSome,
    /// They are held for their number.
    HoldsMany,
}

/// Limits above which removals are held back.
#[derive(Clone, Debug)]
pub struct GuardPolicy {
    /// Maximum part of the members, in percent; the guard fires above it if `minimum_count` is also reached.
    pub maximum_percent: u8,
    /// Minimum number of members within [`GUARD_WINDOW`]; below it the percentage does not apply.
    pub minimum_count: u32,
    /// Approved hashes.
    pub approved: Vec<String>,
    /// Roles that must not lose their last effective holder without an approval.
    pub guarded_roles: BTreeSet<RoleName>,
    /// Whether removals are already held back. If so, all are, until they are approved or no removal is left.
    pub holding: GuardState,
}
