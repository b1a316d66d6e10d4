//! Sends requests to Keycloak's admin API: renews the token, limits concurrency and time, reads pages, and retries
//! where that may help. Called by the other modules of this store.

use std::{
    collections::HashSet,
    error::Error as _,
    fmt::Write as _,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use keycloak::{
    KeycloakAdmin, KeycloakError, KeycloakServiceAccountAdminTokenRetriever as Retriever, KeycloakTokenSupplier,
    types::{MemberRepresentation, UserRepresentation},
};
use serde_json::Value;
use tokio::sync::{Mutex, Semaphore};

use crate::store::StoreError;

/// Largest number of concurrent requests.
pub(super) const CONCURRENCY: usize = 16;
/// Timeout of a request. Shorter than the time that a leader leaves its successor (`control::leases::LeaseTiming`), so
/// that no write of a former leader comes late.
pub(super) const TIMEOUT: Duration = Duration::from_secs(4);
/// Timeout of list requests: a late one does no harm, and a page is much work.
pub(super) const LISTING: Duration = Duration::from_secs(20);
/// Entries per page.
const PAGE: i32 = 100;
/// Pauses before retries.
const PAUSES: [Duration; 3] = [Duration::from_millis(50), Duration::from_millis(200), Duration::from_millis(600)];
/// Time before its expiry at which a token is renewed.
const SLACK: Duration = Duration::from_secs(10);

/// Connection to the realm.
pub(super) struct Wire {
    pub(super) admin: KeycloakAdmin<Shared>,
    /// Client for list requests, with their timeout.
    pub(super) lists: KeycloakAdmin<Shared>,
    pub(super) realm: String,
    tokens: Shared,
    url: String,
    permits: Semaphore,
    /// Name of the store in errors.
    pub(super) location: String,
}

impl Wire {
    pub(super) fn new(url: &str, realm: &str, tokens: Tokens, clients: [reqwest::Client; 2], location: String) -> Self {
        let [client, lists] = clients;
        let tokens = Shared(Arc::new(tokens));
        Self {
            admin: KeycloakAdmin::new(url, tokens.clone(), client),
            lists: KeycloakAdmin::new(url, tokens.clone(), lists),
            realm: realm.to_owned(),
            tokens,
            url: url.to_owned(),
            permits: Semaphore::new(CONCURRENCY),
            location,
        }
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) const fn tokens(&self) -> &Shared {
        &self.tokens
    }

    /// Returns the id of our own user, as it appears in events of our changes.
    pub(super) async fn user(&self) -> Option<String> {
        let token = self.tokens.get(&self.url).await.ok()?;
        claims(&token).get("sub")?.as_str().map(str::to_owned)
    }

    /// Sends a request, with retries.
    pub(super) async fn call<T, F>(&self, doing: &str, request: impl FnMut() -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, KeycloakError>>,
    {
        self.attempt(request).await.map_err(|error| self.failed(doing, &error))
    }

    /// Like [`Self::call`], but returns `None` if the object does not exist.
    pub(super) async fn find<T, F>(&self, doing: &str, request: impl FnMut() -> F) -> Result<Option<T>, StoreError>
    where
        F: Future<Output = Result<T, KeycloakError>>,
    {
        match self.attempt(request).await {
            Ok(found) => Ok(Some(found)),
            Err(error) if missing(&error) == Some(Missing::Object) => Ok(None),
            Err(error) => Err(self.failed(doing, &error)),
        }
    }

    /// Creates something; `None` if the name is already taken.
    pub(super) async fn create<T, F>(
        &self,
        doing: &str,
        mut request: impl FnMut() -> F,
    ) -> Result<Option<T>, StoreError>
    where
        F: Future<Output = Result<T, KeycloakError>>,
    {
        let made = self.attempt_with(&mut request, |error| status(error) != Some(409) && may_heal(error)).await;
        match made {
            Ok(made) => Ok(Some(made)),
            Err(error) if status(&error) == Some(409) => Ok(None),
            Err(error) => Err(self.failed(doing, &error)),
        }
    }

    /// Reads all pages of a list.
    pub(super) async fn pages<T, F>(&self, doing: &str, page: impl FnMut(i32, i32) -> F) -> Result<Vec<T>, StoreError>
    where
        F: Future<Output = Result<Vec<T>, KeycloakError>>,
    {
        let is_last = |found: usize| found < usize::try_from(PAGE).unwrap_or(0);
        self.gather(page, is_last).await.map_err(|error| self.failed(doing, &error))
    }

    /// Like [`Self::pages`], but returns an empty list if the object does not exist.
    pub(super) async fn pages_if_there<T, F>(
        &self,
        doing: &str,
        page: impl FnMut(i32, i32) -> F,
    ) -> Result<Vec<T>, StoreError>
    where
        F: Future<Output = Result<Vec<T>, KeycloakError>>,
    {
        let is_last = |found: usize| found < usize::try_from(PAGE).unwrap_or(0);
        self.none_if_gone(doing, self.gather(page, is_last).await)
    }

    /// Reads all pages of a list of users. Continues until a page is empty: Keycloak drops users unknown to a
    /// federation after it has cut the page, so a page that is not full need not be the last. Each page begins after
    /// the users received so far, so that nobody is skipped, and duplicates are dropped.
    pub(super) async fn users<T, F>(&self, doing: &str, page: impl FnMut(i32, i32) -> F) -> Result<Vec<T>, StoreError>
    where
        T: HasId,
        F: Future<Output = Result<Vec<T>, KeycloakError>>,
    {
        let found = self.gather(page, |found| found == 0).await;
        found.map(once_each).map_err(|error| self.failed(doing, &error))
    }

    /// Like [`Self::users`], but returns an empty list if the object does not exist.
    pub(super) async fn users_if_there<T, F>(
        &self,
        doing: &str,
        page: impl FnMut(i32, i32) -> F,
    ) -> Result<Vec<T>, StoreError>
    where
        T: HasId,
        F: Future<Output = Result<Vec<T>, KeycloakError>>,
    {
        self.none_if_gone(doing, self.gather(page, |found| found == 0).await.map(once_each))
    }

    fn none_if_gone<T>(&self, doing: &str, found: Result<Vec<T>, KeycloakError>) -> Result<Vec<T>, StoreError> {
        match found {
            Err(error) if missing(&error) == Some(Missing::Object) => Ok(Vec::new()),
            found => found.map_err(|error| self.failed(doing, &error)),
        }
    }

    async fn gather<T, F>(
        &self,
        mut page: impl FnMut(i32, i32) -> F,
        is_last: impl Fn(usize) -> bool,
    ) -> Result<Vec<T>, KeycloakError>
    where
        F: Future<Output = Result<Vec<T>, KeycloakError>>,
    {
        let mut all = Vec::new();
        loop {
            let first = i32::try_from(all.len()).unwrap_or(i32::MAX);
            let found = self.attempt(|| page(first, PAGE)).await?;
            let last = is_last(found.len());
            all.extend(found);
            if last {
                return Ok(all);
            }
        }
    }

    pub(super) async fn attempt<T, F>(&self, mut request: impl FnMut() -> F) -> Result<T, KeycloakError>
    where
        F: Future<Output = Result<T, KeycloakError>>,
    {
        self.attempt_with(&mut request, may_heal).await
    }

    async fn attempt_with<T, F>(
        &self,
        request: &mut impl FnMut() -> F,
        again: impl Fn(&KeycloakError) -> bool,
    ) -> Result<T, KeycloakError>
    where
        F: Future<Output = Result<T, KeycloakError>>,
    {
        for pause in PAUSES {
            match self.once(request()).await {
                Err(error) if status(&error) == Some(401) => self.tokens.0.forget().await,
                Err(error) if again(&error) => {}
                result => return result,
            }
            tokio::time::sleep(pause).await;
        }
        self.once(request()).await
    }

    async fn once<T>(&self, request: impl Future<Output = Result<T, KeycloakError>>) -> Result<T, KeycloakError> {
        // The semaphore is never closed. Without a permit only the limit would be lost.
        let permit = self.permits.acquire().await;
        let result = request.await;
        drop(permit);
        result
    }

    /// Converts an error of Keycloak.
    pub(super) fn failed(&self, doing: &str, error: &KeycloakError) -> StoreError {
        classify(&format!("{}: {doing}", self.location), error)
    }
}

/// User-like item with an id.
pub(super) trait HasId {
    fn id(&self) -> Option<&str>;
}

impl HasId for UserRepresentation {
    fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }
}

impl HasId for MemberRepresentation {
    fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }
}

fn once_each<T: HasId>(mut users: Vec<T>) -> Vec<T> {
    let mut seen = HashSet::new();
    users.retain(|user| user.id().is_none_or(|id| seen.insert(id.to_owned())));
    users
}

/// Returns the claims of a token of the realm; null if it is not a JWT.
pub(super) fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).and_then(|payload| BASE64_URL_SAFE_NO_PAD.decode(payload).ok());
    payload.and_then(|payload| serde_json::from_slice(&payload).ok()).unwrap_or_default()
}

/// Returns the HTTP status of a response; `None` if there was no response.
pub(super) fn status(error: &KeycloakError) -> Option<u16> {
    match error {
        KeycloakError::HttpFailure { status, .. } => Some(*status),
        KeycloakError::ReqwestFailure(_) => None,
    }
}

/// Meaning of a 404 response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Missing {
    /// The requested object is missing.
    Object,
    /// The realm, or organizations in it, are missing: nothing follows about the object.
    Realm,
    /// Keycloak is missing: a proxy in front of it responded.
    Keycloak,
}

fn missing(error: &KeycloakError) -> Option<Missing> {
    let KeycloakError::HttpFailure { status: 404, body, text } = error else { return None };
    Some(match body {
        _ if ["Realm not found", "Realm does not exist", "not enabled"].iter().any(|part| text.contains(part)) => {
            Missing::Realm
        }
        Some(body) if body.error.is_some() || body.error_message.is_some() => Missing::Object,
        _ => Missing::Keycloak,
    })
}

/// Returns whether the same request may succeed a little later: concurrent changes, or a server that is starting.
fn may_heal(error: &KeycloakError) -> bool {
    match error {
        KeycloakError::HttpFailure { status, .. } => matches!(status, 409 | 429 | 500..),
        // A refused connection fails at once. A request that timed out is not repeated.
        KeycloakError::ReqwestFailure(error) => !error.is_connect() && !error.is_timeout() && !error.is_builder(),
    }
}

/// Returns the class of an error, with `context` before Keycloak's own message.
pub(super) fn classify(context: &str, error: &KeycloakError) -> StoreError {
    let message = format!("{context}: {}", words(error));
    match error {
        KeycloakError::ReqwestFailure(_) => StoreError::Unavailable(message),
        KeycloakError::HttpFailure { status, body, .. } => {
            let code = body.as_ref().and_then(|body| body.error.as_deref()).unwrap_or_default();
            match (status, code) {
                (_, "invalid_client" | "unauthorized_client") | (401 | 403, _) => StoreError::Denied(message),
                (404, _) => match missing(error) {
                    // The realm may come back as another one, so the store must be opened again.
                    Some(Missing::Realm) => StoreError::Unavailable(message),
                    Some(Missing::Object) => StoreError::Conflict(message),
                    Some(Missing::Keycloak) | None => StoreError::Unavailable(message),
                },
                (409, _) => StoreError::Conflict(message),
                (400..=499, _) if *status != 429 => StoreError::Invalid(message),
                _ => StoreError::Unavailable(message),
            }
        }
    }
}

/// Returns the message of Keycloak or the network in one line.
pub(super) fn words(error: &KeycloakError) -> String {
    match error {
        KeycloakError::ReqwestFailure(error) => {
            // The URL of the request may contain addresses of people.
            let mut text = without_url(&error.to_string());
            let mut cause = error.source();
            while let Some(error) = cause {
                let _ = write!(text, ": {error}");
                cause = error.source();
            }
            text
        }
        KeycloakError::HttpFailure { status, body, text } => {
            let message = body.as_ref().and_then(|body| {
                body.error_description.clone().or_else(|| body.error_message.clone()).or_else(|| body.error.clone())
            });
            let message = message.unwrap_or_else(|| text.chars().take(200).collect());
            format!("it responded {status} {message}")
        }
    }
}

/// Returns the message of an error without the URL of its request.
fn without_url(text: &str) -> String {
    match text.split_once(" for url (") {
        Some((before, url)) => format!("{before}{}", url.split_once(')').map_or("", |(_, after)| after)),
        None => text.to_owned(),
    }
}

/// Token of the service account, renewed before it expires.
pub(super) struct Tokens {
    retriever: Retriever,
    current: Mutex<Option<(String, Instant)>>,
}

impl Tokens {
    pub(super) fn new(retriever: Retriever) -> Self {
        Self { retriever, current: Mutex::new(None) }
    }

    async fn forget(&self) {
        *self.current.lock().await = None;
    }
}

/// Token shared by all requests.
#[derive(Clone)]
pub(super) struct Shared(Arc<Tokens>);

#[async_trait]
impl KeycloakTokenSupplier for Shared {
    async fn get(&self, url: &str) -> Result<String, KeycloakError> {
        let mut current = self.0.current.lock().await;
        if let Some((token, until)) = current.as_ref()
            && Instant::now() < *until
        {
            return Ok(token.clone());
        }
        let asked = Instant::now();
        let token = self.0.retriever.acquire(url).await?;
        let lasts = Duration::from_secs(u64::try_from(token.expires_in()).unwrap_or(0));
        let text = token.access_token().to_owned();
        *current = Some((text.clone(), asked + lasts.saturating_sub(SLACK).max(lasts / 2)));
        Ok(text)
    }
}
