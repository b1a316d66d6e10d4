//! Spellings of an address in a realm: as address of a user, as login name, and as typed by somebody else. Called by
//! the other modules of this store.

use sha2::{Digest as _, Sha256};

use crate::{contract::hex, model::Email};

/// Returns whether an address in somebody else's spelling equals `address`.
pub(super) fn is_called(own: Option<&str>, address: &str) -> bool {
    own.and_then(|own| Email::parse(own).ok()).is_some_and(|own| own.as_str() == address)
}

/// Returns the login name of a new user: the address, or a digest of it if it has characters that realms do not accept
/// in user names.
pub(super) fn username(email: &Email) -> String {
    let fine = |c: char| c.is_ascii_alphanumeric() || "@.-_+".contains(c);
    if email.as_str().chars().all(fine) {
        return email.to_string();
    }
    format!("user-{}", hex(&Sha256::digest(email.as_str())[..16]))
}

/// Returns the spellings in which Keycloak may hold an address. It keeps the domain as typed, and does not know that
/// `bücher.example` and `xn--bcher-kva.example` are equal.
pub(crate) fn spellings(address: &Email) -> Vec<String> {
    let text = address.as_str();
    let typed = text.rsplit_once('@').map(|(local, domain)| format!("{local}@{}", idna::domain_to_unicode(domain).0));
    let mut all = vec![text.to_owned()];
    all.extend(typed.filter(|typed| typed != text));
    all
}

#[cfg(test)]
mod tests {
    use super::{spellings, username};
    use crate::model::Email;

    #[test]
    fn all_spellings_of_an_address_are_known() {
        let of = |text| spellings(&Email::parse(text).unwrap());
        assert_eq!(of("ann@shop.example"), ["ann@shop.example"]);
        assert_eq!(of("ann@bücher.example"), ["ann@xn--bcher-kva.example", "ann@bücher.example"]);
        assert_eq!(spellings(&Email::as_stored("no address")), ["no address"]);
    }

    #[test]
    fn every_address_has_a_username() {
        let of = |text| username(&Email::as_stored(text));
        assert_eq!(of("ann+x@shop.example"), "ann+x@shop.example");
        let odd = of("o'hara/x@shop.example");
        assert!(odd.starts_with("user-") && odd.len() == 37 && odd != of("o'hara/y@shop.example"), "{odd}");
    }
}
