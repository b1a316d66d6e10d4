//! Reports removals that the guard holds back: whom they concern, what these people lose, and how to approve them. Called
//! by `change::report_builder`.

use jiff::Timestamp;

use super::{
    Work,
    effect::{self, Person},
    report::{AccountChanges, Guarded},
};
use crate::{
    api::APPROVE_REMOVAL_ANNOTATION,
    cli::output,
    manifests::{LoadedObjects, Source},
};

/// Returns how to approve held removals.
fn approve(loaded: &LoadedObjects, work: &Work, hash: &str) -> String {
    match loaded.source {
        // The hash depends on the Account's UID, which files do not have.
        Source::Files(_) if work.place.is_none() => format!(
            "annotate the Account with {APPROVE_REMOVAL_ANNOTATION} and the hash that its status.heldRemovals has then; with roster \
             apply, pass --approve {hash}"
        ),
        Source::Files(_) => format!("--approve {hash}"),
        Source::Cluster(_) => output::approve_command(&work.key.namespace, &work.key.name, hash),
    }
}

/// Returns the removals that the guard holds back. `people` are those whom the rest of the plan changes.
pub(super) fn guarded(loaded: &LoadedObjects, work: &Work, people: &[Person], now: Timestamp) -> Option<Guarded> {
    let guarded = work.plan.guarded.as_ref()?;
    let members: Vec<String> = guarded.members.iter().map(ToString::to_string).collect();
    let released = work.released.as_ref();
    let mut then = released.map(|plan| effect::people(loaded, work, plan, now)).unwrap_or_default();
    then.retain(|one| members.contains(&one.email) || people.iter().all(|other| other.email != one.email));
    let approve = approve(loaded, work, &guarded.hash);
    Some(Guarded { members, people: then, why: guarded.why.clone(), hash: guarded.hash.clone(), approve })
}

impl AccountChanges {
    /// Returns whether two revisions of files are compared, not objects with a store.
    #[must_use]
    pub(super) const fn is_of_revisions(&self) -> bool {
        self.store.is_none()
    }
}

impl Guarded {
    /// Returns the members whose loss `people` does not tell.
    #[must_use]
    pub(super) fn untold(&self) -> Vec<&str> {
        let told = |member: &&String| self.people.iter().any(|one| one.email == **member);
        self.members.iter().filter(|member| !told(member)).map(String::as_str).collect()
    }
}
