//! Ends by somebody's word, and nothing else: what is done at once also where the objects that are left cannot be taken at
//! their word, because something around them is being deleted or is not known.

use std::collections::BTreeMap;

use super::{
    Observed, Plan, Policy,
    diff::{Waiting, attempt},
};
use crate::{
    model::Email,
    resolve::{Access, Desired, DesiredMember, Window},
};

/// Returns the plan that ends the access of whoever is suspended, blocked or not approved, and whose time the
/// Membership limits. Everybody else keeps what they have, also those whom no object names any more; roles, groups
/// and the account stay as they are, and nobody is removed.
pub(crate) fn plan(desired: &Desired, observed: &Observed, policy: &Policy) -> Plan {
    let of = |(email, member): (&Email, &DesiredMember)| {
        (email.clone(), DesiredMember { access: only_its_end(&member.access), ..member.clone() })
    };
    let mut members: BTreeMap<Email, DesiredMember> = desired.members.iter().map(of).collect();
    for email in observed.members.keys().filter(|email| !desired.members.contains_key(*email)) {
        let end = desired.ends.of(email);
        let origin = desired.ends.origin(&desired.account, end);
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
