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
    fresh,
    pass::{Pass, PassOutcome},
    reports,
    stores::StoreHandle,
};
use crate::{
    plan::{self, GUARD_WINDOW, ObjectKey, Observed, Orders, Phase, Plan, Policy},
    resolve::{self, Definitions, ResolvedAccount, Scope},
    store::{Batch, Outcome, StoreError},
};

/// What a pass did to the store.
pub(super) struct Done {
    pub(super) plan: Plan,
    pub(super) outcomes: Vec<Outcome>,
    /// Removals wait, since something is being deleted around them.
    pub(super) unsettled: bool,
}

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
    let mut outcome = reports::outcome(&pass, &resolved, &result);
    outcome.took = started.elapsed();
    outcome
}

/// Snapshot → Desired + findings.
fn resolve(pass: &Pass) -> ResolvedAccount {
    let definitions = pass.known.clone().unwrap_or_else(|| Arc::new(resolve::definitions(&pass.snapshot)));
    let addresses = pass.members.iter().map(|(email, memberships)| {
        let facts = memberships.iter().map(|record| record.facts.as_ref());
        (email, facts.collect())
    });
    // Nothing is mailed yet, so nothing can have been accepted.
    ResolvedAccount::new(definitions, pass.scope.clone(), addresses, &|_| false)
}

/// Desired × Observed → plan → guard → store.
async fn make_so(
    pass: &Pass,
    resolved: &ResolvedAccount,
    store: &StoreHandle,
    client: &Client,
) -> Result<Done, StoreError> {
    let since = pass.now - GUARD_WINDOW;
    store.claim(&pass.mark.cluster, &pass.grip).await?;
    let observed: Observed =
        store.call("observe", |store| async move { store.observe(&pass.key, &pass.scope, since).await }).await?;
    let policy = policy_of(pass, &resolved.definitions);
    let mut plan = tracing::debug_span!("plan").in_scope(|| plan::plan(&resolved.desired, &observed, &policy));
    drop(observed);
    // An account that is not ours is said of all of it.
    plan.needs_account |= pass.scope != Scope::Account && plan.holds.contains_key(&ObjectKey::Account);
    if plan.needs_account {
        return Ok(Done { plan, outcomes: Vec::new(), unsettled: false });
    }
    if let Some(trigger) = &pass.trigger {
        // What a whole pass changes, the object that brought it about has caused; a member's own change, the member.
        let own = pass.scope != Scope::Account;
        for change in plan.changes.iter_mut().filter(|change| !own || change.origin.is_none()) {
            change.origin = Some(trigger.clone());
        }
    }
    let unsettled = takes_away(&plan, &pass.scope) && !is_settled(pass, client).await?;
    if unsettled {
        // What is being deleted decides by its deletion policy; what is left of the rest says nothing.
        plan.changes.clear();
    }
    if plan.changes.is_empty() {
        return Ok(Done { plan, outcomes: Vec::new(), unsettled });
    }
    let batch = Batch { mark: &pass.mark, layout: &plan.layout, changes: &plan.changes, now: pass.now };
    let outcomes = store.apply(&batch, &pass.grip).await?;
    Ok(Done { plan, outcomes, unsettled })
}

fn policy_of(pass: &Pass, definitions: &Definitions) -> Policy {
    let store = pass.snapshot.store.as_ref().map(|store| store.spec.clone()).unwrap_or_default();
    let last_holders = definitions.last_holders(&pass.counts.role_refs);
    let orders = Orders::read(|key| pass.account.meta.annotation(key));
    Policy::new(pass.mark.clone(), &store, &pass.snapshot.account.spec, orders, last_holders, pass.now)
}

/// Whether somebody would lose something because objects are gone or mean something else, not because of their own.
fn takes_away(plan: &Plan, scope: &Scope) -> bool {
    let narrows = |change: &plan::Change| change.phase == Phase::Narrow && *scope == Scope::Account;
    plan.removes() || plan.changes.iter().any(narrows)
}

async fn is_settled(pass: &Pass, client: &Client) -> Result<bool, StoreError> {
    let settled = fresh::is_settled(client, &pass.key, &pass.mark.uid).await;
    settled.map_err(|error| {
        StoreError::Unavailable(format!("nobody is removed without a fresh read, and that failed: {error}"))
    })
}
