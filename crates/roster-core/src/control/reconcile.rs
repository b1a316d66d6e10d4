//! One pass over one account, from its objects to its report. It reads as the flow of the architecture:
//!
//! ```text
//!  Snapshot ──resolve──► Desired + Findings     Observed ◄──observe── store
//!                            └──────── plan ────────┘
//!                                      │ guard
//!                         fresh read, where somebody would be removed
//!                                      │
//!                                 store.apply ──► outcomes ──► reports, notices
//! ```

use std::sync::Arc;

use super::{Pass, PassEnded, PassWork, Reconcile, World, deletion};
use crate::{
    contract::{Batch, StoreError},
    model::Scope,
    plan::{self, GUARD_WINDOW, ObjectKey, Observed, Orders, Phase, Plan, Policy},
    report::{self, AppliedPlan, PassReport},
    resolve::{self, Definitions, ResolvedAccount},
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
    let resolved = world.step("resolve", || resolve(work));
    let result = match &pass.store_facts {
        None => Ok(None),
        Some(_) => apply(pass, work, &resolved, world).await.map(Some),
    };
    report::report(&work.objects, &resolved, &result)
}

/// Snapshot → Desired + findings.
fn resolve(work: &Reconcile) -> ResolvedAccount {
    let objects = &work.objects;
    let definitions = work.known.clone().unwrap_or_else(|| Arc::new(resolve::definitions(&objects.snapshot)));
    let addresses = objects.members.iter().map(|(email, memberships)| {
        let facts = memberships.iter().map(|record| record.facts.as_ref());
        (email, facts.collect())
    });
    // Nothing is mailed yet, so nothing can have been accepted.
    ResolvedAccount::new(definitions, objects.scope.clone(), addresses, &|_| false)
}

/// Desired × Observed → plan → guard → store.
async fn apply<W: World>(
    pass: &Pass,
    work: &Reconcile,
    resolved: &ResolvedAccount,
    world: &W,
) -> Result<AppliedPlan, StoreError> {
    let objects = &work.objects;
    world.claim(&pass.mark.cluster, &pass.permit).await?;
    let observed: Observed = world.observe(&pass.key, &objects.scope, objects.now - GUARD_WINDOW).await?;
    let policy = policy_of(pass, work, &resolved.definitions);
    let mut plan = world.step("plan", || plan::plan(&resolved.desired, &observed, &policy));
    drop(observed);
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

fn policy_of(pass: &Pass, work: &Reconcile, definitions: &Definitions) -> Policy {
    let snapshot = &work.objects.snapshot;
    let store = snapshot.store.as_ref().map(|store| store.spec.clone()).unwrap_or_default();
    let last_holders = definitions.last_holders(&work.objects.counts.role_refs);
    let orders = Orders::read(|key| work.objects.account.meta.annotation(key));
    Policy::new(pass.mark.clone(), &store, &snapshot.account.spec, orders, last_holders, work.objects.now)
}

/// Returns whether somebody would lose something because objects are gone or mean something else, not because of their own.
fn takes_away(plan: &Plan, scope: &Scope) -> bool {
    let narrows = |change: &plan::Change| change.phase == Phase::Narrow && *scope == Scope::Account;
    plan.removes() || plan.changes.iter().any(narrows)
}

async fn stays<W: World>(pass: &Pass, world: &W) -> Result<bool, StoreError> {
    let stays = world.stays(&pass.key, &pass.mark.uid).await;
    stays.map_err(|fault| {
        StoreError::Unavailable(format!("nobody is removed without a fresh read, and that failed: {fault}"))
    })
}
