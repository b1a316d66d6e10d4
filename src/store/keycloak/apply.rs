//! Applies a batch: one request after the other in the order of the plan, and members in parallel. Called by
//! `KeycloakStore` for `Store::apply`.
//!
//! Keycloak has no transactions. Each change is a series of requests that can be repeated. Wherever it stops, nobody
//! has more access than before or than desired: marks are written before grants, and revocations come first.

use std::collections::HashMap;

use futures::{StreamExt, stream, stream::FuturesUnordered};
use keycloak::types::{GroupRepresentation, RoleRepresentation};

use super::{
    names::{APPROVALS, DEFINITIONS, Definition, NAME, PERMISSIONS, REMOVALS, TITLE, granted},
    note::{Defined, Stamp},
    read_scope::ReadScope,
    realm::{Realm, made_id},
    snapshot::AccountSnapshot,
    wire::CONCURRENCY,
};
use crate::{
    contract::{
        Batch, Outcome, StoreError,
        decide::{Step, decide},
    },
    model::{Email, Ranks},
    plan::{Change, Content, GUARD_WINDOW, ObjectKey, Phase},
};

/// Batch that is being written.
pub(super) struct Work<'a> {
    pub(super) realm: &'a Realm,
    pub(super) batch: &'a Batch<'a>,
    pub(super) client_id: String,
    pub(super) snapshot: AccountSnapshot,
    /// Client roles of the account by name; empty until they are needed.
    pub(super) roles: HashMap<String, RoleRepresentation>,
}

/// Makes the changes of a batch. Returns one outcome for each change.
pub(super) async fn apply(realm: &Realm, batch: &Batch<'_>) -> Vec<Outcome> {
    let account = &batch.mark.account;
    let scope = ReadScope::batch(batch.changes.iter().map(|change| &change.object));
    let snapshot = match realm.read_account(account, &scope).await {
        Ok(snapshot) => snapshot,
        Err(error) => return batch.refused(&error),
    };
    let decision = decide(batch, &snapshot.observed);
    let mut outcomes: Vec<Outcome> = decision.steps.iter().map(|step| step.clone().map(|_| ())).collect();
    let steps = decision.steps.into_iter().zip(batch.changes).enumerate();
    let mut work: Vec<(usize, &Change)> = Vec::new();
    let mut untouched: Vec<(usize, &Change)> = Vec::new();
    for (place, (step, change)) in steps {
        match step {
            Ok(Step::Put | Step::Remove) => work.push((place, change)),
            Ok(Step::Nothing) => untouched.push((place, change)),
            Err(_) => {}
        }
    }
    let client_id = realm.prefix.client_id(account);
    let mut writing = Work { realm, batch, client_id, snapshot, roles: HashMap::new() };
    for (place, change) in untouched {
        // No member was found to remove. Make sure that this is not just a failure to find them.
        if let (ObjectKey::Member(email), None, Some(slot)) = (&change.object, &change.put, outcomes.get_mut(place)) {
            *slot = writing.gone(email).await;
        }
    }
    if let Err(error) = writing.remember_removals(&work).await {
        // Removals that the guard counts wait until they can be recorded. All other changes continue.
        work.retain(|(place, change)| {
            let Some(slot) = outcomes.get_mut(*place).filter(|_| change.counted || change.approved) else {
                return true;
            };
            *slot = Err(error.clone());
            false
        });
    }
    let mut early: Vec<(usize, &Change)> = Vec::new();
    let mut without_account = None;
    for run in work.chunk_by(|(_, a), (_, b)| part(a) == part(b)) {
        let done = match &without_account {
            // Without an account client every put fails; report the cause of that failure.
            Some(error) if run.iter().all(|(_, change)| change.put.is_some()) => {
                run.iter().map(|(place, _)| (*place, Err(StoreError::clone(error)))).collect()
            }
            _ => writing.run(run).await,
        };
        let is_account = run.iter().any(|(_, change)| change.object == ObjectKey::Account);
        // These members have lost what they had to lose. What they gain may be a permission that the account got only
        // now, so they are tried again.
        let again = if is_account { writing.run(&std::mem::take(&mut early)).await } else { Vec::new() };
        if is_account && writing.snapshot.client.is_none() {
            without_account = done.iter().find_map(|(_, outcome)| outcome.as_ref().err().cloned());
        }
        for (place, outcome) in done.into_iter().chain(again) {
            let waits = matches!(outcome, Err(StoreError::Conflict(_)));
            early.extend(
                work.iter().filter(|(other, change)| waits && *other == place && change.phase == Phase::Revoke),
            );
            if let Some(slot) = outcomes.get_mut(place) {
                *slot = outcome;
            }
        }
    }
    outcomes
}

/// Returns the part of the batch that a change belongs to. Changes of one part run in parallel.
fn part(change: &Change) -> (Phase, u8) {
    let kind = match change.object {
        ObjectKey::Account => 0,
        ObjectKey::Role(_) | ObjectKey::Group(_) => 1,
        ObjectKey::Member(_) => 2,
    };
    (change.phase, kind)
}

impl Work<'_> {
    async fn run(&mut self, run: &[(usize, &Change)]) -> Vec<(usize, Outcome)> {
        match run {
            [(place, change), ..] if change.object == ObjectKey::Account => {
                let outcome = match &change.put {
                    Some((Content::Account(content), fingerprint)) => {
                        self.put_account(content, fingerprint, change.cause).await
                    }
                    _ => self.remove_account().await,
                };
                vec![(*place, outcome)]
            }
            [(_, change), ..] if matches!(change.object, ObjectKey::Member(_)) => self.members(run).await,
            [] => Vec::new(),
            _ => self.definitions(run).await,
        }
    }

    /// Records counted removals and used approvals before anybody is removed. A crash in between then counts one
    /// removal too many, never too few, and asks for another approval rather than use one twice.
    async fn remember_removals(&mut self, work: &[(usize, &Change)]) -> Result<(), StoreError> {
        let counted = work.iter().filter(|(_, change)| change.counted).filter_map(|(_, change)| change.object.person());
        let counted: Vec<&Email> = counted.collect();
        if self.snapshot.client.is_none() {
            return Ok(());
        }
        if work.iter().any(|(_, change)| change.approved) {
            self.write_attribute(APPROVALS, &(self.snapshot.observed.approvals + 1)).await?;
        }
        if counted.is_empty() {
            return Ok(());
        }
        let now = self.batch.now;
        let removals = self.snapshot.removals.with(counted, now, now - GUARD_WINDOW);
        self.write_attribute(REMOVALS, &removals).await
    }

    pub(super) async fn write_attribute(&self, key: &str, value: &impl serde::Serialize) -> Result<(), StoreError> {
        let uuid = self.client()?;
        let text = serde_json::to_string(value).map_err(|error| StoreError::Invalid(error.to_string()))?;
        let client = keycloak::types::ClientRepresentation {
            client_id: Some(self.client_id.clone()),
            attributes: Some(HashMap::from([(key.to_owned(), text)])),
            ..Default::default()
        };
        let (admin, realm) = (&self.realm.wire.admin, &self.realm.wire.realm);
        let written = self
            .realm
            .wire
            .call("writing a client", || admin.realm_clients_with_client_uuid_put(realm, uuid, client.clone()));
        written.await.map(drop)
    }

    /// Returns the id of the account's client.
    ///
    /// # Errors
    /// `Conflict` if the account has no client.
    pub(super) fn client(&self) -> Result<&str, StoreError> {
        self.snapshot
            .client_uuid()
            .ok_or_else(|| StoreError::Conflict(format!("account {} has no client", self.batch.mark.account)))
    }

    async fn members(&mut self, run: &[(usize, &Change)]) -> Vec<(usize, Outcome)> {
        let fail = |error: StoreError| run.iter().map(|(place, _)| (*place, Err(error.clone()))).collect();
        let grants = run.iter().any(|(_, change)| change.put.is_some());
        if grants
            && self.roles.is_empty()
            && let Err(error) = self.read_roles().await
        {
            return fail(error);
        }
        let this = &*self;
        let (mut waiting, mut under_way, mut done) = (run.iter(), FuturesUnordered::new(), Vec::new());
        loop {
            // No more futures than may run at once: each of them holds the data of its requests.
            while under_way.len() < CONCURRENCY
                && let Some((place, change)) = waiting.next()
            {
                under_way.push(this.member(*place, change));
            }
            match under_way.next().await {
                Some(outcome) => done.push(outcome),
                None => return done,
            }
        }
    }

    async fn member(&self, place: usize, change: &Change) -> (usize, Outcome) {
        let ObjectKey::Member(email) = &change.object else { return (place, Ok(())) };
        let outcome = match &change.put {
            Some((Content::Member(content), fingerprint)) => self.put_member(email, content, fingerprint).await,
            _ => self.remove_member(email).await,
        };
        (place, outcome)
    }

    pub(super) async fn read_roles(&mut self) -> Result<(), StoreError> {
        let roles = self.realm.client_roles(self.client()?).await?;
        self.roles = roles.into_iter().filter_map(|role| Some((role.name.clone()?, role))).collect();
        Ok(())
    }

    async fn definitions(&mut self, run: &[(usize, &Change)]) -> Vec<(usize, Outcome)> {
        let this = &*self;
        let done: Vec<_> = run.iter().map(|(place, change)| this.placed_definition(*place, change)).collect();
        let done: Vec<_> = stream::iter(done).buffer_unordered(CONCURRENCY).collect().await;
        let mut outcomes = Vec::with_capacity(done.len());
        let mut changed = false;
        for (place, change, result) in done {
            let Some(name) = definition_key(&change.object).map(|definition| definition.group_name()) else { continue };
            outcomes.push((
                place,
                result.map(|defined| {
                    changed = true;
                    match defined {
                        Some(defined) => self.snapshot.definitions.insert(name, defined),
                        None => self.snapshot.definitions.remove(&name),
                    };
                }),
            ));
        }
        // Without a client there is no attribute to write: the account is removed, too.
        if changed
            && self.snapshot.client.is_some()
            && let Err(error) = self.write_attribute(DEFINITIONS, &self.snapshot.definitions).await
        {
            outcomes.iter_mut().filter(|(_, outcome)| outcome.is_ok()).for_each(|(_, slot)| *slot = Err(error.clone()));
        }
        outcomes
    }

    async fn placed_definition<'c>(
        &self,
        place: usize,
        change: &'c Change,
    ) -> (usize, &'c Change, Result<Option<Defined>, StoreError>) {
        (place, change, self.definition(change).await)
    }

    /// Creates, updates or removes the group of a role or group. Returns `None` if it was removed.
    async fn definition(&self, change: &Change) -> Result<Option<Defined>, StoreError> {
        let Some(definition) = definition_key(&change.object) else { return Ok(None) };
        let there = self.snapshot.groups.get(&definition).and_then(|group| group.id.clone());
        let (admin, realm) = (&self.realm.wire.admin, self.realm.wire.realm.as_str());
        let (title, ranks, fingerprint) = match &change.put {
            Some((Content::Role(content), fingerprint)) => (&content.title, &content.ranks, fingerprint),
            Some((Content::Group(content), fingerprint)) => (&content.title, &content.ranks, fingerprint),
            _ => {
                if let Some(id) = &there {
                    let gone = || admin.realm_groups_with_group_id_delete(realm, id);
                    self.realm.remove("removing a group", gone).await?;
                }
                return Ok(None);
            }
        };
        let stamp = Stamp::new(self.batch.mark, fingerprint);
        let group = self.group(&definition, title, ranks, &stamp);
        let id = match there {
            Some(id) => {
                let put = || admin.realm_groups_with_group_id_put(realm, &id, group.clone());
                self.realm.wire.call("writing a group", put).await?;
                id
            }
            None => self.new_group(&definition, group).await?,
        };
        Ok(Some(Defined { stamp, id }))
    }

    async fn new_group(&self, definition: &Definition, group: GroupRepresentation) -> Result<String, StoreError> {
        let (admin, realm) = (&self.realm.wire.admin, self.realm.wire.realm.as_str());
        let parent = self.snapshot.parts.group.as_str();
        let made = self.realm.wire.create("creating a group", || {
            admin.realm_groups_with_group_id_children_post(realm, parent, group.clone())
        });
        let Some(made) = made.await? else {
            return Err(StoreError::Conflict(format!("group {:?} was created meanwhile", definition.group_name())));
        };
        let id = made_id(&made);
        // Somebody removed the group, and its members with it: add them again.
        if let Definition::Group(name) = definition
            && self.snapshot.definitions.contains_key(&definition.group_name())
        {
            for user in self.realm.users_by(super::names::ACCOUNTS, &self.client_id).await? {
                let person = self.realm.person_of(user, &self.client_id);
                let was_in = person.entry.as_ref().is_some_and(|entry| entry.groups.contains(name));
                if was_in && (person.sealed || person.certain) {
                    self.realm.join_group(person.id(), &id).await?;
                }
            }
        }
        Ok(id)
    }

    fn group(&self, definition: &Definition, title: &str, ranks: &Ranks, stamp: &Stamp) -> GroupRepresentation {
        let name = definition.group_name();
        let mut attributes: HashMap<String, Vec<String>> = stamp.attributes().collect();
        attributes.insert(NAME.to_owned(), vec![name.clone()]);
        attributes.insert(TITLE.to_owned(), vec![title.to_owned()]);
        attributes.insert(PERMISSIONS.to_owned(), granted(self.batch.layout, ranks));
        GroupRepresentation { name: Some(name), attributes: Some(attributes), ..GroupRepresentation::default() }
    }
}

fn definition_key(object: &ObjectKey) -> Option<Definition> {
    match object {
        ObjectKey::Role(name) => Some(Definition::Role(name.clone())),
        ObjectKey::Group(name) => Some(Definition::Group(name.clone())),
        ObjectKey::Account | ObjectKey::Member(_) => None,
    }
}
