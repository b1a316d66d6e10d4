//! Reads objects and Leases of a cluster and summarizes their statuses. Called by `roster status`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::{api::core::v1::Namespace, apimachinery::pkg::apis::meta::v1::Condition};
use kube::{Api, Client, Resource, ResourceExt};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    api::{
        Account, ConditionType, IdentityStore, Invitation, Membership, PermissionCatalog, Role, SyncReason, UserGroup,
        approve_store_command,
    },
    cli::{
        output::{API_VERSION, approve_command},
        status::{
            access::AccessSummary,
            leases::{Controller, controller},
            reason::ReadyReason,
            undeclared::UndeclaredMembers,
        },
    },
    manifests::{list, list_all},
};

/// State of a cluster, as printed with `-o json`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// Always the same.
    pub api_version: &'static str,
    /// Always `Status`.
    pub kind: &'static str,
    /// The namespace asked about; absent for all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Leader, or holders of shards.
    pub controller: Controller,
    /// The identity stores.
    pub stores: Vec<Store>,
    /// The catalogs.
    pub catalogs: Vec<Catalog>,
    /// The accounts.
    pub accounts: Vec<AccountLine>,
    /// Numbers of objects by kind.
    pub objects: Vec<KindLine>,
    /// Counts of access.
    pub access: AccessSummary,
    /// Objects that are not ready.
    pub not_ready: Vec<NotReady>,
    /// Removals that wait for an approval.
    pub guarded: Vec<Guarded>,
    /// People whom a store has and no object names, by account.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub undeclared: Vec<UndeclaredMembers>,
}

/// An identity store.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Store {
    /// Name.
    pub name: String,
    /// `True`, `False` or `Unknown`.
    pub ready: String,
    /// Id of the store that answered last.
    #[serde(rename = "storeId", skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Command that approves the store that answers; only if it is not the one used so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approve: Option<String>,
    /// Accounts kept in it.
    pub accounts: Option<i64>,
    /// Members kept in it.
    pub members: Option<i64>,
    /// People blocked.
    pub blocked: usize,
    /// Whether all blocks are in force.
    pub blocked_in_force: bool,
    /// Accounts whose objects are gone.
    pub orphaned_accounts: Vec<String>,
    /// Capabilities.
    pub capabilities: Vec<String>,
}

/// A catalog.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Catalog {
    /// Name.
    pub name: String,
    /// `True`, `False` or `Unknown`.
    pub ready: String,
    /// Accounts that use it.
    pub accounts: Option<i64>,
    /// Sections.
    pub sections: usize,
    /// Predefined roles.
    pub roles: usize,
}

/// An account.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccountLine {
    /// `namespace/name`.
    pub account: String,
    /// `True`, `False` or `Unknown`.
    pub ready: String,
    /// Members, the owner included.
    pub members: Option<i64>,
    /// Fields that differ in the store, as last reported.
    pub drift: i64,
    /// Time of the last complete check; may be up to an hour old.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub last_checked: Option<Timestamp>,
}

/// Numbers of one kind.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KindLine {
    /// The kind.
    pub kind: String,
    /// Total number.
    pub total: usize,
    /// Number of ready objects.
    pub ready: usize,
    /// Number of objects that are not ready.
    pub not_ready: usize,
}

/// An object that is not ready.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NotReady {
    /// Kind.
    pub kind: String,
    /// Namespace; absent for a cluster-scoped one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Name.
    pub name: String,
    /// Reason of `Ready`, or `NotReconciled`.
    #[schemars(with = "String")]
    pub reason: ReadyReason,
    /// Fault and correction.
    pub message: String,
    /// Since when it is not ready. The reason may have changed since then; a condition does not keep the time of that.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub since: Option<Timestamp>,
    /// Remedy for the reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<&'static str>,
    /// Whether the status is stalled, so that a person must act.
    pub stalled: bool,
}

impl NotReady {
    /// Returns the object as `Kind namespace/name`.
    pub fn object(&self) -> String {
        let place = self.namespace.as_ref().map_or_else(String::new, |namespace| format!("{namespace}/"));
        format!("{} {place}{}", self.kind, self.name)
    }
}

/// Removals of one account that wait for an approval.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Guarded {
    /// `namespace/name`.
    pub account: String,
    /// Command that approves the removals.
    pub command: String,
    /// Whether the Account is being deleted.
    pub deletion: bool,
    /// Command that deletes the Account and keeps people's access.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub orphan: Option<String>,
}

impl Status {
    /// Returns whether there are no objects.
    pub fn is_empty(&self) -> bool {
        self.objects.iter().all(|kind| kind.total == 0)
    }

    /// Returns whether everything is ready and a controller leads.
    pub fn is_ready(&self) -> bool {
        !(self.controller.is_missing() || self.controller.asked && self.controller.is_unknown())
            && self.not_ready.is_empty()
            && self.stores.iter().all(|store| store.blocked_in_force)
    }
}

/// Asks the cluster.
pub async fn status(
    client: &Client,
    within: Option<&str>,
    store_namespace: Option<&str>,
    now: Timestamp,
) -> anyhow::Result<Status> {
    let accounts = list::<Account>(client, within).await?;
    let mut stores = list_all::<IdentityStore>(Api::all(client.clone())).await?;
    let mut catalogs = list_all::<PermissionCatalog>(Api::all(client.clone())).await?;
    if within.is_some() {
        // For one namespace, only the stores and catalogs that it uses matter.
        stores.retain(|store| accounts.iter().any(|account| account.spec.store_ref.name == store.name_any()));
        catalogs.retain(|catalog| accounts.iter().any(|account| account.spec.catalog_ref.name == catalog.name_any()));
    }
    let mut tally = Tally::default();
    for store in &stores {
        let status = store.status.as_ref();
        tally.take(store, status.map(|s| (s.observed_generation, s.conditions.as_slice())));
    }
    for catalog in &catalogs {
        let status = catalog.status.as_ref();
        tally.take(catalog, status.map(|s| (s.observed_generation, s.conditions.as_slice())));
    }
    for account in &accounts {
        let status = account.status.as_ref();
        tally.take(account, status.map(|s| (s.observed_generation, s.conditions.as_slice())));
    }
    macro_rules! take {
        ($($kind:ty),+) => {$(
            tally.begin(&<$kind>::kind(&()));
            for object in list::<$kind>(client, within).await? {
                let status = object.status.as_ref();
                tally.take(&object, status.map(|s| (s.observed_generation, s.conditions.as_slice())));
            }
        )+};
    }
    take!(Role, UserGroup);
    let mut access = AccessSummary::default();
    tally.begin(&Membership::kind(&()));
    for member in list::<Membership>(client, within).await? {
        let status = member.status.as_ref();
        tally.take(&member, status.map(|s| (s.observed_generation, s.conditions.as_slice())));
        access.take(&member, now);
    }
    for account in &accounts {
        let store = stores.iter().find(|store| store.name_any() == account.spec.store_ref.name);
        access.take_owner(account, store);
    }
    access.sort();
    take!(Invitation);
    let guarded = accounts.iter().filter_map(guarded).collect();
    let undeclared = accounts.iter().filter_map(UndeclaredMembers::of).collect();
    let status = Status {
        api_version: API_VERSION,
        kind: "Status",
        namespace: within.map(ToOwned::to_owned),
        controller: controller(client, store_namespace, now).await,
        stores: stores.iter().map(store_line).collect(),
        catalogs: catalogs.iter().map(catalog_line).collect(),
        accounts: accounts.iter().map(account_line).collect(),
        objects: tally.kinds,
        access,
        not_ready: tally.not_ready,
        guarded,
        undeclared,
    };
    if let Some(namespace) = within.filter(|_| status.is_empty()) {
        ensure_is_there(client, namespace).await?;
    }
    Ok(status)
}

fn store_line(store: &IdentityStore) -> Store {
    let status = store.status.clone().unwrap_or_default();
    let in_force = status.blocked_in_force >= store.metadata.generation;
    let is_replaced = find(&status.conditions, ConditionType::Ready)
        .is_some_and(|ready| ready.reason == SyncReason::StoreReplaced.to_string());
    let id = status.store_id.as_ref().filter(|_| is_replaced);
    Store {
        name: store.name_any(),
        ready: ready(&status.conditions),
        approve: id.map(|id| approve_store_command(&store.name_any(), id)),
        id: status.store_id,
        accounts: status.accounts,
        members: status.members,
        blocked: store.spec.blocked.len(),
        blocked_in_force: store.spec.blocked.is_empty() || in_force,
        orphaned_accounts: status.orphaned_accounts,
        capabilities: status.capabilities,
    }
}

fn catalog_line(catalog: &PermissionCatalog) -> Catalog {
    let status = catalog.status.clone().unwrap_or_default();
    Catalog {
        name: catalog.name_any(),
        ready: ready(&status.conditions),
        accounts: status.accounts,
        sections: catalog.spec.sections.len(),
        roles: catalog.spec.roles.len(),
    }
}

fn account_line(account: &Account) -> AccountLine {
    let status = account.status.clone().unwrap_or_default();
    AccountLine {
        account: format!("{}/{}", account.namespace().unwrap_or_default(), account.name_any()),
        ready: ready(&status.conditions),
        members: status.members,
        drift: status.drift.map_or(0, |drift| drift.count),
        last_checked: status.last_checked_time.map(|time| time.0),
    }
}

/// Returns what lets an account's removals pass, where they are held back.
fn guarded(account: &Account) -> Option<Guarded> {
    let hash = &account.status.as_ref()?.held_removals.as_ref()?.hash;
    let (namespace, name) = (account.namespace().unwrap_or_default(), account.name_any());
    let deletion = account.metadata.deletion_timestamp.is_some();
    let orphan = r#"--type=merge -p '{"spec":{"deletionPolicy":"Orphan"}}'"#;
    Some(Guarded {
        account: format!("{namespace}/{name}"),
        deletion,
        orphan: deletion.then(|| format!("kubectl patch -n {namespace} acct {name} {orphan}")),
        command: approve_command(&namespace, &name, hash),
    })
}

/// Fails if the namespace does not exist. Succeeds if the user may not read it.
async fn ensure_is_there(client: &Client, namespace: &str) -> anyhow::Result<()> {
    let found = Api::<Namespace>::all(client.clone()).get_metadata_opt(namespace).await;
    anyhow::ensure!(!matches!(found, Ok(None)), "there is no namespace {namespace:?}");
    Ok(())
}

/// Numbers and what is not ready, gathered as objects come.
#[derive(Default)]
struct Tally {
    kinds: Vec<KindLine>,
    places: BTreeMap<String, usize>,
    not_ready: Vec<NotReady>,
}

impl Tally {
    fn begin(&mut self, kind: &str) -> Option<&mut KindLine> {
        let place = *self.places.entry(kind.to_owned()).or_insert_with(|| {
            self.kinds.push(KindLine { kind: kind.to_owned(), total: 0, ready: 0, not_ready: 0 });
            self.kinds.len() - 1
        });
        self.kinds.get_mut(place)
    }

    fn take<K: Resource<DynamicType = ()>>(&mut self, object: &K, status: Option<(Option<i64>, &[Condition])>) {
        let kind = K::kind(&()).into_owned();
        let (observed, conditions) = status.unwrap_or_default();
        let current = observed.is_some() && observed >= object.meta().generation;
        let found = find(conditions, ConditionType::Ready);
        let is_ready = current && found.is_some_and(|ready| ready.status == "True");
        if let Some(line) = self.begin(&kind) {
            line.total += 1;
            line.ready += usize::from(is_ready);
            line.not_ready += usize::from(!is_ready);
        }
        if is_ready {
            return;
        }
        let (reason, message, since) = match found {
            Some(ready) if current => {
                (ReadyReason::parse(&ready.reason), ready.message.clone(), Some(ready.last_transition_time.0))
            }
            _ => {
                let message = "no controller has reconciled it since it changed".to_owned();
                (ReadyReason::NotReconciled, message, None)
            }
        };
        self.not_ready.push(NotReady {
            kind,
            namespace: object.meta().namespace.clone(),
            name: object.name_any(),
            remedy: reason.remedy(),
            reason,
            message,
            since,
            stalled: find(conditions, ConditionType::Stalled).is_some(),
        });
    }
}

fn find(conditions: &[Condition], kind: ConditionType) -> Option<&Condition> {
    conditions.iter().find(|condition| condition.type_ == kind.as_str())
}

fn ready(conditions: &[Condition]) -> String {
    find(conditions, ConditionType::Ready).map_or_else(|| "Unknown".to_owned(), |ready| ready.status.clone())
}
