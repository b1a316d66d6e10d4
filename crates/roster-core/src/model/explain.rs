//! Why a member's potential permissions are what they are, section by section.

use std::fmt;

use super::{Catalog, MemberInputs, Name, Ranks, Rule, Source, Trace, potential};

/// Why one section is at its level: the steps that decided it, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The section.
    pub section: Name,
    /// Its potential level: before step 5 (suspension, expiry, …).
    pub level: Name,
    /// What raised and lowered it; empty where nothing granted anything.
    pub steps: Vec<Step>,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A role or group raised it to `level`.
    Granted {
        /// Which.
        by: Grantor,
        /// The level.
        level: Name,
    },
    /// Lifting a restriction made the member equal to the owner.
    EqualToOwner {
        /// The lifted restriction.
        restriction: Name,
        /// The level.
        level: Name,
    },
    /// A restriction lowered it.
    Capped {
        /// The restriction.
        restriction: Name,
        /// The level.
        level: Name,
    },
    /// A prerequisite that does not hold for this user lowered it.
    Reduced {
        /// The section that would be needed.
        needs: Name,
        /// At this level.
        at: Name,
        /// The level left.
        level: Name,
    },
}

/// What grants something.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grantor {
    /// The catalog's owner role.
    Owner(Name),
    /// A predefined role.
    PredefinedRole(Name),
    /// A Role of the account.
    Role(Name),
    /// A group, its roles included.
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

/// Returns the potential permissions and, for each section in the catalog's order, why.
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
