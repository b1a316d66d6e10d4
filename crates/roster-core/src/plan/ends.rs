//! Ends by somebody's word: what is done at once also where the objects that are left cannot be taken at their word, because
//! something around them is being deleted or is not known. Where only the Account is being deleted, single removals, too.

use std::collections::BTreeMap;

use super::{
    Observed, Plan, Policy,
    diff::{Waiting, attempt},
    judge::{Ownership, ownership},
};
use crate::{
    model::Email,
    resolve::{Access, Desired, DesiredMember, End, Window},
};

/// Treatment of people whom no object names any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gone {
    /// They keep what they have.
    Kept,
    /// They are removed, as far as the guard allows.
    Removed,
}

/// Returns the plan that ends the access of whoever is suspended, blocked or not approved, and whose time the
/// Membership limits. Everybody else keeps what they have, but for those who are gone as `gone` says; roles, groups and the
/// account stay as they are.
pub(crate) fn plan(desired: &Desired, observed: &Observed, policy: &Policy, gone: Gone) -> Plan {
    let of = |(email, member): (&Email, &DesiredMember)| {
        (email.clone(), DesiredMember { access: only_its_end(&member.access), ..member.clone() })
    };
    let mut members: BTreeMap<Email, DesiredMember> = desired.members.iter().map(of).collect();
    let account = observed.account.as_ref().and_then(|seen| seen.content.as_ref());
    let owner = account.and_then(|account| account.owner.as_ref());
    for (email, seen) in observed.members.iter().filter(|(email, _)| !desired.members.contains_key(*email)) {
        let is_ours = ownership(seen.mark.as_ref(), &policy.mark) == Ownership::Ours;
        if gone == Gone::Removed && is_ours && owner != Some(email) {
            continue;
        }
        // A block names the person: it means also whom no object declares.
        let end = desired.ends.of(email).filter(|end| is_ours || *end == End::Blocked);
        let origin = desired.ends.origin(&desired.account, email, end);
        let access = end.map_or(Access::Kept, Access::Ended);
        members.insert(email.clone(), DesiredMember { access, origin, counts_as_holder: false });
    }
    let frozen = Desired { definitions: None, members, ..desired.clone() };
    attempt(&frozen, observed, policy, &Waiting::OnlyEnds).plan
}

/// Returns what is left of an access where only ends count.
fn only_its_end(access: &Access) -> Access {
    if let Some(end) = access.ended() {
        return Access::Ended(end);
    }
    let window = match access {
        Access::Exactly(content) | Access::AtMost(content) => content.window,
        Access::KeptWithin(window) => *window,
        Access::Kept | Access::Ended(_) => return access.clone(),
    };
    if window == Window::default() { Access::Kept } else { Access::KeptWithin(window) }
}
