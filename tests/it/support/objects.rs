//! Reads objects from YAML. Used by the tests.

use kube::api::{DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use kube::discovery::{Scope, pinned_kind};
use kube::{Api, Client, ResourceExt as _};
use serde::Deserialize as _;
use serde::de::DeserializeOwned;

/// Applies all documents (server-side apply, forced, field manager `tests`); those of namespaced kinds without a
/// namespace go to `namespace`.
///
/// # Panics
/// When one is refused; [`try_apply_yaml`] is for tests of refusals.
pub async fn apply_yaml(client: &Client, namespace: &str, yaml: &str) -> Vec<DynamicObject> {
    try_apply_yaml(client, namespace, yaml).await.unwrap_or_else(|error| panic!("{error}\n{yaml}"))
}

/// Like [`apply_yaml`], up to the first document that is refused.
///
/// # Errors
/// Answer of the API server.
pub async fn try_apply_yaml(client: &Client, namespace: &str, yaml: &str) -> Result<Vec<DynamicObject>, kube::Error> {
    let mut applied = Vec::new();
    for object in parse_yaml::<DynamicObject>(yaml) {
        let types = object.types.as_ref().expect("apiVersion and kind");
        let gvk = GroupVersionKind::try_from(types).expect("an apiVersion");
        let (resource, capabilities) = pinned_kind(client, &gvk).await?;
        let api: Api<DynamicObject> = match capabilities.scope {
            Scope::Cluster => Api::all_with(client.clone(), &resource),
            Scope::Namespaced => {
                let namespace = object.namespace().unwrap_or_else(|| namespace.to_owned());
                Api::namespaced_with(client.clone(), &namespace, &resource)
            }
        };
        let params = PatchParams { field_manager: Some("tests".to_owned()), force: true, ..PatchParams::default() };
        applied.push(api.patch(&object.name_any(), &params.validation_strict(), &Patch::Apply(&object)).await?);
    }
    Ok(applied)
}

/// The documents of a YAML text; empty ones are left out.
///
/// # Panics
/// When one is not a `T`.
pub fn parse_yaml<T: DeserializeOwned>(yaml: &str) -> Vec<T> {
    serde_yaml_ng::Deserializer::from_str(yaml)
        .map(|document| serde_yaml_ng::Value::deserialize(document).unwrap_or_else(|error| panic!("{error}\n{yaml}")))
        .filter(|value| !value.is_null())
        .map(|value| serde_yaml_ng::from_value(value).unwrap_or_else(|error| panic!("{error}\n{yaml}")))
        .collect()
}
