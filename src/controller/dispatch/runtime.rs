//! What the loop keeps of an account besides the index, and how it puts a pass together.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Instant,
};

use jiff::Timestamp;
use tracing::Span;

use super::Dispatcher;
use crate::controller::{
    deletion::Deleted,
    pass::{Counts, Memberships, Pass, PassId, PassOutcome},
    queue::Pending,
    record::{KindName, ObjectRef, Record, Seen},
    shares::Grip,
    status::Report,
};
use crate::{
    model::{AccountKey, Email, Name},
    plan::Mark,
    resolve::{AccountFacts, Origin, Scope},
    telemetry::traces::note,
};

/// What is kept of an account.
#[derive(Default)]
pub(super) struct Runtime {
    /// What was last said of the Account, its roles and groups; their numbers follow its members.
    pub reports: HashMap<ObjectRef, Report>,
    /// When it was last compared whole.
    pub checked: Option<Instant>,
    /// The revision of the definitions that the running pass started with.
    pub asked_definitions: u64,
    /// The generation of the store that the running pass knows.
    pub asked_store: Option<i64>,
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
    Look { reference: ObjectRef, report: Option<Report>, again: bool, seen: Option<Box<Seen>>, refused: Option<String> },
}

impl Dispatcher {
    /// Takes everything a pass works on out of the index.
    pub(super) fn pass(
        &mut self,
        key: &AccountKey,
        pending: &Pending,
        account: Arc<Record<AccountFacts>>,
        mark: Mark,
        grip: Grip,
    ) -> Option<Pass> {
        let snapshot = self.index.snapshot(key)?;
        let entry = self.index.accounts.get(key)?;
        let memberships = |email: &Email| -> Memberships {
            let names = entry.addresses.get(email).into_iter().flatten();
            let records = names.filter_map(|name| self.index.member(&key.namespace, name));
            records.filter(|record| !record.meta.deleting).cloned().collect()
        };
        let whole = pending.whole || (pending.members.is_empty());
        let (scope, members) = if whole {
            let all = entry.addresses.keys().map(|email| (email.clone(), memberships(email)));
            (Scope::Account, all.filter(|(_, records)| !records.is_empty()).collect())
        } else {
            let emails: Vec<Email> = pending.members.iter().cloned().collect();
            let members = emails.iter().map(|email| (email.clone(), memberships(email))).collect();
            (Scope::Members(emails.into()), members)
        };
        let in_scope = |email: Option<&Email>| whole || email.is_some_and(|email| pending.members.contains(email));
        let invitations = self.index.invitations_of(key);
        let invitations =
            invitations.filter(|record| !record.meta.deleting && in_scope(record.facts.email.as_ref().ok())).cloned();
        let records = |names: &std::collections::BTreeSet<Name>| -> Vec<_> {
            names.iter().filter_map(|name| self.index.member(&key.namespace, name).cloned()).collect()
        };
        let spec = snapshot.store.as_ref().map(|store| store.spec.clone());
        let id = self.pass_ids.give();
        let mut pass = Pass {
            id,
            span: span(id, key, &scope, pending, &account.facts.spec.store_ref.name),
            key: key.clone(),
            scope,
            known: entry.definitions.clone(),
            members,
            unaddressed: if whole { records(&entry.unaddressed) } else { Vec::new() },
            roles: if whole { self.index.roles_of(key).cloned().collect() } else { Vec::new() },
            groups: if whole { self.index.groups_of(key).cloned().collect() } else { Vec::new() },
            invitations: invitations.collect(),
            unsettled: HashSet::new(),
            counts: self.counts(key, whole),
            trigger: pending.trigger.clone(),
            mark,
            grip,
            now: Timestamp::now(),
            store: spec.map(|spec| self.stores.handle(&Name::new(&account.facts.spec.store_ref.name), &spec)),
            snapshot,
            account,
        };
        pass.unsettled = self.unsettled(&pass);
        let revision = self.index.accounts.get(key).map_or(0, |entry| entry.revision);
        let runtime = self.runtime.entry(key.clone()).or_default();
        runtime.asked_definitions = revision;
        runtime.asked_store = pass.snapshot.store.as_ref().map(|store| store.generation);
        Some(pass)
    }

    /// The objects of a pass of whose status something waits to be written, or is being written.
    fn unsettled(&self, pass: &Pass) -> HashSet<ObjectRef> {
        if self.writer.depth() == 0 {
            return HashSet::new();
        }
        let members = pass.members.iter().flat_map(|(_, records)| records).chain(&pass.unaddressed);
        let members = members.map(|record| record.reference(KindName::Membership));
        let roles = pass.roles.iter().map(|record| record.reference(KindName::Role));
        let groups = pass.groups.iter().map(|record| record.reference(KindName::UserGroup));
        let invitations = pass.invitations.iter().map(|record| record.reference(KindName::Invitation));
        let account = std::iter::once(pass.account.reference(KindName::Account));
        let all = members.chain(roles).chain(groups).chain(invitations).chain(account);
        all.filter(|reference| self.writer.concerns(reference)).collect()
    }

    /// Numbers of an account.
    pub(super) fn counts(&self, key: &AccountKey, with_children: bool) -> Counts {
        let Some(entry) = self.index.accounts.get(key) else { return Counts::default() };
        Counts {
            memberships: entry.memberships(),
            role_refs: entry.role_refs.clone(),
            group_refs: entry.group_refs.clone(),
            roles: entry.roles.len() as u64,
            groups: entry.groups.len() as u64,
            invitations: entry.invitations.len() as u64,
            children: with_children.then(|| self.index.admitted_children(key).len() as u64),
        }
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
