//! A folder of its own for each test, in which its store is created. Used by the tests of this folder.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::support::{Roster, repository, roster};

/// The portals of `examples/`.
pub const PORTALS: [&str; 5] =
    ["secondary-users", "developer-platform", "field-operations", "partner-accounts", "service-provider"];

/// A folder in which commands run.
pub struct Workspace(TempDir);

impl Workspace {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A folder with a store to which `before` was applied.
    pub fn applied() -> Self {
        let workspace = Self::new();
        let printed = workspace.run("apply -f BEFORE --store shop.db --yes").printed();
        assert!(printed.starts_with("exit code 0"), "{printed}");
        workspace
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Makes a folder with `before`, changed.
    pub fn revised(&self, name: &str, change: impl Fn(String) -> String) {
        std::fs::create_dir(self.path(name)).unwrap();
        for file in ["portal.yaml", "acme.yaml"] {
            let text = std::fs::read_to_string(repository("tests/cli/input/change/before").join(file)).unwrap();
            std::fs::write(self.path(name).join(file), change(text)).unwrap();
        }
    }

    /// Runs `roster`; BEFORE, AFTER and EXAMPLES are replaced by folders of the repository.
    pub fn run(&self, arguments: &str) -> Roster {
        let path = |name: &str| repository(name).display().to_string();
        let arguments = arguments
            .replace("BEFORE", &path("tests/cli/input/change/before"))
            .replace("AFTER", &path("tests/cli/input/change/after"))
            .replace("EXAMPLES", &path("examples"));
        roster(&arguments).within(self.0.path()).env("ROSTER_NOW", "2026-06-01T08:00:00Z")
    }

    pub fn printed(&self, arguments: &str) -> String {
        self.run(arguments).printed()
    }

    /// Does something to a store behind Roster's back.
    pub fn tamper(&self, file: &str, sql: &'static str) {
        use sqlx::Connection as _;
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(self.path(file)).create_if_missing(true);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut connection = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
            sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
            connection.close().await.unwrap();
        });
    }

    /// The names of all files in it.
    pub fn files(&self, folder: &str) -> Vec<String> {
        let root = self.path(folder);
        let mut found = Vec::new();
        gather(&root, &root, &mut found);
        found.sort();
        found
    }

    pub fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.path(file)).unwrap()
    }
}

fn gather(root: &Path, folder: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            gather(root, &path, found);
        } else {
            found.push(path.strip_prefix(root).unwrap().display().to_string());
        }
    }
}
