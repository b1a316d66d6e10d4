//! Secrets for opening stores (docs/architecture.md "Security"). A store reads them by name each time it is opened, so
//! that a rotated secret takes effect. Implemented for clusters in `cluster::secrets`.

use std::{cmp::Ordering, fmt, hash};

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};

use super::StoreError;
use crate::{api::SecretKeyRef, model::Name};

/// Reference to a value in a Secret, for one store only.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SecretRef {
    /// Name of the `IdentityStore` that needs the value.
    pub store: Name,
    /// Name of the Secret.
    pub name: Name,
    /// Key of the value in the Secret.
    pub key: Name,
}

impl SecretRef {
    /// Returns the reference in a store's spec.
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

/// Source of secrets.
#[async_trait]
pub trait Secrets: Send + Sync {
    /// Reads the current value.
    ///
    /// # Errors
    /// `Denied` when the store may not read the Secret, `Unavailable` when the Secret does not exist or cannot be read,
    /// `Invalid` when it has no such value. Each message names the Secret.
    async fn read(&self, secret: &SecretRef) -> Result<SecretString, StoreError>;
}

/// Source without any secrets, for objects from files.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSecrets;

#[async_trait]
impl Secrets for NoSecrets {
    async fn read(&self, secret: &SecretRef) -> Result<SecretString, StoreError> {
        Err(StoreError::Invalid(format!(
            "IdentityStore {}: its {secret} is in a cluster, but the objects are files; pass `--store`",
            secret.store
        )))
    }
}

/// Secret from the command line; `Debug` does not show it.
#[derive(Clone)]
pub struct RedactedSecret(SecretString);

impl RedactedSecret {
    /// Wraps a secret.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(SecretString::from(text))
    }

    /// Returns the secret.
    #[must_use]
    pub const fn secret(&self) -> &SecretString {
        &self.0
    }
}

impl fmt::Debug for RedactedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RedactedSecret(..)")
    }
}

impl PartialEq for RedactedSecret {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for RedactedSecret {}

impl PartialOrd for RedactedSecret {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for RedactedSecret {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.expose_secret().cmp(other.0.expose_secret())
    }
}

impl hash::Hash for RedactedSecret {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        self.0.expose_secret().hash(state);
    }
}
