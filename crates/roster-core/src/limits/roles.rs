//! Compares the limits that a catalog sets for roles: who may hold them, who may change them, how many holders must
//! stay. Called by `limits::catalog`.

use std::collections::BTreeSet;

use super::{
    ABSENT, Direction, Limits,
    comparison::{Meaning, set, word},
};
use crate::api::{AccountType, HeldBy, PermissionCatalogSpec, PredefinedRole, RoleAdvice};

/// Compares the rules for roles. Skips predefined roles that only one revision has.
pub(super) fn compare(limits: &mut Limits, from: &PermissionCatalogSpec, to: &PermissionCatalogSpec) {
    for before in &from.roles {
        if let Some(after) = to.roles.iter().find(|role| role.name == before.name) {
            role(limits, &format!("spec.roles[{}]", before.name), before, after);
        }
    }
    named(limits, "spec.ownerRole", (&from.owner_role, &to.owner_role), "owners have a different role than before");
    let meaning = "a Membership that names no role has a different role than before";
    named(limits, "spec.defaultRole", (&from.default_role, &to.default_role), meaning);
    let adds = Meaning { looser: "accounts may add roles", stricter: "accounts may not add roles" };
    let (rules, rules_to) = (&from.custom_roles, &to.custom_roles);
    limits.either("spec.customRoles.allowed", (rules.allowed, rules_to.allowed), |allowed| *allowed, adds);
    configurable(limits, "spec.customRoles", &rules.not_applicable, &rules_to.not_applicable);
}

fn named(limits: &mut Limits, field: &str, (from, to): (&Option<String>, &Option<String>), meaning: &'static str) {
    limits.compare(field);
    if from != to {
        let text = |role: &Option<String>| role.clone().unwrap_or_else(|| ABSENT.to_owned());
        limits.add(field, (text(from), text(to)), Direction::Changed, meaning);
    }
}

fn role(limits: &mut Limits, field: &str, before: &PredefinedRole, after: &PredefinedRole) {
    let holds = Meaning { looser: "members may have it", stricter: "only the owner may have it" };
    let held = (before.held_by, after.held_by);
    limits.either(&format!("{field}.heldBy"), held, |held| *held == HeldBy::Members, holds);
    let all = Meaning {
        looser: "the role grants every section, also those that are added later",
        stricter: "the role grants only the sections that it lists",
    };
    limits.either(&format!("{field}.allPermissions"), (before.all_permissions, after.all_permissions), |all| *all, all);
    let overrides = Meaning {
        looser: "accounts may change what the role means in them",
        stricter: "accounts may not change what the role means in them",
    };
    let both = (before.overridable, after.overridable);
    limits.either(&format!("{field}.overridable"), both, |overridable| *overridable, overrides);
    let available = Meaning {
        looser: "the role can be held in more types of account",
        stricter: "the role can be held in fewer types of account",
    };
    let (types, types_to) = (account_types(before), account_types(after));
    limits.allowed(&format!("{field}.availableIn"), &types, &types_to, available);
    configurable(limits, field, &before.not_applicable, &after.not_applicable);
    holders(limits, &format!("{field}.advice"), before.advice.as_ref(), after.advice.as_ref());
}

fn account_types(role: &PredefinedRole) -> BTreeSet<String> {
    let all = [AccountType::Standalone, AccountType::Partner, AccountType::Managed];
    let types = if role.available_in.is_empty() { all.as_slice() } else { role.available_in.as_slice() };
    set(types.iter().map(word))
}

fn configurable(limits: &mut Limits, field: &str, from: &[String], to: &[String]) {
    let meaning = Meaning {
        looser: "more sections can be configured for such a role",
        stricter: "fewer sections can be configured for such a role",
    };
    limits.forbidden(&format!("{field}.notApplicable"), &set(from), &set(to), meaning);
}

/// Compares the advised numbers of a role's holders. Without a minimum, the removal guard does not hold the last
/// holder's removal.
fn holders(limits: &mut Limits, field: &str, before: Option<&RoleAdvice>, after: Option<&RoleAdvice>) {
    let minimum = |advice: Option<&RoleAdvice>| {
        let number = advice.and_then(|advice| advice.minimum_holders).unwrap_or(0);
        (std::cmp::Reverse(number), number.to_string())
    };
    let guards = |advice: Option<&RoleAdvice>| advice.is_some_and(RoleAdvice::needs_holder);
    let least = if guards(before) == guards(after) {
        Meaning {
            looser: "the role may have fewer holders without advice",
            stricter: "the role needs more holders to be without advice",
        }
    } else {
        Meaning {
            looser: "the last holder may be removed without approval",
            stricter: "the last holder is removed only after approval",
        }
    };
    limits.ordered(&format!("{field}.minimumHolders"), minimum(before), minimum(after), least);
    let maximum = |advice: Option<&RoleAdvice>| {
        let number = advice.and_then(|advice| advice.maximum_holders);
        (number.unwrap_or(u32::MAX), number.map_or_else(|| ABSENT.to_owned(), |number| number.to_string()))
    };
    let most = Meaning {
        looser: "more holders are allowed without advice",
        stricter: "fewer holders are allowed without advice",
    };
    limits.ordered(&format!("{field}.maximumHolders"), maximum(before), maximum(after), most);
}
