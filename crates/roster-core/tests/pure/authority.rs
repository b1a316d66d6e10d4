//! Tests who may change access: the rules of the five portals, each allowed and refused, and every rule by name.

use std::sync::Arc;

use crate::support::{World, email, example};
use jiff::Timestamp;
use roster_core::{
    authority::{Actor, Change, Edit, Verdict, Violation, judge_change},
    model::{AccountKey, Name},
    state::AccountAnnotations,
};

/// Time of all judgements.
fn now() -> Timestamp {
    "2026-11-30T12:00:00Z".parse().unwrap()
}

fn edit<F>(before: Option<Arc<F>>, after: Option<Arc<F>>) -> Edit<F> {
    Edit { before, after }
}

/// The change by which the one object of `yaml` comes into being, or becomes what it says.
fn apply(world: &World, yaml: &str) -> Change {
    let new = World::of(yaml);
    if let Some((key, facts)) = new.members.into_iter().next() {
        let before = world.members.get(&key).cloned().map(Arc::new);
        return Change::Membership(key.0, edit(before, Some(Arc::new(facts))));
    }
    if let Some((key, facts)) = new.invitations.into_iter().next() {
        let before = world.invitations.get(&key).cloned().map(Arc::new);
        return Change::Invitation(key.0, edit(before, Some(Arc::new(facts))));
    }
    if let Some((key, facts)) = new.roles.into_iter().next() {
        return Change::Role(key.0.clone(), edit(world.roles.get(&key).cloned(), Some(facts)));
    }
    if let Some((key, facts)) = new.groups.into_iter().next() {
        return Change::Group(key.0.clone(), edit(world.groups.get(&key).cloned(), Some(facts)));
    }
    if let Some((key, facts)) = new.accounts.into_iter().next() {
        let with =
            |facts: &Arc<_>| Arc::new((roster_core::state::AccountFacts::clone(facts), AccountAnnotations::default()));
        return Change::Account(key.clone(), edit(world.accounts.get(&key).map(with), Some(with(&facts))));
    }
    let (name, facts) = new.catalogs.into_iter().next().unwrap();
    Change::Catalog(edit(world.catalogs.get(&name).cloned(), Some(facts)))
}

/// The change that deletes a Membership, Role or group.
fn delete(world: &World, account: &str, kind: &str, name: &str) -> Change {
    let key = (World::key(account), Name::new(name));
    match kind {
        "membership" => Change::Membership(key.0.clone(), edit(Some(Arc::new(world.members[&key].clone())), None)),
        "role" => Change::Role(key.0.clone(), edit(Some(world.roles[&key].clone()), None)),
        "group" => Change::Group(key.0.clone(), edit(Some(world.groups[&key].clone()), None)),
        other => panic!("{other}"),
    }
}

fn by(world: &World, change: &Change, who: &str) -> Verdict {
    let actor = match who.strip_prefix("pipeline") {
        _ if who == "administrator" => Actor::Administrator,
        Some(roles) => Actor::Pipeline(roles.split_whitespace().map(Name::new).collect()),
        None => Actor::Member(email(who)),
    };
    judge_change(&world.index(), change, &actor, now())
}

#[track_caller]
fn allows(world: &World, change: &Change, who: &str) {
    let verdict = by(world, change, who);
    assert!(verdict.is_allowed(), "{who}: {:#?}", said(&verdict));
}

/// The change is refused, and the sentences say this.
#[track_caller]
fn refuses(world: &World, change: &Change, who: &str, says: &str) {
    let verdict = by(world, change, who);
    assert!(!verdict.is_allowed(), "{who} may do this");
    let said = said(&verdict).join("\n");
    assert!(said.contains(says), "{who}: {said}");
}

fn said(verdict: &Verdict) -> Vec<String> {
    verdict.violations.iter().map(Violation::to_string).collect()
}

fn effects(verdict: &Verdict) -> Vec<String> {
    verdict.effects.iter().map(ToString::to_string).collect()
}

fn membership(namespace: &str, account: &str, name: &str, rest: &str) -> String {
    let domain = account.split('-').next().unwrap();
    format!(
        "kind: Membership\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec: {{accountRef: {{name: {account}}}, user: {{email: {name}@{domain}.example}}, {rest}}}"
    )
}

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

const OFFICE: &str = "
kind: PermissionCatalog
metadata: {name: office}
spec:
  sections:
  - {name: docs, levels: [None, View, Edit]}
  - {name: orders, levels: [None, Request, Approve]}
  - {name: people}
  - {name: archive, requires: [{from: Allowed, section: docs, level: View}]}
  restrictions: [{name: no-docs, caps: {docs: None}}]
  roles:
  - {name: head, allPermissions: true}
  - {name: clerk, permissions: {docs: Edit, people: Allowed}}
  - {name: buyer, permissions: {orders: Request}}
  - {name: keeper, permissions: {archive: Allowed}}
  - {name: reader, permissions: {docs: View}, overridable: true}
  administration:
  - {action: CreateMembers, section: people, level: Allowed}
  - {action: EditMembers, section: people, level: Allowed}
  - {action: DeleteMembers, section: people, level: Allowed}
  - {action: AssignRoles, section: people, level: Allowed}
  - {action: CreateGroups, section: people, level: Allowed}
  - {action: EditGroups, section: people, level: Allowed}
  - {action: DeleteGroups, section: people, level: Allowed}
  - {action: CreateRoles, section: people, level: Allowed}
  - {action: EditRoles, section: people, level: Allowed}
  - {action: DeleteRoles, section: people, level: Allowed}
  separation: [{sections: [{name: docs, level: Edit}, {name: orders, level: Approve}], maximum: 1, message: Four eyes.}]
---
kind: Account
metadata: {name: acme}
spec: {catalogRef: {name: office}}
";

fn office(members: &[(&str, &str)]) -> World {
    let mut world = World::of(OFFICE);
    for (name, rest) in members {
        world.add(&membership("default", "acme", name, rest));
    }
    world
}

fn member(name: &str, rest: &str) -> String {
    membership("default", "acme", name, rest)
}

const CLERK: &str = "roleRef: {name: clerk}";
const WHO: &str = "clara@acme.example";

#[test]
fn nobody_grants_what_they_do_not_hold_at_the_moment() {
    let world = office(&[("clara", CLERK), ("rob", "roleRef: {name: reader}")]);
    allows(&world, &apply(&world, &member("rob", CLERK)), WHO);
    let says = "this gives rob@acme.example orders: Request, and clara@acme.example may grant at most orders: None";
    refuses(&world, &apply(&world, &member("rob", "roleRef: {name: buyer}")), WHO, says);
    for away in ["suspended: true", "expiresAt: '2026-01-01T00:00:00Z'", "startsAt: '2027-01-01T00:00:00Z'"] {
        let world = office(&[("clara", &format!("{CLERK}, {away}")), ("rob", "roleRef: {name: reader}")]);
        refuses(&world, &apply(&world, &member("rob", CLERK)), WHO, "needs people: Allowed");
    }
}

#[test]
fn what_is_granted_counts_even_if_it_has_no_effect_yet() {
    let world = office(&[("clara", CLERK), ("hans", "roleRef: {name: head}"), ("rob", "roleRef: {name: reader}")]);
    for (dormant, who) in [
        // Suspended, not started, restricted, without its prerequisite.
        ("roleRef: {name: head}, suspended: true", "rob"),
        ("roleRef: {name: buyer}, startsAt: '2027-01-01T00:00:00Z'", "rob"),
        ("roleRef: {name: head}, restrictions: {apply: [no-docs]}", "rob"),
        ("roleRef: {name: keeper}", "nora"),
    ] {
        refuses(&world, &apply(&world, &member(who, dormant)), WHO, "this gives");
    }
    // Of a role nobody has, and one that does not exist yet.
    let role = "kind: Role\nmetadata: {name: x}\nspec: {accountRef: {name: acme}, permissions: {orders: Request}}";
    refuses(&world, &apply(&world, role), WHO, "this gives role custom:x orders: Request");
    let dangling = world.with(&member("rob", "roleRef: {kind: Role, name: x}"));
    refuses(&dangling, &apply(&dangling, role), WHO, "this gives rob@acme.example, role custom:x orders: Request");
}

#[test]
fn longer_access_and_an_end_that_is_lifted_are_grants() {
    let times = "expiresAt: '2026-12-31T00:00:00Z'";
    for (before, after) in [
        ("roleRef: {name: buyer}, suspended: true", "roleRef: {name: buyer}"),
        ("roleRef: {name: buyer}, expiresAt: '2026-12-31T00:00:00Z'", "roleRef: {name: buyer}"),
        ("roleRef: {name: buyer}, startsAt: '2026-12-31T00:00:00Z'", "roleRef: {name: buyer}"),
    ] {
        let world = office(&[("clara", CLERK), ("ben", before)]);
        refuses(&world, &apply(&world, &member("ben", after)), WHO, "this gives ben@acme.example orders: Request");
    }
    // The duplicate is all that suspends them.
    let mut world = office(&[("clara", CLERK), ("ben", "roleRef: {name: buyer}")]);
    world.add(
        &member("ben", "roleRef: {name: buyer}")
            .replace("name: ben,", "name: twin,")
            .replace("roleRef", "suspended: true, roleRef"),
    );
    let removed = delete(&world, "acme", "membership", "twin");
    refuses(&world, &removed, WHO, "this gives ben@acme.example orders: Request");
    // Shorter is no grant, but of somebody who holds more.
    let world = office(&[("clara", CLERK), ("ben", "roleRef: {name: buyer}"), ("rob", "roleRef: {name: reader}")]);
    allows(&world, &apply(&world, &member("rob", &format!("roleRef: {{name: reader}}, {times}"))), WHO);
    let says = "spec: ben@acme.example holds more than clara@acme.example (orders: Request)";
    let shorter = apply(&world, &member("ben", &format!("roleRef: {{name: buyer}}, {times}")));
    refuses(&world, &shorter, WHO, says);
    assert!(!by(&world, &shorter, WHO).is_held(), "a revocation is never held");
}

#[test]
fn a_pipeline_grants_up_to_its_roles_and_its_revocations_are_never_refused() {
    let world = office(&[("clara", CLERK), ("hans", "roleRef: {name: head}")]);
    let comes = |role: &str| apply(&world, &member("new", &format!("roleRef: {{name: {role}}}")));
    allows(&world, &comes("clerk"), "pipeline clerk");
    allows(&world, &comes("buyer"), "pipeline clerk buyer");
    refuses(
        &world,
        &comes("buyer"),
        "pipeline clerk",
        "this gives new@acme.example orders: Request, and the pipeline may grant at most",
    );
    assert!(by(&world, &comes("buyer"), "pipeline clerk").is_held());
    allows(&world, &delete(&world, "acme", "membership", "hans"), "pipeline");
    let catalog = OFFICE.split("---").next().unwrap().replace("Four eyes.", "Two pairs of eyes.");
    let catalog = apply(&world, &catalog);
    refuses(&world, &catalog, "pipeline head", "spec: only an administrator may change this");
    allows(&world, &catalog, "administrator");
    // What a role is by default counts, not what an account makes of it.
    let raised = world.with("kind: Role\nmetadata: {name: r}\nspec: {accountRef: {name: acme}, overrides: reader, permissions: {orders: Approve}}");
    let reader = apply(&raised, &member("new", "roleRef: {name: reader}"));
    refuses(&raised, &reader, "pipeline reader", "this gives new@acme.example orders: Approve");
}

#[test]
fn what_is_kept_apart_is_kept_apart_for_everybody() {
    let world = office(&[("hans", "groupRefs: [{name: desk}]"), ("clara", CLERK)])
        .with("kind: UserGroup\nmetadata: {name: desk}\nspec: {accountRef: {name: acme}, permissions: {docs: View}}");
    let role = "kind: Role\nmetadata: {name: buyer-in-chief}\nspec: {accountRef: {name: acme}, permissions: {orders: Approve}}";
    let world = world
        .with(role)
        .with(&member("hans", "roleRef: {kind: Role, name: buyer-in-chief}, groupRefs: [{name: desk}]"));
    let group = apply(
        &world,
        "kind: UserGroup\nmetadata: {name: desk}\nspec: {accountRef: {name: acme}, permissions: {docs: Edit}}",
    );
    let says = "spec: hans@acme.example would hold docs: Edit, orders: Approve, and one person may hold at most 1 of these: Four eyes";
    refuses(&world, &group, "administrator", says);
    allows(&world, &apply(&world, &member("clara", "roleRef: {name: reader}")), "administrator");
}

#[test]
fn what_cannot_be_judged_is_held_unless_it_takes_away() {
    let world = office(&[("clara", CLERK)]);
    let stray =
        "kind: Membership\nmetadata: {name: x}\nspec: {accountRef: {name: nowhere}, user: {email: x@acme.example}}";
    refuses(
        &world,
        &apply(&world, stray),
        WHO,
        "spec.accountRef: account default/nowhere does not exist; apply the Account first",
    );
    refuses(&world, &apply(&world, stray), "pipeline clerk", "does not exist");
    let mut broken = world.clone();
    broken.catalogs.clear();
    let suspended = apply(&broken, &member("clara", &format!("{CLERK}, suspended: true")));
    allows(&broken, &suspended, "pipeline");
    refuses(&broken, &apply(&broken, &member("clara", "roleRef: {name: head}")), "pipeline head", "does not resolve");
}

#[test]
fn a_role_that_lets_people_administer_is_given_by_whoever_may_do_as_much() {
    let mut world = office(&[("clara", CLERK), ("rob", "roleRef: {name: reader}"), ("hans", "roleRef: {name: head}")]);
    let rule = "  - {action: EditRoles, section: people, level: Allowed}";
    let steward = OFFICE.replace(rule, "  - {action: EditRoles, roles: [steward, head]}").replace(
        "  - {name: buyer,",
        "  - {name: steward, permissions: {docs: View}}\n  - {name: chief, allPermissions: true, heldBy: AccountOwner}\n  - {name: buyer,",
    );
    world.add(&steward);
    let says = "this gives rob@acme.example the role steward, by which the catalog lets people administer";
    refuses(&world, &apply(&world, &member("rob", "roleRef: {name: steward}")), WHO, says);
    allows(&world, &apply(&world, &member("rob", "roleRef: {name: steward}")), "hans@acme.example");
    refuses(&world, &apply(&world, &member("clara", "roleRef: {name: steward}")), WHO, "cannot raise their own access");
    // By a group, and by a reference that grants nothing.
    let world = world.with(&member("clara", &format!("{CLERK}, groupRefs: [{{name: desk}}]")));
    let group =
        |rest: &str| format!("kind: UserGroup\nmetadata: {{name: desk}}\nspec: {{accountRef: {{name: acme}}, {rest}}}");
    let world = world.with(&group("permissions: {docs: View}"));
    refuses(&world, &apply(&world, &group("roleRefs: [{name: steward}]")), WHO, "this gives");
    let owners = apply(&world, &group("permissions: {docs: View}, roleRefs: [{name: chief}]"));
    refuses(&world, &owners, WHO, "spec.roleRefs: ");
    assert!(
        by(&world, &owners, "pipeline clerk").is_held(),
        "it would grant something as soon as the role may be held"
    );
}

#[test]
fn what_does_not_exist_yet_is_promised_to_nobody() {
    let world = office(&[("clara", CLERK), ("rob", "roleRef: {name: reader}")]);
    for (rest, says) in [
        ("roleRef: {name: reader}, groupRefs: [{name: finance}]", "spec.groupRefs: "),
        ("roleRef: {kind: Role, name: future}", "spec.roleRef: "),
        ("roleRef: {name: future}", "spec.roleRef: "),
    ] {
        let change = apply(&world, &member("rob", rest));
        refuses(&world, &change, WHO, says);
        allows(&world, &change, "administrator");
    }
    let role = "kind: Role\nmetadata: {name: r}\nspec: {accountRef: {name: acme}, permissions: {future: Edit}}";
    refuses(&world, &apply(&world, role), WHO, "spec.permissions: ");
}

#[test]
fn an_account_that_is_deleted_and_made_again_is_no_way_round() {
    let world = office(&[("clara", CLERK)]);
    let account =
        |rest: &str| format!("kind: Account\nmetadata: {{name: new}}\nspec: {{catalogRef: {{name: office}}{rest}}}");
    allows(&world, &apply(&world, &account("")), "pipeline");
    for (rest, field) in [
        (", owner: {email: mallory@acme.example}", "spec.owner"),
        (", storeRef: {name: other}", "spec.storeRef"),
        (", parentRef: {name: acme}", "spec.parentRef"),
        (", partner: true", "spec.partner"),
    ] {
        refuses(&world, &apply(&world, &account(rest)), "pipeline", &format!("{field}: only an administrator"));
    }
    let planted = world
        .with("kind: Membership\nmetadata: {name: x}\nspec: {accountRef: {name: new}, user: {email: x@acme.example}}");
    refuses(&planted, &apply(&planted, &account("")), "pipeline", "objects of account default/new exist already");
    let key = World::key("acme");
    let facts = Arc::new((world.accounts[&key].as_ref().clone(), AccountAnnotations::default()));
    let gone = Change::Account(key, edit(Some(facts), None));
    refuses(&world, &gone, "pipeline", "metadata: only an administrator may change this");
    assert_eq!(effects(&by(&world, &gone, "administrator")), ["clara@acme.example loses docs: Edit, people: Allowed"]);
}

#[test]
fn an_administrator_is_told_what_a_catalog_does() {
    let world = office(&[("clara", CLERK), ("rob", "roleRef: {name: reader}")]);
    let more = OFFICE
        .split("---")
        .next()
        .unwrap()
        .replace("{name: reader, permissions: {docs: View}", "{name: reader, permissions: {docs: Edit}");
    let verdict = by(&world, &apply(&world, &more), "administrator");
    assert_eq!(effects(&verdict), ["rob@acme.example gains docs: Edit"]);
    let same = apply(&world, OFFICE.split("---").next().unwrap());
    assert!(by(&world, &same, WHO).is_allowed(), "nothing changes");
}
