//! Objects from files, with the place of each field, or from the live cluster. Both end up as the same [`Objects`], so that
//! every command asks the same engine and gets the same answer.

mod cluster;
mod decode;
mod diagnostic;
mod document;
mod files;
mod kinds;
mod objects;
mod parse;
pub mod path;
pub mod position;
#[cfg(test)]
mod producers_tests;
pub mod schema;
mod unread;

use std::{collections::BTreeMap, path::Path, sync::Arc};

use jiff::Timestamp;
use kube::Client;

pub use self::{
    cluster::{connect, is_cluster_there, list, list_all, namespaces_with_accounts, read as read_cluster},
    diagnostic::{Diagnostic, DiagnosticReason, Severity},
    document::{Document, ObjectId, Reader, SourceSpan},
    files::read as read_files,
    objects::{AccountObjects, Addresses, Objects, of_invited},
    unread::{UnreadId, UnreadKind},
};
use crate::{
    evaluate::{Context, Judged, Prepared, judge, prepare},
    model::{AccountKey, Name, Scope, counted},
    plan::{Mark, Observed},
    state::SnapshotSource as _,
};

/// All objects there are, and where they were read.
pub struct LoadedObjects {
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
    /// Templates of Helm charts, which were passed over.
    pub templates: Vec<Arc<Path>>,
    /// Documents that are not objects of ours and decide all the same what a cluster gets, with what tells each from another
    /// revision of it.
    pub unread: BTreeMap<UnreadId, Vec<unread::Digest>>,
    /// How many files were read.
    pub count: usize,
}

impl Files {
    /// Says that templates were passed over; nothing where none was.
    #[must_use]
    pub fn passed_over(&self) -> Option<String> {
        let first = self.templates.first()?;
        let templates = counted(self.templates.len(), "Helm template");
        Some(format!("{templates} not read, first {}; {} them", first.display(), files::TEMPLATES_ARE_READ))
    }
}

/// The cluster that was asked.
pub struct Cluster {
    /// Its client.
    pub client: Client,
    /// What marks its objects in a store: the UID of `kube-system`.
    pub id: Name,
    /// The namespace that was read; absent for all of them.
    pub namespace: Option<String>,
}

impl LoadedObjects {
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

    /// The mark by which what a store holds of an account is compared: where a cluster keeps it, as its controller would, since
    /// nobody else may.
    #[must_use]
    pub fn mark_beside(&self, account: &AccountKey, observed: &Observed) -> Mark {
        let ours = self.mark(account);
        let theirs = observed.account.as_ref().and_then(|seen| seen.mark.as_ref());
        theirs.filter(|theirs| theirs.is_clusters() && !ours.is_clusters()).cloned().unwrap_or(ours)
    }

    /// Returns the context in which an account is judged as it stands.
    #[must_use]
    pub fn context(&self, account: &AccountKey, now: Timestamp) -> Context<'static> {
        Context::new(self.mark(account), now)
    }

    /// Whether an Account of this name is among the objects.
    #[must_use]
    pub fn describes(&self, account: &AccountKey) -> bool {
        self.objects.accounts.get(account).is_some_and(|entry| entry.account.is_some())
    }

    /// Whether an account of this name would be among the objects if there were one: files are asked about the namespaces that
    /// they have Accounts in, and of a cluster one namespace may have been read. Where there are no objects at all, everything
    /// is asked about.
    #[must_use]
    pub fn is_asked_about(&self, account: &AccountKey) -> bool {
        match &self.source {
            Source::Files(_) => {
                self.accounts.is_empty() || self.accounts.iter().any(|one| one.namespace == account.namespace)
            }
            Source::Cluster(cluster) => cluster.namespace.as_ref().is_none_or(|only| account.namespace == *only),
        }
    }

    /// Works out what the definitions of an account mean. Returns nothing where there is no Account.
    #[must_use]
    pub fn prepare(&self, account: &AccountKey) -> Option<Prepared> {
        Some(prepare(&self.objects.snapshot(account)?))
    }

    /// Judges a whole account; its members are in the order of [`AccountObjects::addresses`]. Returns nothing where there
    /// is no Account.
    #[must_use]
    pub fn judge(&self, account: &AccountKey, now: Timestamp) -> Option<Judged> {
        let members = self.objects.members(account, &Scope::Account)?;
        Some(judge(&self.prepare(account)?, &members, &self.context(account, now)))
    }

    /// The account that `text` means: `namespace/name`, or a name that only one account asked about has.
    ///
    /// # Errors
    /// When there is none, or more than one; the error lists what there is.
    pub fn account(&self, text: &str) -> anyhow::Result<AccountKey> {
        let there = |key: &&AccountKey| self.describes(key) && (key.to_string() == text || key.name == text);
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
