//! Defines who makes a change, and what an actor holds at the moment. Called by `authority::judge`.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::view::View;
use crate::{
    api::RoleRefKind,
    model::{Email, Layout, Name, Ranks},
    resolve::{Access, MemberContent},
    state::SnapshotSource,
};

/// Who makes a change. The caller has authenticated the actor: the API server, or whoever runs the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// Somebody who may `administer` access in every namespace that the change touches.
    Administrator,
    /// A person who is known by their address. They count with what they hold at the moment.
    Member(Email),
    /// A pipeline, which may grant what these predefined roles of the catalog grant by default.
    Pipeline(BTreeSet<Name>),
}

/// The most that an actor may grant, in the layout of the account that changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ceiling {
    /// Everything.
    Unlimited,
    /// At most these ranks.
    Ranks(Ranks),
}

impl Ceiling {
    /// Returns whether it includes these ranks.
    #[must_use]
    pub fn includes(&self, ranks: &Ranks) -> bool {
        match self {
            Self::Unlimited => true,
            Self::Ranks(most) => ranks.is_at_most(most),
        }
    }

    /// Returns the highest rank that it includes in a section; `None` for no limit.
    pub(super) fn rank(&self, section: usize) -> Option<u8> {
        match self {
            Self::Unlimited => None,
            Self::Ranks(most) => Some(most.as_slice().get(section).copied().unwrap_or(0)),
        }
    }
}

/// What a person holds in one account at the moment: nothing while they are suspended, blocked, expired or not started.
#[derive(Clone, Debug, Default)]
pub(super) struct Holdings {
    pub(super) layout: Layout,
    pub(super) ranks: Ranks,
    /// Predefined roles in effect, own and by groups.
    pub(super) roles: BTreeSet<Name>,
}

impl Holdings {
    /// Returns what a person holds in an account.
    pub(super) fn of<S: SnapshotSource>(view: &View<'_, S>, email: &Email, now: Timestamp) -> Self {
        let Some(whole) = view.whole() else { return Self::default() };
        let layout = whole.catalog.layout.clone();
        let nothing = Self { ranks: Ranks::none(layout.len()), layout: layout.clone(), ..Self::default() };
        let is_owner = view.owner().is_some_and(|owner| owner == email);
        let desired = if is_owner {
            view.prepared().definitions.owner_member().map(|(_, member)| member)
        } else {
            view.member(email).and_then(|member| member.desired)
        };
        // Of somebody who keeps at most what the store holds, nobody knows here what that is.
        let Some(Access::Exactly(content)) = desired.map(|member| member.access) else { return nothing };
        if !content.is_in_force(now) {
            return nothing;
        }
        let roles = if is_owner { view.owner_role().into_iter().collect() } else { view.roles_in_effect(&content) };
        Self { layout, ranks: content.ranks.clone().fitted(whole.catalog.layout.len()), roles }
    }

    /// Returns the rank in a section.
    pub(super) fn rank(&self, section: usize) -> u8 {
        self.ranks.as_slice().get(section).copied().unwrap_or(0)
    }
}

impl<S: SnapshotSource> View<'_, S> {
    /// Returns the predefined roles of a member whose access is in effect: of several Memberships, those that all give.
    fn roles_in_effect(&self, content: &MemberContent) -> BTreeSet<Name> {
        let groups = &self.prepared().definitions.groups;
        let own = content.role.iter().filter(|role| role.kind == RoleRefKind::PredefinedRole);
        let own = own.map(|role| role.name.clone());
        let of_groups = content.groups.iter().filter_map(|name| groups.get(name));
        own.chain(of_groups.flat_map(|group| group.predefined.iter().cloned())).collect()
    }
}
