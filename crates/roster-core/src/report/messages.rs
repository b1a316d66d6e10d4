//! Sentences on held removals and on errors of a store. Called by the other modules of `report`, and by
//! `control::deletion`.

use super::{Detail, Report};
use crate::{
    api::{APPROVE_REMOVAL_ANNOTATION, HeldRemovals, SyncReason, limits::MAX_TEXT},
    contract::StoreError,
    model::{agree, counted, first_of},
    plan::Guarded,
};

/// Maximum number of objects named in one message.
pub(super) const SHOWN: usize = 5;

/// Returns the message on removals that the guard holds back, and how to approve them.
#[must_use]
pub fn held(guarded: &Guarded) -> String {
    format!(
        "{} {} held back ({}): {}. {}",
        counted(guarded.members.len(), "removal"),
        agree(&guarded.members.len(), "is", "are"),
        listed(&guarded.members),
        guarded.why,
        how_to_approve(guarded),
    )
}

/// Returns the message on the deletion of an Account that the guard holds back, and how to approve it.
#[must_use]
pub fn held_deletion(guarded: &Guarded) -> String {
    format!(
        "the deletion of this Account is held back: {} {} would lose access ({}); {}. {}. To delete the Account and \
         keep everybody's access, set spec.deletionPolicy to Orphan",
        guarded.members.len(),
        agree(&guarded.members.len(), "person", "people"),
        listed(&guarded.members),
        guarded.why,
        how_to_approve(guarded),
    )
}

fn how_to_approve(guarded: &Guarded) -> String {
    let other = guarded.other_approval.as_ref().map_or_else(String::new, |hash| {
        format!("; the approved hash {hash} is for other removals, or was already used")
    });
    format!("If this is wanted, set the annotation {APPROVE_REMOVAL_ANNOTATION}={} on the Account{other}", guarded.hash)
}

/// Adds removals that the guard holds back to the report on an Account.
#[must_use]
pub fn guard(report: Report, guarded: &Guarded, message: String) -> Report {
    let mut report = report.unsynced(SyncReason::RemovalGuarded, message);
    if let Detail::Account { held_removals, .. } = &mut report.detail {
        let members = i64::try_from(guarded.members.len()).unwrap_or(i64::MAX);
        *held_removals = Some(HeldRemovals { members, hash: guarded.hash.clone() });
    }
    report
}

/// Returns the first [`SHOWN`] items, and the number of the others.
pub(super) fn listed<T: std::fmt::Display>(all: &[T]) -> String {
    first_of(all, SHOWN)
}

/// Returns the reason and message of `Synced=False` for an error of the store.
#[must_use]
pub fn failure(error: &StoreError) -> (SyncReason, String) {
    let reason = match error {
        StoreError::Unavailable(_) | StoreError::Conflict(_) => SyncReason::StoreUnavailable,
        StoreError::Denied(_) | StoreError::Invalid(_) => SyncReason::StoreRejected,
        StoreError::Unsupported(_) => SyncReason::NotSupportedByStore,
    };
    (reason, words(error))
}

/// Returns a store's error message, cut to [`MAX_TEXT`] characters.
pub(super) fn words(error: &StoreError) -> String {
    let mut words = error.to_string();
    if let Some((end, _)) = words.char_indices().nth(MAX_TEXT) {
        words.truncate(end);
        words.push('…');
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Email;

    fn guarded(count: usize) -> Guarded {
        let members = (0..count).map(|number| Email::as_stored(&format!("m{number}@x.example"))).collect();
        Guarded { members, hash: "c0ffee".to_owned(), why: "too many".to_owned(), are_many: true, other_approval: None }
    }

    #[test]
    fn held_removals_list_five_people_and_count_the_rest() {
        let approve =
            "too many. If this is wanted, set the annotation roster.dev/approve-removal=c0ffee on the Account";
        assert_eq!(held(&guarded(1)), format!("1 removal is held back (m0@x.example): {approve}"));
        let other = Guarded { other_approval: Some("beef".to_owned()), ..guarded(1) };
        let used = "; the approved hash beef is for other removals, or was already used";
        assert_eq!(held(&other), format!("1 removal is held back (m0@x.example): {approve}{used}"));
        let two = format!("2 removals are held back (m0@x.example, m1@x.example): {approve}");
        assert_eq!(held(&guarded(2)), two);
        assert!(held(&guarded(5)).contains("m3@x.example, m4@x.example): "), "{}", held(&guarded(5)));
        assert!(held(&guarded(8)).contains("m4@x.example and 3 more): "), "{}", held(&guarded(8)));
        let one = held_deletion(&guarded(1));
        assert!(one.contains(": 1 person would lose access (m0@x.example); "), "{one}");
        assert!(held_deletion(&guarded(2)).contains(": 2 people would lose access ("));
    }
}
