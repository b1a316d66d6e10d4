//! Names of roles: a predefined role of the catalog, or a Role of the account.

use std::fmt;

use super::Name;
use crate::api::RoleRefKind;

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

impl fmt::Display for RoleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            RoleRefKind::PredefinedRole => f.write_str(&self.name),
            RoleRefKind::Role => write!(f, "custom:{}", self.name),
        }
    }
}
