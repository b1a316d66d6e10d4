//! Reads the location of a store from a command-line argument. Called by the commands that take `--store`.

use std::path::Path;

use percent_encoding::percent_decode_str;
use url::Url;

use super::{Connection, KeycloakLocation, PostgresLocation, RedactedSecret, StoreLocation};
use crate::api::postgres_schema;

/// Environment variable with the client secret for `keycloak+https://…`. A command line cannot hold it, since every
/// user of the machine can read that.
pub const KEYCLOAK_SECRET: &str = "ROSTER_KEYCLOAK_CLIENT_SECRET";

/// Error for an argument that names no store.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("--store: {0}")]
pub struct ParseStoreUrlError(String);

impl StoreLocation {
    /// Parses a command-line argument: `postgres://…` (with `#schema` unless the schema is the default one),
    /// `keycloak+https://client@host/realms/realm`, or the path of an SQLite file.
    ///
    /// # Errors
    /// When the text begins like a Keycloak URL and is not a valid one, when its scheme is unknown, or when the secret
    /// is not in [`KEYCLOAK_SECRET`].
    pub fn from_argument(text: &Path) -> Result<Self, ParseStoreUrlError> {
        parse(text, |name| std::env::var(name).ok())
    }
}

fn parse(text: &Path, variable: impl Fn(&str) -> Option<String>) -> Result<StoreLocation, ParseStoreUrlError> {
    let Some(url) = text.to_str() else { return Ok(StoreLocation::Sqlite(text.to_owned())) };
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        return Ok(StoreLocation::Postgres(postgres(url)));
    }
    match url.strip_prefix("keycloak+") {
        Some(url) if url.contains("://") => {
            keycloak(url, variable).map(StoreLocation::Keycloak).map_err(ParseStoreUrlError)
        }
        // Nobody wants an SQLite file with such a name: treat it as a mistyped URL.
        _ if url.contains("://") => {
            let scheme = url.split("://").next().unwrap_or_default();
            Err(ParseStoreUrlError(format!(
                "unsupported store URL {scheme}://; pass postgres://…, keycloak+https://… or the path of a file"
            )))
        }
        _ => Ok(StoreLocation::Sqlite(text.to_owned())),
    }
}

fn postgres(url: &str) -> PostgresLocation {
    let (url, schema) = match url.split_once('#') {
        Some((url, schema)) => (url, schema.to_owned()),
        None => (url, postgres_schema()),
    };
    PostgresLocation { connection: Connection::Inline(RedactedSecret::new(url)), schema, ca: None }
}

/// Parses `https://client@host/realms/realm?portalClients=portal,desk&clientIdPrefix=prod.`
fn keycloak(text: &str, variable: impl Fn(&str) -> Option<String>) -> Result<KeycloakLocation, String> {
    const FORM: &str = "write keycloak+https://CLIENT@HOST/realms/REALM";
    let mut url = Url::parse(text).map_err(|error| format!("{error}; {FORM}"))?;
    // Errors never repeat the URL: it may hold a password.
    if url.password().is_some() {
        return Err(format!("the URL must not contain the secret; set it in {KEYCLOAK_SECRET}"));
    }
    let decoded = |text: &str| percent_decode_str(text).decode_utf8().map(String::from).map_err(|e| e.to_string());
    let client_id = decoded(url.username())?;
    if client_id.is_empty() {
        return Err(format!("the client id is missing; {FORM}"));
    }
    let (before, realm) = url.path().rsplit_once("/realms/").ok_or_else(|| format!("the realm is missing; {FORM}"))?;
    let (before, realm) = (before.to_owned(), decoded(realm.trim_end_matches('/'))?);
    if realm.is_empty() || realm.contains('/') {
        return Err(format!("{realm:?} is not a valid realm name; {FORM}"));
    }
    let (mut portals, mut prefix) = (Vec::new(), String::new());
    for (name, value) in url.query_pairs() {
        match name.as_ref() {
            "portalClients" => portals = value.split(',').filter(|one| !one.is_empty()).map(str::to_owned).collect(),
            "clientIdPrefix" => prefix = value.into_owned(),
            name => {
                return Err(format!("unknown parameter {name:?}; the parameters are portalClients and clientIdPrefix"));
            }
        }
    }
    let secret = variable(KEYCLOAK_SECRET).filter(|secret| !secret.is_empty());
    let secret = secret.ok_or_else(|| format!("set the secret of client {client_id:?} in {KEYCLOAK_SECRET}"))?;
    url.set_path(&before);
    url.set_query(None);
    url.set_fragment(None);
    url.set_username("").map_err(|()| format!("the host is missing; {FORM}"))?;
    Ok(KeycloakLocation {
        url: url.as_str().trim_end_matches('/').to_owned(),
        realm,
        client_id,
        client_secret: Connection::Inline(RedactedSecret::new(&secret)),
        ca: None,
        portals,
        prefix,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<StoreLocation, String> {
        let secret = |name: &str| (name == KEYCLOAK_SECRET).then(|| "hush".to_owned());
        super::parse(Path::new(text), secret).map_err(|error| error.to_string())
    }

    #[test]
    fn an_argument_is_a_file_or_a_database_and_a_password_is_never_shown() {
        for file in ["a.db", "keycloak+a.db", "./postgres:/x"] {
            assert_eq!(parse(file), Ok(StoreLocation::Sqlite(file.into())));
        }
        assert_eq!(parse("postgres://db/x#other").unwrap().to_string(), "PostgreSQL, schema other");
        for text in ["postgres://u:hush@db/x", "postgresql://db/x?password=hush"] {
            let place = parse(text).unwrap();
            assert!(matches!(place, StoreLocation::Postgres(_)) && place.file().is_none());
            let shown = format!("{place} {place:?}");
            assert!(!shown.contains("hush"), "{shown}");
            assert!(shown.starts_with("PostgreSQL, schema roster"), "{shown}");
        }
    }

    #[test]
    fn a_realm_of_a_keycloak_is_given_by_its_address() {
        let place = |url: &str, realm: &str, client: &str, portals: &[&str], prefix: &str| {
            Ok(StoreLocation::Keycloak(KeycloakLocation {
                url: url.into(),
                realm: realm.into(),
                client_id: client.into(),
                client_secret: Connection::Inline(RedactedSecret::new("hush")),
                ca: None,
                portals: portals.iter().map(|&one| one.into()).collect(),
                prefix: prefix.into(),
            }))
        };
        for (text, expected) in [
            ("keycloak+https://roster@id.example/realms/shop", place("https://id.example", "shop", "roster", &[], "")),
            (
                "keycloak+https://ops%2Froster@id.example:8443/auth/realms/a%20b/",
                place("https://id.example:8443/auth", "a b", "ops/roster", &[], ""),
            ),
            (
                "keycloak+http://roster@127.0.0.1:8080/realms/shop?portalClients=portal,desk&clientIdPrefix=prod.",
                place("http://127.0.0.1:8080", "shop", "roster", &["portal", "desk"], "prod."),
            ),
        ] {
            assert_eq!(parse(text), expected, "{text}");
            let shown = format!("{0} {0:?}", expected.unwrap());
            assert!(!shown.contains("hush"), "{shown}");
        }
    }

    #[test]
    fn an_invalid_keycloak_url_is_reported_without_its_password() {
        for (text, why) in [
            ("keycloak+https://roster:hush@id.example/realms/shop", "must not contain the secret"),
            ("keycloak+https://id.example/realms/shop", "the client id is missing"),
            ("keycloak+https://roster@id.example/shop", "the realm is missing"),
            ("keycloak+https://roster@id.example/realms/", "is not a valid realm name"),
            ("keycloak+https://roster@id.example/realms/a%2Fb", "is not a valid realm name"),
            ("keycloak+https://roster@id.example/realms/shop?portals=x", "unknown parameter \"portals\""),
            ("keycloak+https://", "keycloak+https://CLIENT@HOST/realms/REALM"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(why) && !error.contains("hush"), "{text}: {error}");
        }
        let text = Path::new("keycloak+https://roster@id.example/realms/shop");
        for unset in [None, Some(String::new())] {
            let error = super::parse(text, |_| unset.clone()).unwrap_err().to_string();
            assert!(error.contains("set the secret of client \"roster\" in ROSTER_KEYCLOAK_CLIENT_SECRET"), "{error}");
        }
    }
}
