//! Tests rules of docs/concepts.md about whole accounts: which accounts resolve, what revokes everybody's access,
//! catalogs.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::pedantic,
    clippy::cloned_ref_to_slice_refs,
    reason = "tests end by panicking, and their tables read better as they stand"
)]

mod support;

use roster_reference::{End, Kind, ObjectId, Statement, World};
use support::{
    add, ask,
    base::{BASE, base, membership, object, plain, with},
    levels, member, reasons, world,
};

const DANA: &str = "dana@acme.example";
const CLERK: &str = "roleRef: {name: clerk}";

/// The base with dana as a clerk, and some text of it replaced.
#[track_caller]
fn changed(from: &str, to: &str) -> World {
    assert!(BASE.contains(from));
    with(&BASE.replacen(from, to, 1), &membership("dana", CLERK))
}

#[track_caller]
fn is_kept(world: &World, because: &str) {
    assert_eq!(reasons(world, Kind::Account, "portal"), because);
    let answer = ask(world, "acme/portal");
    assert!(!answer.resolves);
    assert!(answer.members.values().all(|member| member.statement == Statement::Kept), "{answer:?}");
    assert_eq!(answer.members.len(), 2);
}

#[test]
fn an_unresolvable_account_keeps_its_content() {
    is_kept(&changed("catalogRef: {name: portal}", "catalogRef: {name: portals}"), "CatalogNotFound");
    is_kept(
        &changed("kind: IdentityStore\nmetadata: {name: default}", "kind: IdentityStore\nmetadata: {name: other}"),
        "StoreNotFound",
    );
    is_kept(&changed("ownerRole: owner", "ownerRole: owners"), "CatalogInvalid");
    is_kept(&changed("owner: {email", "parentRef: {name: nobody}, owner: {email"), "ParentNotAllowed");
}

#[test]
fn revocations_take_effect_while_an_account_is_unresolvable() {
    let store = "---\nkind: IdentityStore\nmetadata: {name: default}\nspec: {sqlite: {file: a.db}, blocked: [{email: bob@acme.example}]}\n";
    let people = [
        membership("dana", CLERK),
        membership("bob", CLERK),
        membership("sue", "suspended: true"),
        membership("old", "expiresAt: 2026-11-23T11:00:00Z"),
        membership("new", "startsAt: 2026-11-24T11:00:00Z"),
        membership("ivy", "invitationRef: {name: gone}"),
        membership("fay", "expiresAt: 2026-11-24T11:00:00Z"),
    ];
    let mut world = base(&[store, &people.concat()].concat());
    world.catalogs.clear();
    let statement = |name: &str| member(&world, &format!("{name}@acme.example")).statement;
    assert_eq!(statement("dana"), Statement::Kept);
    assert_eq!(statement("bob"), Statement::Ended(End::Blocked));
    assert_eq!(statement("sue"), Statement::Ended(End::Suspended));
    assert_eq!(statement("old"), Statement::Ended(End::Expired));
    assert_eq!(statement("new"), Statement::Ended(End::NotStarted));
    assert_eq!(statement("ivy"), Statement::Ended(End::InvitationGone));
    // Kept, but within its own expiry.
    assert_eq!(statement("fay"), Statement::Kept);
    assert!(member(&world, "fay@acme.example").expires_at.is_some());
    assert!(!ask(&world, "acme/portal").members.contains_key("nobody@acme.example"));
    add(&mut world, &BASE[BASE.rfind("kind: Account").unwrap()..].replace("spec: {", "spec: {suspended: true, "));
    assert_eq!(member(&world, DANA).statement, Statement::Ended(End::AccountSuspended));
}

#[test]
fn in_an_unresolvable_account_an_owner_without_owner_role_is_a_member() {
    let unresolved = |catalog: &str, people: &str| {
        let mut world =
            with(&BASE.replace("  ownerRole: owner\n", catalog).replace("grantsOwnerAccess: true, ", ""), people);
        world.stores.clear();
        world
    };
    let suspended = object("Membership", "olga", "user: {email: olga@acme.example}, suspended: true");
    let member_of =
        |world: &World| ask(world, "acme/portal").members.get("olga@acme.example").map(|member| member.statement);
    assert_eq!(member_of(&unresolved("", &suspended)), Some(Statement::Ended(End::Suspended)));
    assert_eq!(member_of(&unresolved("", "")), None);
    assert_eq!(member_of(&unresolved("  ownerRole: owner\n", &suspended)), Some(Statement::Kept));
    // Without a catalog the owner role is unknown: a suspension counts, and a person without Membership may be the owner.
    let mut world = unresolved("", &suspended);
    world.catalogs.clear();
    assert_eq!(member_of(&world), Some(Statement::Ended(End::Suspended)));
    world.memberships.clear();
    assert_eq!(member_of(&world), Some(Statement::Kept));
}

#[test]
fn a_selector_picks_known_namespaces_only_and_every_one_has_its_name_as_a_label() {
    let of = |selector: &str| {
        let allowed = format!(
            "spec: {{allowedNamespaces: {{from: Selector, selector: {selector}}}, sqlite: {{file: roster.db}}}}"
        );
        changed("spec: {sqlite: {file: roster.db}}", &allowed)
    };
    for admitting in [
        "{matchLabels: {tier: gold}}",
        "{matchLabels: {kubernetes.io/metadata.name: acme}}",
        "{matchExpressions: [{key: tier, operator: In, values: [gold, iron]}]}",
        "{matchExpressions: [{key: tier, operator: NotIn, values: [iron]}]}",
        "{matchExpressions: [{key: team, operator: NotIn, values: [iron]}]}",
        "{matchExpressions: [{key: tier, operator: Exists}]}",
        "{matchExpressions: [{key: team, operator: DoesNotExist}]}",
        "{}",
    ] {
        let mut world = of(admitting);
        assert!(ask(&world, "acme/portal").resolves, "{admitting}");
        world.namespaces.clear();
        is_kept(&world, "NamespaceNotAllowed");
    }
    for refusing in [
        "{matchLabels: {tier: gold, team: blue}}",
        "{matchLabels: {kubernetes.io/metadata.name: other}}",
        "{matchExpressions: [{key: tier, operator: In, values: [iron]}]}",
        "{matchExpressions: [{key: tier, operator: NotIn, values: [gold]}]}",
        "{matchExpressions: [{key: team, operator: Exists}]}",
        "{matchExpressions: [{key: tier, operator: DoesNotExist}]}",
    ] {
        is_kept(&of(refusing), "NamespaceNotAllowed");
    }
    let mut all = changed("owner", "owner");
    all.namespaces.clear();
    assert!(ask(&all, "acme/portal").resolves);
}

#[test]
fn a_catalog_too_may_refuse_a_namespace() {
    let refusing = "spec:\n  allowedNamespaces: {from: Selector, selector: {matchLabels: {tier: iron}}}\n  sections:";
    is_kept(&changed("spec:\n  sections:", refusing), "NamespaceNotAllowed");
}

#[test]
fn a_suspended_account_revokes_all_access_including_the_owners() {
    let world = changed("spec: {catalogRef", "spec: {suspended: true, catalogRef");
    let answer = ask(&world, "acme/portal");
    assert_eq!(answer.ended, Some(End::AccountSuspended));
    assert_eq!(answer.members.len(), 2);
    for member in answer.members.values() {
        assert_eq!(member.statement, Statement::Ended(End::AccountSuspended));
        assert!(!member.potential.is_empty());
    }
    assert!(answer.holders.is_empty());
}

#[test]
fn an_account_may_miss_its_owner() {
    let world = changed(", owner: {email: olga@acme.example}", "");
    assert_eq!(reasons(&world, Kind::Account, "portal"), "OwnerMissing");
    let answer = ask(&world, "acme/portal");
    assert!(answer.resolves && answer.owner.is_none());
    assert_eq!(levels(&member(&world, DANA).levels), "billing=Allowed");
}

/// A partner `acme/parent`, and `acme/portal` as its managed account.
fn managed(parent: &str) -> World {
    let child = "catalogRef: {name: portal}, parentRef: {name: parent}, owner: {email: olga@acme.example}";
    let account =
        |name: &str, spec: &str| format!("---\nkind: Account\nmetadata: {{name: {name}}}\nspec: {{{spec}}}\n");
    let parent = format!("catalogRef: {{name: portal}}, owner: {{email: pat@acme.example}}, {parent}");
    plain(&[account("parent", &parent), account("portal", child), membership("dana", CLERK)].concat())
}

#[test]
fn a_parent_must_be_a_partner_not_managed_and_admit_the_account() {
    assert!(ask(&managed("partner: true, managedAccounts: {}"), "acme/portal").resolves);
    for refused in [
        "partner: false, managedAccounts: {}",
        "partner: true",
        "partner: true, managedAccounts: {}, parentRef: {name: another}",
        "partner: true, managedAccounts: {catalogs: [other]}",
        "partner: true, managedAccounts: {allowedNamespaces: {from: Selector, selector: {matchLabels: {tier: iron}}}}",
    ] {
        is_kept(&managed(refused), "ParentNotAllowed");
    }
    for admitted in [
        "partner: true, managedAccounts: {catalogs: [other, portal]}",
        "partner: true, managedAccounts: {allowedNamespaces: {from: All}}",
        "partner: true, managedAccounts: {allowedNamespaces: {from: Selector, selector: {matchLabels: {tier: gold}}}}",
    ] {
        assert!(ask(&managed(admitted), "acme/portal").resolves, "{admitted}");
    }
}

#[test]
fn a_parent_in_another_namespace_admits_its_own_namespace_only_unless_it_says_otherwise() {
    let mut world = managed("partner: true, managedAccounts: {}");
    let parent = world.accounts.remove(&("acme".to_owned(), "parent".to_owned())).unwrap();
    world.accounts.insert(("hub".to_owned(), "parent".to_owned()), parent);
    is_kept(&world, "ParentNotAllowed");
    add(
        &mut world,
        "kind: Account\nmetadata: {name: portal}\nspec: {catalogRef: {name: portal}, owner: {email: olga@acme.example}, parentRef: {name: parent, namespace: hub}}",
    );
    is_kept(&world, "ParentNotAllowed");
    add(
        &mut world,
        "kind: Account\nmetadata: {name: parent, namespace: hub}\nspec: {catalogRef: {name: portal}, partner: true, managedAccounts: {allowedNamespaces: {from: All}}}",
    );
    assert!(ask(&world, "acme/portal").resolves);
}

#[test]
fn an_account_that_is_not_approved_resolves_and_gives_nobody_access() {
    let world = managed("partner: true, managedAccounts: {needApproval: true}");
    assert_eq!(reasons(&world, Kind::Account, "portal"), "ApprovalPending");
    assert_eq!(reasons(&world, Kind::Membership, "dana"), "ApprovalPending");
    assert_eq!(member(&world, DANA).statement, Statement::Ended(End::NotApproved));
    assert_eq!(member(&world, "olga@acme.example").statement, Statement::Ended(End::NotApproved));
    assert_eq!(levels(&member(&world, DANA).potential), "billing=Allowed");
    let mut unresolved = world;
    unresolved.catalogs.clear();
    assert_eq!(member(&unresolved, DANA).statement, Statement::Ended(End::NotApproved));
    assert_eq!(reasons(&unresolved, Kind::Account, "portal"), "ApprovalPending CatalogNotFound");
    let world =
        managed("partner: true, managedAccounts: {needApproval: true, approved: [{namespace: acme, name: portal}]}");
    assert_eq!(member(&world, DANA).statement, Statement::Exactly);
    let world =
        managed("partner: true, managedAccounts: {needApproval: true, approved: [{namespace: hub, name: portal}]}");
    assert_eq!(member(&world, DANA).statement, Statement::Ended(End::NotApproved));
}

#[test]
fn the_type_of_an_account_decides_which_roles_there_are() {
    let mut world = managed("partner: true, managedAccounts: {}");
    let catalog =
        BASE.replace("availableIn: [Partner]", "availableIn: [Managed]").replace("appliedByDefault: true", "");
    add(&mut world, &catalog[..catalog.find("---\nkind: Account").unwrap()]);
    add(&mut world, &membership("dana", "roleRef: {name: partner-admin}"));
    assert_eq!(levels(&member(&world, DANA).levels), "users=Delete");
}

#[test]
fn a_vanished_object_can_be_restored() {
    let cells = object("Role", "cells", "overrides: reader, permissions: {users: Hide}");
    let before = plain(&[cells, membership("dana", "roleRef: {name: reader}")].concat());
    let mut after = before.clone();
    after.roles.clear();
    assert_eq!(levels(&member(&after, DANA).levels), "bulk=View users=View");
    let still_there = after.with_object_of(&before, &ObjectId::new(Kind::Role, "acme", "cells"));
    assert_eq!(levels(&member(&still_there, DANA).levels), "bulk=View");
}

#[test]
fn a_catalog_keeps_its_own_rules() {
    let of = |from: &str, to: &str| {
        assert!(BASE.contains(from), "{from}");
        reasons(&world(&BASE.replace(from, to)), Kind::PermissionCatalog, "portal")
    };
    assert_eq!(of("portal", "portal"), "");
    for (from, to) in [
        ("name: billing}", "name: users}"),
        ("level: View}]", "level: Own}]"),
        ("level: View}]", "level: View}, {from: Hide, section: billing, level: Allowed}]"),
        ("section: users, level: View", "section: user, level: View"),
        ("section: users, level: View", "section: bulk, level: View"),
        ("section: users, level: View", "section: chain, level: Allowed"),
        ("caps: {billing: Denied}", "caps: {biling: Denied}"),
        ("caps: {billing: Denied}", "caps: {billing: View}"),
        ("name: view-only", "name: no-billing"),
        ("name: clerk", "name: reader"),
        ("permissions: {billing: Allowed}", "permissions: {billing: Owned}"),
        ("notApplicable: [billing]", "notApplicable: [biling]"),
        ("notApplicable: [billing]", "notApplicable: [users]"),
        ("minimumHolders: 1", "minimumHolders: 2, maximumHolders: 1"),
        ("ownerRole: owner", "ownerRole: own"),
        ("ownerRole: owner", "ownerRole: admin"),
        ("ownerRole: owner", ""),
        ("ownerRole: owner", "ownerRole: owner\n  defaultRole: nobody"),
        ("ownerRole: owner", "ownerRole: owner\n  customRoles: {notApplicable: [biling]}"),
        ("ownerRole: owner", "ownerRole: owner\n  administration: [{action: Invite, section: billing, level: View}]"),
        ("ownerRole: owner", "ownerRole: owner\n  administration: [{action: Invite, roles: [nobody]}]"),
    ] {
        assert_eq!(of(from, to), "CatalogInvalid", "{from} -> {to}");
    }
}

#[test]
fn two_sections_may_need_each_other_at_different_levels() {
    let catalog = |needed: &str| {
        world(&format!(
            "kind: PermissionCatalog\nmetadata: {{name: c}}\nspec:\n  sections:\n  - {{name: a, levels: [None, View, Edit], requires: [{{from: Edit, section: b, level: View}}]}}\n  - {{name: b, levels: [None, View, Edit], requires: [{{from: {needed}, section: a, level: View}}]}}\n"
        ))
    };
    assert_eq!(reasons(&catalog("Edit"), Kind::PermissionCatalog, "c"), "");
    assert_eq!(reasons(&catalog("View"), Kind::PermissionCatalog, "c"), "");
    let circle = world(
        "kind: PermissionCatalog\nmetadata: {name: c}\nspec:\n  sections:\n  - {name: a, requires: [{from: Allowed, section: b, level: Allowed}]}\n  - {name: b, requires: [{from: Allowed, section: a, level: Allowed}]}\n",
    );
    assert_eq!(reasons(&circle, Kind::PermissionCatalog, "c"), "CatalogInvalid");
}
