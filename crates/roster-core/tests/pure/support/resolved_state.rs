//! Result of resolving an account in full, and comparisons of two of them. The property tests of the resolver use it.

use std::collections::BTreeMap;

use roster_core::{
    api::{RoleRef, RoleRefKind},
    model::{Catalog, Email, Name, Ranks, RoleName},
    resolve::{Access, MemberContent},
};

use super::World;

/// Result of resolving an account.
pub struct State {
    pub members: BTreeMap<Email, Access>,
    /// Absent where the account does not resolve as a whole.
    pub definitions: Option<(BTreeMap<RoleName, Ranks>, BTreeMap<Name, Ranks>)>,
}

pub fn state(world: &World) -> State {
    let desired = world.resolve("acme").desired;
    let definitions = desired.definitions.map(|definitions| {
        let roles = definitions.roles.iter().map(|(name, (role, _))| (name.clone(), role.ranks.clone()));
        let groups = definitions.groups.iter().map(|(name, (group, _))| (name.clone(), group.ranks.clone()));
        (roles.collect(), groups.collect())
    });
    let members = desired.members.into_iter().map(|(email, member)| (email, member.access)).collect();
    State { members, definitions }
}

pub fn catalog(world: &World) -> &Catalog {
    world.catalogs["catalog"].compiled.as_ref().unwrap()
}

/// Exact access or an upper limit: a resolved account has nothing else.
#[track_caller]
pub fn content(access: &Access) -> (&MemberContent, bool) {
    match access {
        Access::Exactly(content) => (content, false),
        Access::AtMost(content) => (content, true),
        other => panic!("{other:?}"),
    }
}

fn grants_within(content: &MemberContent, limit: &MemberContent) -> bool {
    content.ranks.is_none()
        || content.window.is_empty()
        || (content.ranks.is_at_most(&limit.ranks) && content.window.is_within(&limit.window))
}

/// Returns whether nobody can hold more after a pass with `after` than after one with `before`. If the role is `gone`
/// that limited a person's access, the rest of the granted levels counts unchanged.
pub fn is_no_more(after: &Access, before: Option<&Access>, gone: bool) -> bool {
    let stays_ended = |before: &Access| before.ended().is_none() || after.ended().is_some();
    match (after, before) {
        // These three leave at most the stored access, which comes from `before`.
        (Access::AtMost(_) | Access::Kept | Access::KeptWithin(_) | Access::Revoked(_), before) => {
            before.is_none_or(stays_ended)
        }
        (Access::Exactly(after), None) => after.ranks.is_none(),
        (Access::Exactly(now), Some(before)) => {
            let (was, at_most) = content(before);
            // The access of a member with an upper limit is unknown.
            stays_ended(before) && grants_within(now, was) && (!at_most || gone || now.ranks.is_none())
        }
    }
}

pub fn are_no_more<K: Ord>(after: &BTreeMap<K, Ranks>, before: &BTreeMap<K, Ranks>) -> bool {
    after.iter().all(|(name, ranks)| before.get(name).is_some_and(|before| ranks.is_at_most(before)))
}

/// Adds a name to a list.
pub fn longer(names: &[Name], one: &str) -> Box<[Name]> {
    names.iter().cloned().chain([Name::new(one)]).collect()
}

/// Returns a reference to a role.
pub fn reference(kind: RoleRefKind, name: &str) -> RoleRef {
    RoleRef { kind, name: name.to_owned() }
}
