//! Defines why an object is not as desired after a plan. Used by the plan module, reports and the CLI.

use crate::{api::DriftEntry, model::Name};

/// Reason why an object is not as desired after a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub enum Hold {
    /// The object exists and is not ours: another cluster has marked it, or the adoption policy does not allow taking
    /// it over.
    NotOwned,
    /// The store or the account is paused.
    Paused,
    /// The store that answers is not the one used so far.
    StoreReplaced,
    /// The Account was changed without authority.
    Unauthorized,
    /// The removal guard holds the removal back.
    Guarded,
    /// The object has drifted, and drift is only reported.
    DriftReported,
}

impl Hold {
    /// Returns whether this reason makes grants and definitions of all objects wait.
    #[must_use]
    pub const fn is_pause(self) -> bool {
        matches!(self, Self::Paused | Self::StoreReplaced | Self::Unauthorized)
    }

    /// Returns the word for the reason, as reports write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotOwned => "NotOwned",
            Self::Paused => "Paused",
            Self::StoreReplaced => "StoreReplaced",
            Self::Unauthorized => "Unauthorized",
            Self::Guarded => "Guarded",
            Self::DriftReported => "DriftReported",
        }
    }
}

/// Reason why an entry that is in the store already is not taken over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotOwned {
    /// It carries the mark of the cluster with this id, and is never changed.
    OfCluster(Name),
    /// The adoption policy does not allow it, whatever the entry holds.
    Never,
    /// The adoption policy allows it only for identical entries, and this one differs: the first three differences, and
    /// the number of the others. None are named where only the section layouts differ.
    Differs(Vec<DriftEntry>, usize),
}
