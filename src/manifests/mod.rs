//! Reads objects from files, with the position of each field, or from a live cluster. Called by the commands: both
//! sources give the same [`Objects`], so that every command gets the same result from the same engine.

mod cluster;
mod decode;
mod diagnostic;
mod document;
mod files;
mod kinds;
mod left;
mod objects;
mod out_of_sync;
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
    left::LeftInStores,
    objects::{AccountObjects, Addresses, Objects, of_invited},
    out_of_sync::OutOfSync,
    unread::{UnreadId, UnreadKind},
};
use crate::{
    evaluate::{Context, Judged, Prepared, judge, prepare},
    model::{AccountKey, Email, Name, Scope, counted, suggest::closest},
    plan::{Mark, Observed},
    state::SnapshotSource as _,
};

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
    pub unread: BTreeMap<UnreadId, Vec<unread::Digest>>,
    /// Number of files read.
    pub count: usize,
}

impl Files {
    /// Returns a message about skipped templates; `None` if there were none.
    #[must_use]
    pub fn passed_over(&self) -> Option<String> {
        let first = self.templates.first()?;
        let templates = counted(self.templates.len(), "Helm template");
        Some(format!("{templates} not read, first {}; {} them", first.display(), files::TEMPLATES_ARE_READ))
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
    pub fn mark_beside(&self, account: &AccountKey, observed: &Observed) -> Mark {
        let ours = self.mark(account);
        let theirs = observed.account.as_ref().and_then(|seen| seen.mark.as_ref());
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

    /// Resolves a whole account. Its members are in the order of [`AccountObjects::addresses`]. Returns `None` if there
    /// is no Account.
    #[must_use]
    pub fn judge(&self, account: &AccountKey, now: Timestamp) -> Option<Judged> {
        let members = self.objects.members(account, &Scope::Account)?;
        Some(judge(&self.prepare(account)?, &members, &self.context(account, now)))
    }

    /// Returns the account for a text: `namespace/name`, or a name that only one covered account has.
    ///
    /// # Errors
    /// When there is none, or more than one; the error lists what there is, of a cluster in all namespaces that may be read.
    pub async fn account(&self, text: &str) -> anyhow::Result<AccountKey> {
        let there = |key: &&AccountKey| self.describes(key) && (key.to_string() == text || key.name == text);
        let found: Vec<&AccountKey> = self.accounts.iter().filter(there).collect();
        match found.as_slice() {
            [one] => Ok((*one).clone()),
            [] => {
                let mut known: Vec<String> = self.accounts.iter().map(ToString::to_string).collect();
                if let Source::Cluster(cluster) = &self.source {
                    let all = cluster::accounts(&cluster.client).await;
                    if !all.is_empty() {
                        known = all;
                    }
                }
                let left = self.left_in_stores().await.is_some_and(|left| left.is_orphaned(text));
                Err(no_account(text, &known, left))
            }
            several => {
                let names: Vec<String> = several.iter().map(ToString::to_string).collect();
                anyhow::bail!("{text:?} can be {}: say which by namespace/name", names.join(" or "))
            }
        }
    }

    /// Returns where stores may hold people whom no object names, as a cluster's statuses tell; nothing of files.
    pub async fn left_in_stores(&self) -> Option<LeftInStores> {
        let Source::Cluster(cluster) = &self.source else { return None };
        Some(LeftInStores::of_cluster(&cluster.client, cluster.namespace.as_deref()).await)
    }

    /// Returns a note that the stores of these accounts may give something else than the objects say, as the statuses
    /// of a cluster tell; about one person, or about accounts as a whole. `None` for files.
    pub async fn out_of_sync(&self, accounts: &[AccountKey], who: Option<&Email>) -> Option<String> {
        let Source::Cluster(cluster) = &self.source else { return None };
        let found = OutOfSync::of_cluster(&cluster.client, cluster.namespace.as_deref(), who.is_some()).await;
        found.note(&accounts.iter().map(ToString::to_string).collect::<Vec<_>>(), who)
    }
}

/// Accounts that one message names.
const NAMED: usize = 10;

/// Says that there is no account of this name, which there are, and which may be meant. `is_orphaned` is one that a store
/// still holds.
fn no_account(text: &str, known: &[String], is_orphaned: bool) -> anyhow::Error {
    if is_orphaned {
        return anyhow::anyhow!(
            "no object describes account {text:?}, but the store still holds it, and people may have access there: leave out \
             --account and ask the store with --store or --sqlite-dir"
        );
    }
    if known.iter().any(|one| one == text) {
        return anyhow::anyhow!("account {text:?} is in the cluster, and not in the namespace that was asked about");
    }
    let elsewhere = known.iter().filter(|one| one.split_once('/').is_some_and(|(_, name)| name == text));
    let elsewhere: Vec<&str> = elsewhere.map(String::as_str).take(NAMED).collect();
    if !elsewhere.is_empty() {
        let found = elsewhere.join(", ");
        return anyhow::anyhow!("account {text:?} is in another namespace: name it as namespace/name: {found}");
    }
    let names = || known.iter().map(String::as_str).chain(known.iter().filter_map(|one| Some(one.split_once('/')?.1)));
    let near = closest(text, names()).map_or_else(|| ";".to_owned(), |near| format!("; did you mean {near:?}?"));
    let more = known.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let some = known.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    let some = if known.is_empty() { "none".to_owned() } else { some };
    let there = if near == ";" { "there" } else { "There" };
    anyhow::anyhow!("there is no account {text:?}{near} {there} are: {some}{more}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_that_is_not_there_is_told_with_what_may_be_meant() {
        let known = ["vet-north/clinic".to_owned(), "vet-south/clinic".to_owned()];
        assert_eq!(
            no_account("vet-nort/clinic", &known, false).to_string(),
            "there is no account \"vet-nort/clinic\"; did you mean \"vet-north/clinic\"? There are: vet-north/clinic, \
             vet-south/clinic"
        );
        assert_eq!(no_account("x", &[], false).to_string(), "there is no account \"x\"; there are: none");
        let elsewhere = "account \"clinic\" is in another namespace: name it as namespace/name: vet-north/clinic, \
                         vet-south/clinic";
        assert_eq!(no_account("clinic", &known, false).to_string(), elsewhere);
        assert!(no_account("vet-west/gone", &known, true).to_string().contains("the store still holds it"));
    }
}
