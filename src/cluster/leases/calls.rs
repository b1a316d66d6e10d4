//! Sends requests about Leases. Called by `driver`.

use k8s_openapi::api::coordination::v1::Lease;
use kube::{
    Api, Error,
    api::{DeleteParams, ListParams, PostParams, Preconditions},
};

use crate::{
    api::MANAGER,
    cluster::api_error,
    control::{
        ApiFault,
        leases::{LeaseAnswer, LeaseRequest},
    },
};

/// Sends a request.
///
/// # Errors
/// When the API server refuses or cannot be reached.
pub(super) async fn carry_out(api: &Api<Lease>, request: LeaseRequest) -> Result<LeaseAnswer, ApiFault> {
    send(api, request).await.map_err(|error| fault(&error))
}

async fn send(api: &Api<Lease>, request: LeaseRequest) -> Result<LeaseAnswer, Error> {
    let params = PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
    Ok(match request {
        LeaseRequest::List => LeaseAnswer::Listed(api.list(&ListParams::default()).await?.items),
        LeaseRequest::Get(name) => LeaseAnswer::Found(api.get_opt(&name).await?.map(Box::new)),
        LeaseRequest::Create(lease) => LeaseAnswer::Written(Box::new(api.create(&params, &lease).await?)),
        LeaseRequest::Replace(lease) => {
            let name = lease.metadata.name.as_deref().unwrap_or_default();
            LeaseAnswer::Written(Box::new(api.replace(name, &params, &lease).await?))
        }
        LeaseRequest::Delete { name, uid, version } => {
            let preconditions = Preconditions { uid, resource_version: version };
            let is_any = preconditions == Preconditions::default();
            let params =
                DeleteParams { preconditions: Some(preconditions).filter(|_| !is_any), ..DeleteParams::default() };
            api.delete(&name, &params).await?;
            LeaseAnswer::Deleted
        }
    })
}

/// Converts an error; if there was no response, with all its causes.
fn fault(error: &Error) -> ApiFault {
    let fault = api_error::fault(error);
    match fault.code {
        Some(_) => fault,
        None => ApiFault { message: api_error::advised(error), ..fault },
    }
}
