//! One pass over one account: the picture in design/architecture.md, as code.
//!
//! ```text
//!  Snapshot ──resolve──► Desired + Findings     Observed ◄──observe── store
//!                            └──────── plan ────────┘
//!                                      │ guard
//!                         fresh read, where somebody would be removed
//!                                      │
//!                                 store.apply ──► Outcomes ──► reports, notices
//! ```

use std::{sync::Arc, time::Instant};

use kube::Client;

use super::{
    pass::{Pass, PassOutcome},
    stores::StoreHandle,
};
use crate::{
    cluster::fresh,
    model::Scope,
    plan::{self, GUARD_WINDOW, ObjectKey, Observed, Orders, Phase, Plan, Policy},
    report::{self, AppliedPlan},
    resolve::{self, Definitions, ResolvedAccount},
    state::ObjectsInScope,
    store::{Batch, StoreError},
};

/// Makes the store hold what the objects say, as far as the scope goes, and says what came of it. Errors end up in the
/// outcome: with the object they concern, or with the account.
pub async fn reconcile(pass: Pass, client: &Client) -> PassOutcome {
    let started = Instant::now();
    let resolved = tracing::debug_span!("resolve").in_scope(|| resolve(&pass));
    let result = match &pass.store {
        None => Ok(None),
        Some(store) => match make_so(&pass, &resolved, store, client).await {
            Ok(done) => Ok(Some(done)),
            Err(error) => Err(error),
        },
    };
    let report = report::report(&pass.objects, &resolved, &result);
    let ObjectsInScope { key, scope, .. } = pass.objects;
    PassOutcome { id: pass.id, span: pass.span, key, scope, report, took: started.elapsed() }
}

/// Snapshot → Desired + findings.
fn resolve(pass: &Pass) -> ResolvedAccount {
    let definitions = pass.known.clone().unwrap_or_else(|| Arc::new(resolve::definitions(&pass.objects.snapshot)));
    let addresses = pass.objects.members.iter().map(|(email, memberships)| {
        let facts = memberships.iter().map(|record| record.facts.as_ref());
        (email, facts.collect())
    });
    // Nothing is mailed yet, so nothing can have been accepted.
    ResolvedAccount::new(definitions, pass.objects.scope.clone(), addresses, &|_| false)
}

/// Desired × Observed → plan → guard → store.
async fn make_so(
    pass: &Pass,
    resolved: &ResolvedAccount,
    store: &StoreHandle,
    client: &Client,
) -> Result<AppliedPlan, StoreError> {
    let since = pass.objects.now - GUARD_WINDOW;
    store.claim(&pass.mark.cluster, &pass.grip).await?;
    let observed: Observed = store
        .call("observe", |store| async move { store.observe(&pass.objects.key, &pass.objects.scope, since).await })
        .await?;
    let policy = policy_of(pass, &resolved.definitions);
    let mut plan = tracing::debug_span!("plan").in_scope(|| plan::plan(&resolved.desired, &observed, &policy));
    drop(observed);
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

fn policy_of(pass: &Pass, definitions: &Definitions) -> Policy {
    let store = pass.objects.snapshot.store.as_ref().map(|store| store.spec.clone()).unwrap_or_default();
    let last_holders = definitions.last_holders(&pass.objects.counts.role_refs);
    let orders = Orders::read(|key| pass.objects.account.meta.annotation(key));
    Policy::new(pass.mark.clone(), &store, &pass.objects.snapshot.account.spec, orders, last_holders, pass.objects.now)
}

/// Whether somebody would lose something because objects are gone or mean something else, not because of their own.
fn takes_away(plan: &Plan, scope: &Scope) -> bool {
    let narrows = |change: &plan::Change| change.phase == Phase::Narrow && *scope == Scope::Account;
    plan.removes() || plan.changes.iter().any(narrows)
}

async fn is_settled(pass: &Pass, client: &Client) -> Result<bool, StoreError> {
    let settled = fresh::is_settled(client, &pass.objects.key, &pass.mark.uid).await;
    settled.map_err(|error| {
        StoreError::Unavailable(format!("nobody is removed without a fresh read, and that failed: {error}"))
    })
}
