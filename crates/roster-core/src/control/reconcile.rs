//! One pass over one account, from its objects to its report. It reads as the flow of the architecture:
//!
//! ```text
//!  Snapshot ──prepare──► Prepared + Members     Observed ◄──observe── store ◄──claim
//!                            └────── evaluate ──────┘
//!                                      │ findings, plan
//!                         fresh read, where objects would be taken at their word
//!                                      │ if they cannot be: only ends by somebody's word
//!                                 store.apply ──► outcomes ──► reports, notices
//! ```

use super::{Pass, PassEnded, PassWork, Reconcile, World, deletion};
use crate::{
    contract::{Batch, StoreError},
    evaluate::{Context, Evaluation, Judged, Prepared, ends, evaluate, judge, prepare},
    model::Scope,
    plan::{Change, GUARD_WINDOW, ObjectKey, Observed, Phase, Plan},
    report::{self, AppliedPlan, OnlyEnds, PassReport},
};

/// Carries out a pass. Errors end up in what it returns: with the object they concern, or with the account.
pub async fn run<W: World>(pass: &Pass, world: &W) -> PassEnded {
    match &pass.work {
        PassWork::Reconcile(work) => PassEnded::Reconciled(Box::new(reconcile(pass, work, world).await)),
        PassWork::Delete(work) => PassEnded::Deleted(deletion::delete(pass, work, world).await),
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
pub(super) async fn reconcile<W: World>(pass: &Pass, work: &Reconcile, world: &W) -> PassReport {
    let prepared = world.step("resolve", || prepared(work));
    let context = Context::new(pass.mark.clone(), work.objects.now);
    let judged = || judge(&prepared, &work.objects.members(), &context);
    let (judged, result) = match &pass.store_facts {
        None => (judged(), Ok(None)),
        Some(_) => match observe(pass, work, world).await {
            Ok(observed) => {
                let (judged, plans) = world.step("plan", || plans(&prepared, work, &observed, &context));
                drop(observed);
                (judged, apply(pass, work, plans, world).await.map(Some))
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

/// What may be done: all of it, or, where the objects cannot be taken at their word, only ends.
enum Plans {
    /// All of it, whatever else is known.
    All(Plan),
    /// All of it if a fresh read finds the objects there to stay, otherwise the ends.
    AfterFreshRead { all: Box<Plan>, ends: Box<Plan> },
    /// Only ends, and why.
    Ends(Plan, OnlyEnds),
}

fn plans(prepared: &Prepared, work: &Reconcile, observed: &Observed, context: &Context<'_>) -> (Judged, Plans) {
    let members = work.objects.members();
    if let Some(why) = &work.only_ends {
        let judged = judge(prepared, &members, context);
        let plan = ends(prepared, &judged, observed, context);
        return (judged, Plans::Ends(plan, why.clone()));
    }
    let Evaluation { judged, plan } = evaluate(prepared, &members, observed, context);
    let takes_word = takes_away(&plan, &work.objects.scope) || (work.vanished && plan.raises());
    let plans = if takes_word && !plan.needs_account {
        let ends = ends(prepared, &judged, observed, context);
        Plans::AfterFreshRead { all: Box::new(plan), ends: Box::new(ends) }
    } else {
        Plans::All(plan)
    };
    (judged, plans)
}

/// Returns whether somebody would lose something because objects are gone or mean something else, not because of their own.
fn takes_away(plan: &Plan, scope: &Scope) -> bool {
    let narrows = |change: &Change| change.phase == Phase::Narrow && *scope == Scope::Account;
    plan.removes() || plan.changes.iter().any(narrows)
}

/// Plan → fresh read → store. Ends by somebody's word are made in any case.
async fn apply<W: World>(pass: &Pass, work: &Reconcile, plans: Plans, world: &W) -> Result<AppliedPlan, StoreError> {
    let mut confirmed = false;
    let (plan, only_ends, fault) = match plans {
        Plans::All(plan) => (plan, None, None),
        Plans::Ends(plan, why) => (plan, Some(why), None),
        Plans::AfterFreshRead { all, ends } => match world.stays(&pass.key, &pass.mark.uid).await {
            Ok(true) => {
                confirmed = true;
                (*all, None, None)
            }
            // The deletion policy decides about an account that is being deleted; the objects that are left say nothing.
            Ok(false) => (*ends, Some(OnlyEnds::Terminating), None),
            Err(fault) => (*ends, None, Some(fault)),
        },
    };
    let applied = carry_out(pass, work, plan, only_ends, world).await?;
    match fault {
        None => Ok(AppliedPlan { confirmed, ..applied }),
        Some(fault) => Err(StoreError::Unavailable(format!(
            "nobody is removed and nobody gains anything without a fresh read, and that failed: {fault}"
        ))),
    }
}

async fn carry_out<W: World>(
    pass: &Pass,
    work: &Reconcile,
    mut plan: Plan,
    only_ends: Option<OnlyEnds>,
    world: &W,
) -> Result<AppliedPlan, StoreError> {
    let objects = &work.objects;
    // An account that is not ours is said of all of it.
    plan.needs_account |= objects.scope != Scope::Account && plan.holds.contains_key(&ObjectKey::Account);
    if plan.needs_account || plan.changes.is_empty() {
        return Ok(AppliedPlan { plan, outcomes: Vec::new(), only_ends, confirmed: false });
    }
    if let Some(trigger) = &work.trigger {
        // What a whole pass changes, the object that brought it about has caused; a member's own change, the member.
        let own = objects.scope != Scope::Account;
        for change in plan.changes.iter_mut().filter(|change| !own || change.origin.is_none()) {
            change.origin = Some(trigger.clone());
        }
    }
    let batch = Batch { mark: &pass.mark, layout: &plan.layout, changes: &plan.changes, now: objects.now };
    let outcomes = world.apply(&batch, &pass.permit).await?;
    Ok(AppliedPlan { plan, outcomes, only_ends, confirmed: false })
}
