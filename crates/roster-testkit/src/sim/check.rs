//! Checks invariants after each write, and records what they need: claims, writers, removals. Called by `requests` and
//! `perform_actions`. `check_raises` and `check_removals` have the invariants about members who gain or lose access.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::Timestamp;
use roster_core::{
    contract::{Claim, slot},
    control::PassWork,
    model::{AccountKey, Email, KindName, Name, ObjectRef},
};
use serde_json::Value;

use super::{
    clock::{SECOND, Time},
    replica::Running,
    revocation_state::{Pending, Watched},
    transcript::Violation,
};
use crate::memory::{Kind, Levels};

/// Largest number of passes over one account in one second.
const MOST_PASSES: usize = 50;

/// Write that was just made.
pub struct Write<'a> {
    /// Name of the store.
    pub store: &'a Name,
    /// Kind of the store.
    pub kind: Kind,
    /// Account that was written.
    pub account: &'a AccountKey,
    /// Claim of the writer.
    pub claim: Claim,
    /// Pass that made the write.
    pub running: &'a Running,
    /// Effective levels before.
    pub before: &'a BTreeMap<Email, Levels>,
    /// Effective levels after.
    pub after: &'a BTreeMap<Email, Levels>,
    /// Number of members before.
    pub members: u64,
    /// Time of the last fresh read of this replica that found that everything around the account stays.
    pub fresh: Option<Time>,
    /// Simulated time.
    pub time: Time,
    /// Wall clock.
    pub wall: Timestamp,
    /// Whether the store is neither the one that the IdentityStore knows nor an approved one.
    pub is_unknown: bool,
    /// Members who lost all levels, and whose time window in the store is over: their access ended by itself.
    pub over: BTreeSet<Email>,
}

/// Member who lost all levels.
#[derive(Clone, Debug)]
pub(super) struct Lost {
    pub email: Email,
    pub at: Timestamp,
    /// Number of members, including those who were lost.
    pub total: u64,
}

/// Invariants of one run.
#[derive(Default)]
pub struct Checker {
    violation: Option<Violation>,
    now: Time,
    claims: BTreeMap<Name, Vec<Claim>>,
    pub(super) written: BTreeMap<(AccountKey, Email), Time>,
    /// Start time and epoch of the pass that last wrote each member.
    writers: BTreeMap<(AccountKey, Email), (Time, i64)>,
    /// Shards that replicas gave back, with the epochs in which they held them.
    released: BTreeSet<(u16, i64)>,
    pub(super) losses: BTreeMap<AccountKey, Vec<Lost>>,
    /// Approvals that were used, with the time of their first use.
    pub(super) approvals: BTreeMap<(AccountKey, String), Time>,
    pub(super) tampered: BTreeSet<(AccountKey, Email)>,
    /// Members of `tampered` whom the controller has not written since.
    pub(super) meddled: BTreeSet<(AccountKey, Email)>,
    pub(super) faults: BTreeMap<Name, Time>,
    pub(super) pending: BTreeMap<(AccountKey, Email), Pending>,
    pub(super) watched: BTreeMap<AccountKey, Watched>,
    /// Start times of the passes over each account within the last second.
    begun: BTreeMap<AccountKey, VecDeque<Time>>,
    /// Number of times that a member lost all access by a write.
    pub lost: u64,
    /// Number of statuses written, without those that only change the time of the last check.
    pub api_writes: u64,
}

impl Checker {
    /// Returns the first violation.
    #[must_use]
    pub fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    /// Records a violation unless there is one.
    pub fn fail(&mut self, invariant: &'static str, account: Option<&AccountKey>, message: String) {
        let (account, time) = (account.cloned(), self.now);
        self.violation.get_or_insert(Violation { invariant, account, time, message });
    }

    /// Sets the time of violations.
    pub fn tick(&mut self, now: Time) {
        self.now = now;
    }

    /// Records that an account may have changed.
    pub fn touch(&mut self, account: &AccountKey) {
        self.watched.remove(account);
    }

    /// Records that a member was changed by others.
    pub fn tampered(&mut self, account: &AccountKey, email: &Email) {
        self.tampered.insert((account.clone(), email.clone()));
        self.meddled.insert((account.clone(), email.clone()));
        self.touch(account);
    }

    /// Records that a store got a fault, or lost it.
    pub fn faulty(&mut self, store: &Name, now: Time) {
        self.faults.insert(store.clone(), now);
    }

    /// Records that a store was replaced by another one, which has no claims and other members.
    pub fn replaced(&mut self, store: &Name, others: &BTreeSet<AccountKey>, now: Time) {
        self.faulty(store, now);
        // Removals are recorded in the store, also those of deleted accounts.
        self.losses.retain(|account, _| others.contains(account));
        // So is the number of used approvals: another store has used none.
        self.approvals.retain(|(account, _), _| others.contains(account));
        self.claims.remove(store);
    }

    /// Records that a store has a claim.
    pub fn claimed(&mut self, store: &Name, claim: Claim) {
        self.claims.entry(store.clone()).or_default().push(claim);
    }

    /// Records the start of a pass. Fails if an account is reconciled too often.
    pub fn began(&mut self, account: &AccountKey, now: Time) {
        let begun = self.begun.entry(account.clone()).or_default();
        begun.push_back(now);
        while begun.front().is_some_and(|first| *first + SECOND < now) {
            begun.pop_front();
        }
        let count = begun.len();
        if count > MOST_PASSES {
            self.fail("storm", Some(account), format!("{count} passes began within one second"));
        }
    }

    /// Records a written status.
    pub fn note_status(&mut self, object: &ObjectRef, was: Option<&Value>, now: &Value) {
        let without = |value: &Value| {
            let mut value = value.clone();
            if let Some(fields) = value.as_object_mut() {
                fields.remove("lastCheckedTime");
            }
            value
        };
        let same = object.kind == KindName::Account && was.is_some_and(|was| without(was) == without(now));
        if !same {
            self.api_writes += 1;
        }
    }

    /// Records that a replica gives back a shard that it held in this epoch.
    pub fn released(&mut self, shard: u16, epoch: i64) {
        self.released.insert((shard, epoch));
    }

    /// Checks a write.
    pub fn wrote(&mut self, write: &Write<'_>) {
        self.now = write.time;
        self.touch(write.account);
        self.check_fence(write);
        self.check_not_released(write);
        self.check_known_store(write);
        let pass = &write.running.pass;
        if let PassWork::Reconcile(_) | PassWork::Delete(_) = &pass.work {
            let delivered = &write.running.delivered;
            let then = delivered.answer(write.account, pass.now);
            let now = delivered.answer(write.account, write.wall);
            if let (Some(then), Some(now)) = (&then, &now) {
                let answers = [then, now];
                for (email, after) in write.after {
                    let before = write.before.get(email);
                    if before != Some(after) {
                        self.check_justified(write, email, before, after, &answers);
                        self.check_vanished(write, email, before, after);
                    }
                }
                self.check_mass_removal(write, &answers);
            }
        }
        let everybody = write.before.keys().chain(write.after.keys());
        let changed = everybody.filter(|email| write.before.get(*email) != write.after.get(*email));
        let has = |levels: &BTreeMap<Email, Levels>, email| levels.get(email).is_some_and(|levels| !levels.is_empty());
        let changed: Vec<_> = changed.map(|email| (write.account.clone(), email.clone())).collect();
        let lost = changed.iter().filter(|(_, email)| has(write.before, email) && !has(write.after, email));
        self.lost += lost.count() as u64;
        let writer = (write.running.began, write.claim.epoch.0);
        for key in changed {
            self.check_order(&key, writer);
            self.meddled.remove(&key);
            self.written.insert(key, write.time);
        }
    }

    /// Checks the order of passes: after a pass has written a member, no earlier pass of the same epoch may write that
    /// member, since it was planned with older objects.
    fn check_order(&mut self, key: &(AccountKey, Email), (began, epoch): (Time, i64)) {
        let before = self.writers.insert(key.clone(), (began, epoch));
        if let Some((last, _)) = before.filter(|(last, of)| *of == epoch && *last > began) {
            let message = format!("{} is written by a pass that began before the last one, {last}", key.1.as_str());
            self.fail("order", Some(&key.0), message);
        }
    }

    /// Checks that the passes of a shard have ended before it is given back: not every store fences out later writes.
    fn check_not_released(&mut self, write: &Write<'_>) {
        let permit = write.running.pass.permit;
        if self.released.contains(&(permit.shard, permit.claim.epoch.0)) {
            let message = format!("a write by the right of shard {}, which was given back", permit.shard);
            self.fail("released", Some(write.account), message);
        }
    }

    /// Checks that a store with fencing accepts no write under an epoch below that of a later claim.
    fn check_fence(&mut self, write: &Write<'_>) {
        if write.kind == Kind::Plain {
            return;
        }
        let claims = self.claims.entry(write.store.clone()).or_default();
        let at = slot(write.account);
        let higher = claims.iter().find(|claim| claim.epoch > write.claim.epoch && claim.slots.contains(at)).copied();
        if !claims.contains(&write.claim) {
            claims.push(write.claim);
        }
        if let Some(higher) = higher {
            let (ours, theirs) = (write.claim.epoch.0, higher.epoch.0);
            self.fail(
                "fence",
                Some(write.account),
                format!("a write under epoch {ours} after a claim of epoch {theirs}"),
            );
        }
    }
}
