//! Creates very many objects in the cluster, and removes them. Used by the measurements (`rows`).

use std::{
    fmt::Debug,
    time::{Duration, Instant},
};

use anyhow::Result;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::{NamespaceResourceScope, api::core::v1::Namespace};
use kube::{
    Api, Client, Resource, ResourceExt as _,
    api::{DeleteParams, ListParams, ObjectMeta, Patch, PatchParams, PostParams},
};
use roster::api::{Account, IdentityStore, Membership, PermissionCatalog, Role, UserGroup};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;

use crate::objects;

/// Number of parallel requests for set-up work, which is not measured.
const AT_ONCE: usize = 32;

/// Creates a namespace with accounts, their roles and groups, without members.
pub async fn create_accounts(client: &Client, namespace: &str, accounts: &[String]) -> Result<()> {
    create_accounts_in(client, namespace, accounts, &objects::store()).await
}

/// Like the function above, but in another store.
pub async fn create_accounts_in(
    client: &Client,
    namespace: &str,
    accounts: &[String],
    store: &IdentityStore,
) -> Result<()> {
    let object = Namespace {
        metadata: ObjectMeta { name: Some(namespace.to_owned()), ..ObjectMeta::default() },
        ..Namespace::default()
    };
    let namespaces: Api<Namespace> = Api::all(client.clone());
    namespaces.patch(namespace, &PatchParams::apply("bench"), &Patch::Apply(&object)).await?;
    let (catalogs, stores) = (Api::<PermissionCatalog>::all(client.clone()), Api::<IdentityStore>::all(client.clone()));
    catalogs.patch("bench", &applied(), &Patch::Apply(objects::catalog())).await?;
    stores.patch(&store.name_any(), &applied(), &Patch::Apply(store)).await?;
    for account in accounts {
        create(client, namespace, objects::groups(namespace, account)).await?;
        create(client, namespace, vec![objects::shift(namespace, account, "View")]).await?;
        create(client, namespace, vec![objects::account(namespace, account, &store.name_any())]).await?;
    }
    Ok(())
}

fn applied() -> PatchParams {
    PatchParams::apply("bench").force()
}

/// Creates these Memberships; returns the duration.
pub async fn fill(client: &Client, namespace: &str, members: Vec<Membership>) -> Result<Duration> {
    let started = Instant::now();
    create(client, namespace, members).await?;
    Ok(started.elapsed())
}

pub async fn create<K>(client: &Client, namespace: &str, objects: Vec<K>) -> Result<()>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Serialize + DeserializeOwned + Clone + Debug,
{
    let api: Api<K> = Api::namespaced(client.clone(), namespace);
    let params = PostParams::default();
    let created = stream::iter(&objects).map(|object| api.create(&params, object)).buffer_unordered(AT_ONCE);
    created.try_for_each(|_| async { Ok(()) }).await?;
    Ok(())
}

/// Removes everything from a namespace. The controller must not run, since finalizers are removed by force.
pub async fn clear(client: &Client, namespace: &str) -> Result<()> {
    let accounts: Api<Account> = Api::namespaced(client.clone(), namespace);
    for account in accounts.list_metadata(&ListParams::default()).await? {
        let name = account.metadata.name.unwrap_or_default();
        let free = json!({"metadata": {"finalizers": null}});
        accounts.patch_metadata(&name, &PatchParams::default(), &Patch::Merge(&free)).await?;
    }
    delete::<Account>(client, namespace).await?;
    delete::<Role>(client, namespace).await?;
    delete::<UserGroup>(client, namespace).await?;
    delete::<Membership>(client, namespace).await
}

async fn delete<K>(client: &Client, namespace: &str) -> Result<()>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + DeserializeOwned + Clone + Debug,
{
    let api: Api<K> = Api::namespaced(client.clone(), namespace);
    let listed = api.list_metadata(&ListParams::default()).await?;
    let names: Vec<String> = listed.into_iter().filter_map(|object| object.metadata.name).collect();
    let params = DeleteParams::default();
    let deleted = stream::iter(&names).map(|name| api.delete(name, &params)).buffer_unordered(AT_ONCE);
    deleted.try_for_each(|_| async { Ok(()) }).await?;
    Ok(())
}
