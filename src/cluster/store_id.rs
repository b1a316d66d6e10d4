//! The id of the store behind an IdentityStore, as the controller remembers it: an annotation.

use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};

use crate::{
    api::{self, IdentityStore},
    state::{Record, StoreFacts},
};

/// Remembers the id of the store that is used from now on. An object that is gone, or another one by now, is left alone.
///
/// # Errors
/// When the API server refuses or cannot be reached.
pub async fn remember(client: &Client, store: &Record<StoreFacts>, id: &str) -> Result<(), kube::Error> {
    let patch = serde_json::json!({
        "metadata": {
            "uid": &*store.meta.uid,
            "annotations": { api::STORE_ID_ANNOTATION: id },
        },
    });
    let params = PatchParams { field_manager: Some(api::MANAGER.to_owned()), ..PatchParams::default() };
    let api: Api<IdentityStore> = Api::all(client.clone());
    match api.patch_metadata(&store.name, &params, &Patch::Merge(patch)).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) => Err(error),
    }
}
