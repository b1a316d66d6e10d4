//! Decides whether removals wait for an approval, so that a bug or a mistaken prune does not take many people's access
//! away at once. Called by `plan::diff` and `plan::deletion`.

use std::{collections::BTreeSet, fmt::Write};

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::{GUARD_WINDOW, GuardState, Guarded, Mark, Observed, Plan, Policy};
use crate::{
    model::{Email, RoleName, agree, counted},
    resolve::{Access, Desired, DesiredMember, MemberContent},
};

/// Decision of the guard on a set of removals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum GuardDecision {
    /// The removals are within the limits.
    Pass,
    /// The removals, exactly these, were approved for one time; they do not count towards the next ten minutes.
    Approved,
    /// The removals are held back.
    Hold(Guarded),
}

/// Decides on removals. The guard fires at the minimum count and above the maximum percentage within its window, or
/// when the last holder of a role with `minimumHolders` would go (docs/concepts.md "Marks, drift, removal"). Once it
/// has fired, it holds all counted removals, however few are left, so that held removals do not pass one by one, or
/// only because time passes.
///
/// `members` would be removed or left without access, not by an explicit revocation; `last` is a role that would have
/// no effective holder any more.
///
/// `whole` means that `observed` has every member of the account. Without it, recently removed members are assumed to
/// be still present without access: the guard then fires early, and the decision is left to a plan of the whole
/// account.
pub(super) fn check(
    members: &BTreeSet<Email>,
    last: Option<&RoleName>,
    observed: &Observed,
    whole: bool,
    policy: &Policy,
) -> GuardDecision {
    if members.is_empty() {
        return GuardDecision::Pass;
    }
    let members: BTreeSet<&Email> = members.iter().collect();
    let hash = approval_hash(&policy.mark, &members, observed.approvals);
    if policy.guard.approved.contains(&hash) {
        return GuardDecision::Approved;
    }
    let recent = observed.recent_removals.iter().filter(|removal| policy.now.duration_since(removal.at) < GUARD_WINDOW);
    let recent: BTreeSet<&Email> = recent.map(|removal| &removal.email).collect();
    let count = members.union(&recent).count() as u64;
    let gone = recent.iter().filter(|email| whole && !observed.members.contains_key(**email)).count() as u64;
    // Number of members before the recent removals.
    let total = (observed.member_count + gone).max(count);
    let too_many =
        count >= u64::from(policy.guard.minimum_count) && count * 100 > u64::from(policy.guard.maximum_percent) * total;
    let are_many = match policy.guard.holding {
        GuardState::Passes => too_many,
        GuardState::HoldsSome => too_many || last.is_none(),
        GuardState::HoldsMany => true,
    };
    let why = if too_many {
        let holder = last.map_or_else(String::new, |role| format!("; the last holder of role {role} is among them"));
        let before = count.saturating_sub(members.len() as u64);
        let before =
            if before > 0 { format!(", including {}", counted(before, "earlier removal")) } else { String::new() };
        format!(
            "{count} of {} would be removed or left without access within 10 minutes{before}; the guard allows {}% or \
             fewer than {}{holder}",
            counted(total, "member"),
            policy.guard.maximum_percent,
            policy.guard.minimum_count
        )
    } else if let Some(role) = last {
        format!("the last holder of role {role} would be removed")
    } else if policy.guard.holding != GuardState::Passes {
        let are = agree(&members.len(), "is", "are");
        let total = counted(total, "member");
        format!("{} of {total} {are} still to be removed or left without access", members.len())
    } else {
        return GuardDecision::Pass;
    };
    let other_approval = policy.guard.approved.first().cloned();
    GuardDecision::Hold(Guarded {
        members: members.into_iter().cloned().collect(),
        hash,
        why,
        are_many,
        other_approval,
    })
}

/// Returns the guarded roles of which some of `members` are effective holders according to the store.
pub(super) fn held_roles<'a>(
    members: &BTreeSet<Email>,
    observed: &'a Observed,
    policy: &Policy,
) -> BTreeSet<&'a RoleName> {
    let contents = members.iter().filter_map(|email| observed.members.get(email)?.content.as_ref());
    let roles = contents.filter_map(|content| role_in_effect(content, policy.now));
    roles.filter(|role| policy.guard.guarded_roles.contains(*role)).collect()
}

/// Returns the first of these roles that has no effective holder once the plan for the whole account is applied.
pub(super) fn without_holder<'a>(
    mut roles: BTreeSet<&'a RoleName>,
    desired: &Desired,
    plan: &Plan,
    now: Timestamp,
) -> Option<&'a RoleName> {
    if !roles.is_empty() {
        let then = desired.members.iter().filter_map(|(email, member)| then_held(email, member, plan));
        for role in then.filter_map(|content| role_in_effect(content, now)) {
            roles.remove(role);
        }
    }
    roles.into_iter().next()
}

/// Returns the content that a member has once the plan is applied; `None` if the member does not count as a holder.
fn then_held<'a>(email: &Email, member: &'a DesiredMember, plan: &'a Plan) -> Option<&'a MemberContent> {
    if !member.counts_as_holder {
        return None;
    }
    match (plan.kept.get(email), &member.access) {
        (Some(kept), _) => kept.as_ref(),
        (None, Access::Exactly(content)) => Some(content),
        (None, _) => None,
    }
}

/// Returns the role that a member holds effectively: access is not revoked, and `now` is within its window.
fn role_in_effect(content: &MemberContent, now: Timestamp) -> Option<&RoleName> {
    content.role.as_ref().filter(|_| content.is_in_force(now))
}

/// Returns the hash to approve: over the Account's UID and name, the members and the number of used approvals, so that
/// an approval is valid once, for these removals only. The name counts because accounts from files share a UID.
fn approval_hash(mark: &Mark, members: &BTreeSet<&Email>, used: u64) -> String {
    let mut hash = Sha256::new();
    hash.update(&mark.uid);
    hash.update([0]);
    hash.update(mark.account.to_string());
    for email in members {
        hash.update([0]);
        hash.update(email.as_str());
    }
    if used > 0 {
        // No address begins with a zero byte, so this input cannot equal that of other members.
        hash.update([0, 0]);
        hash.update(used.to_be_bytes());
    }
    hash.finalize().iter().take(8).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
