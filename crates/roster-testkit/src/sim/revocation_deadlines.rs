//! Invariant of revocations in time: checks each second for how long people with revoked access still have it. Called
//! by the run.

use std::sync::Arc;

use roster_core::{
    model::{AccountKey, Email, Name, Scope},
    plan::{Mark, ObjectKey},
};
use roster_reference::Statement;

use super::{
    check_removals::is_blocked,
    clock::{SECOND, Time},
    delivered_objects::DeliveredObjects,
    objects::condition,
    revocation_state::{Pending, Watched},
    run::Sim,
};
use crate::memory::Faults;

/// Time without faults within which a revocation must be in force.
const PATIENCE: Time = 5 * SECOND;

impl Sim {
    /// Checks revocations.
    pub fn check_revocations(&mut self) {
        let all: Vec<Arc<DeliveredObjects>> =
            (0..self.replicas.len()).map(|number| self.delivered_to(number)).collect();
        for (number, delivered) in all.iter().enumerate() {
            for account in Self::accounts_of(delivered) {
                let store = store_of(delivered, &account);
                if self.answers_for(&account, store.as_ref()) == Some(number) {
                    self.check_account(number, delivered, &account);
                }
            }
        }
        self.count(&all);
    }

    /// Returns the objects delivered to a replica. A replica that waits for its own lease has no watches and counts as
    /// having all objects.
    fn delivered_to(&self, number: usize) -> Arc<DeliveredObjects> {
        let replica = &self.replicas[number];
        if replica.control.is_none() && replica.leases.is_some() {
            return Arc::new(DeliveredObjects::of(&self.cluster));
        }
        replica.view.delivered.clone()
    }

    fn check_account(&mut self, number: usize, delivered: &Arc<DeliveredObjects>, account: &AccountKey) {
        let wall = self.clock.wall();
        let unchanged = self.checker.watched.get(account).is_some_and(|watched| {
            watched.holder == number
                && Arc::ptr_eq(&watched.delivered, delivered)
                && watched.moved == self.clock.moved
                && watched.next.is_none_or(|next| next > wall)
        });
        if unchanged {
            return;
        }
        let Some(answer) = delivered.answer(account, wall) else { return };
        let times = answer.members.values().flat_map(|member| [member.starts_at, member.expires_at]);
        let next = times.flatten().filter(|at| *at > wall).min();
        let watched = Watched { holder: number, delivered: delivered.clone(), moved: self.clock.moved, next };
        self.checker.watched.insert(account.clone(), watched);
        let store = store_of(delivered, account).and_then(|store| self.stores.get(&store));
        let Some(store) = store else { return };
        let access = store.account_access(account, wall);
        let is_owed = |email: &Email| {
            let member = answer.members.get(email.as_str());
            let ended =
                member.is_some_and(|member| matches!(member.statement, Statement::Ended(end) if end.is_explicit()));
            // Tampering is found by the next check.
            let meddled = self.checker.meddled.contains(&(account.clone(), email.clone()));
            let all = answer.ended.is_some() || is_blocked(delivered, account, email);
            !meddled && (ended || all)
        };
        let owed: Vec<Email> = access.keys().filter(|email| is_owed(email)).cloned().collect();
        let ours = owed.into_iter().filter(|email| {
            let scope = Scope::Members(vec![email.clone()].into());
            let observed = store.observe(account, &scope, wall).unwrap_or_default();
            observed.members.get(email).is_none_or(|existing| is_ours(delivered, account, existing.mark.as_ref()))
                && observed.account.as_ref().is_none_or(|existing| is_ours(delivered, account, existing.mark.as_ref()))
        });
        let ours: Vec<Email> = ours.collect();
        self.checker.pending.retain(|(of, email), _| of != account || ours.contains(email));
        let holds = self.holder(account, store_of(delivered, account).as_ref()).is_some();
        for email in ours {
            let pending = Pending { good: 0, holder: number, holds };
            self.checker.pending.entry((account.clone(), email)).or_insert(pending);
        }
    }

    /// Counts the second that has passed for each waiting revocation.
    fn count(&mut self, all: &[Arc<DeliveredObjects>]) {
        let mut pending = std::mem::take(&mut self.checker.pending);
        pending.retain(|(account, email), waits| {
            let store = store_of(&all[waits.holder], account);
            if self.answers_for(account, store.as_ref()) != Some(waits.holder) {
                return false;
            }
            let holds = self.holder(account, store.as_ref()).is_some();
            let has_just_taken_it = holds && !std::mem::replace(&mut waits.holds, holds);
            let is_good = store.as_ref().is_some_and(|store| self.is_good(store, account, email));
            if has_just_taken_it || !is_good {
                waits.good = 0;
                return true;
            }
            waits.good += SECOND;
            if waits.good > PATIENCE + SECOND {
                let message =
                    format!("the revocation of {} is not in force after {} s", email.as_str(), waits.good / SECOND - 1);
                self.checker.fail("revocation", Some(account), message);
            }
            true
        });
        self.checker.pending = pending;
    }

    /// Returns whether nothing prevents a revocation from being applied.
    fn is_good(&self, name: &Name, account: &AccountKey, email: &Email) -> bool {
        let Some(store) = self.stores.get(name) else { return false };
        let is_answered = !self.is_away() && self.unanswered_until <= self.clock.time;
        if !self.api_failures.is_empty() || !is_answered || self.slow.contains_key(name) {
            return false;
        }
        let object = (account.clone(), ObjectKey::Member(email.clone()));
        let others = Faults { refused: std::collections::BTreeMap::new(), ..store.faults.clone() };
        others == Faults::default() && !store.faults.refused.contains_key(&object)
    }

    /// Returns whether the status of an account reports held removals.
    #[must_use]
    pub fn is_guarded(&self, account: &AccountKey) -> bool {
        let stored = self.cluster.get(&account.object());
        stored
            .and_then(|stored| condition(&stored.status, "Synced"))
            .is_some_and(|(_, reason, _)| reason == "RemovalGuarded")
    }
}

/// Returns the store that an account names.
#[must_use]
pub fn store_of(delivered: &DeliveredObjects, account: &AccountKey) -> Option<Name> {
    let key = (account.namespace.to_string(), account.name.to_string());
    delivered.world.accounts.get(&key).map(|account| Name::new(&account.spec.store_ref.name))
}

/// Returns whether a mark in a store is that of the present Account.
#[must_use]
pub fn is_ours(delivered: &DeliveredObjects, account: &AccountKey, mark: Option<&Mark>) -> bool {
    let key = (account.namespace.to_string(), account.name.to_string());
    let uid = delivered.world.accounts.get(&key).and_then(|account| account.metadata.uid.as_deref());
    mark.is_some_and(|mark| Some(mark.uid.as_str()) == uid)
}
