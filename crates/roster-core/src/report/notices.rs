//! Builds the events of a pass. Called by `report::outcome` and `report::outcome_revocations`. Events are on the object concerned, so
//! that `kubectl describe` of a Membership shows that person's history; above a maximum, the rest is summed up in one
//! event on the Account.

use super::{
    Notice, NoticeReason as Reason,
    drift::sentences,
    messages::words,
    outcome::{AccessEvents, Outcomes},
};
use crate::{
    contract::StoreError,
    model::{KindName, ObjectRef, agree},
    plan::{Drift, ObjectKey},
    state::{Meta, ObjectsInScope, Record},
};

/// Maximum number of objects with an event of their own, in one pass and for each reason.
const ONE_BY_ONE: usize = 20;
/// Maximum number of drift entries in one event.
const SHOWN: usize = 5;

/// Returns the events of a pass.
pub(super) fn of(pass: &ObjectsInScope, outcomes: &Outcomes<'_>, access_events: &AccessEvents) -> Vec<Notice> {
    let mut notices = Notices { pass, list: Vec::new() };
    let made = outcomes.made.values().filter(|made| made.is_ok()).count();
    if made > 0 {
        notices.list.push(Notice { count: made, ..notices.of_account(Reason::Applied, String::new()) });
    }
    for reason in [Reason::AccessEnded, Reason::AccessBegan] {
        let turned = access_events.iter().filter(|(_, of, _)| *of == reason);
        notices.add(reason, turned.map(|(object, _, note)| (object, note.clone())).collect());
    }
    let drift = || outcomes.plan.drift.iter().map(|drift| (&drift.object, drift));
    // Drift that is already in the status needs no new event.
    let news = drift().filter(|(object, _)| notices.meta(object).status.drift_detected.is_none());
    let found: Vec<_> = news.map(|(object, drift)| (object, describe(drift))).collect();
    notices.add(Reason::DriftDetected, found);
    let corrected = drift().filter(|(object, _)| outcomes.is_corrected(object));
    let corrected: Vec<_> =
        corrected.map(|(object, drift)| (object, format!("corrected: {}", describe(drift)))).collect();
    notices.add(Reason::DriftCorrected, corrected);
    if outcomes.plan.guarded.is_some() {
        notices.list.push(notices.of_account(Reason::RemovalGuarded, outcomes.guard_message()));
    }
    let refused = outcomes.plan.changes.iter().filter_map(|change| {
        let error = outcomes.made.get(&change.object)?.as_ref().err()?;
        let of_object = matches!(error, StoreError::Invalid(_) | StoreError::Denied(_) | StoreError::Unsupported(_));
        of_object.then(|| (&change.object, words(error)))
    });
    notices.add(Reason::Rejected, refused.collect());
    notices.list
}

struct Notices<'a> {
    pass: &'a ObjectsInScope,
    list: Vec<Notice>,
}

impl<'a> Notices<'a> {
    fn add(&mut self, reason: Reason, what: Vec<(&ObjectKey, String)>) {
        let rest = what.len().saturating_sub(ONE_BY_ONE);
        for (object, note) in what.into_iter().take(ONE_BY_ONE) {
            let (reference, meta) = self.object(object);
            // A sentence on drift already names its object.
            let says_who = matches!(reason, Reason::DriftDetected | Reason::DriftCorrected);
            let is_of_another = reference.kind == KindName::Account && !says_who;
            let note = if is_of_another { format!("{object}: {note}") } else { note };
            self.list.push(Notice::new(reference, meta, reason, note));
        }
        if rest > 0 {
            self.list.push(self.of_account(
                reason,
                format!("and {rest} more {}; see the status of each", agree(&rest, "object", "objects")),
            ));
        }
    }

    fn of_account(&self, reason: Reason, note: String) -> Notice {
        let account = &self.pass.account;
        Notice::new(account.reference(KindName::Account), &account.meta, reason, note)
    }

    fn meta(&self, object: &ObjectKey) -> &'a Meta {
        self.object(object).1
    }

    /// Returns the object in the cluster for one in the store: the Account for the owner and for members without a
    /// Membership.
    fn object(&self, object: &ObjectKey) -> (ObjectRef, &'a Meta) {
        let pass = self.pass;
        let found = match object {
            ObjectKey::Account => None,
            ObjectKey::Member(email) => {
                pass.memberships_of(email).first().map(|record| seen(KindName::Membership, record))
            }
            ObjectKey::Role(role) => {
                let found = pass.roles.iter().find(|record| record.facts.role_name() == *role);
                found.map(|record| seen(KindName::Role, record))
            }
            ObjectKey::Group(name) => {
                let found = pass.groups.iter().find(|record| record.name == *name);
                found.map(|record| seen(KindName::UserGroup, record))
            }
        };
        found.unwrap_or_else(|| seen(KindName::Account, &pass.account))
    }
}

fn seen<F>(kind: KindName, record: &Record<F>) -> (ObjectRef, &Meta) {
    (record.reference(kind), &record.meta)
}

fn describe(drift: &Drift) -> String {
    sentences(&drift.entries, SHOWN, "")
}
