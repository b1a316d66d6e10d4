//! Writes statuses. Called by `controller::shell`.

use kube::{
    Client,
    api::{Patch, PatchParams, PostParams},
    core::Request,
};
use serde::Deserialize;

use super::api_error::fault;
use crate::{
    api,
    control::{ApiFault, StatusWrite, StatusWritten},
    model::{KindName, ObjectRef},
};

/// Media type that reduces the response to metadata: only the new version is needed.
const METADATA_ONLY: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";

#[derive(Debug, Deserialize)]
struct Answer {
    metadata: AnswerMetadata,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AnswerMetadata {
    uid: String,
    resource_version: String,
}

/// Writes a status: by server-side apply, or as a whole (`replace`) if somebody else wrote into it.
///
/// # Errors
/// When the API server refuses or cannot be reached.
pub async fn write(client: &Client, write: &StatusWrite) -> Result<StatusWritten, ApiFault> {
    let object = &write.object;
    let body = serde_json::json!({
        "apiVersion": format!("{}/{}", api::GROUP, api::VERSION),
        "kind": object.kind.as_str(),
        // The version makes the server refuse a patch of a former leader.
        "metadata": { "name": object.name, "resourceVersion": write.resource_version },
        "status": write.status,
    });
    let request = Request::new(url(object));
    let request = if write.replace {
        let params = PostParams { field_manager: Some(api::MANAGER.to_owned()), ..PostParams::default() };
        request.replace_subresource("status", &object.name, &params, body.to_string().into_bytes())
    } else {
        request.patch_subresource(
            "status",
            &object.name,
            &PatchParams::apply(api::MANAGER).force(),
            &Patch::Apply(body),
        )
    };
    let answer = match request {
        Ok(mut request) => {
            if let Ok(accept) = METADATA_ONLY.parse() {
                request.headers_mut().insert("accept", accept);
            }
            client.request::<Answer>(request).await
        }
        Err(error) => Err(kube::Error::BuildRequest(error)),
    };
    let Answer { metadata: AnswerMetadata { uid, resource_version } } = answer.map_err(|error| fault(&error))?;
    Ok(StatusWritten { uid: uid.into(), resource_version: resource_version.into() })
}

/// Returns the URL of a kind's objects.
fn url(object: &ObjectRef) -> String {
    let plural = match object.kind {
        KindName::Namespace => "namespaces",
        KindName::PermissionCatalog => "permissioncatalogs",
        KindName::IdentityStore => "identitystores",
        KindName::Account => "accounts",
        KindName::Role => "accessroles",
        KindName::UserGroup => "usergroups",
        KindName::Membership => "memberships",
        KindName::Invitation => "invitations",
        // Records have no status.
        KindName::CatalogRecord => "configmaps",
    };
    let base = format!("/apis/{}/{}", api::GROUP, api::VERSION);
    if object.namespace.is_empty() {
        format!("{base}/{plural}")
    } else {
        format!("{base}/namespaces/{}/{plural}", object.namespace)
    }
}
