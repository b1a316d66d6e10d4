//! Tests a portal under Flux, from its first commit to its last.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _};

use crate::flux::{Flux, NAMESPACE, condition};
use crate::git::Repository;
use crate::support::tools::{stdout_of, tool};
use crate::support::{
    ControlPlane, Controller, PATIENCE, SYSTEM, eventually, eventually_or, try_view, wait_condition, wait_view,
};
use crate::tools::{as_documented, roster_objects, text, versions};

const PORTAL: &str = "secondary-users";
const ACCOUNT: &str = "secondary-users/tidewater";

/// The chart as a user installs it; controllers log in as its account: there are no nodes, they run outside.
async fn install(plane: &ControlPlane) {
    let mut helm = tool("helm");
    helm.args(["install", "roster", "charts/roster", "-n", SYSTEM, "--create-namespace"]);
    stdout_of(helm.env("KUBECONFIG", plane.kubeconfig()));
    crate::support::account::log_in(plane).await;
}

/// Waits until the store shows the rows of an example's table.
async fn wait_table(file: &std::path::Path, portal: &str) {
    let table = text(&format!("examples/{portal}/expected.csv"));
    let people: BTreeSet<(&str, &str)> =
        table.lines().skip(1).map(|row| row.split(',').collect::<Vec<_>>()).map(|row| (row[0], row[1])).collect();
    for (account, email) in people {
        let wanted: Vec<String> = table
            .lines()
            .filter_map(|row| row.strip_prefix(&format!("{account},{email},")))
            .map(|row| row.replace(',', "="))
            .collect();
        wait_view(file.to_owned(), account.to_owned(), email.to_owned(), &wanted.join(" ")).await;
    }
}

async fn tamper(file: &std::path::Path, sql: &str) -> u64 {
    let mut connection =
        SqliteConnectOptions::new().filename(file).disable_statement_logging().connect().await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.unwrap().rows_affected()
}

/// Waits for one level of a member of the account.
async fn wait_level(file: &std::path::Path, email: &str, section: &str, level: Option<&str>) {
    eventually_or(PATIENCE, format!("{email} to have {section} {level:?}"), async || {
        let view = try_view(file, ACCOUNT, email).await.map_err(|error| error.to_string())?;
        if view.get(section).map(String::as_str) == level { Ok(()) } else { Err(format!("{view:?}")) }
    })
    .await;
}

// helm and git block their thread, and the git server must keep running.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_portal_under_flux_from_its_first_commit_to_its_last() {
    let plane = ControlPlane::own("flux").await;
    let client = plane.client().await;
    install(&plane).await;
    let flux = Flux::start(&plane).await;
    let folder = plane.data().join("git");
    as_documented("Lay out the repository", &folder);
    let repository = Repository::new(&folder).await;
    let first = repository.commit("A portal");
    let source = text("examples/gitops/flux/source.yaml");
    let source = source.replace("https://git.example/platform/access.git", &repository.url);
    let shipped = format!("{source}\n---\n{}", text("examples/gitops/flux/access.yaml"));
    plane.kubectl_ok(&["apply", "--validate=strict", "-f", "-"], Some(&shipped)).await;
    let follow = async |revision: String| {
        flux.reconcile("gitrepository/access").await;
        revision
    };

    // Nobody has looked at the objects yet: a catalog that is applied is enough to go on, and what is applied is not
    // ready.
    flux.ready("access-platform", &first).await;
    flux.checking("access-accounts", &first).await;
    flux.checking("access-people", &first).await;

    // Ready in order, and once it is, everything is ready and in the store.
    let data = plane.data().join("roster");
    let roster = Controller::spawn(&plane, &data, |_| {});
    let file = data.join("roster.db");
    let since = |found: &Value| condition(found, "Ready").unwrap()["lastTransitionTime"].as_str().unwrap().to_owned();
    let platform = since(&flux.ready("access-platform", &first).await);
    flux.ready("access-stores", &first).await;
    flux.ready("access-accounts", &first).await;
    let people = since(&flux.ready("access-people", &first).await);
    let objects = roster_objects(&plane, PORTAL).await;
    assert_eq!(objects.len(), 1 + 1 + 2 + 9, "{objects:?}");
    for object in &objects {
        let ready = condition(object, "Ready").unwrap();
        assert_eq!(ready["status"], "True", "{object}");
        assert_eq!(ready["observedGeneration"], object["metadata"]["generation"], "{object}");
        let made = object["metadata"]["creationTimestamp"].as_str().unwrap();
        assert!(made >= platform.as_str(), "{object} was there before {platform}");
        let ready = ready["lastTransitionTime"].as_str().unwrap();
        assert!(object["kind"] == "Account" || ready <= people.as_str(), "{object} was not ready at {people}");
    }
    wait_table(&file, PORTAL).await;

    // Who may merge to people/ may change people, and nothing else.
    fs::write(repository.folder.join("people/account.yaml"), mine("sneaky", "Delete")).unwrap();
    let bad = follow(repository.commit("An account among the people")).await;
    flux.failed("access-people", &bad, "forbidden").await;
    flux.ready("access-people", &follow(repository.revert()).await).await;

    // A fault is reported at once, on the object that has it: as stalled, and not when the `timeout` is over.
    repository.edit("people/roles.yaml", "{payments: Allowed,", "{no-such-section: Allowed, payments: Allowed,");
    let bad = repository.commit("A section that is not there");
    let message = flux.failed("access-people", &follow(bad).await, "health check failed").await;
    assert!(message.contains("failed early due to stalled resources"), "{message}");
    assert!(message.contains("Role/secondary-users/bookkeeping"), "{message}");
    flux.ready("access-people", &follow(repository.revert()).await).await;

    // One who goes.
    let everybody = fs::read_to_string(repository.folder.join("people/people.yaml")).unwrap();
    let rest: Vec<&str> = everybody.split("\n---\n").filter(|one| !one.contains("name: sofia")).collect();
    fs::write(repository.folder.join("people/people.yaml"), rest.join("\n---\n")).unwrap();
    flux.ready("access-people", &follow(repository.commit("Sofia leaves")).await).await;
    assert_eq!(roster_objects(&plane, PORTAL).await.len(), objects.len() - 1);
    wait_view(file.clone(), ACCOUNT.to_owned(), "sofia@tidewater.example".to_owned(), "").await;
    flux.ready("access-people", &follow(repository.revert()).await).await;
    wait_table(&file, PORTAL).await;

    // A pause holds back what is granted, and git's order must not make it hold back what is taken.
    let paused = |paused: bool| format!("{{\"spec\":{{\"paused\":{paused}}}}}");
    let store = ["patch", "identitystore/default", "--type=merge", "--field-manager=incident", "-p"];
    plane.kubectl_ok(&[&store[..], &[&paused(true)]].concat(), None).await;
    wait_condition(&client, "IdentityStore", "", "default", "Ready", "False Paused").await;
    fs::write(repository.folder.join("people/people.yaml"), rest.join("\n---\n")).unwrap();
    flux.ready("access-people", &follow(repository.commit("Sofia leaves during a pause")).await).await;
    wait_view(file.clone(), ACCOUNT.to_owned(), "sofia@tidewater.example".to_owned(), "").await;
    plane.kubectl_ok(&[&store[..], &[&paused(false)]].concat(), None).await;
    flux.ready("access-people", &follow(repository.revert()).await).await;
    wait_table(&file, PORTAL).await;

    // All who go at once do not: a file was lost, and comes back.
    fs::remove_file(repository.folder.join("people/people.yaml")).unwrap();
    flux.ready("access-people", &follow(repository.commit("A file is lost")).await).await;
    assert_eq!(roster_objects(&plane, PORTAL).await.len(), objects.len() - 9);
    let held = wait_condition(&client, "Account", PORTAL, "tidewater", "Stalled", "True RemovalGuarded").await;
    assert!(held.to_string().contains("removals are held back"), "{held}");
    // A prune comes one by one: fewer than the guard's minimumCount are gone before it sees that they are many.
    let mut left = 0;
    for name in ["sam", "nadia", "paul", "sofia", "anton", "olivia", "mara", "gina", "ivan"] {
        left += u32::from(!try_view(&file, ACCOUNT, &format!("{name}@tidewater.example")).await.unwrap().is_empty());
    }
    assert!(left > 9 - 5, "{left} are left");
    flux.reconcile("kustomization/access-accounts").await;
    let accounts = flux.get("kustomization/access-accounts").await;
    assert!(condition(&accounts, "Ready").unwrap().to_string().contains("Account/secondary-users/tidewater"));
    let revision = follow(repository.revert()).await;
    flux.ready("access-accounts", &revision).await;
    flux.ready("access-people", &revision).await;
    wait_table(&file, PORTAL).await;

    drifts(&plane, &flux, &file).await;
    any_order(&plane, &flux, &file).await;
    accounts_go(&plane, &flux, &repository, &file).await;
    assert_eq!(roster.stop().await.code(), Some(0));
}

/// An account with nobody but its owner.
fn mine(name: &str, policy: &str) -> String {
    format!(
        "{{apiVersion: roster.dev/v1alpha1, kind: Account, metadata: {{name: {name}, namespace: {PORTAL}}}, spec: \
         {{catalogRef: {{name: {PORTAL}}}, owner: {{email: {name}@tidewater.example}}, deletionPolicy: {policy}}}}}\n"
    )
}

/// Objects changed by hand, stores changed by hand, and what is done in an incident.
async fn drifts(plane: &ControlPlane, flux: &Flux<'_>, file: &std::path::Path) {
    let nadia = "nadia@tidewater.example";
    let patch = async |args: &[&str], patch: &str| {
        plane.kubectl_ok(&[&["patch", "--type=merge", "-p", patch][..], args].concat(), None).await;
    };
    let member = ["-n", PORTAL, "membership/nadia"];
    wait_level(file, nadia, "numbers", Some("Denied")).await;
    patch(&member, r#"{"spec":{"restrictions":{"apply":[]}}}"#).await;
    wait_level(file, nadia, "numbers", Some("Allowed")).await;
    flux.reconcile("kustomization/access-people").await;
    wait_level(file, nadia, "numbers", Some("Denied")).await;

    // An incident: what is done with kubectl is taken back, what is done otherwise stays.
    let store = |manager: &'static str| ["identitystore/default", manager];
    let blocked = format!(r#"{{"spec":{{"blocked":[{{"email":"{nadia}","reason":"incident"}}]}}}}"#);
    patch(&store("--field-manager=kubectl-patch"), &blocked).await;
    wait_level(file, nadia, "payments", Some("Denied")).await;
    flux.reconcile("kustomization/access-stores").await;
    wait_level(file, nadia, "payments", Some("Allowed")).await;
    patch(&store("--field-manager=incident"), &blocked).await;
    wait_level(file, nadia, "payments", Some("Denied")).await;
    flux.reconcile("kustomization/access-stores").await;
    let kept = plane.kubectl_ok(&["get", "identitystore/default", "-o", "jsonpath={.spec.blocked}"], None).await;
    assert!(kept.contains(nadia), "{kept}");
    patch(&store("--field-manager=incident"), r#"{"spec":{"blocked":null}}"#).await;
    wait_level(file, nadia, "payments", Some("Allowed")).await;
    let mut roster = std::process::Command::new(env!("CARGO_BIN_EXE_roster"));
    roster.args(["block", nadia, "--reason", "incident", "--all-stores"]).env("KUBECONFIG", plane.kubeconfig());
    let out = roster.output().unwrap();
    assert!(out.status.success(), "{out:?}");
    flux.reconcile("kustomization/access-stores").await;
    let kept = plane.kubectl_ok(&["get", "identitystore/default", "-o", "jsonpath={.spec.blocked}"], None).await;
    assert!(kept.contains(nadia), "{kept}");
    patch(&store("--field-manager=incident"), r#"{"spec":{"blocked":null}}"#).await;
    wait_level(file, nadia, "payments", Some("Allowed")).await;

    // Roster corrects the store, and nothing changes for Flux.
    let all = ["platform", "stores", "accounts", "people"].map(|name| format!("kustomization/access-{name}"));
    for name in &all {
        flux.reconcile(name).await;
    }
    let sql = "UPDATE members SET ranks = '00' WHERE email = 'sam@tidewater.example'";
    assert_eq!(tamper(file, sql).await, 1);
    let now = "roster.dev/reconcile-at=now";
    let account = ["annotate", "--overwrite", "-n", PORTAL, "account/tidewater", now, "--field-manager=incident"];
    plane.kubectl_ok(&account, None).await;
    wait_level(file, "sam@tidewater.example", "numbers", Some("Allowed")).await;
    wait_condition(&plane.client().await, "Membership", PORTAL, "sam", "Drifted", "False Corrected").await;
    let before = roster_objects(plane, "").await;
    for name in &all {
        flux.reconcile(name).await;
    }
    for name in &all {
        assert_eq!(condition(&flux.get(name).await, "Ready").unwrap()["status"], "True", "{name}");
    }
    assert_eq!(versions(&before), versions(&roster_objects(plane, "").await), "at rest nothing is written");
}

/// Another portal, a Kustomization for each file and the last one first.
async fn any_order(plane: &ControlPlane, flux: &Flux<'_>, file: &std::path::Path) {
    const OTHER: &str = "service-provider";
    plane.kubectl_ok(&["create", "namespace", OTHER], None).await;
    let repository = Repository::new(&plane.data().join("other")).await;
    let files = ["people", "groups", "account", "catalog"];
    for name in files {
        let folder = repository.folder.join(name);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("all.yaml"), text(&format!("examples/{OTHER}/{name}.yaml"))).unwrap();
    }
    let revision = repository.commit("Another portal");
    let source = text("examples/gitops/flux/source.yaml").replace("name: access", "name: other");
    let source = source.replace("https://git.example/platform/access.git", &repository.url);
    plane.kubectl_ok(&["apply", "-f", "-"], Some(&source)).await;
    for name in files {
        let one = format!(
            "{{apiVersion: kustomize.toolkit.fluxcd.io/v1, kind: Kustomization, metadata: {{name: {name}, namespace: \
             {NAMESPACE}}}, spec: {{sourceRef: {{kind: GitRepository, name: other}}, path: ./{name}, interval: 10m, \
             timeout: 2m, wait: true, prune: true}}}}"
        );
        plane.kubectl_ok(&["apply", "-f", "-"], Some(&one)).await;
        // Each has applied what it has before the next one comes, and waits for it.
        if name != "catalog" {
            flux.checking(name, &revision).await;
        }
    }
    for name in files {
        flux.ready(name, &revision).await;
    }
    wait_table(file, OTHER).await;
}

/// Accounts that go from git, by their policy; and a folder that goes takes nothing.
async fn accounts_go(plane: &ControlPlane, flux: &Flux<'_>, repository: &Repository, file: &std::path::Path) {
    let follow = async |revision: String| {
        flux.reconcile("gitrepository/access").await;
        flux.ready("access-accounts", &revision).await;
    };
    for (name, policy) in [("stays", "Orphan"), ("goes", "Delete")] {
        fs::write(repository.folder.join(format!("accounts/{name}.yaml")), mine(name, policy)).unwrap();
    }
    follow(repository.commit("Two accounts")).await;
    let owner = async |name: &str| {
        try_view(file, &format!("{PORTAL}/{name}"), &format!("{name}@tidewater.example")).await.unwrap()
    };
    for name in ["stays", "goes"] {
        assert_eq!(owner(name).await["payments"], "Allowed", "what Flux waited for is in the store");
        fs::remove_file(repository.folder.join(format!("accounts/{name}.yaml"))).unwrap();
    }
    follow(repository.commit("Two accounts less")).await;
    eventually(PATIENCE, "both to be gone from the cluster", async || {
        let left = plane.kubectl_ok(&["get", "accounts", "-n", PORTAL, "-o", "name"], None).await;
        (left == "account.roster.dev/tidewater\n").then_some(())
    })
    .await;
    assert_eq!(owner("goes").await.len(), 0);
    assert_eq!(owner("stays").await["payments"], "Allowed");

    fs::remove_file(repository.folder.join("accounts/account.yaml")).unwrap();
    let revision = repository.commit("The whole folder");
    flux.reconcile("gitrepository/access").await;
    let message = flux.failed_to_build("access-accounts").await;
    assert!(message.contains("path not found"), "{revision}: {message}");
    plane.kubectl_ok(&["get", "-n", PORTAL, "account/tidewater"], None).await;
    wait_table(file, PORTAL).await;
}
