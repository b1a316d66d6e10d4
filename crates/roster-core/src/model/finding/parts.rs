//! Defines the parts of findings that have several names. They are boxed or shared, so that a finding stays small. Used
//! by `finding::kinds` and `finding::catalog`.

use std::sync::Arc;

use super::super::{AccountKey, Email, Name, ObjectRef, suggest::closest};
use crate::api::{AccountType, DriftPolicy, Enforcement, Unmanaged};

/// Name that does not exist, and the one that was probably meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// Name as it is written.
    pub name: Name,
    /// Existing name that is nearly the same; `None` if there is none.
    pub near: Option<Name>,
}

impl Unknown {
    /// Returns a name that is not in `known`, with the closest one as a suggestion.
    #[must_use]
    pub fn among<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        Self { name: Name::new(name), near: closest(name, known).map(Name::new) }
    }

    /// Returns a name without a suggestion: another hint is better, or the existing names must not be revealed.
    #[must_use]
    pub fn alone(name: &str) -> Self {
        Self { name: Name::new(name), near: None }
    }
}

/// Change that somebody made without the authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unauthorized {
    /// Name of the user who made it; `None` if nobody recorded it.
    pub by: Option<Name>,
    /// The object, if it is gone.
    pub gone: Option<ObjectRef>,
    /// Rule that the change breaks, as a sentence.
    pub why: Box<str>,
}

/// Level that is not on the ladder of its section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownLevel {
    /// Name of the section.
    pub section: Name,
    /// Level that does not exist on its ladder.
    pub level: Name,
    /// Levels of the section, least permissive first; at most 16.
    pub ladder: Box<[Name]>,
    /// Level that is nearly the same; `None` if there is none.
    pub near: Option<Name>,
}

/// Level whose prerequisite a role or group does not include.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prerequisite {
    /// Section that has the prerequisite.
    pub section: Name,
    /// Level granted in `section`.
    pub level: Name,
    /// Section that is also needed.
    pub needs: Name,
    /// Lowest level that suffices in `needs`.
    pub at: Name,
    /// Level that is left in `section` without it.
    pub left: Name,
}

/// Predefined role with a level whose prerequisite it does not include.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RolePrerequisite {
    /// Name of the predefined role.
    pub role: Name,
    /// Section that has the prerequisite.
    pub section: Name,
    /// Level that the role grants in `section`.
    pub level: Name,
    /// Section that is also needed.
    pub needs: Name,
    /// Lowest level that suffices in `needs`.
    pub at: Name,
}

/// Advice of a catalog on a section, for all members above some level of it. Shared by their findings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advisory {
    /// Name of the section.
    pub section: Name,
    /// Text of the catalog, up to 512 characters.
    pub message: Box<str>,
}

/// Reason why members of an account cannot hold a predefined role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unavailable {
    /// Only the owner holds it.
    HeldByOwner {
        /// Name of the role.
        role: Name,
    },
    /// The role is available in other types of account only.
    OtherAccountType {
        /// Name of the role.
        role: Name,
        /// Types of account in which it is available.
        available_in: Box<[AccountType]>,
        /// Type of this account.
        account_type: AccountType,
    },
}

/// Refusal of a parent to admit an account; the cause is not revealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParentRefusal {
    /// Parent that the account names.
    pub parent: AccountKey,
    /// Namespace of the managed account.
    pub namespace: Name,
    /// Catalog of the managed account.
    pub catalog: Name,
}

/// Several memberships of one address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DuplicateMembership {
    /// Address of the Memberships.
    pub email: Email,
    /// Membership that has the finding.
    pub own: Name,
    /// All Memberships of the address, in the order given. Shared, since each of them has this finding.
    pub all: Arc<[Name]>,
}

/// Value of a setting that stores default and accounts can only tighten.
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
