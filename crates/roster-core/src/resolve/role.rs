//! Resolves the permissions that roles and groups grant in an account. Called by `resolve::definitions`, and by
//! `resolve::member` and `resolve::potential` for references.

use std::collections::{BTreeSet, HashMap};

use crate::{
    api::{AccountType, ChangeFromDefault, HeldBy, Permissions, RoleRef, RoleRefKind},
    model::{
        AccountKey, Catalog, FindingKind, FindingsBuilder, KindName, Name, Ranks, Unavailable, Unknown, WithoutEffect,
    },
    resolve::resolved::{Overridden, ResolvedGroup, ResolvedRole, RolesInForce},
    state::{GroupFacts, RoleFacts},
};

/// Sets the cells that `permissions` names. Skips an unknown section and one that is not applicable, and sets the first
/// level for an unknown level; each of these is a fault.
fn set_cells(
    catalog: &Catalog,
    permissions: &Permissions,
    not_applicable: &BTreeSet<usize>,
    ranks: &mut Ranks,
    findings: &mut FindingsBuilder<'_>,
) {
    const FIELD: &str = "spec.permissions";
    for (name, level) in permissions {
        let Some(section) = catalog.section(name) else {
            findings.add(FIELD, FindingKind::UnknownSection(Unknown::among(name, catalog.section_names())));
            continue;
        };
        if not_applicable.contains(&section) {
            findings.add(FIELD, FindingKind::NotApplicable(Name::new(name)));
            continue;
        }
        let rank = catalog.rank(section, level);
        if rank.is_none() {
            findings.add(FIELD, FindingKind::UnknownLevel(catalog.unknown_level(section, level)));
        }
        ranks.as_mut_slice()[section] = rank.unwrap_or(0);
    }
}

/// Advises on levels whose prerequisites a role or group does not include, and on levels for which the catalog has an
/// advisory.
pub(super) fn advise_on_levels(catalog: &Catalog, ranks: &Ranks, findings: &mut FindingsBuilder<'_>) {
    for rule in catalog.unmet(ranks) {
        findings.add_whole(FindingKind::CannotStandAlone(catalog.prerequisite(rule, ranks)));
    }
    advise_on_sections(catalog, ranks, findings);
}

/// Advises on levels for which the catalog has an advisory: on the member who holds them, and on the role or group that
/// grants them.
pub(super) fn advise_on_sections(catalog: &Catalog, ranks: &Ranks, findings: &mut FindingsBuilder<'_>) {
    for ((index, section), rank) in catalog.sections.iter().enumerate().zip(ranks.as_slice()) {
        for (_, advisory) in section.advisories.iter().filter(|(above, _)| rank > above) {
            let (level, advisory) = (Name::new(catalog.level(index, *rank)), advisory.clone());
            findings.add_whole(FindingKind::Advisory { level, advisory });
        }
    }
}

/// Returns the reason why members of this type of account cannot hold the predefined role with this index; `None` if
/// they can.
pub(super) fn unavailable(catalog: &Catalog, index: usize, account_type: AccountType) -> Option<Unavailable> {
    let predefined = &catalog.roles[index];
    let role = predefined.name.clone();
    if predefined.held_by == HeldBy::AccountOwner {
        return Some(Unavailable::HeldByOwner { role });
    }
    if !predefined.available_in.is_empty() && !predefined.available_in.contains(&account_type) {
        let available_in = predefined.available_in.iter().copied().collect();
        return Some(Unavailable::OtherAccountType { role, available_in, account_type });
    }
    None
}

/// Applies the overrides of an account to the predefined roles. Returns their effective permissions, and each resolved
/// override with its index in `overrides`.
///
/// An invalid part of an override lowers nothing, so that holders of the role keep at most what the store holds.
pub(super) fn apply_overrides(
    account: &AccountKey,
    catalog: &Catalog,
    overrides: &[(&RoleFacts, &str)],
) -> (Overridden, Vec<(usize, ResolvedRole)>) {
    let mut in_force: Vec<Ranks> = catalog.roles.iter().map(|role| role.ranks.clone()).collect();
    let mut overridden = vec![false; in_force.len()];
    let mut at_most = vec![false; in_force.len()];
    let mut resolved = Vec::with_capacity(overrides.len());
    let mut count: HashMap<&str, usize> = HashMap::new();
    for (_, target) in overrides {
        *count.entry(target).or_default() += 1;
    }
    for (index, (role, target)) in overrides.iter().enumerate() {
        let mut findings = FindingsBuilder::new(KindName::Role, &account.namespace, &role.name);
        let target_name = || Name::new(target);
        let Some(role_index) = catalog.role(target) else {
            let unknown = Unknown::among(target, catalog.role_names());
            let missing = FindingKind::PredefinedRoleMissing { role: unknown, is_custom: false };
            findings.add("spec.overrides", missing);
            resolved.push((index, ResolvedRole::nothing(catalog, role, findings.finish())));
            continue;
        };
        let predefined = &catalog.roles[role_index];
        let mut ranks = predefined.ranks.clone();
        let is_taken = catalog.role(&role.name).is_some();
        if is_taken {
            let taken = FindingKind::NameIsPredefined { role: role.name.clone(), is_override: true };
            findings.add("metadata.name", taken);
        }
        if !predefined.overridable {
            findings.add("spec.overrides", FindingKind::NotOverridable(target_name()));
        } else if !is_taken {
            set_cells(catalog, &role.spec.permissions, &predefined.not_applicable, &mut ranks, &mut findings);
            if role.spec.permissions.is_empty() {
                let part = WithoutEffect::Override(target_name());
                findings.add("spec.overrides", FindingKind::WithoutEffect(Box::new(part)));
            }
            // Of two overrides the lower level counts, in each section.
            if overridden[role_index] {
                in_force[role_index].lower_to(ranks.as_slice());
            } else {
                in_force[role_index] = ranks.clone();
                overridden[role_index] = true;
            }
        }
        at_most[role_index] |= !findings.findings().is_valid();
        if count.get(target).is_some_and(|count| *count > 1) {
            findings.add("spec.overrides", FindingKind::OverriddenTwice(target_name()));
        }
        advise_on_levels(catalog, &ranks, &mut findings);
        resolved.push((index, ResolvedRole::new(role, ranks, findings.finish())));
    }
    // Which of its levels are in force is known only when all overrides of a role are applied.
    for (index, role) in &mut resolved {
        let Some(place) = catalog.role(overrides[*index].1) else { continue };
        let all = changes(catalog, &catalog.roles[place].ranks, &role.ranks);
        let is_in_force =
            |(section, _): &(usize, _)| role.ranks.as_slice()[*section] == in_force[place].as_slice()[*section];
        let (in_force, outweighed): (Vec<_>, Vec<_>) = all.into_iter().partition(is_in_force);
        role.changes_from_default = in_force.into_iter().map(|(_, change)| change).collect();
        role.outweighed = outweighed.into_iter().map(|(_, change)| change).collect();
    }
    (Overridden { ranks: in_force, at_most }, resolved)
}

/// Returns the levels that differ, each with the index of its section.
fn changes(catalog: &Catalog, default: &Ranks, now: &Ranks) -> Vec<(usize, ChangeFromDefault)> {
    let differ = std::iter::zip(default.as_slice(), now.as_slice()).enumerate();
    let differ = differ.filter(|(_, (default, now))| default != now);
    let change = |(section, (default, now)): (usize, (&u8, &u8))| {
        let level = |rank: u8| catalog.level(section, rank).to_owned();
        let (default, now) = (level(*default), level(*now));
        (section, ChangeFromDefault { section: catalog.section_name(section).to_owned(), default, now })
    };
    differ.map(change).collect()
}

/// Resolves a custom Role, which is not an override.
pub(super) fn custom_role(
    account: &AccountKey,
    catalog: &Catalog,
    allowed: bool,
    role: &RoleFacts,
    in_force: &Overridden,
    account_type: AccountType,
) -> ResolvedRole {
    let mut findings = FindingsBuilder::new(KindName::Role, &account.namespace, &role.name);
    if !allowed {
        findings.add_whole(FindingKind::CustomRolesForbidden);
    }
    if catalog.role(&role.name).is_some() {
        let taken = FindingKind::NameIsPredefined { role: role.name.clone(), is_override: false };
        findings.add("metadata.name", taken);
    }
    if !findings.findings().is_valid() {
        return ResolvedRole::nothing(catalog, role, findings.finish());
    }
    let mut ranks = catalog.no_access();
    let mut at_most = false;
    if let Some(base) = &role.spec.based_on {
        // A cell that is skipped may be one that would lower the permissions of the base role.
        at_most = role.spec.permissions.keys().any(|section| catalog.section(section).is_none());
        match catalog.role(base) {
            None => {
                let role = Unknown::among(base, catalog.role_names());
                let missing = FindingKind::PredefinedRoleMissing { role, is_custom: false };
                findings.add("spec.basedOn", missing);
            }
            Some(index) => {
                if let Some(cause) = unavailable(catalog, index, account_type) {
                    findings.add("spec.basedOn", FindingKind::RoleUnavailable(cause));
                } else {
                    ranks = in_force.ranks[index].clone();
                    at_most |= in_force.at_most[index];
                }
            }
        }
        for section in &catalog.custom_not_applicable {
            if ranks.as_slice()[*section] > 0 {
                let (section_name, role) = (Name::new(catalog.section_name(*section)), Name::new(base));
                findings.add_whole(FindingKind::LeftOut { section: section_name, role });
                ranks.as_mut_slice()[*section] = 0;
            }
        }
    }
    set_cells(catalog, &role.spec.permissions, &catalog.custom_not_applicable, &mut ranks, &mut findings);
    advise_on_levels(catalog, &ranks, &mut findings);
    ResolvedRole { at_most, ..ResolvedRole::new(role, ranks, findings.finish()) }
}

/// Resolves a group, its roles included.
pub(super) fn group(
    account: &AccountKey,
    catalog: &Catalog,
    forbidden: bool,
    group: &GroupFacts,
    roles: &RolesInForce<'_>,
) -> ResolvedGroup {
    let mut findings = FindingsBuilder::new(KindName::UserGroup, &account.namespace, &group.name);
    let mut ranks = catalog.no_access();
    let mut at_most = false;
    let mut predefined = BTreeSet::new();
    if forbidden {
        findings.add_whole(FindingKind::GroupForbidden);
    } else {
        set_cells(catalog, &group.spec.permissions, &BTreeSet::new(), &mut ranks, &mut findings);
        for reference in &group.spec.role_refs {
            match roles.find(reference) {
                Ok(found) => {
                    ranks.raise_to(found.ranks.as_slice());
                    at_most |= found.at_most;
                    predefined.extend(found.index.map(|index| catalog.roles[index].name.clone()));
                }
                Err(kind) => findings.add("spec.roleRefs", kind),
            }
        }
        advise_on_levels(catalog, &ranks, &mut findings);
    }
    let title = group.spec.title.as_deref().unwrap_or(&group.name).into();
    ResolvedGroup { title, ranks, predefined, at_most, findings: findings.finish(), generation: group.generation }
}

/// Returns a role that does not exist in its kind, with a suggestion, and whether the other kind was probably meant:
/// because it has the role, or a name that is nearly the same while the own kind has none.
fn suggested<'a>(
    name: &str,
    other_has_it: bool,
    own: impl Iterator<Item = &'a str>,
    other: impl Iterator<Item = &'a str>,
) -> (Unknown, bool) {
    if other_has_it {
        return (Unknown::alone(name), true);
    }
    let own = Unknown::among(name, own);
    let other = own.near.is_none().then(|| Unknown::among(name, other)).filter(|other| other.near.is_some());
    other.map_or((own, false), |other| (other, true))
}

/// Role to which a reference points.
pub(super) struct FoundRole<'a> {
    /// Permissions that it grants.
    pub(super) ranks: &'a Ranks,
    /// Index of a predefined role in the catalog; `None` for a Role of the account.
    pub(super) index: Option<usize>,
    /// Whether something that would lower its permissions is invalid.
    pub(super) at_most: bool,
}

impl<'a> RolesInForce<'a> {
    /// Returns the role to which a reference points in this account.
    ///
    /// # Errors
    /// If there is no such role, or members of this account cannot hold it.
    pub(super) fn find(&self, reference: &RoleRef) -> Result<FoundRole<'a>, FindingKind> {
        let role = || Name::new(&reference.name);
        match reference.kind {
            RoleRefKind::PredefinedRole => {
                let Some(index) = self.catalog.role(&reference.name) else {
                    let has_it = self.custom.contains_key(reference.name.as_str());
                    let custom = || self.custom.iter().filter(|(_, role)| role.overrides.is_none());
                    let custom = || custom().map(|(name, _)| name.as_str());
                    let (role, is_custom) = suggested(&reference.name, has_it, self.catalog.role_names(), custom());
                    return Err(FindingKind::PredefinedRoleMissing { role, is_custom });
                };
                if let Some(cause) = unavailable(self.catalog, index, self.account_type) {
                    return Err(FindingKind::RoleUnavailable(cause));
                }
                let (ranks, at_most) = (&self.predefined[index], self.at_most[index]);
                Ok(FoundRole { ranks, index: Some(index), at_most })
            }
            RoleRefKind::Role => {
                let Some(custom) = self.custom.get(reference.name.as_str()) else {
                    let has_it = self.catalog.role(&reference.name).is_some();
                    let custom = self.custom.keys().map(Name::as_str);
                    let (role, is_predefined) = suggested(&reference.name, has_it, custom, self.catalog.role_names());
                    return Err(FindingKind::RoleMissing { role, is_predefined });
                };
                match &custom.overrides {
                    Some(overrides) => Err(FindingKind::RoleIsOverride { role: role(), overrides: overrides.clone() }),
                    None if custom.usable => {
                        Ok(FoundRole { ranks: &custom.ranks, index: None, at_most: custom.at_most })
                    }
                    None => Err(FindingKind::RoleInvalid { role: role(), reason: custom.findings.reason() }),
                }
            }
        }
    }
}
