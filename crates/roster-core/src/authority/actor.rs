//! Defines who makes a change, and what an actor holds at the moment. Called by `authority::judge`.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::view::View;
use crate::{
    api::RoleRefKind,
    model::{Email, Layout, Name, Ranks},
    resolve::Access,
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
    /// A user of this name who is neither: they hold nothing, and may change nothing.
    Unknown(String),
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
        let own = content.role.as_ref().filter(|role| role.kind == RoleRefKind::PredefinedRole);
        // Of several Memberships, the content has what all of them give.
        let roles = view.prepared().definitions.with_groups(own.map(|role| role.name.clone()), &content.groups);
        Self { layout, ranks: content.ranks.clone().fitted(whole.catalog.layout.len()), roles }
    }

    /// Returns the rank in a section.
    pub(super) fn rank(&self, section: usize) -> u8 {
        self.ranks.as_slice().get(section).copied().unwrap_or(0)
    }
}
