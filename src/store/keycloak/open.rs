//! Opens the store: connects securely, logs in, and checks that Roster can work in the realm. Called by
//! `store::open`.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use keycloak::{
    KeycloakServiceAccountAdminTokenRetriever as Retriever, KeycloakTokenSupplier as _,
    types::{RealmRepresentation, UPAttribute, UPAttributePermissions, UPConfig, UnmanagedAttributePolicy},
};
use reqwest::dns::{Addrs, Name as HostName, Resolve, Resolving};
use rustls_pki_types::{CertificateDer, pem::PemObject as _};
use secrecy::ExposeSecret;
use serde_json::Value;
use tokio::sync::Mutex;
use url::{Host, Url};

use super::{
    Facts, KeycloakStore, keeper,
    known::KnownUsers,
    names::{ENTRIES, Prefix, USER_ATTRIBUTES},
    realm::Realm,
    wire::{self, LISTING, TIMEOUT, Tokens, Wire},
};
use crate::{
    model::{FieldPath, FindingKind},
    store::{KeycloakLocation, Secrets, StoreError},
};

/// Advice on the `IdentityStore`, by field.
type Advice = Vec<(FieldPath, FindingKind)>;

/// Timeout for connecting.
const CONNECT: Duration = Duration::from_secs(3);
/// Roles of `realm-management` that the service account must have. Only `manage-realm` allows managing organizations.
const NEEDED: [&str; 3] = ["manage-clients", "manage-realm", "manage-users"];
/// Role of `realm-management` for reading admin events, by which changes of others are seen at once.
const EVENTS: &str = "view-events";

impl KeycloakStore {
    /// Opens the store, reads its secrets, and declares Roster's attributes in the realm's user profile.
    ///
    /// # Errors
    /// `Unavailable` when Keycloak cannot be reached or verified, `Denied` when it refuses the client, its secret, or
    /// what the service account would have to do, `Invalid` when the location is not valid, there is no such realm, or
    /// it has no organizations. Each message contains the attempted action and the address.
    pub async fn open(place: &KeycloakLocation, secrets: &dyn Secrets) -> Result<Self, StoreError> {
        open(place, secrets).await
    }

    /// Opens the store read-only: nothing is declared, and applying is refused. Returns `None` if Roster never used the
    /// realm.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn open_to_read(place: &KeycloakLocation, secrets: &dyn Secrets) -> Result<Option<Self>, StoreError> {
        open_to_read(place, secrets).await
    }
}

async fn open(place: &KeycloakLocation, secrets: &dyn Secrets) -> Result<KeycloakStore, StoreError> {
    let (mut realm, facts, advice) = connect(place, secrets).await?;
    if let Some(profile) = undeclared(&realm).await? {
        let put = || realm.wire.admin.realm_users_profile_put(&realm.wire.realm, profile.clone());
        realm.wire.call("declaring Roster's attributes in the realm's user profile", put).await?;
    }
    if realm.seal.is_none() {
        realm.seal = Some(keeper::make(&realm).await?);
    }
    Ok(KeycloakStore { realm: Arc::new(realm), facts, advice, read_only: false })
}

async fn open_to_read(place: &KeycloakLocation, secrets: &dyn Secrets) -> Result<Option<KeycloakStore>, StoreError> {
    let (realm, facts, advice) = connect(place, secrets).await?;
    if undeclared(&realm).await?.is_some() {
        return Ok(None);
    }
    Ok(Some(KeycloakStore { realm: Arc::new(realm), facts, advice, read_only: true }))
}

async fn connect(place: &KeycloakLocation, secrets: &dyn Secrets) -> Result<(Realm, Facts, Advice), StoreError> {
    let location = place.describe();
    let url = valid_url(&place.url)?;
    if place.realm == "master" {
        return Err(StoreError::Invalid(format!(
            "{location}: the realm master administers all other realms; use another realm"
        )));
    }
    let [client, lists] = clients(place, &url, secrets, &location).await?;
    let secret = place.client_secret.read(secrets).await?;
    let retriever =
        Retriever::create_with_custom_realm(&place.client_id, secret.expose_secret(), &place.realm, client.clone());
    let wire =
        Wire::new(url.as_str().trim_end_matches('/'), &place.realm, Tokens::new(retriever), [client, lists], location);
    let held = log_in(&wire, place).await?;
    let representation = wire.call("reading the realm", || wire.admin.realm_get(&place.realm)).await?;
    has_organizations(&wire, &representation)?;
    let mut realm = Realm {
        wire,
        prefix: Prefix(place.prefix.clone()),
        portals: Vec::new(),
        default_role: representation.default_role.and_then(|role| role.name).unwrap_or_default(),
        management: String::new(),
        asked_for: Mutex::default(),
        checked: Mutex::new(Instant::now()),
        seal: None,
        known: KnownUsers::default(),
    };
    realm.seal = keeper::kept(&realm).await?;
    realm.management = match realm.client("realm-management").await?.and_then(|client| client.id) {
        Some(id) => id,
        None => {
            return Err(StoreError::Invalid(format!(
                "{}: the realm has no client realm-management",
                realm.wire.location
            )));
        }
    };
    let seconds = |number: Option<i32>| number.and_then(|seconds| u64::try_from(seconds).ok()).unwrap_or(0);
    let mut facts = Facts {
        events: representation.admin_events_enabled == Some(true) && held.iter().any(|role| role == EVENTS),
        token_lifetime: Duration::from_secs(seconds(representation.access_token_lifespan)),
    };
    // A misconfigured portal must not delay revocations: it is advice, not an error.
    let mut advice = Vec::new();
    for name in &place.portals {
        let Some(portal) = realm.client(name).await? else {
            let field = FieldPath::new("spec.keycloak.portalClients");
            advice.push((field, FindingKind::PortalClientMissing(name.into())));
            continue;
        };
        if portal.full_scope_allowed != Some(false) {
            advice.push((FieldPath::WHOLE, FindingKind::PortalClientUnscoped(name.into())));
        }
        let own = portal.attributes.as_ref().and_then(|all| all.get("access.token.lifespan"));
        let own = Duration::from_secs(seconds(own.and_then(|text| text.parse().ok())));
        facts.token_lifetime = facts.token_lifetime.max(own);
        realm.portals.extend(portal.id);
    }
    realm.portals.sort();
    Ok((realm, facts, advice))
}

/// Parses the URL of a Keycloak. Requires https except on this machine, and refuses link-local addresses, where no
/// Keycloak is.
fn valid_url(text: &str) -> Result<Url, StoreError> {
    let invalid = |why: &str| StoreError::Invalid(format!("Keycloak's url {text:?} {why}"));
    let url = Url::parse(text).map_err(|error| invalid(&format!("is not valid: {error}")))?;
    let local = match url.host() {
        Some(Host::Ipv4(ip)) if is_link_local(ip.into()) => return Err(invalid("is a link-local address")),
        Some(Host::Ipv6(ip)) if is_link_local(ip.into()) => return Err(invalid("is a link-local address")),
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => return Err(invalid("names no host")),
    };
    match url.scheme() {
        "https" => {}
        "http" if local => {}
        _ => return Err(invalid("must begin with https://; http:// is for this machine only")),
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
        return Err(invalid("must be without user, query and fragment"));
    }
    Ok(url)
}

/// Builds two HTTP clients: one for all requests, and one with a longer timeout for lists.
async fn clients(
    place: &KeycloakLocation,
    url: &Url,
    secrets: &dyn Secrets,
    location: &str,
) -> Result<[reqwest::Client; 2], StoreError> {
    let ca = match &place.ca {
        Some(ca) => Some(ca.read(secrets).await?),
        None => None,
    };
    let tls = tls(ca.as_ref().map(ExposeSecret::expose_secret), location)?;
    let client = |timeout| {
        let builder = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT)
            .timeout(timeout)
            .pool_max_idle_per_host(wire::CONCURRENCY)
            .https_only(url.scheme() == "https")
            .dns_resolver(Arc::new(NotLinkLocal))
            .user_agent(concat!("roster/", env!("CARGO_PKG_VERSION")))
            .tls_backend_preconfigured(tls.clone());
        builder.build().map_err(|error| StoreError::Invalid(format!("{location}: {error}")))
    };
    Ok([client(TIMEOUT)?, client(LISTING)?])
}

/// Builds a TLS configuration that verifies certificates: by the given authorities, or else by the system's.
fn tls(ca: Option<&str>, location: &str) -> Result<rustls::ClientConfig, StoreError> {
    let mut roots = rustls::RootCertStore::empty();
    match ca {
        Some(pem) => {
            for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
                let added = certificate.map_err(|error| error.to_string());
                let added = added.and_then(|one| roots.add(one).map_err(|error| error.to_string()));
                added.map_err(|error| {
                    StoreError::Invalid(format!("{location}: caSecretRef: not a valid certificate: {error}"))
                })?;
            }
            if roots.is_empty() {
                return Err(StoreError::Invalid(format!("{location}: caSecretRef contains no certificate")));
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| StoreError::Invalid(format!("{location}: {error}")))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// Resolver that drops link-local addresses: services there hand out secrets (cloud metadata).
struct NotLinkLocal;

impl Resolve for NotLinkLocal {
    fn resolve(&self, name: HostName) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let fine: Vec<SocketAddr> = found.filter(|address| !is_link_local(address.ip())).collect();
            if fine.is_empty() {
                return Err(format!("{} has only link-local addresses", name.as_str()).into());
            }
            Ok(Box::new(fine.into_iter()) as Addrs)
        })
    }
}

fn is_link_local(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

/// Logs the service account in. Returns its roles of `realm-management`.
///
/// # Errors
/// `Invalid` if the realm does not exist, `Denied` if a needed role is missing, or the error of the login.
async fn log_in(wire: &Wire, place: &KeycloakLocation) -> Result<Vec<String>, StoreError> {
    let token = match wire.attempt(|| wire.tokens().get(wire.url())).await {
        Ok(token) => token,
        Err(error) if wire::status(&error) == Some(404) => {
            return Err(StoreError::Invalid(format!(
                "{}: there is no realm {:?} ({})",
                wire.location,
                place.realm,
                wire::words(&error)
            )));
        }
        Err(error) => {
            let location = format!("{}: logging in as client {}", wire.location, place.client_id);
            return Err(wire::classify(&location, &error));
        }
    };
    let held = management_roles(&token);
    let missing: Vec<&str> = NEEDED.into_iter().filter(|needed| !held.iter().any(|role| role == needed)).collect();
    if missing.is_empty() {
        return Ok(held);
    }
    Err(StoreError::Denied(format!(
        "{}: the service account of client {} lacks {} of realm-management; assign it under Service account roles",
        wire.location,
        place.client_id,
        missing.join(", ")
    )))
}

/// Returns the roles of `realm-management` in an access token of the realm.
fn management_roles(token: &str) -> Vec<String> {
    let claims = wire::claims(token);
    let roles = claims.pointer("/resource_access/realm-management/roles").and_then(Value::as_array);
    roles.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn has_organizations(wire: &Wire, realm: &RealmRepresentation) -> Result<(), StoreError> {
    if realm.organizations_enabled == Some(true) {
        return Ok(());
    }
    Err(StoreError::Invalid(format!(
        "{}: organizations are off in realm {:?}; turn on Organizations in its settings",
        wire.location, wire.realm
    )))
}

/// Returns the realm's user profile with Roster's attributes added, or `None` if they are already declared as they must
/// be: for administrators only, since a user who could write them could impersonate another member.
///
/// # Errors
/// `Invalid` if users may write undeclared attributes and Roster's are not declared yet.
async fn undeclared(realm: &Realm) -> Result<Option<UPConfig>, StoreError> {
    let admin = &realm.wire.admin;
    let mut profile = realm
        .wire
        .call("reading the realm's user profile", || admin.realm_users_profile_get(&realm.wire.realm))
        .await?;
    let mut attributes = profile.attributes.take().unwrap_or_default();
    let mut changed = false;
    let declared_here = attributes.iter().any(|attribute| attribute.name.as_deref() == Some(ENTRIES));
    if !declared_here && matches!(profile.unmanaged_attribute_policy, Some(UnmanagedAttributePolicy::Enabled)) {
        return Err(StoreError::Invalid(format!(
            "{}: in realm {:?} users may write their own attributes, including Roster's; set Unmanaged attributes to \
             anything but Enabled in the realm's settings",
            realm.wire.location, realm.wire.realm
        )));
    }
    for name in USER_ATTRIBUTES {
        let wanted = declared(name);
        let fits = |there: &UPAttribute| {
            there.permissions == wanted.permissions
                && there.multivalued == wanted.multivalued
                && there.validations == wanted.validations
        };
        match attributes.iter_mut().find(|attribute| attribute.name.as_deref() == Some(name)) {
            Some(there) if fits(there) => {}
            Some(there) => {
                changed = true;
                *there = wanted;
            }
            None => {
                changed = true;
                attributes.push(wanted);
            }
        }
    }
    profile.attributes = Some(attributes);
    Ok(changed.then_some(profile))
}

fn declared(name: &str) -> UPAttribute {
    let administrators = || Some(vec!["admin".to_owned()]);
    UPAttribute {
        name: Some(name.to_owned()),
        display_name: Some(format!("Roster: {name}")),
        multivalued: Some(true),
        permissions: Some(UPAttributePermissions { edit: administrators(), view: administrators() }),
        // The default is 2,048 characters, which the entry of an account with many groups can exceed.
        validations: Some(HashMap::from([(
            "length".to_owned(),
            HashMap::from([("max".to_owned(), Value::from("100000"))]),
        )])),
        ..UPAttribute::default()
    }
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};

    use super::*;

    #[test]
    fn urls_are_safe_or_refused() {
        for fine in [
            "https://id.example",
            "https://id.example/auth",
            "http://127.0.0.1:8080",
            "http://localhost:1",
            "http://[::1]:2",
        ] {
            assert!(valid_url(fine).is_ok(), "{fine}");
        }
        for (bad, why) in [
            ("http://id.example", "https"),
            ("ftp://id.example", "https"),
            ("https://169.254.169.254", "link-local"),
            ("https://[fe80::1]", "link-local"),
            ("https://[::ffff:169.254.169.254]", "link-local"),
            ("https://u:p@id.example", "without user"),
            ("https://id.example?x", "without user"),
            ("id.example", "is not valid"),
        ] {
            let refused = valid_url(bad).unwrap_err();
            assert!(matches!(&refused, StoreError::Invalid(message) if message.contains(why)), "{bad}: {refused}");
        }
        assert!(is_link_local("::ffff:169.254.0.1".parse().unwrap()));
    }

    #[test]
    fn roles_are_read_from_a_token() {
        let payload =
            BASE64_URL_SAFE_NO_PAD.encode(r#"{"resource_access":{"realm-management":{"roles":["manage-users"]}}}"#);
        assert_eq!(management_roles(&format!("x.{payload}.y")), ["manage-users"]);
        for rubbish in ["", "a.b.c", "x.e30.y"] {
            assert!(management_roles(rubbish).is_empty());
        }
    }
}
