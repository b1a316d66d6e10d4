//! Reconciles one account in a pass, from its objects to its report. `run_pass` calls it, and `deletion` while it waits.
//!
//! The steps are those of the architecture:
//!
//! ```text
//!  Snapshot ──prepare──► Prepared + Members     Observed ◄──observe── store ◄──claim
//!                            └────── evaluate ──────┘
//!                                      │ findings, plan
//!                         fresh read, if the plan relies on objects that may be gone
//!                                      │ if it fails: only explicit revocations
//!                                 store.apply, slice by slice ──► outcomes ──► reports, notices
//! ```

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{ApiFault, FreshRead, Handle, Pass, PassEnvironment, Reconcile, causes, slices};
use crate::{
    api::Enforcement,
    authority::{Pending, authorised_account},
    contract::{Batch, StoreError},
    evaluate::{
        Authority, Context, Evaluation, Judged, Prepared, evaluate, judge, judge_with, plan_revocations,
        plan_revocations_and_removals, prepare,
    },
    model::{Email, Scope},
    plan::{Change, GUARD_WINDOW, ObjectKey, Observed, Phase, Plan},
    report::{self, AppliedPlan, PassReport, RevocationsOnly},
    resolve::enforcement,
    state::AccountFacts,
};

/// Makes the store hold the desired state within the scope, and reports the result.
#[expect(clippy::too_many_lines, reason = "the steps of a pass, one after another")]
pub(super) async fn reconcile<E: PassEnvironment>(pass: &Pass, work: &Reconcile, environment: &E) -> PassReport {
    let prepared = environment.step("resolve", || prepared(work));
    let mut context = Context { holding: work.holding, ..Context::new(pass.mark.clone(), work.objects.now) };
    let judged = |context: &Context<'_>| judge(&prepared, &work.objects.members(), context);
    if pass.store_facts.is_none() {
        return report::report(&work.objects, &judged(&context), &Ok(None));
    }
    // Two parallel passes that both remove members would not count each other's removals, unless all removals of the
    // other pass are in the store already.
    let may_remove = pass.parallel.as_ref().is_none_or(Handle::removals_are_applied);
    let observed = match observe(pass, work, environment).await {
        Ok(observed) => observed,
        Err(error) => return report::report(&work.objects, &judged(&context), &Err(error)),
    };
    let (authority, unknown_rights) = match authorise(pass, work, &observed, environment).await {
        Ok(authority) => (authority, None),
        Err(fault) => (Authorisation::Waits, Some(fault)),
    };
    let needs_account = matches!(authority, Authorisation::NeedsAccount);
    let waits_for_authority = matches!(authority, Authorisation::Waits);
    if let Authorisation::Known(authority) = authority {
        context.authority = authority;
    }
    let context = context;
    let revocations_only = |judged: &Judged| plan_revocations(&prepared, judged, &observed, &context);
    let deletion_waits =
        matches!(work.revocations_only, Some(RevocationsOnly::ManagedAccounts | RevocationsOnly::DeletionHeld));
    let (judged, plan) = environment.step("plan", || {
        if work.revocations_only.is_some() {
            let judged = judge_with(&prepared, &work.objects.members(), &observed, &context);
            let plan = if deletion_waits {
                plan_revocations_and_removals(&prepared, &judged, &observed, &context)
            } else {
                revocations_only(&judged)
            };
            return (judged, plan);
        }
        let Evaluation { judged, plan } = evaluate(&prepared, &work.objects.members(), &observed, &context);
        (judged, plan)
    });
    let waits = waits_for_authority || pass.parallel.is_some() && (plan.needs_account || plan.removes() && !may_remove);
    let mut plan = if waits { revocations_only(&judged) } else { plan };
    plan.needs_account |= needs_account;
    let fresh = if unknown_rights.is_some() {
        unknown_rights.map(Err)
    } else if needs_fresh_read(&plan, work) {
        Some(environment.read_fresh(&pass.key, &pass.mark.uid).await)
    } else {
        None
    };
    let confirmed = matches!(fresh, Some(Ok(FreshRead::All)));
    let mut waiting = BTreeSet::new();
    let (plan, why, fault) = match fresh {
        None | Some(Ok(FreshRead::All)) => (plan, work.revocations_only.clone(), None),
        Some(Ok(FreshRead::AllButAccount)) if deletion_waits => (plan, work.revocations_only.clone(), None),
        Some(Ok(FreshRead::RecreatedDefinitions(recreated))) => {
            waiting = plan.changes.iter().filter_map(|change| change.object.person().cloned()).collect();
            (
                revocations_only(&judged),
                Some(work.revocations_only.clone().unwrap_or(RevocationsOnly::RecreatedDefinitions(recreated))),
                None,
            )
        }
        // The deletion policy decides about an account that is being deleted; its remaining objects do not count.
        Some(Ok(_)) => {
            let why = work.revocations_only.clone().unwrap_or(RevocationsOnly::Terminating);
            (revocations_only(&judged), Some(why), None)
        }
        Some(Err(fault)) => (revocations_only(&judged), None, Some(fault)),
    };
    // Everything else depends on the account's own row, except explicit revocations: they are made in any case.
    let puts_account = |change: &Change| change.object == ObjectKey::Account && change.put.is_some();
    let puts_account = plan.changes.iter().any(puts_account);
    let mut observed = observed;
    if !puts_account {
        // The observation of a large account is large, and would stay in memory for as long as the writes take.
        let changed: BTreeSet<&Email> = plan.changes.iter().filter_map(|change| change.object.person()).collect();
        observed.members.retain(|email, _| changed.contains(email));
    }
    let mut applied = apply(pass, work, plan, why, &observed, environment).await;
    if puts_account && refuses_account(&applied) {
        let ends = plan_revocations(&prepared, &judged, &observed, &context);
        if !ends.changes.is_empty() {
            let made = Box::pin(apply(pass, work, ends, None, &observed, environment)).await;
            applied = with_revocations(applied, made);
        }
    }
    drop(observed);
    let is_whole = |applied: &&AppliedPlan| {
        !waits && !applied.interrupted && applied.revocations_only.is_none() && !applied.plan.needs_account
    };
    let withheld = applied.as_ref().ok().filter(is_whole).map(|applied| causes::withheld(applied, work));
    let applied = applied.map_err(|(error, _)| error);
    let failed_read = fault.is_some();
    let result = match (applied, fault) {
        (Ok(_), Some(fault)) => Err(StoreError::Unavailable(format!(
            "asking the API server, which is needed before removals and grants, failed: {fault}"
        ))),
        (applied, _) => applied.map(|applied| {
            let interrupted = applied.interrupted || waits;
            Some(AppliedPlan { confirmed, interrupted, waiting, ..applied })
        }),
    };
    let mut report = report::report(&work.objects, &judged, &result);
    report.completion.not_by_store(failed_read);
    PassReport { withheld, ..report }
}

/// Applied plan; or the error, with the plan of which nothing was applied.
type ApplyResult = Result<AppliedPlan, (StoreError, Box<Plan>)>;

/// Returns whether a store applied nothing, or only a part, of a plan because it refuses the account itself.
fn refuses_account(made: &ApplyResult) -> bool {
    let refuses = |error: &StoreError| !matches!(error, StoreError::Unavailable(_));
    match made {
        Err((error, _)) => refuses(error),
        Ok(made) => std::iter::zip(&made.plan.changes, &made.outcomes)
            .any(|(change, outcome)| change.object == ObjectKey::Account && outcome.as_ref().is_err_and(refuses)),
    }
}

/// Merges the result of a plan whose account was refused with that of the revocations that were made anyway.
fn with_revocations(refused: ApplyResult, ends: ApplyResult) -> ApplyResult {
    let Ok(ends) = ends else { return refused };
    let mut made = refused.unwrap_or_else(|(error, plan)| {
        let outcomes = plan.changes.iter().map(|_| Err(error.clone())).collect();
        AppliedPlan { plan: *plan, outcomes, ..AppliedPlan::default() }
    });
    let indexes = made.plan.changes.iter().enumerate().map(|(index, change)| (change.object.clone(), index));
    let indexes: BTreeMap<ObjectKey, usize> = indexes.collect();
    for (change, outcome) in std::iter::zip(ends.plan.changes, ends.outcomes) {
        if let Some(known) = indexes.get(&change.object).and_then(|index| made.outcomes.get_mut(*index)) {
            *known = outcome;
        } else {
            made.plan.changes.push(change);
            made.outcomes.push(outcome);
        }
    }
    Ok(made)
}

/// Returns the resolved definitions: those of an earlier pass, if nothing has changed since.
pub(super) fn prepared(work: &Reconcile) -> Prepared {
    let snapshot = &work.objects.snapshot;
    match &work.known {
        Some(definitions) => Prepared::with_definitions(snapshot, definitions.clone()),
        None => prepare(snapshot),
    }
}

/// What a pass may do, by who changed access.
enum Authorisation {
    /// It may do this.
    Known(Authority),
    /// Only a pass over the whole account can tell.
    NeedsAccount,
    /// Only revocations: it runs beside another pass, and something was changed that needs authority.
    Waits,
}

/// Judges who changed access in the account.
async fn authorise<E: PassEnvironment>(
    pass: &Pass,
    work: &Reconcile,
    observed: &Observed,
    environment: &E,
) -> Result<Authorisation, ApiFault> {
    let objects = &work.objects;
    if work.revocations_only.is_some() {
        return Ok(Authorisation::Known(Authority::Unknown));
    }
    let Some(judging) = &work.judging else { return Ok(Authorisation::Known(Authority::NotEnforced)) };
    let store = objects.snapshot.store.as_ref().map(|store| &store.spec);
    // Whoever changes the Account must not switch off what judges the change.
    let enforced =
        |account: &AccountFacts| enforcement(store, &account.spec).max(judging.floor) == Enforcement::Enforce;
    if !judging.enforces && !authorised_account(objects, observed, &pass.mark).is_some_and(|account| enforced(&account))
    {
        return Ok(Authorisation::Known(Authority::NotEnforced));
    }
    if objects.scope != Scope::Account && !judging.definitions_are_authorised {
        return Ok(if pass.parallel.is_some() { Authorisation::Waits } else { Authorisation::NeedsAccount });
    }
    let pending = environment.step("authorise", || Pending::of(objects, observed, &pass.mark, judging.parent.as_ref()));
    if pass.parallel.is_some() && !pending.is_empty() {
        return Ok(Authorisation::Waits);
    }
    let mut grants = BTreeMap::new();
    for user in pending.pipelines() {
        let Some(catalog) = &objects.snapshot.catalog else { break };
        let roles = environment.grants(user, &objects.key.namespace, catalog).await?;
        grants.insert(user.to_owned(), roles);
    }
    let prefix = judging.member_prefix.as_deref();
    let (authorised, is_account_held) = environment.step("judge", || pending.settle(&grants, prefix));
    // The account stops enforcing by a change that was authorised.
    let authority = if judging.enforces || is_account_held {
        Authority::Judged(Arc::new(authorised))
    } else {
        Authority::NotEnforced
    };
    Ok(Authorisation::Known(authority))
}

async fn observe<E: PassEnvironment>(pass: &Pass, work: &Reconcile, environment: &E) -> Result<Observed, StoreError> {
    let objects = &work.objects;
    environment.claim(&pass.mark.cluster, &pass.permit).await?;
    environment.observe(&pass.key, &objects.scope, objects.now - GUARD_WINDOW).await
}

/// Returns whether the plan needs a fresh read of Account, namespace and definitions first.
fn needs_fresh_read(plan: &Plan, work: &Reconcile) -> bool {
    let takes = takes_away(plan, &work.objects.scope) || (work.vanished && plan.raises());
    !plan.needs_account && if work.revocations_only.is_none() { takes } else { plan.removes() }
}

/// Returns whether the plan revokes access because objects vanished or changed meaning (not by explicit revocation).
fn takes_away(plan: &Plan, scope: &Scope) -> bool {
    let narrows = |change: &Change| change.phase == Phase::Revoke && *scope == Scope::Account;
    plan.removes() || plan.changes.iter().any(narrows)
}

/// Applies a plan slice by slice.
async fn apply<E: PassEnvironment>(
    pass: &Pass,
    work: &Reconcile,
    mut plan: Plan,
    revocations_only: Option<RevocationsOnly>,
    observed: &Observed,
    environment: &E,
) -> ApplyResult {
    let objects = &work.objects;
    // An account that belongs to another owner is reported by a pass over the whole account.
    plan.needs_account |= objects.scope != Scope::Account && plan.holds.contains_key(&ObjectKey::Account);
    if plan.needs_account || plan.changes.is_empty() {
        return Ok(AppliedPlan { plan, revocations_only, ..AppliedPlan::default() });
    }
    causes::name(&mut plan.changes, work, observed);
    if !plan.removes() {
        pass.handle.set_removals_applied();
    }
    let slices = slices::cut(&mut plan.changes, environment.slice());
    let mut outcomes = Vec::with_capacity(plan.changes.len());
    let (mut done, mut left_out, mut refused) = (0, BTreeSet::new(), None);
    for slice in slices {
        // Never before a first change is applied: repeated revocations must not keep the pass from making progress.
        if outcomes.iter().any(Result::is_ok) && pass.handle.ends_early() {
            break;
        }
        done = slice.end;
        let mut changes = Cow::Borrowed(plan.changes.get(slice).unwrap_or_default());
        let out = pass.handle.begin_slice(&changes);
        if !out.is_empty() {
            changes.to_mut().retain(|change| change.object.person().is_none_or(|email| !out.contains(email)));
            left_out.extend(out);
        }
        let batch = Batch { changes: &changes, ..Batch::of(&plan, &pass.mark, objects.now) };
        let made = match &refused {
            Some(error) => Ok(batch.refused(error)),
            None if changes.is_empty() => Ok(Vec::new()),
            None => environment.apply(&batch, &pass.permit).await,
        };
        match made {
            Ok(made) => {
                pass.handle.end_slice();
                pass.handle.set_removals_applied();
                refused = refused.or_else(|| slices::refused(&changes, &made));
                if environment.logs() {
                    let name = |email: &Email| objects.first_membership(email);
                    let made = report::access_changes(name, &plan, observed, &batch, &made);
                    made.for_each(|change| environment.log(&change));
                }
                outcomes.extend(made);
            }
            Err(error) if outcomes.is_empty() => return Err((error, Box::new(plan))),
            // Changes that were applied are reported as such; the rest failed.
            Err(error) => {
                outcomes.extend(batch.refused(&error));
                let left = plan.changes.len() - done;
                outcomes.extend(std::iter::repeat_n(Err(error), left));
                done = plan.changes.len();
                break;
            }
        }
    }
    let interrupted = done < plan.changes.len();
    slices::keep_done(&mut plan, done, &left_out);
    Ok(AppliedPlan { plan, outcomes, revocations_only, interrupted, ..AppliedPlan::default() })
}
