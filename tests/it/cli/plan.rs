//! Tests `roster plan`, `drift`, `import` and `apply` beside a running controller.

use std::{path::Path, process::Command};

use crate::{
    lifecycle::Site,
    support::{ControlPlane, Controller},
};

/// Exit code and everything printed.
fn roster(plane: &ControlPlane, arguments: &[&str]) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_roster"))
        .args(arguments)
        .env("KUBECONFIG", plane.kubeconfig())
        .env_remove("RUST_LOG")
        .output()
        .expect("roster runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code().expect("it ends"), text)
}

async fn acme(prefix: &str) -> Site<'static> {
    let site = Site::shared(prefix).await;
    site.store("accountDefaults: {drift: {policy: Report}}").await;
    site.account("acme", "displayName: Acme").await;
    site.members(&["dana", "eve"], "viewer").await;
    site.members_ready(&["dana", "eve"]).await;
    site.ready("Account", "acme").await;
    site
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

#[tokio::test]
async fn a_plan_agrees_with_the_controller_and_shows_drift() {
    let site = acme("cli-plan").await;
    let folder = text(Controller::shared().await.directory());
    let plan = ["plan", "-n", site.name(), "--sqlite-dir", folder, "--detailed-exitcode"];
    let drift = ["drift", "-n", site.name(), "--sqlite-dir", folder];
    let before = site.file().dump().await;
    let (code, printed) = roster(site.plane(), &plan);
    assert_eq!((code, printed.as_str()), (0, "No changes: the store is up to date (1 account).\n"));
    assert_eq!(roster(site.plane(), &drift).0, 0);
    assert_eq!(site.file().dump().await, before, "looking changes nothing");
    // Where the store is not there, nothing has been found out about it.
    for command in ["plan", "drift"] {
        let (code, printed) = roster(site.plane(), &[command, "-n", site.name(), "--sqlite-dir", "/nowhere"]);
        assert!(code == 2 && printed.contains("there is no /nowhere/"), "{code}: {printed}");
    }

    site.file().set_ranks(&site.key("acme"), "dana", "21").await;
    let (code, printed) = roster(site.plane(), &drift);
    assert_eq!(code, 1, "{printed}");
    assert!(printed.contains("dana@acme.example has the level Edit in section orders, not View"), "{printed}");
    let (code, printed) = roster(site.plane(), &plan);
    assert_eq!(code, 0, "reported, and left so: {printed}");
    assert!(printed.contains("has the level Edit in section orders, not View"), "{printed}");
}

#[tokio::test]
async fn a_controllers_store_is_imported_and_planned_and_never_applied_to() {
    let site = acme("cli-import").await;
    let file = site.file();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let before = file.dump().await;
    let (code, printed) = roster(site.plane(), &["import", "--store", text(file.path()), "-o", text(&out)]);
    assert_eq!(code, 0, "{printed}");
    let files = ["-f", text(&out), "--store", text(file.path())];
    let (code, printed) = roster(site.plane(), &[&["plan", "--detailed-exitcode"], &files[..]].concat());
    assert_eq!(code, 0, "{printed}");
    // The file's path is long: lines are wrapped anywhere.
    let words = printed.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("is managed by a cluster's controller"), "{printed}");
    let (code, printed) = roster(site.plane(), &[&["apply", "--yes"], &files[..]].concat());
    assert_eq!(code, 2, "{printed}");
    assert!(printed.contains("is managed by a cluster's controller"), "{printed}");
    assert_eq!(file.dump().await, before);
}
