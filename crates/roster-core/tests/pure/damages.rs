//! Tests that an invalid object never widens access: damages each part of any world in every way that the API knows.

use std::sync::Arc;

use crate::{
    strategies::{MEMBERS, cases, world},
    support::{State, World, are_no_more, catalog, content, email, is_no_more, longer, reference, state},
};
use proptest::prelude::*;
use roster_core::{
    api::{InvalidReason, MemberGroups, ParentRef, Permissions, RoleRef, RoleRefKind, RoleSpec},
    model::{AccountKey, Catalog, Email, Name},
    resolve::Access,
    state::{CatalogFacts, GroupFacts, MemberFacts, RoleFacts},
};

const NOWHERE: &str = "nowhere";
const OWNER: &str = "olga@acme.example";

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

/// Every section at its highest level: what an object would grant if it counted.
fn everything(catalog: &Catalog) -> Permissions {
    let ladders = catalog.layout.ladders().iter();
    ladders.map(|ladder| (ladder.section.to_string(), ladder.levels.last().unwrap().to_string())).collect()
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
