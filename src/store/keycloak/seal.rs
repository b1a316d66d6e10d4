//! Seals of entries: they prove that Roster wrote an attribute that identifies a user, and for this user
//! (docs/decisions/0028). Used by `find`, `identity` and `people` through `Realm`; the key is read or created by
//! `open`.
//!
//! Attributes of a user say who the user is to Roster. Roster declares these attributes in the realm's user profile,
//! for administrators only. But before the first declaration users may have been able to write them, and what they
//! wrote is still there. So each entry carries a seal: an HMAC over realm, user id (`sub`) and address. A seal cannot
//! be made without the key, and is worth nothing on another user.
//!
//! **The key** is random, created once for each realm, and kept in an attribute of a client of its own, [`KEEPER`].
//! Users neither read nor write clients. The secret by which Roster logs in is not suitable: it is rotated, and every
//! seal would become invalid. A client can be created only once, so of two processes that start at the same time the
//! second takes the key of the first.
//!
//! **Without a seal**, as in realms of earlier versions or after the key was lost, an entry is trusted only for a user
//! whom an administrator or Roster put into the account. Such a user keeps what they have, and it can be revoked. To
//! gain more, the realm must have verified their address; then the entry is sealed.

use std::collections::HashMap;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use keycloak::types::{ClientRepresentation, UserRepresentation};
use ring::{
    hmac,
    rand::{SecureRandom as _, SystemRandom},
};

use super::{
    identity::{is_called, username},
    names::ENTRIES,
    note::Entry,
    realm::Realm,
};
use crate::{
    contract::hex,
    model::{Email, Name},
    store::StoreError,
};

/// Client that keeps the key. The name has no slash, so no account has it.
pub(super) const KEEPER: &str = "roster-seal";
/// Attribute of that client: the key in base64.
const KEY: &str = "roster.seal";
/// Length of the key in bytes.
const LENGTH: usize = 32;
/// Replaces the user's id in a seal before the user exists: Keycloak chooses the id.
const NOT_MADE_YET: &str = "";

/// Key of one realm.
pub(super) struct Seal {
    key: hmac::Key,
    realm: String,
}

impl Seal {
    fn new(key: &[u8], realm: &str) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, key), realm: realm.to_owned() }
    }

    /// Parses a key from its attribute.
    fn parse(text: &str, realm: &str) -> Option<Self> {
        let key = BASE64_URL_SAFE_NO_PAD.decode(text).ok().filter(|key| key.len() == LENGTH)?;
        Some(Self::new(&key, realm))
    }

    /// Returns the seal for a user and an address.
    fn of(&self, user: &str, address: &str) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(hmac::sign(&self.key, &self.message(user, address)))
    }

    fn is(&self, seal: &str, user: &str, address: &str) -> bool {
        let tag = BASE64_URL_SAFE_NO_PAD.decode(seal).unwrap_or_default();
        hmac::verify(&self.key, &self.message(user, address), &tag).is_ok()
    }

    /// Returns an id that distinguishes this realm from another one, or from one that was recreated. It does not reveal
    /// the key.
    pub(super) fn store_id(&self) -> Name {
        let tag = hmac::sign(&self.key, &self.message("store id", ""));
        Name::from(hex(tag.as_ref().get(..16).unwrap_or_default()))
    }

    /// Joins texts with their lengths, so that different texts never give the same message.
    fn message(&self, user: &str, address: &str) -> Vec<u8> {
        let texts = ["roster seal 1", &self.realm, user, address];
        texts.iter().flat_map(|text| (text.len() as u64).to_le_bytes().into_iter().chain(text.bytes())).collect()
    }
}

impl Realm {
    /// Returns the id of the realm as a store. It is derived from the key, and lost with it.
    pub(super) fn store_id(&self) -> Option<Name> {
        self.seal.as_ref().map(Seal::store_id)
    }

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

/// Reads the key of a realm; `None` if no version with seals has written there yet.
pub(super) async fn kept(realm: &Realm) -> Result<Option<Seal>, StoreError> {
    let keeper = realm.client(KEEPER).await?;
    let key = keeper.and_then(|keeper| keeper.attributes?.remove(KEY));
    Ok(key.and_then(|key| Seal::parse(&key, &realm.wire.realm)))
}

/// Creates the key of a realm, or returns the one that another process has created.
pub(super) async fn make(realm: &Realm) -> Result<Seal, StoreError> {
    let mut key = [0; LENGTH];
    let random = SystemRandom::new().fill(&mut key);
    random.map_err(|_| StoreError::Unavailable("the system gives no random numbers".to_owned()))?;
    let keeper = keeper(BASE64_URL_SAFE_NO_PAD.encode(key));
    let (admin, name) = (&realm.wire.admin, realm.wire.realm.as_str());
    let post = || admin.realm_clients_post(name, keeper.clone());
    let made = realm.wire.create("making the client that keeps the key of seals", post).await?;
    let there = kept(realm).await?;
    if let (None, None) = (made, &there) {
        // Somebody removed the attribute but not the client.
        let client = realm.client(KEEPER).await?.and_then(|client| client.id).unwrap_or_default();
        let put = || admin.realm_clients_with_client_uuid_put(name, &client, keeper.clone());
        realm.wire.call("writing the key of seals", put).await?;
        return kept(realm).await?.ok_or_else(lost);
    }
    there.ok_or_else(lost)
}

fn lost() -> StoreError {
    StoreError::Conflict(format!("client {KEEPER}, which keeps the key of seals, was changed at the same time"))
}

/// Returns the client that keeps a key; nobody can log in by it.
fn keeper(key: String) -> ClientRepresentation {
    let off = Some(false);
    ClientRepresentation {
        client_id: Some(KEEPER.to_owned()),
        name: Some("Seal of Roster".to_owned()),
        description: Some("Keeps the key of Roster's seals; do not remove it".to_owned()),
        enabled: off,
        protocol: Some("openid-connect".to_owned()),
        public_client: off,
        standard_flow_enabled: off,
        implicit_flow_enabled: off,
        direct_access_grants_enabled: off,
        service_accounts_enabled: off,
        full_scope_allowed: off,
        attributes: Some(HashMap::from([(KEY.to_owned(), key)])),
        ..ClientRepresentation::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: &str = "ann@shop.example";

    #[test]
    fn a_seal_holds_for_one_user_one_address_and_one_realm() {
        let seal = Seal::new(&[7; LENGTH], "shop");
        let text = seal.of("u-1", ANN);
        assert!(seal.is(&text, "u-1", ANN));
        for (user, address) in [("u-2", ANN), ("u-1", "ben@shop.example"), ("", ANN), ("u-1ann", "@shop.example")] {
            assert!(!seal.is(&text, user, address), "{user} {address}");
        }
        for other in [Seal::new(&[7; LENGTH], "other"), Seal::new(&[8; LENGTH], "shop")] {
            assert!(!other.is(&text, "u-1", ANN));
        }
        for rubbish in ["", "x", "====", &text[1..]] {
            assert!(!seal.is(rubbish, "u-1", ANN), "{rubbish}");
        }
    }

    #[test]
    fn a_key_is_kept_as_text() {
        let text = BASE64_URL_SAFE_NO_PAD.encode([7; LENGTH]);
        let seal = Seal::parse(&text, "shop").unwrap();
        assert!(Seal::new(&[7; LENGTH], "shop").is(&seal.of("u-1", ANN), "u-1", ANN));
        for rubbish in ["", "short", &text[2..], "ä"] {
            assert!(Seal::parse(rubbish, "shop").is_none(), "{rubbish}");
        }
    }
}
