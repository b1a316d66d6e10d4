//! A PermissionCatalog, compiled to places and ranks.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use super::{Advisory, Layout, Name, Prerequisite, Ranks, UnknownLevel};
use crate::api::{self, AccountType, HeldBy};

/// A catalog that keeps its own rules.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    /// Sections and their levels, in the catalog's order.
    pub layout: Layout,
    /// What stands beside each ladder, in the same order.
    pub sections: Vec<Section>,
    /// Prerequisites; those that others build on come first.
    pub rules: Vec<Rule>,
    /// Restrictions, in the catalog's order.
    pub restrictions: Vec<Restriction>,
    /// Predefined roles, in the catalog's order.
    pub roles: Vec<PredefinedRole>,
    /// The role of the account's owner: its place among `roles`.
    pub owner_role: Option<usize>,
    /// The role of a member that names none: its place among `roles`.
    pub default_role: Option<usize>,
    /// Sections that custom roles cannot configure.
    pub custom_not_applicable: BTreeSet<usize>,
    pub(super) section_places: HashMap<Name, usize>,
    pub(super) role_places: HashMap<Name, usize>,
    pub(super) restriction_places: HashMap<Name, usize>,
}

/// What the catalog says of a section besides its ladder.
#[derive(Clone, Debug)]
pub struct Section {
    /// Title, or the name where there is none.
    pub title: String,
    /// Category, for display.
    pub category: Option<String>,
    /// Above this rank, this advice applies.
    pub advisories: Vec<(u8, Arc<Advisory>)>,
}

/// A prerequisite: at `from` or above in `section`, the user also needs `level` in `needs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Place of the section that has the prerequisite.
    pub section: usize,
    /// Rank from which on it holds; at least 1.
    pub from: u8,
    /// Place of the section it needs.
    pub needs: usize,
    /// Rank needed there.
    pub level: u8,
}

/// Highest rank kept in each section; 255 where nothing is taken.
pub type Caps = Ranks;

/// A restriction, compiled.
#[derive(Clone, Debug)]
pub struct Restriction {
    /// Name.
    pub name: Name,
    /// What is kept.
    pub caps: Caps,
    /// In force for everyone it is not lifted for.
    pub applied_by_default: bool,
    /// Whoever it is lifted for is equal to the owner.
    pub grants_owner_access: bool,
    /// Lifting counts only where it is also acknowledged.
    pub needs_confirmation: bool,
}

/// A predefined role, compiled.
#[derive(Clone, Debug)]
pub struct PredefinedRole {
    /// Name.
    pub name: Name,
    /// Title, or the name where there is none.
    pub title: String,
    /// What it grants by default.
    pub ranks: Ranks,
    /// Places of the sections that cannot be configured for it.
    pub not_applicable: BTreeSet<usize>,
    /// Who may hold it.
    pub held_by: HeldBy,
    /// Whether an account may change what it means there.
    pub overridable: bool,
    /// Types of account it is available in; empty means all.
    pub available_in: BTreeSet<AccountType>,
    /// Advice on its holders.
    pub advice: Option<api::RoleAdvice>,
}

impl Catalog {
    /// Place of a section.
    #[must_use]
    pub fn section(&self, name: &str) -> Option<usize> {
        self.section_places.get(name).copied()
    }

    /// Rank of a level on a section's ladder.
    #[must_use]
    pub fn rank(&self, section: usize, level: &str) -> Option<u8> {
        let levels = &self.layout.ladders().get(section)?.levels;
        u8::try_from(levels.iter().position(|l| l == level)?).ok()
    }

    /// Name of a rank on a section's ladder.
    #[must_use]
    pub fn level(&self, section: usize, rank: u8) -> &str {
        self.layout.ladders().get(section).and_then(|l| l.levels.get(usize::from(rank))).map_or("?", Name::as_str)
    }

    /// Name of a section.
    #[must_use]
    pub fn section_name(&self, section: usize) -> &str {
        self.layout.ladders().get(section).map_or("?", |ladder| ladder.section.as_str())
    }

    /// Place of a predefined role.
    #[must_use]
    pub fn role(&self, name: &str) -> Option<usize> {
        self.role_places.get(name).copied()
    }

    /// Place of a restriction.
    #[must_use]
    pub fn restriction(&self, name: &str) -> Option<usize> {
        self.restriction_places.get(name).copied()
    }

    /// Names of the sections, in the catalog's order.
    pub(crate) fn section_names(&self) -> impl Iterator<Item = &str> {
        self.layout.ladders().iter().map(|ladder| ladder.section.as_str())
    }

    /// Names of the predefined roles, in the catalog's order.
    pub(crate) fn role_names(&self) -> impl Iterator<Item = &str> {
        self.roles.iter().map(|role| role.name.as_str())
    }

    /// Names of the restrictions, in the catalog's order.
    pub(crate) fn restriction_names(&self) -> impl Iterator<Item = &str> {
        self.restrictions.iter().map(|restriction| restriction.name.as_str())
    }

    /// No access in any section.
    #[must_use]
    pub fn no_access(&self) -> Ranks {
        Ranks::none(self.layout.len())
    }

    /// The rule that `ranks` break, if any: what a role or group alone would lose.
    pub fn unmet<'a>(&'a self, ranks: &'a Ranks) -> impl Iterator<Item = &'a Rule> + 'a {
        let ranks = ranks.as_slice();
        self.rules.iter().filter(move |rule| ranks[rule.section] >= rule.from && ranks[rule.needs] < rule.level)
    }

    /// Returns the finding that a section has no such level.
    #[must_use]
    pub fn unknown_level(&self, section: usize, level: &str) -> Box<UnknownLevel> {
        let ladder = self.layout.ladders().get(section);
        let ladder = ladder.map(|ladder| ladder.levels.iter().cloned().collect()).unwrap_or_default();
        Box::new(UnknownLevel { section: Name::new(self.section_name(section)), level: Name::new(level), ladder })
    }

    /// Returns the finding that `ranks` break a rule: what is needed, and what is left without it.
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
