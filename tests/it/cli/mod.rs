//! Tests the command line on a live cluster.

#[cfg(feature = "sqlite")]
pub mod cluster_commands;
mod discovery;
mod documents;
mod files_and_cluster;
mod plan;
mod store_only;
#[cfg(feature = "sqlite")]
mod tutorial;
mod validate;

use std::{
    path::Path,
    process::{Command, Stdio},
};

/// Returns the standard output of a run of `roster`, and its exit code.
pub async fn roster(kubeconfig: Option<&Path>, arguments: &str) -> (String, i32) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_roster"));
    command.args(arguments.split_whitespace()).current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null());
    command.env_remove("KUBECONFIG").env("HOME", "/nonexistent").env("ROSTER_NOW", "2026-06-01T12:00:00Z");
    if let Some(kubeconfig) = kubeconfig {
        command.env("KUBECONFIG", kubeconfig);
    }
    let output = tokio::task::spawn_blocking(move || command.output()).await.expect("it ends").expect("roster starts");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let code = output.status.code().expect("not killed");
    assert!(code < 2, "roster {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    (text, code)
}
