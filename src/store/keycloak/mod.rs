//! Keycloak 26 as a store (docs/architecture.md "The store contract"; docs/stores/keycloak.md; docs/decisions/0019).
//! Opened by `store::StoreLocation`; used by the controller and the command line through the trait `Store`.
//!
//! An account is an organization and a client. Members' permissions are that client's roles, assigned directly, so that
//! a token requested with the account's scope contains exactly the engine's result in
//! `resource_access.<account>.roles`. Marks, and content that Keycloak has no field for, are kept in attributes.
//! Attributes never grant access: only the roles do. The identity of a user is kept in an attribute under a seal
//! ([`seal`]).

mod access;
mod account;
mod apply;
mod find;
mod handed_on;
mod identity;
mod keeper;
mod known;
mod levels;
mod names;
mod note;
mod open;
mod people;
mod person;
mod read_scope;
mod realm;
mod seal;
mod sealed;
mod snapshot;
mod spelling;
mod watch;
mod wire;

use std::time::Duration;

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt, stream, stream::BoxStream};
use jiff::Timestamp;

use self::{read_scope::ReadScope, realm::Realm, snapshot::mark_of, wire::CONCURRENCY};
use super::{Batch, Capabilities, Claim, Outcome, Store, StoreError, Totals};
use crate::{
    model::{AccountKey, Email, FieldPath, FindingKind, Name, Scope},
    plan::{Mark, Observed},
};

/// Store in a realm of a Keycloak.
pub struct KeycloakStore {
    realm: std::sync::Arc<Realm>,
    facts: Facts,
    advice: Vec<(FieldPath, FindingKind)>,
    /// Whether the store was opened read-only: applying is refused.
    read_only: bool,
}

/// Properties of the realm.
#[derive(Clone, Copy, Debug)]
struct Facts {
    /// Whether the realm records changes by administrators, and Roster may read them.
    events: bool,
    /// Lifetime of access tokens.
    token_lifetime: Duration,
}

#[async_trait]
impl Store for KeycloakStore {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            transactions: false,
            fencing: false,
            time_windows: false,
            audit: false,
            notifications: self.facts.events,
        }
    }

    fn revocation_delay(&self) -> Duration {
        self.facts.token_lifetime
    }

    fn advice(&self) -> Vec<(FieldPath, FindingKind)> {
        self.advice.clone()
    }

    async fn accounts(&self) -> Result<Vec<Mark>, StoreError> {
        let organizations = self.realm.organizations().await?;
        let marks = organizations.iter().filter_map(|organization| {
            let account = self.realm.prefix.account(organization.name.as_deref()?)?;
            mark_of(organization.attributes.as_ref(), &account)
        });
        let mut marks: Vec<Mark> = marks.collect();
        marks.sort();
        Ok(marks)
    }

    async fn keys(&self) -> Result<Vec<AccountKey>, StoreError> {
        let organizations = self.realm.organizations().await?;
        let names = organizations.iter().filter_map(|organization| organization.name.as_deref());
        let mut keys: Vec<AccountKey> = names.filter_map(|name| self.realm.prefix.account(name)).collect();
        keys.sort();
        Ok(keys)
    }

    async fn totals(&self) -> Result<Totals, StoreError> {
        let organizations = self.realm.organizations().await?;
        let ids: Vec<String> = organizations
            .into_iter()
            .filter(|one| one.name.as_deref().and_then(|name| self.realm.prefix.account(name)).is_some())
            .filter_map(|organization| organization.id)
            .collect();
        let accounts = ids.len() as u64;
        let counts = stream::iter(ids).map(|id| async move { self.realm.member_count(&id).await });
        let counts: Vec<u64> = counts.buffer_unordered(CONCURRENCY).try_collect().await?;
        Ok(Totals { accounts, members: counts.iter().sum() })
    }

    async fn id(&self) -> Result<Option<Name>, StoreError> {
        self.realm.still_the_same().await?;
        Ok(self.realm.store_id())
    }

    async fn observe(&self, account: &AccountKey, scope: &Scope, since: Timestamp) -> Result<Observed, StoreError> {
        let snapshot = self.realm.read_account(account, &ReadScope::scope(scope)).await?;
        let mut observed = snapshot.observed;
        observed.recent_removals = snapshot.removals.recent(since);
        Ok(observed)
    }

    async fn with_access(&self, who: &[Email], _: Timestamp) -> Result<Vec<(AccountKey, Email)>, StoreError> {
        self.realm.with_access(who).await
    }

    async fn apply(&self, batch: &Batch<'_>, _: Claim) -> Vec<Outcome> {
        if self.read_only {
            let denied = StoreError::Denied(format!("{}: the store was opened read-only", self.realm.wire.location));
            return batch.refused(&denied);
        }
        apply::apply(&self.realm, batch).await
    }

    async fn watch(&self) -> Result<Option<BoxStream<'static, AccountKey>>, StoreError> {
        if !self.facts.events {
            return Ok(None);
        }
        Ok(Some(watch::watch(self.realm.clone()).await?))
    }
}
