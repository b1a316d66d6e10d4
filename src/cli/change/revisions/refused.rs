//! Finds changes of immutable fields, by the rules of the CRDs. Called by `change::revisions`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Pair, in_words};
use crate::{
    api,
    cli::change::report::{Refused, RefusedBy},
};

/// Returns the changes of fields that never change.
pub(super) fn refusals(pairs: &[Pair]) -> Vec<Refused> {
    let rules = immutable_fields();
    let mut found = Vec::new();
    for pair in pairs {
        let Some(fields) = rules.get(pair.id.kind.as_str()) else { continue };
        let (Some(before), Some(after)) = (&pair.from, &pair.to) else { continue };
        for field in fields {
            let (was, is) = (field.of(before), field.of(after));
            if was != is {
                found.push(Refused {
                    object: pair.id.to_string(),
                    field: format!("spec.{}", field.path),
                    from: in_words(was),
                    to: in_words(is),
                    message: "cannot be changed: delete the object and create a new one".to_owned(),
                    by: RefusedBy::ApiServer,
                });
            }
        }
    }
    found
}

/// A field that must not change, and its value if it is not set.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unset_field_has_its_default() {
        let account = serde_json::json!({"spec": {"catalogRef": {"name": "c"}}});
        let fields = immutable_fields();
        assert_eq!(in_words(fields["Account"][0].of(&account)), "default");
        assert_eq!(in_words(fields["Account"][1].of(&account)), "(absent)");
    }
}
