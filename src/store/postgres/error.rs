//! Classifies PostgreSQL's errors as errors of the store contract. Called by the other modules of this store.

use crate::store::StoreError;

/// Returns the class of `error`, with `context` before PostgreSQL's own message.
pub(super) fn classify(context: &str, error: &sqlx::Error) -> StoreError {
    let context = match error {
        sqlx::Error::PoolTimedOut => format!("{context}: no connection available"),
        error => format!("{context}: {error}"),
    };
    let Some(code) = code(error) else { return StoreError::Unavailable(context) };
    match class(&code) {
        Class::Unavailable => StoreError::Unavailable(context),
        Class::Conflict => StoreError::Conflict(context),
        Class::Denied => StoreError::Denied(context),
        Class::Invalid => StoreError::Invalid(context),
    }
}

/// Returns whether PostgreSQL refused the written data, rather than the act of writing.
pub(super) fn is_refused(error: &sqlx::Error) -> bool {
    code(error).is_some_and(|code| class(&code) == Class::Invalid && code != NO_DATABASE)
}

const NO_DATABASE: &str = "3D000";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Unavailable,
    Conflict,
    Denied,
    Invalid,
}

/// Classifies by SQLSTATE.
fn class(code: &str) -> Class {
    match (code.get(..2).unwrap_or_default(), code) {
        // Wrong password or name, no privilege, or no row-level policy that allows it.
        ("28", _) | (_, "42501") => Class::Denied,
        // Serialization failure or deadlock.
        ("40", _) => Class::Conflict,
        // Data that does not fit, constraints, errors raised by triggers, and size limits of a row or an index.
        ("22" | "23" | "44" | "54" | "P0", _) | (_, NO_DATABASE) => Class::Invalid,
        // Connections, resources, cancellation by an operator or a timeout, an unavailable lock, a standby. Missing
        // tables as well: they are created when the store is opened again.
        _ => Class::Unavailable,
    }
}

fn code(error: &sqlx::Error) -> Option<String> {
    error.as_database_error()?.code().map(std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::{Class::*, class};

    #[test]
    fn codes_have_classes() {
        for (code, expected) in [
            ("28P01", Denied),
            ("28000", Denied),
            ("42501", Denied),
            ("40001", Conflict),
            ("40P01", Conflict),
            ("23505", Invalid),
            ("23514", Invalid),
            ("22021", Invalid),
            ("54000", Invalid),
            ("P0001", Invalid),
            ("3D000", Invalid),
            ("55P03", Unavailable),
            ("57014", Unavailable),
            ("57P01", Unavailable),
            ("57P03", Unavailable),
            ("53300", Unavailable),
            ("08006", Unavailable),
            ("25006", Unavailable),
            ("42P01", Unavailable),
            ("3F000", Unavailable),
            ("", Unavailable),
        ] {
            assert_eq!(class(code), expected, "{code}");
        }
    }
}
