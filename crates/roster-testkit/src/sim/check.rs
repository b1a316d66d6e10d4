//! Invariants that are checked after each write, for the members it changed. Called by `requests` and `perform_actions`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::{SignedDuration, Timestamp};
use roster_core::{
    api::APPROVE_REMOVAL_ANNOTATION,
    contract::{Claim, slot},
    control::PassWork,
    model::{AccountKey, Email, KindName, Name, ObjectRef},
};
use roster_reference::{AccountAnswer, End, MemberAnswer, Statement};
use serde_json::Value;

use super::{
    clock::{MINUTE, SECOND, Time},
    delivered_objects::{DeliveredObjects, Vanished},
    replica::Running,
    revocation_deadlines::{Pending, Watched},
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
struct Lost {
    email: Email,
    at: Timestamp,
    /// Number of members, including those who were lost.
    total: u64,
}

/// Invariants of one run.
#[derive(Default)]
pub struct Checker {
    violation: Option<Violation>,
    now: Time,
    claims: BTreeMap<Name, Vec<Claim>>,
    written: BTreeMap<(AccountKey, Email), Time>,
    /// Start time and epoch of the pass that last wrote each member.
    writers: BTreeMap<(AccountKey, Email), (Time, i64)>,
    /// Shards that replicas gave back, with the epochs in which they held them.
    released: BTreeSet<(u16, i64)>,
    losses: BTreeMap<AccountKey, Vec<Lost>>,
    /// Approvals that were used, with the time of their first use.
    approvals: BTreeMap<(AccountKey, String), Time>,
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
        self.fence(write);
        self.still_has(write);
        self.known(write);
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
                        self.justified(write, email, before, after, &answers);
                        self.vanished(write, email, before, after);
                    }
                }
                self.masses(write, &answers);
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
            self.in_order(&key, writer);
            self.meddled.remove(&key);
            self.written.insert(key, write.time);
        }
    }

    /// Checks the order of passes: after a pass has written a member, no earlier pass of the same epoch may write that
    /// member, since it was planned with older objects.
    fn in_order(&mut self, key: &(AccountKey, Email), (began, epoch): (Time, i64)) {
        let before = self.writers.insert(key.clone(), (began, epoch));
        if let Some((last, _)) = before.filter(|(last, of)| *of == epoch && *last > began) {
            let message = format!("{} is written by a pass that began before the last one, {last}", key.1.as_str());
            self.fail("order", Some(&key.0), message);
        }
    }

    /// Checks that nobody gains access in an unapproved replacement of a store.
    fn known(&mut self, write: &Write<'_>) {
        let gains = |(email, after): (&Email, &Levels)| {
            let raised = raised(&write.running.delivered, write.account, write.before.get(email), after);
            raised.first().map(|(section, level)| format!("{} got {section}={level}", email.as_str()))
        };
        if let Some(gained) = write.after.iter().filter(|_| write.is_unknown).find_map(gains) {
            let message = format!("{gained} in a store that is not the known one, and that nobody approved");
            self.fail("replaced", Some(write.account), message);
        }
    }

    /// Checks that the passes of a shard have ended before it is given back: not every store fences out later writes.
    fn still_has(&mut self, write: &Write<'_>) {
        let permit = write.running.pass.permit;
        if self.released.contains(&(permit.shard, permit.claim.epoch.0)) {
            let message = format!("a write by the right of shard {}, which was given back", permit.shard);
            self.fail("released", Some(write.account), message);
        }
    }

    fn fence(&mut self, write: &Write<'_>) {
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

    fn justified(
        &mut self,
        write: &Write<'_>,
        email: &Email,
        before: Option<&Levels>,
        after: &Levels,
        answers: &[&AccountAnswer; 2],
    ) {
        let delivered = &write.running.delivered;
        let raised = raised(delivered, write.account, before, after);
        if raised.is_empty() {
            return;
        }
        let members = answers.map(|answer| answer.members.get(email.as_str()));
        let is_allowed = |(section, level): &(&Name, &Name)| {
            members.into_iter().flatten().any(|member| {
                let allowed = allowed(member, write.wall);
                let most = allowed.and_then(|levels| levels.get(section.as_str()));
                most.is_some_and(|most| is_at_most(delivered, write.account, section, level, most))
            })
        };
        if let Some((section, level)) = raised.iter().find(|raised| !is_allowed(raised)) {
            let statement = members[0].map(|member| (member.statement, member.levels.clone()));
            let message = format!("{} got {section}={level}, but the model says {statement:?}", email.as_str());
            return self.fail("justified", Some(write.account), message);
        }
        let held = members.into_iter().all(|member| member.is_some_and(|m| m.statement == Statement::AtMostHeld));
        if held && before.is_some() && !self.tampered.contains(&(write.account.clone(), email.clone())) {
            let message = format!("{} got {raised:?}, though something that lowers is invalid", email.as_str());
            self.fail("sticky", Some(write.account), message);
        }
    }

    fn vanished(&mut self, write: &Write<'_>, email: &Email, before: Option<&Levels>, after: &Levels) {
        let running = write.running;
        let since = self.written.get(&(write.account.clone(), email.clone())).copied().unwrap_or(0);
        let delivered = &running.delivered;
        let raised = raised(delivered, write.account, before, after);
        if raised.is_empty() {
            return;
        }
        let is_confirmed = |gone: &Vanished| write.fresh.is_some_and(|fresh| fresh >= gone.at);
        let gone: Vec<_> = running
            .vanished
            .iter()
            .filter(|gone| {
                let is_there = || !gone.replaced && delivered.known(gone.object.kind).contains(&gone.object);
                gone.at >= since && !is_confirmed(gone) && !is_there()
            })
            .collect();
        if gone.is_empty() {
            return;
        }
        let back = || gone.iter().map(|gone| (&gone.object, gone.before.as_ref()));
        // An allowance that ended by time alone, while the pass was running, did not end because of what vanished.
        let times = [running.pass.now, write.wall];
        let Some(answers) =
            times.map(|at| delivered.answer_with(back(), write.account, at)).into_iter().collect::<Option<Vec<_>>>()
        else {
            return;
        };
        let members = answers.iter().map(|answer| answer.members.get(email.as_str()));
        let Some(members) = members.collect::<Option<Vec<_>>>() else { return };
        let is_allowed = |(section, level): &(&Name, &Name)| {
            members.iter().any(|member| {
                let most = allowed(member, write.wall).and_then(|levels| levels.get(section.as_str()));
                most.is_some_and(|most| is_at_most(delivered, write.account, section, level, most))
            })
        };
        let exceeds = raised.iter().find(|raised| !is_allowed(raised));
        if let Some((section, level)) = exceeds {
            let objects: Vec<String> = gone.iter().map(|gone| format!("{:?}", gone.object)).collect();
            let message = format!(
                "{} got {section}={level} because of what vanished ({}), without a fresh read",
                email.as_str(),
                objects.join(", ")
            );
            self.fail("vanished", Some(write.account), message);
        }
    }

    /// Returns whether removals are approved. An approval counts once.
    fn is_approved(&mut self, delivered: &DeliveredObjects, account: &AccountKey, now: Time) -> bool {
        let annotation = delivered.annotations.get(account).and_then(|all| all.get(APPROVE_REMOVAL_ANNOTATION));
        let Some(approval) = annotation else { return false };
        let used = *self.approvals.entry((account.clone(), approval.clone())).or_insert(now);
        now < used + MINUTE
    }

    fn masses(&mut self, write: &Write<'_>, answers: &[&AccountAnswer; 2]) {
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

/// Returns the levels that a member may have at a time, independent of former ones; `None` if there are none.
#[must_use]
pub fn allowed(member: &MemberAnswer, wall: Timestamp) -> Option<&BTreeMap<String, String>> {
    match member.statement {
        Statement::Exactly | Statement::AtMostHeld => Some(&member.levels),
        Statement::Ended(End::NotStarted) if member.starts_at.is_some_and(|start| start <= wall) => {
            Some(&member.potential)
        }
        Statement::Kept | Statement::Ended(_) => None,
    }
}

/// Returns the levels of `after` that are above those of `before`.
fn raised<'a>(
    delivered: &DeliveredObjects,
    account: &AccountKey,
    before: Option<&Levels>,
    after: &'a Levels,
) -> Vec<(&'a Name, &'a Name)> {
    let rank = |section: &Name, level: &Name| delivered.rank(account, section, level);
    let is_raised = |(section, level): &(&Name, &Name)| {
        let held = before.and_then(|before| before.get(*section));
        match held {
            Some(held) if held == *level => false,
            Some(held) => match (rank(section, held), rank(section, level)) {
                (Some(held), Some(level)) => level > held,
                _ => false,
            },
            None => true,
        }
    };
    after.iter().filter(is_raised).collect()
}

fn is_at_most(delivered: &DeliveredObjects, account: &AccountKey, section: &str, level: &str, most: &str) -> bool {
    level == most
        || matches!(
            (delivered.rank(account, section, level), delivered.rank(account, section, most)),
            (Some(level), Some(most)) if level <= most
        )
}
