//! Two revisions of files, compared without any store: what one revision wants stands for what a store holds.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use jiff::Timestamp;
use serde_json::Value;

use super::{Changes, Choices, Work, assume_store, report::Refused, stores_named};
use crate::{
    api, evaluate,
    manifests::{Document, LoadedObjects, ObjectId, Objects, Source},
    model::AccountKey,
    plan::Observed,
    store::Place,
};

/// What changes from one revision to the other, and what of it an API server refuses.
pub fn between(
    from: &mut LoadedObjects,
    to: &mut LoadedObjects,
    choices: Choices<'_>,
    now: Timestamp,
) -> (Changes, Vec<Refused>) {
    assume_stores(&mut from.objects, &mut to.objects);
    let mut changes = Changes::default();
    let from = &*from;
    let mut refused = refusals(from, to);
    let keys: BTreeSet<AccountKey> = from.accounts.iter().chain(&to.accounts).cloned().collect();
    for key in keys {
        let mark = from.mark(&key);
        let before = from.judge(&key, now);
        let observed = before.as_ref().map_or_else(Observed::default, |before| Observed::of(&before.desired, &mark));
        let unknown = before.filter(|before| before.desired.definitions.is_none());
        let unknown = unknown.map(|before| before.definitions.findings.message());
        if to.objects.accounts.get(&key).is_none_or(|entry| entry.account.is_none()) {
            let plan = evaluate::delete(&observed, &mark);
            changes.works.push(Work { key, place: None, mark, unknown, judged: None, observed, plan });
            continue;
        }
        let nowhere = Place::Sqlite(PathBuf::new());
        if let Some(mut work) = super::work(to, &key, &nowhere, observed, choices, now) {
            (work.place, work.unknown) = (None, unknown);
            if let Some(owner) = &work.plan.owner_kept {
                refused.push(Refused {
                    object: format!("Account {key}"),
                    field: "spec.owner.email".to_owned(),
                    from: owner.to_string(),
                    to: owner_of(&to.objects, &key).unwrap_or_else(|| "(absent)".to_owned()),
                    message: "the catalog does not let the owner change (ownerChange: Never)".to_owned(),
                });
            }
            changes.works.push(work);
        }
    }
    (changes, refused)
}

/// Stores that neither revision has are not what is compared.
fn assume_stores(from: &mut Objects, to: &mut Objects) {
    for name in stores_named(from).into_iter().chain(stores_named(to)) {
        if !from.stores.contains_key(&name) && !to.stores.contains_key(&name) {
            let place = Place::Sqlite(PathBuf::from("roster.db"));
            assume_store(from, name.clone(), &place);
            assume_store(to, name, &place);
        }
    }
}

fn owner_of(objects: &Objects, key: &AccountKey) -> Option<String> {
    let account = objects.accounts.get(key)?.account.as_ref()?;
    Some(account.spec.owner.as_ref()?.email.clone())
}

/// Fields that must not change and do: the rules are those of the definitions.
fn refusals(from: &LoadedObjects, to: &LoadedObjects) -> Vec<Refused> {
    let (Source::Files(from), Source::Files(to)) = (&from.source, &to.source) else { return Vec::new() };
    let before: BTreeMap<&ObjectId, &Document> = from.documents.iter().map(|one| (&one.id, one)).collect();
    let rules = immutable_fields();
    let mut found = Vec::new();
    for document in &to.documents {
        let Some(before) = before.get(&document.id) else { continue };
        let Some(fields) = rules.get(document.id.kind.as_str()) else { continue };
        let (Some(before), Some(after)) = (before.value(), document.value()) else { continue };
        for field in fields {
            let (was, is) = (field.of(&before), field.of(&after));
            if was != is {
                found.push(Refused {
                    object: document.id.to_string(),
                    field: format!("spec.{}", field.path),
                    from: said(was),
                    to: said(is),
                    message: "immutable: delete the object and make another one".to_owned(),
                });
            }
        }
    }
    found
}

/// A field that must not change, and what it is where nobody sets it.
struct Immutable {
    path: &'static str,
    default: Option<Value>,
}

impl Immutable {
    fn of<'a>(&'a self, object: &'a Value) -> Option<&'a Value> {
        let (parent, field) = self.path.rsplit_once('.').unwrap_or(("", self.path));
        let mut parents = parent.split('.').filter(|part| !part.is_empty());
        let parent =
            parents.try_fold(object.get("spec")?, |value, part| value.get(part).filter(|one| !one.is_null()))?;
        parent.get(field).filter(|value| !value.is_null()).or(self.default.as_ref())
    }
}

/// Returns the fields by kind that must not change, and what they are where nobody sets them.
fn immutable_fields() -> BTreeMap<String, Vec<Immutable>> {
    let mut fields = BTreeMap::new();
    for crd in api::crds() {
        let schema = crd.spec.versions.first().and_then(|version| version.schema.as_ref());
        let root = schema.and_then(|schema| schema.open_api_v3_schema.as_ref());
        let Some(spec) = root.and_then(|root| root.properties.as_ref()?.get("spec")) else { continue };
        let kind = crd.spec.names.kind;
        let immutable = api::immutable_fields(&kind).iter().map(|path| {
            let property = path.split('.').try_fold(spec, |schema, part| schema.properties.as_ref()?.get(part));
            let default = property.and_then(|property| property.default.clone()).map(|default| default.0);
            Immutable { path, default }
        });
        let immutable = immutable.collect();
        fields.insert(kind, immutable);
    }
    fields
}

/// A value in a word: a reference by its name.
fn said(value: Option<&Value>) -> String {
    match value {
        None => "(absent)".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Object(fields)) => {
            let words: Vec<&str> =
                ["namespace", "name", "file"].iter().filter_map(|f| fields.get(*f)?.as_str()).collect();
            words.join("/")
        }
        Some(other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_sets_is_its_default() {
        let account = serde_json::json!({"spec": {"catalogRef": {"name": "c"}}});
        let fields = immutable_fields();
        assert_eq!(said(fields["Account"][0].of(&account)), "default");
        assert_eq!(said(fields["Account"][1].of(&account)), "(absent)");
    }
}
