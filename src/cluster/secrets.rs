//! Reads secrets of stores from the controller's own namespace only (docs/concepts.md "Seven kinds"). Used by the
//! controller and the command line to open stores.

use async_trait::async_trait;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client, ResourceExt};
use secrecy::SecretString;

use crate::{
    api::STORE_ANNOTATION,
    store::{SecretRef, Secrets, StoreError},
};

/// Secrets of one namespace.
#[derive(Clone)]
pub struct ClusterSecrets {
    namespace: String,
    secrets: Api<Secret>,
}

impl ClusterSecrets {
    /// Returns the source for the Secrets of a namespace.
    #[must_use]
    pub fn new(client: Client, namespace: &str) -> Self {
        Self { namespace: namespace.to_owned(), secrets: Api::namespaced(client, namespace) }
    }
}

#[async_trait]
impl Secrets for ClusterSecrets {
    async fn read(&self, secret: &SecretRef) -> Result<SecretString, StoreError> {
        let named = format!("Secret {}/{}", self.namespace, secret.name);
        let found = match self.secrets.get_opt(&secret.name).await {
            Ok(found) => found.ok_or_else(|| StoreError::Unavailable(format!("{named} does not exist")))?,
            Err(kube::Error::Api(status)) if status.code == 403 => {
                return Err(StoreError::Denied(format!("no permission to read {named}: {}", status.message)));
            }
            Err(error) => return Err(StoreError::Unavailable(format!("{named} cannot be read: {error}"))),
        };
        value(&found, secret).map_err(|error| match error {
            Refusal::NotForStore => StoreError::Denied(format!(
                "{named} is not for this store: it lacks the annotation {STORE_ANNOTATION}: {}",
                secret.store
            )),
            Refusal::NoKey => StoreError::Invalid(format!("{named} has no key {}", secret.key)),
            Refusal::NoText => {
                StoreError::Invalid(format!("{named}: the value of key {} is not valid UTF-8", secret.key))
            }
        })
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Refusal {
    NotForStore,
    NoKey,
    NoText,
}

/// Returns the value if the Secret is for this store. Nothing else in the Secret is revealed before that check.
fn value(found: &Secret, secret: &SecretRef) -> Result<SecretString, Refusal> {
    if found.annotations().get(STORE_ANNOTATION).map(String::as_str) != Some(secret.store.as_str()) {
        return Err(Refusal::NotForStore);
    }
    let bytes = found.data.as_ref().and_then(|data| data.get(secret.key.as_str())).ok_or(Refusal::NoKey)?;
    let text = std::str::from_utf8(&bytes.0).map_err(|_| Refusal::NoText)?;
    Ok(SecretString::from(text))
}

#[cfg(test)]
mod tests {
    use k8s_openapi::ByteString;
    use secrecy::ExposeSecret as _;

    use super::*;

    fn secret(annotation: Option<&str>, value: &[u8]) -> Secret {
        let mut secret =
            Secret { data: Some([("uri".to_owned(), ByteString(value.to_vec()))].into()), ..Secret::default() };
        if let Some(store) = annotation {
            secret.annotations_mut().insert(STORE_ANNOTATION.to_owned(), store.to_owned());
        }
        secret
    }

    fn asked(key: &str) -> SecretRef {
        SecretRef { store: "main".into(), name: "pg".into(), key: key.into() }
    }

    #[test]
    fn only_the_store_it_names_may_read_a_secret() {
        assert_eq!(value(&secret(Some("main"), b"hush"), &asked("uri")).unwrap().expose_secret(), "hush");
        for (annotation, key, bytes, refusal) in [
            (None, "uri", &b"hush"[..], Refusal::NotForStore),
            (Some("other"), "uri", b"hush", Refusal::NotForStore),
            (Some(""), "uri", b"hush", Refusal::NotForStore),
            (Some("other"), "none", b"hush", Refusal::NotForStore),
            (Some("main"), "none", b"hush", Refusal::NoKey),
            (Some("main"), "uri", b"\xff", Refusal::NoText),
        ] {
            assert_eq!(value(&secret(annotation, bytes), &asked(key)).unwrap_err(), refusal);
        }
    }
}
