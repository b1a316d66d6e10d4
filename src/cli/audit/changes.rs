//! Compares the former and the new content of an audit record, field by field. Called by `audit query` and `review`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::store::AuditRecord;

/// Field of a record that is set where the levels in the store were none of the catalog's ladders, so that they gave no
/// access.
const UNREADABLE: &str = "unreadable";

/// Field that changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FieldChange {
    /// `role`, `permissions.settings`, …
    pub field: String,
    /// Former value; `None` if there was none.
    pub before: Option<String>,
    /// New value; `None` if there is none.
    pub after: Option<String>,
}

/// Action of a record on its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum AuditAction {
    /// The object was added.
    Added,
    /// The object was changed.
    Changed,
    /// The object was removed.
    Removed,
}

impl AuditAction {
    /// Returns the action of a record.
    pub fn of(record: &AuditRecord) -> Self {
        match (&record.before, &record.after) {
            (None, _) => Self::Added,
            (Some(_), Some(_)) => Self::Changed,
            (Some(_), None) => Self::Removed,
        }
    }
}

impl FieldChange {
    /// Returns the change as text: `settings: View → Edit`.
    pub fn text(&self) -> String {
        if self.field == UNREADABLE {
            let words = if self.before.is_some() { "was unreadable" } else { "is unreadable" };
            return format!("the row of levels {words}");
        }
        let permission = self.field.strip_prefix("permissions.");
        let absent = if permission.is_some() { "no access" } else { "–" };
        let shown = |text: &Option<String>| text.clone().unwrap_or_else(|| absent.to_owned());
        let field = permission.unwrap_or(&self.field);
        format!("{field}: {} → {}", shown(&self.before), shown(&self.after))
    }

    /// Returns the section, if a level changed.
    pub fn section(&self) -> Option<&str> {
        self.field.strip_prefix("permissions.")
    }
}

/// Returns the changed fields, in order.
pub fn changes(record: &AuditRecord) -> Vec<FieldChange> {
    let (before, after) = (fields(record.before.as_deref()), fields(record.after.as_deref()));
    let names: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let mut found: Vec<FieldChange> = names
        .into_iter()
        .filter(|name| before.get(*name) != after.get(*name))
        .map(|name| FieldChange {
            field: name.clone(),
            before: before.get(name).cloned(),
            after: after.get(name).cloned(),
        })
        .collect();
    // Identity and role come first, then the permissions that follow from them.
    found.sort_by_key(|change| change.section().is_some());
    found
}

/// Returns a record as one line: the new content, the changes, or the removed content.
pub fn text(record: &AuditRecord) -> String {
    let list = |fields: &BTreeMap<String, String>| {
        let of = |name: &str| fields.get(name).map(|value| format!("{name} {value}"));
        let mut parts: Vec<String> =
            ["owner", "parent", "role", "groups", "startsAt", "expiresAt", "ended", "sections"]
                .into_iter()
                .filter_map(of)
                .collect();
        let sections: Vec<String> = fields
            .iter()
            .filter_map(|(name, level)| Some(format!("{}: {level}", name.strip_prefix("permissions.")?)))
            .collect();
        if fields.contains_key(UNREADABLE) {
            parts.push("an unreadable row of levels".to_owned());
        }
        if sections.is_empty() && record.kind != "account" {
            parts.push("no access".to_owned());
        }
        parts.extend(sections);
        parts.join(", ")
    };
    match AuditAction::of(record) {
        AuditAction::Added => format!("added: {}", list(&fields(record.after.as_deref()))),
        AuditAction::Removed => format!("removed; was: {}", list(&fields(record.before.as_deref()))),
        AuditAction::Changed => {
            let found = changes(record);
            if found.is_empty() {
                return "adopted unchanged".to_owned();
            }
            found.iter().map(FieldChange::text).collect::<Vec<_>>().join(", ")
        }
    }
}

/// Returns the fields of a recorded object.
fn fields(json: Option<&str>) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::new();
    let Some(Ok(Value::Object(object))) = json.map(serde_json::from_str) else { return fields };
    for (name, value) in object {
        match (name.as_str(), value) {
            ("permissions", Value::Object(levels)) => {
                fields.extend(levels.iter().map(|(section, level)| (format!("permissions.{section}"), plain(level))));
            }
            ("sections", Value::Array(sections)) => {
                fields.insert(name, format!("{} ({})", sections.len(), sections_text(&sections)));
            }
            (_, value) => {
                fields.insert(name, plain(&value));
            }
        }
    }
    fields
}

fn sections_text(sections: &[Value]) -> String {
    let names = sections.iter().filter_map(|section| section.get("name")?.as_str());
    let shown: Vec<&str> = names.take(3).collect();
    let more = if sections.len() > shown.len() { ", …" } else { "" };
    format!("{}{more}", shown.join(", "))
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        value => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn record(before: Option<&str>, after: Option<&str>) -> AuditRecord {
        AuditRecord {
            seq: 1,
            at: Timestamp::UNIX_EPOCH,
            account: "a/b".into(),
            kind: "member".into(),
            name: "dana@acme.example".into(),
            cause: "spec".into(),
            before: before.map(str::to_owned),
            after: after.map(str::to_owned),
            origin: None,
            epoch: 0,
            counted: false,
            previous: String::new(),
            hash: String::new(),
        }
    }

    #[test]
    fn a_change_is_reported_by_field() {
        let before = r#"{"role":"support","permissions":{"settings":"View","logs":"View"}}"#;
        let after = r#"{"role":"developer","groups":["desk"],"permissions":{"settings":"Edit"}}"#;
        assert_eq!(
            text(&record(Some(before), Some(after))),
            "groups: – → desk, role: support → developer, logs: View → no access, settings: View → Edit"
        );
        assert_eq!(text(&record(None, Some(after))), "added: role developer, groups desk, settings: Edit");
        assert_eq!(text(&record(Some(r#"{"permissions":{}}"#), None)), "removed; was: no access");
        assert_eq!(text(&record(Some(after), Some(after))), "adopted unchanged");
        let broken = r#"{"role":"support","permissions":{},"unreadable":true}"#;
        assert_eq!(
            text(&record(Some(broken), Some(before))),
            "the row of levels was unreadable, logs: no access → View, settings: no access → View"
        );
        assert_eq!(
            text(&record(Some(broken), None)),
            "removed; was: role support, an unreadable row of levels, no access"
        );
        assert_eq!(
            text(&record(Some("not JSON"), Some(after))),
            "groups: – → desk, role: – → developer, settings: no access → Edit"
        );
    }
}
