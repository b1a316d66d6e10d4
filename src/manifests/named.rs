//! Finds the account that somebody names on the command line, or says which there are. Called by the commands that are
//! about one account.

use super::{LeftInStores, LoadedObjects, OutOfSync, Source, cluster};
use crate::model::{AccountKey, Email, first_of, suggest::closest};

impl LoadedObjects {
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
                anyhow::bail!("{text:?} may be {}: write namespace/name", names.join(" or "))
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
        let found = OutOfSync::of_cluster(&cluster.client, cluster.namespace.as_deref()).await;
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
            "no object describes account {text:?}, but the store still has it and may grant access: `roster explain`, \
             `who-can`, `can-i` and `review` read it with --store or --sqlite-dir"
        );
    }
    if known.iter().any(|one| one == text) {
        return anyhow::anyhow!("account {text:?} is in the cluster, but not in the selected namespace");
    }
    let elsewhere = known.iter().filter(|one| one.split_once('/').is_some_and(|(_, name)| name == text));
    let elsewhere: Vec<&str> = elsewhere.map(String::as_str).take(NAMED).collect();
    if !elsewhere.is_empty() {
        let found = elsewhere.join(", ");
        return anyhow::anyhow!("account {text:?} is in another namespace: write it as namespace/name: {found}");
    }
    let names = || known.iter().map(String::as_str).chain(known.iter().filter_map(|one| Some(one.split_once('/')?.1)));
    let near = closest(text, names()).map_or_else(|| ";".to_owned(), |near| format!("; did you mean {near:?}?"));
    let some = if known.is_empty() { "none".to_owned() } else { first_of(known, NAMED) };
    let there = if near == ";" { "there" } else { "There" };
    anyhow::anyhow!("there is no account {text:?}{near} {there} are: {some}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_account_is_reported_with_a_suggestion() {
        let known = ["vet-north/clinic".to_owned(), "vet-south/clinic".to_owned()];
        assert_eq!(
            no_account("vet-nort/clinic", &known, false).to_string(),
            "there is no account \"vet-nort/clinic\"; did you mean \"vet-north/clinic\"? There are: vet-north/clinic, \
             vet-south/clinic"
        );
        assert_eq!(no_account("x", &[], false).to_string(), "there is no account \"x\"; there are: none");
        let elsewhere = "account \"clinic\" is in another namespace: write it as namespace/name: vet-north/clinic, \
                         vet-south/clinic";
        assert_eq!(no_account("clinic", &known, false).to_string(), elsewhere);
        assert!(no_account("vet-west/gone", &known, true).to_string().contains("the store still has it"));
    }
}
