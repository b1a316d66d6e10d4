//! One pass over one account, from its objects to its report. It reads as the flow of the architecture:
//!
//! ```text
//!  Snapshot ──prepare──► Prepared + Members     Observed ◄──observe── store ◄──claim
//!                            └────── evaluate ──────┘
//!                                      │ findings, plan
//!                         fresh read, where somebody would be removed
//!                                      │
//!                                 store.apply ──► outcomes ──► reports, notices
//! ```

use super::{Pass, PassEnded, PassWork, Reconcile, World, deletion};
use crate::{
    contract::{Batch, StoreError},
    evaluate::{Context, Evaluation, Prepared, evaluate, judge, prepare},
    model::Scope,
    plan::{Change, GUARD_WINDOW, ObjectKey, Observed, Phase, Plan},
    report::{self, AppliedPlan, PassReport},
};

/// Carries out a pass. Errors end up in what it returns: with the object they concern, or with the account.
pub async fn run<W: World>(pass: &Pass, world: &W) -> PassEnded {
    match &pass.work {
        PassWork::Reconcile(work) => PassEnded::Reconciled(Box::new(reconcile(pass, work, world).await)),
        PassWork::Delete { account, children } => {
            PassEnded::Deleted(deletion::delete(pass, account, children, world).await)
        }
        PassWork::SetFinalizers(missing) => {
            let mut result = Ok(());
            for (object, uid) in missing {
                result = result.and(world.set_finalizer(object, uid, true).await);
            }
            PassEnded::FinalizersSet(result)
        }
    }
}

/// Makes the store hold what the objects say, as far as the scope goes, and reports what came of it.
async fn reconcile<W: World>(pass: &Pass, work: &Reconcile, world: &W) -> PassReport {
    let prepared = world.step("resolve", || prepared(work));
    let context = Context::new(pass.mark.clone(), work.objects.now);
    let judged = || judge(&prepared, &work.objects.members(), &context);
    let (judged, result) = match &pass.store_facts {
        None => (judged(), Ok(None)),
        Some(_) => match observe(pass, work, world).await {
            Ok(observed) => {
                let evaluated = || evaluate(&prepared, &work.objects.members(), &observed, &context);
                let Evaluation { judged, plan } = world.step("plan", evaluated);
                drop(observed);
                (judged, apply(pass, work, plan, world).await.map(Some))
            }
            Err(error) => (judged(), Err(error)),
        },
    };
    report::report(&work.objects, &judged, &result)
}

/// Returns what the definitions mean: as an earlier pass worked it out, where nothing has changed since.
fn prepared(work: &Reconcile) -> Prepared {
    let snapshot = &work.objects.snapshot;
    match &work.known {
        Some(definitions) => Prepared::with_definitions(snapshot, definitions.clone()),
        None => prepare(snapshot),
    }
}

async fn observe<W: World>(pass: &Pass, work: &Reconcile, world: &W) -> Result<Observed, StoreError> {
    let objects = &work.objects;
    world.claim(&pass.mark.cluster, &pass.permit).await?;
    world.observe(&pass.key, &objects.scope, objects.now - GUARD_WINDOW).await
}

/// Plan → fresh read → store.
async fn apply<W: World>(pass: &Pass, work: &Reconcile, mut plan: Plan, world: &W) -> Result<AppliedPlan, StoreError> {
    let objects = &work.objects;
    // An account that is not ours is said of all of it.
    plan.needs_account |= objects.scope != Scope::Account && plan.holds.contains_key(&ObjectKey::Account);
    if plan.needs_account {
        return Ok(AppliedPlan { plan, outcomes: Vec::new(), unsettled: false });
    }
    if let Some(trigger) = &work.trigger {
        // What a whole pass changes, the object that brought it about has caused; a member's own change, the member.
        let own = objects.scope != Scope::Account;
        for change in plan.changes.iter_mut().filter(|change| !own || change.origin.is_none()) {
            change.origin = Some(trigger.clone());
        }
    }
    let unsettled = takes_away(&plan, &objects.scope) && !stays(pass, world).await?;
    if unsettled {
        // The deletion policy decides about an account that is being deleted; the objects that are left say nothing.
        plan.changes.clear();
    }
    if plan.changes.is_empty() {
        return Ok(AppliedPlan { plan, outcomes: Vec::new(), unsettled });
    }
    let batch = Batch { mark: &pass.mark, layout: &plan.layout, changes: &plan.changes, now: objects.now };
    let outcomes = world.apply(&batch, &pass.permit).await?;
    Ok(AppliedPlan { plan, outcomes, unsettled })
}

/// Returns whether somebody would lose something because objects are gone or mean something else, not because of their own.
fn takes_away(plan: &Plan, scope: &Scope) -> bool {
    let narrows = |change: &Change| change.phase == Phase::Narrow && *scope == Scope::Account;
    plan.removes() || plan.changes.iter().any(narrows)
}

async fn stays<W: World>(pass: &Pass, world: &W) -> Result<bool, StoreError> {
    let stays = world.stays(&pass.key, &pass.mark.uid).await;
    stays.map_err(|fault| {
        StoreError::Unavailable(format!("nobody is removed without a fresh read, and that failed: {fault}"))
    })
}
