//! Defines parts of objects that have no effect, and says why. Part of [`FindingKind`](super::FindingKind).

use std::fmt;

use super::shorten::{Quoted, Short};
use crate::model::{Email, Name};

/// Part of an object that has no effect, however the rest of the object is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WithoutEffect {
    /// Catalog: a prerequisite of the first level of a section, which everybody has.
    Requires {
        /// The section that is required.
        section: Name,
        /// Its first level.
        level: Name,
    },
    /// Catalog: a cap at the highest level of a section.
    Cap {
        /// The section.
        section: Name,
        /// Its highest level.
        level: Name,
    },
    /// Catalog: a separation that lets one person hold all that it names.
    Separation {
        /// How many one person may hold.
        maximum: u32,
        /// How many roles and sections it names.
        named: usize,
    },
    /// Store: an address that is blocked by an earlier entry.
    Block(Email),
    /// Role: an override of this predefined role that sets no permission.
    Override(Name),
    /// Membership, Invitation: a restriction that is applied, and that applies by default.
    Apply(Name),
    /// Membership: the confirmation of a lift that the Membership does not have.
    Confirmation(Name),
}

impl WithoutEffect {
    /// Returns the name to which the sentence refers, as it is written in the object.
    pub(super) fn subject(&self) -> Option<&str> {
        match self {
            Self::Requires { section: name, .. }
            | Self::Cap { section: name, .. }
            | Self::Override(name)
            | Self::Apply(name)
            | Self::Confirmation(name) => Some(name),
            Self::Separation { .. } | Self::Block(_) => None,
        }
    }
}

impl fmt::Display for WithoutEffect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Requires { section, level } => {
                let (section, level) = (Quoted(section), Quoted(level));
                write!(f, "requiring {level} in section {section} has no effect, since it is the first level there")
            }
            Self::Cap { section, level } => {
                let (section, level) = (Quoted(section), Quoted(level));
                write!(f, "capping section {section} at {level} has no effect, since it is the highest level there")
            }
            Self::Separation { maximum, named } => {
                write!(f, "maximum: {maximum} has no effect, since the rule names only {named}")
            }
            Self::Block(email) => {
                write!(f, "blocking {} again has no effect; keep one entry", Short(email.as_str()))
            }
            Self::Override(role) => {
                write!(f, "overriding {} has no effect without permissions; set spec.permissions", Quoted(role))
            }
            Self::Apply(restriction) => {
                write!(f, "applying {} has no effect, since the catalog applies it by default", Quoted(restriction))
            }
            Self::Confirmation(restriction) => {
                write!(f, "this confirms nothing: spec.restrictions.lift does not name {}", Quoted(restriction))
            }
        }
    }
}
