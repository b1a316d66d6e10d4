//! Compares two revisions of an object and lists the limits on people, or on Roster itself, that loosen or tighten;
//! performs no I/O. Called by the commands that compare revisions, such as `roster plan`.
//!
//! A limit grants nothing by itself, so that nobody gains access at the moment it is loosened: fewer removals wait for
//! approval, an address is no longer blocked, more people may administer. Effective values are compared: an account
//! inherits from its store, and unset fields have their defaults.

mod account;
mod catalog;
mod comparison;
#[cfg(test)]
mod limits_tests;
mod namespace;
mod rbac;
mod roles;
mod store;
mod user;

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Serialize;

pub use account::{AccountRevision, of_account};
pub use catalog::{CatalogRevision, of_catalog};
pub use namespace::{NamespaceGate, of_namespace};
pub use rbac::{RbacObjects, of_rbac, unknown_rbac};
pub use store::{StoreRevision, of_store};
pub use user::{RestrictionsRevision, of_user};

/// Direction in which a limit changes. The order of the variants is that of every list: loosened limits come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Direction {
    /// More is allowed, or less is detected.
    Loosened,
    /// Different things are allowed; neither more nor less for certain.
    Changed,
    /// Less is allowed, or more is detected.
    Tightened,
}

/// Limit that changes between two revisions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Path of the field, such as `spec.accountDefaults.removalGuard.minimumCount`.
    pub field: String,
    /// Effective value before the change, in words.
    pub from: String,
    /// Effective value after the change, in words.
    pub to: String,
    /// Direction of the change.
    pub direction: Direction,
    /// Consequence of the change, as the rest of a sentence.
    pub meaning: String,
}

/// Result of comparing the limits of one object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Limits that change.
    pub changed: Vec<Limit>,
    /// Fields that were compared. A field that was written differently and is not in `changed` has the same effect as
    /// before.
    compared: BTreeSet<String>,
}

impl Limits {
    /// Keeps only the limits that are loosened. Used for a new object, which is compared with one that has only
    /// defaults.
    #[must_use]
    pub fn only_loosened(mut self) -> Self {
        self.changed.retain(|limit| limit.direction == Direction::Loosened);
        self
    }

    /// Names the object that the changed limits belong to in front of their fields. Used where another object refers to
    /// it, and the reference changes.
    #[must_use]
    pub fn within(mut self, object: &str) -> Self {
        for limit in &mut self.changed {
            limit.field = format!("{object} {}", limit.field);
        }
        Self { changed: self.changed, compared: BTreeSet::new() }
    }

    /// Adds limits that were compared as part of the same object.
    pub fn append(&mut self, mut others: Self) {
        self.changed.append(&mut others.changed);
        self.compared.append(&mut others.compared);
    }

    /// Returns whether a field, or a field that contains it, was compared.
    #[must_use]
    pub fn covers(&self, field: &str) -> bool {
        let ends = field.char_indices().filter(|(_, letter)| matches!(letter, '.' | '[')).map(|(at, _)| at);
        ends.chain([field.len()]).any(|end| self.compared.contains(&field[..end]))
    }
}

/// Word for a field that is not set.
const ABSENT: &str = "(absent)";
