//! The seal: shows that an attribute which says who a user is was written by Roster, and for this user
//! (docs/decisions/0028).
//!
//! Who somebody is to Roster stands in attributes of their user. Roster declares these in the realm's user profile, for
//! administrators only; but before it first did, users may have been able to write them, and what they wrote is still
//! there. So each entry carries a seal: an HMAC over realm, user id (`sub`) and address. It cannot be made without the key,
//! and is worth nothing on another user.
//!
//! **The key** is random, made once for each realm, and kept in an attribute of a client of its own, [`KEEPER`]. Users
//! neither read nor write clients. The secret by which Roster logs in would not do: it is exchanged from time to time, and
//! every seal would end with it. A client can be made only once, so of two processes that begin at the same time the second
//! takes the key of the first.
//!
//! **Without a seal**, as in realms of former versions or after the key was lost, an entry is believed only of somebody
//! whom an administrator or Roster let into the account: they keep what they have, and it can be taken from them. To get
//! anything more, the realm must have verified their address; then they are sealed.

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

/// The client that keeps the key. It has no slash, so that no account has this name.
pub(super) const KEEPER: &str = "roster-seal";
/// Attribute of that client: the key, in base64.
const KEY: &str = "roster.seal";
/// Length of the key in bytes.
const LENGTH: usize = 32;
/// Stands for the user's id while Keycloak has not told it: it is Keycloak that chooses it.
const NOT_MADE_YET: &str = "";

/// The key of one realm.
pub(super) struct Seal {
    key: hmac::Key,
    realm: String,
}

impl Seal {
    fn new(key: &[u8], realm: &str) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, key), realm: realm.to_owned() }
    }

    /// Reads a key that is kept as text.
    fn parse(text: &str, realm: &str) -> Option<Self> {
        let key = BASE64_URL_SAFE_NO_PAD.decode(text).ok().filter(|key| key.len() == LENGTH)?;
        Some(Self::new(&key, realm))
    }

    /// Seals that a user has an address.
    fn of(&self, user: &str, address: &str) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(hmac::sign(&self.key, &self.message(user, address)))
    }

    fn is(&self, seal: &str, user: &str, address: &str) -> bool {
        let tag = BASE64_URL_SAFE_NO_PAD.decode(seal).unwrap_or_default();
        hmac::verify(&self.key, &self.message(user, address), &tag).is_ok()
    }

    /// Returns an id that tells this realm from another one, or from one that was made anew. It does not reveal the key.
    pub(super) fn store_id(&self) -> Name {
        let tag = hmac::sign(&self.key, &self.message("store id", ""));
        Name::from(hex(tag.as_ref().get(..16).unwrap_or_default()))
    }

    /// Puts texts together with their lengths, so that no two rows of texts look the same.
    fn message(&self, user: &str, address: &str) -> Vec<u8> {
        let texts = ["roster seal 1", &self.realm, user, address];
        texts.iter().flat_map(|text| (text.len() as u64).to_le_bytes().into_iter().chain(text.bytes())).collect()
    }
}

impl Realm {
    /// Returns the id of the realm as a store: made with the key, and lost with it.
    pub(super) fn store_id(&self) -> Option<Name> {
        self.seal.as_ref().map(Seal::store_id)
    }

    /// Returns an entry with the seal for a user, where it is certain that the address is theirs.
    pub(super) fn sealed(&self, mut entry: Entry, user: &UserRepresentation) -> Entry {
        let certain = self.is_certain(user, &entry.address);
        let seal = self.seal.as_ref().filter(|_| certain);
        let seal = seal.map(|seal| seal.of(user.id.as_deref().unwrap_or_default(), &entry.address));
        entry.seal = seal.unwrap_or_default();
        entry
    }

    /// Returns an entry with the seal for a user whom Roster is about to make. It holds for no user who is called
    /// otherwise.
    pub(super) fn sealed_before(&self, mut entry: Entry) -> Entry {
        let seal = self.seal.as_ref().map(|seal| seal.of(NOT_MADE_YET, &entry.address));
        entry.seal = seal.unwrap_or_default();
        entry
    }

    /// Whether an entry among a user's attributes was written by Roster, for this user.
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

    /// Whether an address is surely a user's: the realm has verified it, or Roster has sealed it, in whichever account.
    pub(super) fn is_certain(&self, user: &UserRepresentation, address: &str) -> bool {
        let verified = user.email_verified == Some(true) && is_called(user.email.as_deref(), address);
        verified || self.is_pinned(user, address)
    }

    /// Whether Roster has sealed that a user has this address, in whichever account.
    pub(super) fn is_pinned(&self, user: &UserRepresentation, address: &str) -> bool {
        entries(user).filter(|entry| entry.address == address).any(|entry| self.is_sealed(&entry, user))
    }

    /// Addresses of which Roster has sealed that they are a user's.
    pub(super) fn pinned_to(&self, user: &UserRepresentation) -> impl Iterator<Item = Email> {
        entries(user).filter(|entry| self.is_sealed(entry, user)).map(|entry| Email::as_stored(&entry.address))
    }
}

fn entries(user: &UserRepresentation) -> impl Iterator<Item = Entry> {
    let values = user.attributes.as_ref().and_then(|attributes| attributes.get(ENTRIES));
    values.into_iter().flatten().filter_map(|value| Entry::parse(value))
}

/// Returns the seal of a realm; none where no version with seals has written there yet.
pub(super) async fn kept(realm: &Realm) -> Result<Option<Seal>, StoreError> {
    let keeper = realm.client(KEEPER).await?;
    let key = keeper.and_then(|keeper| keeper.attributes?.remove(KEY));
    Ok(key.and_then(|key| Seal::parse(&key, &realm.wire.realm)))
}

/// Makes the seal of a realm, unless another process has made one.
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
        // Somebody took the attribute away, and left the client.
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

/// The client that keeps a key; nobody logs in by it.
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
