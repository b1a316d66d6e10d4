//! Deletion of an Account by its `deletionPolicy`, unless the removal guard holds it. `reconcile` calls it for passes
//! that delete.

use std::collections::BTreeSet;

use super::{Delete, Deleted, Pass, PassEnvironment, reconcile};
use crate::{
    api::DeletionPolicy,
    contract::{Batch, StoreError},
    evaluate::{self, Context, DeletionDecision, judge},
    model::{Email, KindName, Name, Scope},
    plan::{GUARD_WINDOW, Guarded},
    report,
    resolve::Origin,
};

/// Applies the deletion policy, then removes the finalizer. A deletion needs no reference to resolve: if the
/// IdentityStore is gone, nothing can be removed from it. While the deletion waits, explicit revocations and single
/// removals are made.
pub(super) async fn delete<E: PassEnvironment>(pass: &Pass, work: &Delete, environment: &E) -> Deleted {
    let Delete { account, children, meanwhile, .. } = work;
    let retry =
        |why| Deleted::Retry { error: StoreError::Unavailable(why), decided: work.decided.clone(), by_store: false };
    if !children.is_empty() {
        let report = Box::pin(reconcile::reconcile(pass, meanwhile, environment)).await;
        return Deleted::Waits(children.clone(), Box::new(report));
    }
    let removed = match (&account.facts.spec.deletion_policy, &pass.store_facts) {
        (DeletionPolicy::Orphan, _) => 0,
        (DeletionPolicy::Delete, None) => match environment.lacks_store(&pass.store).await {
            Ok(true) => 0,
            Ok(false) => {
                return retry(format!("IdentityStore {} exists, although it was not in the list", pass.store));
            }
            Err(fault) => {
                return retry(format!("cannot find out whether the IdentityStore is deleted: {fault}"));
            }
        },
        (DeletionPolicy::Delete, Some(_)) => match remove_all(pass, work, environment).await {
            Ok(RemovalResult::Done(removed)) => removed,
            Ok(RemovalResult::Held(guarded)) => {
                let report = Box::pin(reconcile::reconcile(pass, meanwhile, environment)).await;
                return Deleted::Held(guarded, Box::new(report));
            }
            Ok(RemovalResult::Replaced) => {
                let report = Box::pin(reconcile::reconcile(pass, meanwhile, environment)).await;
                return Deleted::Replaced(Box::new(report));
            }
            Err(Failed { error, decided, by_store }) => return Deleted::Retry { error, decided, by_store },
        },
    };
    match environment.set_finalizer(&account.reference(KindName::Account), &pass.mark.uid, false).await {
        Ok(()) => Deleted::Done(removed),
        Err(fault) => retry(format!("finalizer not removed: {fault}")),
    }
}

/// Result of the removal of an account's whole content.
enum RemovalResult {
    /// Made, with this number of changes.
    Done(u64),
    /// Held by the removal guard.
    Held(Guarded),
    /// Another store answers; the content is in the one used so far.
    Replaced,
}

/// Removal that failed, wholly or partly.
struct Failed {
    error: StoreError,
    /// People whose removal is decided.
    decided: BTreeSet<Email>,
    /// Whether the store failed, and not one change.
    by_store: bool,
}

/// Removes the account's content unless the guard holds it. After a partial failure, returns the members whose
/// removal is already approved so that a retry does not ask again.
async fn remove_all<E: PassEnvironment>(pass: &Pass, work: &Delete, environment: &E) -> Result<RemovalResult, Failed> {
    let (key, now) = (&pass.mark.account, pass.now);
    let decided_before =
        |error: StoreError| Failed { by_store: error.is_of_store(), error, decided: work.decided.clone() };
    environment.claim(&pass.mark.cluster, &pass.permit).await.map_err(decided_before)?;
    let observed = environment.observe(key, &Scope::Account, now - GUARD_WINDOW).await.map_err(decided_before)?;
    let prepared = environment.step("resolve", || reconcile::prepared(&work.meanwhile));
    let deletion = environment.step("plan", || {
        let context = Context { holding: work.holding, ..Context::new(pass.mark.clone(), now) };
        let judged = judge(&prepared, &work.meanwhile.objects.members(), &context);
        evaluate::judge_deletion(&prepared, &judged, &observed, &context, &work.decided)
    });
    let mut plan = match deletion {
        DeletionDecision::Replaced => return Ok(RemovalResult::Replaced),
        DeletionDecision::Held(guarded) => return Ok(RemovalResult::Held(guarded)),
        DeletionDecision::Removes(plan) => plan,
    };
    let origin = Origin::new(KindName::Account.as_str(), key.name.clone(), work.account.facts.generation);
    let origin = Origin { why: Some(Name::new("deleted")), ..origin };
    plan.changes.iter_mut().for_each(|change| change.origin = Some(origin.clone()));
    if plan.changes.is_empty() {
        return Ok(RemovalResult::Done(0));
    }
    let decided = |error, by_store| {
        let people = plan.changes.iter().filter_map(|change| change.object.person());
        Failed { error, decided: people.cloned().collect(), by_store }
    };
    let batch = Batch::of(&plan, &pass.mark, now);
    let outcomes =
        environment.apply(&batch, &pass.permit).await.map_err(|error| decided(error.clone(), error.is_of_store()))?;
    if environment.logs() {
        let name = |email: &Email| work.meanwhile.objects.first_membership(email);
        let changes = report::access_changes(name, &plan, &observed, &batch, &outcomes);
        changes.for_each(|change| environment.log(&change));
    }
    let made = outcomes.into_iter().collect::<Result<Vec<()>, StoreError>>();
    let made = made.map_err(|error| decided(error, false))?;
    Ok(RemovalResult::Done(made.len() as u64))
}
