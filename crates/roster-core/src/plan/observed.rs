//! What a store holds of one account, within a scope.

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

/// Whose something in a store is: everything Roster writes carries one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mark {
    /// Id of the cluster.
    pub cluster: Name,
    /// The account.
    pub account: AccountKey,
    /// UID of the Account object.
    pub uid: Name,
}

/// Stands for the cluster in the mark of what was applied from files (docs/decisions/0016): no cluster can have this id.
pub const FILES: &str = "(files)";

impl Mark {
    /// The mark of what is applied from files, where no object has a UID.
    #[must_use]
    pub fn of_files(account: AccountKey) -> Self {
        Self { cluster: Name::const_new(FILES), account, uid: Name::const_new(FILES) }
    }

    /// Whether a cluster's controller wrote it.
    #[must_use]
    pub fn is_clusters(&self) -> bool {
        self.cluster != FILES
    }
}

/// One thing in a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen<C> {
    /// What is there; absent where only the mark is left, since somebody removed the rest.
    pub content: Option<C>,
    /// Whose it is; absent where nobody marked it.
    pub mark: Option<Mark>,
    /// Of what was last applied.
    pub fingerprint: Option<Fingerprint>,
}

/// What a store holds of one account. The account itself is always there; roles and groups only where the scope is the
/// whole account, and members as far as the scope goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// Id of the store; absent where it has none.
    pub store: Option<Name>,
    /// What ranks mean in the store: the layout of the account as it is there, empty where it is not.
    pub layout: Layout,
    /// The account.
    pub account: Option<Seen<AccountContent>>,
    /// Roles.
    pub roles: BTreeMap<RoleName, Seen<RoleContent>>,
    /// Groups.
    pub groups: BTreeMap<Name, Seen<GroupContent>>,
    /// Members by address, as it stands in the store.
    pub members: BTreeMap<Email, Seen<MemberContent>>,
    /// Members of the whole account, whatever the scope.
    pub member_count: u64,
    /// Removals counted by the guard, not older than its window.
    pub recent_removals: Vec<RecentRemoval>,
    /// How many approvals of removals the store has used up for this account.
    pub approvals: u64,
}

impl Observed {
    /// What a store would show had it just been made to hold what is desired: to compare two states of the objects
    /// without any store. Members of whom only a store would know what they hold are not there.
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
                Access::Kept | Access::KeptWithin(_) | Access::Ended(_) => None,
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
    /// Returns the same in the layout `to`, where its ranks are of `from`.
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
    rows: &BTreeMap<K, Seen<C>>,
    from: &Layout,
    to: &Layout,
) -> BTreeMap<K, Seen<C>> {
    let row = |seen: &Seen<C>| Seen {
        content: seen.content.as_ref().map(|content| content.translated(from, to).into_owned()),
        mark: seen.mark.clone(),
        fingerprint: seen.fingerprint,
    };
    rows.iter().map(|(key, seen)| (key.clone(), row(seen))).collect()
}

/// What was just applied.
fn applied<C: Fingerprinted + Clone>(content: &C, layout: &Layout, mark: &Mark) -> Seen<C> {
    Seen { content: Some(content.clone()), mark: Some(mark.clone()), fingerprint: Some(content.fingerprint(layout)) }
}

/// A member who was removed or left without access, not by somebody's explicit word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecentRemoval {
    /// The member.
    pub email: Email,
    /// When.
    pub at: Timestamp,
}
