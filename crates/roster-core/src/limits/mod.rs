//! Limits on what people, and Roster itself, may do: which of them two revisions of an object loosen or tighten. No I/O.
//!
//! A limit grants nothing by itself, so that nobody gains anything on the day it is loosened: fewer removals wait for
//! approval, somebody is no longer blocked, more people may administer. Effective values count: what an account inherits
//! from its store, and the default of what nobody sets.

mod account;
mod catalog;
mod comparison;
#[cfg(test)]
mod limits_tests;
mod roles;
mod store;
mod user;

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Serialize;

pub use account::{AccountRevision, of_account};
pub use catalog::{CatalogRevision, of_catalog};
pub use store::{StoreRevision, of_store};
pub use user::{RestrictionsRevision, of_user};

/// Direction in which a limit changes. Loosened ones come first in every order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Direction {
    /// More is allowed, or less is noticed.
    Loosened,
    /// Neither is sure: other things are allowed.
    Changed,
    /// Less is allowed, or more is noticed.
    Tightened,
}

/// One limit that changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// The field, as a path: `spec.accountDefaults.removalGuard.minimumCount`.
    pub field: String,
    /// The value in force before, in words.
    pub from: String,
    /// The value in force after, in words.
    pub to: String,
    /// Whether it is loosened or tightened.
    pub direction: Direction,
    /// Consequence, as the rest of a sentence.
    pub meaning: String,
}

/// Limits of one object, compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Those that change.
    pub changed: Vec<Limit>,
    /// Fields that were compared. One that was written differently and is not in `changed` has the same effect as before.
    compared: BTreeSet<String>,
}

impl Limits {
    /// Returns those that are loosened: of an object that is new, compared with one that has only defaults.
    #[must_use]
    pub fn only_loosened(mut self) -> Self {
        self.changed.retain(|limit| limit.direction == Direction::Loosened);
        self
    }

    /// Returns whether a field, or one above it, was compared.
    #[must_use]
    pub fn covers(&self, field: &str) -> bool {
        let ends = field.char_indices().filter(|(_, letter)| matches!(letter, '.' | '[')).map(|(at, _)| at);
        ends.chain([field.len()]).any(|end| self.compared.contains(&field[..end]))
    }
}

/// Value of a field that is not set.
const ABSENT: &str = "(absent)";
