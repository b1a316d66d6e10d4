//! Holds a PermissionCatalog, compiled to indexes and ranks. Built by `model::compile`; read by the `resolve` module
//! and the CLI.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use super::{Advisory, Layout, Name, Prerequisite, Ranks, UnknownLevel, suggest::closest};
use crate::api::{self, AccountType, HeldBy};

/// Compiled catalog, which keeps its own rules.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    /// Sections and their levels, in the catalog's order.
    pub layout: Layout,
    /// Title, category and advisories of each section, in the order of the ladders.
    pub sections: Vec<Section>,
    /// Prerequisites, sorted so that a rule comes after the rules that it depends on.
    pub rules: Vec<Rule>,
    /// Restrictions, in the catalog's order.
    pub restrictions: Vec<Restriction>,
    /// Predefined roles, in the catalog's order.
    pub roles: Vec<PredefinedRole>,
    /// Role of the account's owner, as an index in `roles`.
    pub owner_role: Option<usize>,
    /// Role of a member that names none, as an index in `roles`.
    pub default_role: Option<usize>,
    /// Indexes of the sections that custom roles cannot configure.
    pub custom_not_applicable: BTreeSet<usize>,
    pub(super) section_indexes: HashMap<Name, usize>,
    pub(super) role_indexes: HashMap<Name, usize>,
    pub(super) restriction_indexes: HashMap<Name, usize>,
}

/// Properties of a section besides its ladder.
#[derive(Clone, Debug)]
pub struct Section {
    /// Title; the name if it has none.
    pub title: String,
    /// Category, for display.
    pub category: Option<String>,
    /// Advisories, each for all ranks above the given one.
    pub advisories: Vec<(u8, Arc<Advisory>)>,
}

/// Prerequisite of a level: a user with rank `from` or above in `section` also needs rank `level` in `needs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Index of the section that has the prerequisite.
    pub section: usize,
    /// Lowest rank with the prerequisite; at least 1.
    pub from: u8,
    /// Index of the section that is needed.
    pub needs: usize,
    /// Lowest rank that suffices in `needs`.
    pub level: u8,
}

/// Highest rank that a restriction leaves in each section; 255 where it takes nothing.
pub type Caps = Ranks;

/// A restriction, compiled.
#[derive(Clone, Debug)]
pub struct Restriction {
    /// Name of the restriction.
    pub name: Name,
    /// Highest rank left in each section.
    pub caps: Caps,
    /// Whether it applies to every member for whom it is not lifted.
    pub applied_by_default: bool,
    /// Whether a member for whom it is lifted is equal to the owner.
    pub grants_owner_access: bool,
    /// Whether lifting it counts only if it is also acknowledged.
    pub needs_confirmation: bool,
}

/// Predefined role, compiled.
#[derive(Clone, Debug)]
pub struct PredefinedRole {
    /// Name of the role.
    pub name: Name,
    /// Title; the name if it has none.
    pub title: String,
    /// Permissions that it grants by default.
    pub ranks: Ranks,
    /// Indexes of the sections that cannot be configured for it.
    pub not_applicable: BTreeSet<usize>,
    /// Users who may hold it.
    pub held_by: HeldBy,
    /// Whether an account may change its permissions.
    pub overridable: bool,
    /// Types of account in which it is available; empty for all.
    pub available_in: BTreeSet<AccountType>,
    /// Advice on the number of its holders.
    pub advice: Option<api::RoleAdvice>,
}

impl Catalog {
    /// Returns the index of a section; `None` if the catalog does not have it.
    #[must_use]
    pub fn section(&self, name: &str) -> Option<usize> {
        self.section_indexes.get(name).copied()
    }

    /// Returns the rank of a level on a section's ladder; `None` if the ladder does not have it.
    #[must_use]
    pub fn rank(&self, section: usize, level: &str) -> Option<u8> {
        let levels = &self.layout.ladders().get(section)?.levels;
        u8::try_from(levels.iter().position(|l| l == level)?).ok()
    }

    /// Returns the name of a rank on a section's ladder; `?` if there is no such rank.
    #[must_use]
    pub fn level(&self, section: usize, rank: u8) -> &str {
        self.layout.ladders().get(section).and_then(|l| l.levels.get(usize::from(rank))).map_or("?", Name::as_str)
    }

    /// Returns the name of a section; `?` if there is no such section.
    #[must_use]
    pub fn section_name(&self, section: usize) -> &str {
        self.layout.ladders().get(section).map_or("?", |ladder| ladder.section.as_str())
    }

    /// Returns the index of a predefined role; `None` if the catalog does not have it.
    #[must_use]
    pub fn role(&self, name: &str) -> Option<usize> {
        self.role_indexes.get(name).copied()
    }

    /// Returns the index of a restriction; `None` if the catalog does not have it.
    #[must_use]
    pub fn restriction(&self, name: &str) -> Option<usize> {
        self.restriction_indexes.get(name).copied()
    }

    /// Returns the names of the sections, in the catalog's order.
    pub(crate) fn section_names(&self) -> impl Iterator<Item = &str> {
        self.layout.ladders().iter().map(|ladder| ladder.section.as_str())
    }

    /// Returns the names of the predefined roles, in the catalog's order.
    pub(crate) fn role_names(&self) -> impl Iterator<Item = &str> {
        self.roles.iter().map(|role| role.name.as_str())
    }

    /// Returns the names of the restrictions, in the catalog's order.
    pub(crate) fn restriction_names(&self) -> impl Iterator<Item = &str> {
        self.restrictions.iter().map(|restriction| restriction.name.as_str())
    }

    /// Returns ranks without access in any section.
    #[must_use]
    pub fn no_access(&self) -> Ranks {
        Ranks::none(self.layout.len())
    }

    /// Returns the rules that `ranks` do not meet: the levels that a role or group loses without further grants.
    pub fn unmet<'a>(&'a self, ranks: &'a Ranks) -> impl Iterator<Item = &'a Rule> + 'a {
        let ranks = ranks.as_slice();
        self.rules.iter().filter(move |rule| ranks[rule.section] >= rule.from && ranks[rule.needs] < rule.level)
    }

    /// Returns the finding that a section has no such level.
    #[must_use]
    pub fn unknown_level(&self, section: usize, level: &str) -> Box<UnknownLevel> {
        let ladder = self.layout.ladders().get(section);
        let ladder: Box<[Name]> = ladder.map(|ladder| ladder.levels.iter().cloned().collect()).unwrap_or_default();
        let near = closest(level, ladder.iter().map(Name::as_str)).map(Name::new);
        Box::new(UnknownLevel { section: Name::new(self.section_name(section)), level: Name::new(level), ladder, near })
    }

    /// Returns the finding that `ranks` do not meet a rule: the level needed, and the level that is left without it.
    #[must_use]
    pub fn prerequisite(&self, rule: &Rule, ranks: &Ranks) -> Box<Prerequisite> {
        let rank = ranks.as_slice().get(rule.section).copied().unwrap_or(0);
        Box::new(Prerequisite {
            section: Name::new(self.section_name(rule.section)),
            level: Name::new(self.level(rule.section, rank)),
            needs: Name::new(self.section_name(rule.needs)),
            at: Name::new(self.level(rule.needs, rule.level)),
            left: Name::new(self.level(rule.section, rule.from.saturating_sub(1))),
        })
    }
}
