//! Defines names and addresses that are valid by construction. Used by all modules.

use std::{borrow::Borrow, fmt};

use compact_str::CompactString;
use serde::Serialize;

use super::finding::Quoted;

/// Name of an object, section, role or restriction; short names are stored inline.
pub type Name = CompactString;

/// Maximum length of an address, in bytes (RFC 5321 path limit; the schemas have the same bound).
const MAXIMUM_EMAIL: usize = 254;

/// An e-mail address in the one canonical form in which addresses are compared everywhere: ASCII local part, domain as
/// IDNA A-label, ASCII lower case (docs/concepts.md "Seven kinds").
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Email(Name);

/// Reason why a text is not an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEmail {
    /// The text does not have exactly one `@` with something on both sides.
    #[error("{} is not an address: expected local@domain", Quoted(.0))]
    Shape(String),
    /// The local part has other characters than ASCII letters, digits and the usual marks.
    #[error("{} is not an address: the part before @ must be plain ASCII without spaces", Quoted(.0))]
    Local(String),
    /// The domain is not a valid internationalised domain name.
    #[error("{} is not an address: {} is no domain name", Quoted(.0), Quoted(.1))]
    Domain(String, String),
    /// The canonical form is longer than 254 bytes.
    #[error("{} is not an address: longer than 254 characters in its canonical form", Quoted(.0))]
    TooLong(String),
}

impl InvalidEmail {
    /// Returns the text that is not an address.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Shape(text) | Self::Local(text) | Self::Domain(text, _) | Self::TooLong(text) => text,
        }
    }
}

impl Email {
    /// Parses an address and returns its canonical form.
    ///
    /// # Errors
    /// If the text is not an address; the error has the reason.
    pub fn parse(text: &str) -> Result<Self, InvalidEmail> {
        let Some((local, domain)) = text.split_once('@').filter(|(l, d)| !l.is_empty() && !d.is_empty()) else {
            return Err(InvalidEmail::Shape(text.to_owned()));
        };
        if domain.contains('@') {
            return Err(InvalidEmail::Shape(text.to_owned()));
        }
        if !local.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&b)) {
            return Err(InvalidEmail::Local(text.to_owned()));
        }
        let is_plain = domain.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.');
        let domain = if is_plain && !domain.to_ascii_lowercase().contains("xn--") {
            domain.to_ascii_lowercase()
        } else {
            idna::domain_to_ascii_strict(domain)
                .map_err(|_| InvalidEmail::Domain(text.to_owned(), domain.to_owned()))?
        };
        if domain.split('.').any(|label| label.is_empty() || label.len() > 63) {
            return Err(InvalidEmail::Domain(text.to_owned(), domain));
        }
        let mut canonical = Name::with_capacity(local.len() + 1 + domain.len());
        canonical.push_str(&local.to_ascii_lowercase());
        canonical.push('@');
        canonical.push_str(&domain);
        if canonical.len() > MAXIMUM_EMAIL {
            return Err(InvalidEmail::TooLong(text.to_owned()));
        }
        Ok(Self(canonical))
    }

    /// Returns an address as a store holds it, without any check: it may not be canonical, and must still be found.
    #[must_use]
    pub fn as_stored(text: &str) -> Self {
        Self(Name::new(text))
    }

    /// Returns the canonical text; for [`Self::as_stored`], the text as stored.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns whether the domain is a single word, as in a local network.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.0.split_once('@').is_some_and(|(_, domain)| !domain.contains('.'))
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Borrow<str> for Email {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// Key of an account: `namespace/name`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountKey {
    /// Namespace of the Account.
    pub namespace: Name,
    /// Name of the Account.
    pub name: Name,
}

impl AccountKey {
    /// Returns the key of the account with this namespace and name.
    #[must_use]
    pub fn new(namespace: &str, name: &str) -> Self {
        Self { namespace: Name::new(namespace), name: Name::new(name) }
    }

    /// Returns the name by which objects of a namespace name this account: the bare name within its own namespace,
    /// `namespace/name` elsewhere.
    #[must_use]
    pub fn seen_from(&self, namespace: &Name) -> Name {
        if self.namespace == *namespace { self.name.clone() } else { Name::from(self.to_string()) }
    }

    /// Parses a key written as `namespace/name`, as stores write it; `None` for any other form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (namespace, name) = text.split_once('/')?;
        (!namespace.is_empty() && !name.is_empty() && !name.contains('/')).then(|| Self::new(namespace, name))
    }
}

impl fmt::Debug for AccountKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl fmt::Display for AccountKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_one_canonical_form() {
        for text in ["Dana@Acme.Example", "dana@acme.example", "DANA@ACME.EXAMPLE"] {
            assert_eq!(Email::parse(text).unwrap().as_str(), "dana@acme.example");
        }
        for text in ["x@Bücher.example", "x@bücher.example", "x@xn--bcher-kva.example", "x@XN--BCHER-KVA.example"] {
            assert_eq!(Email::parse(text).unwrap().as_str(), "x@xn--bcher-kva.example");
        }
    }

    #[test]
    fn an_invalid_address_is_refused_with_a_reason() {
        for text in ["", "dana", "@acme.example", "dana@", "a@b@c"] {
            assert!(matches!(Email::parse(text), Err(InvalidEmail::Shape(_))), "{text}");
        }
        for text in ["dänä@acme.example", "da na@acme.example", "dana\u{0}@acme.example"] {
            assert!(matches!(Email::parse(text), Err(InvalidEmail::Local(_))), "{text}");
        }
        for text in ["a@b..c", "a@.b", "a@bad domain"] {
            assert!(matches!(Email::parse(text), Err(InvalidEmail::Domain(..))), "{text}");
        }
        let long = format!("{}@{}.example", "a".repeat(63), ["b".repeat(60), "c".repeat(60), "d".repeat(59)].join("."));
        assert!(long.len() <= MAXIMUM_EMAIL);
        assert!(Email::parse(&long).is_ok());
        let longer = format!("{}@{}.example", "a".repeat(128), ["b".repeat(60), "c".repeat(60)].join("."));
        assert!(matches!(Email::parse(&longer), Err(InvalidEmail::TooLong(_))), "{}", longer.len());
    }
}
