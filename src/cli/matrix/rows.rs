//! Rows of a matrix, as an argument of `roster matrix`. Read by its other files.

use clap::ValueEnum;

/// Rows of the matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Rows {
    /// Predefined roles of this type of account, and the account's own roles
    Roles,
    /// Groups, including their roles
    Groups,
    /// People, with their present permissions
    People,
}
