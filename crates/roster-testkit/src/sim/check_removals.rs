//! Invariant about members who lose all access by a write: never many at once without approval, and never the last holder of
//! a role. `check` calls it for each write.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use roster_core::{
    api::APPROVE_REMOVAL_ANNOTATION,
    model::{AccountKey, Email, KindName},
};
use roster_reference::{AccountAnswer, MemberAnswer, Statement};

use super::{
    check::{Checker, Lost, Write},
    clock::{MINUTE, Time},
    delivered_objects::DeliveredObjects,
};

impl Checker {
    /// Returns whether removals are approved. An approval counts once.
    fn is_approved(&mut self, delivered: &DeliveredObjects, account: &AccountKey, now: Time) -> bool {
        let annotation = delivered.annotations.get(account).and_then(|all| all.get(APPROVE_REMOVAL_ANNOTATION));
        let Some(approval) = annotation else { return false };
        let used = *self.approvals.entry((account.clone(), approval.clone())).or_insert(now);
        now < used + MINUTE
    }

    /// Checks that not too many members lose all access at once without approval, nor the last holder of a role.
    pub(super) fn check_mass_removal(&mut self, write: &Write<'_>, answers: &[&AccountAnswer; 2]) {
        let (account, delivered) = (write.account, &write.running.delivered);
        let is_explicit = |email: &Email| {
            let mut members = answers.iter().filter_map(|answer| answer.members.get(email.as_str()));
            // A member who should have access loses it only between two single writes.
            let counts = |member: &MemberAnswer| match member.statement {
                Statement::Ended(end) => !end.is_explicit(),
                Statement::Exactly | Statement::AtMostHeld => member.levels.is_empty(),
                Statement::Kept => true,
            };
            // Members without an object lose access when the whole account does.
            let all = answers.iter().any(|answer| answer.ended.is_some());
            members.any(|member| !counts(member)) || all || is_blocked(delivered, account, email)
        };
        let lost: Vec<Email> = write
            .before
            .keys()
            .filter(|email| !write.after.contains_key(*email) && !write.over.contains(*email) && !is_explicit(email))
            .filter(|email| !self.tampered.contains(&(account.clone(), (*email).clone())))
            .cloned()
            .collect();
        if lost.is_empty() || self.is_approved(delivered, account, write.time) {
            return;
        }
        if let Some(role) = last_holder(write, answers[1], &lost) {
            let message = format!("{lost:?} lost all, and with them the last holder of role {role}");
            return self.fail("masses", Some(account), message);
        }
        let all = self.losses.entry(account.clone()).or_default();
        let total = write.members + all.len() as u64;
        all.extend(lost.into_iter().map(|email| Lost { email, at: write.wall, total }));
        // The store records the time of planning, somewhat before the write.
        all.retain(|lost| write.wall.duration_since(lost.at) < SignedDuration::from_secs(570));
        let people: BTreeSet<&Email> = all.iter().map(|lost| &lost.email).collect();
        let (percent, minimum) = guard_of(delivered, account);
        let count = people.len() as u64;
        let total = all.iter().map(|lost| lost.total).max().unwrap_or(0);
        if count >= u64::from(minimum) && count * 100 > u64::from(percent) * total {
            let last = all.last().and_then(|lost| answers[0].members.get(lost.email.as_str()));
            let last = last.map(|member| (member.statement, member.levels.clone(), member.expires_at));
            let message =
                format!("{count} people lost all within ten minutes, of {total}: {people:?}; the last {last:?}");
            self.fail("masses", Some(account), message);
        }
    }
}

/// Returns a role whose last effective holder lost everything because a Membership is gone.
fn last_holder(write: &Write<'_>, now: &AccountAnswer, lost: &[Email]) -> Option<String> {
    let gone = write.running.vanished.iter().filter(|gone| gone.object.kind == KindName::Membership);
    let mut before = gone.filter_map(|gone| gone.before.answer(write.account, write.wall));
    before.find_map(|before| {
        let mut held = before.holders.into_iter();
        let is_lost = |(_, holders): &(String, BTreeSet<String>)| lost.iter().any(|one| holders.contains(one.as_str()));
        let is_last = |role: &String| now.holders.get(role).is_none_or(BTreeSet::is_empty);
        held.find(|holders| is_lost(holders) && is_last(&holders.0)).map(|(role, _)| role)
    })
}

/// Returns whether the store of an account blocks a person.
#[must_use]
pub fn is_blocked(delivered: &DeliveredObjects, account: &AccountKey, email: &Email) -> bool {
    let key = (account.namespace.to_string(), account.name.to_string());
    let store = delivered.world.accounts.get(&key).and_then(|a| delivered.world.stores.get(&a.spec.store_ref.name));
    let blocked = store.map(|store| store.spec.blocked.as_slice()).unwrap_or_default();
    blocked.iter().any(|entry| roster_reference::canonical(&entry.email).as_deref() == Some(email.as_str()))
}

fn guard_of(delivered: &DeliveredObjects, account: &AccountKey) -> (u8, u32) {
    let key = (account.namespace.to_string(), account.name.to_string());
    let Some(object) = delivered.world.accounts.get(&key) else { return (100, u32::MAX) };
    let defaults = delivered.world.stores.get(&object.spec.store_ref.name).map(|store| &store.spec.account_defaults);
    let defaults = defaults.map(|defaults| defaults.removal_guard.clone()).unwrap_or_default();
    let own = object.spec.removal_guard.as_ref();
    let percent = own.and_then(|own| own.maximum_percent).unwrap_or(100).min(defaults.maximum_percent);
    let minimum = own.and_then(|own| own.minimum_count).unwrap_or(u32::MAX).min(defaults.minimum_count);
    (percent, minimum)
}
