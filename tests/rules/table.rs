//! Tables of changes to a valid object, and the API server's answer to each. Used by the other modules.

use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use kube::discovery::{Scope, pinned_kind};
use kube::{Api, Client};
use serde_json::{Value, json};

pub use super::patch::Expected::{self, Accepted, Refused};
use super::patch::{Case, merge, yaml};
use crate::support::{ControlPlane, Namespace, install_crds};

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
        let base = yaml(base);
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
        self.api.delete(&name, &DeleteParams::default()).await.expect("it can be deleted");
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

fn judge(patch: &str, expected: Expected, answer: Result<DynamicObject, kube::Error>) -> Option<String> {
    match (expected, answer) {
        (Accepted, Ok(_)) => None,
        (Refused(part), Err(kube::Error::Api(status))) if has_parts(&status.message, part) => None,
        (Refused(part), Err(error)) => Some(format!("- {patch}\n  should say {part:?} but says: {error}")),
        (Refused(part), Ok(_)) => Some(format!("- {patch}\n  should be refused: {part:?}")),
        (Accepted, Err(error)) => Some(format!("- {patch}\n  should be accepted: {error}")),
    }
}

/// Returns whether a message has the parts of a text, between which an ellipsis stands, in their order.
fn has_parts(message: &str, parts: &str) -> bool {
    let mut rest = Some(message);
    for part in parts.split(" … ") {
        rest = rest.and_then(|rest| rest.split_once(part)).map(|(_, rest)| rest);
    }
    rest.is_some()
}

/// Namespace for the objects of the tests.
pub struct Bounds {
    client: Client,
    /// Their namespace.
    pub namespace: Namespace,
}

impl Bounds {
    pub async fn new() -> Self {
        let plane = ControlPlane::shared().await;
        let client = plane.client().await;
        install_crds(&client).await;
        let namespace = Namespace::new(plane, "bounds").await;
        Self { client, namespace }
    }

    pub async fn api(&self, kind: &str) -> Api<DynamicObject> {
        let gvk = GroupVersionKind::gvk("roster.dev", "v1alpha1", kind);
        let (resource, capabilities) = pinned_kind(&self.client, &gvk).await.unwrap();
        match capabilities.scope {
            Scope::Cluster => Api::all_with(self.client.clone(), &resource),
            Scope::Namespaced => Api::namespaced_with(self.client.clone(), self.namespace.name(), &resource),
        }
    }

    /// Creates the object, changes it (which costs rules with `oldSelf`, and the old object again), applies it from
    /// another manager, and deletes it.
    pub async fn accepted(&self, kind: &str, what: &str, spec: Value) {
        let api = self.api(kind).await;
        let name = format!("{what}-{}", self.namespace.name());
        let object = object(kind, &name, &spec);
        let changed = Patch::Merge(json!({"metadata": {"labels": {"changed": "yes"}}}));
        let apply = PatchParams::apply("bounds").force();
        let answers = [
            api.create(&PostParams::default(), &object).await.err(),
            api.patch(&name, &PatchParams::default(), &changed).await.err(),
            api.patch(&name, &apply, &Patch::Apply(&object)).await.err(),
            api.delete(&name, &DeleteParams::default()).await.err(),
        ];
        if let Some(error) = answers.into_iter().flatten().next() {
            panic!("{kind} {what}: {}", error.to_string().chars().take(2000).collect::<String>());
        }
    }

    pub async fn refused(&self, kind: &str, what: &str, spec: Value, message: &str) {
        let dry = PostParams { dry_run: true, ..PostParams::default() };
        let error = self.api(kind).await.create(&dry, &object(kind, what, &spec)).await;
        let error = error.map(|_| ()).expect_err(what).to_string();
        assert!(error.contains(message), "{kind} {what}: {}", error.chars().take(2000).collect::<String>());
    }
}

pub fn object(kind: &str, name: &str, spec: &Value) -> DynamicObject {
    let object = json!({"apiVersion": "roster.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec});
    serde_json::from_value(object).unwrap()
}
