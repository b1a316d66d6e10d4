//! Defines names of roles: a predefined role of the catalog, or a Role of the account. Used in references, stores and
//! reports.

use std::fmt;

use serde::{Serialize, Serializer};

use super::Name;
use crate::api::{RoleRef, RoleRefKind};

/// Name of a role. A predefined role and a Role of the account with one name are different roles.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoleName {
    /// Kind of the role: of the catalog or of the account.
    pub kind: RoleRefKind,
    /// Name within that kind.
    pub name: Name,
}

impl RoleName {
    /// Returns the name of a role of the catalog.
    #[must_use]
    pub fn predefined(name: &str) -> Self {
        Self { kind: RoleRefKind::PredefinedRole, name: Name::new(name) }
    }

    /// Returns the name of a Role of the account.
    #[must_use]
    pub fn custom(name: &str) -> Self {
        Self { kind: RoleRefKind::Role, name: Name::new(name) }
    }

    /// Parses a name as stores write it: the name alone for a predefined role, `custom:name` for a Role of the account.
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
