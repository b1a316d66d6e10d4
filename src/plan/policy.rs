//! What decides, besides desired and observed, what a plan does.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::Mark;
use crate::{
    api::{Adoption, DriftPolicy, Unmanaged},
    resolve::RoleName,
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
    /// The time of this pass: tells who has expired, and so what the guard counts.
    pub now: Timestamp,
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
