//! Tests the direction of each limit: a change that loosens one way tightens the other way.

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::*;
use crate::{
    api::{AccountSpec, IdentityStoreSpec, NOT_ENFORCED, PermissionCatalogSpec, RestrictionChoice},
    state::{AccountAnnotations, KnownStore},
};

fn read<T: DeserializeOwned>(value: &Value) -> T {
    serde_json::from_value(value.clone()).unwrap()
}

fn lines(limits: &Limits) -> Vec<(Direction, String)> {
    let words = |limit: &Limit| format!("{}: {} → {}", limit.field, limit.from, limit.to);
    limits.changed.iter().map(|limit| (limit.direction, words(limit))).collect()
}

/// Asserts that exactly this limit is loosened from one revision to the other, and tightened on the way back.
fn loosens(compare: impl Fn(&Value, &Value) -> Limits, from: &Value, to: &Value, expected: &str) {
    let (there, back) = (lines(&compare(from, to)), lines(&compare(to, from)));
    assert_eq!(there, [(Direction::Loosened, expected.to_owned())]);
    assert_eq!(back.len(), 1, "{back:?}");
    assert_eq!(back[0].0, Direction::Tightened, "{back:?}");
    assert_eq!(lines(&compare(to, to)), []);
}

fn store(from: &Value, to: &Value) -> Limits {
    let known = |spec: &Value| KnownStore::read(|key| spec[key].as_str());
    let (knows, knows_to) = (known(from), known(to));
    let spec = |spec: &Value| {
        let mut spec = spec.clone();
        spec.as_object_mut().unwrap().retain(|key, _| !key.starts_with("roster.dev/"));
        read::<IdentityStoreSpec>(&spec)
    };
    let (from, to) = (spec(from), spec(to));
    of_store(StoreRevision { spec: &from, known: &knows }, StoreRevision { spec: &to, known: &knows_to })
}

fn catalog(from: &Value, to: &Value) -> Limits {
    let whole = |part: &Value| -> PermissionCatalogSpec {
        let mut spec = json!({"sections": [{"name": "a", "levels": ["No", "View", "Edit"]}, {"name": "b"}]});
        spec.as_object_mut().unwrap().extend(part.as_object().unwrap().clone());
        read(&spec)
    };
    let (from, to) = (whole(from), whole(to));
    let revision = |spec| CatalogRevision { spec, all_at_once: false, is_used: false };
    of_catalog(revision(&from), revision(&to))
}

/// Compares accounts of a store whose removal guard fires at 20 percent.
fn account(from: &Value, to: &Value) -> Limits {
    let whole = |part: &Value| -> AccountSpec {
        let mut spec = json!({"catalogRef": {"name": "shop"}, "partner": true});
        spec.as_object_mut().unwrap().extend(part.as_object().unwrap().clone());
        read(&spec)
    };
    let (from, to) = (whole(from), whole(to));
    let store: IdentityStoreSpec = read(&json!({"accountDefaults": {"removalGuard": {"maximumPercent": 20}}}));
    let annotations = AccountAnnotations::default();
    let revision = |spec| AccountRevision { spec, annotations: &annotations, store: &store };
    of_account(revision(&from), revision(&to), false)
}

#[test]
fn changes_of_the_approved_store() {
    for key in ["roster.dev/approve-store", "roster.dev/store-id"] {
        let (without, with) = (json!({}), json!({ key: "f00d" }));
        let field = format!("metadata.annotations[{key}]");
        assert_eq!(lines(&store(&without, &with)), [(Direction::Loosened, format!("{field}: {ABSENT} → f00d"))]);
        assert_eq!(lines(&store(&with, &without)), [(Direction::Changed, format!("{field}: f00d → {ABSENT}"))]);
    }
}

#[test]
fn the_order_of_levels() {
    let levels = |levels: &[&str]| json!({"sections": [{"name": "a", "levels": levels}]});
    let before = levels(&["No", "View", "Edit"]);
    for (after, loosened) in [
        (&["No", "View", "Edit"][..], false),
        (&["No", "View", "Edit", "Own"], false),
        (&["No", "Edit"], false),
        (&["No", "Edit", "View"], true),
        (&["No", "Export", "View", "Edit"], true),
        (&["View", "Edit"], true),
        (&["None", "No", "View", "Edit"], true),
    ] {
        let limits = catalog(&before, &levels(after));
        let expected = format!("spec.sections[a].levels: No, View, Edit → {}", after.join(", "));
        let expected = loosened.then_some((Direction::Loosened, expected));
        assert_eq!(lines(&limits), expected.into_iter().collect::<Vec<_>>(), "{after:?}");
    }
}

#[test]
fn namespaces() {
    let asks = |labels: Value| json!({"allowedNamespaces": {"from": "Selector", "selector": {"matchLabels": labels}}});
    let (none, one, two) = (json!({}), asks(json!({"a": "1"})), asks(json!({"a": "1", "b": "2"})));
    loosens(store, &one, &none, "spec.allowedNamespaces: Selector (a In 1) → All");
    loosens(store, &two, &one, "spec.allowedNamespaces: Selector (a In 1, b In 2) → Selector (a In 1)");
    let other = lines(&store(&one, &asks(json!({"a": "2"}))));
    assert_eq!(
        other,
        [(Direction::Changed, "spec.allowedNamespaces: Selector (a In 1) → Selector (a In 2)".to_owned())]
    );
}

#[test]
fn blocks_go_by_the_canonical_address() {
    let blocked = |email: &str| json!({"blocked": [{"email": email}]});
    assert_eq!(lines(&store(&blocked("Eve@acme.example"), &blocked("eve@ACME.example"))), []);
    let gone = "spec.blocked[Eve@acme.example]: blocked → (absent)";
    loosens(store, &blocked("Eve@acme.example"), &json!({}), gone);
}

#[test]
fn the_reason_of_a_block_counts_however_the_address_is_written() {
    let blocked = |email: &str, reason: &str| json!({"blocked": [{"email": email, "reason": reason}]});
    for written in ["eve@acme.example", "Eve@acme.example"] {
        let limits = store(&blocked(written, "fraud"), &blocked("eve@acme.example", "none"));
        let expected = "spec.blocked[eve@acme.example].reason: fraud → none".to_owned();
        assert_eq!(lines(&limits), [(Direction::Changed, expected)]);
        assert!(limits.covers(&format!("spec.blocked[{written}].reason")));
    }
}

#[test]
fn annotations_that_approve_waiting_changes() {
    for key in ["roster.dev/approve-removal", "roster.dev/approve-definition"] {
        let approved = AccountAnnotations::read(|one| (one == key).then_some("f00d"));
        let (spec, store, none) = (AccountSpec::default(), IdentityStoreSpec::default(), AccountAnnotations::default());
        let revision = |annotations| AccountRevision { spec: &spec, annotations, store: &store };
        let field = format!("metadata.annotations[{key}]");
        let there = of_account(revision(&none), revision(&approved), false);
        assert_eq!(lines(&there), [(Direction::Loosened, format!("{field}: {ABSENT} → f00d"))]);
        let back = of_account(revision(&approved), revision(&none), false);
        assert_eq!(lines(&back), [(Direction::Tightened, format!("{field}: f00d → {ABSENT}"))]);
    }
}

/// Without this, users might assume that the rule is enforced.
#[test]
fn limits_without_enforcement_are_reported_as_such() {
    let enforces = |word: &str| json!({"accountDefaults": {"enforcement": word}});
    let rule = json!({"administration": [{"action": "Invite", "roles": ["x"]}]});
    for (limits, not_ready) in [
        (store(&enforces("Disabled"), &enforces("Enforce")), true),
        (store(&enforces("Enforce"), &enforces("Disabled")), false),
        (account(&json!({}), &json!({"enforcement": "Warn"})), true),
        (catalog(&json!({}), &rule), false),
        (catalog(&rule, &json!({})), false),
    ] {
        let [limit] = limits.changed.as_slice() else { panic!("{limits:?}") };
        assert!(limit.meaning.contains(NOT_ENFORCED), "{limit:?}");
        assert_eq!(limit.meaning.contains("NotEnforced"), not_ready, "{limit:?}");
    }
}

/// A new object is compared with one that has only defaults.
#[test]
fn an_object_with_a_default_spec_sets_no_limit_loosely() {
    assert_eq!(lines(&store(&json!({}), &json!({}))), []);
    let loose = json!({"adoption": "Always", "blocked": [{"email": "eve@acme.example"}],
        "accountDefaults": {"removalGuard": {"maximumPercent": 90}}, "keycloak": {"url": "https://k", "realm": "r",
        "clientId": "c", "clientSecretRef": {"name": "s", "key": "k"}, "portalClients": ["portal"]}});
    let fields: Vec<String> =
        store(&json!({}), &loose).only_loosened().changed.into_iter().map(|limit| limit.field).collect();
    let guard = "spec.accountDefaults.removalGuard.maximumPercent";
    assert_eq!(fields, ["spec.adoption", guard, "spec.keycloak.portalClients"]);
}

#[test]
fn inherited_settings_count() {
    let guard = |percent: u8| json!({"removalGuard": {"maximumPercent": percent}});
    loosens(account, &guard(10), &json!({}), "spec.removalGuard.maximumPercent: 10 → 20");
    loosens(account, &guard(10), &guard(90), "spec.removalGuard.maximumPercent: 10 → 20");
    assert_eq!(lines(&account(&json!({}), &guard(20))), []);
    assert!(account(&json!({}), &guard(20)).covers("spec.removalGuard.maximumPercent"));
}

#[test]
fn managed_accounts() {
    let managed = |part: Value| json!({"managedAccounts": part});
    let field = "spec.managedAccounts";
    loosens(account, &json!({}), &managed(json!({})), &format!("{field}: (absent) → present"));
    let wide = lines(&account(&json!({}), &managed(json!({"allowedNamespaces": {"from": "All"}}))));
    assert_eq!(wide[1], (Direction::Loosened, format!("{field}.allowedNamespaces: Same → All")), "{wide:?}");
    let (own, more) = (managed(json!({"catalogs": ["shop"]})), managed(json!({"catalogs": ["shop", "spare"]})));
    assert_eq!(lines(&account(&managed(json!({})), &own)), []);
    loosens(account, &own, &more, &format!("{field}.catalogs: shop → shop, spare"));
    let approval = managed(json!({"needApproval": true}));
    loosens(account, &approval, &managed(json!({})), &format!("{field}.needApproval: true → false"));
}

#[test]
fn restrictions_and_requirements() {
    let restriction = |part: Value| {
        let mut whole = json!({"name": "r", "caps": {"a": "View"}});
        whole.as_object_mut().unwrap().extend(part.as_object().unwrap().clone());
        json!({"restrictions": [whole]})
    };
    let plain = restriction(json!({}));
    let field = "spec.restrictions[r]";
    loosens(catalog, &plain, &restriction(json!({"caps": {"a": "Edit"}})), &format!("{field}.caps.a: View → Edit"));
    loosens(catalog, &plain, &restriction(json!({"caps": {}})), &format!("{field}.caps.a: View → (absent)"));
    let default = restriction(json!({"appliedByDefault": true}));
    loosens(catalog, &default, &plain, &format!("{field}.appliedByDefault: true → false"));
    let owner = restriction(json!({"lifting": {"grantsOwnerAccess": true}}));
    loosens(catalog, &plain, &owner, &format!("{field}.lifting.grantsOwnerAccess: false → true"));
    let needs = |requires: Value| json!({"sections": [{"name": "b", "requires": requires}, {"name": "a", "levels": ["No", "View", "Edit"]}]});
    let at = |level: &str| needs(json!([{"from": "Allowed", "section": "a", "level": level}]));
    let field = "spec.sections[b].requires[Allowed/a]";
    loosens(catalog, &at("Edit"), &at("View"), &format!("{field}: Edit → View"));
    loosens(catalog, &at("View"), &needs(json!([])), &format!("{field}: View → (absent)"));
}

#[test]
fn who_may_administer() {
    let rule = |part: Value| {
        let mut whole = json!({"action": "EditMembers"});
        whole.as_object_mut().unwrap().extend(part.as_object().unwrap().clone());
        json!({"administration": [whole]})
    };
    let field = "spec.administration[EditMembers]";
    let (one, two) = (rule(json!({"roles": ["x"]})), rule(json!({"roles": ["x", "y"]})));
    loosens(catalog, &json!({}), &one, &format!("{field}: administrators only → x"));
    loosens(catalog, &one, &two, &format!("{field}: x → x, y"));
    let level = |level: &str| rule(json!({"section": "a", "level": level}));
    loosens(catalog, &level("Edit"), &level("View"), &format!("{field}: a: Edit → a: View"));
    // Custom roles and groups can grant a level, and are never the role that a rule names.
    assert_eq!(lines(&catalog(&one, &level("Edit")))[0].0, Direction::Loosened);
    // No predefined role grants the level, so that x could not do this before.
    assert_eq!(lines(&catalog(&level("Edit"), &one))[0].0, Direction::Loosened);
}

#[test]
fn roles_and_their_holders() {
    let role = |part: Value| {
        let mut whole = json!({"name": "x"});
        whole.as_object_mut().unwrap().extend(part.as_object().unwrap().clone());
        json!({"roles": [whole]})
    };
    let plain = role(json!({}));
    let advice = role(json!({"advice": {"minimumHolders": 1}}));
    let last = catalog(&advice, &plain);
    assert_eq!(last.changed[0].meaning, "the last holder may be removed without approval");
    loosens(catalog, &advice, &plain, "spec.roles[x].advice.minimumHolders: 1 → 0");
    let most = role(json!({"advice": {"maximumHolders": 3}}));
    loosens(catalog, &most, &plain, "spec.roles[x].advice.maximumHolders: 3 → (absent)");
    let owner = role(json!({"heldBy": "AccountOwner"}));
    loosens(catalog, &owner, &plain, "spec.roles[x].heldBy: AccountOwner → Members");
    let partner = role(json!({"availableIn": ["Partner"]}));
    loosens(catalog, &partner, &plain, "spec.roles[x].availableIn: Partner → Managed, Partner, Standalone");
    assert_eq!(lines(&catalog(&plain, &role(json!({"availableIn": ["Standalone", "Partner", "Managed"]})))), []);
}

#[test]
fn restrictions_of_one_user() {
    let user = |from: &Value, to: &Value| {
        let (from, to): (RestrictionChoice, RestrictionChoice) = (read(from), read(to));
        let revision = |choice| RestrictionsRevision { choice: Some(choice), acknowledge: &[] };
        of_user(revision(&from), revision(&to))
    };
    loosens(user, &json!({"apply": ["r"]}), &json!({}), "spec.restrictions.apply: r → (absent)");
    loosens(user, &json!({}), &json!({"lift": ["r"]}), "spec.restrictions.lift: (absent) → r");
}

#[test]
fn a_field_is_covered_with_all_below_it() {
    let limits = store(&json!({}), &json!({}));
    assert!(limits.covers("spec.allowedNamespaces.selector.matchLabels.tier"));
    assert!(!limits.covers("spec.sqlite.file") && !limits.covers("spec.allowed") && !limits.covers("spec"));
}
