//! Entry point for tests of identity stores, which begin with content that no objects declare. Only with the feature
//! `testing`; other code uses [`crate::evaluate`].

use crate::{
    plan::{self, Observed, Plan, Policy},
    resolve::Desired,
};

/// Plans the changes that make a store hold the desired content, under the given policy.
#[must_use]
pub fn plan(desired: &Desired, observed: &Observed, policy: &Policy) -> Plan {
    plan::plan_changes(desired, observed, policy)
}
