//! Where the objects come from: files, or the live cluster. Both end up as the same [`Objects`], so that every command
//! asks the same engine and gets the same answer.

mod cluster;
mod diagnostic;
mod document;
mod files;
mod kinds;
mod objects;
mod parse;
pub mod path;
pub mod position;
pub mod schema;

use std::path::PathBuf;

use kube::Client;

pub(super) use self::cluster::{connect, list, list_all};
pub use self::{
    diagnostic::{Diagnostic, DiagnosticReason, Severity},
    document::{Document, ObjectId, Place},
};
use crate::{
    model::{AccountKey, Name},
    plan::Mark,
    resolve::Objects,
};

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
}

/// All objects there are, and where they were read.
pub struct Estate {
    /// The objects.
    pub objects: Objects,
    /// Where they come from.
    pub source: Source,
    /// Accounts asked about: all of the files, or those of the namespaces asked for. Parents elsewhere are in `objects`
    /// only.
    pub accounts: Vec<AccountKey>,
}

/// Where objects come from.
pub enum Source {
    /// Files.
    Files(Files),
    /// A cluster.
    Cluster(Cluster),
}

/// What was read from files.
#[derive(Default)]
pub struct Files {
    /// Every document of ours, in the order read.
    pub documents: Vec<Document>,
    /// What is to be said of them.
    pub diagnostics: Vec<Diagnostic>,
    /// Objects that say too little to count.
    pub broken: Vec<ObjectId>,
    /// How many files were read.
    pub count: usize,
}

/// The cluster that was asked.
pub struct Cluster {
    /// Its client.
    pub client: Client,
    /// What marks its objects in a store: the UID of `kube-system`.
    pub id: Name,
}

impl Input {
    /// Whether files are read.
    #[must_use]
    pub fn is_files(&self) -> bool {
        !self.files.is_empty()
    }

    /// Reads everything. What is wrong with single objects of files is among the diagnostics.
    ///
    /// # Errors
    /// When a file or the cluster cannot be read.
    pub async fn read(&self) -> anyhow::Result<Estate> {
        if self.is_files() {
            files::read(&self.files, self.namespace.as_deref().unwrap_or("default"), self.may_be_empty)
        } else {
            cluster::read(self.context.as_deref(), self.namespace.as_deref(), self.all_namespaces).await
        }
    }

    /// As [`Self::read`], for commands that go on with what they read: files with errors are refused.
    ///
    /// # Errors
    /// As [`Self::read`], and when an object of the files is one that the API server would refuse.
    pub async fn read_valid(&self) -> anyhow::Result<Estate> {
        let estate = self.read().await?;
        if let Source::Files(files) = &estate.source {
            let errors: Vec<&Diagnostic> = files.diagnostics.iter().filter(|one| one.is_error()).collect();
            for diagnostic in &errors {
                crate::cli::output::complain(diagnostic);
            }
            anyhow::ensure!(
                errors.is_empty(),
                "{} in the files; `roster validate` says more",
                crate::cli::output::counted(errors.len(), "error")
            );
        }
        Ok(estate)
    }
}

impl Estate {
    /// The mark that what these objects bring about carries in a store.
    #[must_use]
    pub fn mark(&self, account: &AccountKey) -> Mark {
        match &self.source {
            Source::Files(_) => Mark::of_files(account.clone()),
            Source::Cluster(cluster) => {
                let uid = self.objects.accounts.get(account).and_then(|entry| entry.account.as_ref());
                let uid = uid.map(|account| account.uid.clone()).unwrap_or_default();
                Mark { cluster: cluster.id.clone(), account: account.clone(), uid }
            }
        }
    }

    /// The account that `text` means: `namespace/name`, or a name that only one account asked about has.
    ///
    /// # Errors
    /// When there is none, or more than one; the error lists what there is.
    pub fn account(&self, text: &str) -> anyhow::Result<AccountKey> {
        let there = |key: &&AccountKey| {
            let entry = self.objects.accounts.get(*key);
            let is_object = entry.is_some_and(|entry| entry.account.is_some());
            is_object && (key.to_string() == text || key.name == text)
        };
        let found: Vec<&AccountKey> = self.accounts.iter().filter(there).collect();
        match found.as_slice() {
            [one] => Ok((*one).clone()),
            [] => {
                let known: Vec<String> = self.accounts.iter().take(10).map(ToString::to_string).collect();
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                anyhow::bail!("there is no account {text:?}; there are: {known}")
            }
            several => {
                let names: Vec<String> = several.iter().map(ToString::to_string).collect();
                anyhow::bail!("{text:?} can be {}: say which by namespace/name", names.join(" or "))
            }
        }
    }
}
