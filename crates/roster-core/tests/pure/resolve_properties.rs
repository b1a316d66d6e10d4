//! Tests the resolver on any world: order, names and scope do not change the result, and more grants never reduce access.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use crate::{
    strategies::{MEMBERS, cases, member, permutation, world},
    support::{State, World, catalog, content, email, longer, mark, reference, state},
};
use jiff::Timestamp;
use proptest::prelude::*;
use roster_core::{
    api::{AccountRef, BlockedUser, IdentityStoreSpec, ManagedAccounts, ParentRef, RoleRef, RoleRefKind},
    evaluate::{Context, judge, prepare},
    model::{Catalog, Email, Name, Ranks, Scope},
    resolve::{Access, Holder, MemberContent},
    state::{AccountFacts, GroupFacts, MemberFacts, Members, RoleFacts, RoleRefs, SnapshotSource as _, StoreFacts},
};
use smallvec::SmallVec;

const NOWHERE: &str = "nowhere";
const OWNER: &str = "olga@acme.example";

/// Renames the account's own objects: `names` has a new name for each.
fn renamed(world: &World, names: &BTreeMap<Name, Name>) -> World {
    let name = |old: &str| names.get(old).cloned().unwrap_or_else(|| old.into());
    let reference = |reference: &RoleRef| match reference.kind {
        RoleRefKind::PredefinedRole => reference.clone(),
        RoleRefKind::Role => RoleRef { name: name(&reference.name).into(), ..reference.clone() },
    };
    let mut other =
        World { roles: BTreeMap::new(), groups: BTreeMap::new(), members: BTreeMap::new(), ..world.clone() };
    for ((account, _), role) in &world.roles {
        let role = RoleFacts { name: name(&role.name), ..role.as_ref().clone() };
        other.roles.insert((account.clone(), role.name.clone()), Arc::new(role));
    }
    for ((account, _), group) in &world.groups {
        let mut group = GroupFacts { name: name(&group.name), ..group.as_ref().clone() };
        group.spec.role_refs = group.spec.role_refs.iter().map(reference).collect();
        other.groups.insert((account.clone(), group.name.clone()), Arc::new(group));
    }
    for ((account, _), member) in &world.members {
        let member = MemberFacts {
            name: name(&member.name),
            role: member.role.as_deref().map(|role| Box::new(reference(role))),
            groups: member.groups.iter().map(|group| name(group)).collect(),
            ..member.clone()
        };
        other.members.insert((account.clone(), member.name.clone()), member);
    }
    other
}

/// Access by address, with the names that it shows translated. Which of two Memberships says the name for people is a
/// matter of their names.
fn shown(world: &World, names: &BTreeMap<Name, Name>) -> BTreeMap<Email, (MemberContent, bool)> {
    let translate = |access: &Access| {
        let (content, at_most) = content(access);
        let mut content = MemberContent { display_name: None, ..content.clone() };
        if let Some(role) = content.role.as_mut().filter(|role| role.kind == RoleRefKind::Role) {
            role.name = names[&role.name].clone();
        }
        let mut groups: Vec<Name> = content.groups.iter().map(|name| names[name].clone()).collect();
        groups.sort_unstable();
        content.groups = groups.into();
        (content, at_most)
    };
    state(world).members.iter().map(|(email, access)| (email.clone(), translate(access))).collect()
}

/// New names for roles, groups and Memberships; across kinds too, so that one name for all three confuses nothing.
fn new_names(order: &[usize]) -> BTreeMap<Name, Name> {
    let of_kind = |kind| order.iter().enumerate().map(move |(at, to)| (format!("{kind}{at}"), format!("n{to}")));
    ["c", "g", "m"].into_iter().flat_map(of_kind).map(|(old, new)| (old.into(), new.into())).collect()
}

/// Access by address, where everything is given in another order.
fn in_order(world: &World, order: &[usize]) -> BTreeMap<Email, Access> {
    let mut snapshot = world.snapshot("acme");
    // There are two of each: every other permutation swaps them.
    if order[0] > order[1] {
        snapshot.roles.reverse();
        snapshot.groups.reverse();
    }
    for group in &mut snapshot.groups {
        Arc::make_mut(group).spec.role_refs.reverse();
    }
    let all: Vec<MemberFacts> = world
        .members
        .values()
        .cloned()
        .map(|mut member| {
            for list in [&mut member.groups, &mut member.apply, &mut member.lift, &mut member.acknowledge] {
                list.reverse();
            }
            member
        })
        .collect();
    let mut addresses: BTreeMap<&Email, SmallVec<[&MemberFacts; 1]>> = BTreeMap::new();
    for place in order {
        addresses.entry(all[*place].email.as_ref().unwrap()).or_default().push(&all[*place]);
    }
    let members = Members {
        scope: Scope::Account,
        addresses: addresses.into_iter().collect(),
        accepted: BTreeMap::new(),
        role_refs: Cow::Owned(RoleRefs::new()),
    };
    let judged = judge(&prepare(&snapshot), &members, &context());
    judged.desired.members.into_iter().map(|(email, member)| (email, member.access)).collect()
}

/// Returns whether nobody has less in `after`, and nobody is missing there.
fn nobody_has_less(before: &State, after: &State) -> bool {
    before.members.len() == after.members.len()
        && before.members.iter().zip(&after.members).all(|((one, before), (other, after))| {
            let ((was, _), (now, _)) = (content(before), content(after));
            // A role with an invalid override keeps a member at what they hold; a fixed override does not.
            one == other && (was.window, was.ended) == (now.window, now.ended) && was.ranks.is_at_most(&now.ranks)
        })
}

/// Raises a section to a level at or above `now`; nothing where the catalog has no such section.
fn raised(catalog: &Catalog, now: &Ranks, section: prop::sample::Index, up: usize) -> (String, String) {
    let place = section.index(catalog.layout.len());
    let top = catalog.layout.ladders()[place].levels.len() - 1;
    let rank = top.min(usize::from(now.as_slice()[place]) + up);
    (catalog.section_name(place).to_owned(), catalog.level(place, u8::try_from(rank).unwrap()).to_owned())
}

/// A world in which these are all Memberships.
fn with_members(world: &World, members: &[&MemberFacts]) -> World {
    let members = members.iter().map(|member| ((World::key("acme"), member.name.clone()), (*member).clone()));
    World { members: members.collect(), ..world.clone() }
}

fn context() -> Context<'static> {
    Context::new(mark(&World::key("acme")), Timestamp::UNIX_EPOCH)
}

/// Returns whether the member may do anything at `now`, by this content.
fn is_open(access: &Access, now: Timestamp) -> bool {
    match access {
        Access::Exactly(content) | Access::AtMost(content) => !content.ranks.is_none() && content.window.contains(now),
        Access::Kept => true,
        Access::KeptWithin(window) => window.contains(now),
        Access::Revoked(_) => false,
    }
}

/// Cause of lost access.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Ending {
    Suspended,
    AccountSuspended,
    Blocked,
    NotApproved,
    NotStarted,
    Expired,
    InvitationGone,
}

fn ending() -> impl Strategy<Value = Ending> {
    prop::sample::select(vec![
        Ending::Suspended,
        Ending::AccountSuspended,
        Ending::Blocked,
        Ending::NotApproved,
        Ending::NotStarted,
        Ending::Expired,
        Ending::InvitationGone,
    ])
}

/// Revokes the access of one Membership's user, or of everybody; `by` is a time around `now`.
fn end(world: &mut World, ending: Ending, place: usize, now: i64, by: i64) {
    let key = World::key("acme");
    let member = world.members.get_mut(&(key.clone(), format!("m{place}").into())).unwrap();
    let account = Arc::make_mut(world.accounts.get_mut(&key).unwrap());
    let instant = |millisecond| Some(Timestamp::from_millisecond(millisecond).unwrap());
    match ending {
        Ending::Suspended => member.suspended = true,
        Ending::AccountSuspended => account.spec.suspended = true,
        Ending::Blocked => {
            let addresses = (0..MEMBERS).map(|place| format!("M{place}@ACME.example")).chain([OWNER.to_owned()]);
            let blocked = addresses.map(|email| BlockedUser { email, reason: None }).collect();
            let spec = IdentityStoreSpec { blocked, ..IdentityStoreSpec::default() };
            world.stores.insert("default".to_owned(), Arc::new(StoreFacts::new("default".into(), 1, spec)));
        }
        Ending::NotApproved => {
            account.spec.parent_ref = Some(ParentRef { name: "parent".to_owned(), namespace: None });
            let mut parent = AccountFacts { name: "parent".into(), ..account.clone() };
            parent.spec.parent_ref = None;
            parent.spec.partner = true;
            let other = AccountRef { namespace: "default".to_owned(), name: "other".to_owned() };
            let approved = vec![other];
            parent.spec.managed_accounts =
                Some(ManagedAccounts { need_approval: true, approved, ..ManagedAccounts::default() });
            world.accounts.insert(parent.key(), Arc::new(parent));
        }
        Ending::NotStarted => member.starts_at = instant(now + 1 + by),
        Ending::Expired => member.expires_at = instant(now - by),
        Ending::InvitationGone => member.invitation = Some(NOWHERE.into()),
    }
}

proptest! {
    #![proptest_config(cases(250))]

    #[test]
    fn names_of_roles_groups_and_memberships_do_not_matter((world, order) in (world(), permutation(MEMBERS))) {
        let names = new_names(&order);
        let settled = names.values().map(|name| (name.clone(), name.clone())).collect();
        prop_assert_eq!(shown(&world, &names), shown(&renamed(&world, &names), &settled));
    }

    #[test]
    fn the_order_in_which_objects_and_references_are_given_does_not_matter(
        (mut world, order) in (world(), permutation(MEMBERS))
    ) {
        // Shows which of two conflicting Memberships counts.
        for member in world.members.values_mut() {
            member.display_name = Some(member.name.as_str().into());
        }
        prop_assert_eq!(in_order(&world, &order), state(&world).members);
    }

    #[test]
    fn one_more_group_never_reduces_access((world, group) in (world(), 0..2_usize)) {
        let mut other = world.clone();
        for member in other.members.values_mut() {
            member.groups = longer(&member.groups, &format!("g{group}"));
        }
        prop_assert!(nobody_has_less(&state(&world), &state(&other)));
    }

    #[test]
    fn a_group_or_role_that_grants_more_never_reduces_access(
        (world, place, section, up) in (world(), 0..2_usize, any::<prop::sample::Index>(), 0..3_usize)
    ) {
        let before = state(&world);
        let resolved = world.definitions("acme");
        let key = World::key("acme");

        let mut other = world.clone();
        let (name, role) = resolved.roles.iter().nth(place).unwrap();
        let (section_name, level) = raised(catalog(&world), &role.ranks, section, up);
        let facts = Arc::make_mut(other.roles.get_mut(&(key.clone(), name.clone())).unwrap());
        facts.spec.permissions.insert(section_name, level);
        prop_assert!(nobody_has_less(&before, &state(&other)), "role {name}");

        let (name, group) = resolved.groups.iter().nth(place).unwrap();
        let (section_name, level) = raised(catalog(&world), &group.ranks, section, up);
        let group_key = (key, name.clone());
        let mut other = world.clone();
        let facts = Arc::make_mut(other.groups.get_mut(&group_key).unwrap());
        facts.spec.permissions.insert(section_name, level);
        prop_assert!(nobody_has_less(&before, &state(&other)), "group {name}");

        let mut other = world.clone();
        let facts = Arc::make_mut(other.groups.get_mut(&group_key).unwrap());
        facts.spec.role_refs.push(reference(RoleRefKind::PredefinedRole, "r0"));
        prop_assert!(nobody_has_less(&before, &state(&other)), "group {name} with r0");
    }

    #[test]
    fn one_more_applied_restriction_never_widens_access(world in world()) {
        for restriction in &world.catalogs["catalog"].spec.restrictions {
            let mut other = world.clone();
            for member in other.members.values_mut() {
                // The schema refuses to lift and to apply the same restriction. A member who is equal to the owner by this
                // lift would get the levels of the own role instead.
                let lifted = member.lift.iter().any(|name| *name == restriction.name);
                if !lifted || !restriction.lifting.grants_owner_access {
                    member.apply = longer(&member.apply, &restriction.name);
                }
            }
            prop_assert!(nobody_has_less(&state(&other), &state(&world)), "{}", restriction.name);
        }
    }

    #[test]
    fn of_two_memberships_of_one_address_the_lower_level_counts_in_each_section(
        (world, mut one, other) in (world(), member(1), member(0))
    ) {
        one.email = other.email.clone();
        let email = other.email.clone().unwrap();
        let both = state(&with_members(&world, &[&one, &other])).members;
        let [one, other] = [&one, &other].map(|member| state(&with_members(&world, &[member])).members);
        let ((one, one_at_most), (other, other_at_most)) = (content(&one[&email]), content(&other[&email]));
        let (both, at_most) = content(&both[&email]);
        let lower = one.ranks.as_slice().iter().zip(other.ranks.as_slice()).map(|(one, other)| *one.min(other));
        prop_assert_eq!(&both.ranks, &lower.collect::<Ranks>());
        prop_assert_eq!(at_most, one_at_most || other_at_most);
        prop_assert_eq!(both.window, one.window.intersection(&other.window));
        prop_assert_eq!(both.ended, one.ended.or(other.ended));
    }

    #[test]
    fn a_member_resolved_alone_equals_the_one_in_the_whole_account((mut world, whole) in (world(), prop::bool::weighted(0.8))) {
        if !whole {
            world.catalogs.clear();
        }
        let (owner, nobody) = (email(OWNER), email("nobody@acme.example"));
        let (key, index) = (World::key("acme"), world.index());
        // Prepared once, for everybody.
        let prepared = prepare(&index.snapshot(&key).unwrap());
        let all = index.members(&key, &Scope::Account).unwrap();
        let account = judge(&prepared, &all, &context()).desired;
        for email in all.addresses.iter().map(|(email, _)| *email).chain([&owner, &nobody]) {
            // An address without a Membership has no objects.
            let scope = Scope::Members([email.clone()].into());
            let alone = judge(&prepared, &index.members(&key, &scope).unwrap(), &context()).desired;
            let expected = account.members.get(email).map(|member| (email.clone(), member.clone()));
            prop_assert_eq!(&alone.members, &expected.into_iter().collect());
            prop_assert_eq!(&alone.layout, &account.layout);
            prop_assert_eq!(alone.ends.of(email), account.ends.of(email));
        }
        prop_assert_eq!(account.members, world.resolve("acme").desired.members);
    }

    #[test]
    fn potential_permissions_do_not_depend_on_revocations_and_match_the_explanation(
        (world, ending, place, now, by) in (world(), ending(), 0..MEMBERS, 0..4_000_000_i64, 0..1_000_i64)
    ) {
        let key = World::key("acme");
        let potential = |world: &World| {
            let index = world.index();
            let members = index.members(&key, &Scope::Account).unwrap();
            let judged = judge(&prepare(&index.snapshot(&key).unwrap()), &members, &context());
            let of = std::iter::zip(&members.addresses, &judged.members);
            let of: BTreeMap<Email, Option<Ranks>> =
                of.map(|((email, _), member)| ((*email).clone(), member.potential.clone())).collect();
            for ((email, facts), member) in std::iter::zip(&members.addresses, &judged.members) {
                let explained = facts.iter().filter_map(|one| judged.definitions.potential(Holder::Member(one)));
                let lower = explained.map(|potential| potential.ranks).reduce(|mut one, other| {
                    one.lower_to(other.as_slice());
                    one
                });
                assert_eq!(member.potential, lower.filter(|_| **email != self::email(OWNER)));
            }
            of
        };
        let before = potential(&world);
        let mut ended = world.clone();
        end(&mut ended, ending, place, now, by);
        // Managed accounts have other roles.
        prop_assume!(ending != Ending::NotApproved);
        prop_assert_eq!(before, potential(&ended));
    }

    #[test]
    fn suspended_blocked_expired_or_unapproved_members_have_no_access(
        (mut world, ending, place, frozen, now, by) in
            (world(), ending(), 0..MEMBERS, prop::bool::weighted(0.3), 0..4_000_000_i64, 0..1_000_i64)
    ) {
        end(&mut world, ending, place, now, by);
        // An unresolvable account keeps its content, even if an invitation is gone; every other revocation
        // applies.
        if frozen && ending != Ending::InvitationGone {
            world.catalogs.clear();
        }
        let (now, state) = (Timestamp::from_millisecond(now).unwrap(), state(&world));
        let member = world.members[&(World::key("acme"), format!("m{place}").into())].email.clone().unwrap();
        let everybody = matches!(ending, Ending::AccountSuspended | Ending::Blocked | Ending::NotApproved);
        let concerned = state.members.iter().filter(|(email, _)| everybody || **email == member).collect::<Vec<_>>();
        prop_assert!(!concerned.is_empty());
        for (email, access) in concerned {
            prop_assert!(!is_open(access, now), "{email} has {access:?}");
        }
    }
}
