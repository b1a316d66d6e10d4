//! Canonical form of e-mail addresses. Used by the other modules and by the comparison tests.

use roster_core::api::limits::{MAX_EMAIL, MAX_LABEL};

/// Returns the form in which addresses are compared: ASCII local part, domain as IDNA A-label, all in ASCII lower case.
///
/// Returns `None` if the text is not an address: not exactly one `@`, a local part that is empty or has other
/// characters than ASCII letters, digits and ``.!#$%&'*+/=?^_`{|}~-``, a domain that is no international domain name,
/// or a result longer than 254 bytes.
#[must_use]
pub fn canonical(address: &str) -> Option<String> {
    let (local, domain) = address.split_once('@')?;
    let is_local = |letter: char| letter.is_ascii_alphanumeric() || ".!#$%&'*+/=?^_`{|}~-".contains(letter);
    if local.is_empty() || !local.chars().all(is_local) {
        return None;
    }
    let address = format!("{local}@{}", canonical_domain(domain)?).to_ascii_lowercase();
    (address.len() <= MAX_EMAIL).then_some(address)
}

/// Returns the canonical domain. Plain labels stay unchanged; a U-label or an A-label is checked by IDNA.
fn canonical_domain(domain: &str) -> Option<String> {
    let is_plain = |label: &str| {
        let letters = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        letters && !label.to_ascii_lowercase().starts_with("xn--")
    };
    let domain =
        if domain.split('.').all(is_plain) { domain.to_owned() } else { idna::domain_to_ascii_strict(domain).ok()? };
    domain.split('.').all(|label| (1..=MAX_LABEL).contains(&label.len())).then_some(domain)
}
