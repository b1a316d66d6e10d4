//! Plans what is removed from a store when an Account is deleted. Called by `evaluate::delete` and
//! `evaluate::judge_deletion`.

use std::collections::BTreeSet;

use super::{
    Cause, Change, Guarded, Mark, ObjectKey, Observed, Phase, Plan, Policy,
    guard::{self, GuardDecision},
    members::loses_access,
    ownership::{Ownership, ownership},
};
use crate::{model::Email, resolve::AccountRevocations};

/// Returns the plan of [`deletion`], unless the removal guard holds it back. The guard judges it as one removal of all
/// members, except those in `decided`, whose removal was decided before.
///
/// # Errors
/// The removals that the guard holds back, with the hash to approve.
pub(crate) fn guarded_deletion(
    ends: &AccountRevocations,
    observed: &Observed,
    policy: &Policy,
    decided: &BTreeSet<Email>,
) -> Result<Plan, Guarded> {
    let plan = deletion(observed, &policy.mark);
    let loses = |email: &&Email| {
        let existing = observed.members.get(*email);
        !decided.contains(*email) && existing.is_some_and(|existing| loses_access(email, existing, ends, policy.now))
    };
    let people = plan.changes.iter().filter_map(|change| change.object.person());
    let people: BTreeSet<Email> = people.filter(loses).cloned().collect();
    // No member is left who could hold any of these roles.
    let last = guard::held_roles(&people, observed, policy).into_iter().next();
    match guard::check(&people, last, observed, true, policy) {
        GuardDecision::Pass | GuardDecision::Approved => Ok(plan),
        GuardDecision::Hold(guarded) => Err(guarded),
    }
}

/// Returns the plan for the deletion of an Account: removes everything that carries `mark` and, if the account's
/// container carries it, the unmarked members of that container. Objects that another cluster has marked stay, and then
/// the container stays, too.
pub(crate) fn deletion(observed: &Observed, mark: &Mark) -> Plan {
    let ours = |existing: Option<&Mark>| ownership(existing, mark) == Ownership::Ours;
    let mut plan = Plan { store: observed.store.clone(), layout: observed.layout.clone(), ..Plan::default() };
    let account_is_ours = observed.account.as_ref().is_some_and(|existing| ours(existing.mark.as_ref()));
    let mut foreign = false;
    let mut remove = |object: ObjectKey, existing: Option<&Mark>, phase: Phase| {
        if ownership(existing, mark) == Ownership::Foreign {
            foreign = true;
        } else if ours(existing) || account_is_ours {
            plan.changes.push(Change::removal(object, Cause::AccountDeleted, phase));
        }
    };
    for (email, existing) in &observed.members {
        remove(ObjectKey::Member(email.clone()), existing.mark.as_ref(), Phase::Revoke);
    }
    for (name, existing) in &observed.groups {
        remove(ObjectKey::Group(name.clone()), existing.mark.as_ref(), Phase::Delete);
    }
    for (name, existing) in &observed.roles {
        remove(ObjectKey::Role(name.clone()), existing.mark.as_ref(), Phase::Delete);
    }
    if account_is_ours && !foreign {
        plan.changes.push(Change::removal(ObjectKey::Account, Cause::AccountDeleted, Phase::Delete));
    }
    plan
}
