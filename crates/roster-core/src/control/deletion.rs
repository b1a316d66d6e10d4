//! Deletion of an Account: what its `deletionPolicy` says, and nothing else.

use super::{Delete, Deleted, Pass, World, reconcile};
use crate::{
    api::DeletionPolicy,
    contract::{Batch, StoreError},
    evaluate,
    model::{KindName, Scope},
};

/// Does what the deletion policy says, then lets the object go. Deletion needs no reference to resolve: where the
/// IdentityStore is gone, nothing can be removed from it.
pub(super) async fn delete<W: World>(pass: &Pass, work: &Delete, world: &W) -> Deleted {
    let Delete { account, children, ends, knows_stores } = work;
    if !children.is_empty() {
        let report = match ends {
            Some(ends) => Some(Box::new(reconcile::reconcile(pass, ends, world).await)),
            None => None,
        };
        return Deleted::Waits(children.clone(), report);
    }
    let removed = match (&account.facts.spec.deletion_policy, &pass.store_facts) {
        (DeletionPolicy::Orphan, _) => 0,
        // An API server that has just started may for a moment deny that it knows our kinds.
        (DeletionPolicy::Delete, None) if !knows_stores => {
            match world.lacks_definition(KindName::IdentityStore).await {
                Ok(true) => 0,
                Ok(false) => {
                    return Deleted::Retry(StoreError::Unavailable(
                        "the API server does not list identitystores, though it has their definition".to_owned(),
                    ));
                }
                Err(fault) => {
                    return Deleted::Retry(StoreError::Unavailable(format!(
                        "the API server does not say whether the IdentityStore is gone: {fault}"
                    )));
                }
            }
        }
        (DeletionPolicy::Delete, None) => 0,
        (DeletionPolicy::Delete, Some(_)) => match remove_all(pass, world).await {
            Ok(removed) => removed,
            Err(error) => return Deleted::Retry(error),
        },
    };
    match world.set_finalizer(&account.reference(KindName::Account), &pass.mark.uid, false).await {
        Ok(()) => Deleted::Done(removed),
        Err(fault) => Deleted::Retry(StoreError::Unavailable(format!("finalizer not removed: {fault}"))),
    }
}

async fn remove_all<W: World>(pass: &Pass, world: &W) -> Result<u64, StoreError> {
    let (key, now) = (&pass.mark.account, pass.now);
    world.claim(&pass.mark.cluster, &pass.permit).await?;
    let observed = world.observe(key, &Scope::Account, now).await?;
    let plan = evaluate::delete(&observed, &pass.mark);
    if plan.changes.is_empty() {
        return Ok(0);
    }
    let batch = Batch { mark: &pass.mark, layout: &plan.layout, changes: &plan.changes, now };
    let outcomes = world.apply(&batch, &pass.permit).await?;
    outcomes.into_iter().collect::<Result<Vec<()>, StoreError>>().map(|done| done.len() as u64)
}
