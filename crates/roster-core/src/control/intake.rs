//! Takes in what the watches deliver: updates the index and queues the accounts that a change affects. Called by
//! [`Control::absorb`](super::Control::absorb) for each watch event, and by refreshes for what they read themselves.

use std::time::Duration;

use super::{
    Access, ChangedObject, Control, Effect, Now,
    queue::{Lane, Trigger, WorkItem},
    statuses::StatusLane,
    watches::ListState,
};
use crate::{
    model::{AccountKey, KindName, Name, ObjectRef},
    report::{self, Notice, NoticeReason},
    resolve::Origin,
    state::{Impact, Object, Unreadable, WatchEvent},
};

impl Control {
    pub(super) fn watched(&mut self, event: WatchEvent, now: Now) {
        match event {
            WatchEvent::Listing(kind) => self.index.begin_list(kind),
            WatchEvent::Absent(kind) => {
                // Without its definition no object of a kind exists.
                self.index.begin_list(kind);
                self.list_ended(kind, ListState::Absent, now);
            }
            WatchEvent::Refused(kind, why) => self.refusals.note(kind, Access::Read, Some(why), now.mono),
            WatchEvent::Listed(kind) => {
                self.refusals.note(kind, Access::Read, None, now.mono);
                self.list_ended(kind, ListState::Listed, now);
            }
            WatchEvent::Object(object) => {
                let (_, _, generation) = object.identity();
                let store = self.changed_store(&object);
                // The first list names objects that need not have changed.
                let changed = (!self.index.is_first_listed(&object)).then(|| self.changed(&object));
                let replaced = object.meta().is_some_and(|meta| self.is_replaced(&object.reference(), &meta.uid));
                let takes_away =
                    object.takes_away(now.wall) || self.withdraws_approval(&object) || self.is_shortened(&object);
                let takes_away = takes_away || replaced && matches!(object, Object::Member(_) | Object::Invitation(_));
                let lane = if takes_away { Lane::Revocations } else { Lane::Changes };
                let vanished = replaced || object.is_deleting();
                let statuses = &self.statuses;
                let impacts = self.index.apply(object, |object| statuses.being_sent(object));
                if let Some(store) = store {
                    self.load_reported(&store);
                    self.await_passes(&store, generation, &impacts);
                }
                if vanished {
                    self.vanished(&impacts);
                }
                self.touch(impacts, Trigger { lane, object: changed.as_ref() }, now);
            }
            WatchEvent::Unreadable(unreadable) => self.could_not_read(&unreadable, now),
            WatchEvent::Gone(object) => {
                let generation = self.index.meta(&object).map_or(0, |meta| meta.generation);
                let origin = Origin::new(object.kind.as_str(), object.name.clone(), generation);
                let origin = Origin { why: Some(Name::new("deleted")), ..origin };
                let role = self.index.role(&object).map(|role| role.facts.clone());
                let changed = match role {
                    Some(role) => ChangedObject::gone_role(origin, &role),
                    None => ChangedObject::new(origin),
                };
                // Only a change of one member goes first: a deleted definition affects a whole account.
                let is_of_one = matches!(object.kind, KindName::Membership | KindName::Invitation);
                let lane = if is_of_one { Lane::Revocations } else { Lane::Changes };
                let impacts = self.index.remove(&object);
                self.vanished(&impacts);
                self.touch(impacts, Trigger { lane, object: Some(&changed) }, now);
            }
        }
    }

    /// Returns whether this version of an Account withdraws an approval that it gave.
    fn withdraws_approval(&self, object: &Object) -> bool {
        let Object::Account(record) = object else { return false };
        let before = self.index.accounts.get(&record.facts.key()).and_then(|entry| entry.object.as_ref());
        before.is_some_and(|before| before.facts.withdraws_approval(&record.facts))
    }

    /// Returns whether this version of a Membership begins later than before or is over earlier.
    fn is_shortened(&self, object: &Object) -> bool {
        let Object::Member(record) = object else { return false };
        let before = self.index.member(&record.namespace, &record.name);
        before.is_some_and(|before| !before.facts.window().is_within(&record.facts.window()))
    }

    /// Returns whether another object had this name before: it is gone, though its deletion was not observed.
    fn is_replaced(&self, object: &ObjectRef, by: &str) -> bool {
        self.index.meta(object).is_some_and(|before| *before.uid != *by)
    }

    /// Records an object that cannot be read: it keeps its former effect, and a status or event reports it.
    fn could_not_read(&mut self, unreadable: &Unreadable, now: Now) {
        let object = unreadable.object.clone();
        let generation = unreadable.meta.generation;
        let origin = Origin::new(object.kind.as_str(), object.name.clone(), generation);
        let vanished = unreadable.meta.deleting || self.is_replaced(&object, &unreadable.meta.uid);
        let known = self.index.unreadable(&object).map(|before| (before.meta.uid.clone(), before.meta.generation));
        let is_news = known != Some((unreadable.meta.uid.clone(), generation));
        let impacts = self.index.note_unreadable(unreadable.clone());
        if vanished {
            self.vanished(&impacts);
        }
        let lane = if vanished { Lane::Revocations } else { Lane::Changes };
        self.touch(impacts, Trigger { lane, object: Some(&ChangedObject::new(origin)) }, now);
        if is_news {
            self.report_unreadable(unreadable, now);
        }
    }

    /// Reports that an object cannot be read, if its account is in a held shard. For an object without an account,
    /// the holder of shard 0 sends an event.
    pub(super) fn report_unreadable(&mut self, unreadable: &Unreadable, now: Now) {
        let object = unreadable.object.clone();
        let shard = unreadable.account_key().map_or(0, |key| self.shard_of(&key));
        if !self.shards.has(shard) {
            return;
        }
        let note = Notice::new(object.clone(), &unreadable.meta, NoticeReason::Unreadable, unreadable.to_string());
        self.outbox.push(Effect::EmitEvent(note));
        if unreadable.account.is_some() {
            self.queue_status(object, report::unreadable(unreadable), StatusLane::Bulk, Duration::ZERO, now);
        }
    }

    /// Returns the object that the audit names as the cause of a change. For a catalog's record it is the catalog.
    fn changed(&self, object: &Object) -> ChangedObject {
        if let Object::CatalogRecord(record) = object
            && let Some(catalog) = &record.facts.catalog
        {
            let generation = self.index.catalogs.get(catalog).map_or(0, |catalog| catalog.meta.generation);
            let catalog = Origin::new(KindName::PermissionCatalog.as_str(), catalog.clone(), generation);
            return ChangedObject::new(catalog);
        }
        let (kind, name, generation) = object.identity();
        let origin = Origin::new(kind.as_str(), name, generation);
        let Object::Account(record) = object else { return ChangedObject::new(origin) };
        let before = self.index.accounts.get(&record.facts.key()).and_then(|entry| entry.object.as_ref());
        ChangedObject::account(origin, before.map(|before| before.facts.as_ref()), &record.facts)
    }

    fn list_ended(&mut self, kind: KindName, state: ListState, now: Now) {
        let gone = self.index.end_list(kind);
        self.vanished(&gone);
        self.touch(gone, Trigger { lane: Lane::Revocations, object: None }, now);
        self.relisted(kind, now);
        if self.lists.set(kind, state, now.mono) {
            self.queue.more_known();
            if state == ListState::Absent {
                self.report_waiting(now);
            }
        }
    }

    /// Queues every account, so that each reports that only explicit revocations are made while a kind is missing.
    fn report_waiting(&mut self, now: Now) {
        let keys: Vec<AccountKey> = self.index.accounts.keys().cloned().collect();
        for key in &keys {
            self.queue.add(key, WorkItem::Account, Trigger::CHECK, now.mono);
        }
    }

    /// Counts a vanished object: until a later fresh read confirms the remaining objects, no member of these accounts
    /// gains access.
    fn vanished(&mut self, impacts: &[Impact]) {
        for impact in impacts {
            // An account without state has no confirmed count either.
            if let Impact::Account(key) | Impact::Member(key, _) = impact
                && let Some(state) = self.accounts.get_mut(key)
            {
                state.vanished += 1;
            }
        }
    }

    fn touch(&mut self, impacts: Vec<Impact>, trigger: Trigger<'_>, now: Now) {
        // A changed store affects all its accounts; members that it blocks go first, one by one.
        let of_store = trigger.object.is_some_and(|object| object.origin.kind == KindName::IdentityStore.as_str());
        let of_account = Trigger { lane: if of_store { Lane::Changes } else { trigger.lane }, ..trigger };
        for impact in impacts {
            match impact {
                Impact::Account(key) => self.queue.add(&key, WorkItem::Account, of_account, now.mono),
                Impact::Member(key, email) => {
                    self.queue.add(&key, WorkItem::Member(email), trigger, now.mono);
                }
                Impact::AccountStatus(key) => drop(self.recounts.insert(key)),
                Impact::Catalog(name) => self.refresh(KindName::PermissionCatalog, name, Duration::ZERO, now.mono),
                Impact::Store(name) => self.refresh(KindName::IdentityStore, name, Duration::ZERO, now.mono),
                Impact::Status(object) => self.rewrite_status(&object, now),
            }
        }
    }

    /// Queues the accounts that someone else changed in a store. They come behind changes of objects, so that a
    /// writer of the store cannot delay those.
    pub(super) fn changed_in_store(&mut self, store: &Name, account: Option<AccountKey>, now: Now) {
        let kept = |key: &AccountKey| self.store_of(key).as_ref() == Some(store);
        let keys: Vec<AccountKey> = match account {
            Some(key) => Some(key).filter(kept).into_iter().collect(),
            None => self.index.accounts.keys().filter(|key| kept(key)).cloned().collect(),
        };
        for key in &keys {
            self.queue.add(key, WorkItem::Account, Trigger::CHECK, now.mono);
        }
    }

    /// Evaluates a status again that someone else wrote, so that it is also written again.
    fn rewrite_status(&mut self, object: &ObjectRef, now: Now) {
        self.account_status_reported(object, now);
        if self.shard_of_object(object).is_none_or(|shard| !self.shards.has(shard)) {
            return;
        }
        self.statuses.was_touched(object);
        match object.kind {
            KindName::PermissionCatalog | KindName::IdentityStore => {
                self.refresh(object.kind, object.name.clone(), Duration::ZERO, now.mono);
            }
            KindName::Membership => {
                let Some(record) = self.index.member(&object.namespace, &object.name) else { return };
                let key = record.account_key();
                let email = record.facts.email.as_ref();
                let item = email.map_or(WorkItem::Account, |email| WorkItem::Member(email.clone()));
                self.queue.add(&key, item, Trigger::CHANGE, now.mono);
            }
            _ => {
                if let Some(key) = self.index.account_of(object) {
                    self.queue.add(&key, WorkItem::Account, Trigger::CHANGE, now.mono);
                }
            }
        }
    }
}
