//! SQLite, the embedded store (docs/architecture.md "The store contract"). Opened by `store::StoreLocation`; used by the
//! controller and the command line through the trait `Store`.
//!
//! A store is one file in write-ahead mode: portals read it while the controller writes. A process that can write the
//! file can bypass Roster. Such a change is reported as drift, and has no record in the audit.

mod audit;
mod error;
mod file_id;
mod open;
#[cfg(test)]
mod query_plans;
mod session;
mod statements;

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::{Connection, SqliteConnection, SqlitePool};

pub use audit::verify_audit;

use self::{file_id::FileId, session::SqliteSession};
use super::{
    AuditQuery, AuditRecord, Batch, Capabilities, Claim, Outcome, Store, StoreError, Totals,
    sql::{self, Failed},
};
use crate::{
    model::{AccountKey, Email, Name, Scope},
    plan::{Mark, Observed},
};

/// Store in an SQLite file.
///
/// After [`StoreError::Unavailable`] the file may no longer be the one that was opened. Then nothing works until the
/// store is opened again.
#[derive(Debug)]
pub struct SqliteStore {
    file: FileId,
    /// Pool of one connection: SQLite has one writer at a time.
    writer: SqlitePool,
    readers: SqlitePool,
}

impl SqliteStore {
    /// Closes all connections after their work has ended.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

#[async_trait]
impl Store for SqliteStore {
    fn capabilities(&self) -> Capabilities {
        Capabilities { transactions: true, fencing: true, time_windows: true, audit: true, notifications: false }
    }

    async fn accounts(&self) -> Result<Vec<Mark>, StoreError> {
        self.file.check()?;
        let marks = async { sql::accounts(&mut SqliteSession(&mut *self.readers.acquire().await?)).await };
        marks.await.map_err(|error| self.file.failed("listing accounts", &error))
    }

    async fn keys(&self) -> Result<Vec<AccountKey>, StoreError> {
        self.file.check()?;
        let keys = async { sql::keys(&mut SqliteSession(&mut *self.readers.acquire().await?)).await };
        keys.await.map_err(|error| self.file.failed("listing accounts", &error))
    }

    async fn totals(&self) -> Result<Totals, StoreError> {
        self.file.check()?;
        let totals = async { sql::totals(&mut SqliteSession(&mut *self.readers.acquire().await?)).await };
        totals.await.map_err(|error| self.file.failed("counting accounts and members", &error))
    }

    async fn id(&self) -> Result<Option<Name>, StoreError> {
        self.file.check()?;
        let id = async { sql::id(&mut SqliteSession(&mut *self.readers.acquire().await?)).await };
        id.await.map_err(|error| self.file.failed("reading the store's id", &error))
    }

    async fn observe(&self, account: &AccountKey, scope: &Scope, since: Timestamp) -> Result<Observed, StoreError> {
        self.file.check()?;
        let observed = async {
            let mut transaction = self.readers.begin().await?;
            let observed = sql::observe(&mut SqliteSession(&mut transaction), account, scope, since).await?;
            transaction.rollback().await?;
            Ok(observed)
        };
        observed.await.map_err(|error| self.file.failed(&format!("reading account {account}"), &error))
    }

    async fn with_access(&self, who: &[Email], now: Timestamp) -> Result<Vec<(AccountKey, Email)>, StoreError> {
        self.file.check()?;
        let found = async { sql::with_access(&mut SqliteSession(&mut *self.readers.acquire().await?), who, now).await };
        found.await.map_err(|error| self.file.failed("looking up people", &error))
    }

    async fn audit(&self, query: &AuditQuery) -> Result<Vec<AuditRecord>, StoreError> {
        self.file.check()?;
        let records = async { sql::query(&mut SqliteSession(&mut *self.readers.acquire().await?), query).await };
        records.await.map_err(|error| self.file.failed("reading the audit", &error))
    }

    async fn claim(&self, cluster: &str, claim: Claim) -> Result<(), StoreError> {
        let claimed = async {
            let mut writer = self.writer.acquire().await?;
            self.file.check()?;
            let mut transaction = writer.begin_with("BEGIN IMMEDIATE").await?;
            sql::raise_fence(&mut SqliteSession(&mut transaction), cluster, claim).await?;
            transaction.commit().await?;
            Ok(())
        };
        claimed.await.map_err(|error| match error {
            Failed::Refused(refused) => refused,
            Failed::Sql(error) => self.file.failed("claiming its accounts", &error),
        })
    }

    async fn apply(&self, batch: &Batch<'_>, claim: Claim) -> Vec<Outcome> {
        if batch.changes.is_empty() {
            return Vec::new();
        }
        let failed = |error| self.file.failed(&format!("writing account {}", batch.mark.account), &error);
        let applied = async {
            let mut writer = self.writer.acquire().await.map_err(failed)?;
            self.file.check()?;
            let applied = apply(&mut writer, batch, claim).await;
            if let Err(Failed::Sql(_)) = applied {
                // SQLite ends a transaction itself when the disk is full, and the connection would wait for that end.
                writer.close_on_drop();
            }
            applied.map_err(|error| match error {
                Failed::Refused(refused) => refused,
                Failed::Sql(error) => failed(error),
            })
        };
        applied.await.unwrap_or_else(|error| batch.refused(&error))
    }

    async fn close(&self) {
        Self::close(self).await;
    }
}

async fn apply(writer: &mut SqliteConnection, batch: &Batch<'_>, claim: Claim) -> Result<Vec<Outcome>, Failed> {
    // IMMEDIATE: a transaction that begins as a reader cannot always become a writer.
    let mut transaction = writer.begin_with("BEGIN IMMEDIATE").await?;
    let applied = sql::apply(&mut SqliteSession(&mut transaction), batch, claim).await?;
    if applied.wrote {
        transaction.commit().await?;
    } else {
        transaction.rollback().await?;
    }
    Ok(applied.outcomes)
}
