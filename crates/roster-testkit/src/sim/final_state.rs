//! Invariants at rest: after a long quiet time, everything is in the desired state. Called by the run.

use std::collections::{BTreeMap, BTreeSet};

use roster_core::{
    api::{DeletionPolicy, PAUSED_ANNOTATION, ParentRef, SyncReason},
    contract::AuditQuery,
    control::{Control, FreshRead},
    model::{AccountKey, Email, KindName, Name, ObjectRef, Scope},
};
use roster_reference::{AccountAnswer, Statement};

use super::{
    check_removals::is_blocked,
    cluster::{Change, Definition},
    delivered_objects::DeliveredObjects,
    objects::{Body, condition},
    revocation_deadlines::{is_ours, store_of},
    run::{CLUSTER, Sim},
};
use crate::memory::{Kind, Levels, MemoryStore};

impl Sim {
    /// Checks everything that must hold at rest.
    pub fn check_final_state(&mut self) {
        let delivered = DeliveredObjects::of(&self.cluster);
        let all_served = KindName::ALL.iter().all(|kind| self.cluster.definition(*kind) == Definition::Served);
        for account in Self::accounts_of(&delivered) {
            let store = store_of(&delivered, &account);
            if !store.as_ref().is_some_and(|store| self.stores.contains_key(store)) {
                continue;
            }
            if self.holder(&account, store.as_ref()).is_none() {
                if all_served {
                    self.checker.fail("rest", Some(&account), "nobody looks after the account".to_owned());
                }
                continue;
            }
            self.check_account_at_rest(&delivered, &account);
        }
        if all_served {
            self.check_statuses(&delivered);
            self.check_orphaned_accounts(&delivered);
        }
        self.check_rollouts(&delivered);
        self.check_deletions();
        self.check_queues();
        self.check_audits();
    }

    /// Returns the numbers of writes: of the cluster, without those that are allowed at rest, and of each store.
    pub(super) fn writes(&self) -> Vec<u64> {
        let stores = self.stores.values().map(MemoryStore::writes);
        std::iter::once(self.checker.api_writes).chain(stores).collect()
    }

    /// Returns whether a guard holds removals in any account.
    pub(super) fn guards(&self) -> bool {
        let delivered = DeliveredObjects::of(&self.cluster);
        Self::accounts_of(&delivered).iter().any(|account| self.is_guarded(account))
    }

    pub(super) fn is_quiet(&mut self, known: &[u64]) {
        let now = self.writes();
        if now != known {
            self.checker.fail("quiet", None, format!("something is still written at rest: {known:?}, now {now:?}"));
        }
    }

    fn check_account_at_rest(&mut self, delivered: &DeliveredObjects, account: &AccountKey) {
        let wall = self.clock.wall();
        let Some(answer) = delivered.answer(account, wall) else { return };
        let uid = self.cluster.get(&account.object()).and_then(|stored| stored.metadata.uid.clone());
        if delivered.deleting.contains(account) {
            return self.check_deletion(delivered, account);
        }
        if self.cluster.read_fresh(account, uid.as_deref().unwrap_or_default()) != FreshRead::All {
            return;
        }
        let name = store_of(delivered, account).unwrap_or_default();
        let Some(store) = self.stores.get(&name) else { return };
        let access = store.account_access(account, wall);
        let observed = store.observe(account, &Scope::Account, wall).unwrap_or_default();
        if observed.account.is_some_and(|existing| !is_ours(delivered, account, existing.mark.as_ref())) {
            return;
        }
        if store_of(delivered, account).is_some_and(|name| self.stands_unapproved(&name)) {
            return;
        }
        let foreign =
            observed.members.iter().filter(|(_, existing)| !is_ours(delivered, account, existing.mark.as_ref()));
        let mut failures = Vec::new();
        let foreign: BTreeSet<String> = foreign.map(|(email, _)| email.as_str().to_owned()).collect();
        let none = Levels::new();
        let mut people: BTreeSet<String> = answer.members.keys().cloned().collect();
        people.extend(access.keys().map(|email| email.as_str().to_owned()));
        if let Some(owner) = answer.owner.as_ref().filter(|owner| foreign.contains(*owner)) {
            let stored = self.cluster.get(&account.object());
            if stored.and_then(|stored| condition(&stored.status, "Ready")).is_some_and(|(is, ..)| is) {
                failures.push(format!("the Account is Ready, but its owner {owner} is somebody else's"));
            }
        }
        people.retain(|person| !foreign.contains(person));
        let knows = |section: &Name, level: &Name| delivered.rank(account, section, level).is_some();
        let layout = observed.layout.ladders().iter();
        let waits = layout.flat_map(|one| one.levels.iter().map(|level| (&one.section, level)));
        let waits = waits.into_iter().any(|(section, level)| !knows(section, level));
        let holds = Holds { layout: waits, ..self.holds(delivered, account) };
        for person in people {
            let has = Email::parse(&person).ok().and_then(|email| access.get(&email).cloned()).unwrap_or(none.clone());
            let message = judge(delivered, account, &answer, &person, &has, &holds);
            if let Some(message) = message {
                failures.push(format!("{person} {message}, and has {has:?}"));
            } else if let Some(ready) = self.ready_but(delivered, account, &answer, &person, &has) {
                self.checker.fail("ready", Some(account), ready);
            } else if let Some(says) = self.denied_but(account, &answer, &person, &has) {
                self.checker.fail("access", Some(account), says);
            }
        }
        if !failures.is_empty() {
            self.checker.fail("rest", Some(account), failures.join("; "));
        }
    }

    fn holds(&self, delivered: &DeliveredObjects, account: &AccountKey) -> Holds {
        let store = store_of(delivered, account).and_then(|store| delivered.world.stores.get(store.as_str()).cloned());
        let annotation = delivered.annotations.get(account).and_then(|all| all.get(PAUSED_ANNOTATION));
        Holds {
            paused: annotation.is_some_and(|value| value == "true") || store.is_some_and(|store| store.spec.paused),
            guarded: self.is_guarded(account),
            layout: false,
        }
    }

    /// Returns a violation if a Membership is Ready although the store does not hold its levels.
    fn ready_but(
        &self,
        delivered: &DeliveredObjects,
        account: &AccountKey,
        answer: &AccountAnswer,
        person: &str,
        has: &Levels,
    ) -> Option<String> {
        let member = answer.members.get(person)?;
        if !answer.resolves || member.statement == Statement::AtMostHeld {
            return None;
        }
        let same = is_same(has, &member.levels);
        let names = member.memberships.iter();
        let ready = names.filter(|name| {
            let object =
                ObjectRef { kind: KindName::Membership, namespace: account.namespace.clone(), name: Name::new(name) };
            let stored = self.cluster.get(&object);
            stored.and_then(|stored| condition(&stored.status, "Ready")).is_some_and(|(is, ..)| is)
        });
        let ready: Vec<&String> = ready.collect();
        let _ = delivered;
        (!same && !ready.is_empty()).then(|| {
            format!("Memberships {ready:?} are Ready, but {person} has {has:?} instead of {:?}", member.levels)
        })
    }

    /// Returns a violation if a Membership's status reports no access although the store grants some. The owner is left
    /// out: the owner's access is not by a Membership.
    fn denied_but(&self, account: &AccountKey, answer: &AccountAnswer, person: &str, has: &Levels) -> Option<String> {
        let member = answer.members.get(person)?;
        if has.is_empty() || answer.owner.as_deref() == Some(person) {
            return None;
        }
        member.memberships.iter().find_map(|name| {
            let object =
                ObjectRef { kind: KindName::Membership, namespace: account.namespace.clone(), name: Name::new(name) };
            let access = self.cluster.get(&object)?.status.get("access")?.as_str()?.to_owned();
            let denies = !matches!(access.as_str(), "Active" | "Held");
            denies.then(|| format!("the status of Membership {name} says {access}, and {person} has {has:?}"))
        })
    }

    fn check_statuses(&mut self, delivered: &DeliveredObjects) {
        let mut stale = None;
        for stored in self.cluster.all() {
            let account = match &stored.body {
                Body::Account(_) => stored.object.name.clone(),
                Body::Role(role) => Name::new(&role.spec.account_ref.name),
                Body::Group(group) => Name::new(&group.spec.account_ref.name),
                Body::Member(member) => Name::new(&member.spec.account_ref.name),
                _ => continue,
            };
            let key = AccountKey { namespace: stored.object.namespace.clone(), name: account };
            if delivered.deleting.contains(&key) || stored.metadata.deletion_timestamp.is_some() {
                continue;
            }
            let observed = stored.status.get("observedGeneration").and_then(serde_json::Value::as_i64);
            if observed != stored.metadata.generation {
                stale = Some((key, format!("the status of {:?} speaks of generation {observed:?}", stored.object)));
            }
        }
        if let Some((key, message)) = stale {
            self.checker.fail("status", Some(&key), message);
        }
    }

    /// Checks that no account waits for its catalog because of another account.
    fn check_rollouts(&mut self, delivered: &DeliveredObjects) {
        let catalog = |account: &AccountKey| {
            let key = (account.namespace.to_string(), account.name.to_string());
            delivered.world.accounts.get(&key).map(|account| account.spec.catalog_ref.name.clone())
        };
        for account in Self::accounts_of(delivered) {
            let Some(last) = delivered.behind(&account) else { continue };
            // The change itself may have caused removals in an earlier account; these wait for approval.
            let stops = Self::accounts_of(delivered).into_iter().any(|other| {
                catalog(&other) == catalog(&account)
                    && last.up_to.as_ref().is_some_and(|up_to| other <= *up_to)
                    && !last.held_before.contains(&other)
                    && self.is_guarded(&other)
            });
            if !stops && !self.is_guarded(&account) {
                self.checker.fail(
                    "rollout",
                    Some(&account),
                    "the account waits for a revision of its catalog".to_owned(),
                );
            }
        }
    }

    /// Checks that an Account that is being deleted waits only for managed accounts, for approval, or for the store that
    /// was used so far.
    fn check_deletion(&mut self, delivered: &DeliveredObjects, account: &AccountKey) {
        let is_parent = |parent: &ParentRef, namespace: &str| {
            let of = parent.namespace.as_deref().unwrap_or(namespace);
            *parent.name == *account.name && *of == *account.namespace
        };
        let mut all = delivered.world.accounts.iter();
        let is_managing = all.any(|((namespace, _), other)| {
            other.spec.parent_ref.as_ref().is_some_and(|parent| is_parent(parent, namespace))
        });
        let stored = self.cluster.get(&account.object());
        let ready = stored.and_then(|stored| condition(&stored.status, "Ready"));
        let waits_for_store = ready.is_some_and(|(_, reason, _)| reason == SyncReason::StoreReplaced.to_string())
            && store_of(delivered, account).is_some_and(|name| self.stands_unapproved(&name));
        if !is_managing && !waits_for_store && !self.is_guarded(account) {
            self.checker.fail("deletion", Some(account), "the deletion waits, and nobody says for what".to_owned());
        }
    }

    /// Checks that blocked people have no access in orphaned accounts either.
    fn check_orphaned_accounts(&mut self, delivered: &DeliveredObjects) {
        let wall = self.clock.wall();
        let accounts = self.cluster.all().filter(|stored| stored.object.kind == KindName::Account);
        let described: BTreeSet<ObjectRef> = accounts.map(|stored| stored.object.clone()).collect();
        let mut failed = None;
        for (name, object) in &delivered.world.stores {
            let name = Name::new(name);
            let Some(store) = self.stores.get(&name) else { continue };
            let marks = store.marks().unwrap_or_default();
            let left = |key: &AccountKey| {
                let is_ours = marks.iter().any(|mark| mark.account == *key && mark.cluster == CLUSTER);
                is_ours && !described.contains(&key.object()) && self.holder(key, Some(&name)).is_some()
            };
            let blocked = object.spec.blocked.iter().filter_map(|user| Email::parse(&user.email).ok());
            let blocked: Vec<Email> = blocked.collect();
            let with_access = store.with_access(&blocked, wall).unwrap_or_default();
            failed = failed.or(with_access.into_iter().find(|(key, _)| left(key)));
        }
        if let Some((key, email)) = failed {
            let message = format!("{} is blocked, and has access in an account without an Account", email.as_str());
            self.checker.fail("orphaned_account", Some(&key), message);
        }
    }

    /// Checks that the store content of an Account with `deletionPolicy: Delete` was deleted with it.
    fn check_deletions(&mut self) {
        let mut policies: BTreeMap<String, bool> = BTreeMap::new();
        for change in self.cluster.log(KindName::Account) {
            if let Change::Put(stored) = change
                && let Body::Account(account) = &stored.body
            {
                let deletes = account.spec.deletion_policy == DeletionPolicy::Delete;
                policies.insert(stored.metadata.uid.clone().unwrap_or_default(), deletes);
            }
        }
        for stored in self.cluster.all().filter(|stored| stored.object.kind == KindName::Account) {
            policies.remove(stored.metadata.uid.as_deref().unwrap_or_default());
        }
        let marks = self.stores.values().flat_map(|store| store.marks().unwrap_or_default());
        let left = marks.into_iter().find(|mark| {
            policies.get(mark.uid.as_str()).copied().unwrap_or(false)
                && !self.cluster.without_store.contains(mark.uid.as_str())
        });
        if let Some(mark) = left {
            let message = "the Account is gone, and what it had in the store is still there".to_owned();
            self.checker.fail("deleted", Some(&mark.account), message);
        }
    }

    fn check_queues(&mut self) {
        let objects = self.cluster.all().count();
        let accounts = self.cluster.all().filter(|stored| stored.object.kind == KindName::Account).count();
        for number in 0..self.replicas.len() {
            let replica = &self.replicas[number];
            let now = self.clock.now(replica.origin);
            let Some(figures) = replica.control.as_ref().map(|control: &Control| control.figures(now)) else {
                continue;
            };
            if figures.changes + figures.checks > accounts || figures.statuses > objects {
                let message = format!("queues of replica {number} are longer than there are objects: {figures:?}");
                self.checker.fail("queues", None, message);
            }
        }
    }

    fn check_audits(&mut self) {
        let query = AuditQuery { limit: u32::MAX, ..AuditQuery::default() };
        let mut wrong = None;
        for (name, store) in self.stores.iter().filter(|(_, store)| store.kind() == Kind::Transactional) {
            if store.verify_audit().fault.is_some() {
                wrong = Some(format!("the audit of store {name} is broken"));
            }
            let mut audited: BTreeMap<(String, String), bool> = BTreeMap::new();
            for record in store.audit(&query).unwrap_or_default() {
                let entry = &record;
                if entry.kind == "member" {
                    audited.insert((entry.account.clone(), entry.name.clone()), entry.after.is_some());
                }
            }
            for key in store.keys().unwrap_or_default() {
                let observed = store.observe(&key, &Scope::Account, self.clock.wall());
                for (email, existing) in observed.unwrap_or_default().members {
                    let known = audited.remove(&(key.to_string(), email.as_str().to_owned()));
                    let tampered = self.checker.tampered.contains(&(key.clone(), email.clone()));
                    if known != Some(existing.content.is_some()) && !tampered {
                        wrong = Some(format!("the audit of store {name} says {known:?} of {email:?} in {key}"));
                    }
                }
            }
            if let Some(((account, email), _)) = audited.iter().find(|(_, there)| **there) {
                let is_tampered =
                    |(key, who): &&(AccountKey, Email)| key.to_string() == *account && who.as_str() == email;
                if !self.checker.tampered.iter().any(|it| is_tampered(&it)) {
                    wrong = Some(format!("the audit of store {name} knows {email} in {account}, the store does not"));
                }
            }
        }
        if let Some(message) = wrong {
            self.checker.fail("audit", None, message);
        }
    }
}

/// Reasons why a store may differ from the model.
struct Holds {
    paused: bool,
    guarded: bool,
    /// Whether another layout of sections waits, with all changes that need it.
    layout: bool,
}

fn is_same(has: &Levels, wanted: &BTreeMap<String, String>) -> bool {
    has.len() == wanted.len()
        && has.iter().all(|(section, level)| wanted.get(section.as_str()).is_some_and(|want| want == level.as_str()))
}

/// Returns the expected access if a person has other access and nothing explains it.
fn judge(
    delivered: &DeliveredObjects,
    account: &AccountKey,
    answer: &AccountAnswer,
    person: &str,
    has: &Levels,
    holds: &Holds,
) -> Option<String> {
    let exceeds = |wanted: &BTreeMap<String, String>| {
        has.iter().any(|(section, level)| {
            let rank = delivered.rank(account, section, level);
            let most = wanted.get(section.as_str()).and_then(|most| delivered.rank(account, section, most));
            // A paused account keeps its sections.
            rank.unwrap_or(if holds.paused { 0 } else { usize::MAX }) > most.unwrap_or(0)
        })
    };
    let Some(member) = answer.members.get(person) else {
        let email = Email::parse(person).ok()?;
        let blocked = is_blocked(delivered, account, &email);
        if has.is_empty() || (!blocked && (holds.guarded || !answer.resolves)) {
            return None;
        }
        return Some("should not be there".to_owned());
    };
    match member.statement {
        Statement::Kept => None,
        Statement::Ended(end) => {
            let excused = (holds.guarded || !answer.resolves) && !end.is_explicit();
            (!has.is_empty() && !excused).then(|| format!("should have no access: {end:?}"))
        }
        Statement::AtMostHeld => {
            (exceeds(&member.levels) && !holds.guarded).then(|| format!("should have at most {:?}", member.levels))
        }
        Statement::Exactly => {
            let held = holds.guarded && (member.levels.is_empty() || holds.layout);
            // While paused, revocations may leave nothing; then a guard holds them.
            let explained = held || holds.paused && (holds.guarded || !exceeds(&member.levels));
            (!is_same(has, &member.levels) && !explained).then(|| format!("should have {:?}", member.levels))
        }
    }
}
