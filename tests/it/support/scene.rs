//! A namespace, catalog and store of one test, on the shared control plane and under the shared controller.

use std::panic::Location;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams};
use kube::{Client, ResourceExt as _};
use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _};

use super::{ControlPlane, Controller, Namespace, View, apply_yaml, eventually, find};

/// Reasons of `Valid=False` that waiting heals; at all others somebody must act (docs/runbook.md).
const HEALS: [&str; 9] = [
    "AccountNotFound",
    "RoleNotFound",
    "GroupNotFound",
    "CatalogNotFound",
    "StoreNotFound",
    "RestrictionNotFound",
    "NamespaceNotAllowed",
    "ParentNotAllowed",
    "ApprovalPending",
];

/// A test's own corner of the cluster. Namespace, the IdentityStore that is there from the start, and whatever the test
/// calls `$it` share one name that was never used before.
///
/// Objects that the test applied without a namespace are deleted with the scene, unless the test failed.
pub struct Scene {
    /// The administrator.
    pub client: Client,
    namespace: Namespace,
    controller: &'static Controller,
}

impl Scene {
    /// A namespace and an IdentityStore.
    pub async fn new(prefix: &str) -> Self {
        let scene = Self::empty(prefix).await;
        scene.apply("{apiVersion: roster.dev/v1alpha1, kind: IdentityStore, metadata: {name: $it}, spec: {sqlite: {file: $it.db}}}").await;
        scene
    }

    /// A namespace only.
    pub async fn empty(prefix: &str) -> Self {
        let plane = ControlPlane::shared().await;
        let controller = Controller::shared().await;
        let namespace = Namespace::new(plane, prefix).await;
        Self { client: plane.client().await, namespace, controller }
    }

    /// Returns the name for which `$it` stands.
    pub fn name(&self) -> &str {
        self.namespace.name()
    }

    /// The key of one of its accounts in the store.
    pub fn account(&self, name: &str) -> String {
        format!("{}/{name}", self.name())
    }

    /// The file of its store.
    pub fn file(&self) -> PathBuf {
        self.controller.file(&format!("{}.db", self.name()))
    }

    /// The YAML with `$it` replaced.
    pub fn text(&self, yaml: &str) -> String {
        yaml.replace("$it", self.name())
    }

    /// Applies YAML, in which `$it` is this scene's name.
    ///
    /// # Panics
    /// When something is refused.
    pub async fn apply(&self, yaml: &str) -> Vec<DynamicObject> {
        let applied = apply_yaml(&self.client, self.name(), &self.text(yaml)).await;
        for object in &applied {
            let kind = &object.types.as_ref().expect("a kind").kind;
            if matches!(kind.as_str(), "PermissionCatalog" | "IdentityStore") {
                self.namespace.with(kind, &object.name_any());
            }
        }
        applied
    }

    /// Asks for the deletion of an object; `$it` may be its name.
    pub async fn delete(&self, kind: &str, name: &str) {
        let api = super::api(&self.client, kind, self.name());
        api.delete(&self.text(name), &DeleteParams::default()).await.expect("it is there to be deleted");
    }

    /// Like [`Self::delete`], but waits until the object is gone.
    pub async fn delete_and_wait(&self, kind: &str, name: &str) {
        self.delete(kind, name).await;
        let api = super::api(&self.client, kind, self.name());
        let name = self.text(name);
        eventually(super::PATIENCE, &format!("{kind} {name} to be gone"), async || {
            api.get_opt(&name).await.expect("it can be read").is_none().then_some(())
        })
        .await;
    }

    /// Changes an object by a merge patch.
    pub async fn patch(&self, kind: &str, name: &str, patch: Value) -> DynamicObject {
        let api = super::api(&self.client, kind, self.name());
        let name = self.text(name);
        api.patch(&name, &PatchParams::default(), &Patch::Merge(patch))
            .await
            .unwrap_or_else(|error| panic!("{kind} {name}: {error}"))
    }

    /// An object.
    pub async fn get(&self, kind: &str, name: &str) -> DynamicObject {
        super::api(&self.client, kind, self.name()).get(&self.text(name)).await.expect("it can be read")
    }

    /// Waits for a condition; see [`wait_condition`](super::wait_condition).
    #[track_caller]
    pub fn wait(&self, kind: &str, name: &str, of: &str, wanted: &str) -> impl Future<Output = Value> + use<> {
        super::wait_condition(&self.client, kind, self.name(), &self.text(name), of, wanted)
    }

    /// Waits until an object is ready.
    #[track_caller]
    pub fn ready(&self, kind: &str, name: &str) -> impl Future<Output = Value> + use<> {
        self.wait(kind, name, "Ready", "True")
    }

    /// Waits until an object is invalid for this reason, and checks all that docs/runbook.md says of one that is:
    /// the message has each of `says` in it, `Ready` repeats it, and either `Reconciling` or `Stalled` is there.
    #[track_caller]
    pub fn invalid(&self, kind: &str, name: &str, reason: &str, says: &[&str]) -> impl Future<Output = Value> {
        let seen = self.wait(kind, name, "Valid", &format!("False {reason}"));
        let (of, reason) = (format!("{kind} {name}"), reason.to_owned());
        let says: Vec<String> = says.iter().map(|text| self.text(text)).collect();
        let caller = Location::caller();
        async move {
            let status = seen.await;
            let valid = find(&status, "Valid").expect("waited for");
            let at = format!("{caller}: {of}: {status:#}");
            for text in &says {
                assert!(valid.message.contains(text), "no {text:?} in its message\n{at}");
            }
            let ready = find(&status, "Ready").unwrap_or_else(|| panic!("no Ready: {at}"));
            assert_eq!((ready.status.as_str(), ready.reason.as_str()), ("False", reason.as_str()), "{at}");
            assert_eq!(ready.message, valid.message, "{at}");
            let (there, absent) =
                if HEALS.contains(&reason.as_str()) { ("Reconciling", "Stalled") } else { ("Stalled", "Reconciling") };
            let there = find(&status, there).unwrap_or_else(|| panic!("no {there}: {at}"));
            assert_eq!((there.status.as_str(), there.reason.as_str()), ("True", reason.as_str()), "{at}");
            assert_eq!(find(&status, absent), None, "{at}");
            status
        }
    }

    /// Has the whole account `acme` compared with the store now.
    pub async fn check_now(&self) {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let now = format!("{}", NEXT.fetch_add(1, Ordering::Relaxed));
        self.patch("Account", "acme", json!({"metadata": {"annotations": {"roster.dev/reconcile-at": now}}})).await;
    }

    /// Writes to the store's file behind Roster's back; how many rows changed.
    pub async fn tamper(&self, sql: &str) -> u64 {
        let options = SqliteConnectOptions::new().filename(self.file()).disable_statement_logging();
        let mut connection = options.connect().await.expect("the store's file");
        let sql = self.text(sql);
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.expect("the statement").rows_affected()
    }

    /// Returns the present access of a member of the account `acme` in the store.
    pub async fn view(&self, email: &str) -> View {
        super::view(&self.file(), &self.account("acme"), email).await
    }

    /// Waits for what its store says of a member of the account `acme`; see [`wait_view`](super::wait_view).
    #[track_caller]
    pub fn wait_view(&self, email: &str, wanted: &str) -> impl Future<Output = ()> + use<> {
        super::wait_view(self.file(), self.account("acme"), email.to_owned(), wanted)
    }
}
