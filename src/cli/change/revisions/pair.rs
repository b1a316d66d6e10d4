//! Pairs the objects of two revisions. Used by the other modules of `change::revisions`.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize as _;
use serde_json::Value;

use crate::{
    manifests::{
        Document, Files, ObjectId, Reader,
        schema::{self, Difference},
    },
    model::KindName,
    state::{Labels, annotations_of},
};

/// An object that the two revisions do not say in the same words.
pub struct Pair {
    /// The object.
    pub(super) id: ObjectId,
    /// The earlier revision; absent where it has no such object.
    pub(super) from: Option<Value>,
    /// The later revision; absent where it has no such object.
    pub(super) to: Option<Value>,
}

/// Returns the objects that the two revisions do not say in the same words.
pub(super) fn pairs(from: &Files, to: &Files) -> Vec<Pair> {
    let before: BTreeMap<&ObjectId, &Document> = from.documents.iter().map(|one| (&one.id, one)).collect();
    let after: BTreeMap<&ObjectId, &Document> = to.documents.iter().map(|one| (&one.id, one)).collect();
    let ids: BTreeSet<&ObjectId> = before.keys().chain(after.keys()).copied().collect();
    let (mut earlier, mut later) = (Reader::default(), Reader::default());
    let mut found = Vec::new();
    for id in ids {
        let (one, other) = (before.get(id), after.get(id));
        let is_same = |one: &&Document, other: &&Document| one.text == other.text && one.inside == other.inside;
        if one.zip(other).is_none_or(|(one, other)| !is_same(one, other)) {
            let from = one.and_then(|document| earlier.value(document));
            let to = other.and_then(|document| later.value(document));
            found.push(Pair { id: id.clone(), from, to });
        }
    }
    found
}

impl Pair {
    /// Returns the object in the later revision, or else in the earlier one.
    pub(super) fn either(&self) -> &Value {
        self.to.as_ref().or(self.from.as_ref()).unwrap_or(&Value::Null)
    }

    /// Returns the fields that differ; none where only one revision has the object. Of `metadata`, those that mean something.
    pub(super) fn differences(&self) -> Vec<Difference> {
        let (Some(from), Some(to)) = (&self.from, &self.to) else { return Vec::new() };
        let mut found = schema::differences(&self.id.kind, from, to);
        let kind = KindName::ALL.into_iter().find(|kind| self.id.kind == kind.as_str());
        let annotations = |object: &Value| {
            let kept = kind.and_then(|kind| annotations_of(kind, &words(object, "annotations")));
            kept.map(|kept| *kept).unwrap_or_default()
        };
        found.extend(compare_words("metadata.annotations", &annotations(from), &annotations(to)));
        if kind == Some(KindName::Namespace) {
            found.extend(compare_words("metadata.labels", &words(from, "labels"), &words(to, "labels")));
        }
        // Both decide whether an object is deleted or kept without a request by a user.
        for field in ["ownerReferences", "finalizers"] {
            let value = |object: &Value| Some(object["metadata"][field].clone()).filter(|value| !value.is_null());
            let (one, other) = (value(from), value(to));
            if one != other {
                found.push(Difference { path: format!("metadata.{field}"), from: one, to: other, is_order: false });
            }
        }
        let deleting = |object: &Value| object["metadata"]["deletionTimestamp"].as_str().map(Value::from);
        let (one, other) = (deleting(from), deleting(to));
        if one != other {
            let path = "metadata.deletionTimestamp".to_owned();
            found.push(Difference { path, from: one, to: other, is_order: false });
        }
        found
    }
}

fn words(object: &Value, field: &str) -> Labels {
    Labels::deserialize(&object["metadata"][field]).unwrap_or_default()
}

fn compare_words(path: &str, from: &Labels, to: &Labels) -> Vec<Difference> {
    let keys: BTreeSet<&String> = from.keys().chain(to.keys()).collect();
    let differ = keys.into_iter().filter(|key| from.get(*key) != to.get(*key));
    let value = |labels: &Labels, key: &String| labels.get(key).map(|value| Value::from(value.as_str()));
    let one = |key: &String| Difference {
        path: format!("{path}[{key}]"),
        from: value(from, key),
        to: value(to, key),
        is_order: false,
    };
    differ.map(one).collect()
}

/// Longest value in words, in characters.
const LONGEST: usize = 200;

/// Returns a value in words: a reference by its name, a list item by item.
pub(super) fn in_words(value: Option<&Value>) -> String {
    let words = match value {
        None => "(absent)".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(items)) => {
            let items: Vec<String> = items.iter().map(|item| in_words(Some(item))).collect();
            items.join(", ")
        }
        Some(Value::Object(fields)) => {
            let names = ["namespace", "name", "file"].iter().filter_map(|field| fields.get(*field)?.as_str());
            let names: Vec<&str> = names.collect();
            if names.is_empty() { Value::from(fields.clone()).to_string() } else { names.join("/") }
        }
        Some(other) => other.to_string(),
    };
    match words.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &words[..end]),
        None => words,
    }
}
