//! Observes everything that a realm holds of an account, including what others changed there. Called by `KeycloakStore`
//! for `Store::observe`, and by `apply` and `access`.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use keycloak::types::{ClientRepresentation, GroupRepresentation, RoleRepresentation};

use super::{
    find::{Found, Within},
    names::{self, APPROVALS, DEFINITIONS, Definition, NAME, NOTE, PERMISSIONS, REMOVALS, TITLE},
    note::{Definitions, Note, Parts, Removals, Stamp, read},
    read_scope::ReadScope,
    realm::Realm,
};
use crate::{
    model::{AccountKey, Layout, Name},
    plan::{Existing, Fingerprint, Mark, Observed},
    resolve::{AccountContent, GroupContent, RoleContent},
    store::StoreError,
};

/// Anomalies of an account's parts, apart from its content.
#[derive(Debug, Default)]
pub(super) struct Anomalies {
    /// Descriptions of all anomalies.
    texts: Vec<Name>,
    /// Whether the client scope lets other things into tokens than the account's roles.
    pub(super) foreign_scope: bool,
    /// Client roles of the account that realm roles contain.
    pub(super) handed_on: Vec<RoleRepresentation>,
}

/// Result of a read.
#[derive(Debug, Default)]
pub(super) struct AccountSnapshot {
    pub(super) observed: Observed,
    /// Client of the account as it is in the realm.
    pub(super) client: Option<ClientRepresentation>,
    pub(super) note: Option<Note>,
    /// Owner and fingerprint of the account.
    pub(super) stamp: Stamp,
    /// Former layouts of which client roles may still exist.
    pub(super) former: Vec<Layout>,
    /// Anomalies; empty unless all parts of the account were read.
    pub(super) anomalies: Anomalies,
    /// Parts that exist. The organization is known even if the client is missing.
    pub(super) parts: Parts,
    pub(super) definitions: Definitions,
    pub(super) removals: Removals,
    /// Realm groups of roles and groups, if they were read.
    pub(super) groups: BTreeMap<Definition, GroupRepresentation>,
    pub(super) found: Found,
}

impl AccountSnapshot {
    pub(super) fn client_uuid(&self) -> Option<&str> {
        self.client.as_ref()?.id.as_deref()
    }

    /// Returns the account in the form that searches for people take.
    pub(super) fn within<'a>(&'a self, client_id: &'a str) -> Within<'a> {
        Within {
            client_id,
            client: self.client_uuid().unwrap_or_default(),
            organization: &self.parts.organization,
            layout: &self.observed.layout,
            former: &self.former,
            stamp: &self.stamp,
            definitions: &self.definitions,
        }
    }
}

impl Realm {
    /// Reads an account.
    pub(super) async fn read_account(
        &self,
        account: &AccountKey,
        scope: &ReadScope,
    ) -> Result<AccountSnapshot, StoreError> {
        self.still_the_same().await?;
        let client_id = self.prefix.client_id(account);
        let mut snapshot = AccountSnapshot { client: self.client(&client_id).await?, ..AccountSnapshot::default() };
        snapshot.observed.store = self.store_id();
        let Some(client) = &snapshot.client else {
            return self.without_client(account, &client_id, scope, snapshot).await;
        };
        let attributes = client.attributes.as_ref();
        snapshot.note = read::<Note>(attributes, NOTE);
        snapshot.definitions = read(attributes, DEFINITIONS).unwrap_or_default();
        snapshot.removals = read(attributes, REMOVALS).unwrap_or_default();
        snapshot.observed.approvals = read(attributes, APPROVALS).unwrap_or_default();
        let note = snapshot.note.clone().unwrap_or_default();
        (snapshot.parts, snapshot.stamp) = (note.parts.clone(), note.stamp.clone());
        if scope.account() {
            snapshot.anomalies = self.anomalies(client, &note, &mut snapshot.parts).await?;
        } else if scope.definitions() {
            self.clear_missing(&mut snapshot.parts).await?;
        }
        let anomalies = snapshot.anomalies.texts.clone();
        let content: AccountContent = note.content(client.name.as_deref().unwrap_or_default(), anomalies);
        let layout = content.layout.clone();
        snapshot.observed.layout = layout.clone();
        snapshot.former = note.former(&layout);
        snapshot.observed.account = Some(Existing {
            content: Some(content),
            mark: note.stamp.mark(account),
            // The portals differ from those that the account was written for: the store's spec changed, nobody
            // tampered.
            fingerprint: if !scope.account() || note.portals == self.portals {
                note.stamp.fingerprint()
            } else {
                note.stamp.outdated()
            },
        });
        if scope.definitions() {
            snapshot.groups = self.definitions(&snapshot.parts).await?;
            add_definitions(&mut snapshot, account, &layout);
        }
        snapshot.found = self.find(&snapshot.within(&client_id), scope).await?;
        self.add_people(&mut snapshot, account, &layout, scope).await?;
        Ok(snapshot)
    }

    /// Reads an account whose client was removed by somebody else; its organization still identifies it.
    async fn without_client(
        &self,
        account: &AccountKey,
        client_id: &str,
        scope: &ReadScope,
        mut snapshot: AccountSnapshot,
    ) -> Result<AccountSnapshot, StoreError> {
        let Some(organization) = self.organization(client_id).await? else { return Ok(snapshot) };
        let attributes = organization.attributes.unwrap_or_default();
        let stamp = Stamp::of(&attributes);
        snapshot.stamp = stamp.clone();
        snapshot.parts.organization = organization.id.unwrap_or_default();
        snapshot.observed.account =
            // The client had what was authorised.
            Some(Existing {
                content: None,
                mark: stamp.mark(account),
                fingerprint: stamp.fingerprint().map(Fingerprint::with_unknown),
            });
        if let Some(group) = self.top_group(client_id).await? {
            snapshot.parts.group = group.id.unwrap_or_default();
        }
        if scope.definitions() {
            snapshot.groups = self.definitions(&snapshot.parts).await?;
            let named = |(definition, group): (&Definition, &GroupRepresentation)| {
                let stamp = Stamp::of(group.attributes.as_ref()?);
                Some((definition.group_name(), super::note::Defined { stamp, id: group.id.clone()? }))
            };
            snapshot.definitions = snapshot.groups.iter().filter_map(named).collect();
            add_definitions(&mut snapshot, account, &Layout::default());
        }
        snapshot.found = self.find(&snapshot.within(client_id), scope).await?;
        self.add_people(&mut snapshot, account, &Layout::default(), scope).await?;
        Ok(snapshot)
    }

    /// Returns the groups of an account's roles and groups.
    async fn definitions(&self, parts: &Parts) -> Result<BTreeMap<Definition, GroupRepresentation>, StoreError> {
        if parts.group.is_empty() {
            return Ok(BTreeMap::new());
        }
        let children = self.children(&parts.group, false).await?;
        Ok(children.into_iter().filter_map(|group| Some((definition_named(&group)?, group))).collect())
    }

    /// Clears the ids of parts that do not exist any more.
    async fn clear_missing(&self, parts: &mut Parts) -> Result<(), StoreError> {
        let (organization, scope, group) = futures::try_join!(
            self.is_organization(&parts.organization),
            self.is_scope(&parts.scope),
            self.is_group(&parts.group)
        )?;
        for (is_there, id) in
            [(organization, &mut parts.organization), (scope, &mut parts.scope), (group, &mut parts.group)]
        {
            if !is_there {
                id.clear();
            }
        }
        Ok(())
    }

    async fn add_people(
        &self,
        snapshot: &mut AccountSnapshot,
        account: &AccountKey,
        layout: &Layout,
        scope: &ReadScope,
    ) -> Result<(), StoreError> {
        let has_organization = !snapshot.parts.organization.is_empty();
        let people = snapshot.found.people.iter();
        let existing = people.map(|(email, person)| {
            (
                email.clone(),
                person.as_existing(account, layout, &snapshot.former, &snapshot.definitions, has_organization),
            )
        });
        snapshot.observed.members = existing.collect();
        snapshot.observed.member_count = match scope {
            ReadScope::Whole => {
                snapshot.observed.members.values().filter(|existing| existing.content.is_some()).count() as u64
            }
            _ if snapshot.parts.organization.is_empty() => 0,
            _ => self.member_count(&snapshot.parts.organization).await?,
        };
        Ok(())
    }

    /// Checks which parts of an account exist, and what is wrong with them.
    async fn anomalies(
        &self,
        client: &ClientRepresentation,
        note: &Note,
        parts: &mut Parts,
    ) -> Result<Anomalies, StoreError> {
        self.clear_missing(parts).await?;
        let mut anomalies = Vec::new();
        let on = |flag: Option<bool>| flag.unwrap_or(false);
        for (is_wrong, text) in [
            (!client.enabled.unwrap_or(true), "the client is disabled"),
            (on(client.standard_flow_enabled), "the client's standard flow is on"),
            (on(client.implicit_flow_enabled), "the client's implicit flow is on"),
            (on(client.direct_access_grants_enabled), "the client's direct access grants are on"),
            (on(client.service_accounts_enabled), "the client has a service account"),
            (client.full_scope_allowed.unwrap_or(true), "the client's full scope is allowed"),
            (parts.organization.is_empty(), "its organization is missing"),
            (parts.scope.is_empty(), "its client scope is missing"),
            (parts.group.is_empty(), "its group is missing"),
        ] {
            if is_wrong {
                anomalies.push(text.into());
            }
        }
        let uuid = client.id.as_deref().unwrap_or_default();
        let layout = note.content("", Vec::new()).layout;
        let wanted: BTreeSet<String> = names::client_roles(&layout).collect();
        let there = self.client_roles(uuid).await?;
        let composite =
            there.iter().filter(|role| role.composite == Some(true)).filter_map(|role| role.name.as_deref());
        anomalies.extend(composite.map(|role| Name::from(format!("client role {role} contains others"))));
        let handed_on = self.handed_on(uuid).await?;
        anomalies.extend(handed_on.iter().map(|(parent, role)| {
            Name::from(format!("realm role {parent} contains {}", role.name.as_deref().unwrap_or_default()))
        }));
        let foreign_scope = !parts.scope.is_empty() && self.lets_others_pass(&parts.scope, uuid).await?;
        if foreign_scope {
            anomalies.push("its client scope adds other data to tokens".into());
        }
        let there: BTreeSet<String> = there.into_iter().filter_map(|role| role.name).collect();
        anomalies.extend(wanted.difference(&there).map(|role| Name::from(format!("client role {role} is missing"))));
        anomalies.extend(
            there.difference(&wanted).map(|role| Name::from(format!("client role {role} does not have Roster's mark"))),
        );
        if !parts.scope.is_empty() {
            let mapped: BTreeSet<String> = self.scope_roles(&parts.scope, uuid).await?;
            let missing = wanted.intersection(&there).filter(|role| !mapped.contains(*role));
            anomalies.extend(missing.map(|role| Name::from(format!("client role {role} is not in the client scope"))));
            // A portal that never had the scope is no change by somebody else.
            for portal in self.portals.iter().filter(|portal| note.portals.contains(portal)) {
                if !self.may_ask(portal, &parts.scope).await? {
                    anomalies.push("a portal lacks its client scope".into());
                }
            }
        }
        let handed_on = handed_on.into_iter().map(|(_, role)| role).collect();
        Ok(Anomalies { texts: anomalies, foreign_scope, handed_on })
    }
}

/// Adds roles and groups to the observed state: the existing ones, and the marks of those that somebody removed.
fn add_definitions(snapshot: &mut AccountSnapshot, account: &AccountKey, layout: &Layout) {
    let gone = snapshot.definitions.iter().filter_map(|(name, defined)| {
        let definition = Definition::parse(name).filter(|definition| !snapshot.groups.contains_key(definition))?;
        Some((definition, None, defined.stamp.clone()))
    });
    let there = snapshot.groups.iter().map(|(definition, group)| {
        let attributes = group.attributes.clone().unwrap_or_default();
        let defined = snapshot.definitions.get(&definition.group_name()).map(|defined| &defined.stamp);
        (definition.clone(), Some(attributes.clone()), Stamp::of(&attributes).with_authorised_of(defined))
    });
    let all: Vec<_> = gone.chain(there).collect();
    for (definition, attributes, stamp) in all {
        let (mark, fingerprint) = (stamp.mark(account), stamp.fingerprint());
        let parts = attributes.map(|attributes| definition_of(&attributes, layout));
        match definition {
            Definition::Role(name) => {
                let content = parts.map(|(title, ranks)| RoleContent { title, ranks });
                snapshot.observed.roles.insert(name, Existing { content, mark, fingerprint });
            }
            Definition::Group(name) => {
                let content = parts.map(|(title, ranks)| GroupContent { title, ranks });
                snapshot.observed.groups.insert(name, Existing { content, mark, fingerprint });
            }
        }
    }
}

/// Returns title and ranks from a group's attributes.
fn definition_of(attributes: &HashMap<String, Vec<String>>, layout: &Layout) -> (Name, crate::model::Ranks) {
    let title = attributes.get(TITLE).and_then(|titles| titles.first()).map(|title| title.as_str().into());
    let permissions = attributes.get(PERMISSIONS).cloned().unwrap_or_default();
    (title.unwrap_or_default(), names::ranks(layout, permissions).0)
}

/// Returns the role or group that a realm group stands for.
fn definition_named(group: &GroupRepresentation) -> Option<Definition> {
    let exact = group.attributes.as_ref().and_then(|attributes| attributes.get(NAME)).and_then(|names| names.first());
    Definition::parse(exact.or(group.name.as_ref())?)
}

/// Returns the mark on an organization.
pub(super) fn mark_of(attributes: Option<&HashMap<String, Vec<String>>>, account: &AccountKey) -> Option<Mark> {
    Stamp::of(attributes?).mark(account)
}
