//! Collects the differences that are reported neither as limits nor as refused changes nor as changes in accounts, so
//! that each difference is reported once. Called by `change::report_builder`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Pair, in_words};
use crate::{
    cli::change::{
        report::{AccountChanges, Action, FieldChange, OtherChange, Refused},
        reported::ReportedChanges,
    },
    limits::Limits,
    manifests::{LoadedObjects, ObjectId, schema::Difference},
    model::{AccountKey, KindName, counted},
};

/// Object with the differences that are not reported yet.
pub struct UnreportedObject {
    /// The object in both revisions.
    pub(in crate::cli::change) pair: Pair,
    /// The fields that differ.
    pub(in crate::cli::change) fields: Vec<Difference>,
}

/// Leaves out what limits tell.
pub(super) fn unreported(pairs: Vec<Pair>, compared: &BTreeMap<ObjectId, Limits>) -> Vec<UnreportedObject> {
    let one = |pair: Pair| {
        let limits = compared.get(&pair.id);
        let mut fields = pair.differences();
        fields.retain(|field| limits.is_none_or(|limits| !limits.covers(&field.path)));
        UnreportedObject { pair, fields }
    };
    pairs.into_iter().map(one).collect()
}

/// Returns whether a field is this one, or below it.
fn is_within(field: &str, other: &str) -> bool {
    field.strip_prefix(other).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// Returns what is left when the changes in accounts are reported.
pub(in crate::cli::change) fn others(
    to: &LoadedObjects,
    accounts: &[AccountChanges],
    refused: &[Refused],
    unreported: Vec<UnreportedObject>,
) -> Vec<OtherChange> {
    let known = ReportedChanges::new(to, accounts);
    unreported.into_iter().filter_map(|one| other(to, &known, refused, one)).collect()
}

fn other(
    to: &LoadedObjects,
    known: &ReportedChanges<'_>,
    refused: &[Refused],
    UnreportedObject { pair, mut fields }: UnreportedObject,
) -> Option<OtherChange> {
    let object = pair.id.to_string();
    let action = match (&pair.from, &pair.to) {
        (None, _) => Action::Add,
        (_, None) => Action::Remove,
        (Some(_), Some(_)) => Action::Change,
    };
    if action != Action::Change {
        let what = if action == Action::Add { invites(&pair) } else { goes_with(to, &pair.id) };
        let other = OtherChange { object, action, what, fields: Vec::new() };
        return (!known.of_object(&pair.id, pair.either())).then_some(other);
    }
    fields.retain(|field| {
        let is_refused = refused.iter().any(|one| one.object == object && is_within(&field.path, &one.field));
        !is_refused && !known.of_field(&pair.id, pair.either(), &field.path)
    });
    let fields: Vec<FieldChange> = fields.iter().map(field_change).collect();
    (!fields.is_empty()).then_some(OtherChange { object, action, what: String::new(), fields })
}

fn field_change(field: &Difference) -> FieldChange {
    let is_item = field.path.ends_with(']') && !field.path.starts_with("metadata");
    let text = |value: &Option<Value>| match value {
        Some(Value::Object(_)) if is_item => "present".to_owned(),
        value => in_words(value.as_ref()),
    };
    let (from, to) = if field.is_order {
        ("in one order".to_owned(), "in another".to_owned())
    } else {
        (text(&field.from), text(&field.to))
    };
    FieldChange { field: field.path.clone(), from, to }
}

/// Returns the message on accounts that pruning a namespace deletes, although the files still contain them.
fn goes_with(to: &LoadedObjects, id: &ObjectId) -> String {
    let is_in = |key: &AccountKey| id.kind == KindName::Namespace.as_str() && key.namespace == id.name;
    let accounts = to.objects.accounts.iter().filter(|(key, entry)| is_in(key) && entry.account.is_some());
    let members: Vec<usize> = accounts.map(|(_, entry)| entry.members.len()).collect();
    if members.is_empty() {
        return String::new();
    }
    let (accounts, members) = (counted(members.len(), "account"), counted(members.iter().sum::<usize>(), "Membership"));
    format!("pruning deletes it with its content: {accounts} with {members}, which these files still contain")
}

/// Returns whom an Invitation invites, with role and groups.
fn invites(pair: &Pair) -> String {
    let spec = &pair.either()["spec"];
    if pair.id.kind != "Invitation" {
        return String::new();
    }
    let role = spec["roleRef"]["name"].as_str().map(|role| format!(" as {role}")).unwrap_or_default();
    let groups: Vec<&str> =
        spec["groupRefs"].as_array().into_iter().flatten().filter_map(|group| group["name"].as_str()).collect();
    let groups = if groups.is_empty() { String::new() } else { format!(", in {}", groups.join(", ")) };
    format!("invites {}{role}{groups}", spec["email"].as_str().unwrap_or_default())
}
