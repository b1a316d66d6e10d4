//! The removal guard: a failure of ours, or a mistaken prune, never takes many people's access away at once.

use std::{collections::BTreeSet, fmt::Write};

use sha2::{Digest, Sha256};

use super::{GUARD_WINDOW, Observed, Policy};
use crate::model::{Email, RoleName};

/// Removals that the guard holds back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guarded {
    /// Who would lose their access, in order.
    pub members: Vec<Email>,
    /// What to approve: over the Account's UID and these members.
    pub hash: String,
    /// Why it fired.
    pub why: String,
}

/// A member who would be removed or left without access, not by somebody's explicit word.
#[derive(Clone, Debug)]
pub(super) struct Pending<'a> {
    pub(super) email: &'a Email,
    pub(super) role: Option<&'a RoleName>,
}

/// What the guard says to a set of removals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum GuardDecision {
    /// They are few enough.
    Pass,
    /// Somebody approved just these; they do not count towards the next ten minutes.
    Approved,
    /// They are held back.
    Hold(Guarded),
}

/// Whether the guard fires: at the minimum count and above the maximum percentage over its window, or when the last
/// holder of a role with `minimumHolders` would go (docs/concepts.md "Marks, drift, removal").
///
/// `whole` says that `observed` shows every member of the account. Where it does not, nobody can tell who of those removed
/// lately is still there without access, so they are taken to be: the guard then fires early, and the whole account
/// decides.
pub(super) fn check(pending: &[Pending<'_>], observed: &Observed, whole: bool, policy: &Policy) -> GuardDecision {
    if pending.is_empty() {
        return GuardDecision::Pass;
    }
    let members: BTreeSet<&Email> = pending.iter().map(|pending| pending.email).collect();
    let hash = approval_hash(&policy.mark.uid, &members);
    if policy.guard.approved.contains(&hash) {
        return GuardDecision::Approved;
    }
    let recent = observed.recent_removals.iter().filter(|removal| policy.now.duration_since(removal.at) < GUARD_WINDOW);
    let recent: BTreeSet<&Email> = recent.map(|removal| &removal.email).collect();
    let count = members.union(&recent).count() as u64;
    let gone = recent.iter().filter(|email| whole && !observed.members.contains_key(**email)).count() as u64;
    // As many as there were before.
    let total = (observed.member_count + gone).max(count);
    let last = pending.iter().find_map(|pending| pending.role.filter(|role| policy.guard.last_holders.contains(*role)));
    let too_many =
        count >= u64::from(policy.guard.minimum_count) && count * 100 > u64::from(policy.guard.maximum_percent) * total;
    let why = if too_many {
        format!(
            "{count} of {total} members would be removed or left without access within 10 minutes; the guard allows {}% or fewer than {}",
            policy.guard.maximum_percent, policy.guard.minimum_count
        )
    } else if let Some(role) = last {
        format!("the last holder of role {role} would be removed")
    } else {
        return GuardDecision::Pass;
    };
    GuardDecision::Hold(Guarded { members: members.into_iter().cloned().collect(), hash, why })
}

/// Over the Account's UID and the members, so that an approval is good for just these removals, and only here.
fn approval_hash(uid: &str, members: &BTreeSet<&Email>) -> String {
    let mut hash = Sha256::new();
    hash.update(uid);
    for email in members {
        hash.update([0]);
        hash.update(email.as_str());
    }
    hash.finalize().iter().take(8).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
