//! Judges the tables without a server. Used by the files of `tests/rules`.

use roster::manifests::schema;
use serde_json::{Value, json};

pub use super::patch::Expected::{self, Accepted, Refused};
use super::patch::{Case, merge, yaml};

/// One kind with its valid object.
pub struct Table {
    base: Value,
}

impl Table {
    /// For the kind of the valid object `base`.
    pub async fn new(base: &str) -> Self {
        Self { base: yaml(base) }
    }

    /// The valid object with each change.
    pub async fn on_create(&self, cases: &[Case]) {
        let wrong: Vec<String> =
            cases.iter().filter_map(|(patch, expected)| judge(patch, *expected, &self.changed("", patch))).collect();
        assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    }

    /// The valid object with the change `before`, and each further change. One state says nothing about a change: where
    /// only the change is refused, both states are valid.
    pub async fn on_update(&self, before: &str, cases: &[Case]) {
        let changed = cases.iter().map(|(patch, expected)| (patch, expected, self.changed(before, patch)));
        let wrong: Vec<String> = changed
            .filter_map(|(patch, expected, object)| match expected {
                Refused(part) if is_of_a_change(part) => None,
                expected => judge(patch, *expected, &object),
            })
            .collect();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    fn changed(&self, before: &str, patch: &str) -> Value {
        let mut object = self.base.clone();
        merge(&mut object, &yaml(before));
        merge(&mut object, &yaml(patch));
        object
    }
}

fn is_of_a_change(message: &str) -> bool {
    message.contains("cannot be changed") || message.contains("must not decrease")
}

/// Accepted and refused as the server does; a refusal is at the field the server names, where it names one.
fn judge(patch: &str, expected: Expected, object: &Value) -> Option<String> {
    let printed = check(object);
    let shown =
        || printed.iter().map(|one| format!("{}: {}", one.path, one.message)).collect::<Vec<_>>().join("\n    ");
    match expected {
        Accepted if printed.is_empty() => None,
        Accepted => Some(format!("- {patch}\n  should be accepted:\n    {}", shown())),
        Refused(part) if printed.is_empty() => Some(format!("- {patch}\n  should be refused: {part:?}")),
        Refused(part) => {
            let field = part
                .split([':', ' '])
                .next()
                .filter(|field| field.starts_with("spec.") || field.starts_with("metadata."))?;
            let named = printed.iter().any(|one| one.path.to_string().starts_with(field));
            (!named).then(|| format!("- {patch}\n  should be refused at {field}:\n    {}", shown()))
        }
    }
}

/// Objects at their bounds.
pub struct Bounds;

impl Bounds {
    pub async fn new() -> Self {
        Self
    }

    pub async fn accepted(&self, kind: &str, what: &str, spec: Value) {
        let printed = check(&object(kind, what, &spec));
        assert!(printed.is_empty(), "{kind} {what}: {printed:?}");
    }

    pub async fn refused(&self, kind: &str, what: &str, spec: Value, message: &str) {
        let wrong = judge(what, Refused(Box::leak(message.to_owned().into_boxed_str())), &object(kind, what, &spec));
        assert!(wrong.is_none(), "{kind} {what}: {wrong:?}");
    }
}

/// Checks an object, except for words that need quotes, because quotes are visible only in a file.
fn check(object: &Value) -> Vec<schema::Problem> {
    schema::check(object).into_iter().filter(|problem| !problem.if_plain).collect()
}

fn object(kind: &str, name: &str, spec: &Value) -> Value {
    json!({"apiVersion": "roster.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec})
}
