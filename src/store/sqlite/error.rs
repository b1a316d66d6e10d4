//! Classifies SQLite's errors as errors of the store contract. Called by the other modules of this store.

use crate::store::StoreError;

/// Returns the class of `error`, with `context` before SQLite's own message.
pub(super) fn classify(context: &str, error: &sqlx::Error) -> StoreError {
    match primary_code(error) {
        // SQLite's codes PERM, READONLY, AUTH.
        Some(3 | 8 | 23) => StoreError::Denied(format!("{context}: {error}")),
        Some(5 | 6) => StoreError::Unavailable(format!("{context}: another process holds a lock on it: {error}")),
        _ if is_refused(error) => StoreError::Invalid(format!("{context}: {error}")),
        _ => StoreError::Unavailable(format!("{context}: {error}")),
    }
}

/// Returns whether SQLite refused the written data, rather than the act of writing.
pub(super) fn is_refused(error: &sqlx::Error) -> bool {
    // SQLite's codes TOOBIG, CONSTRAINT, MISMATCH.
    matches!(primary_code(error), Some(18..=20))
}

/// Returns SQLite's result code without its extension.
fn primary_code(error: &sqlx::Error) -> Option<i32> {
    let code: i32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(code & 0xff)
}
