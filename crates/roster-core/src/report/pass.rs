//! Turns the outcome of a pass into reports for status and notices for events. Called by `control::reconcile` at the
//! end of each pass.

use std::collections::BTreeMap;

use super::{
    AppliedPlan, PassCompletion, PassReport, RevocationsOnly, notices,
    outcome::{AccessEvents, Outcomes},
    outcome_revocations,
    without_store::{report_failure, report_without_store},
};
use crate::{contract::StoreError, evaluate::Judged, model::Scope, state::ObjectsInScope};

/// Returns the reports and notices of a pass. `result` is the outcome in the store: `Ok(None)` if the account has no
/// store, `Err` if the store failed as a whole.
#[must_use]
pub fn report(pass: &ObjectsInScope, judged: &Judged, result: &Result<Option<AppliedPlan>, StoreError>) -> PassReport {
    let mut outcome = PassReport {
        definitions: judged.definitions.clone(),
        reports: Vec::new(),
        shown: Vec::new(),
        notices: Vec::new(),
        completion: PassCompletion::Done,
        changes: BTreeMap::new(),
        drift: (0, 0),
        deadlines: judged.deadlines.clone(),
        confirmed: matches!(result, Ok(Some(AppliedPlan { confirmed: true, .. }))),
        revocations_only: matches!(result, Ok(Some(AppliedPlan { revocations_only: Some(_), .. }))),
        recreated: matches!(
            result,
            Ok(Some(AppliedPlan { revocations_only: Some(RevocationsOnly::RecreatedDefinitions(_)), .. }))
        ),
        guarded: None,
        holds: None,
        withheld: None,
        replaced: matches!(result, Ok(Some(done)) if done.plan.replaced),
        authorised: judged.authorised.as_ref().map(|authorised| authorised.hash.is_none()),
    };
    if let Ok(Some(done)) = result {
        outcome.guarded.clone_from(&done.plan.guarded);
        let are_many = done.plan.guarded.as_ref().is_some_and(|guarded| guarded.are_many);
        let is_judged = pass.scope == Scope::Account && done.revocations_only.is_none();
        outcome.holds = (are_many || is_judged && !done.interrupted && !done.plan.needs_account).then_some(are_many);
    }
    match result {
        Ok(Some(done)) => {
            if done.plan.needs_account {
                outcome.completion = PassCompletion::NeedsAccount;
                return outcome;
            }
            if done.interrupted {
                // The pass that continues writes the statuses; the events of the changes already made are published
                // now.
                let outcomes = Outcomes::new(pass, done);
                outcomes.count(&mut outcome);
                outcome.notices = notices::of(pass, &outcomes, &AccessEvents::new());
                match &mut outcome.completion {
                    // Retries everything after a delay: a failure must not be forgotten because a revocation
                    // interrupted the pass.
                    PassCompletion::Retry { members, .. } => *members = None,
                    completion => *completion = PassCompletion::Interrupted,
                }
                return outcome;
            }
            if let Some(why) = &done.revocations_only {
                outcome_revocations::report(pass, judged, done, why, &mut outcome);
            } else {
                let outcomes = Outcomes::new(pass, done);
                let access_events = outcomes.report(pass, judged, &mut outcome);
                outcome.notices = notices::of(pass, &outcomes, &access_events);
            }
        }
        Ok(None) => report_without_store(pass, judged, &mut outcome),
        Err(error) => {
            let by_store = error.is_of_store();
            outcome.completion =
                PassCompletion::Retry { why: error.to_string(), revokes: true, members: None, by_store };
            report_failure(pass, judged, error, &mut outcome);
        }
    }
    outcome
}
