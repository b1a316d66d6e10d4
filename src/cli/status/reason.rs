//! Reasons for which an object is not ready, and their remedies. Used by `status::gather` and `status::show`.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::api::{InvalidReason, RolloutReason, SyncReason};

/// Reason of `Ready=False`, or why nothing is known; the word in every output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadyReason {
    /// No controller has reconciled it since it changed.
    NotReconciled,
    /// An Account that waits to be deleted until its managed accounts are.
    ManagedAccountsExist,
    /// A Membership whose access is withheld, because an object that lowers it is invalid.
    AccessWithheld,
    /// An account, catalog or store whose finalizer could not be set.
    FinalizerMissing,
    /// A catalog or store that waits to be deleted until no account uses it.
    InUse,
    /// An account in which only revocations are applied, because its namespace or a definition is being deleted.
    Terminating,
    /// Only revocations are applied, because the definition of a kind was recreated.
    DefinitionRecreated,
    /// Only revocations are applied, because the API server does not list a kind.
    DefinitionsMissing,
    /// Only revocations are applied, because an object cannot be read.
    Unreadable,
    /// The spec does not resolve.
    Invalid(InvalidReason),
    /// The store does not hold what the spec says.
    Sync(SyncReason),
    /// A catalog whose change goes from account to account.
    Rollout(RolloutReason),
    /// Another release's word.
    Unknown(String),
}

impl ReadyReason {
    /// Reads the reason of a condition.
    #[must_use]
    pub fn parse(word: &str) -> Self {
        let ours = [
            Self::NotReconciled,
            Self::ManagedAccountsExist,
            Self::AccessWithheld,
            Self::FinalizerMissing,
            Self::InUse,
            Self::Terminating,
            Self::DefinitionRecreated,
            Self::DefinitionsMissing,
            Self::Unreadable,
        ];
        if let Some(reason) = ours.into_iter().find(|reason| reason.word() == Some(word)) {
            return reason;
        }
        let parsed = InvalidReason::parse(word).map(Self::Invalid);
        let parsed = parsed.or_else(|| SyncReason::parse(word).map(Self::Sync));
        let parsed = parsed.or_else(|| RolloutReason::parse(word).map(Self::Rollout));
        parsed.unwrap_or_else(|| Self::Unknown(word.to_owned()))
    }

    const fn word(&self) -> Option<&'static str> {
        Some(match self {
            Self::NotReconciled => "NotReconciled",
            Self::ManagedAccountsExist => "ManagedAccountsExist",
            Self::AccessWithheld => "AccessWithheld",
            Self::FinalizerMissing => "FinalizerMissing",
            Self::InUse => "InUse",
            Self::Terminating => "Terminating",
            Self::DefinitionRecreated => "DefinitionRecreated",
            Self::DefinitionsMissing => "DefinitionsMissing",
            Self::Unreadable => "Unreadable",
            _ => return None,
        })
    }

    /// Returns what to do about it, where that is known; the runbook says more.
    #[must_use]
    pub const fn remedy(&self) -> Option<&'static str> {
        match self {
            Self::NotReconciled => Some("check that a controller leads and can reach the API server"),
            Self::ManagedAccountsExist => Some("delete its managed accounts first"),
            Self::AccessWithheld => Some("correct the object that Advised names; until then nobody gains access"),
            Self::FinalizerMissing => {
                Some("allow the controller to patch Accounts, catalogs and stores; see the error in its log")
            }
            Self::InUse => Some("delete the accounts that use it, or let it be"),
            Self::Terminating => Some("let the deletion finish, or apply the objects again if it was a mistake"),
            Self::DefinitionRecreated => {
                Some("apply all objects again, then set the annotation that the message names")
            }
            Self::DefinitionsMissing => Some("install the CRDs of this release, and allow the controller to list them"),
            Self::Unreadable => Some("correct or delete the object that the message names"),
            Self::Invalid(reason) => Some(reason.remedy()),
            Self::Sync(reason) => reason.remedy(),
            Self::Rollout(reason) => Some(reason.remedy()),
            Self::Unknown(_) => None,
        }
    }
}

impl fmt::Display for ReadyReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(reason) => write!(f, "{reason}"),
            Self::Sync(reason) => write!(f, "{reason}"),
            Self::Rollout(reason) => f.write_str(reason.as_str()),
            Self::Unknown(word) => f.write_str(word),
            ours => f.write_str(ours.word().unwrap_or_default()),
        }
    }
}

impl Serialize for ReadyReason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_parses_to_what_was_formatted() {
        let words = [
            "NotReconciled",
            "ManagedAccountsExist",
            "AccessWithheld",
            "FinalizerMissing",
            "InUse",
            "Terminating",
            "DefinitionRecreated",
            "DefinitionsMissing",
            "Unreadable",
            "NameTaken",
            "Paused",
            "RollingOut",
        ];
        for word in words {
            let reason = ReadyReason::parse(word);
            assert_eq!(reason.to_string(), word);
            assert!(reason.remedy().is_some() && !matches!(reason, ReadyReason::Unknown(_)), "{word}");
        }
        assert_eq!(ReadyReason::parse("Later"), ReadyReason::Unknown("Later".to_owned()));
    }
}
