//! Checks the audit in the file. Called by `store::StoreLocation` for `roster audit verify`.

use std::{path::Path, time::Duration};

use sqlx::{ConnectOptions, Connection, sqlite::SqliteConnectOptions};

use super::{error::classify, open::owner, session::SqliteSession};
use crate::store::{AuditReport, StoreError, sql};

/// Checks the audit of the store in `file`, from its first record to its last. Can run while the controller writes.
///
/// # Errors
/// When the file cannot be read, or is no store. Faults of the audit itself are in the report.
pub async fn verify_audit(file: &Path) -> Result<AuditReport, StoreError> {
    let failed = |error: sqlx::Error| classify(&format!("{}: checking the audit", file.display()), &error);
    let options = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(false)
        .read_only(true)
        .busy_timeout(Duration::from_secs(5))
        .disable_statement_logging();
    let mut connection = options.connect().await.map_err(failed)?;
    if !owner(&mut connection, file).await? {
        return Err(StoreError::Invalid(format!("{}: the file is empty and not a store", file.display())));
    }
    let mut transaction = connection.begin().await.map_err(failed)?;
    let report = sql::verify(&mut SqliteSession(&mut transaction)).await.map_err(failed)?;
    transaction.rollback().await.map_err(failed)?;
    connection.close().await.map_err(failed)?;
    Ok(report)
}
