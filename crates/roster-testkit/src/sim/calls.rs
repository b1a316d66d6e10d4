//! Effects of a loop that go to the API server, and refreshes of stores. Called by the run.

use std::sync::Arc;

use roster_core::{
    api::{APPROVE_STORE_ANNOTATION, STORE_ID_ANNOTATION},
    control::{ApiFault, CatalogMaintenance, Effect, Event, FreshRead, StatusWrite, StoreRefresh, leases::LeaseEvent},
    model::{Email, KindName, Name},
    report::StoreFound,
    state::WatchEvent,
};

use super::{
    action::ApiTrouble,
    clock::MILLI,
    cluster::Change,
    objects::condition,
    random::{key, mix},
    run::{Item, Sim},
};

/// Request in flight to the API server.
pub enum Call {
    /// Write of a status.
    Status(StatusWrite),
    /// Update of a catalog's finalizer and record.
    Catalog(CatalogMaintenance),
    /// Refresh of a store.
    Store(StoreRefresh),
}

pub(super) fn lost() -> ApiFault {
    ApiFault { code: None, said: "no answer".to_owned(), lacks_right: None }
}

pub(super) fn conflict() -> ApiFault {
    ApiFault { code: Some(409), said: "the object has been modified".to_owned(), lacks_right: None }
}

impl Sim {
    /// Carries out an effect.
    pub fn carry_out(&mut self, number: usize, effect: Effect) {
        let time = self.clock.time;
        match effect {
            Effect::Start(pass) => self.begin(number, *pass),
            Effect::Abandon(id) => {
                if self.replicas[number].passes.contains_key(&id) {
                    self.ended(number, id, roster_core::control::PassEnded::BrokeOff);
                }
            }
            Effect::WriteStatus(write) => {
                let draw = mix(&[5, key(&write.object.name), key(&write.object.namespace)]);
                self.send(number, draw, Call::Status(*write));
            }
            Effect::MaintainCatalog(tending) => {
                self.send(number, mix(&[6, key(&tending.name)]), Call::Catalog(*tending));
            }
            Effect::RefreshStore(look) => self.send(number, mix(&[7, key(&look.record.name)]), Call::Store(*look)),
            Effect::Relist => self.relist(number),
            Effect::Release(shard) => {
                if let Some(held) = self.replicas[number].held.remove(&shard) {
                    self.checker.released(shard, held.epoch.0);
                    self.absorb_lease(number, LeaseEvent::Release(shard, held.epoch));
                    self.story.tell(time, None, || format!("replica {number} releases shard {shard}"));
                }
            }
            Effect::Drop(shard) => {
                if let Some(held) = self.replicas[number].held.remove(&shard) {
                    self.absorb_lease(number, LeaseEvent::Drop(shard, held.epoch));
                }
                self.story.tell(time, None, || format!("replica {number} drops shard {shard}"));
            }
            Effect::StoresKnow(shard) => {
                if let Some(held) = self.replicas[number].held.get(&shard).copied() {
                    self.absorb_lease(number, LeaseEvent::EveryStoreKnows(shard, held.epoch));
                }
            }
            Effect::Say { shard, note } => {
                if let Some(held) = self.replicas[number].held.get(&shard).copied() {
                    self.absorb_lease(number, LeaseEvent::Say(shard, held.epoch, note));
                }
            }
            Effect::Tell(notice) => {
                let about = (notice.about.clone(), notice.reason, notice.note.clone());
                self.story.tell(time, Some(&about.0.namespace), || {
                    format!("replica {number} tells of {:?}: {:?} {}", about.0, about.1, about.2)
                });
            }
        }
    }

    fn send(&mut self, number: usize, draw: u64, call: Call) {
        let after = self.delay(draw, MILLI / 2, 12 * MILLI);
        let life = self.replicas[number].life;
        self.at(self.clock.time + after, Item::Arrive(number, life, Box::new(call)));
    }

    /// Uses up one request's share of the API server's trouble.
    pub fn trouble(&mut self) -> Option<ApiTrouble> {
        if self.is_away() {
            return Some(ApiTrouble::Fails);
        }
        let (trouble, left) = self.troubles.first_mut()?;
        let trouble = *trouble;
        *left = left.saturating_sub(1);
        if *left == 0 {
            self.troubles.remove(0);
        }
        Some(trouble)
    }

    /// Returns the result of a request under trouble.
    fn troubled<T>(&mut self, request: impl FnOnce(&mut Self) -> Result<T, ApiFault>) -> Result<T, ApiFault> {
        match self.trouble() {
            Some(ApiTrouble::Fails) => Err(lost()),
            Some(ApiTrouble::Conflicts) => Err(conflict()),
            Some(ApiTrouble::LosesReplies) => request(self).and(Err(lost())),
            None => request(self),
        }
    }

    /// Processes a request that arrives at the API server, whether or not its sender still lives.
    pub fn arrive(&mut self, number: usize, life: u64, call: Call) {
        let (event, seen, draw) = match call {
            Call::Status(write) => (self.write_status(number, &write), None, key(&write.object.name)),
            Call::Catalog(tending) => {
                let (event, seen) = self.tend_catalog(number, life, &tending);
                (event, seen, key(&tending.name))
            }
            Call::Store(look) => (self.look_at_store(&look), None, key(&look.record.name)),
        };
        let after = self.delay(mix(&[8, draw]), MILLI / 2, 5 * MILLI);
        self.at(self.clock.time + after, Item::Reply(number, life, Box::new(event), seen));
    }

    fn write_status(&mut self, number: usize, write: &StatusWrite) -> Event {
        let object = write.object.clone();
        let before = self.cluster.version();
        let was = self.cluster.get(&object).map(|stored| stored.status.clone());
        let result =
            self.troubled(|sim| sim.cluster.write_status(&write.object, &write.resource_version, &write.status));
        if self.cluster.version() != before {
            self.checker.note_status(&object, was.as_deref(), &write.status);
        }
        let time = self.clock.time;
        self.mark(&[4, key(&object.name), key(&write.status.to_string())]);
        self.story.tell(time, Some(&object.namespace), || {
            let ready = condition(&write.status, "Ready")
                .map_or("nothing".to_owned(), |(is, reason, message)| format!("Ready={is} {reason} {message}"));
            let result = result.as_ref().err().map(|fault| format!("; refused: {fault}")).unwrap_or_default();
            format!("replica {number} writes the status of {object:?}: {ready}{result}")
        });
        Event::StatusWritten { object, result }
    }

    fn tend_catalog(&mut self, number: usize, life: u64, tending: &CatalogMaintenance) -> (Event, Option<Change>) {
        let mut failure = None;
        if let Some((catalog, used)) = &tending.finalizer
            && catalog.meta.finalizer != *used
            && (*used || self.cluster.is_unused(KindName::PermissionCatalog, &tending.name))
        {
            let object = catalog.reference(KindName::PermissionCatalog);
            let set = self.troubled(|sim| {
                sim.cluster.set_finalizer(&object, &catalog.meta.uid, *used);
                Ok(())
            });
            failure = set.err();
        }
        let mut seen = None;
        let mut change = None;
        let believes = self.replicas[number].life == life && self.believes(number, tending.shard);
        if let Some(record) = tending.record.as_ref().filter(|_| believes) {
            let time = self.clock.time;
            self.story.tell(time, None, || format!("replica {number} writes the record of catalog {}", tending.name));
            match self.troubled(|sim| sim.cluster.write_record(&tending.name, record)) {
                Ok(written) => {
                    change = written.as_ref().and_then(|_| self.cluster.log(KindName::CatalogRecord).last().cloned());
                    seen = written.map(|object| Box::new(WatchEvent::Object(object)));
                }
                Err(fault) => failure = Some(fault),
            }
        }
        (Event::CatalogMaintained { id: tending.id, seen, fault: failure }, change)
    }

    fn look_at_store(&mut self, look: &StoreRefresh) -> Event {
        let used = !look.users.is_empty();
        let mut fault = None;
        if look.speaks
            && look.record.meta.finalizer != used
            && (used || self.cluster.is_unused(KindName::IdentityStore, &look.record.name))
        {
            let object = look.record.reference(KindName::IdentityStore);
            let set = self.troubled(|sim| {
                sim.cluster.set_finalizer(&object, &look.record.meta.uid, used);
                Ok(())
            });
            fault = set.err();
        }
        let (wall, mut is_remembered) = (self.clock.wall(), false);
        let id = self.stores.get(&look.record.name).and_then(|store| store.id().ok());
        let known = &look.record.facts.known;
        if let Some(id) = known.to_remember(id.as_ref()).filter(|_| look.speaks) {
            let object = look.record.reference(KindName::IdentityStore);
            let remembered = self.troubled(|sim| {
                sim.cluster.annotate(&object, STORE_ID_ANNOTATION, Some(id));
                if known.approved.as_ref() == Some(id) {
                    sim.cluster.annotate(&object, APPROVE_STORE_ANNOTATION, None);
                }
                Ok(())
            });
            is_remembered = remembered.is_ok();
            fault = fault.or(remembered.err());
        }
        let store = self.stores.get(&look.record.name);
        let gone = || roster_core::contract::StoreError::Unavailable("no such store".to_owned());
        let found = store.ok_or_else(gone).and_then(|store| {
            if store.faults.silent {
                return Err(roster_core::contract::StoreError::Unavailable("no response within 30 s".to_owned()));
            }
            let totals = store.totals()?;
            let marks = store.marks()?;
            let mut blocked: Vec<Email> = look.record.facts.blocked.keys().cloned().collect();
            blocked.sort();
            let blocked_with_access = store.with_access(&blocked, wall)?;
            let ours = marks.into_iter().filter(|mark| mark.cluster == look.cluster);
            let orphaned = ours.filter(|mark| !look.users.contains(&(mark.account.clone(), mark.uid.clone())));
            Ok(StoreFound {
                id: Some(store.id()?),
                accounts: totals.accounts,
                members: totals.members,
                orphaned: orphaned.map(|mark| mark.account).collect(),
                blocked_with_access,
                ..StoreFound::default()
            })
        });
        Event::StoreRefreshed { id: look.id, found, remembered: is_remembered, fault }
    }

    /// Sets a finalizer for a pass.
    pub(super) fn finalize(
        &mut self,
        object: &roster_core::model::ObjectRef,
        uid: &str,
        wanted: bool,
    ) -> Result<(), ApiFault> {
        let object = Arc::new(object.clone());
        self.troubled(|sim| {
            sim.cluster.set_finalizer(&object, uid, wanted);
            Ok(())
        })
    }

    /// Reads for a pass whether an IdentityStore is missing.
    pub(super) fn looks_for_store(&mut self, name: &Name) -> Result<bool, ApiFault> {
        match self.trouble() {
            Some(_) => Err(lost()),
            None => Ok(self.cluster.lacks_store(name)),
        }
    }

    /// Reads for a pass whether the objects around an account stay.
    pub(super) fn read_afresh(
        &mut self,
        account: &roster_core::model::AccountKey,
        uid: &str,
    ) -> Result<FreshRead, ApiFault> {
        match self.trouble() {
            Some(_) => Err(lost()),
            None => Ok(self.cluster.stays(account, uid)),
        }
    }
}
