//! Compares the limits of a PermissionCatalog. Called by the CLI when it compares revisions.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    ABSENT, Direction, Limits,
    comparison::{Meaning, listed, set, word},
    roles, store,
};
use crate::{
    api::{
        AdministrationRule, MemberDirect, MemberGroups, MemberRole, NOT_ENFORCED, OwnerChange, PermissionCatalogSpec,
        PredefinedRole, ROLLOUT_ANNOTATION, Restriction, Section,
    },
    resolve::duration,
};

/// Default of the time for which an invitation's link works, if neither catalog nor Invitation sets it.
const EXPIRE_AFTER: &str = "168h";
/// Ladder of a section that names no levels.
const LEVELS: [&str; 2] = ["Denied", "Allowed"];

/// PermissionCatalog in one revision.
#[derive(Clone, Copy)]
pub struct CatalogRevision<'a> {
    /// Spec of the catalog.
    pub spec: &'a PermissionCatalogSpec,
    /// Whether a change reaches all accounts at once, without a rollout.
    pub all_at_once: bool,
    /// Whether a known account uses the catalog. If none does, nobody can tell who gains and loses by a role that grants
    /// something else, and the roles themselves are compared.
    pub is_used: bool,
}

/// Compares the limits that a catalog sets. The effects of sections, roles and caps on single people are not part of
/// it.
#[must_use]
pub fn of_catalog(from: CatalogRevision<'_>, to: CatalogRevision<'_>) -> Limits {
    let mut limits = Limits::default();
    let rollout = Meaning {
        looser: "changes of the catalog reach all accounts at once",
        stricter: "changes of the catalog are rolled out account by account, and stop when removals are held",
    };
    let field = format!("metadata.annotations[{ROLLOUT_ANNOTATION}]");
    let value = |all_at_once: bool| if all_at_once { "AllAtOnce" } else { ABSENT };
    limits.either(&field, (value(from.all_at_once), value(to.all_at_once)), |value| *value != ABSENT, rollout);
    let is_used = to.is_used;
    let (from, to) = (from.spec, to.spec);
    let uses = Meaning {
        looser: "accounts of more namespaces may use the catalog",
        stricter: "accounts of fewer namespaces may use the catalog",
    };
    store::allowed_namespaces(&mut limits, (&from.allowed_namespaces, &to.allowed_namespaces), uses);
    let levels = ladders(from).into_iter().chain(ladders(to)).collect();
    sections(&mut limits, from, to, &levels);
    restrictions(&mut limits, from, to, &levels);
    roles::compare(&mut limits, from, to);
    if !is_used {
        grants(&mut limits, from, to, &levels);
    }
    administration(&mut limits, from, to, &levels);
    separation(&mut limits, from, to);
    members(&mut limits, from, to);
    invitations(&mut limits, from, to);
    limits
}

/// Levels by section, least permissive first.
type Ladders = BTreeMap<String, Vec<String>>;

fn ladder(section: &Section) -> Vec<String> {
    section.levels.clone().unwrap_or_else(|| LEVELS.map(str::to_owned).to_vec())
}

fn ladders(catalog: &PermissionCatalogSpec) -> Ladders {
    catalog.sections.iter().map(|section| (section.name.clone(), ladder(section))).collect()
}

/// Returns a level and its index on the section's ladder; `None` for an unknown level.
fn rank(ladders: &Ladders, section: &str, level: &str) -> (Option<usize>, String) {
    let place = ladders.get(section).and_then(|levels| levels.iter().position(|one| one == level));
    (place, level.to_owned())
}

/// Compares the prerequisites of levels. Skips sections that only one revision has.
fn sections(limits: &mut Limits, from: &PermissionCatalogSpec, to: &PermissionCatalogSpec, levels: &Ladders) {
    for before in &from.sections {
        let Some(after) = to.sections.iter().find(|section| section.name == before.name) else { continue };
        let field = format!("spec.sections[{}]", before.name);
        order(limits, &format!("{field}.levels"), &ladder(before), &ladder(after));
        requirements(limits, &field, (before, after), levels);
    }
}

/// Compares the order of a section's levels. Each level includes those below it, so that its holders can do more, or
/// less, if the order changes.
fn order(limits: &mut Limits, field: &str, before: &[String], after: &[String]) {
    let common = |levels: &[String], others: &[String]| -> Vec<String> {
        levels.iter().filter(|level| others.contains(level)).cloned().collect()
    };
    let stay = common(after, before);
    let is_new_below = || {
        let last = after.iter().rposition(|level| before.contains(level));
        after.iter().take(last.unwrap_or(0)).any(|level| !before.contains(level))
    };
    let values = (before.join(", "), after.join(", "));
    let values = (values.0.as_str(), values.1.as_str());
    if before.first() != after.first() {
        let meaning = "the lowest level changes, and every member of an account has at least that level";
        limits.add(field, values, Direction::Loosened, meaning);
    } else if common(before, after) != stay {
        let meaning = "the order of levels changes, and each level includes those before it: members with one of them \
                       can do more, or less";
        limits.add(field, values, Direction::Loosened, meaning);
    } else if is_new_below() {
        let meaning = "a new level is below others: members with a higher level can do what the new one allows, too";
        limits.add(field, values, Direction::Loosened, meaning);
    } else if before == after {
        limits.compare(field);
    }
}

fn requirements(limits: &mut Limits, section: &str, (before, after): (&Section, &Section), levels: &Ladders) {
    let needs = |section: &Section| -> BTreeMap<(String, String), String> {
        let each = section.requires.iter();
        each.map(|rule| ((rule.from.clone(), rule.section.clone()), rule.level.clone())).collect()
    };
    let (before, after) = (needs(before), needs(after));
    let keys: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    for key in keys {
        let (from, needed) = key;
        let ranked = |level: Option<&String>| {
            level.map_or((None, ABSENT.to_owned()), |level| {
                let (place, level) = rank(levels, needed, level);
                (Some(place), level)
            })
        };
        let (one, other) = (ranked(before.get(key)), ranked(after.get(key)));
        let meaning = Meaning {
            looser: "the level needs less in the other section",
            stricter: "the level needs more in the other section",
        };
        let field = format!("{section}.requires[{from}/{needed}]");
        let reversed = |(place, level)| (std::cmp::Reverse(place), level);
        limits.ordered(&field, reversed(one), reversed(other), meaning);
    }
}

/// Compares what each predefined role grants. Skips roles that only one revision has.
fn grants(limits: &mut Limits, from: &PermissionCatalogSpec, to: &PermissionCatalogSpec, levels: &Ladders) {
    let meaning = Meaning { looser: "the role grants more", stricter: "the role grants less" };
    for before in &from.roles {
        let Some(after) = to.roles.iter().find(|role| role.name == before.name) else { continue };
        for section in &to.sections {
            let granted = |role: &PredefinedRole| {
                let level = role.permissions.get(&section.name);
                let highest = || levels.get(&section.name).and_then(|levels| levels.last());
                let level = level.or_else(|| highest().filter(|_| role.all_permissions));
                level.map_or((None, ABSENT.to_owned()), |level| rank(levels, &section.name, level))
            };
            let field = format!("spec.roles[{}].permissions.{}", before.name, section.name);
            limits.ordered(&field, granted(before), granted(after), meaning);
        }
    }
}

fn restrictions(limits: &mut Limits, from: &PermissionCatalogSpec, to: &PermissionCatalogSpec, levels: &Ladders) {
    let by_name = |catalog: &PermissionCatalogSpec| -> BTreeMap<String, Restriction> {
        catalog.restrictions.iter().map(|one| (one.name.clone(), one.clone())).collect()
    };
    let (before, after) = (by_name(from), by_name(to));
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for name in names {
        let field = format!("spec.restrictions[{name}]");
        match (before.get(name), after.get(name)) {
            (Some(before), Some(after)) => restriction(limits, &field, (before, after), levels),
            (Some(_), None) => {
                let meaning = "it can no longer be applied, and limits nobody by default";
                limits.add(&field, ("present", ABSENT), Direction::Loosened, meaning);
            }
            (None, Some(after)) if after.applied_by_default => {
                let meaning = "it limits every member for whom it is not lifted";
                limits.add(&field, (ABSENT, "applied by default"), Direction::Tightened, meaning);
            }
            (None, _) => {}
        }
    }
}

fn restriction(limits: &mut Limits, field: &str, (before, after): (&Restriction, &Restriction), levels: &Ladders) {
    let applies = Meaning {
        looser: "it limits only members to whom it is applied",
        stricter: "it limits every member for whom it is not lifted",
    };
    let defaults = (before.applied_by_default, after.applied_by_default);
    limits.either(&format!("{field}.appliedByDefault"), defaults, |default| !default, applies);
    let equals = Meaning {
        looser: "members for whom it is lifted are equal to the owner",
        stricter: "members for whom it is lifted are not equal to the owner",
    };
    let (lifting, lifting_to) = (&before.lifting, &after.lifting);
    let grants = (lifting.grants_owner_access, lifting_to.grants_owner_access);
    limits.either(&format!("{field}.lifting.grantsOwnerAccess"), grants, |grants| *grants, equals);
    let confirms =
        Meaning { looser: "lifting it does not need confirmation", stricter: "lifting it needs confirmation" };
    let needs = (lifting.needs_confirmation, lifting_to.needs_confirmation);
    limits.either(&format!("{field}.lifting.needsConfirmation"), needs, |needs| !needs, confirms);
    let sections: BTreeSet<&String> = before.caps.keys().chain(after.caps.keys()).collect();
    for section in sections {
        // No cap is looser than any cap.
        let ranked = |caps: &BTreeMap<String, String>| {
            let cap = caps.get(section).map(|level| rank(levels, section, level));
            cap.map_or(((true, None), ABSENT.to_owned()), |(place, level)| ((false, place), level))
        };
        let caps = Meaning { looser: "members that it limits keep more", stricter: "members that it limits keep less" };
        limits.ordered(&format!("{field}.caps.{section}"), ranked(&before.caps), ranked(&after.caps), caps);
    }
}

/// Compares who may administer. An action without a rule is for administrators only.
fn administration(limits: &mut Limits, from: &PermissionCatalogSpec, to: &PermissionCatalogSpec, levels: &Ladders) {
    let rules = |catalog: &PermissionCatalogSpec| -> BTreeMap<String, AdministrationRule> {
        catalog.administration.iter().map(|rule| (word(&rule.action), rule.clone())).collect()
    };
    let (before, after) = (rules(from), rules(to));
    let actions: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for action in actions {
        let field = format!("spec.administration[{action}]");
        let (one, other) = (before.get(action), after.get(action));
        limits.compare(&field);
        let Some(direction) = direction((from, one), (to, other), levels) else { continue };
        let meaning = match direction {
            Direction::Loosened => "more people may do this",
            Direction::Changed => "other people may do this",
            Direction::Tightened if other.is_none() => "only administrators may do this",
            Direction::Tightened => "fewer people may do this",
        };
        limits.add(&field, (holders(one), holders(other)), direction, meaning);
        limits.remark(&field, NOT_ENFORCED);
    }
}

/// Compares two rules for one action, each with its catalog.
fn direction(
    (from, before): (&PermissionCatalogSpec, Option<&AdministrationRule>),
    (to, after): (&PermissionCatalogSpec, Option<&AdministrationRule>),
    levels: &Ladders,
) -> Option<Direction> {
    let (before, after) = match (before, after) {
        (None, None) => return None,
        (None, Some(_)) => return Some(Direction::Loosened),
        (Some(_), None) => return Some(Direction::Tightened),
        (Some(before), Some(after)) => (before, after),
    };
    if let (Some(section), Some(level), Some(level_to)) = (&before.section, &before.level, &after.level)
        && after.section == before.section
    {
        let (one, other) = (rank(levels, section, level).0, rank(levels, section, level_to).0);
        return match other.cmp(&one) {
            std::cmp::Ordering::Equal => None,
            std::cmp::Ordering::Less => Some(Direction::Loosened),
            std::cmp::Ordering::Greater => Some(Direction::Tightened),
        };
    }
    let (roles, roles_to) = (satisfying(from, before, levels), satisfying(to, after, levels));
    let is_same = set(&before.roles) == set(&after.roles) && before.section == after.section;
    // Custom roles and groups can grant a section, and can never be one of the predefined roles that a rule names.
    let opens = after.section.is_some() && before.section.is_none();
    match (opens || !roles_to.is_subset(&roles), roles.is_subset(&roles_to)) {
        _ if is_same => None,
        (true, _) => Some(Direction::Loosened),
        // Another section can be granted to others by custom roles, even if no predefined role shows it.
        (false, _) if after.section.is_some() => Some(Direction::Changed),
        (false, _) => Some(Direction::Tightened),
    }
}

/// Returns the predefined roles whose holders satisfy a rule.
fn satisfying(catalog: &PermissionCatalogSpec, rule: &AdministrationRule, levels: &Ladders) -> BTreeSet<String> {
    let (Some(section), Some(level)) = (&rule.section, &rule.level) else { return set(&rule.roles) };
    let needed = rank(levels, section, level).0;
    let grants = |role: &&PredefinedRole| match role.permissions.get(section) {
        Some(level) => rank(levels, section, level).0 >= needed,
        None => role.all_permissions,
    };
    set(catalog.roles.iter().filter(grants).map(|role| &role.name))
}

/// Returns who may perform an action, in words.
fn holders(rule: Option<&AdministrationRule>) -> String {
    match rule {
        None => "administrators only".to_owned(),
        Some(AdministrationRule { section: Some(section), level: Some(level), .. }) => format!("{section}: {level}"),
        Some(rule) => rule.roles.join(", "),
    }
}

/// Compares what no person may hold together, each rule by what it keeps apart.
fn separation(limits: &mut Limits, from: &PermissionCatalogSpec, to: &PermissionCatalogSpec) {
    // By what each rule keeps apart, the lowest maximum.
    let rules = |catalog: &PermissionCatalogSpec| -> BTreeMap<BTreeSet<String>, u32> {
        let mut rules = BTreeMap::new();
        for rule in &catalog.separation {
            let sections = rule.sections.iter().map(|one| format!("{}: {}", one.name, one.level));
            let maximum = rules.entry(sections.chain(rule.roles.iter().cloned()).collect()).or_insert(u32::MAX);
            *maximum = rule.maximum.min(*maximum);
        }
        rules
    };
    let (before, after) = (rules(from), rules(to));
    for index in 0..from.separation.len().max(to.separation.len()) {
        for field in ["sections", "roles", "maximum"] {
            limits.compare(&format!("spec.separation[{index}].{field}"));
        }
    }
    for apart in before.keys().chain(after.keys()).collect::<BTreeSet<_>>() {
        // A rule on more of them with the same maximum keeps these apart, too. No rule is looser than any maximum.
        let maximum = |rules: &BTreeMap<BTreeSet<String>, u32>| {
            let wider = rules.iter().filter(|(others, _)| apart.is_subset(others)).map(|(_, maximum)| *maximum);
            wider.min().map_or((u32::MAX, ABSENT.to_owned()), |maximum| (maximum, format!("at most {maximum}")))
        };
        let meaning = Meaning {
            looser: "one person may hold more of these together",
            stricter: "one person may hold fewer of these together",
        };
        let field = format!("spec.separation[{}]", listed(apart));
        limits.ordered(&field, maximum(&before), maximum(&after), meaning);
        limits.remark(&field, NOT_ENFORCED);
    }
}

fn members(limits: &mut Limits, from: &PermissionCatalogSpec, to: &PermissionCatalogSpec) {
    let changes = Meaning { looser: "the owner's address may change", stricter: "the owner's address never changes" };
    let owner = (from.owner_change, to.owner_change);
    limits.either("spec.ownerChange", owner, |change| *change == OwnerChange::ByPlatform, changes);
    let (rules, rules_to) = (&from.members, &to.members);
    let role = Meaning { looser: "a member needs no role", stricter: "a member needs a role" };
    limits.either("spec.members.role", (rules.role, rules_to.role), |role| *role == MemberRole::Optional, role);
    let groups = Meaning { looser: "a member may be in groups", stricter: "a member may not be in groups" };
    let both = (rules.groups, rules_to.groups);
    limits.either("spec.members.groups", both, |groups| *groups == MemberGroups::Allowed, groups);
    let direct = Meaning { looser: "a Membership needs no invitation", stricter: "members join by invitation only" };
    let both = (rules.direct, rules_to.direct);
    limits.either("spec.members.direct", both, |direct| *direct == MemberDirect::Allowed, direct);
}

fn invitations(limits: &mut Limits, from: &PermissionCatalogSpec, to: &PermissionCatalogSpec) {
    let (rules, rules_to) = (&from.invitations, &to.invitations);
    let field = "spec.invitations.requiresPlanFeature";
    let needed = |feature: &Option<String>| feature.clone().unwrap_or_else(|| ABSENT.to_owned());
    limits.compare(field);
    let (one, other) = (&rules.requires_plan_feature, &rules_to.requires_plan_feature);
    if one != other {
        let (direction, meaning) = match (one, other) {
            (_, None) => (Direction::Loosened, "accounts with any plan may invite"),
            (None, _) => (Direction::Tightened, "only accounts whose plan has the feature may invite"),
            _ => (Direction::Changed, "accounts with a different plan feature may invite"),
        };
        limits.add(field, (needed(one), needed(other)), direction, meaning);
    }
    let lasts = Meaning { looser: "invitations are valid longer", stricter: "invitations are valid for less time" };
    let time = |text: &Option<String>| {
        let text = text.as_deref().unwrap_or(EXPIRE_AFTER);
        (duration(text), text.to_owned())
    };
    limits.ordered("spec.invitations.expireAfter", time(&rules.expire_after), time(&rules_to.expire_after), lasts);
}
