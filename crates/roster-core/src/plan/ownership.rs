//! Decides who owns a stored object, and whether to write, adopt, leave or report it. Called by `plan::diff` for each
//! object, and by the other plans for ownership.

use super::{
    Cause, Existing, Mark, NotOwned, ObjectKey, Policy,
    drift::{self, Differs},
    fingerprint::{Fingerprint, Fingerprinted},
};
use crate::{api::Adoption, model::Layout};

/// Maximum number of differences named of an entry that is not taken over.
const DIFFERENCES: usize = 3;

impl NotOwned {
    /// Returns the reason for an entry that [`judge`] found is not ours.
    pub(super) fn of<C: Differs>(
        object: &ObjectKey,
        desired: Option<&C>,
        existing: &Existing<C>,
        policy: &Policy,
        layout: &Layout,
    ) -> Self {
        if let Some(mark) =
            existing.mark.as_ref().filter(|mark| ownership(Some(mark), &policy.mark) == Ownership::Foreign)
        {
            return Self::OfCluster(mark.cluster.clone());
        }
        if policy.adoption == Adoption::Never {
            return Self::Never;
        }
        let mut entries = match (desired, &existing.content) {
            (Some(desired), Some(content)) => drift::entries(object, desired, Some(content), layout),
            _ => Vec::new(),
        };
        let more = entries.len().saturating_sub(DIFFERENCES);
        entries.truncate(DIFFERENCES);
        Self::Differs(entries, more)
    }
}

/// Owner of a stored object, from the point of view of one account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ownership {
    /// The object carries our mark.
    Ours,
    /// The object carries no mark, or the mark of an earlier Account of the same name, or was applied from files: the
    /// adoption policy decides.
    Unmarked,
    /// The object carries another cluster's mark and is never changed.
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

/// One desired object, in the plan's layout.
pub(super) struct Wanted<'a, C> {
    pub(super) desired: &'a C,
    /// Fingerprint of the desired content.
    pub(super) fingerprint: Fingerprint,
    /// Whether the store uses the plan's layout.
    pub(super) same_layout: bool,
}

/// Action for one desired object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DiffOutcome {
    /// The object is as desired.
    Nothing,
    /// Write the object.
    Put(Cause),
    /// The object was changed in the store by someone other than Roster; the drift policy decides.
    Drifted,
    /// The object is not ours: another cluster has marked it, or the adoption policy does not allow taking it over.
    NotOwned,
}

/// Decides what to do with one object. A different fingerprint is a spec change, which is always applied. An equal
/// fingerprint with different content is drift. An unmarked object is subject to the adoption policy.
pub(super) fn judge<C: Fingerprinted>(
    wanted: &Wanted<'_, C>,
    existing: Option<&Existing<C>>,
    policy: &Policy,
) -> DiffOutcome {
    let Some(existing) = existing else { return DiffOutcome::Put(Cause::Spec) };
    let is_identical = existing.content.as_ref() == Some(wanted.desired);
    match (ownership(existing.mark.as_ref(), &policy.mark), &existing.content) {
        (Ownership::Foreign, _) => DiffOutcome::NotOwned,
        (Ownership::Unmarked, None) => DiffOutcome::Put(Cause::Spec),
        (Ownership::Unmarked, Some(_)) => match policy.adoption {
            Adoption::Always => DiffOutcome::Put(Cause::Adoption),
            // Adoption would silently lose a level that the plan's layout does not have.
            Adoption::IfIdentical if is_identical && wanted.same_layout => DiffOutcome::Put(Cause::Adoption),
            Adoption::IfIdentical | Adoption::Never => DiffOutcome::NotOwned,
        },
        (Ownership::Ours, _) if !wanted.fingerprint.is_of(existing.fingerprint.as_ref()) => {
            DiffOutcome::Put(Cause::Spec)
        }
        (Ownership::Ours, _) if is_identical && existing.fingerprint.as_ref() == Some(&wanted.fingerprint) => {
            DiffOutcome::Nothing
        }
        // Only what was authorised is new, which nobody's access depends on.
        (Ownership::Ours, _) if is_identical && policy.paused.is_some() => DiffOutcome::Nothing,
        (Ownership::Ours, _) if is_identical => DiffOutcome::Put(Cause::Spec),
        (Ownership::Ours, _) => DiffOutcome::Drifted,
    }
}
