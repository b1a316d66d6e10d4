//! Checks that the installed CRDs are of this release, or later. Called by `controller::run`; with earlier ones the
//! controller is not ready. An earlier CRD lacks fields that we write, and the API server drops unknown fields:
//! statuses would never read as written, and would be written again and again.

use std::time::Duration;

use futures::future::join_all;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{Api, Client, ResourceExt as _};
use semver::Version;
use tokio::time::timeout;

use super::{AGAIN, ANSWER};
use crate::{
    api::{self, RELEASE_ANNOTATION},
    cluster::api_error,
    telemetry::Health,
};

/// Interval between checks while this process leads: somebody may install an earlier release.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// Waits until every definition could be read and none is of an earlier release. A missing definition does not block;
/// the watches report it.
pub async fn await_current(client: &Client, health: &Health) {
    loop {
        let why = match outdated(client).await {
            Ok(None) => return,
            Ok(Some(why)) | Err(why) => why,
        };
        tracing::warn!(why, "not leading");
        health.set_ready(Err(why));
        tokio::time::sleep(AGAIN).await;
    }
}

/// Waits until a definition is of an earlier release, and returns the message. A definition that cannot be read now is
/// checked the next time.
pub async fn until_outdated(client: &Client) -> String {
    // Checks immediately, too: the definitions may have changed while this process was on standby.
    loop {
        if let Ok(Some(why)) = outdated(client).await {
            return why;
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// Returns the fault of a definition, if any.
///
/// # Errors
/// When a definition cannot be read, and no fault of the others is known.
async fn outdated(client: &Client) -> Result<Option<String>, String> {
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    let read = api::crd_names().map(|name| timeout(ANSWER, definitions.get_metadata_opt(name)));
    let mut unread = None;
    // Concurrently, so that a slow API server is waited for once and not seven times.
    for (name, read) in std::iter::zip(api::crd_names(), join_all(read).await) {
        match read {
            Ok(Ok(None)) => {}
            Ok(Ok(Some(definition))) => {
                let release = definition.annotations().get(RELEASE_ANNOTATION).map(String::as_str);
                if let Some(why) = is_outdated(name, release) {
                    return Ok(Some(why));
                }
            }
            Ok(Err(error)) => unread = Some(api_error::advised(&error)),
            Err(_) => unread = Some(api_error::NONE.to_owned()),
        }
    }
    unread.map_or(Ok(None), Err)
}

/// Returns why a definition of this release is not sufficient. Definitions of later releases know all fields that this
/// one writes (docs/api-versioning.md).
fn is_outdated(name: &str, release: Option<&str>) -> Option<String> {
    let ours = env!("CARGO_PKG_VERSION");
    let parse = |version: &str| Version::parse(version).ok();
    if release.and_then(parse) >= parse(ours) {
        return None;
    }
    let theirs = release.unwrap_or("0.1.0");
    Some(format!(
        "the definition {name} is from an earlier release ({theirs}; this is {ours}) and lacks fields that this \
         release writes: update the definitions with `helm upgrade` or, if no chart installed them, with `roster crds \
         | kubectl apply --server-side --force-conflicts -f -`"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_of_an_earlier_release_are_outdated() {
        for release in [None, Some("0.0.9"), Some("none"), Some("0.1.0")] {
            let why = is_outdated("accounts.roster.dev", release).unwrap();
            assert!(why.contains("accounts.roster.dev is from an earlier release ("), "{why}");
        }
        for release in [env!("CARGO_PKG_VERSION"), "99.0.0"] {
            assert_eq!(is_outdated("accounts.roster.dev", Some(release)), None);
        }
    }
}
