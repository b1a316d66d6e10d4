//! One pass over one account: the picture in design/architecture.md, as code.
//!
//! ```text
//!  Snapshot ──prepare──► Prepared, Members      Observed ◄──observe── store
//!                            └────── evaluate ──────┘
//!                                      │ findings, plan
//!                         fresh read, where somebody would be removed
//!                                      │
//!                                 store.apply ──► Outcomes ──► reports, notices
//! ```

use std::time::Instant;

use kube::Client;

use super::{
    pass::{Pass, PassOutcome},
    stores::StoreHandle,
};
use crate::{
    cluster::fresh,
    evaluate::{Context, Evaluation, Judged, Prepared, evaluate, judge, prepare},
    model::Scope,
    plan::{Change, GUARD_WINDOW, ObjectKey, Observed, Phase, Plan},
    report::{self, AppliedPlan},
    state::ObjectsInScope,
    store::{Batch, StoreError},
};

/// Makes the store hold what the objects say, as far as the scope goes, and says what came of it. Errors end up in the
/// outcome: with the object they concern, or with the account.
pub async fn reconcile(pass: Pass, client: &Client) -> PassOutcome {
    let started = Instant::now();
    let prepared = tracing::debug_span!("resolve").in_scope(|| prepared(&pass));
    let (judged, result) = match &pass.store {
        None => (judge_only(&pass, &prepared), Ok(None)),
        Some(store) => match observe(&pass, store).await {
            Ok(observed) => {
                let Evaluation { judged, plan } = evaluated(&pass, &prepared, &observed);
                drop(observed);
                (judged, make_so(&pass, plan, store, client).await.map(Some))
            }
            Err(error) => (judge_only(&pass, &prepared), Err(error)),
        },
    };
    let report = report::report(&pass.objects, &judged, &result);
    let ObjectsInScope { key, scope, .. } = pass.objects;
    PassOutcome { id: pass.id, span: pass.span, key, scope, report, took: started.elapsed() }
}

/// What the definitions mean: known from an earlier pass, where nothing has changed since.
fn prepared(pass: &Pass) -> Prepared {
    let snapshot = &pass.objects.snapshot;
    let known = pass.known.clone();
    known.map_or_else(|| prepare(snapshot), |definitions| Prepared::with_definitions(snapshot, definitions))
}

fn context(pass: &Pass) -> Context<'static> {
    Context::new(pass.mark.clone(), pass.objects.now)
}

fn judge_only(pass: &Pass, prepared: &Prepared) -> Judged {
    judge(prepared, &pass.objects.members(), &context(pass))
}

fn evaluated(pass: &Pass, prepared: &Prepared, observed: &Observed) -> Evaluation {
    let span = tracing::debug_span!("plan");
    span.in_scope(|| evaluate(prepared, &pass.objects.members(), observed, &context(pass)))
}

async fn observe(pass: &Pass, store: &StoreHandle) -> Result<Observed, StoreError> {
    let since = pass.objects.now - GUARD_WINDOW;
    store.claim(&pass.mark.cluster, &pass.grip).await?;
    store
        .call("observe", |store| async move { store.observe(&pass.objects.key, &pass.objects.scope, since).await })
        .await
}

/// Plan → fresh read → store.
async fn make_so(pass: &Pass, mut plan: Plan, store: &StoreHandle, client: &Client) -> Result<AppliedPlan, StoreError> {
    // An account that is not ours is said of all of it.
    plan.needs_account |= pass.objects.scope != Scope::Account && plan.holds.contains_key(&ObjectKey::Account);
    if plan.needs_account {
        return Ok(AppliedPlan { plan, outcomes: Vec::new(), unsettled: false });
    }
    if let Some(trigger) = &pass.trigger {
        // What a whole pass changes, the object that brought it about has caused; a member's own change, the member.
        let own = pass.objects.scope != Scope::Account;
        for change in plan.changes.iter_mut().filter(|change| !own || change.origin.is_none()) {
            change.origin = Some(trigger.clone());
        }
    }
    let unsettled = takes_away(&plan, &pass.objects.scope) && !is_settled(pass, client).await?;
    if unsettled {
        // What is being deleted decides by its deletion policy; what is left of the rest says nothing.
        plan.changes.clear();
    }
    if plan.changes.is_empty() {
        return Ok(AppliedPlan { plan, outcomes: Vec::new(), unsettled });
    }
    let batch = Batch { mark: &pass.mark, layout: &plan.layout, changes: &plan.changes, now: pass.objects.now };
    let outcomes = store.apply(&batch, &pass.grip).await?;
    Ok(AppliedPlan { plan, outcomes, unsettled })
}

/// Whether somebody would lose something because objects are gone or mean something else, not because of their own.
fn takes_away(plan: &Plan, scope: &Scope) -> bool {
    let narrows = |change: &Change| change.phase == Phase::Narrow && *scope == Scope::Account;
    plan.removes() || plan.changes.iter().any(narrows)
}

async fn is_settled(pass: &Pass, client: &Client) -> Result<bool, StoreError> {
    let settled = fresh::is_settled(client, &pass.objects.key, &pass.mark.uid).await;
    settled.map_err(|error| {
        StoreError::Unavailable(format!("nobody is removed without a fresh read, and that failed: {error}"))
    })
}
