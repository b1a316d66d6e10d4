//! Part of the cluster that a change of an object affects. The index returns it for each change, and the loop queues work
//! for it.

use super::Record;
use crate::model::{AccountKey, Email, Name, ObjectRef};

/// Part of the cluster that a change affects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Impact {
    /// A whole account.
    Account(AccountKey),
    /// One address in an account.
    Member(AccountKey, Email),
    /// Counts in the status of an account; no access.
    AccountStatus(AccountKey),
    /// Status and finalizer of a catalog.
    Catalog(Name),
    /// Status and finalizer of a store.
    Store(Name),
    /// A status of Roster that someone else wrote.
    Status(ObjectRef),
}

/// Returns whether an object differs in a way that may affect access. A status that someone else wrote adds
/// [`Impact::Status`] instead.
pub(super) fn news<F>(
    before: Option<&Record<F>>,
    now: &Record<F>,
    reference: &ObjectRef,
    written: &impl Fn(&ObjectRef) -> Option<u64>,
    impacts: &mut Vec<Impact>,
) -> bool {
    let Some(before) = before else { return true };
    if now.meta.differs(&before.meta) {
        return true;
    }
    let hash = now.meta.status.hash;
    if hash != before.meta.status.hash && written(reference) != Some(hash) {
        impacts.push(Impact::Status(reference.clone()));
    }
    false
}

/// Adds the impact of a change of one address in an account; on the whole account without a valid address.
pub(super) fn touch(account: &AccountKey, email: Option<&Email>, impacts: &mut Vec<Impact>) {
    impacts.push(match email {
        Some(email) => Impact::Member(account.clone(), email.clone()),
        None => Impact::Account(account.clone()),
    });
}
