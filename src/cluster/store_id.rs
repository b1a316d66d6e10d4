//! Stores the id of the store behind an IdentityStore, in an annotation. Called by `controller::shell`.

use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};

use crate::{
    api::{self, IdentityStore},
    state::{Record, StoreFacts},
};

/// Stores the id of the store that is used from now on. Removes an approval of this id, which then requires that the
/// object has not changed since it was read. Does nothing if the object is gone.
///
/// # Errors
/// When the API server refuses or cannot be reached; a conflict if an approval is to be removed and the object changed,
/// or if the object is another one now.
pub async fn remember(client: &Client, store: &Record<StoreFacts>, id: &str) -> Result<(), kube::Error> {
    let mut patch = serde_json::json!({
        "metadata": {
            "uid": &*store.meta.uid,
            "annotations": { api::STORE_ID_ANNOTATION: id },
        },
    });
    if store.facts.known.approved.as_deref() == Some(id) {
        patch["metadata"]["annotations"][api::APPROVE_STORE_ANNOTATION] = serde_json::Value::Null;
        patch["metadata"]["resourceVersion"] = (*store.meta.resource_version).into();
    }
    let params = PatchParams { field_manager: Some(api::MANAGER.to_owned()), ..PatchParams::default() };
    let api: Api<IdentityStore> = Api::all(client.clone());
    match api.patch_metadata(&store.name, &params, &Patch::Merge(patch)).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) => Err(error),
    }
}
