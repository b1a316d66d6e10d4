//! What happens in the store when an Account is deleted.

use super::{
    Cause, Change, Mark, ObjectKey, Observed, Phase, Plan,
    judge::{Ownership, ownership},
};

/// What is to be done when an Account is deleted: everything that carries its mark goes, and with it the unmarked members
/// of its own container; what another cluster has marked stays, and keeps the container.
pub(crate) fn deletion(observed: &Observed, mark: &Mark) -> Plan {
    let ours = |seen: Option<&Mark>| ownership(seen, mark) == Ownership::Ours;
    let mut plan = Plan { layout: observed.layout.clone(), ..Plan::default() };
    let account_is_ours = observed.account.as_ref().is_some_and(|seen| ours(seen.mark.as_ref()));
    let mut foreign = false;
    let mut remove = |object: ObjectKey, seen: Option<&Mark>, phase: Phase| {
        if ownership(seen, mark) == Ownership::Foreign {
            foreign = true;
        } else if ours(seen) || account_is_ours {
            plan.changes.push(Change::removal(object, Cause::AccountDeleted, phase));
        }
    };
    for (email, seen) in &observed.members {
        remove(ObjectKey::Member(email.clone()), seen.mark.as_ref(), Phase::Narrow);
    }
    for (name, seen) in &observed.groups {
        remove(ObjectKey::Group(name.clone()), seen.mark.as_ref(), Phase::Demolish);
    }
    for (name, seen) in &observed.roles {
        remove(ObjectKey::Role(name.clone()), seen.mark.as_ref(), Phase::Demolish);
    }
    if account_is_ours && !foreign {
        plan.changes.push(Change::removal(ObjectKey::Account, Cause::AccountDeleted, Phase::Demolish));
    }
    plan
}
