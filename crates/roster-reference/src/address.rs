//! One canonical form of an e-mail address.

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
use roster_core::api::limits::MAX_EMAIL;

/// Returns the form in which addresses are compared: ASCII local part, domain as IDNA A-label, all in ASCII lower case.
///
/// `None` where the text is no address: no `@`, an empty or non-ASCII local part, a domain that is no international
/// domain name, or a result longer than 254 bytes.
#[must_use]
pub fn canonical(address: &str) -> Option<String> {
    let (local, domain) = address.split_once('@')?;
    if local.is_empty() || !local.is_ascii() {
        return None;
    }
    let domain =
        Uts46::new().to_ascii(domain.as_bytes(), AsciiDenyList::STD3, Hyphens::CheckFirstLast, DnsLength::Verify);
    let address = format!("{local}@{}", domain.ok()?).to_ascii_lowercase();
    (address.len() <= MAX_EMAIL).then_some(address)
}
