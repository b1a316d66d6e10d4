//! Carries out the effects of the loop: starts passes, status writes and refreshes as tasks, and changes leases. The shell
//! calls it after each decision, and receives the results as events.

use std::{future::Future, time::Instant};

use tracing::{Instrument as _, Span};

use super::{Done, Owner, Shell};
use crate::{
    cluster::{
        api_error::fault,
        catalog_record,
        leases::{Leadership, LeaseCheck},
        status, store_id,
    },
    control::{CatalogMaintenance, Effect, Event, Pass, PassResult, PassWork, StatusWrite, StoreRefresh, run_pass},
    controller::{log, pass_environment::LiveEnvironment, refresh, trace::end_of_deletion},
    model::{KindName, Name, ObjectRef},
};

impl Shell {
    pub(super) fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Start(pass) => self.start(*pass),
            Effect::Abandon(id) => {
                if let Some(abort) = self.aborts.get(&id) {
                    abort.abort();
                }
            }
            Effect::WriteStatus(write) => self.write_status(*write),
            Effect::MaintainCatalog(work) => self.maintain_catalog(*work),
            Effect::RefreshStore(work) => self.refresh_store(*work),
            Effect::Relist => self.relist = true,
            Effect::Release(shard) => {
                if let Some(leadership) = self.leases.remove(&shard) {
                    self.spawn(Owner::Release, async move {
                        leadership.release().await;
                        Done::Released(shard)
                    });
                }
            }
            Effect::Drop(shard) => {
                self.leases.remove(&shard);
                let what = "passes did not end in time and were cancelled; the next holder waits until the lease \
                            expires";
                tracing::warn!(shard, "{what}");
            }
            Effect::MarkClean(shard) => {
                if let Some(leadership) = self.leases.get(&shard) {
                    leadership.mark_clean();
                }
            }
            Effect::PublishNote { shard, note } => {
                if let Some(leadership) = self.leases.get(&shard) {
                    leadership.publish_note(&note);
                }
            }
            Effect::EmitEvent(notice) => {
                log::notice(&notice, self.context.log_addresses);
                self.context.events.emit(notice);
            }
        }
    }

    fn spawn(&mut self, owner: Owner, task: impl Future<Output = Done> + Send + 'static) {
        let id = match &owner {
            Owner::Pass(id) | Owner::Refresh(id, _) => Some(*id),
            Owner::Status(_) | Owner::Release => None,
        };
        let handle = self.tasks.spawn(task);
        self.owners.insert(handle.id(), owner);
        if let Some(id) = id {
            self.aborts.insert(id, handle);
        }
    }

    fn lease_check(&self, shard: u16) -> Option<LeaseCheck> {
        self.leases.get(&shard).map(Leadership::check)
    }

    fn start(&mut self, pass: Pass) {
        let facts = pass.store_facts.as_ref();
        let environment = LiveEnvironment {
            client: self.context.client.clone(),
            rights: self.context.rights.clone(),
            store: facts.map(|facts| self.stores.handle(&pass.store, &facts.spec)),
            log_addresses: self.context.log_addresses,
            account: pass.key.clone(),
            lease: self.lease_check(pass.permit.shard),
        };
        let now = self.now().mono;
        let span = self.traces.begin(&pass, now);
        let (id, with_addresses) = (pass.id, self.context.log_addresses);
        let work = async move {
            let started = Instant::now();
            let result = run_pass(&pass, &environment).await;
            if let (PassWork::Delete(work), PassResult::Deleted(deleted)) = (&pass.work, &result) {
                end_of_deletion(&pass, &work.account.facts.spec, deleted, with_addresses);
            }
            Done::Pass(id, result, started.elapsed())
        };
        self.spawn(Owner::Pass(id), work.instrument(span));
    }

    fn write_status(&mut self, write: StatusWrite) {
        let client = self.context.client.clone();
        let object = write.object.clone();
        let span = write.pass.and_then(|pass| self.traces.span(pass)).map_or_else(
            Span::none,
            |pass| tracing::debug_span!(parent: pass, "status", kind = object.kind.as_str(), name = %object.name),
        );
        let owner = Owner::Status(object.clone());
        let work = async move {
            let result = status::write(&client, &write).await;
            Done::Event(Box::new(Event::StatusWritten { object, result }))
        };
        self.spawn(owner, work.instrument(span));
    }

    fn maintain_catalog(&mut self, work: CatalogMaintenance) {
        let (client, namespace, metrics) =
            (self.context.client.clone(), self.context.namespace.clone(), self.context.metrics.clone());
        let lease = self.lease_check(work.shard);
        let object =
            ObjectRef { kind: KindName::PermissionCatalog, namespace: Name::default(), name: work.name.clone() };
        self.spawn(Owner::Refresh(work.id, object), async move {
            let CatalogMaintenance { id, name, shard: _, finalizer, record } = work;
            let mut failure = None;
            if let Some((catalog, used)) = finalizer {
                failure = refresh::keep_finalizer(&client, KindName::PermissionCatalog, &catalog, used).await.err();
            }
            let mut record_event = None;
            if let Some((write, lease)) = record.zip(lease) {
                let written = catalog_record::write(&client, &namespace, &name, write, &lease).await;
                metrics.api_write("record", if written.is_ok() { "ok" } else { "failed" });
                match written {
                    Ok(event) => record_event = event,
                    Err(error) => {
                        // After a conflict, the event of the other write triggers another attempt, and sooner.
                        let message = fault(&error);
                        if message.is_conflict() {
                            tracing::debug!(catalog = %name, error = message.message, "record not written, trying again");
                        } else {
                            tracing::warn!(catalog = %name, error = message.message, "record not written, trying again");
                        }
                        failure = Some(error);
                    }
                }
            }
            let fault = failure.as_ref().map(fault);
            Done::Event(Box::new(Event::CatalogMaintained { id, record: record_event.map(Box::new), fault }))
        });
    }

    fn refresh_store(&mut self, work: StoreRefresh) {
        let handle = self.stores.handle(&work.record.name, &work.record.facts.spec);
        let client = self.context.client.clone();
        let object = work.record.reference(KindName::IdentityStore);
        self.spawn(Owner::Refresh(work.id, object), async move {
            let used = !work.users.is_empty();
            let kept = if work.speaks {
                refresh::keep_finalizer(&client, KindName::IdentityStore, &work.record, used).await.err()
            } else {
                None
            };
            let found = refresh::refresh_store(&work, &handle).await;
            let id = found.as_ref().ok().and_then(|found| found.id.as_ref());
            let written = match work.record.facts.known.to_remember(id).filter(|_| work.speaks) {
                Some(id) => Some(store_id::remember(&client, &work.record, id).await),
                None => None,
            };
            let remembered = matches!(written, Some(Ok(())));
            let fault = kept.or(written.and_then(Result::err)).as_ref().map(fault);
            Done::Event(Box::new(Event::StoreRefreshed { id: work.id, found, remembered, fault }))
        });
    }
}
