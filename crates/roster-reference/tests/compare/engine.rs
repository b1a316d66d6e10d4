//! The engine's answer about a world of the model.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use roster_core::{
    model::{AccountKey, Email, Name},
    resolve::{
        AccountFacts, CatalogFacts, Definitions, Desired, DesiredMember, Finding, GroupFacts, InvitationFacts,
        MemberFacts, MemberView, Objects, RoleFacts, Scope, StoreFacts, definitions,
    },
};
use roster_reference::{AccountAnswer, World, canonical};

/// The engine's answer about one account.
pub struct Resolved {
    pub definitions: Definitions,
    pub desired: Desired,
    /// By name of the Membership.
    pub views: BTreeMap<String, MemberView>,
    /// By name of the Invitation.
    pub invitations: BTreeMap<String, Finding>,
}

/// The objects of a world, as a cluster shows them to the engine.
pub fn objects(world: &World) -> Objects {
    let mut objects = Objects::default();
    for (namespace, labels) in &world.namespaces {
        let mut labels = labels.clone();
        labels.insert("kubernetes.io/metadata.name".to_owned(), namespace.clone());
        objects.namespaces.insert(namespace.into(), Arc::new(labels));
    }
    for (name, catalog) in &world.catalogs {
        objects.catalogs.insert(name.into(), Arc::new(CatalogFacts::new(name.into(), 1, catalog.spec.clone())));
    }
    for (name, store) in &world.stores {
        objects.stores.insert(name.into(), Arc::new(StoreFacts::new(name.into(), 1, store.spec.clone())));
    }
    for ((namespace, name), account) in &world.accounts {
        let facts = AccountFacts {
            namespace: namespace.into(),
            name: name.into(),
            uid: "uid".into(),
            generation: 1,
            spec: account.spec.clone(),
        };
        objects.entry(AccountKey::new(namespace, name)).account = Some(Arc::new(facts));
    }
    for ((namespace, name), role) in &world.roles {
        let entry = objects.entry(AccountKey::new(namespace, &role.spec.account_ref.name));
        let facts = RoleFacts { name: name.into(), generation: 1, spec: role.spec.clone() };
        entry.roles.insert(name.into(), Arc::new(facts));
    }
    for ((namespace, name), group) in &world.groups {
        let entry = objects.entry(AccountKey::new(namespace, &group.spec.account_ref.name));
        let facts = GroupFacts { name: name.into(), generation: 1, spec: group.spec.clone() };
        entry.groups.insert(name.into(), Arc::new(facts));
    }
    for ((namespace, name), member) in &world.memberships {
        let entry = objects.entry(AccountKey::new(namespace, &member.spec.account_ref.name));
        entry.members.insert(name.into(), MemberFacts::new(name.into(), 1, &member.spec));
    }
    for ((namespace, name), invitation) in &world.invitations {
        let accepted = world.accepted.contains(&(namespace.clone(), name.clone()));
        let entry = objects.entry(AccountKey::new(namespace, &invitation.spec.account_ref.name));
        let facts = InvitationFacts::new(name.into(), 1, &invitation.spec, accepted);
        entry.invitations.insert(name.into(), facts);
    }
    objects
}

/// The engine's answer about an account.
pub fn resolve(world: &World, namespace: &str, name: &str) -> Resolved {
    let objects = objects(world);
    let key = AccountKey::new(namespace, name);
    let entry = &objects.accounts[&key];
    let definitions = definitions(&objects.snapshot(&key).unwrap());
    let mut views = BTreeMap::new();
    let mut members: BTreeMap<Email, DesiredMember> = BTreeMap::new();
    for (address, facts) in entry.addresses() {
        // An answer is good for the address that was invited only (see `defects`).
        let accepted = |name: &Name| {
            let invitation = entry.invitations.get(name);
            invitation.is_some_and(|invitation| invitation.accepted && invitation.email.as_ref() == Ok(address))
        };
        let resolved = definitions.member(address, &facts, &accepted);
        views.extend(facts.iter().map(|one| one.name.to_string()).zip(resolved.views));
        members.extend(resolved.desired.map(|desired| (address.clone(), desired)));
    }
    for (name, facts) in entry.members.iter().filter(|(_, facts)| facts.email.is_err()) {
        views.insert(name.to_string(), definitions.unaddressed(facts));
    }
    members.extend(definitions.owner_member());
    let invitations = entry.invitations.iter().map(|(name, facts)| (name.to_string(), definitions.invitation(facts)));
    let invitations = invitations.collect();
    Resolved { desired: definitions.desired(Scope::Account, members), definitions, views, invitations }
}

/// The reasons of a finding, in the words of the model.
pub fn reasons(finding: &Finding) -> BTreeSet<String> {
    let words = finding.faults.iter().map(|fault| fault.reason.to_string());
    words.map(|word| if word == "OwnerImmutable" { "OwnerIsMember".to_owned() } else { word }).collect()
}

/// Whether a selector picks the account's namespace for the engine although it is not known: known defect (j).
pub fn is_admitted_unknown(world: &World, model: &AccountAnswer, engine: &Resolved) -> bool {
    let whole = engine.definitions.desired.is_some();
    let same = whole == model.resolves && engine.definitions.ended.is_some() == model.ended.is_some();
    !world.namespaces.contains_key("acme") && !same
}

/// The canonical address that an account names as its owner.
pub fn named_owner(world: &World) -> Option<String> {
    let account = &world.accounts[&("acme".to_owned(), "portal".to_owned())];
    canonical(&account.spec.owner.as_ref()?.email)
}
