//! Are the definitions of our kinds those of this release? An earlier one does not know every field that we write, and an
//! API server drops what it does not know: statuses would never read as they were written, and be written for ever.

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

/// Time between two looks while this process leads: somebody may install an earlier release over this one.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// Waits until every definition was read, and none is of an earlier release; one that is missing is said by the watches.
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

/// Waits until one is of an earlier release, and says which. What cannot be read now is read the next time.
pub async fn until_outdated(client: &Client) -> String {
    // Also at once: whoever has stood by for long may find others than it began with.
    loop {
        if let Ok(Some(why)) = outdated(client).await {
            return why;
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// What is wrong with a definition, if anything is.
///
/// # Errors
/// Why one cannot be read, where nothing is known to be wrong with the others.
async fn outdated(client: &Client) -> Result<Option<String>, String> {
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    let read = api::crd_names().map(|name| timeout(ANSWER, definitions.get_metadata_opt(name)));
    let mut unread = None;
    // At the same time: an API server that is slow should not be waited for seven times.
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

/// Why the definition of a release will not do. Those of a later one know all that this one writes (docs/api-versioning.md).
fn is_outdated(name: &str, release: Option<&str>) -> Option<String> {
    let ours = env!("CARGO_PKG_VERSION");
    let parse = |version: &str| Version::parse(version).ok();
    if release.and_then(parse) >= parse(ours) {
        return None;
    }
    let theirs = release.unwrap_or("0.1.0");
    Some(format!(
        "the definition {name} is of an earlier release ({theirs}; this is {ours}), and does not know all that this one \
         writes: bring the definitions up to date by `helm upgrade`, or, where no chart keeps \
         them, by `roster crds | kubectl apply --server-side --force-conflicts -f -`"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_earlier_release_will_not_do() {
        for release in [None, Some("0.0.9"), Some("none"), Some("0.1.0")] {
            let why = is_outdated("accounts.roster.dev", release).unwrap();
            assert!(why.contains("accounts.roster.dev is of an earlier release ("), "{why}");
        }
        for release in [env!("CARGO_PKG_VERSION"), "99.0.0"] {
            assert_eq!(is_outdated("accounts.roster.dev", Some(release)), None);
        }
    }
}
