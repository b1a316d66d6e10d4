//! Features that a run may use. Chosen at random for each seed, and used by `people`, `specs` and `faults`.

use super::random::Random;

/// Features of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Features {
    pub replicas: usize,
    pub sql: bool,
    pub plain: bool,
    pub catalogs: bool,
    pub pauses: bool,
    pub masses: bool,
    pub approvals: bool,
    pub tampers: bool,
    pub deletions: bool,
    pub labels: bool,
    pub partners: bool,
    pub duplicates: bool,
    pub windows: bool,
    pub lags: bool,
    pub relists: bool,
    pub store_faults: bool,
    pub api_faults: bool,
    pub crashes: bool,
    pub jumps: bool,
    /// Namespaces and CRDs that are being deleted, and kinds that respond with 404: (c), (d), (e), (i), (l).
    pub terminations: bool,
    /// Objects that a store refuses.
    pub refusals: bool,
    /// Roles, restrictions and catalogs that become invalid.
    pub invalid: bool,
    /// Stores with room for one pass: (f).
    pub full_stores: bool,
    /// Periods in which the API server cannot be reached.
    pub away: bool,
    /// Members whose access is revoked while a pass over their account runs, in slow stores.
    pub rushes: bool,
    /// Stores that are replaced by others.
    pub replaced_stores: bool,
}

impl Features {
    /// Returns the features that a seed uses.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let mut random = Random::of(seed, 3);
        let mut maybe = |percent| random.chance(percent);
        let sql = maybe(75);
        let mut features = Self {
            replicas: 1,
            sql,
            plain: !sql || maybe(30),
            catalogs: maybe(50),
            pauses: maybe(40),
            masses: maybe(40),
            approvals: maybe(40),
            tampers: maybe(40),
            deletions: maybe(30),
            labels: maybe(30),
            partners: maybe(30),
            duplicates: maybe(40),
            windows: maybe(50),
            lags: maybe(50),
            relists: maybe(40),
            store_faults: maybe(50),
            api_faults: maybe(40),
            crashes: maybe(40),
            jumps: maybe(20),
            terminations: maybe(40),
            refusals: maybe(40),
            invalid: maybe(40),
            full_stores: maybe(40),
            away: maybe(30),
            rushes: maybe(40),
            replaced_stores: Random::of(seed, 10).chance(30),
        };
        let replicas = [1, 1, 1, 2, 2, 3];
        features.replicas = *Random::of(seed, 4).pick(&replicas);
        features
    }

    /// Returns the features of a run with only people and one transactional store.
    #[must_use]
    pub fn plainest() -> Self {
        Self {
            replicas: 1,
            sql: true,
            plain: false,
            catalogs: false,
            pauses: false,
            masses: false,
            approvals: false,
            tampers: false,
            deletions: false,
            labels: false,
            partners: false,
            duplicates: false,
            windows: false,
            lags: false,
            relists: false,
            store_faults: false,
            api_faults: false,
            crashes: false,
            jumps: false,
            terminations: false,
            refusals: false,
            invalid: false,
            full_stores: false,
            away: false,
            rushes: false,
            replaced_stores: false,
        }
    }
}
