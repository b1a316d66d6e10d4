//! Explains a member's potential permissions, section by section. Called by `resolve::potential` for commands such as
//! `roster explain`.

use std::fmt;

use super::{Catalog, MemberInputs, Name, Ranks, Rule, Source, Trace, potential};

/// Reason why one section has its level: the steps that decided it, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// Name of the section.
    pub section: Name,
    /// Potential level of the section, before step 5 (suspension, expiry, …).
    pub level: Name,
    /// Steps that raised and lowered it; empty if nothing granted anything.
    pub steps: Vec<Step>,
}

/// Step that raised or lowered a section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A role or group raised the section to `level`.
    Granted {
        /// Role or group that granted it.
        by: Grantor,
        /// Level after the step.
        level: Name,
    },
    /// Lifting a restriction made the member equal to the owner.
    EqualToOwner {
        /// Name of the lifted restriction.
        restriction: Name,
        /// Level after the step.
        level: Name,
    },
    /// A restriction lowered the section.
    Capped {
        /// Name of the restriction.
        restriction: Name,
        /// Level after the step.
        level: Name,
    },
    /// A prerequisite that this user does not meet lowered the section.
    Reduced {
        /// Section that is needed.
        needs: Name,
        /// Lowest level that would suffice there.
        at: Name,
        /// Level after the step.
        level: Name,
    },
}

/// Source of a grant, by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grantor {
    /// Owner role of the catalog.
    Owner(Name),
    /// Predefined role of the catalog.
    PredefinedRole(Name),
    /// A Role of the account.
    Role(Name),
    /// Group, its roles included.
    Group(Name),
}

impl fmt::Display for Grantor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Owner(name) => write!(f, "owner role {name}"),
            Self::PredefinedRole(name) => write!(f, "predefined role {name}"),
            Self::Role(name) => write!(f, "role {name}"),
            Self::Group(name) => write!(f, "group {name}"),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Granted { by, level } => write!(f, "{level} from {by}"),
            Self::EqualToOwner { restriction, level } => {
                write!(f, "{level}, equal to the owner since restriction {restriction} is lifted")
            }
            Self::Capped { restriction, level } => write!(f, "at most {level} by restriction {restriction}"),
            Self::Reduced { needs, at, level } => write!(f, "down to {level} since {needs} is below {at}"),
        }
    }
}

/// Returns the potential permissions, and an explanation for each section in the catalog's order.
#[must_use]
pub fn explain(catalog: &Catalog, inputs: &MemberInputs<'_>) -> (Ranks, Vec<Explanation>) {
    let mut listener = Listener { catalog, steps: vec![Vec::new(); catalog.layout.len()] };
    let mut ranks = catalog.no_access();
    potential(catalog, inputs, &mut ranks, &mut listener);
    let explanations = std::iter::zip(listener.steps, ranks.as_slice())
        .enumerate()
        .map(|(section, (steps, rank))| Explanation {
            section: Name::new(catalog.section_name(section)),
            level: Name::new(catalog.level(section, *rank)),
            steps,
        })
        .collect();
    (ranks, explanations)
}

struct Listener<'a> {
    catalog: &'a Catalog,
    steps: Vec<Vec<Step>>,
}

impl Listener<'_> {
    fn level(&self, section: usize, rank: u8) -> Name {
        Name::new(self.catalog.level(section, rank))
    }
}

impl Trace for Listener<'_> {
    fn granted(&mut self, section: usize, rank: u8, source: Source<'_>) {
        let by = match source {
            Source::Owner(name) => Grantor::Owner(name.clone()),
            Source::PredefinedRole(name) => Grantor::PredefinedRole(name.clone()),
            Source::Role(name) => Grantor::Role(name.clone()),
            Source::Group(name) => Grantor::Group(name.clone()),
        };
        let level = self.level(section, rank);
        self.steps[section].push(Step::Granted { by, level });
    }

    fn equal_to_owner(&mut self, section: usize, rank: u8, restriction: &Name) {
        let level = self.level(section, rank);
        self.steps[section].push(Step::EqualToOwner { restriction: restriction.clone(), level });
    }

    fn capped(&mut self, section: usize, rank: u8, restriction: &Name) {
        let level = self.level(section, rank);
        self.steps[section].push(Step::Capped { restriction: restriction.clone(), level });
    }

    fn reduced(&mut self, rule: &Rule, rank: u8) {
        let step = Step::Reduced {
            needs: Name::new(self.catalog.section_name(rule.needs)),
            at: self.level(rule.needs, rule.level),
            level: self.level(rule.section, rank),
        };
        self.steps[rule.section].push(step);
    }
}
