//! Tests the same portal under Argo CD: its settings, Lua and engine, on objects of the API server.

use std::fs::{self, File};
use std::process::Command;

use serde_json::{Value, json};
use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;

use crate::support::tools::{stdout_of, tool};
use crate::support::{ControlPlane, Controller, PATIENCE, eventually_or, parse_yaml, wait_condition, wait_view};
use crate::tools::{as_documented, bound, built, roster_objects, text, versions};

const PORTAL: &str = "secondary-users";

struct Argo<'a> {
    plane: &'a ControlPlane,
}

impl<'a> Argo<'a> {
    /// Installs the parts of Argo CD that the shipped files change and use: its ConfigMap, as documented, and its
    /// definitions.
    async fn prepare(plane: &'a ControlPlane) -> Self {
        let labels = "labels: {app.kubernetes.io/part-of: argocd}";
        let own = format!(
            "{{apiVersion: v1, kind: Namespace, metadata: {{name: argocd}}}}\n---\n\
             {{apiVersion: v1, kind: ConfigMap, metadata: {{name: argocd-cm, namespace: argocd, {labels}}}, data: {{url: \
             \"https://argocd.example\"}}}}\n---\n\
             {{apiVersion: v1, kind: Secret, metadata: {{name: argocd-secret, namespace: argocd, {labels}}}}}\n"
        );
        plane.kubectl_ok(&["apply", "-f", "-"], Some(&own)).await;
        let file = crate::support::tools::repository("examples/gitops/argocd/argocd-cm.yaml");
        let document = text("docs/operations/gitops.md");
        let command = document.lines().find(|line| line.starts_with("kubectl patch -n argocd")).unwrap();
        let words: Vec<&str> = command.split_whitespace().skip(1).collect();
        let (path, args) = words.split_last().unwrap();
        assert!(file.ends_with(path), "{command}");
        plane.kubectl_ok(&[args, &[file.to_str().unwrap()]].concat(), None).await;
        let url = ["get", "-n", "argocd", "configmap/argocd-cm", "-o", "jsonpath={.data.url}"];
        assert_eq!(plane.kubectl_ok(&url, None).await, "https://argocd.example", "what was there stays");

        let definitions = built("argocd-crds");
        plane.kubectl_ok(&["apply", "--server-side", "-f", definitions.to_str().unwrap()], None).await;
        plane.definitions_established().await;
        let application = crate::support::tools::repository("examples/gitops/argocd/application.yaml");
        let check = ["apply", "--dry-run=server", "--validate=strict", "-f", application.to_str().unwrap()];
        plane.kubectl_ok(&check, None).await;
        Self { plane }
    }

    fn command(&self, args: &[&str], objects: &[Value]) -> Command {
        let input = self.plane.data().join(format!("argocd-{}.yaml", args[0]));
        let documents: Vec<String> = objects.iter().map(ToString::to_string).collect();
        fs::write(&input, documents.join("\n---\n")).unwrap();
        let mut command = bound(&built("argocd"));
        command.args(args).env("KUBECONFIG", self.plane.kubeconfig()).stdin(File::open(&input).unwrap());
        command
    }

    /// Returns the health of objects: `Healthy`, or `Degraded reason: message`.
    fn health(&self, objects: &[Value]) -> Vec<String> {
        let answer = stdout_of(&mut self.command(&["health"], objects));
        let judged: Vec<Value> = answer.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(judged.len(), objects.len(), "{answer}");
        let of = |one: &Value| format!("{} {}", one["status"].as_str().unwrap(), one["message"].as_str().unwrap_or(""));
        judged.iter().map(of).map(|output| output.trim().to_owned()).collect()
    }

    async fn object(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.plane.kubectl_ok(&[&["get", "-o", "json"][..], args].concat(), None).await).unwrap()
    }

    /// Returns the health of an object of the cluster.
    async fn health_of(&self, args: &[&str]) -> String {
        self.health(&[self.object(args).await]).remove(0)
    }

    async fn sync(&self, objects: &[Value]) -> String {
        let mut command = self.command(&["sync", "access"], objects);
        tokio::task::spawn_blocking(move || stdout_of(&mut command)).await.unwrap()
    }
}

/// Renders a repository as Argo CD does: with kustomize, as it is in kubectl.
async fn rendered(plane: &ControlPlane, folder: &std::path::Path) -> Vec<Value> {
    parse_yaml(&plane.kubectl_ok(&["kustomize", folder.to_str().unwrap()], None).await)
}

fn of_kind<'a>(objects: &'a [Value], kind: &str) -> &'a Value {
    objects.iter().find(|object| object["kind"] == kind).unwrap_or_else(|| panic!("no {kind}"))
}

// Argo CD's programs block their thread, and clients must keep running.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn argo_cd_waits_for_nothing_but_namespaces_and_judges_all_seven_kinds() {
    let plane = ControlPlane::own("argocd").await;
    let client = plane.client().await;
    Controller::prepare(&plane).await;
    let argo = Argo::prepare(&plane).await;
    let folder = plane.data().join("git");
    as_documented("Lay out the repository", &folder);
    let objects = rendered(&plane, &folder.join("access")).await;
    assert_eq!(objects.len(), 1 + 1 + 1 + 1 + 1 + 2 + 9);

    // Before anybody has looked: all is there, since nothing waits for what depends on more than git, and nothing is
    // well.
    let not_yet = "Progressing Roster has not reconciled this generation yet";
    assert_eq!(argo.health(&[of_kind(&objects, "PermissionCatalog").clone()]), [not_yet]);
    assert_synced(&argo.sync(&objects).await, &objects);
    let there = roster_objects(&plane, "").await;
    assert_eq!(there.len(), objects.len() - 1);
    assert_eq!(argo.health(&there), vec![not_yet; there.len()]);

    let data = plane.data().join("roster");
    let roster = Controller::spawn(&plane, &data, |_| {});

    // A second portal has what this one lacks: an invitation.
    let second = crate::support::tools::repository("examples/developer-platform");
    plane.kubectl_ok(&["apply", "-f", second.to_str().unwrap()], None).await;
    // The one that is not eligible there, and says so.
    plane.kubectl_ok(&["delete", "-n", "developer-platform", "invitation/hobby-mika"], None).await;
    let all = eventually_or(PATIENCE, "all to be ready".to_owned(), async || {
        let all = roster_objects(&plane, "").await;
        let waits = all.iter().find(|object| !is_ready(object) && !is_not_delivered(object));
        waits.map_or_else(|| Ok(all.clone()), |object| Err(object.to_string()))
    })
    .await;
    for crd in roster::api::crds() {
        of_kind(&all, &crd.spec.names.kind);
    }
    let nobody_is_invited =
        "Degraded NotDelivered: this release sends no invitations, so nobody is invited; create a Membership instead";
    let health = |object: &Value| if is_not_delivered(object) { nobody_is_invited } else { "Healthy" };
    assert_eq!(argo.health(&all), all.iter().map(health).collect::<Vec<_>>());
    argo_sees_what_is_wrong(&argo, &roster, &data).await;

    // At rest a sync writes nothing; and what goes from git goes. It rests when the Account has counted what went last.
    eventually_or(PATIENCE, "the account to have counted".to_owned(), async || {
        let status = argo.object(&["-n", PORTAL, "account/tidewater"]).await["status"].take();
        if status["roles"] == 1 && status["members"] == 10 { Ok(()) } else { Err(status.to_string()) }
    })
    .await;
    let before = versions(&roster_objects(&plane, PORTAL).await);
    argo.sync(&objects).await;
    assert_eq!(before, versions(&roster_objects(&plane, PORTAL).await));
    let rest: Vec<Value> = objects.iter().filter(|object| object["metadata"]["name"] != "sofia").cloned().collect();
    let pruned = argo.sync(&rest).await;
    assert!(pruned.contains("Membership sofia: Succeeded pruned"), "{pruned}");
    wait_view(data.join("roster.db"), format!("{PORTAL}/tidewater"), "sofia@tidewater.example".to_owned(), "").await;
    wait_condition(&client, "Account", PORTAL, "tidewater", "Ready", "True").await;

    // All at once do not go, and the commit that brings them back is not kept away by the Account, which is Degraded.
    let rest: Vec<Value> = objects.iter().filter(|object| object["kind"] != "Membership").cloned().collect();
    argo.sync(&rest).await;
    wait_condition(&client, "Account", PORTAL, "tidewater", "Stalled", "True RemovalGuarded").await;
    let held = argo.health_of(&["-n", PORTAL, "account/tidewater"]).await;
    assert!(held.starts_with("Degraded RemovalGuarded: "), "{held}");
    argo.sync(&objects).await;
    wait_condition(&client, "Account", PORTAL, "tidewater", "Ready", "True").await;
    assert_eq!(roster_objects(&plane, PORTAL).await.len(), objects.len() - 3);
    argo_leaves_the_charts_store_alone(&argo, objects).await;
    assert_eq!(roster.stop().await.code(), Some(0));
}

/// To Helm it is a hook that makes a store once. As a hook of Argo CD's it would be deleted before each sync.
async fn argo_leaves_the_charts_store_alone(argo: &Argo<'_>, mut objects: Vec<Value>) {
    let store = "{apiVersion: roster.dev/v1alpha1, kind: IdentityStore, metadata: {name: charts}, spec: {sqlite: {file: charts.db}}}";
    argo.plane.kubectl_ok(&["apply", "-f", "-"], Some(store)).await;
    let before = argo.object(&["identitystore/charts"]).await["metadata"]["uid"].clone();
    let values = "defaultStore.create=true,defaultStore.name=charts";
    let template = ["template", "roster", "charts/roster", "-s", "templates/default-store.yaml", "--set", values];
    let hook: Vec<Value> = parse_yaml(&stdout_of(tool("helm").args(template)));
    assert_eq!(hook[0]["metadata"]["annotations"]["helm.sh/hook"], "post-install,post-upgrade");
    objects.extend(hook);
    for _ in 0..2 {
        argo.sync(&objects).await;
        let after = argo.object(&["identitystore/charts"]).await["metadata"].clone();
        assert_eq!((&after["uid"], after.get("deletionTimestamp")), (&before, None));
    }
}

/// Everything that is not well, as Argo CD shows it.
async fn argo_sees_what_is_wrong(argo: &Argo<'_>, roster: &crate::support::ControllerProcess, data: &std::path::Path) {
    let plane = argo.plane;
    let client = plane.client().await;
    let apply = async |kind: &str, name: &str, spec: &str| {
        let yaml = format!(
            "{{apiVersion: roster.dev/v1alpha1, kind: {kind}, metadata: {{name: {name}, namespace: {PORTAL}}}, spec: \
             {{accountRef: {{name: tidewater}}, {spec}}}}}"
        );
        plane.kubectl_ok(&["apply", "-f", "-"], Some(&yaml)).await;
    };
    let patch = async |args: &[&str], patch: Value| {
        plane.kubectl_ok(&[&["patch", "--type=merge", "-p", &patch.to_string()][..], args].concat(), None).await;
    };
    let not_yet = "Progressing Roster has not reconciled this generation yet";

    apply("Role", "wrong", "title: Wrong, permissions: {no-such-section: Allowed}").await;
    wait_condition(&client, "Role", PORTAL, "wrong", "Stalled", "True").await;
    let wrong = argo.health_of(&["-n", PORTAL, "accessrole/wrong"]).await;
    assert!(wrong.starts_with("Degraded UnknownSection: "), "{wrong}");
    assert!(wrong.contains("no-such-section"), "{wrong}");

    let early = "user: {email: early@tidewater.example}, roleRef: {kind: Role, name: later}";
    apply("Membership", "early", early).await;
    wait_condition(&client, "Membership", PORTAL, "early", "Reconciling", "True").await;
    let waits = argo.health_of(&["-n", PORTAL, "membership/early"]).await;
    assert!(waits.starts_with("Progressing RoleNotFound: "), "{waits}");

    // Nobody looks: an object that was ready is edited, and a new one comes.
    roster.freeze().await;
    let sam = ["-n", PORTAL, "membership/sam"];
    assert_eq!(argo.health_of(&sam).await, "Healthy");
    patch(&sam, json!({"spec": {"restrictions": {"apply": ["payments"]}}})).await;
    assert!(is_ready(&argo.object(&sam).await), "its status is of the generation before");
    assert_eq!(argo.health_of(&sam).await, not_yet);
    apply("Membership", "new", "user: {email: new@tidewater.example}").await;
    assert_eq!(argo.health_of(&["-n", PORTAL, "membership/new"]).await, not_yet);
    roster.signal("CONT");
    wait_condition(&client, "Membership", PORTAL, "sam", "Ready", "True").await;
    assert_eq!(argo.health_of(&sam).await, "Healthy");
    patch(&sam, json!({"spec": {"restrictions": null}})).await;
    wait_condition(&client, "Membership", PORTAL, "sam", "Ready", "True").await;

    // Paused, for a while.
    patch(&["identitystore/default"], json!({"spec": {"paused": true}})).await;
    wait_condition(&client, "IdentityStore", "", "default", "Ready", "False Paused").await;
    let paused = argo.health_of(&["identitystore/default"]).await;
    assert!(paused.starts_with("Suspended Paused: "), "{paused}");
    patch(&["identitystore/default"], json!({"spec": {"paused": null}})).await;
    wait_condition(&client, "IdentityStore", "", "default", "Ready", "True").await;

    // The store differs, and is only reported on.
    let policy = |policy: &str| json!({"spec": {"accountDefaults": {"drift": {"policy": policy}}}});
    patch(&["identitystore/default"], policy("Report")).await;
    wait_condition(&client, "IdentityStore", "", "default", "Ready", "True").await;
    let mut connection = SqliteConnectOptions::new().filename(data.join("roster.db")).connect().await.unwrap();
    let sql = "UPDATE members SET ranks = '00' WHERE email = 'sam@tidewater.example'";
    assert_eq!(sqlx::raw_sql(sql).execute(&mut connection).await.unwrap().rows_affected(), 1);
    let check = ["annotate", "--overwrite", "-n", PORTAL, "account/tidewater", "roster.dev/reconcile-at=1"];
    plane.kubectl_ok(&check, None).await;
    wait_condition(&client, "Membership", PORTAL, "sam", "Ready", "False DriftReported").await;
    let drifted = argo.health_of(&sam).await;
    assert!(drifted.starts_with("Degraded DriftReported: "), "{drifted}");
    patch(&["identitystore/default"], policy("Correct")).await;
    wait_condition(&client, "Membership", PORTAL, "sam", "Ready", "True").await;

    // A deletion that waits.
    plane.kubectl_ok(&["delete", "--wait=false", "permissioncatalog/developer-platform"], None).await;
    assert_eq!(argo.health_of(&["permissioncatalog/developer-platform"]).await, "Progressing Pending deletion");
    let wrong = ["delete", "-n", PORTAL, "accessrole/wrong", "membership/early", "membership/new"];
    plane.kubectl_ok(&wrong, None).await;
    wait_condition(&client, "Account", PORTAL, "tidewater", "Ready", "True").await;
}

fn is_ready(object: &Value) -> bool {
    let conditions = object["status"]["conditions"].as_array();
    conditions.is_some_and(|all| all.iter().any(|one| one["type"] == "Ready" && one["status"] == "True"))
}

/// Returns whether the object is an Invitation whose only fault is that nothing sends it.
fn is_not_delivered(object: &Value) -> bool {
    let conditions = object["status"]["conditions"].as_array();
    conditions.is_some_and(|all| all.iter().any(|one| one["type"] == "Ready" && one["reason"] == "NotDelivered"))
}

fn assert_synced(output: &str, objects: &[Value]) {
    for object in objects {
        let line = format!("{} {}: ", object["kind"].as_str().unwrap(), object["metadata"]["name"].as_str().unwrap());
        let found = output.lines().find(|one| one.starts_with(&line)).unwrap_or_else(|| panic!("no {line}in {output}"));
        assert!(!found.contains("Failed"), "{found}");
    }
}
