//! Asks the engine about a world of the model: through its entry points, from the index of a cluster. Used by the
//! comparisons.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::Timestamp;
use roster_core::{
    evaluate::{Context, evaluate, judge, prepare},
    model::{AccountKey, Findings, Name, Scope, Seed},
    plan::{Mark, Observed, Plan},
    resolve::{Definitions, Desired, MemberView},
    state::{
        AccountFacts, CatalogFacts, GroupFacts, Index, InvitationFacts, MemberFacts, Meta, NamespaceRecord, Object,
        Record, RoleFacts, SnapshotSource as _, StoreFacts, namespace_labels,
    },
};
use roster_reference::{World, canonical};

/// The engine's answer about one account.
pub struct Resolved {
    pub definitions: Arc<Definitions>,
    pub desired: Desired,
    /// By name of the Membership.
    pub views: BTreeMap<String, MemberView>,
    /// By name of the Invitation.
    pub invitations: BTreeMap<String, Findings>,
}

fn record<F>(namespace: &str, name: &str, account: &str, facts: F) -> Record<F> {
    let meta = Meta { uid: "uid".into(), generation: 1, ..Meta::default() };
    Record { namespace: namespace.into(), name: name.into(), account: account.into(), meta, facts: Arc::new(facts) }
}

/// The objects of a world, as a cluster shows them to the engine.
pub fn objects(world: &World) -> Vec<Object> {
    let mut objects = Vec::new();
    for (namespace, labels) in &world.namespaces {
        let name = Name::new(namespace);
        let labels = Arc::new(namespace_labels(&name, labels.clone()));
        objects.push(Object::Namespace(NamespaceRecord { name, labels }));
    }
    for (name, catalog) in &world.catalogs {
        objects.push(Object::Catalog(record("", name, "", CatalogFacts::new(name.into(), 1, catalog.spec.clone()))));
    }
    for (name, store) in &world.stores {
        objects.push(Object::Store(record("", name, "", StoreFacts::new(name.into(), 1, store.spec.clone()))));
    }
    for ((namespace, name), account) in &world.accounts {
        let facts = AccountFacts {
            namespace: namespace.into(),
            name: name.into(),
            uid: "uid".into(),
            generation: 1,
            spec: account.spec.clone(),
        };
        objects.push(Object::Account(record(namespace, name, name, facts)));
    }
    for ((namespace, name), role) in &world.roles {
        let facts = RoleFacts { name: name.into(), generation: 1, spec: role.spec.clone() };
        objects.push(Object::Role(record(namespace, name, &role.spec.account_ref.name, facts)));
    }
    for ((namespace, name), group) in &world.groups {
        let facts = GroupFacts { name: name.into(), generation: 1, spec: group.spec.clone() };
        objects.push(Object::Group(record(namespace, name, &group.spec.account_ref.name, facts)));
    }
    for ((namespace, name), member) in &world.memberships {
        let facts = MemberFacts::new(name.into(), 1, &member.spec);
        objects.push(Object::Member(record(namespace, name, &member.spec.account_ref.name, facts)));
    }
    for ((namespace, name), invitation) in &world.invitations {
        let accepted = world.accepted.contains(&(namespace.clone(), name.clone()));
        let facts = InvitationFacts::new(name.into(), 1, &invitation.spec, accepted);
        objects.push(Object::Invitation(record(namespace, name, &invitation.spec.account_ref.name, facts)));
    }
    objects
}

/// The index of a controller that has seen these objects.
pub fn index(objects: impl IntoIterator<Item = Object>) -> Index {
    let mut index = Index::new(Seed::default());
    for object in objects {
        index.apply(object, |_| None);
    }
    index
}

/// The mark of an account.
pub fn mark(namespace: &str, name: &str) -> Mark {
    Mark { cluster: "cluster".into(), account: AccountKey::new(namespace, name), uid: "uid".into() }
}

/// The engine's plan for `acme/portal` and a store.
pub fn plan(world: &World, observed: &Observed, now: Timestamp) -> Plan {
    let (key, index) = (AccountKey::new("acme", "portal"), index(objects(world)));
    let members = index.members(&key, &Scope::Account).unwrap();
    let prepared = prepare(&index.snapshot(&key).unwrap());
    evaluate(&prepared, &members, observed, &Context::new(mark("acme", "portal"), now)).plan
}

/// The engine's answer about an account.
pub fn resolve(world: &World, namespace: &str, name: &str) -> Resolved {
    let (key, index) = (AccountKey::new(namespace, name), index(objects(world)));
    let members = index.members(&key, &Scope::Account).unwrap();
    let context = Context::new(mark(namespace, name), Timestamp::UNIX_EPOCH);
    let judged = judge(&prepare(&index.snapshot(&key).unwrap()), &members, &context);
    let definitions = judged.definitions;
    let mut views = BTreeMap::new();
    for ((_, facts), member) in std::iter::zip(&members.addresses, judged.members) {
        views.extend(facts.iter().map(|one| one.name.to_string()).zip(member.views));
    }
    for name in &index.accounts[&key].unaddressed {
        let facts = &index.member(&key.namespace, name).unwrap().facts;
        views.insert(name.to_string(), definitions.unaddressed(facts));
    }
    let invitations = index.invitations_of(&key).map(|record| &record.facts);
    let invitations = invitations.map(|facts| (facts.name.to_string(), definitions.invitation(facts, &[]))).collect();
    Resolved { desired: judged.desired, definitions, views, invitations }
}

/// The reasons of a finding, in the words of the model.
pub fn reasons(findings: &Findings) -> BTreeSet<String> {
    let words = findings.faults().filter_map(|finding| Some(finding.reason()?.to_string()));
    words.collect()
}

/// The canonical address that an account names as its owner.
pub fn named_owner(world: &World) -> Option<String> {
    let account = &world.accounts[&("acme".to_owned(), "portal".to_owned())];
    canonical(&account.spec.owner.as_ref()?.email)
}
