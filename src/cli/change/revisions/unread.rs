//! Reports differences of documents that are not Roster's objects. Called by `change::revisions`.

use std::collections::BTreeSet;

use crate::{
    cli::change::report::{Action, OtherChange},
    limits::unknown_rbac,
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

/// Returns the bindings of RBAC that differ and whose rights are unknown, because no file has their role.
pub(super) fn rbac(from: &Files, to: &Files) -> Vec<OtherChange> {
    let differ = unknown_rbac(&from.rbac, &to.rbac).into_iter();
    let one = |(object, sides): (String, [Option<String>; 2])| {
        let [from, to] = sides;
        let (action, bound) = match (from, to) {
            (None, to) => (Action::Add, to.unwrap_or_default()),
            (from, None) => (Action::Remove, from.unwrap_or_default()),
            (Some(from), Some(to)) => (Action::Change, format!("{from} → {to}")),
        };
        let what = format!("{bound}; not compared, since these files do not contain the role");
        OtherChange { object, action, what, fields: Vec::new() }
    };
    differ.map(one).collect()
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
