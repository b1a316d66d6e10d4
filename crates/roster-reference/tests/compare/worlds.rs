//! Generates random worlds: an account `acme/portal`, its parent, and everything that decides about them. Used by the
//! comparisons.

use std::{fmt, sync::Arc};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement, Time};
use proptest::{collection::vec, prelude::*};
use roster_core::api::{
    Account, AccountRef, AccountSpec, AllowedNamespaces, BlockedUser, IdentityStore, IdentityStoreSpec, Invitation,
    InvitationSpec, ManagedAccounts, ManagedFrom, ManagedNamespaces, Membership, MembershipSpec, NameRef,
    NamespacesFrom, Owner, ParentRef, PermissionCatalog, Permissions, Plan, RestrictionChoice, Role, RoleRef,
    RoleRefKind, RoleSpec, User, UserGroup, UserGroupSpec,
};
use roster_reference::World;

use crate::{
    catalogs::{broken, catalog},
    dice::Dice,
};

/// Bytes that decide a world.
const BYTES: usize = 900;

const ADDRESSES: [&str; 7] = [
    "a0@acme.example",
    "a1@acme.example",
    "a2@acme.example",
    "A0@ACME.example",
    "a3@bücher.example",
    "A3@xn--bcher-kva.example",
    "olga@acme.example",
];

fn selector(dice: &mut Dice) -> LabelSelector {
    let label = |key: &str, value: &str| LabelSelector {
        match_labels: Some([(key.to_owned(), value.to_owned())].into()),
        ..LabelSelector::default()
    };
    let requirement = |operator: &str, key: &str, values: &[&str]| LabelSelector {
        match_expressions: Some(vec![LabelSelectorRequirement {
            key: key.to_owned(),
            operator: operator.to_owned(),
            values: (!values.is_empty()).then(|| values.iter().map(|value| (*value).to_owned()).collect()),
        }]),
        ..LabelSelector::default()
    };
    match dice.below(10) {
        0 => label("tier", "gold"),
        1 => label("tier", "iron"),
        2 => label("kubernetes.io/metadata.name", "acme"),
        3 => label("kubernetes.io/metadata.name", "hub"),
        4 => requirement("In", "tier", &["gold", "iron"]),
        5 => requirement("NotIn", "tier", &["iron"]),
        6 => requirement("Exists", "tier", &[]),
        7 => requirement("DoesNotExist", "team", &[]),
        8 => requirement("DoesNotExist", "tier", &[]),
        _ => LabelSelector::default(),
    }
}

fn allowed(dice: &mut Dice, percent: u32) -> AllowedNamespaces {
    let selector = dice.sometimes(percent, selector);
    let from = if selector.is_some() { NamespacesFrom::Selector } else { NamespacesFrom::All };
    AllowedNamespaces { from, selector }
}

fn name(dice: &mut Dice, kind: &str, count: usize) -> String {
    format!("{kind}{}", dice.below(count))
}

fn role_ref(dice: &mut Dice) -> RoleRef {
    match dice.below(10) {
        0..=5 => {
            let name = if dice.percent(8) {
                "owner".to_owned()
            } else {
                dice.pick(&["r0", "r1", "r2", "r0", "r1", "r2", "r3"]).to_owned()
            };
            RoleRef { kind: RoleRefKind::PredefinedRole, name }
        }
        _ => {
            let name = if dice.percent(20) {
                "r1".to_owned()
            } else {
                dice.pick(&["c0", "c1", "c2", "c0", "c1", "c2", "c3"]).to_owned()
            };
            RoleRef { kind: RoleRefKind::Role, name }
        }
    }
}

/// Cells of which some name sections or levels that are not there.
fn cells(dice: &mut Dice) -> Permissions {
    let levels = ["Edit", "View", "Delete", "None", "Hide", "Allowed", "Denied"];
    let odd = dice.percent(40);
    dice.some(3, |dice| (name(dice, "s", if odd { 5 } else { 2 }), dice.pick(&levels).to_owned())).into_iter().collect()
}

fn account_ref(dice: &mut Dice) -> NameRef {
    NameRef { name: if dice.percent(6) { "other" } else { "portal" }.to_owned() }
}

fn time(dice: &mut Dice) -> Time {
    Time(Timestamp::from_second(dice.pick(&[1_000, 2_000, 3_000, 4_000, 5_000])).unwrap())
}

fn restrictions(dice: &mut Dice) -> Option<RestrictionChoice> {
    dice.sometimes(45, |dice| {
        let count = if dice.percent(25) { 5 } else { 3 };
        let apply: Vec<String> = dice.some(2, |dice| name(dice, "x", count));
        let lift: Vec<String> = dice.some(3, |dice| name(dice, "x", count));
        RestrictionChoice { apply, lift }
    })
}

fn role(dice: &mut Dice) -> RoleSpec {
    let (based_on, overrides) = match dice.below(4) {
        0 => (None, None),
        1 => (Some(name(dice, "r", 4)), None),
        2 => (None, Some(name(dice, "r", 4))),
        _ => (None, Some("r0".to_owned())),
    };
    let based_on = based_on.map(|base| if dice.percent(10) { "owner".to_owned() } else { base });
    RoleSpec { account_ref: account_ref(dice), based_on, overrides, permissions: cells(dice), ..RoleSpec::default() }
}

fn group(dice: &mut Dice) -> UserGroupSpec {
    UserGroupSpec {
        account_ref: account_ref(dice),
        permissions: cells(dice),
        role_refs: dice.some(2, role_ref),
        ..UserGroupSpec::default()
    }
}

fn groups(dice: &mut Dice) -> Vec<NameRef> {
    dice.some(2, |dice| NameRef { name: name(dice, "g", 3) })
}

fn address(dice: &mut Dice) -> String {
    if dice.percent(4) { "a@xn--a.example".to_owned() } else { dice.pick(&ADDRESSES).to_owned() }
}

fn membership(dice: &mut Dice, place: usize) -> MembershipSpec {
    let email = if dice.percent(60) { format!("m{place}@acme.example") } else { address(dice) };
    MembershipSpec {
        account_ref: account_ref(dice),
        user: User { email, ..User::default() },
        role_ref: dice.sometimes(88, role_ref),
        group_refs: groups(dice),
        restrictions: restrictions(dice),
        acknowledge: dice.some(3, |dice| name(dice, "x", 3)),
        suspended: dice.percent(8),
        starts_at: dice.sometimes(10, time),
        expires_at: dice.sometimes(10, time),
        invitation_ref: dice.sometimes(12, |dice| NameRef { name: name(dice, "i", 3) }),
    }
}

fn invitation(dice: &mut Dice) -> InvitationSpec {
    InvitationSpec {
        account_ref: account_ref(dice),
        email: address(dice),
        role_ref: dice.sometimes(80, role_ref),
        group_refs: groups(dice),
        restrictions: restrictions(dice),
        ..InvitationSpec::default()
    }
}

fn parent(dice: &mut Dice) -> AccountSpec {
    let from = dice.pick(&[ManagedFrom::All, ManagedFrom::Same, ManagedFrom::Selector]);
    let selector = Some(selector(dice)).filter(|_| from == ManagedFrom::Selector);
    let managed = ManagedAccounts {
        allowed_namespaces: ManagedNamespaces { from, selector },
        catalogs: dice
            .pick(&[vec![], vec!["catalog"], vec!["odd", "catalog"], vec!["odd"]])
            .iter()
            .map(|name| (*name).to_owned())
            .collect(),
        grantable: Vec::new(),
        need_approval: dice.percent(40),
        approved: dice.sometimes(50, |dice| approval(dice)).into_iter().collect(),
    };
    AccountSpec {
        catalog_ref: NameRef { name: "catalog".to_owned() },
        store_ref: NameRef { name: "default".to_owned() },
        partner: !dice.percent(8),
        parent_ref: dice.sometimes(6, |_| ParentRef { name: "another".to_owned(), namespace: None }),
        managed_accounts: Some(managed).filter(|_| !dice.percent(5)),
        ..AccountSpec::default()
    }
}

fn approval(dice: &mut Dice) -> AccountRef {
    let namespace = dice.pick(&["acme", "acme", "hub"]).to_owned();
    AccountRef { namespace, name: dice.pick(&["portal", "portal", "other"]).to_owned() }
}

fn account(dice: &mut Dice) -> AccountSpec {
    let catalog = if dice.percent(2) { "missing" } else { "catalog" };
    let store = if dice.percent(2) { "missing" } else { "default" };
    let owner = if dice.percent(12) {
        None
    } else if dice.percent(4) {
        Some("olga@xn--a.example")
    } else {
        Some(dice.pick(&["Olga@acme.example", "olga@acme.example", "a0@acme.example"]))
    };
    let parent_ref = dice.sometimes(25, |dice| {
        let namespace = dice.pick(&[Some("hub"), None, Some("acme")]);
        ParentRef { name: "parent".to_owned(), namespace: namespace.map(ToOwned::to_owned) }
    });
    AccountSpec {
        catalog_ref: NameRef { name: catalog.to_owned() },
        store_ref: NameRef { name: store.to_owned() },
        partner: parent_ref.is_none() && dice.percent(20),
        parent_ref,
        owner: owner.map(|email| Owner { email: email.to_owned(), display_name: None }),
        plan: dice.sometimes(50, |dice| Plan { name: None, features: dice.some(1, |_| "spend".to_owned()) }),
        suspended: dice.percent(6),
        ..AccountSpec::default()
    }
}

/// A world, decided by some bytes.
pub fn world(bytes: &[u8]) -> World {
    let mut dice = Dice::new(bytes);
    let mut world = World::default();
    let key = |name: &str| ("acme".to_owned(), name.to_owned());

    let mut own = dice.split(40);
    for namespace in ["acme", "hub"] {
        if !own.percent(8) {
            let labels = own.pick(&[vec![("tier", "gold")], vec![], vec![("tier", "iron"), ("team", "blue")]]);
            let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
            world.namespaces.insert(namespace.to_owned(), labels);
        }
    }
    let mut spec = catalog(&mut dice.split(280));
    if own.percent(3) {
        spec = broken(&mut own, spec);
    }
    spec.allowed_namespaces = allowed(&mut own, 8);
    world.catalogs.insert("catalog".to_owned(), Arc::new(PermissionCatalog::new("catalog", spec)));
    let store = IdentityStoreSpec {
        allowed_namespaces: allowed(&mut own, 8),
        blocked: own.some(2, |dice| BlockedUser { email: address(dice), reason: None }),
        ..IdentityStoreSpec::default()
    };
    world.stores.insert("default".to_owned(), Arc::new(IdentityStore::new("default", store)));

    let mut own = dice.split(40);
    world.accounts.insert(key("portal"), Arc::new(Account::new("portal", account(&mut own))));
    if !own.percent(10) {
        let namespace = own.pick(&["hub", "acme"]).to_owned();
        world.accounts.insert((namespace, "parent".to_owned()), Arc::new(Account::new("parent", parent(&mut own))));
    }
    for place in 0..3 {
        let mut own = dice.split(24);
        let spec = role(&mut own);
        let name = if own.percent(15) { "r1".to_owned() } else { format!("c{place}") };
        if !own.percent(25) {
            world.roles.insert(key(&name), Arc::new(Role::new(&name, spec)));
        }
    }
    for place in 0..2 {
        let mut own = dice.split(24);
        let name = format!("g{place}");
        world.groups.insert(key(&name), Arc::new(UserGroup::new(&name, group(&mut own))));
    }
    for place in 0..2 {
        let mut own = dice.split(24);
        let name = format!("i{place}");
        world.invitations.insert(key(&name), Arc::new(Invitation::new(&name, invitation(&mut own))));
        if own.percent(60) {
            world.accepted.insert(key(&name));
        }
    }
    for place in 0..6 {
        let mut own = dice.split(40);
        if own.percent(15) {
            continue;
        }
        let mut spec = membership(&mut own, place);
        if let Some(invitation) = spec.invitation_ref.as_ref().and_then(|name| world.invitations.get(&key(&name.name)))
        {
            // The controller keeps such a Membership in step with its Invitation.
            if own.percent(80) {
                spec.user.email.clone_from(&invitation.spec.email);
            }
            spec.role_ref.clone_from(&invitation.spec.role_ref);
            spec.group_refs.clone_from(&invitation.spec.group_refs);
            spec.restrictions.clone_from(&invitation.spec.restrictions);
        }
        let name = format!("m{place}");
        world.memberships.insert(key(&name), Arc::new(Membership::new(&name, spec)));
    }
    world
}

/// Bytes that decide a world; shown as the world.
#[derive(Clone)]
pub struct Seed(pub Vec<u8>);

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let world = world(&self.0);
        writeln!(f, "\nnamespaces: {:?}\naccepted: {:?}", world.namespaces, world.accepted)?;
        let mut objects = Vec::new();
        objects.extend(world.catalogs.iter().map(|(name, o)| (name.clone(), serde_yaml_ng::to_string(&o.spec))));
        objects.extend(world.stores.iter().map(|(name, o)| (name.clone(), serde_yaml_ng::to_string(&o.spec))));
        objects.extend(world.accounts.iter().map(|(key, o)| (key.1.clone(), serde_yaml_ng::to_string(&o.spec))));
        objects.extend(world.roles.iter().map(|(key, o)| (key.1.clone(), serde_yaml_ng::to_string(&o.spec))));
        objects.extend(world.groups.iter().map(|(key, o)| (key.1.clone(), serde_yaml_ng::to_string(&o.spec))));
        objects.extend(world.memberships.iter().map(|(key, o)| (key.1.clone(), serde_yaml_ng::to_string(&o.spec))));
        objects.extend(world.invitations.iter().map(|(key, o)| (key.1.clone(), serde_yaml_ng::to_string(&o.spec))));
        objects.into_iter().try_for_each(|(name, yaml)| writeln!(f, "--- {name}\n{}", yaml.unwrap_or_default()))
    }
}

/// Random worlds.
pub fn seeds() -> impl Strategy<Value = Seed> {
    vec(any::<u8>(), BYTES).prop_map(Seed)
}
