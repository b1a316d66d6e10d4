//! What decides, besides desired and observed, what a plan does.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::{Hold, Mark};
use crate::{
    api::{AccountSpec, Adoption, DriftPolicy, IdentityStoreSpec, Unmanaged},
    model::RoleName,
    resolve::Settings,
    state::AccountAnnotations,
};

/// The time over which the removal guard counts.
pub const GUARD_WINDOW: SignedDuration = SignedDuration::from_mins(10);

/// Store's defaults and account's settings, put together: the account can only be stricter.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Our mark on this account.
    pub mark: Mark,
    /// What to do with what is there and not marked.
    pub adoption: Adoption,
    /// Whether who is desired is declared by an object: then an end takes access away also where the mark on it is lost.
    pub is_declared: bool,
    /// Correct or report drift.
    pub drift: DriftPolicy,
    /// What to do about members nobody declared.
    pub unmanaged: Unmanaged,
    /// Why grants, definitions and corrections wait, if they do; revocations do not.
    pub paused: Option<Pause>,
    /// When removals are held back.
    pub guard: GuardPolicy,
    /// Whether the store evaluates start and expiry by itself. Where it does not, whoever has no access now holds no
    /// permissions in it, and this is planned again when their time begins or ends.
    pub holds_windows: bool,
    /// The time of this pass: tells who has expired, and so what the guard counts.
    pub now: Timestamp,
}

impl Policy {
    /// Puts together the policy of one account. `guarded_roles`: see [`GuardPolicy::guarded_roles`].
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
            paused: (store.paused || annotations.paused).then_some(Pause::Asked),
            guard: GuardPolicy {
                maximum_percent: settings.maximum_percent,
                minimum_count: settings.minimum_count,
                approved: annotations.approved.iter().map(ToString::to_string).collect(),
                guarded_roles,
                holding: Holding::No,
            },
            holds_windows: store.holds_windows(),
            now,
        }
    }

    /// Tells every difference and corrects none: for who only wants to know.
    pub(crate) fn only_reporting(self) -> Self {
        Self { drift: DriftPolicy::Report, unmanaged: Unmanaged::Report, paused: None, ..self }
    }
}

/// Why grants, definitions and corrections wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    /// Somebody paused the store or the account.
    Asked,
    /// Another store answers than the one that is known.
    StoreReplaced,
}

impl Pause {
    /// Returns the reason why an object is held back.
    #[must_use]
    pub const fn hold(self) -> Hold {
        match self {
            Self::Asked => Hold::Paused,
            Self::StoreReplaced => Hold::StoreReplaced,
        }
    }
}

/// Whether the guard holds removals back since people are many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Holding {
    /// It does not.
    #[default]
    No,
    /// It holds something back, and nobody knows any more whether they are many or the last who hold a role.
    Perhaps,
    /// It does.
    Yes,
}

/// When removals are held back.
#[derive(Clone, Debug)]
pub struct GuardPolicy {
    /// More than this part of the members, in percent …
    pub maximum_percent: u8,
    /// … and at least this many, over [`GUARD_WINDOW`].
    pub minimum_count: u32,
    /// The hashes somebody has approved.
    pub approved: Vec<String>,
    /// Roles that must not lose the last one who holds them in effect unasked.
    pub guarded_roles: BTreeSet<RoleName>,
    /// Whether removals are held back already: then all are, until somebody approves them or nobody is to be removed.
    pub holding: Holding,
}
