//! Objects that were read, with their source, and what they come to by the pure core. Made by `files` and `cluster`; read
//! by all commands.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use jiff::Timestamp;
use kube::Client;

use super::{Diagnostic, Document, ObjectId, Objects, UnreadId, unread::Digest};
use crate::{
    evaluate::{Context, Judged, Prepared, judge, prepare},
    limits::RbacObjects,
    model::{AccountKey, Name, Scope, counted},
    plan::{Mark, Observed},
    state::SnapshotSource as _,
};

/// Part of messages about Helm templates: how they can be read.
pub(super) const TEMPLATES_ARE_READ: &str = "`helm template … | roster … -f -` reads";

/// Objects and their source.
pub struct LoadedObjects {
    /// Objects that were read.
    pub objects: Objects,
    /// Source of the objects.
    pub source: Source,
    /// Accounts that the command is about: all in the files, or those in the requested namespaces. Parents in other
    /// namespaces are only in `objects`.
    pub accounts: Vec<AccountKey>,
}

/// Source of objects.
pub enum Source {
    /// Files.
    Files(Files),
    /// A cluster.
    Cluster(Cluster),
}

/// Result of reading files.
#[derive(Default)]
pub struct Files {
    /// Documents of Roster's kinds, in the order read.
    pub documents: Vec<Document>,
    /// Messages about the documents.
    pub diagnostics: Vec<Diagnostic>,
    /// Objects that could not be decoded.
    pub broken: Vec<ObjectId>,
    /// Templates of Helm charts, which were skipped.
    pub templates: Vec<Arc<Path>>,
    /// Documents that are no objects of Roster's but still affect access, each with digests to compare revisions.
    pub unread: BTreeMap<UnreadId, Vec<Digest>>,
    /// RBAC objects, to compare who may administer accounts in two revisions.
    pub rbac: RbacObjects,
    /// Number of files read.
    pub count: usize,
}

impl Files {
    /// Returns a message about skipped templates; `None` if there were none.
    #[must_use]
    pub fn passed_over(&self) -> Option<String> {
        let first = self.templates.first()?;
        let templates = counted(self.templates.len(), "Helm template");
        Some(format!("{templates} not read, first {}; {} them", first.display(), TEMPLATES_ARE_READ))
    }
}

/// Cluster that was read.
pub struct Cluster {
    /// Client of the cluster.
    pub client: Client,
    /// Id that marks its objects in a store: the UID of `kube-system`.
    pub id: Name,
    /// Namespace that was read; `None` for all.
    pub namespace: Option<String>,
}

impl LoadedObjects {
    /// Returns the mark in a store of an account that these objects describe.
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

    /// Returns the mark for comparing an account with a store. If a cluster manages the account there, returns that
    /// cluster's mark, as its controller would use: no other source may write the account.
    #[must_use]
    pub fn mark_for_comparison(&self, account: &AccountKey, observed: &Observed) -> Mark {
        let ours = self.mark(account);
        let theirs = observed.account.as_ref().and_then(|existing| existing.mark.as_ref());
        theirs.filter(|theirs| theirs.is_clusters() && !ours.is_clusters()).cloned().unwrap_or(ours)
    }

    /// Returns the context for resolving and planning an account as it stands.
    #[must_use]
    pub fn context(&self, account: &AccountKey, now: Timestamp) -> Context<'static> {
        Context::new(self.mark(account), now)
    }

    /// Returns whether the objects include an Account with this name.
    #[must_use]
    pub fn describes(&self, account: &AccountKey) -> bool {
        self.objects.accounts.get(account).is_some_and(|entry| entry.account.is_some())
    }

    /// Returns whether the objects would include this account if it existed. Files cover the namespaces of their
    /// Accounts; a cluster may have been read for one namespace only. Without any Account in files, everything is
    /// covered.
    #[must_use]
    pub fn is_asked_about(&self, account: &AccountKey) -> bool {
        match &self.source {
            Source::Files(_) => {
                self.accounts.is_empty() || self.accounts.iter().any(|one| one.namespace == account.namespace)
            }
            Source::Cluster(cluster) => cluster.namespace.as_ref().is_none_or(|only| account.namespace == *only),
        }
    }

    /// Compiles the definitions of an account. Returns `None` if there is no Account.
    #[must_use]
    pub fn prepare(&self, account: &AccountKey) -> Option<Prepared> {
        Some(prepare(&self.objects.snapshot(account)?))
    }

    /// Resolves a whole account. Its members are in the order of [`AccountObjects::addresses`](super::AccountObjects::addresses). Returns `None` if there
    /// is no Account.
    #[must_use]
    pub fn judge(&self, account: &AccountKey, now: Timestamp) -> Option<Judged> {
        let members = self.objects.members(account, &Scope::Account)?;
        Some(judge(&self.prepare(account)?, &members, &self.context(account, now)))
    }
}
