//! Finds the programs, and runs the commands of docs/operations/gitops.md. Used by the other modules.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use serde_json::Value;

use crate::support::ControlPlane;
use crate::support::tools::{repository, stdout_of};

/// The folder of the programs.
static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| match std::env::var_os("ROSTER_GITOPS") {
    Some(folder) => folder.into(),
    None => stdout_of(&mut Command::new(repository("tests/gitops/build.sh"))).trim().into(),
});

/// A program, or a folder of definitions.
pub fn built(name: &str) -> PathBuf {
    FOLDER.join(name)
}

/// A program that ends with the thread that starts it, so that nothing is left behind.
pub fn bound(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]).arg(program);
    command
}

/// A file of this repository.
pub fn text(path: &str) -> String {
    std::fs::read_to_string(repository(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Runs the commands of `docs/operations/gitops.md` below a heading, in a folder that has `examples/`.
pub fn as_documented(heading: &str, folder: &Path) {
    let document = text("docs/operations/gitops.md");
    let (_, after) = document.split_once(&format!("\n## {heading}\n")).expect("the heading");
    let (_, block) = after.split_once("```sh\n").expect("a block");
    let (commands, _) = block.split_once("```").expect("its end");
    std::fs::create_dir_all(folder).unwrap();
    stdout_of(Command::new("cp").arg("-r").arg(repository("examples")).arg(folder));
    stdout_of(Command::new("bash").args(["-euo", "pipefail", "-c", commands]).current_dir(folder));
}

/// Everything of Roster's in a namespace; without one, everything.
pub async fn roster_objects(plane: &ControlPlane, namespace: &str) -> Vec<Value> {
    let list = plane.kubectl_ok(&["get", "roster", "--all-namespaces", "-o", "json"], None).await;
    let mut list: Value = serde_json::from_str(&list).unwrap();
    let all = std::mem::take(list["items"].as_array_mut().unwrap());
    all.into_iter().filter(|object| namespace.is_empty() || object["metadata"]["namespace"] == namespace).collect()
}

/// Returns the versions of objects by kind and name, which change with each write.
pub fn versions(objects: &[Value]) -> Vec<(String, String)> {
    let of = |object: &Value| {
        let name = format!("{} {}", object["kind"].as_str().unwrap(), object["metadata"]["name"].as_str().unwrap());
        (name, object["metadata"]["resourceVersion"].as_str().unwrap().to_owned())
    };
    objects.iter().map(of).collect()
}
