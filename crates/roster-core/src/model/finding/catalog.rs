//! Defines the ways in which a catalog breaks its own rules. Created by `model::compile`; part of
//! [`FindingKind`](super::FindingKind).

use std::fmt;

use super::{
    FieldPath, Unknown, UnknownLevel,
    shorten::{MOST, Quoted, Short},
};
use crate::{api::limits::MAX_LEVELS, model::Name};

/// Rule that a catalog breaks, and the field that breaks it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogFault {
    /// Field that breaks it.
    pub field: FieldPath,
    /// Rule that is broken, with its details.
    pub kind: CatalogFaultKind,
}

impl fmt::Display for CatalogFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.field)?;
        self.kind.fmt(f)
    }
}

/// Rule that a catalog breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CatalogFaultKind {
    /// A name that is not among the catalog's sections.
    UnknownSection(Unknown),
    /// A level that is not on the section's ladder.
    UnknownLevel(Box<UnknownLevel>),
    /// A name that is not among the catalog's roles.
    UnknownRole(Unknown),
    /// A ladder that is too short or too long.
    LevelCount,
    /// A ladder that has a level twice.
    RepeatedLevel,
    /// A section, restriction or role that appears twice.
    Repeated,
    /// A section that requires itself.
    RequiresItself,
    /// A prerequisite of a first level, which grants nothing.
    FirstLevelRequires(Name),
    /// Prerequisites that depend on each other in a cycle, each as section and lowest level with the prerequisite.
    Circle(Box<[(Name, Name)]>),
    /// A restriction whose lifting gives the owner's access, in a catalog without an owner role.
    NoOwnerRole,
    /// Advice whose minimum number of holders is above its maximum.
    HolderLimits {
        /// Advised minimum.
        minimum: u32,
        /// Advised maximum.
        maximum: u32,
    },
    /// A role with both `allPermissions` and `permissions`.
    AllAndSome,
    /// A role that grants a section that is not applicable for it.
    NotApplicable {
        /// Name of the section.
        section: Name,
        /// Level that the role grants.
        level: Name,
    },
    /// An owner role that accounts could override.
    OwnerRoleOverridable,
    /// A default role that only the owner holds.
    DefaultRoleHeldByOwner(Name),
}

impl fmt::Display for CatalogFaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownSection(section) => {
                write!(f, "section {} is not among spec.sections{}", Quoted(&section.name), section.hint(f))
            }
            Self::UnknownLevel(unknown) => unknown.fmt(f),
            Self::UnknownRole(role) => {
                write!(f, "role {} is not among spec.roles{}", Quoted(&role.name), role.hint(f))
            }
            Self::LevelCount => write!(f, "needs 2 to {MAX_LEVELS} levels"),
            Self::RepeatedLevel => f.write_str("names a level twice"),
            Self::Repeated => f.write_str("exists twice"),
            Self::RequiresItself => f.write_str("a section cannot require itself; name another section"),
            Self::FirstLevelRequires(level) => {
                write!(f, "from: {} is the first level, which means no access and needs nothing", Quoted(level))
            }
            Self::Circle(circle) => display_circle(circle, f),
            Self::NoOwnerRole => f.write_str("grantsOwnerAccess needs spec.ownerRole, which is not set"),
            Self::HolderLimits { minimum, maximum } => {
                write!(f, "minimumHolders {minimum} is above maximumHolders {maximum}")
            }
            Self::AllAndSome => f.write_str("has both allPermissions and permissions; keep one"),
            Self::NotApplicable { section, level } => {
                let (section, level) = (Quoted(section), Quoted(level));
                write!(f, "section {section} is notApplicable for this role and cannot be {level}")
            }
            Self::OwnerRoleOverridable => f.write_str("the ownerRole can never be overridable"),
            Self::DefaultRoleHeldByOwner(role) => {
                write!(f, "role {} is held by the account's owner only", Quoted(role))
            }
        }
    }
}

/// Writes the steps of a cycle, with the first one again at the end.
fn display_circle(circle: &[(Name, Name)], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str("prerequisites form a cycle: ")?;
    for (section, level) in circle.iter().take(MOST) {
        write!(f, "{} from {} → ", Short(section), Short(level))?;
    }
    match circle.len().saturating_sub(MOST) {
        0 => {}
        more => write!(f, "{more} more → ")?,
    }
    if let Some((section, level)) = circle.first() {
        write!(f, "{} from {}", Short(section), Short(level))?;
    }
    f.write_str("; remove one of these `requires`")
}
