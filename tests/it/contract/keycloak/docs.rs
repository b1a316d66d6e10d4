//! Runs the commands of the documents for setting up a realm, and those for a portal that uses its tokens.

use std::{fs, os::unix::fs::PermissionsExt as _, process::Command};

use super::server::Server;
use crate::contract::doc_commands::{Setting, assert_commands_print_what_is_written};

/// The commands of a step in `docs/stores/keycloak.md`.
fn documented(step: &str) -> &'static str {
    let docs = include_str!("../../../../docs/stores/keycloak.md");
    let after = docs.split(&format!("<!-- test: {step} -->\n```sh\n")).nth(1).unwrap_or_else(|| panic!("no {step}"));
    after.split("```").next().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_portal_can_trust_what_the_tutorial_says() {
    let server = Server::shared().await;
    let folder = tempfile::tempdir().unwrap();
    let programs = folder.path().join("bin");
    fs::create_dir(&programs).unwrap();
    let kcadm = programs.join("kcadm.sh");
    let script = server.home().join("bin/kcadm.sh");
    fs::write(&kcadm, format!("#!/bin/sh\nKC_OPTS=\"-Duser.home=$HOME\" exec bash '{}' \"$@\"\n", script.display()))
        .unwrap();
    fs::set_permissions(&kcadm, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    // Nothing of the machine's own is used or changed: kcadm.sh keeps its session below what Java takes for HOME.
    let steps = ["realm", "client", "portal"].map(documented).concat();
    let steps = steps.replace("https://id.example", &server.url()).replace("--user admin", "--user root --password pw");
    let mut bash = Command::new("bash");
    bash.args(["-euc", &steps]).env("PATH", &path).env("HOME", folder.path());
    let made = bash.output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let setting = Setting {
        folder: folder.path(),
        programs: Some(&programs),
        environment: vec![],
        names: vec![
            ("https://roster@id.example", server.url().replace("://", "://roster@")),
            ("https://id.example", server.url()),
        ],
        without: &[],
    };
    assert_commands_print_what_is_written("docs/tutorials/keycloak.md", &setting);
}
