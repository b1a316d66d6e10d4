//! Reads an object's status, and what the portal reads from the store. Used by the tests.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{ApiResource, DynamicObject};
use kube::core::GroupVersionKind;
use kube::{Api, Client};
use serde_json::Value;
use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;

use super::{PATIENCE, eventually_or};

/// Levels by section.
pub type View = BTreeMap<String, String>;

/// Returns the rows of the view `effective_permissions` for one member; empty if the store has no such member.
///
/// # Panics
/// When the store cannot be read; [`try_view`] gives the error.
pub async fn view(file: &Path, account: &str, email: &str) -> View {
    try_view(file, account, email).await.unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// Like [`view`].
///
/// # Errors
/// When the store cannot be read.
pub async fn try_view(file: &Path, account: &str, email: &str) -> Result<View, sqlx::Error> {
    let mut connection =
        SqliteConnectOptions::new().filename(file).read_only(true).disable_statement_logging().connect().await?;
    let rows: Vec<(String, String)> =
        sqlx::query_as("SELECT section, level FROM effective_permissions WHERE account = ? AND email = ?")
            .bind(account)
            .bind(email)
            .fetch_all(&mut connection)
            .await?;
    Ok(rows.into_iter().collect())
}

/// Waits until the store says exactly this of a member: `"orders=View reports=None"`, sections in any order; an empty
/// text means that it has no such member.
#[track_caller]
pub fn wait_view(file: PathBuf, account: String, email: String, wanted: &str) -> impl Future<Output = ()> + use<> {
    let wanted: View = wanted
        .split_whitespace()
        .map(|pair| pair.split_once('=').expect("section=level"))
        .map(|(section, level)| (section.to_owned(), level.to_owned()))
        .collect();
    eventually_or(PATIENCE, format!("{account} {email} to be {wanted:?} in the store"), async move || {
        match try_view(&file, &account, &email).await {
            Ok(seen) if seen == wanted => Ok(()),
            Ok(seen) => Err(format!("{seen:?}")),
            Err(error) => Err(error.to_string()),
        }
    })
}

/// An API of one of our kinds; the namespace is passed over for those without.
pub fn api(client: &Client, kind: &str, namespace: &str) -> Api<DynamicObject> {
    let crd = roster::api::crds().into_iter().find(|crd| crd.spec.names.kind == kind);
    let crd = crd.unwrap_or_else(|| panic!("{kind} is none of our kinds"));
    let resource = ApiResource::from_gvk_with_plural(
        &GroupVersionKind::gvk("roster.dev", "v1alpha1", kind),
        &crd.spec.names.plural,
    );
    if crd.spec.scope == "Cluster" {
        Api::all_with(client.clone(), &resource)
    } else {
        Api::namespaced_with(client.clone(), namespace, &resource)
    }
}

/// An object's status; nothing where the object or its status is not there.
pub async fn status(client: &Client, kind: &str, namespace: &str, name: &str) -> Option<Value> {
    let object = api(client, kind, namespace).get_opt(name).await.expect("it can be read")?;
    object.data.get("status").cloned()
}

/// One condition of an object, as it stands there.
pub async fn condition(client: &Client, kind: &str, namespace: &str, name: &str, of: &str) -> Option<Condition> {
    find(&status(client, kind, namespace, name).await?, of)
}

/// The condition of that type in a status.
pub fn find(status: &Value, of: &str) -> Option<Condition> {
    let conditions = status.get("conditions")?.as_array()?;
    let found = conditions.iter().find(|condition| condition["type"] == of)?;
    Some(serde_json::from_value(found.clone()).expect("a condition"))
}

/// Waits until a condition is as wanted (`"True"`, `"False"`, `"False RoleNotFound"`, or `"absent"`: a status without
/// it) in a status that speaks of the object as it is now, and gives that status.
#[track_caller]
pub fn wait_condition(
    client: &Client,
    kind: &str,
    namespace: &str,
    name: &str,
    of: &str,
    wanted: &str,
) -> impl Future<Output = Value> + use<> {
    wait_condition_for(PATIENCE, client, kind, namespace, name, of, wanted)
}

/// Like [`wait_condition`], with another deadline.
#[track_caller]
pub fn wait_condition_for(
    deadline: Duration,
    client: &Client,
    kind: &str,
    namespace: &str,
    name: &str,
    of: &str,
    wanted: &str,
) -> impl Future<Output = Value> + use<> {
    let (name, of, wanted) = (name.to_owned(), of.to_owned(), wanted.to_owned());
    let api = api(client, kind, namespace);
    let what = format!("{kind} {namespace}/{name} to have {of} {wanted}");
    eventually_or(deadline, what, async move || {
        let object = api.get_opt(&name).await.map_err(|error| error.to_string())?.ok_or("it does not exist")?;
        let status = object.data.get("status").ok_or("it has no status")?;
        let conditions = status.get("conditions").filter(|conditions| !conditions.is_null());
        let is_current = |generation: Option<&Value>| generation.and_then(Value::as_i64) == object.metadata.generation;
        let found = find(status, &of);
        let fits = match (&found, wanted.as_str()) {
            (None, "absent") => conditions.is_some(),
            (Some(found), _) => {
                found.observed_generation == object.metadata.generation
                    && (found.status == wanted || format!("{} {}", found.status, found.reason) == wanted)
            }
            (None, _) => false,
        };
        if fits && is_current(status.get("observedGeneration")) {
            return Ok(status.clone());
        }
        Err(format!("generation {:?}, {status:#}", object.metadata.generation))
    })
}
