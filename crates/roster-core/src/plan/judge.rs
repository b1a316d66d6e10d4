//! What one thing in a store is to us, and what is to be done about it.

use super::{
    Cause, Mark, Policy, Seen,
    fingerprint::{Fingerprint, Fingerprinted},
};
use crate::api::Adoption;

/// Whose something is, seen from an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ownership {
    /// It carries our mark.
    Ours,
    /// It carries none, or one of an earlier Account of the same name, or was applied from files: adoption decides.
    Unmarked,
    /// It carries another cluster's mark: never touched.
    Foreign,
}

pub(super) fn ownership(mark: Option<&Mark>, ours: &Mark) -> Ownership {
    match mark {
        None => Ownership::Unmarked,
        Some(mark) if mark.is_clusters() && mark.cluster != ours.cluster => Ownership::Foreign,
        Some(mark) if mark == ours => Ownership::Ours,
        Some(_) => Ownership::Unmarked,
    }
}

/// One thing that is desired, in the layout of the plan.
pub(super) struct Wanted<'a, C> {
    /// As it is desired.
    pub(super) desired: &'a C,
    /// Of what is desired.
    pub(super) fingerprint: Fingerprint,
    /// Whether the store's layout is that of the plan.
    pub(super) same_layout: bool,
}

/// What to do about one thing that is desired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DiffOutcome {
    /// It is as it should be.
    Nothing,
    /// Make it so.
    Put(Cause),
    /// Somebody changed the store.
    Drifted,
    /// It is not ours.
    NotOwned,
}

/// Fingerprint ≠ wanted is a change of the spec, made under any policy. Fingerprint = wanted but another content is
/// drift. Not ours: adoption decides.
pub(super) fn judge<C: Fingerprinted>(wanted: &Wanted<'_, C>, seen: Option<&Seen<C>>, policy: &Policy) -> DiffOutcome {
    let Some(seen) = seen else { return DiffOutcome::Put(Cause::Spec) };
    let is_identical = seen.content.as_ref() == Some(wanted.desired);
    match (ownership(seen.mark.as_ref(), &policy.mark), &seen.content) {
        (Ownership::Foreign, _) => DiffOutcome::NotOwned,
        (Ownership::Unmarked, None) => DiffOutcome::Put(Cause::Spec),
        (Ownership::Unmarked, Some(_)) => match policy.adoption {
            Adoption::Always => DiffOutcome::Put(Cause::Adoption),
            // A level that the plan's layout does not have would be lost unseen.
            Adoption::IfIdentical if is_identical && wanted.same_layout => DiffOutcome::Put(Cause::Adoption),
            Adoption::IfIdentical | Adoption::Never => DiffOutcome::NotOwned,
        },
        (Ownership::Ours, _) if seen.fingerprint != Some(wanted.fingerprint) => DiffOutcome::Put(Cause::Spec),
        (Ownership::Ours, _) if is_identical => DiffOutcome::Nothing,
        (Ownership::Ours, _) => DiffOutcome::Drifted,
    }
}
