//! Starts what is due: passes, deletions, finalizers, looks at catalogs and stores. Each runs beside the loop.

use std::{collections::BTreeSet, time::Instant};

use jiff::Timestamp;
use tracing::Instrument as _;

use super::{Dispatcher, ORPHAN_DELAY, runtime::Task};
use crate::{
    cluster::{api_error::refusal, finalizer},
    controller::{
        deletion::{self, Deletion},
        look::{self, StoreLook},
        queue::{Admit, Ended, Pending},
        reconcile::reconcile,
        writer::Lane,
    },
    model::{AccountKey, KindName, Name, ObjectRef},
    plan::Mark,
    report,
    resolve::admitted_children,
    state::{AccountFacts, Record},
    telemetry::traces::note,
};

impl Dispatcher {
    pub(super) fn start_tasks(&mut self) {
        let (complete, may_delete) = (self.is_complete(), self.may_delete());
        self.start_looks(complete);
        loop {
            let (index, shares, busy) = (&self.index, &self.shares, &self.busy);
            let most = self.setting.max_concurrent_accounts;
            let taken = self.queue.take(|key| {
                let object = index.accounts.get(key).and_then(|entry| entry.object.as_ref());
                let spec = object.and_then(|object| index.stores.get(object.facts.spec.store_ref.name.as_str()));
                if !shares.has(shares.shard(key, spec.map(|record| &record.facts.spec))) {
                    return Admit::Elsewhere;
                }
                let deletes = may_delete && object.is_some_and(|object| object.meta.deleting);
                if !complete && !deletes {
                    return Admit::NotYet;
                }
                match object.map(|object| Name::new(&object.facts.spec.store_ref.name)) {
                    Some(store) if busy.get(&store).copied().unwrap_or(0) >= most => Admit::Full(store),
                    _ => Admit::Start,
                }
            });
            let Some((key, pending)) = taken else { return };
            self.start(&key, &pending);
        }
    }

    fn start(&mut self, key: &AccountKey, pending: &Pending) {
        let Some(record) = self.index.accounts.get(key).and_then(|entry| entry.object.clone()) else {
            self.report_orphans(key, pending);
            self.gone_over(key, None);
            self.queue.finished(key, Ended::Done);
            if !self.index.accounts.contains_key(key) {
                self.queue.forget(key);
                self.runtime.remove(key);
            }
            return;
        };
        let store = Name::new(&record.facts.spec.store_ref.name);
        let Some(grip) = self.shares.grip(self.shard_of(key)) else {
            self.queue.finished(key, Ended::Done);
            return;
        };
        let client = self.setting.client.clone();
        let reference = record.reference(KindName::Account);
        let mark = Mark { cluster: self.setting.cluster.clone(), account: key.clone(), uid: record.meta.uid.clone() };
        if record.meta.deleting {
            if !record.meta.finalizer {
                self.gone_over(key, None);
                self.queue.finished(key, Ended::Done);
                return;
            }
            let children = admitted_children(&self.index, key);
            let facts = self.index.stores.get(&store).map(|record| record.facts.clone());
            let deletion = Deletion {
                account: record,
                children,
                store: facts.map(|facts| self.stores.handle(&store, &facts.spec)),
                mark,
                grip,
                now: Timestamp::now(),
            };
            let id = self.pass_ids.give();
            let span = tracing::info_span!(parent: None, "deletion", pass = %id, account = %key);
            note(&span, "store", store.as_ref());
            let work = async move {
                let deleted = deletion::delete(&deletion, &client).await;
                Task::Deletion(deletion.mark.account.clone(), deletion.account, deleted)
            };
            self.spawn(store, reference, work.instrument(span));
        } else if let Some(missing) = self.missing_finalizers(&record) {
            // First of all, so that nothing can be left behind; their events bring the pass about.
            let key = key.clone();
            self.spawn(store, reference, async move {
                let mut result = Ok(());
                for (reference, uid) in &missing {
                    result = result.and(finalizer::set(&client, reference, uid, true).await);
                }
                Task::Finalizer(key, result)
            });
        } else if let Some(pass) = self.pass(key, pending, &record, mark, grip) {
            let span = pass.span.clone();
            let work = async move { Task::Pass(Box::new(reconcile(pass, &client).await)) };
            self.spawn(store, reference, work.instrument(span));
        } else {
            self.gone_over(key, None);
            self.queue.finished(key, Ended::Done);
        }
    }

    /// What must not go before this account has: itself, its catalog and its store, as far as they do not know it yet.
    fn missing_finalizers(&self, account: &Record<AccountFacts>) -> Option<Vec<(ObjectRef, Name)>> {
        let spec = &account.facts.spec;
        let catalog = self.index.catalogs.get(spec.catalog_ref.name.as_str());
        let store = self.index.stores.get(spec.store_ref.name.as_str());
        let all = [
            catalog.map(|record| (record.reference(KindName::PermissionCatalog), &record.meta)),
            store.map(|record| (record.reference(KindName::IdentityStore), &record.meta)),
            // Last, so that its event finds the others in place.
            Some((account.reference(KindName::Account), &account.meta)),
        ];
        let missing = all.into_iter().flatten().filter(|(_, meta)| !meta.finalizer && !meta.deleting);
        let missing: Vec<_> = missing.map(|(reference, meta)| (reference, meta.uid.clone())).collect();
        (!missing.is_empty()).then_some(missing)
    }

    fn spawn(&mut self, store: Name, reference: ObjectRef, task: impl Future<Output = Task> + Send + 'static) {
        *self.busy.entry(store.clone()).or_default() += 1;
        let handle = self.tasks.spawn(async move { Task::OfStore(store, Box::new(task.await)) });
        self.owners.insert(handle.id(), (reference, handle));
    }

    /// A catalog or store that is being deleted needs only its accounts to be known; the other kinds may be gone already.
    fn start_looks(&mut self, complete: bool) {
        if !self.shares.leads() {
            self.looks.retain(|_, look| look.running);
            return;
        }
        let now = Instant::now();
        let may_let_go = self.knows_accounts();
        let deleting = |reference| self.index.meta(reference).is_some_and(|meta| meta.deleting);
        let due: Vec<ObjectRef> = self
            .looks
            .iter()
            .filter(|(_, look)| !look.running && look.due.is_some_and(|due| due <= now))
            .filter(|(reference, _)| complete || (may_let_go && deleting(reference)))
            .map(|(reference, _)| reference.clone())
            .collect();
        for reference in due {
            if let Some(look) = self.looks.get_mut(&reference) {
                look.due = None;
            }
            match reference.kind {
                KindName::PermissionCatalog => self.look_at_catalog(&reference, complete),
                _ => self.look_at_store(&reference),
            }
        }
    }

    fn look_at_store(&mut self, reference: &ObjectRef) {
        let Some(record) = self.index.stores.get(&reference.name).cloned() else { return };
        let accounts = self.index.accounts.iter().filter_map(|(key, entry)| Some((key, entry.object.as_ref()?)));
        let users = accounts
            .filter(|(_, account)| account.facts.spec.store_ref.name == *record.name)
            .map(|(key, account)| (key.clone(), account.meta.uid.clone()))
            .collect::<BTreeSet<_>>();
        let handle = self.stores.handle(&record.name, &record.facts.spec);
        let settled = self.is_settled(&record);
        let look = StoreLook { record, handle, users, cluster: self.setting.cluster.clone(), settled };
        let client = self.setting.client.clone();
        let reference = reference.clone();
        if let Some(look) = self.looks.get_mut(&reference) {
            look.running = true;
        }
        let owner = reference.clone();
        let task = self.tasks.spawn(async move {
            let used = !look.users.is_empty();
            let kept = look::keep_finalizer(&client, KindName::IdentityStore, &look.record, used).await.err();
            let (report, error) = look::look(&look).await;
            let again = kept.is_some() || error.is_some();
            let refused = kept.as_ref().and_then(refusal);
            Task::Look { reference, report: Some(report), again, seen: None, refused }
        });
        self.owners.insert(task.id(), (owner, task));
    }

    fn report_orphans(&mut self, key: &AccountKey, pending: &Pending) {
        for reference in self.index.belongings(key, (!pending.whole).then_some(&pending.members)) {
            let Some(meta) = self.index.meta(&reference) else { continue };
            let report = report::orphan(&reference, &key.name, meta.generation);
            self.writer.put(reference, report, Lane::Bulk, ORPHAN_DELAY);
        }
    }
}
