//! Finds stores of a cluster that may still give access to a person whom no object names, by the statuses. Called by
//! the commands that answer questions about a person.

use kube::{Api, Client, ResourceExt as _};

use super::{list, list_all};
use crate::{
    api::{Account, IdentityStore},
    report::undeclared_member,
};

/// Accounts named in one sentence.
const NAMED: usize = 3;

/// Accounts in whose store somebody may stand whom no object names.
#[derive(Debug, Default)]
pub struct LeftInStores {
    /// Accounts in which removals are held back, as `namespace/name`.
    held: Vec<String>,
    /// Accounts that are being deleted.
    leaving: Vec<String>,
    /// Accounts of the store whose Account is gone.
    orphaned: Vec<String>,
    /// Members whom no object declares: the account, and the address.
    undeclared: Vec<(String, String)>,
}

impl LeftInStores {
    /// Takes what the statuses of these accounts and stores say.
    pub fn new<'a>(
        accounts: impl Iterator<Item = &'a Account>,
        stores: impl Iterator<Item = &'a IdentityStore>,
    ) -> Self {
        let mut left = Self::default();
        for account in accounts {
            let name = format!("{}/{}", account.namespace().unwrap_or_default(), account.name_any());
            let drift = account.status.iter().filter_map(|status| status.drift.as_ref());
            let undeclared = drift.flat_map(|drift| &drift.entries).filter_map(undeclared_member);
            left.undeclared.extend(undeclared.map(|email| (name.clone(), email.to_owned())));
            if account.status.as_ref().is_some_and(|status| status.held_removals.is_some()) {
                left.held.push(name);
            } else if account.metadata.deletion_timestamp.is_some() {
                left.leaving.push(name);
            }
        }
        for store in stores {
            left.orphaned.extend(store.status.iter().flat_map(|status| status.orphaned_accounts.clone()));
        }
        left
    }

    /// Reads one namespace of a cluster, or all. Objects that may not be read are ignored.
    pub async fn of_cluster(client: &Client, within: Option<&str>) -> Self {
        let accounts = list::<Account>(client, within).await.unwrap_or_default();
        let stores = list_all::<IdentityStore>(Api::all(client.clone())).await.unwrap_or_default();
        let mut left = Self::new(accounts.iter(), stores.iter());
        let is_within = |name: &String| {
            within.is_none_or(|within| name.split_once('/').is_some_and(|(namespace, _)| namespace == within))
        };
        left.orphaned.retain(is_within);
        left
    }

    /// Limits the result to one account, `namespace/name`.
    #[must_use]
    pub fn only(mut self, account: &str) -> Self {
        self.undeclared.retain(|(name, _)| name == account);
        for names in [&mut self.held, &mut self.leaving, &mut self.orphaned] {
            names.retain(|name| name == account);
        }
        self
    }

    /// Returns whether the store still has an account that no object describes.
    #[must_use]
    pub fn is_orphaned(&self, account: &str) -> bool {
        self.orphaned.iter().any(|name| name == account)
    }

    /// Returns the accounts whose status shows that the store has this address as an undeclared member.
    #[must_use]
    pub fn undeclared_in(&self, who: &str) -> Vec<&str> {
        let accounts = self.undeclared.iter().filter(|(_, email)| email == who);
        accounts.map(|(account, _)| account.as_str()).collect()
    }

    /// Returns the possibilities for a person whom no object names, as phrases.
    #[must_use]
    pub fn phrases(&self) -> Vec<String> {
        let some = |names: &[String]| names.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
        let mut found = Vec::new();
        if !self.held.is_empty() {
            found.push(format!("a member whose removal is held back in {}", some(&self.held)));
        }
        if !self.leaving.is_empty() {
            found.push(format!("a member of an account that is being deleted, such as {}", some(&self.leaving)));
        }
        if !self.orphaned.is_empty() {
            found.push(format!("a member of an account that no object describes, such as {}", some(&self.orphaned)));
        }
        found
    }

    /// Returns a warning that the store may still give `who` access; `None` without a hint of it.
    #[must_use]
    pub fn warning(&self, who: &str) -> Option<String> {
        let known = self.undeclared_in(who);
        if !known.is_empty() {
            return Some(format!(
                "; but the store of {} has {who} as an undeclared member: pass --store or --sqlite-dir to see the \
                 access",
                known.join(", ")
            ));
        }
        let phrases = self.phrases();
        (!phrases.is_empty()).then(|| {
            format!(
                "; the store may still grant access, since {who} may be {}: pass --store or --sqlite-dir",
                phrases.join(", or ")
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{AccountSpec, AccountStatus, HeldRemovals, IdentityStoreSpec, IdentityStoreStatus};

    #[test]
    fn held_removals_and_orphaned_accounts_mean_that_the_store_may_still_give_access() {
        let mut account = Account::new("big", AccountSpec::default());
        account.metadata.namespace = Some("bulk".to_owned());
        let left = |account: &Account, store: &IdentityStore| {
            LeftInStores::new(std::iter::once(account), std::iter::once(store)).warning("ada@acme.example")
        };
        let mut store = IdentityStore::new("default", IdentityStoreSpec::default());
        assert_eq!(left(&account, &store), None);
        let held = HeldRemovals { members: 1, hash: "1234".to_owned() };
        account.status = Some(AccountStatus { held_removals: Some(held), ..AccountStatus::default() });
        let text = left(&account, &store).unwrap();
        assert!(text.contains("ada@acme.example may be a member whose removal is held back in bulk/big"), "{text}");
        let orphaned_accounts = vec!["south/clinic".to_owned()];
        store.status = Some(IdentityStoreStatus { orphaned_accounts, ..IdentityStoreStatus::default() });
        let text = left(&account, &store).unwrap();
        assert!(text.contains("or a member of an account that no object describes, such as south/clinic"), "{text}");
    }
}
