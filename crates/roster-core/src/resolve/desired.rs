//! Holds the desired content of a store, in terms that all backends share. Built by the resolve module; read by the
//! plan module, stores and reports.

use std::{collections::BTreeMap, fmt, sync::Arc};

use jiff::Timestamp;
use serde::Serialize;

use crate::{
    model::{AccountKey, Email, Layout, Name, Ranks, RoleName, Scope},
    state::StoreFacts,
};

/// Object whose spec, at a generation, caused a change; for the audit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Kind of the object, as Kubernetes writes it.
    pub kind: &'static str,
    /// Name of the object; `namespace/name` if it is in another namespace than the account.
    pub name: Name,
    /// Generation of the object.
    pub generation: i64,
    /// Extra detail, such as the reason given for a block, or the time at which a membership expired.
    pub why: Option<Name>,
}

impl Origin {
    /// Returns the origin of a change, without extra detail.
    #[must_use]
    pub const fn new(kind: &'static str, name: Name, generation: i64) -> Self {
        Self { kind, name, generation, why: None }
    }

    /// Returns the store as the origin of a block, with the reason given for it.
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

/// Desired content of a store for one account, within a scope.
#[derive(Clone, Debug)]
pub struct Desired {
    /// The account.
    pub account: AccountKey,
    /// Scope within which `members` is complete.
    pub scope: Scope,
    /// Layout of the ranks in `members`.
    pub layout: Layout,
    /// The account itself, its roles and groups. `None` if the account cannot be resolved as a whole; then the stored
    /// content is kept.
    pub definitions: Option<Arc<DesiredDefinitions>>,
    /// Desired members by address.
    pub members: BTreeMap<Email, DesiredMember>,
    /// Revocations that also apply to members whom no object declares, such as an owner who stays.
    pub ends: AccountRevocations,
}

/// Explicit revocations that apply regardless of the account's Memberships.
#[derive(Clone, Debug, Default)]
pub struct AccountRevocations {
    /// Revocation that applies to all members; `None` if there is none.
    pub account: Option<RevocationReason>,
    /// Generation of the Account from which `account` comes.
    pub generation: i64,
    /// Account that manages this one; `Some` only while its approval is missing.
    pub approver: Option<Origin>,
    /// The store, which has the list of blocked addresses.
    pub store: Option<Arc<StoreFacts>>,
}

impl AccountRevocations {
    /// Returns the revocation that applies to this address, if any; a block comes before one of the whole account.
    #[must_use]
    pub fn of(&self, email: &Email) -> Option<RevocationReason> {
        RevocationReason::of(email, self.account, self.store.as_deref())
    }

    /// Returns the object that causes a revocation: the store for a block, with the reason given for it; the managing
    /// Account for a missing approval; otherwise the Account.
    #[must_use]
    pub fn origin(&self, account: &AccountKey, email: &Email, end: Option<RevocationReason>) -> Origin {
        match (end, &self.store, &self.approver) {
            (Some(RevocationReason::Blocked), Some(store), _) => Origin::of_block(store, email),
            (Some(RevocationReason::NotApproved), _, Some(approver)) => approver.clone(),
            _ => Origin::new("Account", account.name.clone(), self.generation),
        }
    }
}

/// The account itself, its roles and groups, as desired.
#[derive(Clone, Debug)]
pub struct DesiredDefinitions {
    /// Desired content of the account itself.
    pub account: AccountContent,
    /// Whether the owner's address may change: the catalog has no owner role, or it allows the change and the account
    /// names a valid owner.
    pub owner_may_change: bool,
    /// Effective predefined roles and the account's custom roles, by name.
    pub roles: BTreeMap<RoleName, (RoleContent, Origin)>,
    /// Groups by name.
    pub groups: BTreeMap<Name, (GroupContent, Origin)>,
    /// The Account, with its generation, as the origin of changes.
    pub origin: Origin,
}

/// Content of an account in a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountContent {
    /// Display name.
    pub display_name: Name,
    /// Name of the catalog.
    pub catalog: Name,
    /// Sections and their ladders.
    pub layout: Layout,
    /// Address of the owner; `None` if the account names none or the catalog has no owner role.
    pub owner: Option<Email>,
    /// Account that manages this one.
    pub parent: Option<AccountKey>,
    /// Anomalies of the entry; see [`MemberContent::anomalies`].
    pub anomalies: Box<[Name]>,
}

/// Content of a role in a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleContent {
    /// Title, for display.
    pub title: Name,
    /// Permissions that it grants.
    pub ranks: Ranks,
}

/// Content of a group in a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupContent {
    /// Title, for display.
    pub title: Name,
    /// Permissions that it grants, those of its roles included.
    pub ranks: Ranks,
}

/// Content of a member in a store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemberContent {
    /// Display name.
    pub display_name: Option<Box<str>>,
    /// Id of the user in the store.
    pub external_id: Option<Box<str>>,
    /// Role, for display only; `None` if there is none or several Memberships disagree.
    pub role: Option<RoleName>,
    /// Groups, sorted, for display only.
    pub groups: Box<[Name]>,
    /// Effective permissions within `window`; none if access is revoked.
    pub ranks: Ranks,
    /// Time in which the permissions hold.
    pub window: Window,
    /// Reason for which access is revoked; `None` if it is not.
    pub ended: Option<RevocationReason>,
    /// Anomalies that somebody else has caused in the entry, in words: for example a permission inherited from
    /// elsewhere. Only stores with a free form of entries report any; desired content has none.
    pub anomalies: Box<[Name]>,
}

impl MemberContent {
    /// Returns whether the permissions hold at `now`: they are not revoked, and `now` is in the window.
    #[must_use]
    pub fn is_in_force(&self, now: Timestamp) -> bool {
        self.ended.is_none() && self.window.contains(now)
    }

    /// Returns whether it allows nothing at any time.
    #[must_use]
    pub(crate) fn allows_nothing(&self) -> bool {
        self.ranks.is_none() || self.window.is_empty()
    }

    /// Returns whether it allows nothing that `limit` does not; both must be in one layout. Revoked content allows
    /// nothing, whatever ranks are stored with it.
    #[must_use]
    pub(crate) fn is_within(&self, limit: &Self) -> bool {
        let is_inside = self.ranks.is_at_most(&limit.ranks) && self.window.is_within(&limit.window);
        self.allows_nothing() || (limit.ended.is_none() && is_inside)
    }

    /// Returns the permissions that hold at `now`.
    #[must_use]
    pub fn ranks_at(&self, now: Timestamp) -> Ranks {
        if self.is_in_force(now) { self.ranks.clone() } else { Ranks::none(self.ranks.as_slice().len()) }
    }

    /// Returns the content with exactly `sections` ranks; the entry in a store may have any number.
    #[must_use]
    pub(crate) fn fitted(&self, sections: usize) -> Self {
        Self { ranks: self.ranks.clone().fitted(sections), ..self.clone() }
    }
}

/// Time in which a member's permissions hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// First instant with access; `None` for no lower bound.
    pub starts_at: Option<Timestamp>,
    /// First instant without access; `None` for no upper bound.
    pub expires_at: Option<Timestamp>,
}

impl Window {
    /// Returns whether the window contains no instant.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        matches!((self.starts_at, self.expires_at), (Some(start), Some(end)) if start >= end)
    }

    /// Returns whether the window has ended by `now`.
    #[must_use]
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }

    /// Returns whether `now` is in the window.
    #[must_use]
    pub fn contains(&self, now: Timestamp) -> bool {
        self.starts_at.is_none_or(|start| now >= start) && self.expires_at.is_none_or(|end| now < end)
    }

    /// Returns the next instant after `now` at which the answer of [`Self::contains`] changes.
    #[must_use]
    pub fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        [self.starts_at, self.expires_at].into_iter().flatten().filter(|at| *at > now).min()
    }

    /// Returns the window common to both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let later = self.starts_at.into_iter().chain(other.starts_at).max();
        let earlier = self.expires_at.into_iter().chain(other.expires_at).min();
        Self { starts_at: later, expires_at: earlier }
    }

    /// Returns whether every instant of this window is also in `other`.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        self.intersection(other) == *self
    }
}

/// Reason for an explicit revocation of access. The removal guard never holds a revocation back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum RevocationReason {
    /// The address is blocked in the store.
    Blocked,
    /// The account is suspended.
    AccountSuspended,
    /// The managed account is not approved, or not any more.
    NotApproved,
    /// The Membership is suspended.
    Suspended,
}

impl RevocationReason {
    /// Returns the revocation that applies to this address: a block by the store, otherwise that of the whole account.
    pub(super) fn of(email: &Email, account: Option<Self>, store: Option<&StoreFacts>) -> Option<Self> {
        if store.is_some_and(|store| store.blocked.contains_key(email)) { Some(Self::Blocked) } else { account }
    }

    /// Returns the word for the reason, as stores and status write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Blocked => "Blocked",
            Self::AccountSuspended => "AccountSuspended",
            Self::NotApproved => "NotApproved",
            Self::Suspended => "Suspended",
        }
    }

    /// Returns the reason as a phrase for messages.
    #[must_use]
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Blocked => "blocked in the store",
            Self::AccountSuspended => "the account is suspended",
            Self::NotApproved => "the account is not approved",
            Self::Suspended => "suspended",
        }
    }

    /// Parses the word that [`Self::as_str`] returns; `None` for any other text.
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
    /// Access that the member should have.
    pub access: Access,
    /// Membership from which the access comes; for the owner, the Account.
    pub origin: Origin,
    /// Whether the member counts as a holder of their role while their access is not revoked. `false` for the owner,
    /// for members with several Memberships, and for members whose Invitation is missing.
    pub counts_as_holder: bool,
}

/// Desired access of one member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// Exactly this content.
    Exactly(Arc<MemberContent>),
    /// At most this content, reduced to what the store holds; a new member is not created. Used if something that would
    /// lower the access is invalid.
    AtMost(Arc<MemberContent>),
    /// The stored content, because the account cannot be resolved as a whole.
    Kept,
    /// The stored content, limited to this time window: an expiry takes effect in any case.
    KeptWithin(Window),
    /// The stored content without any permissions, revoked for this reason.
    Revoked(RevocationReason),
}

impl Access {
    /// Returns whether the access has been revoked, or has expired by `now`.
    #[must_use]
    pub fn is_over(&self, now: Timestamp) -> bool {
        let is_late = match self {
            Self::Exactly(content) | Self::AtMost(content) => content.window.is_over(now),
            Self::KeptWithin(window) => window.is_over(now),
            Self::Kept | Self::Revoked(_) => false,
        };
        is_late || self.ended().is_some()
    }

    /// Returns the reason for which the access is revoked; `None` if it is not.
    #[must_use]
    pub fn ended(&self) -> Option<RevocationReason> {
        match self {
            Self::Exactly(content) | Self::AtMost(content) => content.ended,
            Self::Kept | Self::KeptWithin(_) => None,
            Self::Revoked(end) => Some(*end),
        }
    }
}
