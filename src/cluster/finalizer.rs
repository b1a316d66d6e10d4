//! Sets Roster's finalizer on Accounts, and on an IdentityStore or PermissionCatalog while it is in use. Called by
//! `controller::refresh` and by passes through `controller::pass_environment`.

use kube::{
    Api, Client, Resource,
    api::{Patch, PatchParams},
    core::{ApiResource, DynamicObject},
};

use crate::{
    api,
    model::{KindName, ObjectRef},
};

/// Adds or removes the finalizer. Does nothing if the object is gone or is another one: its next event triggers another
/// attempt.
///
/// # Errors
/// When the API server refuses or cannot be reached; a conflict if the object changed meanwhile.
pub async fn set(client: &Client, reference: &ObjectRef, uid: &str, wanted: bool) -> Result<(), kube::Error> {
    let resource = match reference.kind {
        KindName::Account => erased::<api::Account>(),
        KindName::IdentityStore => erased::<api::IdentityStore>(),
        _ => erased::<api::PermissionCatalog>(),
    };
    let api: Api<DynamicObject> = if reference.namespace.is_empty() {
        Api::all_with(client.clone(), &resource)
    } else {
        Api::namespaced_with(client.clone(), &reference.namespace, &resource)
    };
    let Some(object) = api.get_metadata_opt(&reference.name).await? else { return Ok(()) };
    let has = object.metadata.finalizers.iter().flatten().any(|finalizer| finalizer == api::FINALIZER);
    let another = object.metadata.uid.as_deref() != Some(uid);
    if has == wanted || another || (wanted && object.metadata.deletion_timestamp.is_some()) {
        return Ok(());
    }
    let mut finalizers: Vec<String> = object.metadata.finalizers.unwrap_or_default();
    finalizers.retain(|finalizer| finalizer != api::FINALIZER);
    if wanted {
        finalizers.push(api::FINALIZER.to_owned());
    }
    let patch = serde_json::json!({
        "metadata": { "finalizers": finalizers, "resourceVersion": object.metadata.resource_version },
    });
    let params = PatchParams { field_manager: Some(api::MANAGER.to_owned()), ..PatchParams::default() };
    match api.patch_metadata(&reference.name, &params, &Patch::Merge(patch)).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) => Err(error),
    }
}

fn erased<K: Resource<DynamicType = ()>>() -> ApiResource {
    ApiResource::erase::<K>(&())
}
