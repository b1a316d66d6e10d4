//! Tests rules of a whole account: its store and catalog admit it, it has an owner, and it keeps its content while it
//! does not resolve.

use std::collections::HashMap;

use crate::support::{PORTAL, Pass, World, advice, membership, table};
use roster_core::{api::InvalidReason, model::RoleName, resolve::AccountResolution};

fn acme(spec: &str) -> World {
    World::of(PORTAL).with(&format!("kind: Account\nmetadata: {{name: acme, generation: 3}}\nspec: {{{spec}}}"))
}

const OWNED: &str = "catalogRef: {name: portal}, owner: {email: olga@acme.example}";

#[test]
fn a_reference_that_leads_nowhere_is_named_on_the_account_and_on_everything_in_it() {
    let objects = membership("dana", "roleRef: {name: editor}")
        + "---\nkind: Invitation\nmetadata: {name: i}\nspec: {accountRef: {name: acme}, email: new@acme.example}\n";
    let missing_catalog = r#"spec.catalogRef: there is no PermissionCatalog "portall""#;
    let world = acme("catalogRef: {name: portall}, owner: {email: olga@acme.example}").with(&objects);
    world.says("acme", "account", InvalidReason::CatalogNotFound, missing_catalog);
    for object in ["membership dana", "invitation i"] {
        world.says("acme", object, InvalidReason::CatalogNotFound, &format!(r#"account "acme": {missing_catalog}"#));
    }
    let world = acme(&format!("{OWNED}, storeRef: {{name: elsewhere}}"));
    world.says(
        "acme",
        "account",
        InvalidReason::StoreNotFound,
        r#"spec.storeRef: there is no IdentityStore "elsewhere""#,
    );
}

#[test]
fn a_catalog_that_breaks_its_own_rules_is_the_catalogs_fault() {
    let world = acme(OWNED)
        .with("kind: PermissionCatalog\nmetadata: {name: portal}\nspec: {sections: [{name: a}], ownerRole: boss}");
    world.says(
        "acme",
        "account",
        InvalidReason::CatalogInvalid,
        r#"spec.catalogRef: PermissionCatalog "portal" breaks its own rules: spec.ownerRole: role "boss" is not among spec.roles"#,
    );
    assert!(matches!(world.definitions("acme").resolution, AccountResolution::Unresolvable));
}

#[test]
fn store_and_catalog_admit_namespaces_by_their_labels() {
    let picky = "allowedNamespaces: {from: Selector, selector: {matchLabels: {team: blue}}}";
    let store = format!("kind: IdentityStore\nmetadata: {{name: default}}\nspec: {{{picky}}}");
    let world = acme(OWNED).with(&store);
    world.says(
        "acme",
        "account",
        InvalidReason::NamespaceNotAllowed,
        r#"spec.storeRef: IdentityStore "default" does not admit namespace "default", which needs labels team=blue and has labels that are not known yet"#,
    );
    world.with("kind: Namespace\nmetadata: {name: default, labels: {team: blue}}").is_valid("acme", "account");
    let unlike = store
        .replace("{matchLabels: {team: blue}}", "{matchExpressions: [{key: team, operator: NotIn, values: [red]}]}");
    let unknown = acme(OWNED).with(&unlike);
    assert_eq!(unknown.findings("acme", "account").reason(), Some(InvalidReason::NamespaceNotAllowed), "not seen yet");
    unknown.with("kind: Namespace\nmetadata: {name: default}").is_valid("acme", "account");
    let catalog =
        format!("kind: PermissionCatalog\nmetadata: {{name: portal}}\nspec: {{sections: [{{name: a}}], {picky}}}");
    let world = acme("catalogRef: {name: portal}").with(&catalog);
    world.says(
        "acme",
        "account",
        InvalidReason::NamespaceNotAllowed,
        r#"spec.catalogRef: PermissionCatalog "portal" does not admit namespace "default", which needs labels team=blue and has labels that are not known yet"#,
    );
    let broken = catalog.replace("{matchLabels: {team: blue}}", "{matchExpressions: [{key: team, operator: Near}]}");
    let world = acme("catalogRef: {name: portal}").with(&broken);
    assert_eq!(
        world.findings("acme", "account").reason(),
        Some(InvalidReason::NamespaceNotAllowed),
        "a selector that cannot be read picks nothing"
    );
}

#[test]
fn every_refusal_of_a_parent_reads_the_same() {
    let child = "kind: Account\nmetadata: {name: child}\nspec: {catalogRef: {name: portal}, owner: {email: c@acme.example}, parentRef: {name: acme}}\n---\n";
    let text = r#"spec.parentRef: default/acme is not a partner account, or does not admit namespace "default" with catalog "portal""#;
    let partner = |rest: &str| acme(&format!("{OWNED}, {rest}")).with(child);
    for refuses in [
        "partner: false",
        "partner: true",
        "partner: true, managedAccounts: {catalogs: [other]}",
        "partner: true, managedAccounts: {allowedNamespaces: {from: Selector, selector: {matchLabels: {a: b}}}}",
        "partner: true, managedAccounts: {}, parentRef: {name: above}",
    ] {
        partner(refuses).says("child", "account", InvalidReason::ParentNotAllowed, text);
    }
    let mut orphan = World::of(PORTAL).with(child);
    orphan.accounts.remove(&World::key("acme"));
    orphan.says("child", "account", InvalidReason::ParentNotAllowed, text);
    for admits in ["managedAccounts: {}", "managedAccounts: {catalogs: [portal], allowedNamespaces: {from: All}}"] {
        partner(&format!("partner: true, {admits}")).is_valid("child", "account");
    }
}

#[test]
fn an_account_that_waits_for_approval_has_its_members_without_access() {
    let child = "kind: Account\nmetadata: {name: acme, namespace: east}\nspec: {catalogRef: {name: portal}, owner: {email: c@acme.example}, parentRef: {name: acme, namespace: default}}\n---\n";
    let member =
        membership("dana", "roleRef: {name: partner-only}").replace("{name: dana}", "{name: dana, namespace: east}");
    let parent = |approved: &str| {
        acme(&format!("{OWNED}, partner: true, managedAccounts: {{allowedNamespaces: {{from: All}}, needApproval: true, approved: [{approved}]}}"))
            .with(&format!("{child}{member}"))
    };
    let world = parent("{namespace: west, name: acme}");
    let text = "waits for approval: Account default/acme must list this account in spec.managedAccounts.approved";
    world.says("east/acme", "account", InvalidReason::ApprovalPending, text);
    world.says("east/acme", "membership dana", InvalidReason::ApprovalPending, &format!(r#"account "acme": {text}"#));
    let resolved = world.resolve("east/acme");
    assert_eq!(resolved.access("dana@acme.example"), "nothing ended: NotApproved");
    assert_eq!(resolved.access("c@acme.example"), "nothing ended: NotApproved");
    let approved = parent("{namespace: east, name: acme}");
    approved.is_valid("east/acme", "membership dana");
    assert_eq!(approved.resolve("east/acme").access("dana@acme.example"), "billing: Allowed");
}

#[test]
fn an_owner_is_needed_where_the_catalog_has_a_role_for_one() {
    acme("catalogRef: {name: portal}").says(
        "acme",
        "account",
        InvalidReason::OwnerMissing,
        r#"spec.owner: the catalog has the owner role "owner", so the account needs an owner"#,
    );
    acme("catalogRef: {name: portal}, owner: {email: a@b..c}").says(
        "acme",
        "account",
        InvalidReason::AddressInvalid,
        r#"spec.owner.email: "a@b..c" is not an address: "b..c" is no domain name"#,
    );
    // This does not affect the account's members.
    let world = acme("catalogRef: {name: portal}").with(&membership("dana", "roleRef: {name: editor}"));
    world.is_valid("acme", "membership dana");
    assert_eq!(world.resolve("acme").access("dana@acme.example"), "docs: View, billing: Allowed");
}

#[test]
fn the_owner_gets_the_owner_role_and_no_restriction_takes_from_it() {
    assert_eq!(acme(OWNED).resolve("acme").access("olga@acme.example"), "docs: Delete, billing: Allowed, keys: Edit");
    let suspended = acme(&format!("{OWNED}, suspended: true"));
    suspended.is_valid("acme", "account");
    assert_eq!(suspended.resolve("acme").access("olga@acme.example"), "nothing ended: AccountSuspended");
}

#[test]
fn an_unresolvable_account_keeps_its_content_but_applies_explicit_revocations() {
    let members = membership("dana", "roleRef: {name: editor}")
        + &membership("eve", "roleRef: {name: editor}, suspended: true")
        + &membership("fay", "roleRef: {name: editor}, expiresAt: 2030-01-01T00:00:00Z");
    let world = acme("catalogRef: {name: gone}, owner: {email: olga@acme.example}").with(&members);
    let resolved = world.resolve("acme");
    assert!(resolved.desired.definitions.is_none());
    assert_eq!(resolved.access("dana@acme.example"), "kept");
    assert_eq!(resolved.access("olga@acme.example"), "kept");
    assert_eq!(resolved.access("eve@acme.example"), "ended: Suspended");
    assert_eq!(resolved.access("fay@acme.example"), "kept within …..2030-01-01T00:00:00Z");
    let blocked = "kind: IdentityStore\nmetadata: {name: default}\nspec: {blocked: [{email: dana@acme.example}]}";
    assert_eq!(world.with(blocked).resolve("acme").access("dana@acme.example"), "ended: Blocked");
}

#[test]
fn a_withdrawn_approval_revokes_access_in_an_unresolvable_account() {
    let child = "kind: Account\nmetadata: {name: child}\nspec: {catalogRef: {name: gone}, owner: {email: c@acme.example}, parentRef: {name: acme}}\n---\n";
    let parent = acme(&format!("{OWNED}, partner: true, managedAccounts: {{catalogs: [gone], needApproval: true}}"));
    assert_eq!(parent.with(child).resolve("child").access("c@acme.example"), "ended: NotApproved");
}

#[test]
fn advice_on_holders_counts_against_what_the_catalog_says() {
    let definitions = World::of(PORTAL).definitions("acme");
    let advised = |holders: HashMap<RoleName, u64>| advice(&definitions.holder_advice(&holders));
    let advice = |count: u64| advised(HashMap::from([(RoleName::predefined("admin"), count)]));
    assert_eq!(advised(HashMap::new()), ["role admin has 0 holders, and should have at least 1: Enough."]);
    assert_eq!(advice(1), [""; 0]);
    assert_eq!(advice(3), ["role admin has 3 holders, and should have at most 2: Enough."]);
    assert_eq!(definitions.guarded_roles().collect::<Vec<_>>(), ["admin"]);
}

/// Returns `acme` with its owner in the store.
fn owned() -> Pass {
    Pass::synced("acme", PORTAL)
}

fn rename(pass: &mut Pass, spec: &str) {
    pass.world.add(&format!("kind: Account\nmetadata: {{name: acme, generation: 4}}\nspec: {{{spec}}}"));
}

const RENAMED: &str = "catalogRef: {name: portal}, owner: {email: nora@acme.example}";
const ALL: &str = "docs: Delete, billing: Allowed, keys: Edit";

fn by_platform(pass: &mut Pass) {
    pass.world.add(
        &PORTAL.split("---").next().unwrap().replace("ownerRole: owner", "ownerRole: owner\n  ownerChange: ByPlatform"),
    );
}

#[test]
fn the_owner_stays_where_the_catalog_does_not_let_the_owner_change() {
    let mut pass = owned();
    rename(&mut pass, RENAMED);
    let plan = pass.run();
    assert_eq!(plan.owner_kept.unwrap().as_str(), "olga@acme.example");
    assert_eq!(plan.drift, []);
    assert_eq!((pass.access("olga@acme.example").as_str(), pass.access("nora@acme.example").as_str()), (ALL, "nobody"));
}

#[test]
fn the_owner_changes_where_the_platform_may_change_it() {
    let mut pass = owned();
    by_platform(&mut pass);
    rename(&mut pass, RENAMED);
    let plan = pass.run();
    assert_eq!(plan.owner_kept, None);
    assert_eq!((pass.access("olga@acme.example").as_str(), pass.access("nora@acme.example").as_str()), ("nobody", ALL));
}

#[test]
fn an_owner_who_is_missing_or_misspelt_replaces_nobody() {
    for spec in ["catalogRef: {name: portal}", "catalogRef: {name: portal}, owner: {email: nora@bad..example}"] {
        let mut pass = owned();
        by_platform(&mut pass);
        rename(&mut pass, spec);
        pass.run();
        assert_eq!(pass.access("olga@acme.example"), ALL, "{spec}");
    }
}

#[test]
fn an_owner_kept_in_the_store_can_be_suspended_and_blocked() {
    for (change, why) in [
        (RENAMED.to_owned() + ", suspended: true", "nothing ended: AccountSuspended"),
        (RENAMED.to_owned(), "nothing ended: Blocked"),
    ] {
        let mut pass = owned();
        rename(&mut pass, &change);
        if why.ends_with("Blocked") {
            let block = "kind: IdentityStore\nmetadata: {name: default}\nspec: {blocked: [{email: olga@acme.example}]}";
            pass.world.add(block);
        }
        let plan = pass.run();
        assert!(plan.owner_kept.is_some());
        assert_eq!(pass.access("olga@acme.example"), why);
    }
}

#[test]
fn a_refused_new_owner_keeps_former_access_unless_it_is_revoked() {
    let mut pass = Pass::synced("acme", &(PORTAL.to_owned() + &membership("nora", "roleRef: {name: editor}")));
    rename(&mut pass, RENAMED);
    pass.run();
    assert_eq!(pass.access("nora@acme.example"), "docs: View, billing: Allowed");
    pass.world.add("kind: IdentityStore\nmetadata: {name: default}\nspec: {blocked: [{email: nora@acme.example}]}");
    pass.run();
    assert_eq!(pass.access("nora@acme.example"), "nothing ended: Blocked");
}

#[test]
fn a_membership_for_the_owner_who_stays_does_not_lower_them() {
    let mut pass = owned();
    rename(&mut pass, RENAMED);
    pass.world.add(&membership("olga", "roleRef: {name: editor}"));
    pass.run();
    assert_eq!(pass.access("olga@acme.example"), ALL);
}

#[test]
fn the_owner_stays_in_an_account_that_does_not_resolve() {
    for spec in [
        "catalogRef: {name: gone}, owner: {email: olga@acme.example}",
        "catalogRef: {name: gone}, owner: {email: nora@acme.example}",
        "catalogRef: {name: gone}",
    ] {
        let mut pass = owned();
        rename(&mut pass, spec);
        assert_eq!(table(&pass.run()), [""; 0]);
        assert_eq!(pass.access("olga@acme.example"), ALL, "{spec}");
        rename(&mut pass, &format!("{spec}, suspended: true"));
        pass.run();
        assert_eq!(pass.access("olga@acme.example"), "nothing ended: AccountSuspended", "{spec}");
    }
}

#[test]
fn an_owner_written_into_the_store_by_others_is_drift() {
    let mut pass = owned();
    let account = pass.memory.account.as_mut().unwrap().content.as_mut().unwrap();
    account.owner = Some(crate::support::email("mallory@acme.example"));
    let plan = pass.run();
    assert_eq!(plan.owner_kept, None);
    assert_eq!(table(&plan), ["Define drift put account"]);
    assert_eq!(plan.drift[0].entries[0].field, "owner");
    assert_eq!(plan.drift[0].entries[0].observed, "mallory@acme.example");
}
