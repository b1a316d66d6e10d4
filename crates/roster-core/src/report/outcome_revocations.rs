//! Reports on passes that made only explicit revocations, and, while a deletion waits, single removals. Called by
//! `report::pass`; the status of the account says why everything else waits.

use super::{
    AppliedPlan, Detail, PassCompletion, PassReport, Report, RevocationsOnly, Synced,
    bodies::{account_report, member_report},
    notices,
    outcome::{AccessEvents, Outcomes},
};
use crate::{
    evaluate::Judged,
    model::{KindName, Scope},
    plan::ObjectKey,
    state::ObjectsInScope,
};

/// Reports on the members in a member scope; for a whole account, on the members that changed or wait, and on the
/// Account.
pub(super) fn report(
    pass: &ObjectsInScope,
    judged: &Judged,
    done: &AppliedPlan,
    why: &RevocationsOnly,
    outcome: &mut PassReport,
) {
    let outcomes = Outcomes::new(pass, done);
    outcomes.count(outcome);
    if outcome.completion == PassCompletion::Done {
        outcome.completion = match why {
            RevocationsOnly::Terminating => {
                PassCompletion::Retry { why: why.message(), revokes: false, members: None, by_store: false }
            }
            // A fix of the cause triggers a new pass, so no retry is needed.
            RevocationsOnly::ManagedAccounts
            | RevocationsOnly::DeletionHeld
            | RevocationsOnly::Unreadable(_)
            | RevocationsOnly::RecreatedDefinitions(_) => PassCompletion::Done,
            RevocationsOnly::Unknown(_) | RevocationsOnly::Listing(_) | RevocationsOnly::Unprotected => {
                PassCompletion::Waits
            }
        };
    }
    let definitions = &judged.definitions;
    // A list that ends soon is not worth an event or a status.
    let is_brief = matches!(why, RevocationsOnly::Listing(_));
    let whole = pass.scope == Scope::Account;
    let mut access_events = AccessEvents::new();
    for ((email, memberships), member) in std::iter::zip(&pass.members, &judged.members) {
        let object = ObjectKey::Member(email.clone());
        let has_changed = outcomes.made.contains_key(&object);
        for (record, view) in std::iter::zip(memberships, &member.views) {
            let report = if has_changed {
                outcomes.member(record, view, member, &object, definitions, &mut access_events)
            } else if is_brief || whole && !done.waiting.contains(email) {
                continue;
            } else {
                // Time passes meanwhile, and the store may end a member's access by itself.
                let content = outcomes.plan.kept.get(email).and_then(Option::as_ref);
                let access = outcomes.access(record, view, &object, content);
                if let Some((reason, note)) = access.turn(record.meta.status.access, content) {
                    access_events.push((object.clone(), reason, note));
                }
                Report { waits: Some(Box::new(why.waits())), ..member_report(record, view, None, access) }
            };
            outcome.add(pass, KindName::Membership, record, report);
        }
    }
    outcome.notices = notices::of(pass, &outcomes, &access_events);
    if whole && !is_brief {
        let report = account_report(&pass.account, definitions, pass, None);
        let mut report = Report { waits: Some(Box::new(why.waits())), synced: Synced::Silent, ..report };
        // Nothing of the catalog was applied.
        if let Detail::Account { catalog, .. } = &mut report.detail {
            *catalog = None;
        }
        outcome.add(pass, KindName::Account, &pass.account, report);
    }
}
