//! What a store should hold, in terms that every backend shares.

use std::{collections::BTreeMap, fmt, sync::Arc};

use jiff::Timestamp;
use serde::Serialize;

use crate::{
    model::{AccountKey, Email, Layout, Name, Ranks, RoleName, Scope},
    state::StoreFacts,
};

/// The object whose spec, at a generation, caused a change; for the audit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Kind.
    pub kind: &'static str,
    /// Name.
    pub name: Name,
    /// Generation.
    pub generation: i64,
    /// What of it, or the words of whoever wrote it, where that says more: why somebody is blocked, say.
    pub why: Option<Name>,
}

impl Origin {
    /// Returns an object at a generation, without further words.
    #[must_use]
    pub const fn new(kind: &'static str, name: Name, generation: i64) -> Self {
        Self { kind, name, generation, why: None }
    }

    /// Returns the store that blocks somebody, with the reason that it gives.
    #[must_use]
    pub fn of_block(store: &StoreFacts, email: &Email) -> Self {
        let why = store.blocked.get(email).and_then(|reason| reason.as_deref().map(Name::new));
        Self { why, ..Self::new("IdentityStore", store.name.clone(), store.generation) }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}@{}", self.kind, self.name, self.generation)?;
        self.why.as_ref().map_or(Ok(()), |why| write!(f, ": {why}"))
    }
}

/// Desired content of the store for one account, within a scope.
#[derive(Clone, Debug)]
pub struct Desired {
    /// The account.
    pub account: AccountKey,
    /// Scope; `members` is complete within it.
    pub scope: Scope,
    /// Layout of the ranks in `members`.
    pub layout: Layout,
    /// The account itself, its roles and groups. Absent where the account cannot be resolved as a whole: then what is
    /// there is kept.
    pub definitions: Option<Arc<DesiredDefinitions>>,
    /// Members by address.
    pub members: BTreeMap<Email, DesiredMember>,
    /// Ends that hold for anybody, also for whom no object names: an owner who stays.
    pub ends: Ends,
}

/// Explicit ends that hold whatever the objects of an account say.
#[derive(Clone, Debug, Default)]
pub struct Ends {
    /// The end of everybody's access.
    pub account: Option<End>,
    /// Generation of the Account that says so.
    pub generation: i64,
    /// The Account that manages this one, where its approval is missing.
    pub approver: Option<Origin>,
    /// The store, which knows whom it blocks.
    pub store: Option<Arc<StoreFacts>>,
}

impl Ends {
    /// The end of this address's access, if there is one.
    #[must_use]
    pub fn of(&self, email: &Email) -> Option<End> {
        End::of(email, self.account, self.store.as_deref())
    }

    /// Returns the object that says so: of a block the store, with the reason that it gives; of an approval that is missing
    /// the Account that does not give it; otherwise the Account.
    #[must_use]
    pub fn origin(&self, account: &AccountKey, email: &Email, end: Option<End>) -> Origin {
        match (end, &self.store, &self.approver) {
            (Some(End::Blocked), Some(store), _) => Origin::of_block(store, email),
            (Some(End::NotApproved), _, Some(approver)) => approver.clone(),
            _ => Origin::new("Account", account.name.clone(), self.generation),
        }
    }
}

/// The account itself, its roles and groups.
#[derive(Clone, Debug)]
pub struct DesiredDefinitions {
    /// The account.
    pub account: AccountContent,
    /// Whether the owner's address may change: the catalog has no owner role, or says so and the account names another.
    pub owner_may_change: bool,
    /// Roles: the predefined ones as they are in force here, and the account's own.
    pub roles: BTreeMap<RoleName, (RoleContent, Origin)>,
    /// Groups.
    pub groups: BTreeMap<Name, (GroupContent, Origin)>,
    /// The account's own generation.
    pub origin: Origin,
}

/// The account as a store holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountContent {
    /// Name for people.
    pub display_name: Name,
    /// Name of the catalog.
    pub catalog: Name,
    /// Sections and ladders.
    pub layout: Layout,
    /// The owner's address.
    pub owner: Option<Email>,
    /// The parent account.
    pub parent: Option<AccountKey>,
    /// See [`MemberContent::anomalies`].
    pub anomalies: Box<[Name]>,
}

/// A role as a store holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleContent {
    /// Title.
    pub title: Name,
    /// Permissions that it grants.
    pub ranks: Ranks,
}

/// A group as a store holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupContent {
    /// Title.
    pub title: Name,
    /// Permissions that it grants, its roles included.
    pub ranks: Ranks,
}

/// A member as a store holds it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemberContent {
    /// Name for people.
    pub display_name: Option<Box<str>>,
    /// Id in the store.
    pub external_id: Option<Box<str>>,
    /// The role, for display; absent where there is none or several memberships disagree.
    pub role: Option<RoleName>,
    /// The groups, for display, sorted.
    pub groups: Box<[Name]>,
    /// Effective permissions within the window; none where access has ended.
    pub ranks: Ranks,
    /// When they hold.
    pub window: Window,
    /// Why there is no access, where it has ended by somebody's word.
    pub ended: Option<End>,
    /// What somebody else has added or broken, in words: a permission inherited from elsewhere, say. Only a store whose
    /// form has room for such things shows any, and nothing that is desired has them.
    pub anomalies: Box<[Name]>,
}

impl MemberContent {
    /// Whether the permissions hold at `now`: nobody's word has ended them, and it is their time.
    #[must_use]
    pub fn is_in_force(&self, now: Timestamp) -> bool {
        self.ended.is_none() && self.window.contains(now)
    }

    /// The permissions that hold at `now`.
    #[must_use]
    pub fn ranks_at(&self, now: Timestamp) -> Ranks {
        if self.is_in_force(now) { self.ranks.clone() } else { Ranks::none(self.ranks.as_slice().len()) }
    }

    /// Returns the same with a rank for each of so many sections: whoever wrote it into a store may have written any number.
    #[must_use]
    pub(crate) fn fitted(&self, sections: usize) -> Self {
        Self { ranks: self.ranks.clone().fitted(sections), ..self.clone() }
    }
}

/// The time in which a member's permissions hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// No access before.
    pub starts_at: Option<Timestamp>,
    /// No access from then on.
    pub expires_at: Option<Timestamp>,
}

impl Window {
    /// Whether no instant lies in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        matches!((self.starts_at, self.expires_at), (Some(start), Some(end)) if start >= end)
    }

    /// Whether it is over by `now`.
    #[must_use]
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }

    /// Whether `now` lies in it.
    #[must_use]
    pub fn contains(&self, now: Timestamp) -> bool {
        self.starts_at.is_none_or(|start| now >= start) && self.expires_at.is_none_or(|end| now < end)
    }

    /// The next instant after `now` at which the answer of [`Self::contains`] changes.
    #[must_use]
    pub fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        [self.starts_at, self.expires_at].into_iter().flatten().filter(|at| *at > now).min()
    }

    /// The time that lies in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let later = self.starts_at.into_iter().chain(other.starts_at).max();
        let earlier = self.expires_at.into_iter().chain(other.expires_at).min();
        Self { starts_at: later, expires_at: earlier }
    }

    /// Whether no instant lies in this one and not in `other`.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        self.intersection(other) == *self
    }
}

/// An explicit end of access: somebody said so. Never held back by the removal guard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum End {
    /// The person is blocked in the store.
    Blocked,
    /// The account is suspended.
    AccountSuspended,
    /// The managed account is not approved, or no longer.
    NotApproved,
    /// The membership is suspended.
    Suspended,
}

impl End {
    /// The end of this address's access, where everybody's in the account has ended so, and the store blocks some.
    pub(super) fn of(email: &Email, account: Option<Self>, store: Option<&StoreFacts>) -> Option<Self> {
        if store.is_some_and(|store| store.blocked.contains_key(email)) { Some(Self::Blocked) } else { account }
    }

    /// The word stores and people see.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Blocked => "Blocked",
            Self::AccountSuspended => "AccountSuspended",
            Self::NotApproved => "NotApproved",
            Self::Suspended => "Suspended",
        }
    }

    /// The same for people to read.
    #[must_use]
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Blocked => "blocked in the store",
            Self::AccountSuspended => "the account is suspended",
            Self::NotApproved => "the account is not approved",
            Self::Suspended => "suspended",
        }
    }

    /// The end of that word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Blocked, Self::AccountSuspended, Self::NotApproved, Self::Suspended]
            .into_iter()
            .find(|end| end.as_str() == text)
    }
}

/// Desired state of one member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DesiredMember {
    /// Access that they should have.
    pub access: Access,
    /// The Membership (or, for the owner, the Account) it comes from.
    pub origin: Origin,
    /// Whether they count as holder of their role while their access has not ended: not the owner, nor who has several
    /// Memberships, nor whose Invitation is missing.
    pub counts_as_holder: bool,
}

/// Access of one member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// Just this.
    Exactly(Arc<MemberContent>),
    /// This, but no more than the store holds now, and nobody new: something that could only take away is unknown.
    AtMost(Arc<MemberContent>),
    /// What the store holds now: the account cannot be resolved as a whole.
    Kept,
    /// The same, but not outside this time: an expiry takes effect in any case.
    KeptWithin(Window),
    /// What the store holds now, without any access.
    Ended(End),
}

impl Access {
    /// Returns whether somebody's word, or the time that it sets, has ended it by now.
    #[must_use]
    pub fn is_over(&self, now: Timestamp) -> bool {
        let is_late = match self {
            Self::Exactly(content) | Self::AtMost(content) => content.window.is_over(now),
            Self::KeptWithin(window) => window.is_over(now),
            Self::Kept | Self::Ended(_) => false,
        };
        is_late || self.ended().is_some()
    }

    /// Whose word has ended it, if somebody's has.
    #[must_use]
    pub fn ended(&self) -> Option<End> {
        match self {
            Self::Exactly(content) | Self::AtMost(content) => content.ended,
            Self::Kept | Self::KeptWithin(_) => None,
            Self::Ended(end) => Some(*end),
        }
    }
}
