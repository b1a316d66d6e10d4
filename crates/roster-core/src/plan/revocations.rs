//! Plans explicit revocations only, for accounts whose objects cannot be trusted because something around them is being
//! deleted or is unknown. Called by `evaluate::plan_revocations`, by `evaluate::plan_revocations_and_removals` (which also removes members
//! whose Membership is gone while a deletion waits), and by `plan::diff` for an account that is not ours.

use std::collections::BTreeMap;

use super::{
    Hold, ObjectKey, Observed, Plan, Policy,
    diff::attempt,
    ownership::{Ownership, ownership},
    planner::Waiting,
};
use crate::{
    model::Email,
    resolve::{Access, Desired, DesiredMember, RevocationReason, Window},
};

/// Treatment of members whom no object declares any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UndeclaredMembers {
    /// Their access stays.
    Keep,
    /// Their entries are removed, within the limits of the guard.
    Remove,
}

/// Returns a plan that revokes the access of members who are suspended, blocked or not approved, and limits the others
/// to the time window of their Membership. All other access stays; undeclared members are treated as `gone` says.
/// Roles, groups and the account stay as they are.
pub(crate) fn plan_revocations(
    desired: &Desired,
    observed: &Observed,
    policy: &Policy,
    gone: UndeclaredMembers,
) -> Plan {
    let of = |(email, member): (&Email, &DesiredMember)| {
        (email.clone(), DesiredMember { access: only_its_end(&member.access), ..member.clone() })
    };
    let mut members: BTreeMap<Email, DesiredMember> = desired.members.iter().map(of).collect();
    let account = observed.account.as_ref().and_then(|existing| existing.content.as_ref());
    let owner = account.and_then(|account| account.owner.as_ref());
    for (email, existing) in observed.members.iter().filter(|(email, _)| !desired.members.contains_key(*email)) {
        let is_ours = ownership(existing.mark.as_ref(), &policy.mark) == Ownership::Ours;
        if gone == UndeclaredMembers::Remove && is_ours && owner != Some(email) {
            continue;
        }
        // A block names the person, so it also applies to members whom no object declares.
        let end = desired.ends.of(email).filter(|end| is_ours || *end == RevocationReason::Blocked);
        let origin = desired.ends.origin(&desired.account, email, end);
        let access = end.map_or(Access::Kept, Access::Revoked);
        members.insert(email.clone(), DesiredMember { access, origin, counts_as_holder: false });
    }
    let frozen = Desired { definitions: None, members, ..desired.clone() };
    attempt(&frozen, observed, policy, &Waiting::RevocationsOnly).plan
}

/// Returns the plan while a change of the Account waits for authority, and the Account before it cannot be resolved:
/// revocations and removals are made, and everything else stays.
pub(crate) fn plan_while_account_waits(desired: &Desired, observed: &Observed, policy: &Policy) -> Plan {
    let mut plan = plan_revocations(desired, observed, policy, UndeclaredMembers::Remove);
    let members = desired.members.keys().map(|email| ObjectKey::Member(email.clone()));
    for object in members.chain([ObjectKey::Account]) {
        plan.holds.entry(object).or_insert(Hold::Unauthorized);
    }
    plan
}

/// Returns the access reduced to its revocation or time window; otherwise the access is kept.
fn only_its_end(access: &Access) -> Access {
    if let Some(end) = access.ended() {
        return Access::Revoked(end);
    }
    let window = match access {
        Access::Exactly(content) | Access::AtMost(content) => content.window,
        Access::KeptWithin(window) => *window,
        Access::Kept | Access::Revoked(_) => return access.clone(),
    };
    if window == Window::default() { Access::Kept } else { Access::KeptWithin(window) }
}
