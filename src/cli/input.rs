//! Where the objects come from, as arguments.

use std::path::PathBuf;

use super::output::{complain, counted};
use crate::manifests::{
    Diagnostic, Files, LoadedObjects, Objects, Source, is_cluster_there, namespaces_with_accounts, read_cluster,
    read_files,
};

/// Where the objects come from; without `-f`, the cluster that kubectl would ask.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Where the objects come from")]
pub struct Input {
    /// Read this file, or every .yaml, .yml and .json file below this folder, or standard input (-), and not the cluster
    #[arg(short = 'f', long = "filename", value_name = "PATH")]
    pub files: Vec<PathBuf>,

    /// The same as -f PATH
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,

    /// Context of the kubeconfig [default: the current one]
    #[arg(long, env = "ROSTER_CONTEXT", value_name = "NAME", conflicts_with_all = ["files", "paths"])]
    pub context: Option<String>,

    /// Namespace: of the cluster, or of objects in files that name none [default: the context's, or `default`]
    #[arg(short, long, value_name = "NS")]
    pub namespace: Option<String>,

    /// All namespaces of the cluster
    #[arg(short = 'A', long, conflicts_with_all = ["files", "paths", "namespace"])]
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

    /// Reads everything. What is wrong with single objects of files is among the diagnostics.
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

    /// As [`Self::read_valid`]; where no files are named and there is no cluster, there are no objects.
    ///
    /// # Errors
    /// As [`Self::read_valid`].
    pub async fn read_if_there(&self) -> anyhow::Result<LoadedObjects> {
        if self.is_files() || self.context.is_some() || is_cluster_there() {
            return self.read_valid().await;
        }
        complain("note: neither files nor a cluster: this is what the store alone says");
        let source = Source::Files(Files::default());
        Ok(LoadedObjects { objects: Objects::default(), source, accounts: Vec::new() })
    }

    /// Returns these arguments for the namespace that somebody probably means: the only one with Accounts, where that of the
    /// context has none and no other was asked for.
    async fn where_accounts_are(&self, loaded: &LoadedObjects) -> Option<Self> {
        let Source::Cluster(cluster) = &loaded.source else { return None };
        let here = cluster.namespace.as_ref().filter(|_| self.namespace.is_none() && loaded.accounts.is_empty())?;
        let there: Vec<String> = namespaces_with_accounts(&cluster.client).await.into_iter().collect();
        if let [one] = there.as_slice() {
            complain(format!("note: namespace {here} has no Account; this is {one}, the only one that has any"));
            return Some(Self { namespace: Some(one.clone()), ..self.clone() });
        }
        if !there.is_empty() {
            complain(format!("note: namespace {here} has no Account; say -n with one of {}, or -A", there.join(", ")));
        }
        None
    }

    /// As [`Self::read`], for commands that go on with what they read: files with errors are refused, and a context whose
    /// namespace has no Account does not hide the only namespace that has some.
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
                "{} in the files; `roster validate` says more",
                counted(errors.len(), "error")
            );
        }
        Ok(loaded)
    }
}
