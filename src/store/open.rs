//! Opens the store at a location, whichever backend it is of. Called by the controller and by all commands that read or
//! write a store.

use std::sync::Arc;

use super::{Secrets, Store, StoreError, StoreLocation};

impl StoreLocation {
    /// Opens the store and reads its secrets. Creates an embedded store that does not exist.
    ///
    /// # Errors
    /// Those of the backend, and those of reading its secrets.
    pub async fn open(&self, secrets: &dyn Secrets) -> Result<Arc<dyn Store>, StoreError> {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(path) => Ok(Arc::new(super::sqlite::SqliteStore::open(path).await?)),
            #[cfg(not(feature = "sqlite"))]
            Self::Sqlite(_) => Err(StoreError::Invalid("this build does not support SQLite".to_owned())),
            #[cfg(feature = "postgres")]
            Self::Postgres(place) => Ok(Arc::new(super::postgres::PostgresStore::open(place, secrets).await?)),
            #[cfg(not(feature = "postgres"))]
            Self::Postgres(_) => {
                let _ = secrets;
                Err(StoreError::Invalid("this build does not support PostgreSQL".to_owned()))
            }
            #[cfg(feature = "keycloak")]
            Self::Keycloak(place) => Ok(Arc::new(super::keycloak::KeycloakStore::open(place, secrets).await?)),
            #[cfg(not(feature = "keycloak"))]
            Self::Keycloak(_) => {
                let _ = secrets;
                Err(StoreError::Invalid("this build does not support Keycloak".to_owned()))
            }
        }
    }

    /// Opens the store read-only: nothing is created or changed. Returns `None` if there is no store.
    ///
    /// # Errors
    /// Those of the backend, and those of reading its secrets.
    pub async fn open_if_there(&self, secrets: &dyn Secrets) -> Result<Option<Arc<dyn Store>>, StoreError> {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(path) => {
                let store = super::sqlite::SqliteStore::open_to_read(path).await?;
                Ok(store.map(|store| Arc::new(store) as Arc<dyn Store>))
            }
            #[cfg(not(feature = "sqlite"))]
            Self::Sqlite(_) => Err(StoreError::Invalid("this build does not support SQLite".to_owned())),
            #[cfg(feature = "postgres")]
            Self::Postgres(place) => {
                let store = super::postgres::PostgresStore::open_to_read(place, secrets).await?;
                Ok(store.map(|store| Arc::new(store) as Arc<dyn Store>))
            }
            #[cfg(feature = "keycloak")]
            Self::Keycloak(place) => {
                let store = super::keycloak::KeycloakStore::open_to_read(place, secrets).await?;
                Ok(store.map(|store| Arc::new(store) as Arc<dyn Store>))
            }
            // `open` reports the missing feature of this build.
            #[cfg(not(all(feature = "sqlite", feature = "postgres", feature = "keycloak")))]
            _ => self.open(secrets).await.map(Some),
        }
    }

    /// Checks the audit of an SQL store, from its first record to its last. Can run while the controller writes.
    ///
    /// # Errors
    /// When it cannot be read, or the store has no audit. Faults of the audit itself are in the report.
    #[cfg(any(feature = "sqlite", feature = "postgres"))]
    pub async fn verify_audit(&self, secrets: &dyn Secrets) -> Result<super::AuditReport, StoreError> {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(path) => super::sqlite::verify_audit(path).await,
            #[cfg(feature = "postgres")]
            Self::Postgres(place) => super::postgres::verify_audit(place, secrets).await,
            _ => {
                let _ = secrets;
                Err(StoreError::Invalid(format!("{self} has no audit that can be verified")))
            }
        }
    }
}
