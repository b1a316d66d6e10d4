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

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use kube::Client;

use super::{
    fresh,
    pass::{Pass, PassOutcome},
    policy, reports,
    stores::StoreHandle,
};
use crate::{
    model::Email,
    plan::{self, GUARD_WINDOW, ObjectKey, Observed, Phase, Plan, Policy},
    resolve::{self, Definitions, Desired, Outlook, ResolvedMember, RoleName, Scope},
    store::{Batch, Outcome, StoreError},
};

/// What resolving a pass comes to.
pub(super) struct Resolved {
    pub(super) definitions: Arc<Definitions>,
    pub(super) desired: Desired,
    pub(super) members: Vec<ResolvedMember>,
}

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
    let resolved = resolve(&pass);
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
fn resolve(pass: &Pass) -> Resolved {
    let definitions = pass.known.clone().unwrap_or_else(|| Arc::new(resolve::definitions(&pass.snapshot)));
    let accepted = |_: &crate::model::Name| false;
    let members: Vec<ResolvedMember> = pass
        .members
        .iter()
        .map(|(email, memberships)| {
            let facts: smallvec::SmallVec<[&resolve::MemberFacts; 1]> =
                memberships.iter().map(|record| record.facts.as_ref()).collect();
            definitions.member(email, &facts, &accepted)
        })
        .collect();
    let mut desired: BTreeMap<Email, resolve::DesiredMember> = std::iter::zip(&pass.members, &members)
        .filter_map(|((email, _), member)| Some((email.clone(), member.desired.clone()?)))
        .collect();
    if let Some((email, owner)) = definitions.owner_member().filter(|(email, _)| in_scope(&pass.scope, email)) {
        desired.insert(email, owner);
    }
    let desired = definitions.desired(pass.scope.clone(), desired);
    Resolved { definitions, desired, members }
}

fn in_scope(scope: &Scope, email: &Email) -> bool {
    match scope {
        Scope::Account => true,
        Scope::Members(emails) => emails.binary_search(email).is_ok(),
    }
}

/// Desired × Observed → plan → guard → store.
async fn make_so(pass: &Pass, resolved: &Resolved, store: &StoreHandle, client: &Client) -> Result<Done, StoreError> {
    let since = pass.now - GUARD_WINDOW;
    let observed: Observed =
        store.call("observe", |store| async move { store.observe(&pass.key, &pass.scope, since).await }).await?;
    let policy = policy_of(pass, &resolved.definitions);
    let mut plan = plan::plan(&resolved.desired, &observed, &policy);
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
    let outcomes = store.apply(&batch, pass.epoch).await?;
    Ok(Done { plan, outcomes, unsettled })
}

fn policy_of(pass: &Pass, definitions: &Definitions) -> Policy {
    let spec = pass.snapshot.store.as_ref().map(|store| store.spec.clone()).unwrap_or_default();
    let held = |name: &crate::model::Name| {
        let role = RoleName::predefined(name);
        let by_default = default_role(definitions).is_some_and(|default| default == role);
        let implicit = if by_default { pass.counts.role_refs.get(&None).copied().unwrap_or(0) } else { 0 };
        pass.counts.role_refs.get(&Some(role)).copied().unwrap_or(0) + implicit > 0
    };
    let last_holders = definitions.guarded_roles().filter(|name| !held(name)).map(|name| RoleName::predefined(name));
    policy::effective(
        pass.mark.clone(),
        &spec,
        &pass.snapshot.account.spec,
        &pass.account.meta,
        last_holders.collect(),
        pass.now,
    )
}

/// The role of a member that names none.
pub(super) fn default_role(definitions: &Definitions) -> Option<RoleName> {
    let Outlook::Whole(whole) = &definitions.outlook else { return None };
    whole.catalog.default_role.map(|place| RoleName::predefined(&whole.catalog.roles[place].name))
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
