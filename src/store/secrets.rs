//! Secrets that stores are opened with: read by name when a store is opened, and afresh whenever it is opened afresh, so
//! that one that was exchanged is noticed (docs/architecture.md "Security").

use std::{cmp::Ordering, fmt, hash};

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};

use super::StoreError;
use crate::{api::SecretKeyRef, model::Name};

/// A value in a Secret, for one store only.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecretRef {
    /// The `IdentityStore` that asks for it.
    pub store: Name,
    /// Name of the Secret.
    pub name: Name,
    /// Key of the value in it.
    pub key: Name,
}

impl SecretRef {
    /// What a store's spec names.
    #[must_use]
    pub fn new(store: &str, named: &SecretKeyRef) -> Self {
        Self { store: Name::new(store), name: Name::new(&named.name), key: Name::new(&named.key) }
    }
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret {}, key {}", self.name, self.key)
    }
}

/// Where secrets are read.
#[async_trait]
pub trait Secrets: Send + Sync {
    /// The value as it is now.
    ///
    /// # Errors
    /// `Denied` when the Secret is not this store's to read, `Unavailable` when it is not there or cannot be asked for,
    /// `Invalid` when it has no such value; each names the Secret.
    async fn read(&self, secret: &SecretRef) -> Result<SecretString, StoreError>;
}

/// No secrets at all: for objects from files.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSecrets;

#[async_trait]
impl Secrets for NoSecrets {
    async fn read(&self, secret: &SecretRef) -> Result<SecretString, StoreError> {
        Err(StoreError::Invalid(format!(
            "IdentityStore {}: its {secret} is in a cluster, and files were given; say where the store is by --store",
            secret.store
        )))
    }
}

/// A secret that somebody gave on the command line; never shown.
#[derive(Clone)]
pub struct Given(SecretString);

impl Given {
    /// Takes it.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(SecretString::from(text))
    }

    /// The secret.
    #[must_use]
    pub const fn secret(&self) -> &SecretString {
        &self.0
    }
}

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Given(..)")
    }
}

impl PartialEq for Given {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Given {}

impl PartialOrd for Given {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Given {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.expose_secret().cmp(other.0.expose_secret())
    }
}

impl hash::Hash for Given {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        self.0.expose_secret().hash(state);
    }
}
