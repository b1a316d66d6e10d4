//! Defines a plan: the changes to make in one account, with drift, held removals and reasons. Built by `plan::diff`;
//! read by stores, reports and the CLI.

use std::collections::BTreeMap;

use super::{Change, Hold, NotOwned, ObjectKey};
use crate::{
    api::DriftEntry,
    model::{Email, Layout, Name},
    resolve::MemberContent,
};

/// Changes to make in one account, with drift, held objects and reasons.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Id of the observed store; `None` where it has none. A store with another id refuses the changes.
    pub store: Option<Name>,
    /// Changes, in the order in which a store should make them.
    pub changes: Vec<Change>,
    /// Section layout of all ranks in `changes`, and of the account once the changes are made. A store that keeps ranks
    /// must translate all other rows of the account to it ([`Layout::translate`]) when `changes` replace the account's
    /// layout: rows of members who are held back, kept or not ours are in no change.
    pub layout: Layout,
    /// Differences between the store and what was last applied, whether or not `changes` correct them.
    pub drift: Vec<Drift>,
    /// Objects that are not as desired after this plan, each with the reason.
    pub holds: BTreeMap<ObjectKey, Hold>,
    /// Reasons of the holds [`Hold::NotOwned`].
    pub not_owned: BTreeMap<ObjectKey, NotOwned>,
    /// Content that the store holds of a member once the changes are made, for members for whom it differs from the
    /// desired content; `None` where the store holds nothing of ours.
    pub kept: BTreeMap<Email, Option<MemberContent>>,
    /// Removals that the removal guard holds back.
    pub guarded: Option<Guarded>,
    /// Owner in the store who stays because the catalog does not let the owner change.
    pub owner_kept: Option<Email>,
    /// Whether the scope is too small: the account must be planned again as a whole.
    pub needs_account: bool,
    /// Whether the observed store is not the one used so far.
    pub replaced: bool,
    pub(super) widens: bool,
}

impl Plan {
    /// Returns a plan that changes nothing, because the removal guard holds all of it back.
    #[must_use]
    pub fn holding(guarded: Guarded) -> Self {
        Self { guarded: Some(guarded), ..Self::default() }
    }

    /// Returns whether the plan removes an object, or leaves a member without access other than by explicit revocation.
    /// If so, the caller must first re-read the Account, its namespace and the definitions from the API server.
    #[must_use]
    pub fn removes(&self) -> bool {
        self.changes.iter().any(Self::is_removal)
    }

    /// Returns the members who lose their access by an approval; the guard does not count them.
    pub fn approved(&self) -> impl Iterator<Item = &Email> {
        self.changes.iter().filter(|change| change.approved).filter_map(|change| change.object.person())
    }

    /// Drops removals, and changes that would leave a member without access other than by explicit revocation.
    pub fn drop_removals(&mut self) {
        let mut changes = std::mem::take(&mut self.changes);
        changes.retain(|change| !Self::is_removal(change));
        self.changes = changes;
    }

    /// Returns whether the plan gives any member more access, even if that member also loses some.
    #[must_use]
    pub const fn raises(&self) -> bool {
        self.widens
    }

    fn is_removal(change: &Change) -> bool {
        change.put.is_none() || change.counted || change.approved
    }
}

/// Object whose content in the store differs from what was last applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drift {
    /// The object that differs.
    pub object: ObjectKey,
    /// The fields that differ.
    pub entries: Vec<DriftEntry>,
    /// Whether this plan corrects the drift.
    pub corrected: bool,
}

/// Removals that the guard holds back, and how to approve them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guarded {
    /// Members who would lose their access, sorted by address.
    pub members: Vec<Email>,
    /// Hash to approve: over the Account's UID, these members, and the number of approvals already used.
    pub hash: String,
    /// Reason for which the guard fired, as a sentence without a full stop.
    pub why: String,
    /// Whether there are too many removals, and not only the removal of a role's last holder. If so, they stay held
    /// until they are approved; otherwise another holder of the role is enough to release them.
    pub are_many: bool,
    /// Hash that is approved on the Account, but for other removals or already used.
    pub other_approval: Option<String>,
}
