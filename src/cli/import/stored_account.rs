//! Account read from a store, and helpers that build the objects written for it. Used by the modules of `roster import`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{
    api::{GROUP, VERSION},
    model::{AccountKey, Email, Ranks},
    plan::Observed,
    store::AuditRecord,
};

/// Account as read from the store.
pub(super) struct StoredAccount {
    pub(super) key: AccountKey,
    pub(super) observed: Observed,
    /// Levels that people had before their access ended, by address and section, as far as the audit has them. The store
    /// itself keeps no levels of somebody whose access has ended.
    pub(super) before_end: BTreeMap<String, BTreeMap<String, String>>,
}

impl StoredAccount {
    /// Returns the permissions that a member had before the access ended; `None` if the audit does not have them.
    pub(super) fn before_end(&self, email: &Email) -> Option<Ranks> {
        let levels = self.before_end.get(email.as_str())?;
        let layout = &self.observed.layout;
        let mut ranks = Ranks::none(layout.len());
        for (ladder, rank) in std::iter::zip(layout.ladders(), ranks.as_mut_slice()) {
            let level = levels.get(ladder.section.as_str());
            let place = level.and_then(|level| ladder.levels.iter().position(|one| one == level.as_str()));
            *rank = place.and_then(|place| u8::try_from(place).ok()).unwrap_or(0);
        }
        Some(ranks)
    }
}

/// Returns the levels of each member of an account while their access had not ended, by the latest record that has them.
pub(super) fn levels_before_end(records: &[AuditRecord]) -> BTreeMap<String, BTreeMap<String, String>> {
    let mut known = BTreeMap::new();
    for record in records.iter().filter(|record| record.kind == "member") {
        for side in [&record.before, &record.after] {
            let content = side.as_ref().and_then(|json| serde_json::from_str::<Value>(json).ok());
            let Some(content) = content.filter(|content| content.get("ended").is_none()) else { continue };
            let levels = content["permissions"].as_object().into_iter().flatten();
            let levels = levels.filter_map(|(section, level)| Some((section.clone(), level.as_str()?.to_owned())));
            known.insert(record.name.clone(), levels.collect());
        }
    }
    known
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
