//! Names of the Leases: `roster` for a single shard, `roster-0-of-4` for each of several shards, and
//! `roster-replica-of-4-…` for each participating replica. The other modules of [`leases`](super) and `roster status`
//! use them.

use std::fmt;

/// Name of the Lease of a single shard.
pub const NAME: &str = "roster";

/// Parsed name of a Lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseName {
    /// Lease of a shard.
    Shard {
        /// Number of the shard, from 0.
        shard: u16,
        /// Total number of shards.
        of: u16,
    },
    /// Lease by which a replica announces itself.
    Replica {
        /// Total number of shards in its configuration.
        of: u16,
    },
}

impl LeaseName {
    /// Parses a name; returns `None` if it is not one of Roster's.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        if name == NAME {
            return Some(Self::Shard { shard: 0, of: 1 });
        }
        let rest = name.strip_prefix(NAME)?.strip_prefix('-')?;
        if let Some(rest) = rest.strip_prefix("replica-of-") {
            let (of, _) = rest.split_once('-')?;
            return Some(Self::Replica { of: of.parse().ok()? });
        }
        let (shard, of) = rest.split_once("-of-")?;
        let name = Self::Shard { shard: shard.parse().ok()?, of: of.parse().ok()? };
        // Another spelling of the numbers is another name.
        (name.to_string() == format!("{NAME}-{rest}")).then_some(name)
    }

    /// Returns the name of a replica's own Lease, for `of` shards.
    #[must_use]
    pub fn replica(of: u16, identity: &str) -> String {
        let fits = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c.to_ascii_lowercase() } else { '-' };
        let identity: String = identity.chars().map(fits).collect();
        format!("{NAME}-replica-of-{of}-{identity}")
    }
}

impl fmt::Display for LeaseName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shard { of: 1, .. } => f.write_str(NAME),
            Self::Shard { shard, of } => write!(f, "{NAME}-{shard}-of-{of}"),
            Self::Replica { of } => write!(f, "{NAME}-replica-of-{of}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_parse_to_what_was_formatted() {
        for name in [LeaseName::Shard { shard: 0, of: 1 }, LeaseName::Shard { shard: 3, of: 16 }] {
            assert_eq!(LeaseName::parse(&name.to_string()), Some(name));
        }
        assert_eq!(LeaseName::parse(&LeaseName::replica(4, "Roster_1-ab")), Some(LeaseName::Replica { of: 4 }));
        for other in ["roster-1-of-01", "roster-webhook", "rosters", "roster-1", "roster-replica-a", "other"] {
            assert_eq!(LeaseName::parse(other), None, "{other}");
        }
    }
}
