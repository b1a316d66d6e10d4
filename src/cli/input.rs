//! Where the objects come from, as arguments.

use std::path::PathBuf;

use super::output::{complain, counted};
use crate::manifests::{Diagnostic, LoadedObjects, Source, read_cluster, read_files};

/// Where the objects come from; without `-f`, the cluster that kubectl would ask.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Where the objects come from")]
pub struct Input {
    /// Read this file, or every .yaml, .yml and .json file below this folder, or standard input (-), and not the cluster
    #[arg(short = 'f', long = "filename", value_name = "PATH")]
    pub files: Vec<PathBuf>,

    /// Context of the kubeconfig [default: the current one]
    #[arg(long, env = "ROSTER_CONTEXT", value_name = "NAME", conflicts_with = "files")]
    pub context: Option<String>,

    /// Namespace: of the cluster, or of objects in files that name none [default: the context's, or `default`]
    #[arg(short, long, value_name = "NS")]
    pub namespace: Option<String>,

    /// All namespaces of the cluster
    #[arg(short = 'A', long, conflicts_with_all = ["files", "namespace"])]
    pub all_namespaces: bool,

    /// Whether a folder without any manifest is nothing, and not a mistake.
    #[arg(skip)]
    pub may_be_empty: bool,

    /// The controller's namespace; absent for the one in the environment, or else the default.
    #[arg(skip)]
    pub controller_namespace: Option<String>,
}

impl Input {
    /// Whether files are read.
    #[must_use]
    pub fn is_files(&self) -> bool {
        !self.files.is_empty()
    }

    /// Returns these arguments for a cluster whose controller is in this namespace.
    #[must_use]
    pub fn of_controller(&self, namespace: &str) -> Self {
        Self { controller_namespace: Some(namespace.to_owned()), ..self.clone() }
    }

    /// Reads everything. What is wrong with single objects of files is among the diagnostics.
    ///
    /// # Errors
    /// When a file or the cluster cannot be read.
    pub async fn read(&self) -> anyhow::Result<LoadedObjects> {
        if self.is_files() {
            read_files(&self.files, self.namespace.as_deref().unwrap_or("default"), self.may_be_empty)
        } else {
            let controller = self.controller_namespace.clone();
            let controller = controller.or_else(|| std::env::var("ROSTER_STORE_NAMESPACE").ok());
            let controller = controller.as_deref().unwrap_or("roster-system");
            read_cluster(self.context.as_deref(), self.namespace.as_deref(), self.all_namespaces, controller).await
        }
    }

    /// As [`Self::read`], for commands that go on with what they read: files with errors are refused.
    ///
    /// # Errors
    /// As [`Self::read`], and when an object of the files is one that the API server would refuse.
    pub async fn read_valid(&self) -> anyhow::Result<LoadedObjects> {
        let loaded = self.read().await?;
        if let Source::Files(files) = &loaded.source {
            let errors: Vec<&Diagnostic> = files.diagnostics.iter().filter(|one| one.is_error()).collect();
            for diagnostic in &errors {
                complain(diagnostic);
            }
            anyhow::ensure!(
                errors.is_empty(),
                "{} in the files; `roster validate` says more",
                counted(errors.len(), "error")
            );
        }
        Ok(loaded)
    }
}
