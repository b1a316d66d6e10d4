//! What a pass has to tell as events: on the object concerned, so that `kubectl describe` of a person tells that person's
//! story; and, where there would be very many, the rest summed up on the Account.

use super::{
    Notice, NoticeReason as Reason,
    bodies::role_key,
    drift::sentences,
    outcome::{Outcomes, words},
};
use crate::{
    contract::StoreError,
    model::{KindName, ObjectRef, agree},
    plan::{Drift, ObjectKey},
    state::{Meta, ObjectsInScope, Record},
};

/// Objects that one pass tells of one by one, for each reason.
const ONE_BY_ONE: usize = 20;
/// Entries shown in one note.
const SHOWN: usize = 5;

/// Members whose access began or ended, and what is to be told of it.
pub(super) type Turns = Vec<(ObjectKey, Reason, String)>;

/// The events of a pass.
pub(super) fn of(pass: &ObjectsInScope, outcomes: &Outcomes<'_>, turns: &Turns) -> Vec<Notice> {
    let mut notices = Notices { pass, told: Vec::new() };
    let made = outcomes.made.values().filter(|made| made.is_ok()).count();
    if made > 0 {
        notices.told.push(Notice { count: made, ..notices.of_account(Reason::Applied, String::new()) });
    }
    for reason in [Reason::AccessEnded, Reason::AccessBegan] {
        let turned = turns.iter().filter(|(_, of, _)| *of == reason);
        notices.tell(reason, turned.map(|(object, _, note)| (object, note.clone())).collect());
    }
    let drift = || outcomes.plan.drift.iter().map(|drift| (&drift.object, drift));
    // What is reported already is no news, nor that it is still there.
    let news = drift().filter(|(object, _)| notices.meta(object).status.drift_detected.is_none());
    let found: Vec<_> = news.map(|(object, drift)| (object, describe(drift))).collect();
    notices.tell(Reason::DriftDetected, found);
    let corrected = drift().filter(|(object, _)| outcomes.is_corrected(object));
    let corrected: Vec<_> =
        corrected.map(|(object, drift)| (object, format!("put right: {}", describe(drift)))).collect();
    notices.tell(Reason::DriftCorrected, corrected);
    if outcomes.plan.guarded.is_some() {
        notices.told.push(notices.of_account(Reason::RemovalGuarded, outcomes.guard_message()));
    }
    let refused = outcomes.plan.changes.iter().filter_map(|change| {
        let error = outcomes.made.get(&change.object)?.as_ref().err()?;
        let of_object = matches!(error, StoreError::Invalid(_) | StoreError::Denied(_) | StoreError::Unsupported(_));
        of_object.then(|| (&change.object, words(error)))
    });
    notices.tell(Reason::Rejected, refused.collect());
    notices.told
}

struct Notices<'a> {
    pass: &'a ObjectsInScope,
    told: Vec<Notice>,
}

impl<'a> Notices<'a> {
    fn tell(&mut self, reason: Reason, what: Vec<(&ObjectKey, String)>) {
        let rest = what.len().saturating_sub(ONE_BY_ONE);
        for (object, note) in what.into_iter().take(ONE_BY_ONE) {
            let (reference, meta) = self.object(object);
            // A sentence on drift says by itself whom it is about.
            let says_who = matches!(reason, Reason::DriftDetected | Reason::DriftCorrected);
            let is_of_another = reference.kind == KindName::Account && !says_who;
            let note = if is_of_another { format!("{object}: {note}") } else { note };
            self.told.push(Notice::new(reference, meta, reason, note));
        }
        if rest > 0 {
            self.told.push(self.of_account(
                reason,
                format!("and {rest} more {}, each of which says so in its status", agree(&rest, "object", "objects")),
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

    /// The object in the cluster that stands for one in the store. The owner, and who has no Membership, are the Account's.
    fn object(&self, object: &ObjectKey) -> (ObjectRef, &'a Meta) {
        let pass = self.pass;
        let found = match object {
            ObjectKey::Account => None,
            ObjectKey::Member(email) => {
                pass.memberships_of(email).first().map(|record| seen(KindName::Membership, record))
            }
            ObjectKey::Role(role) => {
                let found = pass.roles.iter().find(|record| role_key(record) == *role);
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
