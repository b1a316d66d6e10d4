//! Tests what the admission webhook derives from a review: the change, where it happens, and how it is enforced there.

use std::sync::Arc;

use crate::support::World;
use roster_core::{
    api::{Enforcement, MembershipSpec},
    authority::{Change, Edit, Place},
    model::Name,
    state::{AccountAnnotations, Object, StatusDigest},
};
use serde_json::json;

const STRICT: &str = "
apiVersion: roster.dev/v1alpha1
kind: IdentityStore
metadata: {name: default}
spec: {sqlite: {file: a.db}, accountDefaults: {enforcement: Warn}}
---
apiVersion: roster.dev/v1alpha1
kind: PermissionCatalog
metadata: {name: portal}
spec: {sections: [{name: reports, title: Reports}], roles: [{name: viewer, permissions: {reports: Allowed}}]}
---
apiVersion: roster.dev/v1alpha1
kind: Account
metadata: {name: parent, namespace: partners}
spec: {catalogRef: {name: portal}, partner: true}
---
apiVersion: roster.dev/v1alpha1
kind: Account
metadata: {name: child, namespace: shops}
spec: {catalogRef: {name: portal}, parentRef: {name: parent, namespace: partners}, enforcement: Enforce}
---
apiVersion: roster.dev/v1alpha1
kind: Account
metadata: {name: lax, namespace: shops}
spec: {catalogRef: {name: portal}, enforcement: Disabled}
";

fn namespaces(place: &Place) -> Vec<&str> {
    place.namespaces.iter().map(Name::as_str).collect()
}

/// The change of an Account, by its name, to what `yaml` says.
fn account_change(world: &World, yaml: &str) -> Change {
    let with =
        |facts: &Arc<roster_core::state::AccountFacts>| Arc::new(((**facts).clone(), AccountAnnotations::default()));
    let (key, facts) = World::of(yaml).accounts.into_iter().next().unwrap();
    Change::Account(key.clone(), Edit { before: world.accounts.get(&key).map(with), after: Some(with(&facts)) })
}

#[test]
fn an_administrator_of_a_managed_account_is_one_in_its_parents_namespace_too() {
    let world = World::of(STRICT);
    let index = world.index();
    let moved = "
apiVersion: roster.dev/v1alpha1
kind: Account
metadata: {name: child, namespace: shops}
spec: {catalogRef: {name: portal}, parentRef: {name: other, namespace: elsewhere}}
";
    let place = Place::of(&index, &account_change(&world, moved));
    assert_eq!(namespaces(&place), ["elsewhere", "partners", "shops"]);
    // Whoever loosens enforcement is still judged by what it was.
    assert_eq!(place.enforcement, Enforcement::Enforce);
}

#[test]
fn an_account_is_enforced_as_it_or_its_store_says_whichever_is_stricter() {
    let world = World::of(STRICT);
    let index = world.index();
    let of = |name: &str| {
        let yaml = format!(
            "
apiVersion: roster.dev/v1alpha1
kind: Account
metadata: {{name: {name}, namespace: shops}}
spec: {{catalogRef: {{name: portal}}, enforcement: Disabled}}
"
        );
        Place::of(&index, &account_change(&world, &yaml)).enforcement
    };
    assert_eq!((of("lax"), of("brand-new")), (Enforcement::Warn, Enforcement::Warn));
}

#[test]
fn a_catalog_is_enforced_as_the_strictest_of_its_accounts_in_the_whole_cluster() {
    let world = World::of(STRICT);
    let index = world.index();
    let catalog = world.catalogs.values().next().cloned();
    let place = Place::of(&index, &Change::Catalog(Edit { before: catalog, after: None }));
    assert_eq!((place.namespaces.is_empty(), place.namespace.is_none()), (true, true));
    assert_eq!(place.enforcement, Enforcement::Enforce);
}

#[test]
fn two_versions_of_an_object_are_a_change_and_two_objects_are_none() {
    let member = |role: &str| {
        let spec =
            json!({"accountRef": {"name": "child"}, "user": {"email": "a@b.example"}, "roleRef": {"name": role}});
        let spec: MembershipSpec = serde_json::from_value(spec).unwrap();
        let metadata = serde_json::from_value(json!({"name": "a", "namespace": "shops", "generation": 1})).unwrap();
        Object::member(&metadata, &spec, StatusDigest::default())
    };
    let change = Change::of(Some(member("viewer")), Some(member("admin"))).unwrap();
    assert_eq!((change.account().unwrap().to_string().as_str(), change.is_unchanged()), ("shops/child", false));
    assert!(Change::of(Some(member("viewer")), Some(member("viewer"))).unwrap().is_unchanged());
    assert!(matches!(Change::of(None, Some(member("viewer"))), Some(Change::Membership(_, Edit { before: None, .. }))));
    let store = World::of(STRICT).stores.values().next().cloned().unwrap();
    let metadata = serde_json::from_value(json!({"name": "default"})).unwrap();
    let store = Object::store(&metadata, store.spec.clone(), StatusDigest::default());
    assert!(Change::of(Some(store), Some(member("viewer"))).is_none());
    assert!(Change::of(None, None).is_none());
}

#[test]
fn what_does_not_exist_yet_is_enforced_as_the_strictest_store_says() {
    let world = World::of(STRICT);
    let index = world.index();
    let promised = |account: &str| {
        let facts = World::of(&format!(
            "
apiVersion: roster.dev/v1alpha1
kind: Membership
metadata: {{name: a, namespace: shops}}
spec: {{accountRef: {{name: {account}}}, user: {{email: a@b.example}}}}
"
        ));
        let (key, facts) = facts.members.into_iter().next().unwrap();
        Place::of(&index, &Change::Membership(key.0, Edit { before: None, after: Some(Arc::new(facts)) })).enforcement
    };
    assert_eq!(promised("nobody-s"), Enforcement::Warn);
    assert_eq!(promised("child"), Enforcement::Enforce);
    let elsewhere = "
apiVersion: roster.dev/v1alpha1
kind: Account
metadata: {name: mine, namespace: shops}
spec: {catalogRef: {name: portal}, storeRef: {name: later}}
";
    assert_eq!(Place::of(&index, &account_change(&world, elsewhere)).enforcement, Enforcement::Warn);
}

#[test]
fn a_managed_account_is_enforced_as_its_partner_is() {
    let strict = STRICT
        .replace("partner: true}", "partner: true, enforcement: Enforce}")
        .replace("name: parent, namespace: partners}, enforcement: Enforce}", "name: parent, namespace: partners}}");
    let world = World::of(&strict);
    let managed = "
apiVersion: roster.dev/v1alpha1
kind: Account
metadata: {name: new, namespace: shops}
spec: {catalogRef: {name: portal}, parentRef: {name: parent, namespace: partners}}
";
    let index = world.index();
    assert_eq!(Place::of(&index, &account_change(&world, managed)).enforcement, Enforcement::Enforce);
}
