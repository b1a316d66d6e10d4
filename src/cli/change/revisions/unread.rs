//! Reports differences of documents that are not Roster's objects. Called by `change::revisions`.

use std::collections::BTreeSet;

use crate::{
    cli::change::report::{Action, OtherChange},
    manifests::{Files, UnreadId, UnreadKind},
};

/// Returns the documents that differ, or that only one revision has.
pub(super) fn differences(from: &Files, to: &Files) -> Vec<OtherChange> {
    let ids: BTreeSet<&UnreadId> = from.unread.keys().chain(to.unread.keys()).collect();
    let differ = ids.into_iter().filter_map(|id| {
        let action = match (from.unread.get(id), to.unread.get(id)) {
            (one, other) if one == other => return None,
            (None, _) => Action::Add,
            (_, None) => Action::Remove,
            (Some(_), Some(_)) => Action::Change,
        };
        Some(OtherChange { object: id.to_string(), action, what: meaning(id.kind).to_owned(), fields: Vec::new() })
    });
    differ.collect()
}

/// Returns the meaning of such a difference.
const fn meaning(kind: UnreadKind) -> &'static str {
    match kind {
        UnreadKind::Secret => "used to open a store; its content is never shown",
        UnreadKind::Kustomization | UnreadKind::Patch => {
            "not read: compare the output of `kustomize build` for both revisions"
        }
    }
}
