//! Arguments for the source of objects: files or a cluster. Used by all commands that read objects.

use std::path::PathBuf;

use super::output::{complain, counted};
use crate::manifests::{
    Diagnostic, Files, LoadedObjects, Objects, Source, is_cluster_there, namespaces_with_accounts, read_cluster,
    read_files,
};

/// Source of the objects; without `-f`, the cluster of the kubeconfig.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Source of the objects")]
pub struct Input {
    /// Read this file, every .yaml, .yml and .json file below this folder, or standard input (-), instead of the
    /// cluster
    #[arg(short = 'f', long = "filename", value_name = "PATH")]
    pub files: Vec<PathBuf>,

    /// File or folder, like `-f`
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,

    /// Context of the kubeconfig [default: the current one]
    #[arg(long, env = "ROSTER_CONTEXT", value_name = "NAME", conflicts_with_all = ["files", "paths"])]
    pub context: Option<String>,

    /// Namespace of the cluster, or of objects in files that name none [default: the context's, or `default`]
    #[arg(short, long, value_name = "NS")]
    pub namespace: Option<String>,

    /// Use all namespaces of the cluster
    #[arg(short = 'A', long, conflicts_with_all = ["files", "paths", "namespace"])]
    pub all_namespaces: bool,

    /// Whether a folder without manifests is allowed.
    #[arg(skip)]
    pub may_be_empty: bool,

    /// The controller's namespace; `None` for the one in the environment or the default.
    #[arg(skip)]
    pub controller_namespace: Option<String>,
}

/// Fails if there is nothing in a cluster to ask about: it is probably the wrong namespace or context. `what` is missing.
///
/// # Errors
/// When `is_empty` is set for a cluster. An empty folder is an error when it is read.
pub fn ensure_some(loaded: &LoadedObjects, is_empty: bool, what: &str) -> anyhow::Result<()> {
    let Source::Cluster(cluster) = &loaded.source else { return Ok(()) };
    let missing = cluster.namespace.as_ref().map_or_else(
        || format!("the cluster has no {what}; is --context right?"),
        |namespace| format!("namespace {namespace} has no {what}; are -n and --context right? (-A: all namespaces)"),
    );
    anyhow::ensure!(!is_empty, missing);
    Ok(())
}

impl Input {
    /// Returns whether the objects come from files.
    #[must_use]
    pub fn is_files(&self) -> bool {
        !(self.files.is_empty() && self.paths.is_empty())
    }

    /// Returns the files and folders to read, in the order of `-f`, then the others.
    #[must_use]
    pub fn all_files(&self) -> Vec<PathBuf> {
        self.files.iter().chain(&self.paths).cloned().collect()
    }

    /// Returns these arguments for a cluster whose controller is in this namespace.
    #[must_use]
    pub fn of_controller(&self, namespace: &str) -> Self {
        Self { controller_namespace: Some(namespace.to_owned()), ..self.clone() }
    }

    /// Reads everything. Faults of single objects of files are in the diagnostics.
    ///
    /// # Errors
    /// When a file or the cluster cannot be read.
    pub async fn read(&self) -> anyhow::Result<LoadedObjects> {
        if self.is_files() {
            read_files(&self.all_files(), self.namespace.as_deref().unwrap_or("default"), self.may_be_empty)
        } else {
            let controller = self.controller_namespace.clone();
            let controller = controller.or_else(|| std::env::var("ROSTER_STORE_NAMESPACE").ok());
            let controller = controller.as_deref().unwrap_or("roster-system");
            read_cluster(self.context.as_deref(), self.namespace.as_deref(), self.all_namespaces, controller).await
        }
    }

    /// Like [`Self::read_valid`], but returns no objects if there are no files and no cluster.
    ///
    /// # Errors
    /// As [`Self::read_valid`].
    pub async fn read_if_there(&self) -> anyhow::Result<LoadedObjects> {
        if self.is_files() || self.context.is_some() || is_cluster_there() {
            return self.read_valid().await;
        }
        complain("note: no files and no cluster: only the store is read");
        let source = Source::Files(Files::default());
        Ok(LoadedObjects { objects: Objects::default(), source, accounts: Vec::new() })
    }

    /// Returns these arguments for the only namespace with Accounts, if the context's namespace has none and no other
    /// is given.
    async fn where_accounts_are(&self, loaded: &LoadedObjects) -> Option<Self> {
        let Source::Cluster(cluster) = &loaded.source else { return None };
        let here = cluster.namespace.as_ref().filter(|_| self.namespace.is_none() && loaded.accounts.is_empty())?;
        let there: Vec<String> = namespaces_with_accounts(&cluster.client).await.into_iter().collect();
        if let [one] = there.as_slice() {
            complain(format!("note: namespace {here} has no Account; showing {one}, the only namespace with Accounts"));
            return Some(Self { namespace: Some(one.clone()), ..self.clone() });
        }
        if !there.is_empty() {
            complain(format!("note: namespace {here} has no Account; pass -n with one of {}, or -A", there.join(", ")));
        }
        None
    }

    /// Reads everything and refuses files with errors. If the context's namespace has no Account, uses the only
    /// namespace with Accounts.
    ///
    /// # Errors
    /// As [`Self::read`], and when an object of the files is one that the API server would refuse.
    pub async fn read_valid(&self) -> anyhow::Result<LoadedObjects> {
        let mut loaded = self.read().await?;
        if let Some(elsewhere) = self.where_accounts_are(&loaded).await {
            loaded = elsewhere.read().await?;
        }
        if let Source::Files(files) = &loaded.source {
            if let Some(passed_over) = files.passed_over() {
                complain(format!("note: {passed_over}"));
            }
            let errors: Vec<&Diagnostic> = files.diagnostics.iter().filter(|one| one.is_error()).collect();
            for diagnostic in &errors {
                complain(diagnostic);
            }
            anyhow::ensure!(
                errors.is_empty(),
                "{} in the files; see `roster validate`",
                counted(errors.len(), "error")
            );
        }
        Ok(loaded)
    }
}
