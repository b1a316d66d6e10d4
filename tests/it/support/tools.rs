//! Finds helm and related programs. `ROSTER_HELM` may name their folder, otherwise `tests/helm/build.sh` builds them.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

/// The folder of the programs.
static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    if let Some(folder) = std::env::var_os("ROSTER_HELM") {
        return folder.into();
    }
    let out = Command::new(repository("tests/helm/build.sh")).output().expect("build.sh starts");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).expect("a path").trim().into()
});

/// A path of this repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Returns the path of a file in the folder of the programs.
pub fn tool_file(name: &str) -> PathBuf {
    FOLDER.join(name)
}

/// One of the programs, with nothing of the user's.
pub fn tool(name: &str) -> Command {
    let mut command = Command::new(tool_file(name));
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("helm");
    command.current_dir(repository(""));
    for variable in ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"] {
        command.env(variable, &home);
    }
    command.env_remove("KUBECONFIG");
    command
}

/// Returns the output of a program.
///
/// # Panics
/// When it fails.
pub fn stdout_of(command: &mut Command) -> String {
    let out = command.output().expect("it starts");
    assert!(out.status.success(), "{command:?}: {}{}", text(&out.stdout), text(&out.stderr));
    text(&out.stdout)
}

/// Returns the error output of a program that fails.
#[allow(dead_code, reason = "not every test of this file has something that fails")]
pub fn stderr_of(out: &Output) -> String {
    assert!(!out.status.success(), "it should fail: {}", text(&out.stdout));
    text(&out.stderr)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
