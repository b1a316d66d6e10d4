//! Tests the resolver on any world: an invalid object never widens access, and order, names and scope do not change it.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use crate::{
    strategies::{MEMBERS, cases, member, permutation, world},
    support::{World, email, mark},
};
use jiff::Timestamp;
use proptest::prelude::*;
use roster_core::{
    api::{
        AccountRef, BlockedUser, IdentityStoreSpec, InvalidReason, ManagedAccounts, MemberGroups, ParentRef,
        Permissions, RoleRef, RoleRefKind, RoleSpec,
    },
    evaluate::{Context, judge, prepare},
    model::{AccountKey, Catalog, Email, Name, Ranks, RoleName, Scope},
    resolve::{Access, Holder, MemberContent},
    state::{
        AccountFacts, CatalogFacts, GroupFacts, MemberFacts, Members, RoleFacts, RoleRefs, SnapshotSource as _,
        StoreFacts,
    },
};
use smallvec::SmallVec;

const NOWHERE: &str = "nowhere";
const OWNER: &str = "olga@acme.example";

/// Result of resolving an account.
struct State {
    members: BTreeMap<Email, Access>,
    /// Absent where the account does not resolve as a whole.
    definitions: Option<(BTreeMap<RoleName, Ranks>, BTreeMap<Name, Ranks>)>,
}

fn state(world: &World) -> State {
    let desired = world.resolve("acme").desired;
    let definitions = desired.definitions.map(|definitions| {
        let roles = definitions.roles.iter().map(|(name, (role, _))| (name.clone(), role.ranks.clone()));
        let groups = definitions.groups.iter().map(|(name, (group, _))| (name.clone(), group.ranks.clone()));
        (roles.collect(), groups.collect())
    });
    let members = desired.members.into_iter().map(|(email, member)| (email, member.access)).collect();
    State { members, definitions }
}

fn catalog(world: &World) -> &Catalog {
    world.catalogs["catalog"].compiled.as_ref().unwrap()
}

/// Exact access or an upper limit: a resolved account has nothing else.
#[track_caller]
fn content(access: &Access) -> (&MemberContent, bool) {
    match access {
        Access::Exactly(content) => (content, false),
        Access::AtMost(content) => (content, true),
        other => panic!("{other:?}"),
    }
}

fn grants_within(content: &MemberContent, limit: &MemberContent) -> bool {
    content.ranks.is_none()
        || content.window.is_empty()
        || (content.ranks.is_at_most(&limit.ranks) && content.window.is_within(&limit.window))
}

/// Returns whether nobody can hold more after a pass with `after` than after one with `before`. If the role is `gone`
/// that limited a person's access, the rest of the granted levels counts unchanged.
fn is_no_more(after: &Access, before: Option<&Access>, gone: bool) -> bool {
    let stays_ended = |before: &Access| before.ended().is_none() || after.ended().is_some();
    match (after, before) {
        // These three leave at most the stored access, which comes from `before`.
        (Access::AtMost(_) | Access::Kept | Access::KeptWithin(_) | Access::Revoked(_), before) => {
            before.is_none_or(stays_ended)
        }
        (Access::Exactly(after), None) => after.ranks.is_none(),
        (Access::Exactly(now), Some(before)) => {
            let (was, at_most) = content(before);
            // The access of a member with an upper limit is unknown.
            stays_ended(before) && grants_within(now, was) && (!at_most || gone || now.ranks.is_none())
        }
    }
}

fn are_no_more<K: Ord>(after: &BTreeMap<K, Ranks>, before: &BTreeMap<K, Ranks>) -> bool {
    after.iter().all(|(name, ranks)| before.get(name).is_some_and(|before| ranks.is_at_most(before)))
}

/// Invalid part of a world.
struct Damage {
    /// The object it makes invalid, as [`World::findings`] names it, and why.
    object: String,
    reason: InvalidReason,
    effect: Effect,
    world: World,
}

/// Allowed effect of an invalid object.
#[derive(Clone, Copy, PartialEq)]
enum Effect {
    Nothing,
    /// Nobody may have more than the store holds, and everything else is as without the object.
    Hold,
    TakeAway,
}

struct Damages<'a> {
    world: &'a World,
    key: AccountKey,
    all: Vec<Damage>,
}

fn longer(names: &[Name], one: &str) -> Box<[Name]> {
    names.iter().cloned().chain([Name::new(one)]).collect()
}

/// Every section at its highest level: what an object would grant if it counted.
fn everything(catalog: &Catalog) -> Permissions {
    let ladders = catalog.layout.ladders().iter();
    ladders.map(|ladder| (ladder.section.to_string(), ladder.levels.last().unwrap().to_string())).collect()
}

fn reference(kind: RoleRefKind, name: &str) -> RoleRef {
    RoleRef { kind, name: name.to_owned() }
}

impl<'a> Damages<'a> {
    /// One invalid part or object for each place and kind, where of the Memberships only `place` is damaged.
    fn of(world: &'a World, place: usize) -> Vec<Damage> {
        let mut damages = Self { world, key: World::key("acme"), all: Vec::new() };
        damages.account();
        damages.roles();
        damages.groups();
        damages.member(&world.members[&(World::key("acme"), format!("m{place}").into())]);
        damages.all
    }

    fn add(
        &mut self,
        object: impl Into<String>,
        reason: InvalidReason,
        effect: Effect,
        change: impl FnOnce(&mut World),
    ) {
        let mut world = self.world.clone();
        change(&mut world);
        self.all.push(Damage { object: object.into(), reason, effect, world });
    }

    fn account(&mut self) {
        let key = self.key.clone();
        self.add("account", InvalidReason::CatalogNotFound, Effect::TakeAway, |world| world.catalogs.clear());
        self.add("account", InvalidReason::StoreNotFound, Effect::TakeAway, |world| world.stores.clear());
        self.add("account", InvalidReason::CatalogInvalid, Effect::TakeAway, |world| {
            let mut spec = world.catalogs["catalog"].spec.clone();
            spec.sections.extend_from_within(..1);
            world.catalogs.insert("catalog".to_owned(), Arc::new(CatalogFacts::new("catalog".into(), 2, spec)));
        });
        self.add("account", InvalidReason::ParentNotAllowed, Effect::TakeAway, |world| {
            let account = Arc::make_mut(world.accounts.get_mut(&key).unwrap());
            account.spec.parent_ref = Some(ParentRef { name: NOWHERE.to_owned(), namespace: None });
        });
    }

    /// References that lead nowhere, or to a role that nobody here can hold, and why.
    fn bad_references(&self) -> Vec<(RoleRef, InvalidReason)> {
        let mut all: Vec<(RoleRef, InvalidReason)> = [
            reference(RoleRefKind::PredefinedRole, NOWHERE),
            reference(RoleRefKind::PredefinedRole, "c0"),
            reference(RoleRefKind::Role, NOWHERE),
            reference(RoleRefKind::Role, "r0"),
        ]
        .into_iter()
        .map(|reference| (reference, InvalidReason::RoleNotFound))
        .collect();
        for role in &self.world.catalogs["catalog"].spec.roles {
            if role.name == "owner" || !role.available_in.is_empty() {
                let reference = reference(RoleRefKind::PredefinedRole, &role.name);
                all.push((reference, InvalidReason::RoleNotAvailable));
            }
        }
        for role in self.world.roles.values().filter(|role| role.spec.overrides.is_some()) {
            all.push((reference(RoleRefKind::Role, &role.name), InvalidReason::RoleNotFound));
        }
        all
    }

    fn new_role(&mut self, name: &str, overrides: Option<&str>, reason: InvalidReason, effect: Effect) {
        let spec = RoleSpec {
            permissions: everything(catalog(self.world)),
            overrides: overrides.map(ToOwned::to_owned),
            ..RoleSpec::default()
        };
        let key = (self.key.clone(), Name::new(name));
        let facts = RoleFacts { name: key.1.clone(), generation: 1, spec };
        self.add(format!("role {name}"), reason, effect, |world| drop(world.roles.insert(key, Arc::new(facts))));
    }

    fn change_role(
        &mut self,
        role: &RoleFacts,
        reason: InvalidReason,
        effect: Effect,
        change: impl FnOnce(&mut RoleSpec),
    ) {
        let key = (self.key.clone(), role.name.clone());
        self.add(format!("role {}", role.name), reason, effect, |world| {
            change(&mut Arc::make_mut(world.roles.get_mut(&key).unwrap()).spec);
        });
    }

    fn roles(&mut self) {
        let world = self.world;
        let spec = &world.catalogs["catalog"].spec;
        let catalog = catalog(world);
        self.new_role("late", Some(NOWHERE), InvalidReason::RoleNotFound, Effect::Nothing);
        for role in &spec.roles {
            self.new_role(&role.name, None, InvalidReason::NameTaken, Effect::Nothing);
            if !role.overridable {
                self.new_role("late", Some(&role.name), InvalidReason::NotApplicable, Effect::Hold);
            }
        }
        for role in world.roles.values() {
            let overridden =
                role.spec.overrides.as_deref().map(|name| spec.roles.iter().find(|role| role.name == name));
            let not_applicable = match overridden {
                // The parts of an object that is invalid as a whole are not checked.
                Some(None) => continue,
                Some(Some(target)) if !target.overridable => continue,
                None if !spec.custom_roles.allowed => continue,
                Some(Some(target)) => {
                    self.new_role("late", Some(&target.name), InvalidReason::NameTaken, Effect::TakeAway);
                    self.new_role("a-first", Some(&target.name), InvalidReason::NameTaken, Effect::TakeAway);
                    &target.not_applicable
                }
                None => &spec.custom_roles.not_applicable,
            };
            let starts_from_another = role.spec.overrides.is_some() || role.spec.based_on.is_some();
            let effect = if starts_from_another { Effect::Hold } else { Effect::Nothing };
            self.change_role(role, InvalidReason::UnknownSection, effect, |spec| {
                spec.permissions.insert(NOWHERE.to_owned(), "View".to_owned());
            });
            for section in &spec.sections {
                if not_applicable.contains(&section.name) {
                    let effect = if role.spec.overrides.is_some() { Effect::Hold } else { Effect::Nothing };
                    self.change_role(role, InvalidReason::NotApplicable, effect, |spec| {
                        spec.permissions.insert(section.name.clone(), everything(catalog)[&section.name].clone());
                    });
                } else {
                    self.change_role(role, InvalidReason::UnknownLevel, Effect::TakeAway, |spec| {
                        spec.permissions.insert(section.name.clone(), "Everything".to_owned());
                    });
                }
            }
            if role.spec.overrides.is_none() && role.spec.based_on.is_none() {
                let unknown = role.spec.permissions.keys().any(|section| catalog.section(section).is_none());
                let effect = if unknown { Effect::Hold } else { Effect::Nothing };
                for (reference, reason) in self.bad_references() {
                    if reference.kind == RoleRefKind::PredefinedRole {
                        self.change_role(role, reason, effect, |spec| spec.based_on = Some(reference.name));
                    }
                }
            }
        }
    }

    fn groups(&mut self) {
        let world = self.world;
        let spec = &world.catalogs["catalog"].spec;
        if spec.members.groups == MemberGroups::Forbidden {
            return;
        }
        for group in world.groups.values() {
            let key = (self.key.clone(), group.name.clone());
            let object = format!("group {}", group.name);
            let change = |world: &mut World, change: &dyn Fn(&mut GroupFacts)| {
                change(Arc::make_mut(world.groups.get_mut(&key).unwrap()));
            };
            self.add(&object, InvalidReason::UnknownSection, Effect::Nothing, |world| {
                change(world, &|group| drop(group.spec.permissions.insert(NOWHERE.to_owned(), "View".to_owned())));
            });
            for section in &spec.sections {
                self.add(&object, InvalidReason::UnknownLevel, Effect::TakeAway, |world| {
                    let level = || "Everything".to_owned();
                    change(world, &|group| drop(group.spec.permissions.insert(section.name.clone(), level())));
                });
            }
            for (reference, reason) in self.bad_references() {
                self.add(&object, reason, Effect::Nothing, |world| {
                    change(world, &|group| group.spec.role_refs.push(reference.clone()));
                });
            }
        }
    }

    fn member(&mut self, facts: &MemberFacts) {
        let world = self.world;
        let spec = &world.catalogs["catalog"].spec;
        let object = format!("membership {}", facts.name);
        let key = (self.key.clone(), facts.name.clone());
        let write = |world: &mut World, facts: MemberFacts| drop(world.members.insert(key.clone(), facts));

        let reason = match spec.members.groups {
            MemberGroups::Allowed => InvalidReason::GroupNotFound,
            MemberGroups::Forbidden => InvalidReason::GroupsForbidden,
        };
        let groups = longer(&facts.groups, NOWHERE);
        self.add(&object, reason, Effect::Nothing, |world| write(world, MemberFacts { groups, ..facts.clone() }));

        for (reference, reason) in self.bad_references() {
            let had_one = facts.role.is_some() || spec.default_role.is_some();
            let effect = if had_one { Effect::TakeAway } else { Effect::Nothing };
            let role = Some(Box::new(reference));
            self.add(&object, reason, effect, |world| write(world, MemberFacts { role, ..facts.clone() }));
        }
        for role in &spec.roles {
            // A Role named like a predefined one has no effect, also for its holders.
            self.new_role(&role.name, None, InvalidReason::NameTaken, Effect::TakeAway);
            let role = Some(Box::new(reference(RoleRefKind::Role, &role.name)));
            write(&mut self.all.last_mut().unwrap().world, MemberFacts { role, ..facts.clone() });
        }

        // One more unknown restriction, and each existing one misspelt.
        for place in 0..=facts.apply.len() {
            let mut apply = longer(&facts.apply, NOWHERE).into_vec();
            apply.truncate(facts.apply.len().max(place + 1));
            apply[place] = Name::new(NOWHERE);
            let apply = apply.into();
            self.add(&object, InvalidReason::RestrictionNotFound, Effect::TakeAway, |world| {
                write(world, MemberFacts { apply, ..facts.clone() });
            });
        }
        let lift = longer(&facts.lift, NOWHERE);
        self.add(&object, InvalidReason::RestrictionNotFound, Effect::TakeAway, |world| {
            write(world, MemberFacts { lift, ..facts.clone() });
        });
        for restriction in spec.restrictions.iter().filter(|restriction| restriction.lifting.needs_confirmation) {
            if !facts.acknowledge.iter().any(|name| *name == restriction.name) {
                let lift = longer(&facts.lift, &restriction.name);
                self.add(&object, InvalidReason::ConfirmationMissing, Effect::Nothing, |world| {
                    write(world, MemberFacts { lift, ..facts.clone() });
                });
            }
        }

        // Another Membership that would grant everything.
        let restrictions: Box<[Name]> =
            spec.restrictions.iter().map(|restriction| (&restriction.name).into()).collect();
        let another = |name: &str, email| MemberFacts {
            name: name.into(),
            email,
            role: Some(Box::new(reference(RoleRefKind::PredefinedRole, "r0"))),
            groups: Box::new(["g0".into(), "g1".into()]),
            apply: Box::default(),
            lift: restrictions.clone(),
            acknowledge: restrictions.clone(),
            suspended: false,
            starts_at: None,
            expires_at: None,
            ..facts.clone()
        };
        for (name, email, reason, effect) in [
            ("a-first", facts.email.clone(), InvalidReason::DuplicateMembership, Effect::TakeAway),
            ("late", facts.email.clone(), InvalidReason::DuplicateMembership, Effect::TakeAway),
            ("late", Ok(email(OWNER)), InvalidReason::OwnerIsMember, Effect::Nothing),
            ("late", Email::parse("m0@").map_err(Box::new), InvalidReason::AddressInvalid, Effect::Nothing),
        ] {
            if reason != InvalidReason::OwnerIsMember || spec.owner_role.is_some() {
                let key = (self.key.clone(), Name::new(name));
                let facts = another(name, email);
                self.add(format!("membership {name}"), reason, effect, |world| drop(world.members.insert(key, facts)));
            }
        }
        let invitation = Some(NOWHERE.into());
        self.add(&object, InvalidReason::InvitationRequired, Effect::TakeAway, |world| {
            write(world, MemberFacts { invitation, ..facts.clone() });
        });
    }
}

impl Damage {
    /// Checks that the damage makes the object invalid for the expected reason.
    fn check(&self) {
        let findings = self.world.findings("acme", &self.object);
        assert!(
            findings.faults().any(|fault| fault.reason() == Some(self.reason)),
            "{}: {} in {findings:?}",
            self.object,
            self.reason
        );
    }
}

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
    #![proptest_config(cases(60))]

    #[test]
    fn nothing_invalid_ever_widens_anybodys_access((world, place) in (world(), 0..MEMBERS)) {
        let before = state(&world);
        for damage in Damages::of(&world, place) {
            let after = state(&damage.world);
            let gone = [InvalidReason::RoleNotFound, InvalidReason::RoleNotAvailable, InvalidReason::NameTaken];
            for (email, access) in &after.members {
                let was = before.members.get(email);
                prop_assert!(
                    is_no_more(access, was, gone.contains(&damage.reason)),
                    "{} {}: {email} had {was:?} and has {access:?}", damage.object, damage.reason
                );
            }
            if let (Some((roles, groups)), Some((old_roles, old_groups))) = (&after.definitions, &before.definitions) {
                prop_assert!(are_no_more(roles, old_roles), "{} {}", damage.object, damage.reason);
                prop_assert!(are_no_more(groups, old_groups), "{} {}", damage.object, damage.reason);
            }
        }
    }

    #[test]
    fn ineffective_parts_are_reported_and_change_nothing((world, place) in (world(), 0..MEMBERS)) {
        let without = state(&world);
        for damage in Damages::of(&world, place) {
            damage.check();
            if damage.effect != Effect::TakeAway {
                let with = state(&damage.world);
                let held = |state: &State| -> Vec<(Email, Access)> {
                    let content = |access: &Access| Access::AtMost(Arc::new(content(access).0.clone()));
                    state.members.iter().map(|(email, access)| (email.clone(), content(access))).collect()
                };
                if damage.effect == Effect::Hold {
                    prop_assert_eq!(held(&with), held(&without), "{} {}", damage.object, damage.reason);
                } else {
                    prop_assert_eq!(&with.members, &without.members, "{} {}", damage.object, damage.reason);
                }
                prop_assert_eq!(&with.definitions, &without.definitions, "{} {}", damage.object, damage.reason);
            }
        }
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
                // Who is equal to the owner by this very lifting would be no longer, and get what the own role says;
                // the schema refuses to lift and apply one restriction.
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
