//! Numbers of objects that are measured, for each size. Used by the measurements (`rows`).

use serde::Serialize;

/// The sizes by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum SizeName {
    /// A quick look, one to three minutes
    Small,
    /// A third of the numbers in the speed targets
    Middle,
    /// The numbers of the speed targets, about 20 minutes
    Full,
}

/// Number of objects of each sort.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Size {
    /// Memberships that converge at once, in [`Self::accounts`].
    pub memberships: u32,
    /// Accounts they are in.
    pub accounts: u32,
    /// Memberships of the large account.
    pub large: u32,
    /// Memberships of the account it is compared with.
    pub little: u32,
    /// Members of the large account who hold the role that changes.
    pub holders: u32,
    /// Rounds of converging.
    pub rounds: u32,
    /// Single changes in each account.
    pub changes: u32,
    /// Groups, and as many users, in a Keycloak.
    pub keycloak: u32,
}

impl Size {
    pub const fn named(name: SizeName) -> Self {
        let full = Self {
            memberships: 10_000,
            accounts: 10,
            large: 50_000,
            little: 50,
            holders: 20_000,
            rounds: 3,
            changes: 40,
            keycloak: 500,
        };
        match name {
            SizeName::Full => full,
            SizeName::Middle => Self { memberships: 3_000, large: 15_000, holders: 6_000, ..full },
            SizeName::Small => {
                Self { memberships: 1_000, large: 5_000, holders: 2_000, changes: 30, keycloak: 100, ..full }
            }
        }
    }
}
