//! Decides about the removal of a whole account from a store: an Account that is deleted, or one that no object describes.
//! Deletions in the loop and the command line call it.

use std::collections::BTreeSet;

use super::{Context, Judged, Prepared};
use crate::{
    api::{AccountSpec, IdentityStoreSpec, PermissionCatalogSpec, PredefinedRole, RoleAdvice},
    model::{Email, RoleName},
    plan::{self, Guarded, Mark, Observed, Plan, Policy},
    resolve::AccountRevocations,
    state::AccountAnnotations,
};

/// Plans the removals for a deleted Account: everything that carries its mark, and with it the unmarked members of
/// its own container. Content with another cluster's mark stays, and keeps the container. Asks no guard.
#[must_use]
pub fn delete(observed: &Observed, mark: &Mark) -> Plan {
    plan::deletion(observed, mark)
}

/// Decision about the deletion of an Account whose content is removed with it.
#[derive(Debug)]
pub enum DeletionDecision {
    /// Another store answered than the one in use so far, which holds the content. The deletion waits.
    Replaced,
    /// The removal guard holds the removal of all members. The deletion waits for an approval.
    Held(Guarded),
    /// The changes to make.
    Removes(Plan),
}

/// Judges the deletion of an Account whose content is removed with it: plans like [`delete`], unless another store
/// answered or the removal guard holds the removal. `observed` must be of the whole account. `decided` are the people
/// whose removal was decided before, and has begun.
#[must_use]
pub fn judge_deletion(
    prepared: &Prepared,
    judged: &Judged,
    observed: &Observed,
    context: &Context<'_>,
    decided: &BTreeSet<Email>,
) -> DeletionDecision {
    if prepared.is_replaced(observed) {
        return DeletionDecision::Replaced;
    }
    let mut policy = prepared.policy(observed, context);
    // The roles also count in an account that does not resolve.
    policy.guard.guarded_roles.extend(prepared.catalog.iter().flat_map(|catalog| roles_with_holders(&catalog.spec)));
    decide_deletion(&judged.desired.ends, observed, &policy, decided)
}

/// Judges the removal of an account that the store holds and no object describes: like [`judge_deletion`], with the
/// removal guard of its IdentityStore and the roles of its catalog, if these are known.
#[must_use]
pub fn judge_removal(
    observed: &Observed,
    store: Option<&IdentityStoreSpec>,
    catalog: Option<&PermissionCatalogSpec>,
    context: &Context<'_>,
) -> DeletionDecision {
    let (defaults, account) = (IdentityStoreSpec::default(), AccountSpec::default());
    let (store, annotations) = (store.unwrap_or(&defaults), AccountAnnotations::default());
    let roles = catalog.into_iter().flat_map(roles_with_holders).collect();
    let policy = Policy::new(context.mark.clone(), store, &account, &annotations, roles, context.now);
    let decide = |policy: &Policy| decide_deletion(&AccountRevocations::default(), observed, policy, &BTreeSet::new());
    let mut unapproved = context.policy(policy);
    let approved = std::mem::take(&mut unapproved.guard.approved);
    match decide(&unapproved) {
        DeletionDecision::Held(guarded) if approved.contains(&guarded.hash) => {
            let mut plan = plan::deletion(observed, &unapproved.mark);
            for change in &mut plan.changes {
                change.approved = change.object.person().is_some_and(|person| guarded.members.contains(person));
            }
            DeletionDecision::Removes(plan)
        }
        decision => decision,
    }
}

fn decide_deletion(
    ends: &AccountRevocations,
    observed: &Observed,
    policy: &Policy,
    decided: &BTreeSet<Email>,
) -> DeletionDecision {
    match plan::guarded_deletion(ends, observed, policy, decided) {
        Ok(plan) => DeletionDecision::Removes(plan),
        Err(guarded) => DeletionDecision::Held(guarded),
    }
}

/// Returns the predefined roles that must not lose their last holder without an approval.
fn roles_with_holders(catalog: &PermissionCatalogSpec) -> impl Iterator<Item = RoleName> {
    let needs_holder = |role: &&PredefinedRole| role.advice.as_ref().is_some_and(RoleAdvice::needs_holder);
    catalog.roles.iter().filter(needs_holder).map(|role| RoleName::predefined(&role.name))
}
