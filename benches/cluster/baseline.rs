//! Measures the baseline: the same status bytes as bare server-side-apply patches to existing objects, and nothing else.
//! Used by the measurements as the base of their ratios.

use std::time::{Duration, Instant};

use anyhow::Result;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use kube::{
    Api, Client, Resource as _,
    api::{ApiResource, DynamicObject, ListParams, Patch, PatchParams},
    core::{PartialObjectMeta, Request},
};
use roster::api::{MANAGER, Membership};
use serde_json::{Value, json};

/// Numbers of parallel patches to try; the fastest one is used.
const CANDIDATES: [usize; 3] = [16, 24, 32];
/// Response format with the least cost. The controller requests the same one.
const METADATA_ONLY: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";

/// Status patch, ready to be sent.
pub struct BarePatch {
    url: String,
    name: String,
    body: Value,
}

impl BarePatch {
    /// Returns the status that the controller wrote to `object`, with other times, so that the API server must write it
    /// again.
    pub fn of(object: &DynamicObject, kind: &str, plural: &str) -> Self {
        let mut status = object.data["status"].clone();
        for condition in status["conditions"].as_array_mut().into_iter().flatten() {
            let time = condition["lastTransitionTime"].as_str().unwrap_or_default();
            let other = if time.ends_with("00Z") { "01Z" } else { "00Z" };
            let changed = format!("{}{other}", &time[..time.len().saturating_sub(3)]);
            condition["lastTransitionTime"] = changed.into();
        }
        let version = Membership::api_version(&());
        let metadata = &object.metadata;
        let name = metadata.name.clone().unwrap_or_default();
        let namespace = metadata.namespace.as_deref().unwrap_or_default();
        let url = format!("/apis/{version}/namespaces/{namespace}/{plural}");
        let body = json!({
            "apiVersion": version,
            "kind": kind,
            "metadata": {"name": name, "resourceVersion": metadata.resource_version},
            "status": status,
        });
        Self { url, name, body }
    }

    /// Sends the patch and waits for the response.
    pub async fn send(&self, client: &Client) -> Result<()> {
        let params = PatchParams::apply(MANAGER).force();
        let patch = Patch::Apply(&self.body);
        let mut request = Request::new(&self.url).patch_subresource("status", &self.name, &params, &patch)?;
        request.headers_mut().insert("accept", METADATA_ONLY.parse()?);
        client.request::<PartialObjectMeta>(request).await?;
        Ok(())
    }
}

/// Returns the current Memberships of a namespace.
pub async fn memberships(client: &Client, namespace: &str) -> Result<Vec<DynamicObject>> {
    let resource = ApiResource::erase::<Membership>(&());
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
    Ok(api.list(&ListParams::default()).await?.items)
}

/// Returns the current state of a Membership.
pub async fn membership(client: &Client, namespace: &str, name: &str) -> Result<DynamicObject> {
    let resource = ApiResource::erase::<Membership>(&());
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
    Ok(api.get(name).await?)
}

/// Returns the number of parallel patches that is fastest on this machine; tries each number on a few objects.
pub async fn best_concurrency(client: &Client, namespace: &str) -> Result<usize> {
    let all = memberships(client, namespace).await?;
    let mut best = (Duration::MAX, CANDIDATES[0]);
    // The first try warms up and does not count.
    let tries = std::iter::once((false, CANDIDATES[0])).chain(CANDIDATES.into_iter().map(|at_once| (true, at_once)));
    let share = all.len() / (CANDIDATES.len() + 1);
    for ((counts, at_once), objects) in tries.zip(all.chunks(share.max(1))) {
        let took = patch_all(client, objects, at_once).await?;
        if counts && took < best.0 {
            best = (took, at_once);
        }
    }
    Ok(best.1)
}

/// Patches all Memberships of a namespace; returns the duration.
pub async fn baseline(client: &Client, namespace: &str, at_once: usize) -> Result<Duration> {
    patch_all(client, &memberships(client, namespace).await?, at_once).await
}

async fn patch_all(client: &Client, objects: &[DynamicObject], at_once: usize) -> Result<Duration> {
    let (kind, plural) = (Membership::kind(&()), Membership::plural(&()));
    let patches: Vec<BarePatch> = objects.iter().map(|object| BarePatch::of(object, &kind, &plural)).collect();
    let started = Instant::now();
    let sent = stream::iter(&patches).map(|patch| patch.send(client)).buffer_unordered(at_once);
    sent.try_for_each(|()| async { Ok(()) }).await?;
    Ok(started.elapsed())
}
