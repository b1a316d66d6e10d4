//! Entries of users and their seals: which entry proves who a user is. Called by `find`, `identity` and `people` through
//! `Realm`.

use keycloak::types::UserRepresentation;

use super::{
    names::ENTRIES,
    note::Entry,
    realm::Realm,
    seal::NOT_MADE_YET,
    spelling::{is_called, username},
};
use crate::model::Email;

impl Realm {
    /// Returns the entry with the seal for a user if the address certainly belongs to the user, otherwise without a
    /// seal.
    pub(super) fn sealed(&self, mut entry: Entry, user: &UserRepresentation) -> Entry {
        let certain = self.is_certain(user, &entry.address);
        let seal = self.seal.as_ref().filter(|_| certain);
        let seal = seal.map(|seal| seal.of(user.id.as_deref().unwrap_or_default(), &entry.address));
        entry.seal = seal.unwrap_or_default();
        entry
    }

    /// Returns the entry with the seal for a user whom Roster is about to create. The seal is valid only for a user
    /// with that login name or address.
    pub(super) fn sealed_before(&self, mut entry: Entry) -> Entry {
        let seal = self.seal.as_ref().map(|seal| seal.of(NOT_MADE_YET, &entry.address));
        entry.seal = seal.unwrap_or_default();
        entry
    }

    /// Returns whether Roster wrote an entry among a user's attributes, for this user.
    pub(super) fn is_sealed(&self, entry: &Entry, user: &UserRepresentation) -> bool {
        let (Some(seal), Some(id)) = (&self.seal, user.id.as_deref()) else { return false };
        let address = entry.address.as_str();
        let is_as_made = || {
            let name = username(&Email::as_stored(address));
            user.username.as_deref() == Some(&name) || is_called(user.email.as_deref(), address)
        };
        (!id.is_empty() && seal.is(&entry.seal, id, address))
            || (seal.is(&entry.seal, NOT_MADE_YET, address) && is_as_made())
    }

    /// Returns whether an address certainly belongs to a user: the realm has verified it, or Roster has sealed it in
    /// any account.
    pub(super) fn is_certain(&self, user: &UserRepresentation, address: &str) -> bool {
        let verified = user.email_verified == Some(true) && is_called(user.email.as_deref(), address);
        verified || self.is_pinned(user, address)
    }

    /// Returns whether Roster has sealed in any account that a user has this address.
    pub(super) fn is_pinned(&self, user: &UserRepresentation, address: &str) -> bool {
        entries(user).filter(|entry| entry.address == address).any(|entry| self.is_sealed(&entry, user))
    }

    /// Returns the addresses that Roster has sealed for a user.
    pub(super) fn pinned_to(&self, user: &UserRepresentation) -> impl Iterator<Item = Email> {
        entries(user).filter(|entry| self.is_sealed(entry, user)).map(|entry| Email::as_stored(&entry.address))
    }
}

fn entries(user: &UserRepresentation) -> impl Iterator<Item = Entry> {
    let values = user.attributes.as_ref().and_then(|attributes| attributes.get(ENTRIES));
    values.into_iter().flatten().filter_map(|value| Entry::parse(value))
}
