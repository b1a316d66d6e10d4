//! Builds hash maps whose seed is an argument. Used by the controller.
//!
//! Tenants choose the names that the controller keeps in hash maps, so that the seed is random in production. In the
//! simulator it is a number, so that a run can be repeated exactly.

use std::hash::{BuildHasher, DefaultHasher, Hasher as _};

/// Seed, 128 bits, of randomness and of hash maps: random in production, a number in tests and in the simulator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seed(pub [u64; 2]);

/// Builds the hashers of one process, all from one seed.
#[derive(Clone, Copy, Debug, Default)]
pub struct SeededState(Seed);

impl SeededState {
    /// Returns a state whose hashes depend on the seed, so that a tenant who does not know it cannot choose keys that
    /// collide.
    #[must_use]
    pub const fn new(seed: Seed) -> Self {
        Self(seed)
    }
}

impl BuildHasher for SeededState {
    type Hasher = DefaultHasher;

    fn build_hasher(&self) -> DefaultHasher {
        let mut hasher = DefaultHasher::new();
        let Seed([high, low]) = self.0;
        hasher.write_u64(high);
        hasher.write_u64(low);
        hasher
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_depend_on_the_seed_and_on_nothing_else() {
        let hash = |seed| SeededState::new(Seed(seed)).hash_one("acme");
        assert_eq!(hash([1, 2]), hash([1, 2]));
        assert_ne!(hash([1, 2]), hash([2, 2]));
        assert_ne!(hash([1, 2]), hash([1, 3]));
    }
}
