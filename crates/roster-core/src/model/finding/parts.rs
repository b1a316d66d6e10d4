//! Parts of findings that have several names. They are boxed or shared, so that a finding stays small.

use std::sync::Arc;

use super::super::{AccountKey, Email, Name, suggest::closest};
use crate::api::{AccountType, DriftPolicy, Enforcement, Unmanaged};

/// Name that nothing has, and the one that was probably meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// The name, as it is written.
    pub name: Name,
    /// The name among those there are that is nearly the same.
    pub near: Option<Name>,
}

impl Unknown {
    /// Returns a name that is none of `known`.
    #[must_use]
    pub fn among<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        Self { name: Name::new(name), near: closest(name, known).map(Name::new) }
    }

    /// Returns a name with no suggestion: another hint says more, or the names there are must not be told.
    #[must_use]
    pub fn alone(name: &str) -> Self {
        Self { name: Name::new(name), near: None }
    }
}

/// Level that is not on the ladder of its section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownLevel {
    /// The section.
    pub section: Name,
    /// The level that does not exist.
    pub level: Name,
    /// Levels of the section, least permissive first; at most 16.
    pub ladder: Box<[Name]>,
}

/// Level whose prerequisite a role or group does not bring itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prerequisite {
    /// Section that has the prerequisite.
    pub section: Name,
    /// Level granted there.
    pub level: Name,
    /// Section that is needed as well.
    pub needs: Name,
    /// Lowest level that will do there.
    pub at: Name,
    /// Level of `section` that is left without it.
    pub left: Name,
}

/// Predefined role of a catalog with a level whose prerequisite it does not bring itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RolePrerequisite {
    /// The predefined role.
    pub role: Name,
    /// Section that has the prerequisite.
    pub section: Name,
    /// Level that the role grants there.
    pub level: Name,
    /// Section that is needed as well.
    pub needs: Name,
    /// Lowest level that will do there.
    pub at: Name,
}

/// Advice of a catalog on a section, for everybody above some level of it. Shared by all who are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advisory {
    /// The section.
    pub section: Name,
    /// The catalog's own words, up to 512 characters.
    pub message: Box<str>,
}

/// Cause for which members of an account cannot hold a predefined role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unavailable {
    /// Only the owner holds it.
    HeldByOwner {
        /// The role.
        role: Name,
    },
    /// It is for accounts of other types.
    OtherAccountType {
        /// The role.
        role: Name,
        /// Types of account that have it.
        available_in: Box<[AccountType]>,
        /// Type of this account.
        account_type: AccountType,
    },
}

/// Parent that does not admit an account, for whatever cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParentRefusal {
    /// The parent that is named.
    pub parent: AccountKey,
    /// Namespace of the managed account.
    pub namespace: Name,
    /// Catalog of the managed account.
    pub catalog: Name,
}

/// Several memberships of one address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DuplicateMembership {
    /// The address.
    pub email: Email,
    /// The Membership that it is said of.
    pub own: Name,
    /// All of them, in the order given. Shared: each of very many has this finding.
    pub all: Arc<[Name]>,
}

/// Value of a setting that stores default and accounts tighten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettingValue {
    /// `drift.policy`
    DriftPolicy(DriftPolicy),
    /// `drift.unmanaged`
    Unmanaged(Unmanaged),
    /// `drift.checkEvery`, as written.
    Duration(Name),
    /// `removalGuard.maximumPercent` and `removalGuard.minimumCount`.
    Number(u32),
    /// `enforcement`
    Enforcement(Enforcement),
}
