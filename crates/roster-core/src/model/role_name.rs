//! Names of roles: a predefined role of the catalog, or a Role of the account.

use std::fmt;

use serde::{Serialize, Serializer};

use super::Name;
use crate::api::{RoleRef, RoleRefKind};

/// A role's name; the kinds never fall through to each other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoleName {
    /// Where it is defined.
    pub kind: RoleRefKind,
    /// Its name.
    pub name: Name,
}

impl RoleName {
    /// A role of the catalog.
    #[must_use]
    pub fn predefined(name: &str) -> Self {
        Self { kind: RoleRefKind::PredefinedRole, name: Name::new(name) }
    }

    /// A role of the account.
    #[must_use]
    pub fn custom(name: &str) -> Self {
        Self { kind: RoleRefKind::Role, name: Name::new(name) }
    }

    /// Written as stores write it: the name alone for a predefined role, `custom:name` for one of the account's.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        text.strip_prefix("custom:").map_or_else(|| Self::predefined(text), Self::custom)
    }
}

impl From<&RoleRef> for RoleName {
    fn from(reference: &RoleRef) -> Self {
        Self { kind: reference.kind, name: Name::new(&reference.name) }
    }
}

impl Serialize for RoleName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for RoleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            RoleRefKind::PredefinedRole => f.write_str(&self.name),
            RoleRefKind::Role => write!(f, "custom:{}", self.name),
        }
    }
}
