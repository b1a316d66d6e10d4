//! Seals of entries: they prove that Roster wrote an attribute that identifies a user, and for this user
//! (docs/decisions/0028). Used by `sealed`, which says what entries prove; `keeper` keeps the key in the realm.
//!
//! Attributes of a user say who the user is to Roster. Roster declares these attributes in the realm's user profile,
//! for administrators only. But before the first declaration users may have been able to write them, and what they
//! wrote is still there. So each entry carries a seal: an HMAC over realm, user id (`sub`) and address. A seal cannot
//! be made without the key, and is worth nothing on another user.
//!
//! **The key** is random, created once for each realm, and kept in an attribute of a client of its own
//! ([`keeper`](super::keeper)).
//! Users neither read nor write clients. The secret by which Roster logs in is not suitable: it is rotated, and every
//! seal would become invalid. A client can be created only once, so of two processes that start at the same time the
//! second takes the key of the first.
//!
//! **Without a seal**, as in realms of earlier versions or after the key was lost, an entry is trusted only for a user
//! whom an administrator or Roster put into the account. Such a user keeps what they have, and it can be revoked. To
//! gain more, the realm must have verified their address; then the entry is sealed.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::{
    hmac,
    rand::{SecureRandom as _, SystemRandom},
};

use crate::{contract::hex, model::Name, store::StoreError};

/// Length of the key in bytes.
const LENGTH: usize = 32;
/// Replaces the user's id in a seal before the user exists: Keycloak chooses the id.
pub(super) const NOT_MADE_YET: &str = "";

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
    pub(super) fn parse(text: &str, realm: &str) -> Option<Self> {
        let key = BASE64_URL_SAFE_NO_PAD.decode(text).ok().filter(|key| key.len() == LENGTH)?;
        Some(Self::new(&key, realm))
    }

    /// Returns the seal for a user and an address.
    pub(super) fn of(&self, user: &str, address: &str) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(hmac::sign(&self.key, &self.message(user, address)))
    }

    pub(super) fn is(&self, seal: &str, user: &str, address: &str) -> bool {
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

/// Returns a new random key, in the form of its attribute.
pub(super) fn new_key() -> Result<String, StoreError> {
    let mut key = [0; LENGTH];
    let random = SystemRandom::new().fill(&mut key);
    random.map_err(|_| StoreError::Unavailable("the system provides no random numbers".to_owned()))?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(key))
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
