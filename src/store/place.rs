//! Where a store is, and how it is opened.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{Store, StoreError};
use crate::api::IdentityStoreSpec;

/// Where a store is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// An SQLite file.
    Sqlite(PathBuf),
}

impl Place {
    /// What an `IdentityStore` says; embedded stores' files are below `sqlite_dir`.
    ///
    /// # Errors
    /// `Invalid` when it names no backend, or a file that is not just a name: a path that leads elsewhere must never be
    /// opened, whatever let it past the schema.
    pub fn of(name: &str, spec: &IdentityStoreSpec, sqlite_dir: &Path) -> Result<Self, StoreError> {
        match &spec.sqlite {
            None => Err(StoreError::Invalid(format!("IdentityStore {name:?} names no backend"))),
            Some(sqlite) if Path::new(&sqlite.file).file_name() != Some(sqlite.file.as_ref()) => {
                Err(StoreError::Invalid(format!("spec.sqlite.file: {:?} is no plain file name", sqlite.file)))
            }
            Some(sqlite) => Ok(Self::Sqlite(sqlite_dir.join(&sqlite.file))),
        }
    }

    /// Opens it; an embedded store is made if it is not there.
    ///
    /// # Errors
    /// As the backend's.
    pub async fn open(&self) -> Result<Arc<dyn Store>, StoreError> {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(path) => Ok(Arc::new(super::sqlite::SqliteStore::open(path).await?)),
            #[cfg(not(feature = "sqlite"))]
            Self::Sqlite(_) => Err(StoreError::Invalid("this build has no SQLite store".to_owned())),
        }
    }

    /// Opens it to look: nothing is made or changed. `None` where nothing is there.
    ///
    /// # Errors
    /// As the backend's.
    pub async fn open_if_there(&self) -> Result<Option<Arc<dyn Store>>, StoreError> {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(path) => {
                let store = super::sqlite::SqliteStore::open_to_read(path).await?;
                Ok(store.map(|store| Arc::new(store) as Arc<dyn Store>))
            }
            #[cfg(not(feature = "sqlite"))]
            Self::Sqlite(_) => Err(StoreError::Invalid("this build has no SQLite store".to_owned())),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "{}", path.display()),
        }
    }
}
