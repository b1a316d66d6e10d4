//! What SQLite's errors mean to whoever called.

use crate::store::StoreError;

/// The class of `error`, with `said` in front of SQLite's own words.
pub(super) fn classify(said: &str, error: &sqlx::Error) -> StoreError {
    match primary_code(error) {
        // PERM, READONLY, AUTH.
        Some(3 | 8 | 23) => StoreError::Denied(format!("{said}: {error}")),
        Some(5 | 6) => StoreError::Unavailable(format!("{said}: another process keeps it locked: {error}")),
        _ if is_refused(error) => StoreError::Invalid(format!("{said}: {error}")),
        _ => StoreError::Unavailable(format!("{said}: {error}")),
    }
}

/// Whether SQLite refused what was written, and not the writing.
pub(super) fn is_refused(error: &sqlx::Error) -> bool {
    // TOOBIG, CONSTRAINT, MISMATCH.
    matches!(primary_code(error), Some(18..=20))
}

/// SQLite's result code without its extension.
fn primary_code(error: &sqlx::Error) -> Option<i32> {
    let code: i32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(code & 0xff)
}
