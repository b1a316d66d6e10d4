//! Before anybody is removed: are the Account, its namespace and the definitions of our kinds really there to stay?
//!
//! A namespace, or a definition, that is being deleted takes its objects away in no particular order. What is left then
//! says nothing about who may do what: the Account's `deletionPolicy` decides, not a set of half-deleted objects
//! (design/api.md "Marks, drift, removal").

use k8s_openapi::{
    api::core::v1::Namespace, apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{Api, Client};

use crate::{api, model::AccountKey};

/// Reads afresh. Whether the objects that are there can be taken at their word.
///
/// # Errors
/// When the API server cannot say; then nobody is removed either.
pub async fn is_settled(client: &Client, account: &AccountKey, uid: &str) -> Result<bool, kube::Error> {
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let accounts: Api<api::Account> = Api::namespaced(client.clone(), &account.namespace);
    let (account, namespace, account_crd, role_crd, group_crd, member_crd) = futures::try_join!(
        accounts.get_metadata_opt(&account.name),
        namespaces.get_metadata_opt(&account.namespace),
        definitions.get_metadata_opt("accounts.roster.dev"),
        definitions.get_metadata_opt("accessroles.roster.dev"),
        definitions.get_metadata_opt("usergroups.roster.dev"),
        definitions.get_metadata_opt("memberships.roster.dev"),
    )?;
    let stays = |meta: Option<&kube::core::ObjectMeta>| meta.is_some_and(|meta| meta.deletion_timestamp.is_none());
    let same = account.as_ref().is_some_and(|account| account.metadata.uid.as_deref() == Some(uid));
    let definitions = [account_crd, role_crd, group_crd, member_crd];
    Ok(same
        && stays(account.as_ref().map(|account| &account.metadata))
        && stays(namespace.as_ref().map(|namespace| &namespace.metadata))
        && definitions.iter().all(|crd| stays(crd.as_ref().map(|crd| &crd.metadata))))
}
