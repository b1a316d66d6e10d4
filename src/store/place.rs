//! Where a store is, and how it is opened.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{Given, SecretRef, Secrets, Store, StoreError};
use crate::api::{IdentityStoreSpec, KeycloakBackend, PostgresBackend, SecretKeyRef, SqliteBackend};

/// Where a store is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// An SQLite file.
    Sqlite(PathBuf),
    /// A schema of a PostgreSQL database.
    Postgres(PostgresPlace),
    /// A realm of a Keycloak.
    Keycloak(KeycloakPlace),
}

impl Place {
    /// Returns how many changes are made there in a fraction of a second: a database takes them as one transaction, Keycloak
    /// as several requests for each.
    #[must_use]
    pub const fn slice(&self) -> usize {
        match self {
            Self::Sqlite(_) | Self::Postgres(_) => 1_000,
            Self::Keycloak(_) => 100,
        }
    }
}

/// A schema of a PostgreSQL database.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PostgresPlace {
    /// The connection string.
    pub connection: Connection,
    /// The schema.
    pub schema: String,
    /// Certificates of which one must have signed the server's.
    pub ca: Option<SecretRef>,
}

/// Where a connection string or a password is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Connection {
    /// In a Secret.
    Secret(SecretRef),
    /// On the command line, or in the environment of a command.
    Given(Given),
}

/// A realm of a Keycloak.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeycloakPlace {
    /// Where Keycloak is.
    pub url: String,
    /// The realm.
    pub realm: String,
    /// The client by which Roster logs in.
    pub client_id: String,
    /// Its secret.
    pub client_secret: Connection,
    /// Certificates of which one must have signed the server's.
    pub ca: Option<SecretRef>,
    /// Clients of portals, by client id.
    pub portals: Vec<String>,
    /// What client ids, organizations and groups of accounts begin with.
    pub prefix: String,
}

impl Place {
    /// What an `IdentityStore` says; embedded stores' files are below `sqlite_dir`.
    ///
    /// # Errors
    /// `Invalid` when it names no backend or several, or a file that is not just a name: a path that leads elsewhere must
    /// never be opened, whatever let it past the schema.
    pub fn of(name: &str, spec: &IdentityStoreSpec, sqlite_dir: &Path) -> Result<Self, StoreError> {
        match (&spec.sqlite, &spec.postgres, &spec.keycloak) {
            (None, None, None) => Err(StoreError::Invalid(format!("IdentityStore {name:?} names no backend"))),
            (Some(sqlite), None, None) => Self::sqlite(sqlite, sqlite_dir),
            (None, Some(postgres), None) => Ok(Self::Postgres(PostgresPlace::of(name, postgres))),
            (None, None, Some(keycloak)) => Ok(Self::Keycloak(KeycloakPlace::of(name, keycloak))),
            _ => Err(StoreError::Invalid(format!("IdentityStore {name:?} names more than one backend"))),
        }
    }

    /// The file of an embedded store.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::Sqlite(path) => Some(path),
            Self::Postgres(_) | Self::Keycloak(_) => None,
        }
    }

    fn sqlite(sqlite: &SqliteBackend, directory: &Path) -> Result<Self, StoreError> {
        if Path::new(&sqlite.file).file_name() != Some(sqlite.file.as_ref()) {
            return Err(StoreError::Invalid(format!("spec.sqlite.file: {:?} is no plain file name", sqlite.file)));
        }
        Ok(Self::Sqlite(directory.join(&sqlite.file)))
    }

    /// Opens it, with its secrets as they are now; an embedded store is made if it is not there.
    ///
    /// # Errors
    /// As the backend's, and those of reading its secrets.
    pub async fn open(&self, secrets: &dyn Secrets) -> Result<Arc<dyn Store>, StoreError> {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(path) => Ok(Arc::new(super::sqlite::SqliteStore::open(path).await?)),
            #[cfg(not(feature = "sqlite"))]
            Self::Sqlite(_) => Err(StoreError::Invalid("this build has no SQLite store".to_owned())),
            #[cfg(feature = "postgres")]
            Self::Postgres(place) => Ok(Arc::new(super::postgres::PostgresStore::open(place, secrets).await?)),
            #[cfg(not(feature = "postgres"))]
            Self::Postgres(_) => {
                let _ = secrets;
                Err(StoreError::Invalid("this build has no PostgreSQL store".to_owned()))
            }
            #[cfg(feature = "keycloak")]
            Self::Keycloak(place) => Ok(Arc::new(super::keycloak::KeycloakStore::open(place, secrets).await?)),
            #[cfg(not(feature = "keycloak"))]
            Self::Keycloak(_) => {
                let _ = secrets;
                Err(StoreError::Invalid("this build has no Keycloak store".to_owned()))
            }
        }
    }
}

impl Place {
    /// Opens it to look: nothing is made or changed. `None` where nothing is there.
    ///
    /// # Errors
    /// As the backend's, and those of reading its secrets.
    pub async fn open_if_there(&self, secrets: &dyn Secrets) -> Result<Option<Arc<dyn Store>>, StoreError> {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(path) => {
                let store = super::sqlite::SqliteStore::open_to_read(path).await?;
                Ok(store.map(|store| Arc::new(store) as Arc<dyn Store>))
            }
            #[cfg(not(feature = "sqlite"))]
            Self::Sqlite(_) => Err(StoreError::Invalid("this build has no SQLite store".to_owned())),
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
            // Says what this build does not have.
            #[cfg(not(all(feature = "sqlite", feature = "postgres", feature = "keycloak")))]
            _ => self.open(secrets).await.map(Some),
        }
    }

    /// What an `IdentityStore` at this place says of it; a connection string stays out of it, and only its Secret is named.
    #[must_use]
    pub fn spec(&self) -> IdentityStoreSpec {
        let key = |secret: &SecretRef| SecretKeyRef { name: secret.name.to_string(), key: secret.key.to_string() };
        let mut spec = IdentityStoreSpec::default();
        match self {
            Self::Sqlite(path) => {
                let file = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
                spec.sqlite = Some(SqliteBackend { file });
            }
            Self::Postgres(place) => {
                let connection_secret_ref = match &place.connection {
                    Connection::Secret(secret) => key(secret),
                    Connection::Given(_) => SecretKeyRef { name: "roster-postgres".to_owned(), key: "uri".to_owned() },
                };
                let ca_secret_ref = place.ca.as_ref().map(key);
                spec.postgres =
                    Some(PostgresBackend { connection_secret_ref, schema: place.schema.clone(), ca_secret_ref });
            }
            Self::Keycloak(place) => {
                spec.keycloak = Some(KeycloakBackend {
                    url: place.url.clone(),
                    realm: place.realm.clone(),
                    client_id: place.client_id.clone(),
                    client_secret_ref: match &place.client_secret {
                        Connection::Secret(secret) => key(secret),
                        Connection::Given(_) => {
                            SecretKeyRef { name: "roster-keycloak".to_owned(), key: "client-secret".to_owned() }
                        }
                    },
                    ca_secret_ref: place.ca.as_ref().map(key),
                    portal_clients: place.portals.clone(),
                    client_id_prefix: place.prefix.clone(),
                });
            }
        }
        spec
    }

    /// Checks the audit of an SQL store, from its first record to its last; also while the controller runs.
    ///
    /// # Errors
    /// When it cannot be read, or has no audit of its own. What is wrong with the audit itself is in the report.
    #[cfg(any(feature = "sqlite", feature = "postgres"))]
    pub async fn verify_audit(&self, secrets: &dyn Secrets) -> Result<super::AuditReport, StoreError> {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite(path) => super::sqlite::verify_audit(path).await,
            #[cfg(feature = "postgres")]
            Self::Postgres(place) => super::postgres::verify_audit(place, secrets).await,
            _ => {
                let _ = secrets;
                Err(StoreError::Invalid(format!("{self} keeps no audit that can be checked")))
            }
        }
    }
}

impl PostgresPlace {
    fn of(store: &str, spec: &PostgresBackend) -> Self {
        Self {
            connection: Connection::Secret(SecretRef::new(store, &spec.connection_secret_ref)),
            schema: spec.schema.clone(),
            ca: spec.ca_secret_ref.as_ref().map(|named| SecretRef::new(store, named)),
        }
    }
}

impl Connection {
    /// What it is now.
    ///
    /// # Errors
    /// Those of reading a Secret.
    pub async fn read(&self, secrets: &dyn Secrets) -> Result<secrecy::SecretString, StoreError> {
        match self {
            Self::Secret(secret) => secrets.read(secret).await,
            Self::Given(given) => Ok(given.secret().clone()),
        }
    }
}

impl SecretRef {
    /// What it is now.
    ///
    /// # Errors
    /// As [`Secrets::read`].
    pub async fn read(&self, secrets: &dyn Secrets) -> Result<secrecy::SecretString, StoreError> {
        secrets.read(self).await
    }
}

impl KeycloakPlace {
    /// What it is called in errors.
    #[must_use]
    pub fn said(&self) -> String {
        format!("Keycloak {}, realm {}", self.url, self.realm)
    }

    fn of(store: &str, spec: &KeycloakBackend) -> Self {
        Self {
            url: spec.url.clone(),
            realm: spec.realm.clone(),
            client_id: spec.client_id.clone(),
            client_secret: Connection::Secret(SecretRef::new(store, &spec.client_secret_ref)),
            ca: spec.ca_secret_ref.as_ref().map(|named| SecretRef::new(store, named)),
            portals: spec.portal_clients.clone(),
            prefix: spec.client_id_prefix.clone(),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "{}", path.display()),
            Self::Postgres(PostgresPlace { connection: Connection::Secret(secret), schema, .. }) => {
                write!(f, "PostgreSQL ({secret}), schema {schema}")
            }
            Self::Postgres(PostgresPlace { schema, .. }) => write!(f, "PostgreSQL, schema {schema}"),
            Self::Keycloak(place) => f.write_str(&place.said()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_one_backend_is_a_place() {
        let folder = Path::new("/stores");
        let sqlite = IdentityStoreSpec { sqlite: Some(SqliteBackend { file: "a.db".into() }), ..Default::default() };
        assert_eq!(Place::of("main", &sqlite, folder).unwrap(), Place::Sqlite("/stores/a.db".into()));
        let both = IdentityStoreSpec { postgres: Some(PostgresBackend::default()), ..sqlite.clone() };
        let outside = IdentityStoreSpec { sqlite: Some(SqliteBackend { file: "../a".into() }), ..Default::default() };
        for (spec, why) in [
            (IdentityStoreSpec::default(), "names no backend"),
            (both, "more than one backend"),
            (outside, "no plain file name"),
        ] {
            let refused = Place::of("main", &spec, folder).unwrap_err();
            assert!(matches!(&refused, StoreError::Invalid(said) if said.contains(why)), "{refused}");
        }
    }

    /// Two stores that name one Secret are two places: it carries the name of only one of them.
    #[test]
    fn a_secret_is_one_stores() {
        let spec = IdentityStoreSpec {
            postgres: Some(PostgresBackend {
                connection_secret_ref: SecretKeyRef { name: "pg".into(), key: "uri".into() },
                schema: "roster".into(),
                ca_secret_ref: None,
            }),
            ..Default::default()
        };
        let [a, b] = ["a", "b"].map(|store| Place::of(store, &spec, Path::new("/")).unwrap());
        assert_ne!(a, b);
        assert_eq!(a.to_string(), "PostgreSQL (Secret pg, key uri), schema roster");
    }
}
