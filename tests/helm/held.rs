//! Tests on a real API server that the controller holds back what lacks the authority, whoever admitted it: what exceeds a
//! pipeline's grants, and what was applied while no webhook answered.

use std::{collections::BTreeSet, fmt::Write as _, process::Command};

use insta::assert_snapshot;

use crate::{
    release::access,
    support::{PATIENCE, eventually_or},
    webhook::{CAROL, PIA, PIPELINE, Scene, membership},
};

/// Waits until a Membership has this reason of Ready, and returns its access.
async fn reason(scene: &Scene, name: &str, wanted: &str) -> String {
    let path = "-o=jsonpath={.status.conditions[?(@.type==\"Ready\")].reason} {.status.access}";
    let mut access = String::new();
    eventually_or(PATIENCE, format!("{name} to be {wanted}"), async || {
        let said = scene.release.kubectl(&["get", "mship", "-n", "partner-accounts", name, path]).await;
        let (reason, now) = said.split_once(' ').unwrap_or_default();
        access = now.to_owned();
        if reason == wanted { Ok(()) } else { Err(said) }
    })
    .await;
    access
}

/// What the store gives a person of the managed account.
async fn held(scene: &Scene, name: &str) -> BTreeSet<String> {
    let person = format!(" {name}@retail.example ");
    let all = access(&scene.release.file()).await;
    let granted = all.into_iter().filter(|one| !one.ends_with("(0)"));
    granted.filter_map(|one| Some(one.split_once(&person)?.1.to_owned())).collect()
}

/// `roster authorize`, as a user.
async fn authorize(scene: &Scene, user: &str, groups: &[&str], args: &[&str]) -> String {
    let file = scene.release.folder.join("person.kubeconfig");
    std::fs::write(&file, scene.release.plane.kubeconfig_of(user, groups).await).unwrap();
    let out = Command::new(env!("CARGO_BIN_EXE_roster"))
        .arg("authorize")
        .args(args)
        .env("KUBECONFIG", &file)
        .output()
        .unwrap();
    let printed = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    // Times differ.
    let lines = printed.lines().map(|line| line.split(" since ").next().unwrap_or_default());
    lines.fold(format!("exit code {}\n", out.status.code().unwrap()), |all, line| all + line + "\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_lacks_the_authority_is_held_until_somebody_has_it() {
    let mut scene = Scene::new("held").await;
    let pod = scene.release.pod("statefulset/roster").await;
    let proxy = scene.release.log_in(&pod).await;
    let mut controller = scene.release.controller(&pod, &proxy);
    controller.leading().await;
    let rights = scene.kubectl_as(PIA, &["platform"], &["get", "acct", "-n", "partner-accounts"], None).await;
    assert!(rights.contains("interlink-retail"), "{rights}");
    let account = ["wait", "--for=condition=Ready", "acct", "-n", "partner-accounts", "--all", "--timeout=80s"];
    scene.release.kubectl(&account).await;

    // A pipeline: what is within its grants is there, beside what is not.
    let mut said = String::new();
    for (name, role) in [("nina", "finance"), ("nell", "managed-company-admin")] {
        let printed = scene.apply_as(PIPELINE, &membership(name, "interlink-retail", role, "")).await;
        let _ = writeln!(said, "# {PIPELINE}\n{printed}");
    }
    reason(&scene, "nina", "Ready").await;
    assert_eq!(reason(&scene, "nell", "Unauthorized").await, "Invalid");
    assert_eq!(held(&scene, "nell").await, BTreeSet::new());
    assert!(!held(&scene, "nina").await.is_empty());
    // Its revocation goes through, beside what is held.
    scene.apply_as(PIPELINE, &membership("nina", "interlink-retail", "finance", "  suspended: true")).await;
    eventually_or(PATIENCE, "nina to be suspended".to_owned(), async || {
        let left = held(&scene, "nina").await;
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    })
    .await;

    // While no webhook answers, an administrator's change is admitted and not recorded.
    scene.webhook.take().unwrap().kill().await;
    let printed = scene.apply_as(PIA, &membership("neil", "interlink-retail", "finance", "")).await;
    let _ = writeln!(said, "# {PIA}, without a webhook\n{printed}");
    reason(&scene, "neil", "Unauthorized").await;
    assert_eq!(held(&scene, "neil").await, BTreeSet::new());

    // Who may confirm it, and what that shows.
    let rights = "
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: platform-writes}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: writers}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: platform}]
";
    scene.release.apply(rights).await;
    for (user, groups, args) in [
        (PIA, &["platform", "system:authenticated"][..], &["-n", "partner-accounts"][..]),
        (CAROL, &["system:authenticated"][..], &["interlink-retail", "-n", "partner-accounts", "--yes"][..]),
        (PIA, &["platform", "system:authenticated"][..], &["interlink-retail", "-n", "partner-accounts", "--yes"][..]),
    ] {
        let printed = authorize(&scene, user, groups, args).await;
        let printed = printed.split("https://").next().unwrap_or_default();
        let _ = writeln!(said, "$ {user}: roster authorize {}\n{printed}", args.join(" "));
    }
    assert_eq!(reason(&scene, "nell", "Ready").await, "Active");
    assert_eq!(reason(&scene, "neil", "Ready").await, "Active");
    assert!(!held(&scene, "nell").await.is_empty() && !held(&scene, "neil").await.is_empty());
    let nothing = authorize(&scene, PIA, &["platform", "system:authenticated"], &["-A"]).await;
    let _ = writeln!(said, "$ {PIA}: roster authorize -A\n{nothing}");
    assert_snapshot!("held", said);
}
