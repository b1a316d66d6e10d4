//! Reads Account, namespace and CRDs directly from the API server before members are removed. Called by passes through
//! `controller::pass_environment` (`LiveEnvironment::stays`) and by `controller::refresh`.
//!
//! When a namespace or a CRD is deleted, its objects are deleted in no particular order. The remaining ones do not
//! express desired access: the Account's `deletionPolicy` decides, not a set of half-deleted objects (docs/concepts.md
//! "Marks, drift, removal").

use k8s_openapi::{
    api::core::v1::Namespace, apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{Api, Client, api::ListParams};

use crate::{
    api,
    cluster::wire::Wire,
    control::FreshRead,
    model::{AccountKey, KindName},
    state::RecreatedDefinitions,
};

/// Accounts per page of a list.
const PAGE: u32 = 500;

/// Reads whether the Account with this UID, its namespace and the CRDs of Roster's kinds exist and are not being
/// deleted.
///
/// # Errors
/// When the API server does not respond; then nobody is removed.
pub async fn read_fresh(client: &Client, account: &AccountKey, uid: &str) -> Result<FreshRead, kube::Error> {
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let accounts: Api<api::Account> = Api::namespaced(client.clone(), &account.namespace);
    let names = api::crd_names();
    let definitions = futures::future::try_join_all(names.iter().map(|name| definitions.get_metadata_opt(name)));
    let (account, namespace, definitions) = futures::try_join!(
        accounts.get_metadata_opt(&account.name),
        namespaces.get_metadata_opt(&account.namespace),
        definitions,
    )?;
    let stays = |meta: Option<&kube::core::ObjectMeta>| meta.is_some_and(|meta| meta.deletion_timestamp.is_none());
    let others_stay = stays(namespace.as_ref().map(|namespace| &namespace.metadata))
        && definitions.iter().all(|crd| stays(crd.as_ref().map(|crd| &crd.metadata)));
    let account = account.filter(|account| account.metadata.uid.as_deref() == Some(uid));
    let is_deleting = account.as_ref().is_some_and(|account| account.metadata.deletion_timestamp.is_some());
    let definition = |kind: KindName| {
        let place = names.iter().position(|name| api::crd_name(kind.as_str()) == Some(*name))?;
        definitions.get(place)?.as_ref()
    };
    let made = |kind: KindName| Some(definition(kind)?.metadata.creation_timestamp.as_ref()?.0);
    let recreated = account.as_ref().and_then(|account| {
        let approved =
            account.metadata.annotations.as_ref().and_then(|all| all.get(api::APPROVE_DEFINITION_ANNOTATION));
        RecreatedDefinitions::find(made, account.metadata.creation_timestamp.as_ref()?.0, approved.map(String::as_str))
    });
    Ok(FreshRead::of(account.is_some(), is_deleting, others_stay, recreated))
}

/// Reads whether there is no IdentityStore with this name.
///
/// # Errors
/// When the API server does not respond.
pub async fn lacks_store(client: &Client, name: &str) -> Result<bool, kube::Error> {
    let stores: Api<api::IdentityStore> = Api::all(client.clone());
    // A list distinguishes two cases of 404: a deleted store, and a server that does not know the kind.
    match stores.list_metadata(&ListParams::default().limit(1)).await {
        Ok(_) => Ok(stores.get_metadata_opt(name).await?.is_none()),
        Err(kube::Error::Api(status)) if status.code == 404 => {
            let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
            let definition = api::crd_name(KindName::IdentityStore.as_str()).unwrap_or_default();
            Ok(definitions.get_metadata_opt(definition).await?.is_none())
        }
        Err(error) => Err(error),
    }
}

/// Reads whether no Account names this catalog or store. Called before their finalizer is removed. A server that does
/// not know the kind counts only if the CRD is missing, too: just after its start it may not know our kinds yet.
///
/// # Errors
/// When the API server does not respond.
pub async fn is_unused(client: &Client, kind: KindName, name: &str) -> Result<bool, kube::Error> {
    let accounts: Api<Wire<api::Account>> = Api::all(client.clone());
    let mut page = ListParams::default().limit(PAGE);
    loop {
        let found = match accounts.list(&page).await {
            Ok(found) => found,
            Err(kube::Error::Api(status)) if status.code == 404 => {
                let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
                return Ok(definitions.get_metadata_opt("accounts.roster.dev").await?.is_none());
            }
            Err(error) => return Err(error),
        };
        let uses = |account: &Wire<api::Account>| match (&account.spec, kind) {
            (Ok(spec), KindName::PermissionCatalog) => spec.catalog_ref.name == name,
            (Ok(spec), _) => spec.store_ref.name == name,
            // An Account that cannot be read may use it.
            (Err(_), _) => true,
        };
        if found.items.iter().any(uses) {
            return Ok(false);
        }
        match found.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page.continue_token = Some(token),
            None => return Ok(true),
        }
    }
}
