//! Reads the objects of a live cluster with the credentials of a kubeconfig or a pod. Called by the commands that take
//! no files, and by `roster block` and `roster status`.

use std::{collections::BTreeSet, fmt::Debug};

use anyhow::{Context as _, bail};
use k8s_openapi::{
    NamespaceResourceScope,
    api::core::v1::{ConfigMap, Namespace},
};
use kube::{
    Api, Client, Resource,
    api::ListParams,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde::de::DeserializeOwned;

use super::{Cluster, LoadedObjects, Objects, Source};
use crate::{
    api,
    cluster::{
        catalog_record,
        wire::{FromWire, Kind, Wire},
    },
    model::{AccountKey, Name},
    state::{NamespaceRecord, Object, SnapshotSource, WatchEvent},
};

/// Objects per page of a list.
const PAGE: u32 = 1_000;

/// Returns whether a cluster is configured: by a kubeconfig with a current context, or by the environment of a pod.
#[must_use]
pub fn is_cluster_there() -> bool {
    let is_named = |kubeconfig: Kubeconfig| kubeconfig.current_context.is_some();
    Kubeconfig::read().is_ok_and(is_named) || std::env::var_os("KUBERNETES_SERVICE_HOST").is_some()
}

/// Connects to the cluster of a kubeconfig or of this pod. Returns the client, and the namespace of the context.
///
/// # Errors
/// When there is no configuration, or it cannot be used.
pub async fn connect(context: Option<&str>) -> anyhow::Result<(Client, String)> {
    let config = if context.is_some() || Kubeconfig::read().is_ok() {
        let options = KubeConfigOptions { context: context.map(ToOwned::to_owned), ..KubeConfigOptions::default() };
        kube::Config::from_kubeconfig(&options).await.context("cannot read the kubeconfig")?
    } else {
        let hint = "set KUBECONFIG, or pass files with -f if the command reads files";
        kube::Config::infer()
            .await
            .with_context(|| format!("found neither a kubeconfig nor the service account of a pod: {hint}"))?
    };
    let namespace = config.default_namespace.clone();
    Ok((Client::try_from(config).context("cannot use the kubeconfig")?, namespace))
}

/// Reads the objects of a namespace, or of all, with everything that they refer to. `controller_namespace` is where the
/// controller keeps the last revisions of catalogs.
///
/// # Errors
/// When the configuration cannot be used, or the cluster does not respond.
pub async fn read(
    context: Option<&str>,
    namespace: Option<&str>,
    all: bool,
    controller_namespace: &str,
) -> anyhow::Result<LoadedObjects> {
    let (client, default) = connect(context).await?;
    let within = (!all).then(|| namespace.unwrap_or(&default).to_owned());
    let within = within.as_deref();
    let mut objects = Objects::default();
    namespaces(&client, within, &mut objects).await?;
    for catalog in list_all::<Wire<api::PermissionCatalog>>(Api::all(client.clone())).await? {
        add_foreign(&mut objects, catalog);
    }
    last_revisions(&client, controller_namespace, &mut objects).await?;
    for store in list_all::<Wire<api::IdentityStore>>(Api::all(client.clone())).await? {
        add_foreign(&mut objects, store);
    }
    add_all::<api::Account>(&client, within, &mut objects).await?;
    let accounts = SnapshotSource::accounts(&objects).cloned().collect();
    for key in parents_elsewhere(&objects) {
        // A caller without rights there gets the same result as for a parent that admits nobody.
        let api: Api<Wire<api::Account>> = Api::namespaced(client.clone(), &key.namespace);
        if let Ok(Some(parent)) = api.get_opt(&key.name).await {
            add_foreign(&mut objects, parent);
        }
    }
    add_all::<api::Role>(&client, within, &mut objects).await?;
    add_all::<api::UserGroup>(&client, within, &mut objects).await?;
    add_all::<api::Membership>(&client, within, &mut objects).await?;
    add_all::<api::Invitation>(&client, within, &mut objects).await?;
    let id = cluster_id(&client).await?;
    let namespace = within.map(ToOwned::to_owned);
    Ok(LoadedObjects { objects, source: Source::Cluster(Cluster { client, id, namespace }), accounts })
}

/// Returns the namespaces that contain Accounts; none if the caller may not list them.
pub async fn namespaces_with_accounts(client: &Client) -> BTreeSet<String> {
    let accounts: Api<api::Account> = Api::all(client.clone());
    let found = accounts.list_metadata(&ListParams::default()).await;
    found.map(|found| found.items.into_iter().filter_map(|one| one.metadata.namespace).collect()).unwrap_or_default()
}

/// Returns all accounts of the cluster; none where they may not be listed.
pub(super) async fn accounts(client: &Client) -> Vec<String> {
    let accounts: Api<api::Account> = Api::all(client.clone());
    let found = accounts.list_metadata(&ListParams::default()).await;
    let found = found.map(|found| found.items).unwrap_or_default();
    let name = |one: kube::core::PartialObjectMeta<api::Account>| {
        format!("{}/{}", one.metadata.namespace.unwrap_or_default(), one.metadata.name.unwrap_or_default())
    };
    found.into_iter().map(name).collect()
}

/// Reads which accounts still follow an earlier revision of their catalog.
async fn last_revisions(client: &Client, namespace: &str, objects: &mut Objects) -> anyhow::Result<()> {
    let records: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    match records.list(&ListParams::default().labels(catalog_record::SELECTOR)).await {
        Ok(records) => records.into_iter().for_each(|record| objects.add(catalog_record::object(record))),
        // A caller without rights there gets the result of the present revisions, as it will be when all accounts
        // follow them.
        Err(kube::Error::Api(status)) if status.code == 403 => {}
        Err(error) => return Err(error).with_context(|| format!("cannot list configmaps in {namespace}")),
    }
    Ok(())
}

/// Returns the id that marks this cluster's objects in a store: the UID of `kube-system`. It is empty if the caller may
/// not read that namespace.
async fn cluster_id(client: &Client) -> anyhow::Result<Name> {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    match namespaces.get_metadata("kube-system").await {
        Ok(namespace) => Ok(Name::from(namespace.metadata.uid.unwrap_or_default())),
        // Most commands read no store and do not need the id.
        Err(kube::Error::Api(status)) if status.code == 403 => Ok(Name::default()),
        Err(error) => Err(error).context("cannot read the namespace kube-system"),
    }
}

async fn namespaces(client: &Client, within: Option<&str>, objects: &mut Objects) -> anyhow::Result<()> {
    let api: Api<Namespace> = Api::all(client.clone());
    let found = match within {
        Some(name) => match api.get_metadata_opt(name).await {
            Ok(found) => found.into_iter().collect(),
            // The labels matter only for parents that admit by label. Without them nobody is admitted wrongly.
            Err(kube::Error::Api(status)) if status.code == 403 => Vec::new(),
            Err(error) => return Err(error).with_context(|| format!("cannot read the namespace {name}")),
        },
        None => api.list_metadata(&ListParams::default()).await.context("cannot list namespaces")?.items,
    };
    for namespace in found {
        objects.add(Object::Namespace(NamespaceRecord::new(namespace.metadata)));
    }
    Ok(())
}

/// Lists a kind and adds the objects.
async fn add_all<K>(client: &Client, within: Option<&str>, objects: &mut Objects) -> anyhow::Result<()>
where
    K: Kind<Scope = NamespaceResourceScope> + FromWire,
{
    for found in list::<Wire<K>>(client, within).await? {
        add(objects, found)?;
    }
    Ok(())
}

/// Adds a cluster-scoped object, or one of another tenant. An object that cannot be read is left out with a warning;
/// objects that refer to it get a finding that it does not exist.
fn add_foreign<K: FromWire>(objects: &mut Objects, found: Wire<K>) {
    match K::watch_event(found) {
        WatchEvent::Object(object) => objects.add(object),
        WatchEvent::Unreadable(unreadable) => eprintln!("warning: {unreadable}"),
        _ => {}
    }
}

/// Adds an object.
///
/// # Errors
/// When it cannot be read: a result without it would be wrong.
fn add<K: FromWire>(objects: &mut Objects, found: Wire<K>) -> anyhow::Result<()> {
    match K::watch_event(found) {
        WatchEvent::Unreadable(unreadable) => bail!("{unreadable}"),
        WatchEvent::Object(object) => objects.add(object),
        _ => {}
    }
    Ok(())
}

/// Lists a kind page by page.
///
/// # Errors
/// When the API server refuses or does not respond.
pub async fn list<K>(client: &Client, within: Option<&str>) -> anyhow::Result<Vec<K>>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug,
{
    list_all(match within {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    })
    .await
}

/// Like [`list`], for a given API.
///
/// # Errors
/// As [`list`].
pub async fn list_all<K>(api: Api<K>) -> anyhow::Result<Vec<K>>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    let mut found = Vec::new();
    let mut params = ListParams::default().limit(PAGE);
    loop {
        let page = api.list(&params).await.with_context(|| format!("cannot list {}", K::plural(&())))?;
        found.extend(page.items);
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params.continue_token = Some(token),
            None => return Ok(found),
        }
    }
}

/// Returns the parents that accounts name and that were not listed.
fn parents_elsewhere(objects: &Objects) -> Vec<AccountKey> {
    let accounts = objects.accounts.values().filter_map(|entry| entry.account.as_ref());
    let mut parents: Vec<AccountKey> = accounts.filter_map(|account| account.parent()).collect();
    parents.retain(|key| objects.accounts.get(key).is_none_or(|entry| entry.account.is_none()));
    parents.sort();
    parents.dedup();
    parents
}
