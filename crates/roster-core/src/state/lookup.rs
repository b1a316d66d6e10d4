//! Lookups by person, role and group. The index itself finds the accounts of an address by them. Each takes time in
//! proportion to its result, not to the number of objects.

use std::sync::Arc;

use super::{Index, MemberFacts, Record};
use crate::model::{AccountKey, Email, Name, RoleName};

impl Index {
    /// Returns the accounts in which an address is the owner's, or of a Membership or an Invitation (also of one that
    /// is being deleted), by key. The Account itself need not exist (yet).
    pub fn accounts_of(&self, email: &Email) -> impl Iterator<Item = &AccountKey> {
        let keys = self.people.get(email).map(smallvec::SmallVec::as_slice).unwrap_or_default();
        // The keys are sorted, with one entry for each object.
        let repeats = |index: usize| index > 0 && keys[index - 1] == keys[index];
        keys.iter().enumerate().filter(move |(index, _)| !repeats(*index)).map(|(_, key)| key)
    }

    /// Returns the Memberships of an address over all accounts, by account and name.
    pub fn memberships_of(&self, email: &Email) -> impl Iterator<Item = &Arc<Record<MemberFacts>>> {
        self.accounts_of(email).flat_map(|key| {
            let names = self.accounts.get(key).and_then(|entry| entry.addresses.get(email)).into_iter().flatten();
            names.filter_map(|name| self.member(&key.namespace, name))
        })
    }

    /// Returns the Memberships of an account that refer to this role, or, for `None`, to none; by name. The effective
    /// role of a member may differ; [`judge`](crate::evaluate::judge) determines it.
    pub fn memberships_with_role(
        &self,
        account: &AccountKey,
        role: Option<&RoleName>,
    ) -> impl Iterator<Item = &Arc<Record<MemberFacts>>> {
        let names = self.accounts.get(account).and_then(|entry| entry.by_role.get(&role.cloned()));
        names.into_iter().flatten().filter_map(|name| self.member(&account.namespace, name))
    }

    /// Returns the Memberships of an account that refer to this group, by name.
    pub fn memberships_in_group(
        &self,
        account: &AccountKey,
        group: &Name,
    ) -> impl Iterator<Item = &Arc<Record<MemberFacts>>> {
        let names = self.accounts.get(account).and_then(|entry| entry.by_group.get(group));
        names.into_iter().flatten().filter_map(|name| self.member(&account.namespace, name))
    }

    /// Records that an object of an account has an address.
    pub(super) fn meet(&mut self, email: Option<&Email>, account: &AccountKey) {
        let Some(email) = email else { return };
        let keys = self.people.entry(email.clone()).or_default();
        // Behind the entries of the same account, of which there may be very many.
        let index = keys.partition_point(|key| key <= account);
        keys.insert(index, account.clone());
    }

    /// Records that an object of an account no longer has an address.
    pub(super) fn part(&mut self, email: Option<&Email>, account: &AccountKey) {
        let Some((email, keys)) = email.and_then(|email| Some((email, self.people.get_mut(email)?))) else { return };
        let after = keys.partition_point(|key| key <= account);
        if let Some(last) = after.checked_sub(1).filter(|last| keys.get(*last) == Some(account)) {
            keys.remove(last);
        }
        if keys.is_empty() {
            self.people.remove(email);
        }
    }
}
