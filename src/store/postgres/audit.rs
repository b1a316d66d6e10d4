//! Checks the audit of a store, for `roster audit verify`. Called by `store::open`.

use sqlx::Executor;

use super::{error::classify, open::once, session::PostgresSession};
use crate::store::{AuditReport, PostgresLocation, Secrets, StoreError, sql};

/// Checks the audit of a store, from its first record to its last. Can run while the controller writes.
///
/// # Errors
/// When it cannot be read. Faults of the audit itself are in the report.
pub async fn verify_audit(place: &PostgresLocation, secrets: &dyn Secrets) -> Result<AuditReport, StoreError> {
    let (mut connection, location) = once(place, secrets).await?;
    let report = async {
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
        sql::verify(&mut PostgresSession(&mut connection)).await
    };
    report.await.map_err(|error| classify(&format!("{location}: checking the audit"), &error))
}
