//! Compares the limits of one user: restrictions of a Membership or an Invitation. Called by the CLI when it compares
//! revisions.

use super::{
    Limits,
    comparison::{Meaning, set},
};
use crate::api::RestrictionChoice;

/// Restrictions in one revision of a Membership or an Invitation.
#[derive(Clone, Copy)]
pub struct RestrictionsRevision<'a> {
    /// Restrictions that are applied and lifted.
    pub choice: Option<&'a RestrictionChoice>,
    /// Names of lifted restrictions that are confirmed.
    pub acknowledge: &'a [String],
}

/// Compares the restrictions of one user.
#[must_use]
pub fn of_user(from: RestrictionsRevision<'_>, to: RestrictionsRevision<'_>) -> Limits {
    let mut limits = Limits::default();
    let applied = |one: RestrictionsRevision<'_>| set(one.choice.iter().flat_map(|choice| &choice.apply));
    let lifted = |one: RestrictionsRevision<'_>| set(one.choice.iter().flat_map(|choice| &choice.lift));
    let restricts =
        Meaning { looser: "fewer restrictions apply to this user", stricter: "more restrictions apply to this user" };
    limits.forbidden("spec.restrictions.apply", &applied(from), &applied(to), restricts);
    limits.allowed("spec.restrictions.lift", &lifted(from), &lifted(to), restricts);
    let confirms = Meaning {
        looser: "more lifts of restrictions are confirmed for this user",
        stricter: "fewer lifts of restrictions are confirmed for this user",
    };
    limits.allowed("spec.acknowledge", &set(from.acknowledge), &set(to.acknowledge), confirms);
    limits
}
