//! Tests who may change access in each of the five portals.

use std::sync::Arc;

use roster_core::{
    authority::Change,
    model::{AccountKey, Name},
    state::AccountAnnotations,
};

use super::change::{allows, apply, by, delete, edit, effects, membership, refuses};
use crate::support::{World, example};

#[test]
fn secondary_users_are_managed_by_the_primary_user_and_by_those_equal_to_them() {
    let world = example("secondary-users");
    let tidewater = |name: &str, rest: &str| membership("secondary-users", "tidewater", name, rest);
    let comes = apply(&world, &tidewater("newcomer", ""));
    let needs = "spec: adding members in account secondary-users/tidewater needs secondary-users: Allowed, which \
                 sam@tidewater.example does not hold; whoever holds secondary-users: Allowed, or an administrator, can do this";
    refuses(&world, &comes, "sam@tidewater.example", needs);
    for who in ["petra@tidewater.example", "olivia@tidewater.example"] {
        allows(&world, &comes, who);
    }
    // Opting somebody in makes them equal to the primary user, which only those can do who are.
    let lift = "restrictions: {lift: [secondary-user-management]}, acknowledge: [secondary-user-management]";
    let opted_in = apply(&world, &tidewater("sam", lift));
    allows(&world, &opted_in, "olivia@tidewater.example");
    let effects = effects(&by(&world, &opted_in, "petra@tidewater.example"));
    assert_eq!(effects, ["sam@tidewater.example gains secondary-users: Allowed, api-keys: Allowed"]);
    let beside =
        "restrictions: {lift: [secondary-user-management], apply: [numbers]}, acknowledge: [secondary-user-management]";
    let says = "spec.restrictions: lifting secondary-user-management makes this person equal to the owner, so that no \
                restriction can be applied beside it; remove numbers from spec.restrictions.apply";
    for who in ["petra@tidewater.example", "pipeline primary secondary"] {
        refuses(&world, &apply(&world, &tidewater("sam", beside)), who, says);
    }
    // Nobody raises themselves, and nobody touches the owner.
    let own = apply(&world, &tidewater("sam", lift));
    refuses(&world, &own, "sam@tidewater.example", "sam@tidewater.example cannot raise their own access");
    let owner = apply(&world, &tidewater("petra", ""));
    refuses(&world, &owner, "olivia@tidewater.example", "petra@tidewater.example is the account's owner");
    let gone = delete(&world, "secondary-users/tidewater", "membership", "olivia");
    refuses(&world, &gone, "sam@tidewater.example", "olivia@tidewater.example holds more than sam@tidewater.example");
    // What is there already is no reason to hold a suspension.
    let suspended = "restrictions: {lift: [secondary-user-management], apply: [payments]}, acknowledge: [secondary-user-management], suspended: true".to_string();
    for who in ["petra@tidewater.example", "pipeline"] {
        allows(&world, &apply(&world, &tidewater("olivia", &suspended)), who);
    }
}

#[test]
fn a_service_providers_groups_are_managed_by_their_ladder() {
    let world = example("service-provider");
    let group = |name: &str, permissions: &str| {
        format!(
            "kind: UserGroup\nmetadata: {{name: {name}, namespace: service-provider}}\nspec: {{accountRef: {{name: northline}}, permissions: {{{permissions}}}}}"
        )
    };
    let admin = world.members.values().find(|facts| facts.groups.iter().any(|group| group == "admin")).unwrap();
    let admin = admin.email.as_ref().unwrap().to_string();
    let viewer = world.members.values().find(|facts| *facts.groups == [Name::new("view-only")]).unwrap();
    let viewer = viewer.email.as_ref().unwrap().to_string();
    let reports = apply(&world, &group("reporters", "reports: View"));
    allows(&world, &reports, &admin);
    refuses(
        &world,
        &reports,
        &viewer,
        "creating groups in account service-provider/northline needs product-groups: Create",
    );
    // An Admin has route-plan at View, so that they cannot give more of it.
    let routes = apply(&world, &group("routers", "route-plan: Edit"));
    let says = "this gives group routers route-plan: Edit, and ";
    refuses(&world, &routes, &admin, says);
    refuses(&world, &routes, "pipeline", "and the pipeline may grant at most route-plan: Hide");
}

#[test]
fn managed_accounts_are_the_partners_business() {
    let world = example("partner-accounts");
    let comes = |role: &str| {
        let text =
            membership("partner-accounts", "interlink-retail", "newcomer", &format!("roleRef: {{name: {role}}}"));
        apply(&world, &text)
    };
    for role in ["read-only", "managed-company-admin"] {
        allows(&world, &comes(role), "carol@interlink.example");
    }
    let says = "adding people to managed accounts in account partner-accounts/interlink needs onboard-managed-users: Allowed, \
                which rhea@retail.example does not hold";
    refuses(&world, &comes("read-only"), "rhea@retail.example", says);
    refuses(&world, &comes("read-only"), "tara@interlink.example", "needs onboard-managed-users: Allowed");
    // The partner's Company Admin changes roles there; the managed account's own may edit and remove people.
    let changed = |role: &str| {
        let text = format!(
            "kind: Membership\nmetadata: {{name: remy, namespace: partner-accounts}}\nspec: {{accountRef: {{name: interlink-retail}}, user: {{email: remy@retail.example, displayName: Remy}}, roleRef: {{name: {role}}}}}"
        );
        apply(&world, &text)
    };
    allows(&world, &changed("finance"), "carol@interlink.example");
    refuses(&world, &changed("finance"), "rhea@retail.example", "assigning roles in managed accounts");
    let removed = delete(&world, "partner-accounts/interlink-retail", "membership", "remy");
    allows(&world, &removed, "rhea@retail.example");
    refuses(&world, &removed, "ruth@retail.example", "removing members in account partner-accounts/interlink-retail");
    // Anyone may update their own details, and nothing else.
    let own = |rest: &str, name: &str| {
        let text = format!(
            "kind: Membership\nmetadata: {{name: remy, namespace: partner-accounts}}\nspec: {{accountRef: {{name: interlink-retail}}, user: {{email: remy@retail.example, displayName: {name}}}, {rest}}}"
        );
        apply(&world, &text)
    };
    allows(&world, &own("roleRef: {name: technical-admin}", "Remy B."), "remy@retail.example");
    refuses(&world, &own("roleRef: {name: finance}", "Remy"), "remy@retail.example", "cannot raise their own access");
    refuses(&world, &own("roleRef: {name: technical-admin}", "Remy B."), "rosa@retail.example", "changing members");
    // Only a partner's Company Admin creates a managed account, with everything at its default.
    let account = |rest: &str| {
        let text = format!(
            "kind: Account\nmetadata: {{name: interlink-new, namespace: partner-accounts}}\nspec: {{catalogRef: {{name: partner-accounts}}, parentRef: {{name: interlink}}{rest}}}"
        );
        apply(&world, &text)
    };
    allows(&world, &account(""), "carol@interlink.example");
    refuses(
        &world,
        &account(""),
        "rhea@retail.example",
        "creating managed accounts in account partner-accounts/interlink",
    );
    for (rest, says) in [
        (", deletionPolicy: Orphan", "spec.deletionPolicy: only an administrator may change this"),
        (", plan: {features: [x]}", "spec.plan: only an administrator"),
        (", storeRef: {name: other}", "spec.storeRef: only an administrator"),
        (", owner: {email: rhea@retail.example}", "spec.owner: the owner must be carol@interlink.example"),
    ] {
        refuses(&world, &account(rest), "carol@interlink.example", says);
    }
    allows(&world, &account(", storeRef: {name: other}"), "administrator");
}

#[test]
fn owner_and_admin_of_a_developer_platform_invite_and_nobody_touches_the_owner() {
    let world = example("developer-platform");
    let key = World::key("developer-platform/acme-direct");
    let owner = world.accounts[&key].owner().unwrap();
    let invitation = |role: &str| {
        let text = format!(
            "kind: Invitation\nmetadata: {{name: x, namespace: {}}}\nspec: {{accountRef: {{name: {}}}, email: x@acme.example, roleRef: {{name: {role}}}}}",
            key.namespace, key.name
        );
        apply(&world, &text)
    };
    allows(&world, &invitation("admin"), owner.as_str());
    let support = person(&world, &key, "support");
    refuses(&world, &invitation("support"), &support, "inviting people in account");
    refuses(&world, &invitation("support"), &support, "needs one of the roles owner, admin");
    // The owner holds more than an admin, who holds as much as another admin.
    let admin = person(&world, &key, "admin");
    allows(&world, &invitation("admin"), &admin);
    let account = format!(
        "kind: Account\nmetadata: {{name: {}, namespace: {}}}\nspec: {{catalogRef: {{name: developer-platform}}, owner: {{email: {admin}}}}}",
        key.name, key.namespace
    );
    refuses(&world, &apply(&world, &account), &admin, "spec.owner: only an administrator may change this");
    refuses(&world, &apply(&world, &account), owner.as_str(), "spec.owner: only an administrator may change this");
    refuses(&world, &apply(&world, &account), "pipeline admin", "spec.owner: only an administrator may change this");
}

fn person(world: &World, account: &AccountKey, role: &str) -> String {
    let has = |facts: &&roster_core::state::MemberFacts| facts.role.as_ref().is_some_and(|one| one.name == role);
    let mut members = world.members.iter().filter(|((key, _), _)| key == account).map(|(_, facts)| facts);
    members.find(has).unwrap_or_else(|| panic!("{role}")).email.as_ref().unwrap().to_string()
}

#[test]
fn the_matrix_is_changed_by_superadmin_and_account_holder() {
    let world = example("field-operations");
    let cell = |permissions: &str| {
        let text = format!(
            "kind: Role\nmetadata: {{name: admin-matrix, namespace: field-operations}}\nspec: {{accountRef: {{name: longhaul}}, overrides: admin, permissions: {{{permissions}}}}}"
        );
        apply(&world, &text)
    };
    for who in ["sasha@longhaul.example", "hugo@longhaul.example"] {
        allows(&world, &cell("create-roles: Allowed"), who);
    }
    let verdict = by(&world, &cell("create-roles: Allowed"), "sasha@longhaul.example");
    assert_eq!(effects(&verdict), ["alma@longhaul.example gains create-roles: Allowed"]);
    let says = "spec: changing roles in account field-operations/longhaul needs one of the roles superadmin, account-holder, \
                which alma@longhaul.example does not hold";
    refuses(&world, &cell("view-account-requests: Denied"), "alma@longhaul.example", says);
    refuses(&world, &cell("create-roles: Allowed"), "alma@longhaul.example", "cannot raise their own access");
    // A federated account is approved by who may bill it.
    let mut approved = World::clone(&world).accounts[&World::key("field-operations/meridian")].as_ref().clone();
    let before = Arc::new((approved.clone(), AccountAnnotations::default()));
    approved.spec.managed_accounts.as_mut().unwrap().approved.push(roster_core::api::AccountRef {
        namespace: "field-operations".to_owned(),
        name: "meridian-west".to_owned(),
    });
    let after = Arc::new((approved, AccountAnnotations::default()));
    let change = Change::Account(World::key("field-operations/meridian"), edit(Some(before), Some(after)));
    allows(&world, &change, "henry@meridian.example");
    let says = "spec.managedAccounts.approved: approving managed accounts in account field-operations/meridian needs \
                bill-account-requests: Allowed, which akira@meridian.example does not hold";
    refuses(&world, &change, "akira@meridian.example", says);
}
