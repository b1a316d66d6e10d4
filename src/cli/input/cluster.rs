//! Reading a live cluster, as who the kubeconfig says.

use std::{fmt::Debug, sync::Arc};

use anyhow::Context as _;
use k8s_openapi::{NamespaceResourceScope, api::core::v1::Namespace};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::ListParams,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde::de::DeserializeOwned;

use super::{Cluster, Estate, Source};
use crate::{
    api,
    model::{AccountKey, Name},
    resolve::Objects,
    state::{AccountFacts, CatalogFacts, GroupFacts, InvitationFacts, MemberFacts, RoleFacts, StoreFacts},
};

/// Objects of one page of a list.
const PAGE: u32 = 1_000;

/// Connects as the kubeconfig says; also the namespace of its context.
pub(in crate::cli) async fn connect(context: Option<&str>) -> anyhow::Result<(Client, String)> {
    let config = if context.is_some() || Kubeconfig::read().is_ok() {
        let options = KubeConfigOptions { context: context.map(ToOwned::to_owned), ..KubeConfigOptions::default() };
        kube::Config::from_kubeconfig(&options).await.context("cannot read the kubeconfig")?
    } else {
        let hint = "name a cluster with KUBECONFIG, or files with -f where a command reads files";
        kube::Config::infer()
            .await
            .with_context(|| format!("found no kubeconfig, and no service account of a pod: {hint}"))?
    };
    let namespace = config.default_namespace.clone();
    Ok((Client::try_from(config).context("cannot use what the kubeconfig says")?, namespace))
}

/// Reads what the commands ask about, and whatever that refers to.
pub(super) async fn read(context: Option<&str>, namespace: Option<&str>, all: bool) -> anyhow::Result<Estate> {
    let (client, default) = connect(context).await?;
    let within = (!all).then(|| namespace.unwrap_or(&default).to_owned());
    let within = within.as_deref();
    let mut objects = Objects::default();
    namespaces(&client, within, &mut objects).await?;
    for catalog in list_all::<api::PermissionCatalog>(Api::all(client.clone())).await? {
        let name = Name::from(catalog.name_any());
        let facts = CatalogFacts::new(name.clone(), catalog.metadata.generation.unwrap_or(0), catalog.spec);
        objects.catalogs.insert(name, Arc::new(facts));
    }
    for store in list_all::<api::IdentityStore>(Api::all(client.clone())).await? {
        let name = Name::from(store.name_any());
        let facts = StoreFacts::new(name.clone(), store.metadata.generation.unwrap_or(0), store.spec);
        objects.stores.insert(name, Arc::new(facts));
    }
    let mut accounts = Vec::new();
    for account in list::<api::Account>(&client, within).await? {
        accounts.push(add_account(&mut objects, account));
    }
    for key in parents_elsewhere(&objects) {
        // Who may not look there is told what everybody else is: that nothing admits the account.
        if let Ok(Some(parent)) = Api::namespaced(client.clone(), &key.namespace).get_opt(&key.name).await {
            add_account(&mut objects, parent);
        }
    }
    for role in list::<api::Role>(&client, within).await? {
        let (key, name, generation) = place(&role, &role.spec.account_ref);
        objects.entry(key).roles.insert(name.clone(), Arc::new(RoleFacts { name, generation, spec: role.spec }));
    }
    for group in list::<api::UserGroup>(&client, within).await? {
        let (key, name, generation) = place(&group, &group.spec.account_ref);
        objects.entry(key).groups.insert(name.clone(), Arc::new(GroupFacts { name, generation, spec: group.spec }));
    }
    for member in list::<api::Membership>(&client, within).await? {
        let (key, name, generation) = place(&member, &member.spec.account_ref);
        objects.entry(key).members.insert(name.clone(), MemberFacts::new(name, generation, &member.spec));
    }
    for invitation in list::<api::Invitation>(&client, within).await? {
        let (key, name, generation) = place(&invitation, &invitation.spec.account_ref);
        // Nothing is mailed yet, so nothing can have been accepted.
        let facts = InvitationFacts::new(name.clone(), generation, &invitation.spec, false);
        objects.entry(key).invitations.insert(name, facts);
    }
    let id = cluster_id(&client).await?;
    Ok(Estate { objects, source: Source::Cluster(Cluster { client, id }), accounts })
}

/// What marks this cluster's objects in a store.
async fn cluster_id(client: &Client) -> anyhow::Result<Name> {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    match namespaces.get_metadata("kube-system").await {
        Ok(namespace) => Ok(Name::from(namespace.metadata.uid.unwrap_or_default())),
        // Most commands look into no store, and then it is not needed.
        Err(kube::Error::Api(status)) if status.code == 403 => Ok(Name::default()),
        Err(error) => Err(error).context("cannot read the namespace kube-system"),
    }
}

async fn namespaces(client: &Client, within: Option<&str>, objects: &mut Objects) -> anyhow::Result<()> {
    let api: Api<Namespace> = Api::all(client.clone());
    let found = match within {
        Some(name) => match api.get_metadata_opt(name).await {
            Ok(found) => found.into_iter().collect(),
            // Its labels matter only to who admits by label; without them nobody is admitted who should not be.
            Err(kube::Error::Api(status)) if status.code == 403 => Vec::new(),
            Err(error) => return Err(error).with_context(|| format!("cannot read the namespace {name}")),
        },
        None => api.list_metadata(&ListParams::default()).await.context("cannot list namespaces")?.items,
    };
    for namespace in found {
        let labels = Arc::new(namespace.metadata.labels.clone().unwrap_or_default());
        objects.namespaces.insert(namespace.name_any().into(), labels);
    }
    Ok(())
}

/// Lists a kind, page by page.
pub(in crate::cli) async fn list<K>(client: &Client, within: Option<&str>) -> anyhow::Result<Vec<K>>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug,
{
    list_all(match within {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    })
    .await
}

/// As [`list`], of an API at hand.
pub(in crate::cli) async fn list_all<K>(api: Api<K>) -> anyhow::Result<Vec<K>>
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

fn place<K: ResourceExt>(object: &K, account: &api::NameRef) -> (AccountKey, Name, i64) {
    let namespace = object.namespace().unwrap_or_default();
    let key = AccountKey::new(&namespace, &account.name);
    (key, object.name_any().into(), object.meta().generation.unwrap_or(0))
}

fn add_account(objects: &mut Objects, account: api::Account) -> AccountKey {
    let annotations = account.annotations().clone();
    let facts = AccountFacts {
        namespace: account.namespace().unwrap_or_default().into(),
        name: account.name_any().into(),
        uid: account.uid().unwrap_or_default().into(),
        generation: account.metadata.generation.unwrap_or(0),
        spec: account.spec,
    };
    let key = facts.key();
    let entry = objects.entry(key.clone());
    (entry.account, entry.annotations) = (Some(Arc::new(facts)), annotations);
    key
}

/// Parents that are named and were not listed.
fn parents_elsewhere(objects: &Objects) -> Vec<AccountKey> {
    let accounts = objects.accounts.values().filter_map(|entry| entry.account.as_ref());
    let mut parents: Vec<AccountKey> = accounts.filter_map(|account| account.parent()).collect();
    parents.retain(|key| objects.accounts.get(key).is_none_or(|entry| entry.account.is_none()));
    parents.sort();
    parents.dedup();
    parents
}
