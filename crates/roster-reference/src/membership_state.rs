//! Memberships of one person, and the revocations in them or in the account. Called by `account`.

use std::collections::BTreeSet;

use jiff::Timestamp;
use roster_core::api::{InvitationSpec, Membership, MembershipSpec};

use crate::{End, address::canonical, scope::Scope};

/// Membership in step 5.
pub(crate) struct MembershipState<'a> {
    pub(crate) name: &'a str,
    pub(crate) spec: &'a MembershipSpec,
    pub(crate) invitation: Option<&'a InvitationSpec>,
    pub(crate) being_deleted: bool,
    pub(crate) end: Option<End>,
}

impl<'a> Scope<'a> {
    pub(crate) fn state(&self, name: &'a str, membership: &'a Membership, address: &str) -> MembershipState<'a> {
        let spec = &membership.spec;
        let invitation =
            spec.invitation_ref.as_ref().and_then(|reference| self.accepted_invitation(&reference.name, address));
        let end = if spec.suspended {
            Some(End::Suspended)
        } else if spec.expires_at.as_ref().is_some_and(|end| end.0 <= self.now) {
            Some(End::Expired)
        } else if spec.starts_at.as_ref().is_some_and(|start| start.0 > self.now) {
            Some(End::NotStarted)
        } else if spec.invitation_ref.is_some() && invitation.is_none() {
            Some(End::InvitationGone)
        } else {
            None
        };
        MembershipState { name, spec, invitation, being_deleted: membership.metadata.deletion_timestamp.is_some(), end }
    }

    /// Returns the Invitation with this name if it is for this account and address, accepted, and not being deleted.
    pub(crate) fn accepted_invitation(&self, name: &str, address: &str) -> Option<&'a InvitationSpec> {
        let key = (self.namespace.to_owned(), name.to_owned());
        let invitation = self.world.invitations.get(&key)?;
        let same = invitation.spec.account_ref.name == self.name
            && canonical(&invitation.spec.email).as_deref() == Some(address)
            && invitation.metadata.deletion_timestamp.is_none();
        (same && self.world.accepted.contains(&key)).then_some(&invitation.spec)
    }

    /// Returns the first reason why a person has no access now. Of several Memberships the lowest counts, so one
    /// without access is enough.
    pub(crate) fn end_of(&self, address: &str, states: &[MembershipState]) -> Option<End> {
        let blocked = self.is_blocked(address).then_some(End::Blocked);
        blocked.or(self.ended()).or(states.iter().filter_map(|state| state.end).min())
    }
}

pub(crate) fn starts_at(states: &[MembershipState]) -> Option<Timestamp> {
    states.iter().filter_map(|state| state.spec.starts_at.as_ref()).map(|time| time.0).max()
}

pub(crate) fn expires_at(states: &[MembershipState]) -> Option<Timestamp> {
    states.iter().filter_map(|state| state.spec.expires_at.as_ref()).map(|time| time.0).min()
}

pub(crate) fn names(states: &[MembershipState]) -> BTreeSet<String> {
    states.iter().map(|state| state.name.to_owned()).collect()
}
