//! Tables of changes to a valid object, and what the API server says to each.

use kube::api::{DynamicObject, Patch, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use kube::discovery::{Scope, pinned_kind};
use kube::{Api, Client};
use serde_json::Value;

use crate::support::{ControlPlane, Namespace, install_crds, parse_yaml};

/// What is expected of a change.
#[derive(Clone, Copy, Debug)]
pub enum Expected {
    /// It is accepted.
    Accepted,
    /// It is refused, and the message contains this.
    Refused(&'static str),
}
pub use Expected::{Accepted, Refused};

/// A merge patch in YAML, and what is expected of it.
pub type Case = (&'static str, Expected);

/// One kind with its valid object.
pub struct Table {
    base: Value,
    api: Api<DynamicObject>,
    /// The plane, for what a table cannot say.
    pub plane: &'static ControlPlane,
    /// A client, for the same.
    pub client: Client,
    /// The namespace of the table's objects.
    pub namespace: Namespace,
}

impl Table {
    /// For the kind of the valid object `base`.
    pub async fn new(base: &str) -> Self {
        let plane = ControlPlane::shared().await;
        let client = plane.client().await;
        install_crds(&client).await;
        let namespace = Namespace::new(plane, "rules").await;
        let base: Value = parse_yaml(base).remove(0);
        let kind = base["kind"].as_str().expect("a kind");
        let gvk = GroupVersionKind::gvk("roster.dev", "v1alpha1", kind);
        let (resource, capabilities) = pinned_kind(&client, &gvk).await.expect("the kind is served");
        let api = match capabilities.scope {
            Scope::Cluster => Api::all_with(client.clone(), &resource),
            Scope::Namespaced => Api::namespaced_with(client.clone(), namespace.name(), &resource),
        };
        Self { base, api, plane, client, namespace }
    }

    /// Creates the valid object with each change (dry run).
    pub async fn on_create(&self, cases: &[Case]) {
        let mut wrong = Vec::new();
        for (patch, expected) in cases {
            let object = self.changed(patch);
            let answer = self.api.create(&PostParams { dry_run: true, ..PostParams::default() }, &object).await;
            wrong.extend(judge(patch, *expected, answer));
            wrong.extend(offline(patch, *expected, &object));
        }
        assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    }

    /// Creates the valid object with the change `before`, and changes it further in each way (dry run).
    pub async fn on_update(&self, before: &str, cases: &[Case]) {
        let object = self.create(before).await;
        let name = object.metadata.name.expect("a name");
        let params = PatchParams { dry_run: true, ..PatchParams::default() };
        let mut wrong = Vec::new();
        for (patch, expected) in cases {
            let answer = self.api.patch(&name, &params, &Patch::Merge(yaml(patch))).await;
            wrong.extend(judge(patch, *expected, answer));
        }
        self.api.delete(&name, &kube::api::DeleteParams::default()).await.expect("it can be deleted");
        assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    }

    /// Really creates the valid object with a change, under a name of its own.
    pub async fn create(&self, patch: &str) -> DynamicObject {
        let mut object = self.changed(patch);
        let name = format!("{}-{}", object.metadata.name.take().expect("a name"), self.namespace.name());
        object.metadata.name = Some(name);
        self.api.create(&PostParams::default(), &object).await.unwrap_or_else(|error| panic!("{patch}: {error}"))
    }

    /// The API of this kind.
    pub const fn api(&self) -> &Api<DynamicObject> {
        &self.api
    }

    fn changed(&self, patch: &str) -> DynamicObject {
        let mut object = self.base.clone();
        merge(&mut object, &yaml(patch));
        serde_json::from_value(object).expect("an object")
    }
}

/// `roster validate` comes to the same verdict without a server.
fn offline(patch: &str, expected: Expected, object: &DynamicObject) -> Option<String> {
    let mut object = serde_json::to_value(object).expect("an object");
    let kind = object["kind"].as_str().expect("a kind").to_owned();
    let problems = roster::cli::input::schema::kind(&kind).expect("one of ours").check(&mut object);
    match (expected, problems.is_empty()) {
        (Accepted, true) | (Refused(_), false) => None,
        (Accepted, false) => Some(format!("- {patch}\n  offline it should be accepted: {problems:?}")),
        (Refused(_), true) => Some(format!("- {patch}\n  offline it should be refused, too")),
    }
}

fn judge(patch: &str, expected: Expected, answer: Result<DynamicObject, kube::Error>) -> Option<String> {
    match (expected, answer) {
        (Accepted, Ok(_)) => None,
        (Refused(part), Err(kube::Error::Api(status))) if status.message.contains(part) => None,
        (Refused(part), Err(error)) => Some(format!("- {patch}\n  should say {part:?} but says: {error}")),
        (Refused(part), Ok(_)) => Some(format!("- {patch}\n  should be refused: {part:?}")),
        (Accepted, Err(error)) => Some(format!("- {patch}\n  should be accepted: {error}")),
    }
}

fn yaml(patch: &str) -> Value {
    parse_yaml(patch).pop().unwrap_or_else(|| Value::Object(serde_json::Map::new()))
}

/// RFC 7386.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    let Value::Object(target) = target else { return };
    for (key, change) in patch {
        if change.is_null() {
            target.remove(key);
        } else {
            merge(target.entry(key.clone()).or_insert(Value::Null), change);
        }
    }
}
