//! Entrance for tests of identity stores, which begin with contents that no objects stand for. Only with the feature
//! `testing`; everybody else enters by [`crate::evaluate`].

use crate::{
    plan::{self, Observed, Plan, Policy},
    resolve::Desired,
};

/// Works out what is to be done so that a store holds what is desired, under this very policy.
#[must_use]
pub fn plan(desired: &Desired, observed: &Observed, policy: &Policy) -> Plan {
    plan::plan(desired, observed, policy)
}
