//! What decides, besides desired and observed, what a plan does.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::Mark;
use crate::{
    api::{
        APPROVE_REMOVAL_ANNOTATION, AccountSpec, Adoption, DriftPolicy, IdentityStoreSpec, PAUSED_ANNOTATION, Unmanaged,
    },
    model::RoleName,
    resolve::Settings,
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
    /// Correct or report drift.
    pub drift: DriftPolicy,
    /// What to do about members nobody declared.
    pub unmanaged: Unmanaged,
    /// Grants, definitions and corrections wait; revocations do not.
    pub paused: bool,
    /// When removals are held back.
    pub guard: GuardPolicy,
    /// Whether the store evaluates start and expiry by itself. Where it does not, whoever has no access now holds no
    /// permissions in it, and this is planned again when their time begins or ends.
    pub holds_windows: bool,
    /// The time of this pass: tells who has expired, and so what the guard counts.
    pub now: Timestamp,
}

/// What the annotations of an Account order (design/api.md "Status", last line).
#[derive(Clone, Copy, Debug, Default)]
pub struct Orders<'a> {
    /// The account is paused.
    pub paused: bool,
    /// The hash of removals that may pass.
    pub approved: Option<&'a str>,
}

impl<'a> Orders<'a> {
    /// Read from annotations, looked up by key.
    pub fn read(annotation: impl Fn(&str) -> Option<&'a str>) -> Self {
        let paused = annotation(PAUSED_ANNOTATION) == Some("true");
        Self { paused, approved: annotation(APPROVE_REMOVAL_ANNOTATION) }
    }
}

impl Policy {
    /// What holds for one account. `last_holders`: see [`GuardPolicy::last_holders`].
    #[must_use]
    pub fn new(
        mark: Mark,
        store: &IdentityStoreSpec,
        account: &AccountSpec,
        orders: Orders<'_>,
        last_holders: BTreeSet<RoleName>,
        now: Timestamp,
    ) -> Self {
        let settings = Settings::of(store, account);
        Self {
            mark,
            adoption: store.adoption,
            drift: settings.drift,
            unmanaged: settings.unmanaged,
            paused: store.paused || orders.paused,
            guard: GuardPolicy {
                maximum_percent: settings.maximum_percent,
                minimum_count: settings.minimum_count,
                approved: orders.approved.map(ToOwned::to_owned),
                last_holders,
            },
            holds_windows: store.holds_windows(),
            now,
        }
    }
}

impl Policy {
    /// The same, telling every difference and correcting none: for who only wants to know.
    #[must_use]
    pub fn only_reporting(self) -> Self {
        Self { drift: DriftPolicy::Report, unmanaged: Unmanaged::Report, paused: false, ..self }
    }
}

/// When removals are held back.
#[derive(Clone, Debug)]
pub struct GuardPolicy {
    /// More than this part of the members, in percent …
    pub maximum_percent: u8,
    /// … and at least this many, over [`GUARD_WINDOW`].
    pub minimum_count: u32,
    /// The hash somebody has approved.
    pub approved: Option<String>,
    /// Roles that must not lose their last holder unasked, and that nobody would hold any more.
    pub last_holders: BTreeSet<RoleName>,
}
