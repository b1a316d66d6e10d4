//! Account read from a store, and helpers that build the objects written for it. Used by the modules of `roster import`.

use serde_json::{Value, json};

use crate::{
    api::{GROUP, VERSION},
    model::AccountKey,
    plan::Observed,
};

/// Account as read from the store.
pub(super) struct StoredAccount {
    pub(super) key: AccountKey,
    pub(super) observed: Observed,
}

/// Returns an object of one of Roster's kinds.
pub(super) fn object(kind: &str, metadata: &Value, spec: &Value) -> Value {
    json!({"apiVersion": format!("{GROUP}/{VERSION}"), "kind": kind, "metadata": metadata, "spec": spec})
}

/// Returns name and namespace of an account's object.
pub(super) fn metadata(key: &AccountKey, name: &str) -> Value {
    json!({"name": name, "namespace": key.namespace})
}

/// Returns whether an object can have this name; a stored name must not lead out of the folder.
pub(super) fn is_name(text: &str) -> bool {
    let inner = |letter: u8| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == b'-' || letter == b'.';
    let ends =
        |letter: Option<&u8>| letter.is_some_and(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit());
    let bytes = text.as_bytes();
    bytes.len() <= 253 && bytes.iter().copied().all(inner) && ends(bytes.first()) && ends(bytes.last())
}
