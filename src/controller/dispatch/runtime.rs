//! What the loop keeps of an account besides the index, and how it puts a pass together.

use std::{collections::HashMap, sync::Arc, time::Instant};

use jiff::Timestamp;
use tracing::Span;

use super::Dispatcher;
use crate::{
    controller::{
        deletion::Deleted,
        pass::{Pass, PassId, PassOutcome},
        queue::Pending,
        shares::Grip,
    },
    model::{AccountKey, Name, ObjectRef, Scope},
    plan::Mark,
    report::Report,
    resolve::{Definitions, Origin, admitted_children},
    state::{AccountFacts, Counts, Record, WatchEvent},
    telemetry::traces::note,
};

/// What is kept of an account.
#[derive(Default)]
pub(super) struct Runtime {
    /// What was last said of the Account, its roles and groups; their numbers follow its members.
    pub reports: HashMap<ObjectRef, Report>,
    /// When it was last compared whole.
    pub checked: Option<Instant>,
    /// Its definitions as last worked out, and the revision of the account that they are of.
    pub definitions: Option<(u64, Arc<Definitions>)>,
    /// The revision of the definitions that the running pass started with.
    pub asked_definitions: u64,
    /// The generation of the store that the running pass knows.
    pub asked_store: Option<i64>,
}

impl Runtime {
    /// Returns the definitions, where they are those of this revision of the account.
    pub(super) fn known(&self, revision: u64) -> Option<Arc<Definitions>> {
        self.definitions.as_ref().filter(|(of, _)| *of == revision).map(|(_, definitions)| definitions.clone())
    }
}

/// What runs beside the loop.
pub(super) enum Task {
    /// One that counts towards a store's bound.
    OfStore(Name, Box<Task>),
    /// A pass.
    Pass(Box<PassOutcome>),
    /// An account's deletion.
    Deletion(AccountKey, Arc<Record<AccountFacts>>, Deleted),
    /// An account's finalizer.
    Finalizer(AccountKey, Result<(), kube::Error>),
    /// A shard was given back.
    Released(u16),
    /// A look at a catalog or a store; whether it is to be repeated soon, what its record has become, and what could not be
    /// written for want of a right.
    Look {
        reference: ObjectRef,
        report: Option<Report>,
        again: bool,
        seen: Option<Box<WatchEvent>>,
        refused: Option<String>,
    },
}

impl Dispatcher {
    /// Takes everything a pass works on out of the index.
    pub(super) fn pass(
        &mut self,
        key: &AccountKey,
        pending: &Pending,
        account: &Record<AccountFacts>,
        mark: Mark,
        grip: Grip,
    ) -> Option<Pass> {
        let members = (!pending.whole && !pending.members.is_empty()).then_some(&pending.members);
        let mut objects = self.index.in_scope(key, members, Timestamp::now())?;
        objects.counts = self.counts(key, members.is_none());
        if self.writer.depth() > 0 {
            let stale: Vec<ObjectRef> = objects.references().filter(|it| self.writer.concerns(it)).collect();
            objects.stale_statuses.extend(stale);
        }
        let store = Name::new(&account.facts.spec.store_ref.name);
        let spec = objects.snapshot.store.as_ref().map(|store| store.spec.clone());
        let id = self.pass_ids.give();
        let revision = self.index.accounts.get(key).map_or(0, |entry| entry.revision);
        let runtime = self.runtime.entry(key.clone()).or_default();
        runtime.asked_definitions = revision;
        runtime.asked_store = objects.snapshot.store.as_ref().map(|store| store.generation);
        Some(Pass {
            id,
            span: span(id, key, &objects.scope, pending, &store),
            known: runtime.known(revision),
            trigger: pending.trigger.clone(),
            mark,
            grip,
            store: spec.map(|spec| self.stores.handle(&store, &spec)),
            objects,
        })
    }

    /// Numbers of an account.
    pub(super) fn counts(&self, key: &AccountKey, with_children: bool) -> Counts {
        let children = with_children.then(|| admitted_children(&self.index, key).len() as u64);
        Counts { children, ..self.index.counts(key) }
    }
}

/// The span of a pass. Lines of the log name the first three; the rest is for the trace.
fn span(id: PassId, key: &AccountKey, scope: &Scope, pending: &Pending, store: &str) -> Span {
    let (scope, members) = match scope {
        Scope::Account => ("account", None),
        Scope::Members(emails) => ("members", Some(emails.len())),
    };
    let span = tracing::info_span!(parent: None, "pass", pass = %id, account = %key, scope);
    note(&span, "store", store);
    note(&span, "cause", if pending.urgent { "change" } else { "check" });
    if let Some(Origin { kind, name, generation }) = &pending.trigger {
        note(&span, "trigger", format!("{kind}/{name}@{generation}"));
    }
    if let Some(members) = members {
        note(&span, "members", members);
    }
    if let Some(since) = pending.since {
        note(&span, "waited_ms", u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX));
    }
    span
}
