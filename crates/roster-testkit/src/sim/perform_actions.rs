//! Carries out actions. Called by the run when an action is due.

use std::collections::BTreeSet;

use roster_core::{
    api,
    model::{KindName, Name, ObjectRef},
    plan::ObjectKey,
    resolve::{MemberContent, Window},
};

use super::{
    action::{Action, ActionKind, StoreFault},
    clock::{SECOND, Time},
    cluster::Definition,
    item::Item,
    objects::condition,
    random::Random,
    run::Sim,
};
use crate::memory::{Kind, MemoryStore};

/// Time after which a user has checked that all objects exist again, once a CRD was recreated.
const CONFIRMED_AFTER: Time = 20 * SECOND;

impl Sim {
    /// Carries out an action.
    pub fn perform(&mut self, action: Action) {
        let (time, wall) = (self.clock.time, self.clock.wall());
        match action.kind {
            ActionKind::Apply(object, spec) => drop(self.cluster.apply(&object, &spec)),
            ActionKind::Delete(object) => self.cluster.delete(&object, wall),
            ActionKind::DeleteNamespace(name, over) => {
                let object = ObjectRef { kind: KindName::Namespace, namespace: Name::default(), name: name.clone() };
                self.cluster.delete(&object, wall);
                let inside = self.cluster.all().filter(|stored| stored.object.namespace == name);
                let inside: Vec<ObjectRef> = inside.map(|stored| stored.object.clone()).collect();
                let mut random = Random::of(self.config.seed, action.id);
                for object in inside.into_iter().chain([object]) {
                    let after = if object.kind == KindName::Namespace { over } else { random.below(over.max(1)) };
                    self.at(time + after, Item::Purge(object));
                }
            }
            ActionKind::Annotate(object, key, value) => self.cluster.annotate(&object, key, value.as_deref()),
            ActionKind::Approve(key) => {
                let object = key.object();
                let hash = self.cluster.get(&object).and_then(|stored| {
                    let (_, _, message) = condition(&stored.status, "Synced")?;
                    let (_, hash) = message.split_once(&format!("{}=", api::APPROVE_REMOVAL_ANNOTATION))?;
                    Some(hash.split_whitespace().next().unwrap_or(hash).trim_end_matches('.').to_owned())
                });
                if let Some(hash) = hash {
                    self.cluster.annotate(&object, api::APPROVE_REMOVAL_ANNOTATION, Some(&hash));
                }
            }
            ActionKind::Define(kind, definition) => self.redefine(action.id, kind, definition),
            ActionKind::TamperDelete(store, key, email) => {
                if let Some(store) = self.stores.get_mut(&store) {
                    store.tamper_delete(&key, &ObjectKey::Member(email.clone()));
                }
                self.checker.tampered(&key, &email);
            }
            ActionKind::TamperRaise(store, key, email) => {
                if let Some(store) = self.stores.get_mut(&store) {
                    let kind = store.kind();
                    let raise = |content: &mut MemberContent, levels: &mut crate::memory::Levels| {
                        if kind == Kind::Plain && levels.is_empty() {
                            // Such a store evaluates neither revocations nor time windows: a member with a level has
                            // access.
                            (content.ended, content.window) = (None, Window::default());
                        }
                        levels.insert(Name::const_new("users"), Name::const_new("Edit"));
                    };
                    store.tamper_with_member(&key, &email, raise);
                }
                self.checker.tampered(&key, &email);
            }
            ActionKind::TamperAdd(store, key, email) => {
                if let Some(store) = self.stores.get_mut(&store) {
                    store.tamper_member(&key, &email, crate::memory::Levels::new());
                }
                self.checker.tampered(&key, &email);
            }
            ActionKind::Store(name, fault, on) => {
                self.checker.faulty(&name, time);
                if let StoreFault::Slow(latency) = fault {
                    if on {
                        self.slow.insert(name, latency)
                    } else {
                        self.slow.remove(&name)
                    };
                } else if let Some(store) = self.stores.get_mut(&name) {
                    turn(store, fault, on);
                }
            }
            ActionKind::Replace(name) => self.replace(name, action.id),
            ActionKind::Restore(name) => self.restore(&name),
            ActionKind::ApproveStore(name) => self.approve_store(name),
            ActionKind::Lag(replica, kind, most, lasts) => {
                if let Some(replica) = self.replicas.get_mut(replica) {
                    replica.lags.insert(kind, (most, time + lasts));
                }
            }
            ActionKind::Relist(replica, kind, behind) => {
                if self.replicas.get(replica).is_some_and(|replica| replica.control.is_some()) {
                    self.open_watch(replica, kind, behind);
                }
            }
            ActionKind::Crash(replica, after) => {
                if replica < self.replicas.len() {
                    self.end(replica, after, true);
                }
            }
            ActionKind::Freeze(replica, lasts) => {
                if let Some(replica) = self.replicas.get_mut(replica) {
                    replica.frozen_until = time + lasts;
                }
            }
            ActionKind::Jump(by) => self.clock.moved += by,
            ActionKind::Away(lasts) => self.away_until = self.away_until.max(time + lasts),
            ActionKind::Api(failure, count) => self.api_failures.push((failure, count)),
        }
    }

    /// Replaces a store with an empty one.
    fn replace(&mut self, name: Name, id: u64) {
        self.replaced(&name);
        if let Some(store) = self.stores.get_mut(&name).filter(|_| !self.replaced.contains_key(&name)) {
            let mut empty = MemoryStore::new(store.kind());
            empty.id = format!("{}-{id}", store.id).into();
            empty.faults = store.faults.clone();
            self.replaced.insert(name, std::mem::replace(store, empty));
        }
    }

    /// Restores the former store.
    fn restore(&mut self, name: &Name) {
        self.replaced(name);
        if let (Some(store), Some(mut former)) = (self.stores.get_mut(name), self.replaced.remove(name)) {
            former.faults = store.faults.clone();
            *store = former;
        }
    }

    /// Approves the store that has replaced another one.
    fn approve_store(&mut self, name: Name) {
        self.replaced(&name);
        self.replaced.remove(&name);
        let id = self.stores.get(&name).map(|store| store.id.to_string());
        let object = ObjectRef { kind: KindName::IdentityStore, namespace: Name::default(), name };
        self.cluster.annotate(&object, api::APPROVE_STORE_ANNOTATION, id.as_deref());
    }

    /// Records that a store is being replaced.
    fn replaced(&mut self, name: &Name) {
        let others = self.stores.iter().filter(|(other, _)| *other != name);
        let others: BTreeSet<_> = others.flat_map(|(_, store)| store.keys().unwrap_or_default()).collect();
        self.checker.replaced(name, &others, self.clock.time);
        // A call in progress went to the former store.
        let passes = self.replicas.iter_mut().flat_map(|replica| replica.passes.values_mut());
        passes.filter(|running| running.pass.store == *name).for_each(|running| running.apply = None);
    }

    fn redefine(&mut self, id: u64, kind: KindName, definition: Definition) {
        let time = self.clock.time;
        if self.cluster.define(kind, definition) {
            self.at(time + CONFIRMED_AFTER, Item::Confirm);
        }
        match definition {
            Definition::Terminating => {
                let of_kind = self.cluster.all().filter(|stored| stored.object.kind == kind);
                let of_kind: Vec<ObjectRef> = of_kind.map(|stored| stored.object.clone()).collect();
                let mut random = Random::of(self.config.seed, id);
                for object in of_kind {
                    self.at(time + random.below(10_000_000), Item::Purge(object));
                }
            }
            Definition::Absent | Definition::Denied => {
                for replica in 0..self.replicas.len() {
                    if self.replicas[replica].control.is_some() {
                        self.open_watch(replica, kind, 0);
                    }
                }
            }
            Definition::Served => {}
        }
    }

    /// Deletes an object of a namespace or kind that is being deleted.
    pub fn purge(&mut self, object: &ObjectRef) {
        let wall = self.clock.wall();
        if object.kind == KindName::Namespace {
            if !self.cluster.finish_namespace(&object.name) {
                self.at(self.clock.time + 1_000_000, Item::Purge(object.clone()));
            }
            return;
        }
        self.cluster.delete(object, wall);
    }
}

fn turn(store: &mut MemoryStore, fault: StoreFault, on: bool) {
    let faults = &mut store.faults;
    match fault {
        StoreFault::Unavailable => faults.unavailable = on,
        StoreFault::Silent => faults.silent = on,
        StoreFault::Locked => faults.locked = on,
        StoreFault::LockedAccount(key) => {
            if on {
                faults.locked_accounts.insert(key);
            } else {
                faults.locked_accounts.remove(&key);
            }
        }
        StoreFault::Refused(key, object, error) => {
            if on {
                faults.refused.insert((key, object), error);
            } else {
                faults.refused.remove(&(key, object));
            }
        }
        StoreFault::DiesAfter(writes) => {
            faults.dies_after_writes = on.then_some(writes);
            faults.unavailable &= on;
        }
        StoreFault::LosesReplies(count) => faults.lost_replies = if on { count } else { 0 },
        StoreFault::Slow(_) => {}
    }
}
