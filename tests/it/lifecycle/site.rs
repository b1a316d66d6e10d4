//! A namespace, a catalog and a store for one test, and access to the store's file. Used by the tests of this folder.

use std::path::{Path, PathBuf};

use k8s_openapi::api::events::v1::Event;
use kube::api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use kube::{Api, Client};
use serde_json::{Value, json};

use super::file::StoreFile;
use crate::support::{
    ControlPlane, Controller, Namespace, PATIENCE, api, apply_yaml, eventually_or, find, wait_condition,
};

/// The catalog of these tests: two sections, two roles.
pub const CATALOG: &str = "
apiVersion: roster.dev/v1alpha1
kind: PermissionCatalog
metadata: {name: $it}
spec:
  sections:
  - {name: orders, title: Orders, levels: [Hide, View, Edit]}
  - {name: users, title: Users}
  roles:
  - {name: admin, title: Admin, permissions: {orders: Edit, users: Allowed}}
  - {name: viewer, title: Viewer, permissions: {orders: View}}
";

/// Rows of the view for one role of the catalog.
pub const ADMIN: &str = "orders=Edit users=Allowed";
/// Rows of the view for the other role.
pub const VIEWER: &str = "orders=View users=Denied";
/// No access.
pub const NONE: &str = "orders=Hide users=Denied";

/// A test's own corner of a control plane. `$it` in what it applies is the name of its namespace, catalog and store.
pub struct Site<'p> {
    pub client: Client,
    plane: &'p ControlPlane,
    namespace: Namespace,
    directory: PathBuf,
}

impl Site<'static> {
    /// On the control plane and with the controller that tests share. No store yet: see [`Site::store`].
    pub async fn shared(prefix: &str) -> Self {
        let controller = Controller::shared().await;
        Site::on(ControlPlane::shared().await, controller.directory(), prefix).await
    }
}

impl<'p> Site<'p> {
    /// On a control plane, whose controller keeps its stores' files in `directory`.
    pub async fn on(plane: &'p ControlPlane, directory: &Path, prefix: &str) -> Self {
        let namespace = Namespace::new(plane, prefix).await;
        for kind in ["PermissionCatalog", "IdentityStore"] {
            namespace.with(kind, namespace.name());
        }
        let site = Self { client: plane.client().await, plane, namespace, directory: directory.to_owned() };
        site.apply(CATALOG).await;
        site
    }

    /// Returns the name for which `$it` stands.
    pub fn name(&self) -> &str {
        self.namespace.name()
    }

    /// The key of one of its accounts in the store.
    pub fn key(&self, account: &str) -> String {
        format!("{}/{account}", self.name())
    }

    /// The file of its store.
    pub fn file(&self) -> StoreFile {
        StoreFile::new(self.directory.join(format!("{}.db", self.name())))
    }

    /// Applies YAML.
    pub async fn apply(&self, yaml: &str) {
        apply_yaml(&self.client, self.name(), &yaml.replace("$it", self.name())).await;
    }

    /// Its store, with more of a spec in YAML's flow style: `"paused: true"`.
    pub async fn store(&self, spec: &str) {
        let separator = if spec.is_empty() { "" } else { ", " };
        self.apply(&format!(
            "{{apiVersion: roster.dev/v1alpha1, kind: IdentityStore, metadata: {{name: $it}}, \
             spec: {{sqlite: {{file: $it.db}}{separator}{spec}}}}}"
        ))
        .await;
    }

    /// A store of any kind, under a name.
    pub async fn store_as(&self, name: &str, spec: &str) {
        self.apply(&format!(
            "{{apiVersion: roster.dev/v1alpha1, kind: IdentityStore, metadata: {{name: {name}}}, spec: {{{spec}}}}}"
        ))
        .await;
    }

    /// An account in its store, with more of a spec.
    pub async fn account(&self, name: &str, spec: &str) {
        let separator = if spec.is_empty() { "" } else { ", " };
        self.apply(&format!(
            "{{apiVersion: roster.dev/v1alpha1, kind: Account, metadata: {{name: {name}}}, \
             spec: {{catalogRef: {{name: $it}}, storeRef: {{name: $it}}{separator}{spec}}}}}"
        ))
        .await;
    }

    /// A member of the account `acme` with a predefined role; the address is `name@acme.example`.
    pub async fn member(&self, name: &str, role: &str) {
        self.member_of("acme", name, &format!("roleRef: {{name: {role}}}")).await;
    }

    /// Members of the account `acme`.
    pub async fn members(&self, names: &[&str], role: &str) {
        for name in names {
            self.member(name, role).await;
        }
    }

    /// A member of an account, with more of a spec. The object has the address's name in `acme`, elsewhere
    /// `account-name`.
    pub async fn member_of(&self, account: &str, name: &str, spec: &str) {
        let object = if account == "acme" { name.to_owned() } else { format!("{account}-{name}") };
        self.apply(&format!(
            "{{apiVersion: roster.dev/v1alpha1, kind: Membership, metadata: {{name: {object}}}, \
             spec: {{accountRef: {{name: {account}}}, user: {{email: {name}@acme.example}}, {spec}}}}}"
        ))
        .await;
    }

    /// The API of a kind here.
    pub fn api(&self, kind: &str) -> Api<DynamicObject> {
        api(&self.client, kind, self.name())
    }

    /// Changes an object by a merge patch.
    pub async fn patch(&self, kind: &str, name: &str, patch: Value) {
        let patched = self.api(kind).patch(name, &PatchParams::default(), &Patch::Merge(patch)).await;
        patched.unwrap_or_else(|error| panic!("{kind} {name}: {error}"));
    }

    /// Sets an annotation; nothing removes it.
    pub async fn annotate(&self, kind: &str, name: &str, annotation: &str, value: Option<&str>) {
        self.patch(kind, name, json!({"metadata": {"annotations": {annotation: value}}})).await;
    }

    /// Asks for a check of an account, now.
    pub async fn check(&self, account: &str) {
        let now = jiff::Timestamp::now().to_string();
        self.annotate("Account", account, "roster.dev/reconcile-at", Some(&now)).await;
    }

    /// An object as it is.
    pub async fn get(&self, kind: &str, name: &str) -> DynamicObject {
        self.api(kind).get(name).await.unwrap_or_else(|error| panic!("{kind} {name}: {error}"))
    }

    /// Asks for the deletion of an object.
    pub async fn delete(&self, kind: &str, name: &str) {
        let deleted = self.api(kind).delete(name, &DeleteParams::default()).await;
        deleted.unwrap_or_else(|error| panic!("{kind} {name}: {error}"));
    }

    /// Waits until an object is gone.
    #[track_caller]
    pub fn gone(&self, kind: &str, name: &str) -> impl Future<Output = ()> + use<> {
        let (api, name) = (self.api(kind), name.to_owned());
        let what = format!("{kind} {name} to be gone");
        eventually_or(PATIENCE, what, async move || match api.get_opt(&name).await {
            Ok(None) => Ok(()),
            Ok(Some(object)) => Err(format!("{:?} {}", object.metadata.finalizers, object.data["status"])),
            Err(error) => Err(error.to_string()),
        })
    }

    /// Waits for a condition as [`wait_condition`] does, and gives its message.
    #[track_caller]
    pub fn wait(&self, kind: &str, name: &str, of: &str, wanted: &str) -> impl Future<Output = String> + use<> {
        let waited = wait_condition(&self.client, kind, self.name(), name, of, wanted);
        let of = of.to_owned();
        async move { find(&waited.await, &of).map(|condition| condition.message).unwrap_or_default() }
    }

    /// Waits until an object is ready.
    #[track_caller]
    pub fn ready(&self, kind: &str, name: &str) -> impl Future<Output = String> + use<> {
        self.wait(kind, name, "Ready", "True")
    }

    /// Waits until memberships are ready.
    pub async fn members_ready(&self, names: &[&str]) {
        for name in names {
            self.ready("Membership", name).await;
        }
    }

    /// An object's status.
    pub async fn status(&self, kind: &str, name: &str) -> Value {
        self.get(kind, name).await.data["status"].clone()
    }

    /// Waits until the view shows this for a member of the account `acme`; `""` means no such member.
    #[track_caller]
    pub fn view(&self, name: &str, wanted: &str) -> impl Future<Output = ()> + use<> {
        self.view_of("acme", name, wanted)
    }

    /// Waits for what the view says of a member.
    #[track_caller]
    pub fn view_of(&self, account: &str, name: &str, wanted: &str) -> impl Future<Output = ()> + use<> {
        let path = self.file().path().to_owned();
        crate::support::wait_view(path, self.key(account), format!("{name}@acme.example"), wanted)
    }

    /// Waits for an event about an object, and gives its note.
    #[track_caller]
    pub fn event(&self, kind: &str, name: &str, reason: &str) -> impl Future<Output = String> + use<> {
        self.event_with(kind, name, reason, "")
    }

    /// Waits for an event about an object whose note contains `part`, and gives its note.
    #[track_caller]
    pub fn event_with(&self, kind: &str, name: &str, reason: &str, part: &str) -> impl Future<Output = String> + use<> {
        // Events about what is of the whole cluster are in the namespace `default`.
        let of_cluster = matches!(kind, "IdentityStore" | "PermissionCatalog");
        let namespace = if of_cluster { "default" } else { self.name() };
        let api: Api<Event> = Api::namespaced(self.client.clone(), namespace);
        let what = format!("the event {reason} on {kind} {name} {part}");
        let (kind, name, reason, part) = (kind.to_owned(), name.to_owned(), reason.to_owned(), part.to_owned());
        eventually_or(PATIENCE, what, async move || {
            let events = api.list(&ListParams::default()).await.map_err(|error| error.to_string())?.items;
            let about = |event: &Event| {
                let regarding = event.regarding.as_ref();
                event.reason.as_deref() == Some(&reason)
                    && event.note.as_ref().is_some_and(|note| note.contains(&part))
                    && regarding.is_some_and(|r| r.kind.as_deref() == Some(&kind) && r.name.as_deref() == Some(&name))
            };
            events.into_iter().find(about).and_then(|event| event.note).ok_or_else(|| "no such event".to_owned())
        })
    }

    /// Its control plane.
    pub const fn plane(&self) -> &'p ControlPlane {
        self.plane
    }
}
