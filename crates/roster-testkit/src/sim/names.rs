//! Names of simulated stores, objects and people. `people`, `specs` and `faults` use them for everything that they generate.

use roster_core::model::{Email, KindName, Name, ObjectRef};

/// Name of the transactional store.
pub const SQL: &str = "sql";
/// Name of the plain store.
pub const KEYS: &str = "keys";

/// Returns a reference to an object.
#[must_use]
pub fn object(kind: KindName, namespace: &str, name: &str) -> ObjectRef {
    ObjectRef { kind, namespace: Name::new(namespace), name: Name::new(name) }
}

/// Returns the address of a person by number.
#[must_use]
pub fn person(number: u64) -> Email {
    Email::as_stored(&format!("p{number}@corp.example"))
}
