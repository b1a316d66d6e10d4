//! Evaluates the roles and groups of one account. Called by `account`; read by `claim`.

use std::collections::{BTreeMap, BTreeSet};

use roster_core::api::{
    AccountType, HeldBy, MemberGroups, PermissionCatalogSpec, Permissions, PredefinedRole, RoleRef, RoleRefKind,
    RoleSpec, UserGroupSpec,
};

use crate::{
    levels::{Levels, everything, higher, lower, nothing, rank, section},
    reason,
};

/// Reasons why an object is invalid.
pub(crate) type Reasons = BTreeSet<&'static str>;

/// Levels that a role or a group grants.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    pub(crate) levels: Levels,
    /// Whether an object that lowers these levels is invalid.
    pub(crate) at_most_held: bool,
}

/// Result of looking up a role.
pub(crate) enum Lookup<'a> {
    Missing,
    NotAvailable,
    Found(&'a Grant),
}

/// Roles and groups of an account whose catalog is valid.
pub(crate) struct Definitions<'a> {
    pub(crate) catalog: &'a PermissionCatalogSpec,
    account_type: AccountType,
    /// Predefined roles with the overrides of this account.
    predefined: BTreeMap<&'a str, Grant>,
    /// Custom roles; `None` for those that are invalid as a whole, which nobody gets.
    custom: BTreeMap<&'a str, Option<Grant>>,
    groups: BTreeMap<&'a str, Grant>,
    pub(crate) role_reasons: BTreeMap<String, Reasons>,
    pub(crate) group_reasons: BTreeMap<String, Reasons>,
}

impl<'a> Definitions<'a> {
    /// Reads the roles and groups of one account.
    pub(crate) fn new(
        catalog: &'a PermissionCatalogSpec,
        account_type: AccountType,
        roles: &BTreeMap<&'a str, &'a RoleSpec>,
        groups: &BTreeMap<&'a str, &'a UserGroupSpec>,
    ) -> Self {
        let mut this = Self {
            catalog,
            account_type,
            predefined: BTreeMap::new(),
            custom: BTreeMap::new(),
            groups: BTreeMap::new(),
            role_reasons: BTreeMap::new(),
            group_reasons: BTreeMap::new(),
        };
        for role in &catalog.roles {
            let grant = this.in_force(role, roles);
            this.predefined.insert(&role.name, grant);
        }
        for (name, spec) in roles {
            let mut reasons = Reasons::new();
            if let Some(overridden) = &spec.overrides {
                let count = roles.values().filter(|other| other.overrides.as_ref() == Some(overridden)).count();
                if count > 1 {
                    reasons.insert(reason::NAME_TAKEN);
                }
                reasons.extend(this.override_reasons(name, overridden, spec));
            } else {
                let grant = this.custom_role(name, spec, &mut reasons);
                this.custom.insert(name, grant);
            }
            this.role_reasons.insert((*name).to_owned(), reasons);
        }
        for (name, spec) in groups {
            let mut reasons = Reasons::new();
            let grant = this.group(spec, &mut reasons);
            this.groups.insert(name, grant);
            this.group_reasons.insert((*name).to_owned(), reasons);
        }
        this
    }

    /// Returns the predefined role with this name, without overrides.
    pub(crate) fn written(&self, name: &str) -> Option<&'a PredefinedRole> {
        self.catalog.roles.iter().find(|role| role.name == name)
    }

    /// Returns the levels of the owner role, which cannot be overridden.
    pub(crate) fn owner_levels(&self) -> Option<&Levels> {
        Some(&self.predefined.get(self.catalog.owner_role.as_deref()?)?.levels)
    }

    /// Looks up a role for members and groups. A missing custom role is never replaced by a predefined one, nor the
    /// other way around.
    pub(crate) fn role(&self, reference: &RoleRef) -> Lookup<'_> {
        match reference.kind {
            RoleRefKind::PredefinedRole => match self.written(&reference.name) {
                None => Lookup::Missing,
                Some(role) if !self.members_can_hold(role) => Lookup::NotAvailable,
                Some(role) => self.predefined.get(role.name.as_str()).map_or(Lookup::Missing, Lookup::Found),
            },
            RoleRefKind::Role => match self.custom.get(reference.name.as_str()) {
                None => Lookup::Missing,
                Some(None) => Lookup::NotAvailable,
                Some(Some(grant)) => Lookup::Found(grant),
            },
        }
    }

    /// Looks up a group.
    pub(crate) fn group_of(&self, name: &str) -> Option<&Grant> {
        self.groups.get(name)
    }

    fn members_can_hold(&self, role: &PredefinedRole) -> bool {
        let available = role.available_in.is_empty() || role.available_in.contains(&self.account_type);
        role.held_by == HeldBy::Members && available
    }

    /// Returns a predefined role after overrides; of two overrides, the lower level of each section counts.
    fn in_force(&self, role: &PredefinedRole, roles: &BTreeMap<&str, &RoleSpec>) -> Grant {
        let default = self.default_levels(role);
        let mut grant: Option<Levels> = None;
        let mut at_most_held = false;
        for (name, spec) in roles.iter().filter(|(_, spec)| spec.overrides.as_ref() == Some(&role.name)) {
            at_most_held |= !self.override_reasons(name, &role.name, spec).is_empty();
            if self.may_be_overridden(role) && self.written(name).is_none() {
                let mut levels = default.clone();
                self.write_cells(&spec.permissions, &role.not_applicable, &mut levels);
                grant = Some(grant.map_or_else(|| levels.clone(), |other| lower(&other, &levels)));
            }
        }
        Grant { levels: grant.unwrap_or(default), at_most_held }
    }

    fn default_levels(&self, role: &PredefinedRole) -> Levels {
        let mut levels = if role.all_permissions { everything(self.catalog) } else { nothing(self.catalog) };
        self.write_cells(&role.permissions, &[], &mut levels);
        for name in &role.not_applicable {
            levels.insert(name.clone(), 0);
        }
        levels
    }

    fn may_be_overridden(&self, role: &PredefinedRole) -> bool {
        role.overridable && self.catalog.owner_role.as_ref() != Some(&role.name)
    }

    /// Returns the reasons why an override is invalid by itself, as a whole or partly. Two overrides of one role are
    /// not among them.
    fn override_reasons(&self, name: &str, overridden: &str, spec: &RoleSpec) -> Reasons {
        let role = self.written(overridden);
        let not_applicable = role.map(|role| role.not_applicable.as_slice()).unwrap_or_default();
        let mut reasons = self.cell_reasons(&spec.permissions, not_applicable);
        match role {
            None => {
                reasons.insert(reason::ROLE_NOT_FOUND);
            }
            Some(role) if !self.may_be_overridden(role) => {
                reasons.insert(reason::NOT_APPLICABLE);
            }
            Some(_) => {}
        }
        if self.written(name).is_some() {
            reasons.insert(reason::NAME_TAKEN);
        }
        reasons
    }

    fn custom_role(&self, name: &str, spec: &RoleSpec, reasons: &mut Reasons) -> Option<Grant> {
        let none = Grant { levels: nothing(self.catalog), at_most_held: false };
        if self.written(name).is_some() {
            reasons.insert(reason::NAME_TAKEN);
        }
        if !self.catalog.custom_roles.allowed {
            reasons.insert(reason::ROLE_NOT_AVAILABLE);
        }
        let not_applicable = &self.catalog.custom_roles.not_applicable;
        let cells = self.cell_reasons(&spec.permissions, not_applicable);
        let base = match &spec.based_on {
            None => none.clone(),
            Some(base) => match self.role(&RoleRef { kind: RoleRefKind::PredefinedRole, name: base.clone() }) {
                Lookup::Missing => {
                    reasons.insert(reason::ROLE_NOT_FOUND);
                    none.clone()
                }
                Lookup::NotAvailable => {
                    reasons.insert(reason::ROLE_NOT_AVAILABLE);
                    none.clone()
                }
                Lookup::Found(grant) => grant.clone(),
            },
        };
        let whole = !reasons.contains(reason::NAME_TAKEN) && self.catalog.custom_roles.allowed;
        // A cell that is ignored could have lowered the base role, so it must not raise access.
        let lowers = spec.based_on.is_some() && cells.contains(reason::UNKNOWN_SECTION);
        reasons.extend(cells);
        if !whole {
            return None;
        }
        let mut levels = base.levels;
        self.write_cells(&spec.permissions, not_applicable, &mut levels);
        for name in not_applicable {
            levels.insert(name.clone(), 0);
        }
        Some(Grant { levels, at_most_held: base.at_most_held || lowers })
    }

    fn group(&self, spec: &UserGroupSpec, reasons: &mut Reasons) -> Grant {
        let mut levels = nothing(self.catalog);
        let mut at_most_held = false;
        reasons.extend(self.cell_reasons(&spec.permissions, &[]));
        if self.catalog.members.groups == MemberGroups::Forbidden {
            reasons.insert(reason::GROUPS_FORBIDDEN);
        } else {
            self.write_cells(&spec.permissions, &[], &mut levels);
        }
        for reference in &spec.role_refs {
            match self.role(reference) {
                Lookup::Missing => {
                    reasons.insert(reason::ROLE_NOT_FOUND);
                }
                Lookup::NotAvailable => {
                    reasons.insert(reason::ROLE_NOT_AVAILABLE);
                }
                Lookup::Found(grant) => {
                    levels = higher(&levels, &grant.levels);
                    at_most_held |= grant.at_most_held;
                }
            }
        }
        Grant { levels, at_most_held }
    }

    fn cell_reasons(&self, cells: &Permissions, not_applicable: &[String]) -> Reasons {
        let mut reasons = Reasons::new();
        for (name, level) in cells {
            if section(self.catalog, name).is_none() {
                reasons.insert(reason::UNKNOWN_SECTION);
            } else if not_applicable.contains(name) {
                reasons.insert(reason::NOT_APPLICABLE);
            } else if rank(self.catalog, name, level).is_none() {
                reasons.insert(reason::UNKNOWN_LEVEL);
            }
        }
        reasons
    }

    /// Writes cells over levels. Ignores unknown and not applicable sections; an unknown level counts as the first one.
    fn write_cells(&self, cells: &Permissions, not_applicable: &[String], levels: &mut Levels) {
        for (name, level) in cells {
            if section(self.catalog, name).is_some() && !not_applicable.contains(name) {
                levels.insert(name.clone(), rank(self.catalog, name, level).unwrap_or(0));
            }
        }
    }
}
