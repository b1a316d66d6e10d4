//! What happens in the store when an Account is deleted.

use std::collections::BTreeSet;

use super::{
    Cause, Change, Guarded, Mark, ObjectKey, Observed, Phase, Plan, Policy,
    guard::{self, GuardDecision},
    judge::{Ownership, ownership},
    members::loses_access,
};
use crate::{model::Email, resolve::Ends};

/// Works out what [`deletion`] does, unless the removal guard holds it back. The guard judges it as the removal of everybody
/// at once, but for whom it was decided before.
///
/// # Errors
/// What the guard holds back, and what to approve.
pub(crate) fn guarded_deletion(
    ends: &Ends,
    observed: &Observed,
    policy: &Policy,
    decided: &BTreeSet<Email>,
) -> Result<Plan, Guarded> {
    let plan = deletion(observed, &policy.mark);
    let loses = |email: &&Email| {
        let seen = observed.members.get(*email);
        !decided.contains(*email) && seen.is_some_and(|seen| loses_access(email, seen, ends, policy.now))
    };
    let people = plan.changes.iter().filter_map(|change| change.object.person());
    let people: BTreeSet<Email> = people.filter(loses).cloned().collect();
    // Nobody is left who could hold any of them.
    let last = guard::held_roles(&people, observed, policy).into_iter().next();
    match guard::check(&people, last, observed, true, policy) {
        GuardDecision::Pass | GuardDecision::Approved => Ok(plan),
        GuardDecision::Hold(guarded) => Err(guarded),
    }
}

/// What is to be done when an Account is deleted: everything that carries its mark goes, and with it the unmarked members
/// of its own container; what another cluster has marked stays, and keeps the container.
pub(crate) fn deletion(observed: &Observed, mark: &Mark) -> Plan {
    let ours = |seen: Option<&Mark>| ownership(seen, mark) == Ownership::Ours;
    let mut plan = Plan { store: observed.store.clone(), layout: observed.layout.clone(), ..Plan::default() };
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
