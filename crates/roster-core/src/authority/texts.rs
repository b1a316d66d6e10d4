//! Writes the objects behind an entry of a store as text, and reads them. A store keeps the text of the objects as they were
//! authorised. Called by `authority::settle`.
//!
//! Only what decides about access is in the text: a Membership's display name is not.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    api::{AccountSpec, RoleRef, RoleSpec, UserGroupSpec},
    model::{Email, Name},
    state::{AccountFacts, GroupFacts, MemberFacts, RoleFacts},
};

/// Membership in a text; whose it is stands in the entry.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Membership {
    name: Name,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    role: Option<RoleRef>,
    #[serde(default, skip_serializing_if = "<[Name]>::is_empty")]
    groups: Box<[Name]>,
    #[serde(default, skip_serializing_if = "<[Name]>::is_empty")]
    apply: Box<[Name]>,
    #[serde(default, skip_serializing_if = "<[Name]>::is_empty")]
    lift: Box<[Name]>,
    #[serde(default, skip_serializing_if = "<[Name]>::is_empty")]
    acknowledge: Box<[Name]>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    suspended: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    starts_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    external_id: Option<Box<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    invitation: Option<Name>,
}

/// Role or group in a text.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Named<S> {
    name: Name,
    spec: S,
}

fn text<T: Serialize>(value: &T) -> Arc<str> {
    // These types have string keys only, so that nothing can fail. An empty text counts as not authorised.
    serde_json::to_string(value).unwrap_or_default().into()
}

fn read<T: DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_str(text).ok()
}

/// Returns the text of one person's Memberships.
pub(super) fn of_memberships<'a>(facts: impl IntoIterator<Item = &'a MemberFacts>) -> Arc<str> {
    let one = |facts: &MemberFacts| Membership {
        name: facts.name.clone(),
        role: facts.role.as_deref().cloned(),
        groups: facts.groups.clone(),
        apply: facts.apply.clone(),
        lift: facts.lift.clone(),
        acknowledge: facts.acknowledge.clone(),
        suspended: facts.suspended,
        starts_at: facts.starts_at,
        expires_at: facts.expires_at,
        external_id: facts.external_id.clone(),
        invitation: facts.invitation.clone(),
    };
    text(&facts.into_iter().map(one).collect::<Vec<_>>())
}

/// Reads the text of one person's Memberships; `None` if it is another text.
pub(super) fn memberships(email: &Email, text: &str) -> Option<Vec<MemberFacts>> {
    let one = |one: Membership| MemberFacts {
        name: one.name,
        generation: 0,
        email: Ok(email.clone()),
        display_name: None,
        external_id: one.external_id,
        role: one.role.map(Box::new),
        groups: one.groups,
        apply: one.apply,
        lift: one.lift,
        acknowledge: one.acknowledge,
        suspended: one.suspended,
        starts_at: one.starts_at,
        expires_at: one.expires_at,
        invitation: one.invitation,
    };
    Some(read::<Vec<Membership>>(text)?.into_iter().map(one).collect())
}

/// Returns the text of the Roles behind one role: its own, or all that override it.
pub(super) fn of_roles<'a>(facts: impl IntoIterator<Item = &'a RoleFacts>) -> Arc<str> {
    let named = |facts: &'a RoleFacts| Named { name: facts.name.clone(), spec: facts.spec.clone() };
    text(&facts.into_iter().map(named).collect::<Vec<_>>())
}

/// Reads the text of Roles; `None` if it is another text.
pub(super) fn roles(text: &str) -> Option<Vec<RoleFacts>> {
    let facts = |one: Named<RoleSpec>| RoleFacts { name: one.name, generation: 0, spec: one.spec };
    Some(read::<Vec<Named<RoleSpec>>>(text)?.into_iter().map(facts).collect())
}

/// Returns the text of a group.
pub(super) fn of_group(facts: &GroupFacts) -> Arc<str> {
    text(&Named { name: facts.name.clone(), spec: facts.spec.clone() })
}

/// Reads the text of a group; `None` if it is another text.
pub(super) fn group(text: &str) -> Option<GroupFacts> {
    let one: Named<UserGroupSpec> = read(text)?;
    Some(GroupFacts { name: one.name, generation: 0, spec: one.spec })
}

/// Account in a text.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Account {
    spec: AccountSpec,
    /// Hash of the changes that were let pass last. It counts once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    approved: Option<String>,
}

/// Returns the text of an Account, with the hash of the changes that were let pass last.
pub(super) fn of_account(facts: &AccountFacts, approved: Option<&str>) -> Arc<str> {
    text(&Account { spec: facts.spec.clone(), approved: approved.map(ToOwned::to_owned) })
}

/// Reads the text of an Account, with the hash of the changes that were let pass last; `now` says which Account. `None` if
/// it is another text.
pub(super) fn account(now: &AccountFacts, text: &str) -> Option<(AccountFacts, Option<String>)> {
    let Account { spec, approved } = read(text)?;
    Some((AccountFacts { spec, generation: 0, ..now.clone() }, approved))
}
