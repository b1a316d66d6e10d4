//! Carries out one pass: reconciles, deletes, sets finalizers, or revokes access in an orphaned account. The controller's
//! shell and the simulator call [`run_pass()`].

use super::{Pass, PassEnvironment, PassResult, PassWork, deletion, orphaned_accounts, reconcile::reconcile};

/// Carries out a pass. Errors are part of the returned value: at the object that they concern, or at the account.
pub async fn run_pass<E: PassEnvironment>(pass: &Pass, environment: &E) -> PassResult {
    match &pass.work {
        PassWork::Reconcile(work) => {
            PassResult::Reconciled(Box::new(Box::pin(reconcile(pass, work, environment)).await))
        }
        PassWork::Delete(work) => PassResult::Deleted(deletion::delete(pass, work, environment).await),
        PassWork::OrphanedAccount(revocations) => {
            PassResult::OrphanedRevoked(orphaned_accounts::revoke(pass, revocations, environment).await)
        }
        PassWork::SetFinalizers(missing, work) => {
            let mut result = Ok(());
            for (object, uid) in missing {
                result = result.and(environment.set_finalizer(object, uid, true).await);
            }
            PassResult::FinalizersSet(match result {
                Ok(()) => Ok(()),
                // Someone wrote the object at the same time: the loop tries again at once.
                Err(fault) if fault.is_conflict() => Err((fault, None)),
                Err(fault) => Err((fault, Some(Box::new(Box::pin(reconcile(pass, work, environment)).await)))),
            })
        }
    }
}
