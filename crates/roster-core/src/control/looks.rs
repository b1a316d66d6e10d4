//! Looks at catalogs and stores: what is said of them, their finalizers, and a catalog's record.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use super::{
    Access, ApiFault, CatalogTending, ChangedObject, Control, Effect, Mono, Now, PassId, StoreLook,
    leftovers::Leftovers,
    queue::{Lane, Trigger, WorkItem},
    statuses::StatusLane,
};
use crate::{
    contract::StoreError,
    model::{AccountKey, Email, KindName, Name, ObjectRef},
    report::{self, Detail, NoticeReason, StoreFound},
    resolve::Origin,
    state::{Record, StoreAnswer, StoreFacts, WatchEvent},
};

/// The numbers of a store are brought up to date this often while things change.
pub(super) const LOOK_DELAY: Duration = Duration::from_secs(5);

/// When cluster-scoped objects are to be looked at, and which looks run.
#[derive(Default)]
pub(super) struct Looks {
    due: BTreeMap<ObjectRef, Mono>,
    running: BTreeMap<ObjectRef, Look>,
    /// The `IdentityStore`s in the place of whose store another one was found, with the accounts that were looked at since.
    replaced: BTreeMap<Name, BTreeSet<AccountKey>>,
    /// By the UID of the `IdentityStore`: what was last told of the store that answers, and its id.
    told: BTreeMap<Name, (NoticeReason, Option<Name>)>,
    /// What is known of accounts that no Account describes, by the `IdentityStore` that blocks people in them.
    pub(super) leftovers: BTreeMap<Name, Leftovers>,
}

/// A look that runs.
struct Look {
    id: PassId,
    /// The store that is looked at; absent for a catalog.
    store: Option<StoreKnown>,
}

/// What a look at a store started with.
struct StoreKnown {
    record: Arc<Record<StoreFacts>>,
    users: usize,
    settled: bool,
}

impl Looks {
    pub(super) fn any_runs(&self) -> bool {
        !self.running.is_empty()
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = PassId> {
        self.running.values().map(|look| look.id)
    }

    fn want(&mut self, object: ObjectRef, due: Mono) {
        let known = self.due.entry(object).or_insert(due);
        *known = (*known).min(due);
    }

    fn end(&mut self, id: PassId) -> Option<(ObjectRef, Look)> {
        let object = self.running.iter().find(|(_, look)| look.id == id).map(|(object, _)| object.clone())?;
        let look = self.running.remove(&object)?;
        Some((object, look))
    }
}

impl Control {
    /// Asks for a look at a catalog or a store.
    pub(super) fn look(&mut self, kind: KindName, name: Name, delay: Duration, now: Mono) {
        self.looks.want(ObjectRef { kind, namespace: Name::default(), name }, now + delay);
    }

    pub(super) fn look_at_stores(&mut self, now: Mono) {
        let stores: Vec<Name> = self.index.stores.keys().cloned().collect();
        for name in stores {
            self.look(KindName::IdentityStore, name, Duration::ZERO, now);
        }
    }

    /// Returns when the next look is due that may start.
    pub(super) fn next_look(&self) -> Option<Mono> {
        self.startable_looks().map(|(_, due)| due).min().filter(|_| self.shards.count() > 0)
    }

    /// Returns the looks that are wanted and may start.
    fn startable_looks(&self) -> impl Iterator<Item = (&ObjectRef, Mono)> {
        let complete = self.lists.are_complete();
        let (may_let_go, knows_needed) = (self.lists.know_accounts(), self.lists.know_needed());
        let deleting = |object| self.index.meta(object).is_some_and(|meta| meta.deleting);
        let idle = self.looks.due.iter().filter(|(object, _)| !self.looks.running.contains_key(*object));
        let may = idle.filter(move |(object, _)| {
            complete || (knows_needed && object.kind == KindName::IdentityStore) || (may_let_go && deleting(object))
        });
        may.map(|(object, due)| (object, *due))
    }

    /// Starts the looks that are due. A catalog or store that is being deleted needs only its accounts to be known; the
    /// other kinds may be gone already.
    pub(super) fn start_looks(&mut self, now: Now, effects: &mut Vec<Effect>) {
        if !self.shards.leads() {
            // Of catalogs and stores another replica speaks; but who is blocked, each finds in its own accounts.
            let (index, Looks { due, running, replaced, .. }) = (&self.index, &mut self.looks);
            let blocks = |object: &ObjectRef| {
                let store = index.stores.get(&object.name).filter(|_| object.kind == KindName::IdentityStore);
                store.is_some_and(|store| !store.facts.blocked.is_empty() || replaced.contains_key(&object.name))
            };
            due.retain(|object, _| running.contains_key(object) || blocks(object));
        }
        let complete = self.lists.are_complete();
        let due = self.startable_looks().filter(|(_, due)| *due <= now.mono);
        let due: Vec<ObjectRef> = due.map(|(object, _)| object.clone()).collect();
        for object in due {
            self.looks.due.remove(&object);
            match object.kind {
                KindName::PermissionCatalog => self.look_at_catalog(&object, complete, now, effects),
                _ => self.look_at_store(&object, effects),
            }
        }
    }

    fn look_at_store(&mut self, object: &ObjectRef, effects: &mut Vec<Effect>) {
        let Some(record) = self.index.stores.get(&object.name).cloned() else { return };
        let accounts = self.index.accounts.iter().filter_map(|(key, entry)| Some((key, entry.object.as_ref()?)));
        let users = accounts
            .filter(|(_, account)| account.facts.spec.store_ref.name == *record.name)
            .map(|(key, account)| (key.clone(), account.meta.uid.clone()))
            .collect::<BTreeSet<_>>();
        let settled = self.is_settled(&record);
        let id = self.pass_ids.give();
        let known = StoreKnown { record: record.clone(), users: users.len(), settled };
        self.looks.running.insert(object.clone(), Look { id, store: Some(known) });
        let cluster = self.setup.cluster.clone();
        let speaks = self.shards.leads();
        effects.push(Effect::LookAtStore(Box::new(StoreLook { id, record, users, cluster, settled, speaks })));
    }

    pub(super) fn tend_catalog(
        &mut self,
        object: &ObjectRef,
        tending: impl FnOnce(PassId) -> CatalogTending,
        effects: &mut Vec<Effect>,
    ) {
        let id = self.pass_ids.give();
        self.looks.running.insert(object.clone(), Look { id, store: None });
        effects.push(Effect::TendCatalog(Box::new(tending(id))));
    }

    pub(super) fn store_looked(
        &mut self,
        id: PassId,
        found: &Result<StoreFound, StoreError>,
        remembered: bool,
        fault: Option<&ApiFault>,
        now: Now,
    ) {
        let Some((object, look)) = self.looks.end(id) else { return };
        self.refusals.note_fault(object.kind, Access::Other, fault, now.mono);
        let Some(StoreKnown { record, users, settled }) = look.store else { return };
        if let Ok(found) = found {
            self.note_answer(&record, found, now);
            self.end_blocked(&record, &found.blocked_with_access, now);
            self.end_in_leftovers(&record, found, now);
        }
        if fault.is_some() || found.is_err() {
            // Also by whoever says nothing about the store: it may have to end somebody's access.
            self.look(object.kind, object.name.clone(), LOOK_DELAY, now.mono);
        }
        if !self.shards.leads() {
            return;
        }
        if let Ok(found) = found {
            self.tell_of_answer(&record, found, remembered);
        }
        let report = report::store(&record, users, settled, found.as_ref());
        self.note_reached(&object.name, &report);
        if let Detail::Store { blocked_in_force, .. } = report.detail {
            self.say_in_force(&object.name, blocked_in_force);
        }
        self.say(object, report, StatusLane::Bulk, Duration::ZERO, now);
    }

    /// Notes which store answers. Where another one does, it is looked at again soon; once it does no longer, all accounts
    /// are looked at, since what was done meanwhile was done in another store.
    fn note_answer(&mut self, store: &Record<StoreFacts>, found: &StoreFound, now: Now) {
        if store.facts.known.judge(found.id.as_ref()) == StoreAnswer::Replaced {
            self.looks.replaced.entry(store.name.clone()).or_default();
            self.look(KindName::IdentityStore, store.name.clone(), LOOK_DELAY, now.mono);
        } else if let Some(looked_at) = self.looks.replaced.remove(&store.name) {
            // Somebody may have lost access since, in a store that nobody reads any more.
            let ours: Vec<AccountKey> = looked_at.into_iter().filter(|key| self.is_ours(key)).collect();
            for key in &ours {
                self.queue.want(key, WorkItem::Account, Trigger { lane: Lane::Revocations, object: None }, now.mono);
            }
            self.announced(&store.name, None, now);
        }
    }

    /// Tells of a store that is used from now on, or that stands in the place of the known one; once, until that changes.
    fn tell_of_answer(&mut self, store: &Record<StoreFacts>, found: &StoreFound, remembered: bool) {
        let used = report::store_used(store, found).filter(|_| remembered);
        let Some(notice) = used.or_else(|| report::store_replaced(store, found)) else {
            if matches!(self.looks.told.get(&store.meta.uid), Some((NoticeReason::StoreReplaced, _))) {
                self.looks.told.remove(&store.meta.uid);
            }
            return;
        };
        let told = (notice.reason, found.id.clone());
        if self.looks.told.insert(store.meta.uid.clone(), told.clone()) != Some(told) {
            self.outbox.push(Effect::Tell(notice));
        }
    }

    /// Notes that a pass over an account found another store than the one that is known.
    pub(super) fn note_replaced(&mut self, store: &Name, account: &AccountKey, now: Now) {
        if !self.looks.replaced.contains_key(store) {
            self.look(KindName::IdentityStore, store.clone(), Duration::ZERO, now.mono);
        }
        self.looks.replaced.entry(store.clone()).or_default().insert(account.clone());
    }

    /// Ends the access of those whom a store blocks and still lets in, also where no object names them.
    fn end_blocked(&mut self, store: &Record<StoreFacts>, places: &[(AccountKey, Email)], now: Now) {
        let kept = |key: &AccountKey| self.store_of(key).as_ref() == Some(&store.name) && self.is_ours(key);
        let ours: Vec<&(AccountKey, Email)> = places.iter().filter(|(key, _)| kept(key)).collect();
        for (key, email) in ours {
            let object = ChangedObject::new(Origin::of_block(&store.facts, email));
            let trigger = Trigger { lane: Lane::Revocations, object: Some(&object) };
            self.queue.want(key, WorkItem::Member(email.clone()), trigger, now.mono);
        }
    }

    pub(super) fn catalog_tended(
        &mut self,
        id: PassId,
        seen: Option<Box<WatchEvent>>,
        fault: Option<&ApiFault>,
        now: Now,
    ) {
        let Some((object, _)) = self.looks.end(id) else { return };
        self.refusals.note_fault(object.kind, Access::Other, fault, now.mono);
        if fault.is_some() {
            self.look(object.kind, object.name, LOOK_DELAY, now.mono);
        }
        if let Some(seen) = seen {
            // Ahead of its watch.
            self.seen(*seen, now);
        }
    }

    pub(super) fn look_broke_off(&mut self, id: PassId, now: Now) {
        let Some((object, _)) = self.looks.end(id) else { return };
        self.look(object.kind, object.name, LOOK_DELAY, now.mono);
    }
}
