//! Locations of stores. Used by the controller and by all commands that read or write a store.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use super::{RedactedSecret, SecretRef, Secrets, StoreError};
use crate::api::{IdentityStoreSpec, KeycloakBackend, PostgresBackend, SecretKeyRef, SqliteBackend};

/// Location of a store.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StoreLocation {
    /// Path of an SQLite file.
    Sqlite(PathBuf),
    /// Schema of a PostgreSQL database.
    Postgres(PostgresLocation),
    /// Realm of a Keycloak.
    Keycloak(KeycloakLocation),
}

impl StoreLocation {
    /// Returns the number of changes that the store makes in a moment, for which a revocation may wait: a database in
    /// one transaction, Keycloak with several requests for each change.
    #[must_use]
    pub const fn slice(&self) -> usize {
        match self {
            Self::Sqlite(_) | Self::Postgres(_) => 250,
            Self::Keycloak(_) => 100,
        }
    }
}

/// Location of a PostgreSQL store: a schema of a database.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PostgresLocation {
    /// Connection string.
    pub connection: Connection,
    /// Name of the schema.
    pub schema: String,
    /// CA certificates, one of which must have signed the server's.
    pub ca: Option<SecretRef>,
}

/// Source of a connection string or a password.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Connection {
    /// Value in a Secret.
    Secret(SecretRef),
    /// Value from the command line or the environment of a command.
    Inline(RedactedSecret),
}

/// Location of a Keycloak store: a realm.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeycloakLocation {
    /// Base URL of Keycloak.
    pub url: String,
    /// Name of the realm.
    pub realm: String,
    /// Client id with which Roster logs in.
    pub client_id: String,
    /// Secret of that client.
    pub client_secret: Connection,
    /// CA certificates, one of which must have signed the server's.
    pub ca: Option<SecretRef>,
    /// Client ids of the portals.
    pub portals: Vec<String>,
    /// Prefix of the accounts' client ids, organizations and groups.
    pub prefix: String,
}

impl StoreLocation {
    /// Returns the location in an `IdentityStore` spec. Files of embedded stores are in `sqlite_dir`.
    ///
    /// # Errors
    /// `Invalid` when the spec names no backend or several, or when the file is not just a name: a path to another
    /// folder must never be opened, even if the schema let it pass.
    pub fn of(name: &str, spec: &IdentityStoreSpec, sqlite_dir: &Path) -> Result<Self, StoreError> {
        match (&spec.sqlite, &spec.postgres, &spec.keycloak) {
            (None, None, None) => Err(StoreError::Invalid(format!("IdentityStore {name:?} has no backend"))),
            (Some(sqlite), None, None) => Self::sqlite(sqlite, sqlite_dir),
            (None, Some(postgres), None) => Ok(Self::Postgres(PostgresLocation::of(name, postgres))),
            (None, None, Some(keycloak)) => Ok(Self::Keycloak(KeycloakLocation::of(name, keycloak))),
            _ => Err(StoreError::Invalid(format!("IdentityStore {name:?} has more than one backend"))),
        }
    }

    /// Returns the file of an embedded store; `None` for other stores.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::Sqlite(path) => Some(path),
            Self::Postgres(_) | Self::Keycloak(_) => None,
        }
    }

    fn sqlite(sqlite: &SqliteBackend, directory: &Path) -> Result<Self, StoreError> {
        if Path::new(&sqlite.file).file_name() != Some(sqlite.file.as_ref()) {
            return Err(StoreError::Invalid(format!(
                "spec.sqlite.file must be a plain file name, not {:?}",
                sqlite.file
            )));
        }
        Ok(Self::Sqlite(directory.join(&sqlite.file)))
    }

    /// Returns the `IdentityStore` spec of this location. It names the Secret of a connection string, and never
    /// contains the string.
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
                    Connection::Inline(_) => SecretKeyRef { name: "roster-postgres".to_owned(), key: "uri".to_owned() },
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
                        Connection::Inline(_) => {
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
}

impl PostgresLocation {
    fn of(store: &str, spec: &PostgresBackend) -> Self {
        Self {
            connection: Connection::Secret(SecretRef::new(store, &spec.connection_secret_ref)),
            schema: spec.schema.clone(),
            ca: spec.ca_secret_ref.as_ref().map(|named| SecretRef::new(store, named)),
        }
    }
}

impl Connection {
    /// Reads the current value.
    ///
    /// # Errors
    /// Those of reading a Secret.
    pub async fn read(&self, secrets: &dyn Secrets) -> Result<secrecy::SecretString, StoreError> {
        match self {
            Self::Secret(secret) => secrets.read(secret).await,
            Self::Inline(given) => Ok(given.secret().clone()),
        }
    }
}

impl SecretRef {
    /// Reads the current value.
    ///
    /// # Errors
    /// As [`Secrets::read`].
    pub async fn read(&self, secrets: &dyn Secrets) -> Result<secrecy::SecretString, StoreError> {
        secrets.read(self).await
    }
}

impl KeycloakLocation {
    /// Returns the name of the store in errors.
    #[must_use]
    pub fn describe(&self) -> String {
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

impl fmt::Display for StoreLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "{}", path.display()),
            Self::Postgres(PostgresLocation { connection: Connection::Secret(secret), schema, .. }) => {
                write!(f, "PostgreSQL ({secret}), schema {schema}")
            }
            Self::Postgres(PostgresLocation { schema, .. }) => write!(f, "PostgreSQL, schema {schema}"),
            Self::Keycloak(place) => f.write_str(&place.describe()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_has_exactly_one_backend() {
        let folder = Path::new("/stores");
        let sqlite = IdentityStoreSpec { sqlite: Some(SqliteBackend { file: "a.db".into() }), ..Default::default() };
        assert_eq!(StoreLocation::of("main", &sqlite, folder).unwrap(), StoreLocation::Sqlite("/stores/a.db".into()));
        let both = IdentityStoreSpec { postgres: Some(PostgresBackend::default()), ..sqlite.clone() };
        let outside = IdentityStoreSpec { sqlite: Some(SqliteBackend { file: "../a".into() }), ..Default::default() };
        for (spec, why) in [
            (IdentityStoreSpec::default(), "has no backend"),
            (both, "more than one backend"),
            (outside, "must be a plain file name"),
        ] {
            let refused = StoreLocation::of("main", &spec, folder).unwrap_err();
            assert!(matches!(&refused, StoreError::Invalid(message) if message.contains(why)), "{refused}");
        }
    }

    /// Two stores that name one Secret have different locations: the Secret carries the name of only one of them.
    #[test]
    fn a_secret_belongs_to_one_store() {
        let spec = IdentityStoreSpec {
            postgres: Some(PostgresBackend {
                connection_secret_ref: SecretKeyRef { name: "pg".into(), key: "uri".into() },
                schema: "roster".into(),
                ca_secret_ref: None,
            }),
            ..Default::default()
        };
        let [a, b] = ["a", "b"].map(|store| StoreLocation::of(store, &spec, Path::new("/")).unwrap());
        assert_ne!(a, b);
        assert_eq!(a.to_string(), "PostgreSQL (Secret pg, key uri), schema roster");
    }
}
