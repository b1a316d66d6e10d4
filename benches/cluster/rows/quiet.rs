//! Measures a restart and a check without changes: nothing may be written, neither to the API server nor to the store.

use std::{collections::BTreeMap, path::Path};

use anyhow::Result;
use kube::{
    Api, Client, Resource as _,
    api::{ApiResource, DynamicObject, ListParams, Patch, PatchParams},
};
use roster::api::{
    Account, IdentityStore, Invitation, Membership, PermissionCatalog, RECONCILE_AT_ANNOTATION, Role, UserGroup,
};
use serde_json::json;

use super::large::NAMESPACE;
use crate::{
    controller::Controller,
    environment::Environment,
    report::{Row, Target},
    size::Size,
    store::StoreReader,
};

/// Versions of all objects, by kind, namespace and name.
type Versions = BTreeMap<(String, String, String), String>;

/// Returns the rows, and the running controller.
pub async fn measure(environment: &Environment, size: &Size, folder: &Path) -> Result<(Vec<Row>, Controller)> {
    let client = &environment.client;
    let mut store = StoreReader::open(folder).await?;
    let (before, wrote_before) = (versions(client).await?, store.writes().await?);

    let mut controller = Controller::start(environment, folder)?;
    controller.quiet().await?;
    let (restarted, wrote_restarted) = (versions(client).await?, store.writes().await?);

    let passes = controller.sum(WHOLE_PASSES).await?;
    let mut expected = restarted.clone();
    let accounts: Api<Account> = Api::namespaced(client.clone(), NAMESPACE);
    for account in accounts.list_metadata(&ListParams::default()).await? {
        let name = account.metadata.name.unwrap_or_default();
        let check = json!({"metadata": {"annotations": {RECONCILE_AT_ANNOTATION: "bench"}}});
        let account = accounts.patch_metadata(&name, &PatchParams::default(), &Patch::Merge(&check)).await?;
        let version = account.metadata.resource_version.unwrap_or_default();
        expected.insert(("Account".to_owned(), NAMESPACE.to_owned(), name), version);
    }
    controller.quiet().await?;
    let checked = controller.sum(WHOLE_PASSES).await? - passes;
    anyhow::ensure!(checked >= 2.0, "both accounts should have been checked whole, not {checked}");
    let (after, wrote_after) = (versions(client).await?, store.writes().await?);

    let api = [differences(&before, &restarted), differences(&expected, &after)];
    let stored = [wrote_restarted.since(wrote_before), wrote_after.since(wrote_restarted)];
    let stored = stored.map(|writes| f64::from(u32::try_from(writes).unwrap_or(u32::MAX)));
    let exported = controller.sum("roster_api_writes_total").await?;
    let figure = format!("API writes in a restart and a clean check of {}", size.large + size.little);
    let api = Row::new("quiet-api", figure, "", Target::AtMost(0.0), api.iter().sum())
        .with("restart_and_check", api)
        .with("by_its_own_metric", vec![exported]);
    let figure = "store writes in the same";
    let store =
        Row::new("quiet-store", figure, "", Target::AtMost(0.0), stored.iter().sum()).with("restart_and_check", stored);
    Ok((vec![api, store], controller))
}

const WHOLE_PASSES: &str = "roster_passes_total{scope=\"account\"";

/// Returns the versions of all objects except Leases, which every holder renews.
async fn versions(client: &Client) -> Result<Versions> {
    let kinds = [
        ApiResource::erase::<PermissionCatalog>(&()),
        ApiResource::erase::<IdentityStore>(&()),
        ApiResource::erase::<Account>(&()),
        ApiResource::erase::<Role>(&()),
        ApiResource::erase::<UserGroup>(&()),
        ApiResource::erase::<Membership>(&()),
        ApiResource::erase::<Invitation>(&()),
        ApiResource::erase::<k8s_openapi::api::events::v1::Event>(&()),
        ApiResource::erase::<k8s_openapi::api::core::v1::Namespace>(&()),
    ];
    let mut versions = Versions::new();
    for resource in kinds {
        let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
        for object in api.list_metadata(&ListParams::default()).await? {
            let metadata = object.meta();
            let [namespace, name, version] = [&metadata.namespace, &metadata.name, &metadata.resource_version]
                .map(|text| text.clone().unwrap_or_default());
            versions.insert((resource.kind.clone(), namespace, name), version);
        }
    }
    Ok(versions)
}

fn differences(before: &Versions, after: &Versions) -> f64 {
    let changed = after.iter().filter(|(key, version)| before.get(*key) != Some(version)).count();
    let gone = before.keys().filter(|key| !after.contains_key(*key)).count();
    f64::from(u32::try_from(changed + gone).unwrap_or(u32::MAX))
}
