//! PostgreSQL as a store (docs/architecture.md "The store contract"; docs/stores/postgresql.md). Opened by
//! `store::StoreLocation`; used by the controller and the command line through the trait `Store`.
//!
//! A store is one schema of a database. All writers of Roster wait for each other, since the audit is one chain;
//! portals and other readers never wait. Changes by others are announced.

mod audit;
mod error;
mod open;
mod session;
mod statements;

use std::time::Duration;

use async_trait::async_trait;
use futures::{StreamExt, stream::BoxStream};
use jiff::Timestamp;
use sqlx::{Executor, PgPool, postgres::PgListener};

pub use audit::verify_audit;

use self::{error::classify, session::PostgresSession};
use super::{
    AuditQuery, AuditRecord, Batch, Capabilities, Claim, Outcome, Store, StoreError, Totals,
    sql::{self, Failed},
};
use crate::{
    model::{AccountKey, Email, Name, Scope},
    plan::{Mark, Observed},
};

/// Locks out other writers of Roster, and suppresses notifications of our own changes. Must precede the first query,
/// which fixes the transaction's snapshot.
const ALONE: &str = "LOCK TABLE fence IN EXCLUSIVE MODE; SET LOCAL roster.writer = 'on'";

/// Time without a notification after which a listening connection is checked.
const QUIET: Duration = Duration::from_secs(10);
/// Longest wait for the response to that check.
const ANSWER: Duration = Duration::from_secs(5);

/// Store in a schema of a PostgreSQL database.
#[derive(Debug)]
pub struct PostgresStore {
    pool: PgPool,
    listener: PgPool,
    schema: String,
    /// Whether the store was opened read-only: applying is refused.
    read_only: bool,
    /// Name of the store in errors.
    location: String,
}

impl PostgresStore {
    /// Closes all connections after their work has ended.
    pub async fn close(&self) {
        self.listener.close().await;
        self.pool.close().await;
    }

    fn failed(&self, doing: &str, error: &sqlx::Error) -> StoreError {
        classify(&format!("{}: {doing}", self.location), error)
    }

    async fn try_apply(&self, batch: &Batch<'_>, claim: Claim) -> Result<Vec<Outcome>, Failed> {
        let mut transaction = self.pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ").await?;
        transaction.execute(sqlx::raw_sql(ALONE)).await?;
        let applied = sql::apply(&mut PostgresSession(&mut transaction), batch, claim).await?;
        if applied.wrote {
            transaction.commit().await?;
        } else {
            transaction.rollback().await?;
        }
        Ok(applied.outcomes)
    }
}

/// Checks an idle listening connection. Returns `None` if it is dead, for example dropped by a firewall without notice.
async fn is_alive(listener: &mut PgListener) -> Option<()> {
    let asked = tokio::time::timeout(ANSWER, sqlx::query("SELECT 1").execute(listener));
    matches!(asked.await, Ok(Ok(_))).then_some(())
}

/// Begins a read-only transaction on a pooled connection, with one consistent snapshot.
async fn reading(pool: &PgPool) -> Result<sqlx::Transaction<'static, sqlx::Postgres>, sqlx::Error> {
    pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await
}

#[async_trait]
impl Store for PostgresStore {
    fn capabilities(&self) -> Capabilities {
        Capabilities { transactions: true, fencing: true, time_windows: true, audit: true, notifications: true }
    }

    async fn accounts(&self) -> Result<Vec<Mark>, StoreError> {
        let marks = async { sql::accounts(&mut PostgresSession(&mut *self.pool.acquire().await?)).await };
        marks.await.map_err(|error| self.failed("listing accounts", &error))
    }

    async fn keys(&self) -> Result<Vec<AccountKey>, StoreError> {
        let keys = async { sql::keys(&mut PostgresSession(&mut *self.pool.acquire().await?)).await };
        keys.await.map_err(|error| self.failed("listing accounts", &error))
    }

    async fn totals(&self) -> Result<Totals, StoreError> {
        let totals = async { sql::totals(&mut PostgresSession(&mut *self.pool.acquire().await?)).await };
        totals.await.map_err(|error| self.failed("counting accounts and members", &error))
    }

    async fn id(&self) -> Result<Option<Name>, StoreError> {
        let id = async { sql::id(&mut PostgresSession(&mut *self.pool.acquire().await?)).await };
        id.await.map_err(|error| self.failed("reading the store's id", &error))
    }

    async fn observe(&self, account: &AccountKey, scope: &Scope, since: Timestamp) -> Result<Observed, StoreError> {
        let observed = async {
            let mut transaction = reading(&self.pool).await?;
            let observed = sql::observe(&mut PostgresSession(&mut transaction), account, scope, since).await?;
            transaction.rollback().await?;
            Ok(observed)
        };
        observed.await.map_err(|error| self.failed(&format!("reading account {account}"), &error))
    }

    async fn with_access(&self, who: &[Email], now: Timestamp) -> Result<Vec<(AccountKey, Email)>, StoreError> {
        let found = async { sql::with_access(&mut PostgresSession(&mut *self.pool.acquire().await?), who, now).await };
        found.await.map_err(|error| self.failed("looking up people", &error))
    }

    async fn audit(&self, query: &AuditQuery) -> Result<Vec<AuditRecord>, StoreError> {
        let records = async { sql::query(&mut PostgresSession(&mut *self.pool.acquire().await?), query).await };
        records.await.map_err(|error| self.failed("reading the audit", &error))
    }

    async fn apply(&self, batch: &Batch<'_>, claim: Claim) -> Vec<Outcome> {
        if batch.changes.is_empty() {
            return Vec::new();
        }
        if self.read_only {
            let denied = StoreError::Denied(format!("{}: the store was opened read-only", self.location));
            return batch.refused(&denied);
        }
        let error = match self.try_apply(batch, claim).await {
            Ok(outcomes) => return outcomes,
            Err(Failed::Refused(refused)) => refused,
            Err(Failed::Sql(error)) => self.failed(&format!("writing account {}", batch.mark.account), &error),
        };
        batch.refused(&error)
    }

    async fn claim(&self, cluster: &str, claim: Claim) -> Result<(), StoreError> {
        let claimed = async {
            let mut transaction = self.pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ").await?;
            transaction.execute(sqlx::raw_sql(ALONE)).await?;
            sql::raise_fence(&mut PostgresSession(&mut transaction), cluster, claim).await?;
            transaction.commit().await?;
            Ok(())
        };
        claimed.await.map_err(|error| match error {
            Failed::Refused(refused) => refused,
            Failed::Sql(error) => self.failed("claiming its accounts", &error),
        })
    }

    async fn watch(&self) -> Result<Option<BoxStream<'static, AccountKey>>, StoreError> {
        let failed = |error: sqlx::Error| self.failed("listening for changes", &error);
        let mut listener = PgListener::connect_with(&self.listener).await.map_err(failed)?;
        listener.listen(&self.schema).await.map_err(failed)?;
        let keys = futures::stream::unfold(listener, |mut listener| async {
            loop {
                match tokio::time::timeout(QUIET, listener.try_recv()).await {
                    Ok(Ok(Some(notification))) => {
                        if let Some(key) = AccountKey::parse(notification.payload()) {
                            return Some((key, listener));
                        }
                    }
                    // The connection is lost, and with it the notifications in between.
                    Ok(Ok(None) | Err(_)) => return None,
                    Err(_) => is_alive(&mut listener).await?,
                }
            }
        });
        Ok(Some(keys.boxed()))
    }

    async fn close(&self) {
        Self::close(self).await;
    }
}
