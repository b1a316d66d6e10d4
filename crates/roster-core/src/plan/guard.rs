//! The removal guard: a failure of ours, or a mistaken prune, never takes many people's access away at once.

use std::{collections::BTreeSet, fmt::Write};

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::{GUARD_WINDOW, Holding, Observed, Plan, Policy};
use crate::{
    model::{Email, RoleName, agree, counted},
    resolve::{Access, Desired, DesiredMember, MemberContent},
};

/// Removals that the guard holds back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guarded {
    /// Who would lose their access, in order.
    pub members: Vec<Email>,
    /// What to approve: over the Account's UID, these members, and the number of approvals that were used up before.
    pub hash: String,
    /// Why it fired.
    pub why: String,
    /// Whether they are too many, not only the last who hold a role: then they stay held until somebody approves them.
    /// Another holder of the role is enough otherwise.
    pub are_many: bool,
    /// A hash that somebody approved, and that stands for other removals.
    pub other_approval: Option<String>,
}

/// What the guard says to a set of removals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum GuardDecision {
    /// They are few enough.
    Pass,
    /// Somebody approved just these, for this once; they do not count towards the next ten minutes.
    Approved,
    /// They are held back.
    Hold(Guarded),
}

/// Whether the guard fires: at the minimum count and above the maximum percentage over its window, or when the last
/// holder of a role with `minimumHolders` would go (docs/concepts.md "Marks, drift, removal"). Once it has fired, it holds
/// whatever is counted, however few are left: those who are held do not go one by one, nor by themselves with time.
///
/// `members` would be removed or left without access, not by somebody's explicit word; `last` is a role that nobody would
/// hold in effect any more.
///
/// `whole` says that `observed` shows every member of the account. Where it does not, nobody can tell who of those removed
/// lately is still there without access, so they are taken to be: the guard then fires early, and the whole account
/// decides.
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
    let hash = approval_hash(&policy.mark.uid, &members, observed.approvals);
    if policy.guard.approved.contains(&hash) {
        return GuardDecision::Approved;
    }
    let recent = observed.recent_removals.iter().filter(|removal| policy.now.duration_since(removal.at) < GUARD_WINDOW);
    let recent: BTreeSet<&Email> = recent.map(|removal| &removal.email).collect();
    let count = members.union(&recent).count() as u64;
    let gone = recent.iter().filter(|email| whole && !observed.members.contains_key(**email)).count() as u64;
    // As many as there were before.
    let total = (observed.member_count + gone).max(count);
    let too_many =
        count >= u64::from(policy.guard.minimum_count) && count * 100 > u64::from(policy.guard.maximum_percent) * total;
    let are_many = match policy.guard.holding {
        Holding::No => too_many,
        Holding::Perhaps => too_many || last.is_none(),
        Holding::Yes => true,
    };
    let why = if too_many {
        let holder = last.map_or_else(String::new, |role| format!("; the last holder of role {role} is among them"));
        let before = count.saturating_sub(members.len() as u64);
        let before = if before > 0 { format!(" ({before} of them were already)") } else { String::new() };
        format!(
            "{count} of {} would be removed or left without access within 10 minutes{before}; the guard allows {}% or \
             fewer than {}{holder}",
            counted(total, "member"),
            policy.guard.maximum_percent,
            policy.guard.minimum_count
        )
    } else if let Some(role) = last {
        format!("the last holder of role {role} would be removed")
    } else if policy.guard.holding != Holding::No {
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

/// Returns the guarded roles that some of `members` hold in effect, as far as the store shows.
pub(super) fn held_roles<'a>(
    members: &BTreeSet<Email>,
    observed: &'a Observed,
    policy: &Policy,
) -> BTreeSet<&'a RoleName> {
    let contents = members.iter().filter_map(|email| observed.members.get(email)?.content.as_ref());
    let roles = contents.filter_map(|content| role_in_effect(content, policy.now));
    roles.filter(|role| policy.guard.guarded_roles.contains(*role)).collect()
}

/// Returns the first of these roles that nobody would hold in effect once the plan for the whole account is carried out.
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

/// What somebody who counts as a holder has once the plan is carried out.
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

/// The role that somebody holds in effect: their access has neither ended, nor is it before or after its time.
fn role_in_effect(content: &MemberContent, now: Timestamp) -> Option<&RoleName> {
    content.role.as_ref().filter(|_| content.is_in_force(now))
}

/// Over the Account's UID, the members, and how many approvals were used up before: so an approval is good for just these
/// removals, only here, and once.
fn approval_hash(uid: &str, members: &BTreeSet<&Email>, used: u64) -> String {
    let mut hash = Sha256::new();
    hash.update(uid);
    for email in members {
        hash.update([0]);
        hash.update(email.as_str());
    }
    if used > 0 {
        // No address begins like this.
        hash.update([0, 0]);
        hash.update(used.to_be_bytes());
    }
    hash.finalize().iter().take(8).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
