//! Rows of a matrix, as an argument of `roster matrix`. Read by its other files.

use clap::ValueEnum;

/// What is drawn against the sections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Rows {
    /// Roles: predefined ones that this type of account has, and the account's own
    Roles,
    /// Groups, their roles included
    Groups,
    /// People, and what they may do now
    People,
}
