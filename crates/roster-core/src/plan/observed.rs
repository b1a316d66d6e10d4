//! Holds what a store contains of one account, within a scope. Built by stores (`contract::describe`, `src/store`);
//! read by the plan module, reports and the CLI.

use std::{borrow::Cow, collections::BTreeMap};

use jiff::Timestamp;

use super::{
    Fingerprint,
    fingerprint::{Fingerprinted, Translated},
};
use crate::{
    model::{AccountKey, Email, Layout, Name, RoleName},
    resolve::{Access, AccountContent, Desired, GroupContent, MemberContent, RoleContent},
};

/// Mark of an entry in a store: says which Account it belongs to. Everything that Roster writes carries one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mark {
    /// Id of the cluster; [`FILES`] if it was applied from files.
    pub cluster: Name,
    /// The account to which the entry belongs.
    pub account: AccountKey,
    /// UID of the Account object; [`FILES`] if it was applied from files.
    pub uid: Name,
}

/// Cluster id in the mark of what was applied from files (docs/decisions/0016). No cluster can have this id.
pub const FILES: &str = "(files)";

impl Mark {
    /// Returns the mark of what is applied from files, where no object has a UID.
    #[must_use]
    pub fn of_files(account: AccountKey) -> Self {
        Self { cluster: Name::const_new(FILES), account, uid: Name::const_new(FILES) }
    }

    /// Returns whether a cluster's controller wrote the mark.
    #[must_use]
    pub fn is_clusters(&self) -> bool {
        self.cluster != FILES
    }
}

/// Entry of one object in a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Existing<C> {
    /// Stored content; `None` where only the mark is left because somebody removed the rest.
    pub content: Option<C>,
    /// Mark of the entry; `None` where it has none.
    pub mark: Option<Mark>,
    /// Fingerprint of the content that was last applied; `None` where the store keeps none.
    pub fingerprint: Option<Fingerprint>,
}

/// Content of a store for one account. The account is always included; roles and groups only if the scope is the whole
/// account; members within the scope.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// Id of the store; `None` where it has none.
    pub store: Option<Name>,
    /// Layout of the stored ranks: that of the stored account; empty if there is none.
    pub layout: Layout,
    /// The account; `None` if the store does not have it.
    pub account: Option<Existing<AccountContent>>,
    /// Roles by name; empty unless the scope is the whole account.
    pub roles: BTreeMap<RoleName, Existing<RoleContent>>,
    /// Groups by name; empty unless the scope is the whole account.
    pub groups: BTreeMap<Name, Existing<GroupContent>>,
    /// Members in the scope, by the address as it is stored.
    pub members: BTreeMap<Email, Existing<MemberContent>>,
    /// Number of members in the whole account, regardless of the scope.
    pub member_count: u64,
    /// Removals that the guard counts, not older than [`GUARD_WINDOW`](super::GUARD_WINDOW).
    pub recent_removals: Vec<RecentRemoval>,
    /// Number of approvals of removals that have been used for this account.
    pub approvals: u64,
}

impl Observed {
    /// Builds the `Observed` of a store that holds exactly `desired`, to compare two revisions of the objects without a
    /// store. Omits members whose content only a store knows.
    #[must_use]
    pub fn of(desired: &Desired, mark: &Mark) -> Self {
        let layout = &desired.layout;
        let Some(definitions) = &desired.definitions else { return Self::default() };
        let members: BTreeMap<_, _> = desired
            .members
            .iter()
            .filter_map(|(email, member)| match &member.access {
                Access::Exactly(content) | Access::AtMost(content) => {
                    Some((email.clone(), applied(content.as_ref(), layout, mark)))
                }
                Access::Kept | Access::KeptWithin(_) | Access::Revoked(_) => None,
            })
            .collect();
        Self {
            store: None,
            layout: layout.clone(),
            account: Some(applied(&definitions.account, layout, mark)),
            roles: definitions.roles.iter().map(|(name, (c, _))| (name.clone(), applied(c, layout, mark))).collect(),
            groups: definitions.groups.iter().map(|(name, (c, _))| (name.clone(), applied(c, layout, mark))).collect(),
            member_count: members.len() as u64,
            members,
            recent_removals: Vec::new(),
            approvals: 0,
        }
    }
}

impl Observed {
    /// Returns the content translated from the layout `from` to the layout `to`.
    pub(super) fn translated(&self, from: &Layout, to: &Layout) -> Cow<'_, Self> {
        if from == to {
            return Cow::Borrowed(self);
        }
        Cow::Owned(Self {
            store: self.store.clone(),
            layout: to.clone(),
            account: self.account.clone(),
            roles: rows(&self.roles, from, to),
            groups: rows(&self.groups, from, to),
            members: rows(&self.members, from, to),
            member_count: self.member_count,
            recent_removals: self.recent_removals.clone(),
            approvals: self.approvals,
        })
    }
}

fn rows<K: Clone + Ord, C: Translated>(
    rows: &BTreeMap<K, Existing<C>>,
    from: &Layout,
    to: &Layout,
) -> BTreeMap<K, Existing<C>> {
    let row = |existing: &Existing<C>| Existing {
        content: existing.content.as_ref().map(|content| content.translated(from, to).into_owned()),
        mark: existing.mark.clone(),
        fingerprint: existing.fingerprint.clone(),
    };
    rows.iter().map(|(key, existing)| (key.clone(), row(existing))).collect()
}

/// Returns the entry of content that was just applied.
fn applied<C: Fingerprinted + Clone>(content: &C, layout: &Layout, mark: &Mark) -> Existing<C> {
    Existing {
        content: Some(content.clone()),
        mark: Some(mark.clone()),
        fingerprint: Some(content.fingerprint(layout)),
    }
}

/// Member who was removed or left without access, not by an explicit revocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecentRemoval {
    /// Address of the member.
    pub email: Email,
    /// Time of the removal.
    pub at: Timestamp,
}
