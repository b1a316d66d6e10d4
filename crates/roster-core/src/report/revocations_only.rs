//! Defines why a pass makes only explicit revocations in an account: the reasons, and what the status says of each.
//! Decided by `control::reconcile`; read by the reports of such passes.

use super::Waits;
use crate::{
    api::{self, APPROVE_DEFINITION_ANNOTATION},
    model::agree,
    state::RecreatedDefinitions,
};

/// Reason why a pass makes only explicit revocations in an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RevocationsOnly {
    /// The Account, its namespace or a definition is being deleted, so the remaining objects are incomplete.
    Terminating,
    /// A definition was recreated after the Account, so objects of its kind may be missing.
    RecreatedDefinitions(RecreatedDefinitions),
    /// The Account is being deleted and waits for the accounts that it manages.
    ManagedAccounts,
    /// The Account is being deleted, and the removal guard holds the deletion back.
    DeletionHeld,
    /// Objects of these kinds are unknown: the API server does not have the kind, or does not list it.
    Unknown(Vec<&'static str>),
    /// These kinds are being listed again, because another replica held the account's shard before.
    Listing(Vec<&'static str>),
    /// An object of the account cannot be read and may have been valid before this process started; the text says which
    /// object and why.
    Unreadable(String),
    /// A finalizer could not be set. Without it, the account, its catalog or its store could be deleted before the
    /// content that this pass writes.
    Unprotected,
}

impl RevocationsOnly {
    /// Reason of `Ready=False` after a definition was recreated.
    pub(crate) const RECREATED: &'static str = "DefinitionRecreated";

    /// Returns the reason of `Ready=False`.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Terminating => "Terminating",
            Self::RecreatedDefinitions(_) => Self::RECREATED,
            Self::ManagedAccounts => "ManagedAccountsExist",
            Self::DeletionHeld => "RemovalGuarded",
            Self::Unknown(_) | Self::Listing(_) => "DefinitionsMissing",
            Self::Unreadable(_) => "Unreadable",
            Self::Unprotected => "FinalizerMissing",
        }
    }

    /// Returns the message of `Ready=False`, as a sentence without a full stop.
    #[must_use]
    pub fn message(&self) -> String {
        match self {
            Self::Terminating => "the Account, its namespace or a definition is being deleted: only suspensions, \
                                  expiries and blocks are applied; the deletion policy decides the rest"
                .to_owned(),
            Self::RecreatedDefinitions(RecreatedDefinitions { kinds, at }) => {
                let names: Vec<&str> = kinds.iter().flatten().filter_map(|kind| api::crd_name(kind.as_str())).collect();
                format!(
                    "{} {} recreated after this Account, and the objects were deleted with the former definition: \
                     only suspensions, expiries and blocks are applied until the objects are applied again and the \
                     Account has the annotation {APPROVE_DEFINITION_ANNOTATION}={at}",
                    names.join(" and "),
                    agree(&names.len(), "was", "were")
                )
            }
            Self::ManagedAccounts => "the deletion waits for managed accounts".to_owned(),
            Self::DeletionHeld => {
                "the Account is being deleted, and the removal guard holds the deletion: only suspensions, expiries, \
                 blocks and single removals are applied; the Account's status says how to approve it"
                    .to_owned()
            }
            Self::Unknown(kinds) => format!(
                "the API server does not list {}: until it does, only suspensions, expiries and blocks are applied",
                kinds.join(", ")
            ),
            Self::Listing(kinds) => format!(
                "{} are being listed again: until the list is complete, only suspensions, expiries and blocks are applied",
                kinds.join(", ")
            ),
            Self::Unreadable(what) => format!(
                "{what}; it may have been effective before, so only suspensions, expiries and blocks are applied until \
                 it is corrected or deleted"
            ),
            Self::Unprotected => {
                "the finalizer of the Account, its catalog or its store could not be set: until it is set, only \
                 suspensions, expiries and blocks are applied"
                    .to_owned()
            }
        }
    }

    pub(super) fn waits(&self) -> Waits {
        Waits {
            reason: self.reason(),
            message: self.message(),
            stalled: matches!(self, Self::Unreadable(_) | Self::RecreatedDefinitions(_)),
        }
    }
}
