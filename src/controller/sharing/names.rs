//! Names of the Leases: `roster` where one has everything, `roster-0-of-4` for each of several shards,
//! `roster-replica-…` for each replica.

use std::fmt;

use crate::controller::lease::NAME;

/// What a Lease is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseName {
    /// A shard.
    Shard {
        /// Which, from 0.
        shard: u16,
        /// Of how many.
        of: u16,
    },
    /// A replica that takes part.
    Replica,
}

impl LeaseName {
    /// What the Lease of this name is about; nothing where it is not ours.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        if name == NAME {
            return Some(Self::Shard { shard: 0, of: 1 });
        }
        let rest = name.strip_prefix(NAME)?.strip_prefix('-')?;
        if rest.starts_with("replica-") {
            return Some(Self::Replica);
        }
        let (shard, of) = rest.split_once("-of-")?;
        let name = Self::Shard { shard: shard.parse().ok()?, of: of.parse().ok()? };
        // Written otherwise, it is another one.
        (name.to_string() == format!("{NAME}-{rest}")).then_some(name)
    }

    /// The name of a replica's own Lease.
    #[must_use]
    pub fn replica(identity: &str) -> String {
        let fits = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c.to_ascii_lowercase() } else { '-' };
        let identity: String = identity.chars().map(fits).collect();
        format!("{NAME}-replica-{identity}")
    }
}

impl fmt::Display for LeaseName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shard { of: 1, .. } => f.write_str(NAME),
            Self::Shard { shard, of } => write!(f, "{NAME}-{shard}-of-{of}"),
            Self::Replica => write!(f, "{NAME}-replica"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for name in [LeaseName::Shard { shard: 0, of: 1 }, LeaseName::Shard { shard: 3, of: 16 }] {
            assert_eq!(LeaseName::parse(&name.to_string()), Some(name));
        }
        assert_eq!(LeaseName::parse(&LeaseName::replica("Roster-1-ab")), Some(LeaseName::Replica));
        for other in ["roster-1-of-01", "roster-webhook", "rosters", "roster-1", "other"] {
            assert_eq!(LeaseName::parse(other), None, "{other}");
        }
    }
}
