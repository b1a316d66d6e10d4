//! Holds the state of a plan while it is built. Shared by `plan::diff` and `plan::members`.

use super::{Hold, Observed, Plan, Policy};
use crate::{
    model::Email,
    resolve::{AccountContent, Desired},
};

/// Builds a plan. All content is in the plan's layout.
pub(super) struct Planner<'a> {
    pub(super) desired: &'a Desired,
    /// Stored content, in the store's layout.
    pub(super) stored: &'a Observed,
    /// Stored content, in the plan's layout.
    pub(super) observed: &'a Observed,
    pub(super) policy: &'a Policy,
    /// Desired content of the account, and the owner who stays where the catalog does not let the owner change; `None`
    /// if the account does not resolve.
    pub(super) account: Option<(AccountContent, Option<Email>)>,
    /// Whether the account resolves, or its definitions wait in this plan.
    pub(super) whole: bool,
    /// Whether the account carries our mark, or this plan adopts it.
    pub(super) account_is_ours: bool,
    pub(super) layout_waits: Option<Hold>,
    pub(super) plan: Plan,
}

/// Plan, and the reason why the account's new layout has to wait, if it does.
pub(super) struct Outcome {
    pub(super) plan: Plan,
    pub(super) layout_waits: Option<Hold>,
}

/// Part of the desired content that waits.
pub(super) enum Waiting {
    /// No part waits.
    No,
    /// The new layout waits; this owner, if any, stays.
    Yes(Option<Email>),
    /// Everything waits except explicit revocations.
    RevocationsOnly,
}
