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
    action::ApiFailure,
    clock::MILLI,
    cluster::Change,
    item::{Call, Item},
    objects::condition,
    random::{key, mix},
    run::Sim,
};

pub(super) fn lost() -> ApiFault {
    ApiFault { code: None, message: "no answer".to_owned(), lacks_right: None }
}

pub(super) fn conflict() -> ApiFault {
    ApiFault { code: Some(409), message: "the object has been modified".to_owned(), lacks_right: None }
}

impl Sim {
    /// Carries out an effect.
    pub fn carry_out(&mut self, number: usize, effect: Effect) {
        let time = self.clock.time;
        match effect {
            Effect::Start(pass) => self.begin(number, *pass),
            Effect::Abandon(id) => {
                if self.replicas[number].passes.contains_key(&id) {
                    self.pass_finished(number, id, roster_core::control::PassResult::Aborted);
                }
            }
            Effect::WriteStatus(write) => {
                let draw = mix(&[5, key(&write.object.name), key(&write.object.namespace)]);
                self.send(number, draw, Call::Status(*write));
            }
            Effect::MaintainCatalog(work) => {
                self.send(number, mix(&[6, key(&work.name)]), Call::Catalog(*work));
            }
            Effect::RefreshStore(work) => self.send(number, mix(&[7, key(&work.record.name)]), Call::Store(*work)),
            Effect::Relist => self.relist(number),
            Effect::Release(shard) => {
                if let Some(held) = self.replicas[number].held.remove(&shard) {
                    self.checker.released(shard, held.epoch.0);
                    self.absorb_lease(number, LeaseEvent::Release(shard, held.epoch));
                    self.transcript.record(time, None, || format!("replica {number} releases shard {shard}"));
                }
            }
            Effect::Drop(shard) => {
                if let Some(held) = self.replicas[number].held.remove(&shard) {
                    self.absorb_lease(number, LeaseEvent::Drop(shard, held.epoch));
                }
                self.transcript.record(time, None, || format!("replica {number} drops shard {shard}"));
            }
            Effect::MarkClean(shard) => {
                if let Some(held) = self.replicas[number].held.get(&shard).copied() {
                    self.absorb_lease(number, LeaseEvent::MarkClean(shard, held.epoch));
                }
            }
            Effect::PublishNote { shard, note } => {
                if let Some(held) = self.replicas[number].held.get(&shard).copied() {
                    self.absorb_lease(number, LeaseEvent::PublishNote(shard, held.epoch, note));
                }
            }
            Effect::EmitEvent(notice) => {
                let about = (notice.about.clone(), notice.reason, notice.note.clone());
                self.transcript.record(time, Some(&about.0.namespace), || {
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

    /// Takes the next failure of the API server, if any.
    pub fn next_api_failure(&mut self) -> Option<ApiFailure> {
        if self.is_away() {
            return Some(ApiFailure::Fails);
        }
        let (failure, left) = self.api_failures.first_mut()?;
        let failure = *failure;
        *left = left.saturating_sub(1);
        if *left == 0 {
            self.api_failures.remove(0);
        }
        Some(failure)
    }

    /// Returns the result of a request, which may fail.
    fn with_api_failures<T>(&mut self, request: impl FnOnce(&mut Self) -> Result<T, ApiFault>) -> Result<T, ApiFault> {
        match self.next_api_failure() {
            Some(ApiFailure::Fails) => Err(lost()),
            Some(ApiFailure::Conflicts) => Err(conflict()),
            Some(ApiFailure::LosesReplies) => request(self).and(Err(lost())),
            None => request(self),
        }
    }

    /// Processes a request that arrives at the API server, whether or not its sender still lives.
    pub fn arrive(&mut self, number: usize, life: u64, call: Call) {
        let (event, change, draw) = match call {
            Call::Status(write) => (self.write_status(number, &write), None, key(&write.object.name)),
            Call::Catalog(work) => {
                let (event, change) = self.maintain_catalog(number, life, &work);
                (event, change, key(&work.name))
            }
            Call::Store(work) => (self.refresh_store(&work), None, key(&work.record.name)),
        };
        let after = self.delay(mix(&[8, draw]), MILLI / 2, 5 * MILLI);
        self.at(self.clock.time + after, Item::Reply(number, life, Box::new(event), change));
    }

    fn write_status(&mut self, number: usize, write: &StatusWrite) -> Event {
        let object = write.object.clone();
        let before = self.cluster.version();
        let was = self.cluster.get(&object).map(|stored| stored.status.clone());
        let result = self
            .with_api_failures(|sim| sim.cluster.write_status(&write.object, &write.resource_version, &write.status));
        if self.cluster.version() != before {
            self.checker.note_status(&object, was.as_deref(), &write.status);
        }
        let time = self.clock.time;
        self.mark(&[4, key(&object.name), key(&write.status.to_string())]);
        self.transcript.record(time, Some(&object.namespace), || {
            let ready = condition(&write.status, "Ready")
                .map_or("nothing".to_owned(), |(is, reason, message)| format!("Ready={is} {reason} {message}"));
            let result = result.as_ref().err().map(|fault| format!("; refused: {fault}")).unwrap_or_default();
            format!("replica {number} writes the status of {object:?}: {ready}{result}")
        });
        Event::StatusWritten { object, result }
    }

    fn maintain_catalog(&mut self, number: usize, life: u64, work: &CatalogMaintenance) -> (Event, Option<Change>) {
        let mut failure = None;
        if let Some((catalog, used)) = &work.finalizer
            && catalog.meta.finalizer != *used
            && (*used || self.cluster.is_unused(KindName::PermissionCatalog, &work.name))
        {
            let object = catalog.reference(KindName::PermissionCatalog);
            let set = self.with_api_failures(|sim| {
                sim.cluster.set_finalizer(&object, &catalog.meta.uid, *used);
                Ok(())
            });
            failure = set.err();
        }
        let mut record_event = None;
        let mut change = None;
        let believes = self.replicas[number].life == life && self.believes(number, work.shard);
        if let Some(record) = work.record.as_ref().filter(|_| believes) {
            let time = self.clock.time;
            self.transcript
                .record(time, None, || format!("replica {number} writes the record of catalog {}", work.name));
            match self.with_api_failures(|sim| sim.cluster.write_record(&work.name, record)) {
                Ok(written) => {
                    change = written.as_ref().and_then(|_| self.cluster.log(KindName::CatalogRecord).last().cloned());
                    record_event = written.map(|object| Box::new(WatchEvent::Object(object)));
                }
                Err(fault) => failure = Some(fault),
            }
        }
        (Event::CatalogMaintained { id: work.id, record: record_event, fault: failure }, change)
    }

    fn refresh_store(&mut self, work: &StoreRefresh) -> Event {
        let used = !work.users.is_empty();
        let mut fault = None;
        if work.speaks
            && work.record.meta.finalizer != used
            && (used || self.cluster.is_unused(KindName::IdentityStore, &work.record.name))
        {
            let object = work.record.reference(KindName::IdentityStore);
            let set = self.with_api_failures(|sim| {
                sim.cluster.set_finalizer(&object, &work.record.meta.uid, used);
                Ok(())
            });
            fault = set.err();
        }
        let (wall, mut is_remembered) = (self.clock.wall(), false);
        let id = self.stores.get(&work.record.name).and_then(|store| store.id().ok());
        let known = &work.record.facts.known;
        if let Some(id) = known.to_remember(id.as_ref()).filter(|_| work.speaks) {
            let object = work.record.reference(KindName::IdentityStore);
            let remembered = self.with_api_failures(|sim| {
                sim.cluster.annotate(&object, STORE_ID_ANNOTATION, Some(id));
                if known.approved.as_ref() == Some(id) {
                    sim.cluster.annotate(&object, APPROVE_STORE_ANNOTATION, None);
                }
                Ok(())
            });
            is_remembered = remembered.is_ok();
            fault = fault.or(remembered.err());
        }
        let store = self.stores.get(&work.record.name);
        let gone = || roster_core::contract::StoreError::Unavailable("no such store".to_owned());
        let found = store.ok_or_else(gone).and_then(|store| {
            if store.faults.silent {
                return Err(roster_core::contract::StoreError::Unavailable("no response within 30 s".to_owned()));
            }
            let totals = store.totals()?;
            let marks = store.marks()?;
            let mut blocked: Vec<Email> = work.record.facts.blocked.keys().cloned().collect();
            blocked.sort();
            let blocked_with_access = store.with_access(&blocked, wall)?;
            let ours = marks.into_iter().filter(|mark| mark.cluster == work.cluster);
            let orphaned = ours.filter(|mark| !work.users.contains(&(mark.account.clone(), mark.uid.clone())));
            Ok(StoreFound {
                id: Some(store.id()?),
                accounts: totals.accounts,
                members: totals.members,
                orphaned: orphaned.map(|mark| mark.account).collect(),
                blocked_with_access,
                ..StoreFound::default()
            })
        });
        Event::StoreRefreshed { id: work.id, found, remembered: is_remembered, fault }
    }

    /// Sets a finalizer for a pass.
    pub(super) fn finalize(
        &mut self,
        object: &roster_core::model::ObjectRef,
        uid: &str,
        wanted: bool,
    ) -> Result<(), ApiFault> {
        let object = Arc::new(object.clone());
        self.with_api_failures(|sim| {
            sim.cluster.set_finalizer(&object, uid, wanted);
            Ok(())
        })
    }

    /// Reads for a pass whether an IdentityStore is missing.
    pub(super) fn looks_for_store(&mut self, name: &Name) -> Result<bool, ApiFault> {
        match self.next_api_failure() {
            Some(_) => Err(lost()),
            None => Ok(self.cluster.lacks_store(name)),
        }
    }

    /// Reads for a pass whether the objects around an account stay.
    pub(super) fn read_fresh(
        &mut self,
        account: &roster_core::model::AccountKey,
        uid: &str,
    ) -> Result<FreshRead, ApiFault> {
        match self.next_api_failure() {
            Some(_) => Err(lost()),
            None => Ok(self.cluster.read_fresh(account, uid)),
        }
    }
}
