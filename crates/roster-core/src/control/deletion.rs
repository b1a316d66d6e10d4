//! Deletion of an Account: what its `deletionPolicy` says, unless the removal guard holds it back.

use std::collections::BTreeSet;

use super::{Delete, Deleted, Pass, World, reconcile};
use crate::{
    api::DeletionPolicy,
    contract::{Batch, StoreError},
    evaluate::{self, Context, Deletion, judge},
    model::{Email, KindName, Name, Scope},
    plan::{GUARD_WINDOW, Guarded},
    report,
    resolve::Origin,
};

/// Does what the deletion policy says, then lets the object go. Deletion needs no reference to resolve: where the
/// IdentityStore is gone, nothing can be removed from it. For as long as it waits, ends by somebody's word and single
/// removals are made.
pub(super) async fn delete<W: World>(pass: &Pass, work: &Delete, world: &W) -> Deleted {
    let Delete { account, children, meanwhile, .. } = work;
    let retry =
        |why| Deleted::Retry { error: StoreError::Unavailable(why), decided: work.decided.clone(), by_store: false };
    if !children.is_empty() {
        let report = Box::pin(reconcile::reconcile(pass, meanwhile, world)).await;
        return Deleted::Waits(children.clone(), Box::new(report));
    }
    let removed = match (&account.facts.spec.deletion_policy, &pass.store_facts) {
        (DeletionPolicy::Orphan, _) => 0,
        (DeletionPolicy::Delete, None) => match world.lacks_store(&pass.store).await {
            Ok(true) => 0,
            Ok(false) => {
                return retry(format!(
                    "IdentityStore {} is there, though the list of them did not name it",
                    pass.store
                ));
            }
            Err(fault) => {
                return retry(format!("the API server does not say whether the IdentityStore is gone: {fault}"));
            }
        },
        (DeletionPolicy::Delete, Some(_)) => match remove_all(pass, work, world).await {
            Ok(Removal::Done(removed)) => removed,
            Ok(Removal::Held(guarded)) => {
                let report = Box::pin(reconcile::reconcile(pass, meanwhile, world)).await;
                return Deleted::Held(guarded, Box::new(report));
            }
            Ok(Removal::Replaced) => {
                let report = Box::pin(reconcile::reconcile(pass, meanwhile, world)).await;
                return Deleted::Replaced(Box::new(report));
            }
            Err(Failed { error, decided, by_store }) => return Deleted::Retry { error, decided, by_store },
        },
    };
    match world.set_finalizer(&account.reference(KindName::Account), &pass.mark.uid, false).await {
        Ok(()) => Deleted::Done(removed),
        Err(fault) => retry(format!("finalizer not removed: {fault}")),
    }
}

/// Outcome of the removal of everything that an account has in its store.
enum Removal {
    /// Made, with so many changes.
    Done(u64),
    /// The removal guard holds it back.
    Held(Guarded),
    /// Another store answers: what is to be removed is in the one that was used so far.
    Replaced,
}

/// A removal that was not made, or not whole.
struct Failed {
    error: StoreError,
    /// The people whose removal is decided.
    decided: BTreeSet<Email>,
    /// Whether it is the store that fails, and not one change.
    by_store: bool,
}

/// Removes everything, unless the guard holds it back. Once some of it is removed, the rest follows without being asked
/// for again: an error comes with the people whose removal is decided.
async fn remove_all<W: World>(pass: &Pass, work: &Delete, world: &W) -> Result<Removal, Failed> {
    let (key, now) = (&pass.mark.account, pass.now);
    let decided_before =
        |error: StoreError| Failed { by_store: error.is_of_store(), error, decided: work.decided.clone() };
    world.claim(&pass.mark.cluster, &pass.permit).await.map_err(decided_before)?;
    let observed = world.observe(key, &Scope::Account, now - GUARD_WINDOW).await.map_err(decided_before)?;
    let prepared = world.step("resolve", || reconcile::prepared(&work.meanwhile));
    let deletion = world.step("plan", || {
        let context = Context { holding: work.holding, ..Context::new(pass.mark.clone(), now) };
        let judged = judge(&prepared, &work.meanwhile.objects.members(), &context);
        evaluate::judge_deletion(&prepared, &judged, &observed, &context, &work.decided)
    });
    let mut plan = match deletion {
        Deletion::Replaced => return Ok(Removal::Replaced),
        Deletion::Held(guarded) => return Ok(Removal::Held(guarded)),
        Deletion::Removes(plan) => plan,
    };
    let origin = Origin::new(KindName::Account.as_str(), key.name.clone(), work.account.facts.generation);
    let origin = Origin { why: Some(Name::new("deleted")), ..origin };
    plan.changes.iter_mut().for_each(|change| change.origin = Some(origin.clone()));
    if plan.changes.is_empty() {
        return Ok(Removal::Done(0));
    }
    let decided = |error, by_store| {
        let people = plan.changes.iter().filter_map(|change| change.object.person());
        Failed { error, decided: people.cloned().collect(), by_store }
    };
    let batch = Batch::of(&plan, &pass.mark, now);
    let outcomes =
        world.apply(&batch, &pass.permit).await.map_err(|error| decided(error.clone(), error.is_of_store()))?;
    if world.logs() {
        let name = |email: &Email| work.meanwhile.objects.first_membership(email);
        let changes = report::access_changes(name, &plan, &observed, &batch, &outcomes);
        changes.for_each(|change| world.log(&change));
    }
    let made = outcomes.into_iter().collect::<Result<Vec<()>, StoreError>>();
    let made = made.map_err(|error| decided(error, false))?;
    Ok(Removal::Done(made.len() as u64))
}
