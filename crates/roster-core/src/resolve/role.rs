//! What roles and groups grant in an account.

use std::collections::{BTreeSet, HashMap};

use super::Finding;
use crate::{
    api::{AccountType, ChangeFromDefault, HeldBy, InvalidReason, Permissions, RoleRef, RoleRefKind},
    model::{Catalog, Ranks},
    resolve::definitions::{ResolvedGroup, ResolvedRole, RolesInForce},
    state::{GroupFacts, RoleFacts},
};

/// Sets the cells that `permissions` names. An unknown section or one that is not applicable is passed over, an unknown
/// level is the first one; each is a fault.
fn set_cells(
    catalog: &Catalog,
    permissions: &Permissions,
    not_applicable: &BTreeSet<usize>,
    ranks: &mut Ranks,
    finding: &mut Finding,
) {
    for (name, level) in permissions {
        let Some(section) = catalog.section(name) else {
            finding
                .fault(InvalidReason::UnknownSection, format!("spec.permissions: the catalog has no section {name:?}"));
            continue;
        };
        if not_applicable.contains(&section) {
            let message =
                format!("spec.permissions: section {name:?} cannot be configured for this role; leave it out");
            finding.fault(InvalidReason::NotApplicable, message);
            continue;
        }
        let rank = catalog.rank(section, level);
        if rank.is_none() {
            let ladder = catalog.ladder_text(section);
            let message = format!("spec.permissions: section {name:?} has no level {level:?}; it has {ladder}");
            finding.fault(InvalidReason::UnknownLevel, message);
        }
        ranks.as_mut_slice()[section] = rank.unwrap_or(0);
    }
}

/// Advice on levels whose prerequisites a role or group does not bring itself, and on levels the catalog warns of.
pub(super) fn advise_on_levels(catalog: &Catalog, ranks: &Ranks, finding: &mut Finding) {
    for rule in catalog.unmet(ranks) {
        finding.advise(format!(
            "{} at {} needs {} at {} or above, which must come from elsewhere; without it a user gets {}",
            catalog.section_name(rule.section),
            catalog.level(rule.section, ranks.as_slice()[rule.section]),
            catalog.section_name(rule.needs),
            catalog.level(rule.needs, rule.level),
            catalog.level(rule.section, rule.from - 1),
        ));
    }
    advise_on_sections(catalog, ranks, finding);
}

/// Advice on levels the catalog warns of: on whoever holds them, and on the role or group that raises them.
pub(super) fn advise_on_sections(catalog: &Catalog, ranks: &Ranks, finding: &mut Finding) {
    for ((place, section), rank) in catalog.sections.iter().enumerate().zip(ranks.as_slice()) {
        for (_, message) in section.advisories.iter().filter(|(above, _)| rank > above) {
            finding.advise(format!("{} at {}: {message}", catalog.section_name(place), catalog.level(place, *rank)));
        }
    }
}

/// Why members of this type of account cannot hold the predefined role at `place`, if they cannot.
pub(super) fn unavailable(catalog: &Catalog, place: usize, account_type: AccountType) -> Option<String> {
    let role = &catalog.roles[place];
    if role.held_by == HeldBy::AccountOwner {
        return Some(format!("role {:?} is held by the account's owner only", role.name));
    }
    if !role.available_in.is_empty() && !role.available_in.contains(&account_type) {
        let types = role.available_in.iter().map(|t| format!("{t:?}")).collect::<Vec<_>>().join(", ");
        return Some(format!(
            "role {:?} is available in accounts of type {types}, and this one is {account_type:?}",
            role.name
        ));
    }
    None
}

/// What the predefined roles mean in this account once its overrides are applied, and a finding for each override.
pub(super) fn apply_overrides(
    catalog: &Catalog,
    overrides: &[(&RoleFacts, &str)],
) -> (Vec<Ranks>, Vec<(usize, ResolvedRole)>) {
    let mut in_force: Vec<Ranks> = catalog.roles.iter().map(|role| role.ranks.clone()).collect();
    let mut overridden = vec![false; in_force.len()];
    let mut resolved = Vec::with_capacity(overrides.len());
    let mut count: HashMap<&str, usize> = HashMap::new();
    for (_, target) in overrides {
        *count.entry(target).or_default() += 1;
    }
    for (index, (role, target)) in overrides.iter().enumerate() {
        let mut finding = Finding::default();
        let Some(place) = catalog.role(target) else {
            finding.fault(
                InvalidReason::RoleNotFound,
                format!("spec.overrides: the catalog has no predefined role {target:?}"),
            );
            resolved.push((index, ResolvedRole::nothing(catalog, role, finding)));
            continue;
        };
        let predefined = &catalog.roles[place];
        let mut ranks = predefined.ranks.clone();
        if predefined.overridable {
            set_cells(catalog, &role.spec.permissions, &predefined.not_applicable, &mut ranks, &mut finding);
            // Of two overrides the lower level counts, in each section.
            if overridden[place] {
                in_force[place].lower_to(ranks.as_slice());
            } else {
                in_force[place] = ranks.clone();
                overridden[place] = true;
            }
        } else {
            let message = format!("spec.overrides: predefined role {target:?} is not overridable");
            finding.fault(InvalidReason::NotApplicable, message);
        }
        if count.get(target).is_some_and(|count| *count > 1) {
            let message = format!("spec.overrides: another Role overrides {target:?} too; the lower levels count");
            finding.fault(InvalidReason::NameTaken, message);
        }
        advise_on_levels(catalog, &ranks, &mut finding);
        let changes_from_default = changes(catalog, &predefined.ranks, &ranks);
        resolved.push((index, ResolvedRole { changes_from_default, ..ResolvedRole::new(role, ranks, finding) }));
    }
    (in_force, resolved)
}

fn changes(catalog: &Catalog, default: &Ranks, now: &Ranks) -> Vec<ChangeFromDefault> {
    std::iter::zip(default.as_slice(), now.as_slice())
        .enumerate()
        .filter(|(_, (default, now))| default != now)
        .map(|(section, (default, now))| ChangeFromDefault {
            section: catalog.section_name(section).to_owned(),
            default: catalog.level(section, *default).to_owned(),
            now: catalog.level(section, *now).to_owned(),
        })
        .collect()
}

/// A Role that is not an override.
pub(super) fn custom_role(
    catalog: &Catalog,
    allowed: bool,
    role: &RoleFacts,
    in_force: &[Ranks],
    account_type: AccountType,
) -> ResolvedRole {
    let mut finding = Finding::default();
    if !allowed {
        let message = "the catalog does not allow accounts to add roles (spec.customRoles.allowed is false)";
        finding.fault(InvalidReason::RoleNotAvailable, message);
    }
    if catalog.role(&role.name).is_some() {
        let message =
            format!("metadata.name: {:?} is a predefined role; choose another name, or set spec.overrides", role.name);
        finding.fault(InvalidReason::NameTaken, message);
    }
    if !finding.is_valid() {
        return ResolvedRole::nothing(catalog, role, finding);
    }
    let mut ranks = catalog.no_access();
    if let Some(base) = &role.spec.based_on {
        match catalog.role(base) {
            None => {
                let message = format!("spec.basedOn: the catalog has no predefined role {base:?}");
                finding.fault(InvalidReason::RoleNotFound, message);
            }
            Some(place) => match unavailable(catalog, place, account_type) {
                Some(why) => finding.fault(InvalidReason::RoleNotAvailable, format!("spec.basedOn: {why}")),
                None => ranks = in_force[place].clone(),
            },
        }
        for section in &catalog.custom_not_applicable {
            if ranks.as_slice()[*section] > 0 {
                let name = catalog.section_name(*section);
                finding.advise(format!(
                    "{name} comes with {base}, but cannot be configured for roles of an account; it is left out"
                ));
                ranks.as_mut_slice()[*section] = 0;
            }
        }
    }
    set_cells(catalog, &role.spec.permissions, &catalog.custom_not_applicable, &mut ranks, &mut finding);
    advise_on_levels(catalog, &ranks, &mut finding);
    ResolvedRole::new(role, ranks, finding)
}

/// A group, its roles included.
pub(super) fn group(catalog: &Catalog, forbidden: bool, group: &GroupFacts, roles: &RolesInForce<'_>) -> ResolvedGroup {
    let mut finding = Finding::default();
    let mut ranks = catalog.no_access();
    if forbidden {
        finding.fault(InvalidReason::GroupsForbidden, "the catalog forbids groups (spec.members.groups)");
    } else {
        set_cells(catalog, &group.spec.permissions, &BTreeSet::new(), &mut ranks, &mut finding);
        for reference in &group.spec.role_refs {
            if let Some((granted, _)) = roles.find("spec.roleRefs", reference, &mut finding) {
                ranks.raise_to(granted.as_slice());
            }
        }
        advise_on_levels(catalog, &ranks, &mut finding);
    }
    let title = group.spec.title.as_deref().unwrap_or(&group.name).into();
    ResolvedGroup { title, ranks, finding, generation: group.generation }
}

impl<'a> RolesInForce<'a> {
    /// What a role reference means here, and whether it names a predefined role at some place; nothing, with a fault,
    /// where it leads nowhere or the role is not available.
    pub(super) fn find(
        &self,
        field: &str,
        reference: &RoleRef,
        finding: &mut Finding,
    ) -> Option<(&'a Ranks, Option<usize>)> {
        let name = reference.name.as_str();
        match reference.kind {
            RoleRefKind::PredefinedRole => {
                let Some(place) = self.catalog.role(name) else {
                    let hint =
                        if self.custom.contains_key(name) { "; for the Role object, set kind: Role" } else { "" };
                    let message = format!("{field}: the catalog has no predefined role {name:?}{hint}");
                    finding.fault(InvalidReason::RoleNotFound, message);
                    return None;
                };
                if let Some(why) = unavailable(self.catalog, place, self.account_type) {
                    finding.fault(InvalidReason::RoleNotAvailable, format!("{field}: {why}"));
                    return None;
                }
                Some((&self.predefined[place], Some(place)))
            }
            RoleRefKind::Role => match self.custom.get(name) {
                Some(role) if role.overrides.is_none() && role.usable => Some((&role.ranks, None)),
                Some(role) if role.overrides.is_none() => {
                    let why = role.finding.reason().map_or_else(String::new, |reason| format!(" ({reason})"));
                    let message =
                        format!("{field}: Role {name:?} is invalid{why} and grants nothing until it is mended");
                    finding.fault(InvalidReason::RoleNotAvailable, message);
                    None
                }
                Some(role) => {
                    let target = role.overrides.as_deref().unwrap_or_default();
                    let message = format!(
                        "{field}: Role {name:?} overrides {target:?}; name the predefined role {target:?} instead"
                    );
                    finding.fault(InvalidReason::RoleNotFound, message);
                    None
                }
                None => {
                    let hint = if self.catalog.role(name).is_some() {
                        "; for the predefined role, set kind: PredefinedRole"
                    } else {
                        ""
                    };
                    let message = format!("{field}: this account has no Role {name:?}{hint}");
                    finding.fault(InvalidReason::RoleNotFound, message);
                    None
                }
            },
        }
    }
}
