//! Plans the changes of one account, also where its new layout waits or the account is not ours. Called by
//! `evaluate::evaluate` and `evaluate::revoke_only`.

use super::{
    Hold, ObjectKey, Observed, Plan, Policy,
    diff::attempt,
    planner::{Outcome, Waiting},
    revocations::{UndeclaredMembers, plan_revocations},
    waiting,
};
use crate::resolve::Desired;

/// Returns the changes that make the store hold the desired content, within the bounds of marks, adoption, policy and
/// guard.
pub(crate) fn plan_changes(desired: &Desired, observed: &Observed, policy: &Policy) -> Plan {
    let Outcome { plan, layout_waits } = attempt(desired, observed, policy, &Waiting::No);
    if plan.holds.get(&ObjectKey::Account) == Some(&Hold::NotOwned) {
        // Objects in it that carry our mark are still ours, and revocations are explicit.
        let mut ends = plan_revocations(desired, observed, policy, UndeclaredMembers::Keep);
        ends.holds.insert(ObjectKey::Account, Hold::NotOwned);
        ends.not_owned = plan.not_owned;
        return ends;
    }
    match layout_waits {
        Some(hold) => waiting::plan_while_layout_waits(desired, observed, policy, plan, hold),
        None => plan,
    }
}
