//! Compares the content of an account's store with the objects. Used by `ask` if a store is given.

use std::{collections::BTreeMap, fmt};

use jiff::Timestamp;

use crate::{
    cli::target::Planned,
    model::{Email, Layout, Ranks},
    plan::{Cause, Content, Hold, ObjectKey, Observed, Plan},
    resolve::{MemberContent, RevocationReason},
    store::StoreLocation,
};

/// Content of an account in a store.
pub struct Stored {
    /// The store.
    pub place: String,
    /// Members by address, with ranks in the layout of the [`Subject`](super::Subject).
    members: BTreeMap<Email, MemberContent>,
    /// Reasons for members that differ from the objects.
    pub(super) reasons: BTreeMap<Email, Reason>,
}

/// Reason why a member in a store differs from the objects.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    /// A fixed text.
    Since(&'static str),
    /// A revocation that is only in the store, such as one of `roster block --store`.
    Ended(RevocationReason),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Since(why) => write!(f, ", because {why}"),
            Self::Ended(end) => write!(f, ": {}; the next apply removes it", end.in_words()),
        }
    }
}

impl Stored {
    /// Creates the content from an observation and its plan.
    pub(super) fn new(place: &StoreLocation, planned: &Planned, layout: &Layout) -> Self {
        let observed = &planned.observed;
        let held = observed.members.iter().filter_map(|(email, existing)| Some((email, existing.content.as_ref()?)));
        let members = held.map(|(email, content)| {
            let ranks = layout.translate(&content.ranks, &observed.layout).fitted(layout.len());
            (email.clone(), MemberContent { ranks, ..content.clone() })
        });
        Self { place: place.to_string(), members: members.collect(), reasons: reasons(&planned.plan, observed) }
    }

    /// Returns all members.
    pub(super) fn members(&self) -> impl Iterator<Item = (&Email, &MemberContent)> {
        self.members.iter()
    }

    /// Returns a member's content.
    pub(super) fn member(&self, email: &Email) -> Option<&MemberContent> {
        self.members.get(email)
    }

    /// Returns a member's effective permissions at `now`.
    #[must_use]
    pub fn ranks(&self, email: &Email, now: Timestamp, sections: usize) -> Ranks {
        self.members.get(email).map_or_else(|| Ranks::none(sections), |content| content.ranks_at(now))
    }
}

fn reasons(plan: &Plan, observed: &Observed) -> BTreeMap<Email, Reason> {
    let mut reasons = BTreeMap::new();
    let ended = |email: &Email| observed.members.get(email)?.content.as_ref()?.ended;
    for change in &plan.changes {
        let ObjectKey::Member(email) = &change.object else { continue };
        let is_wanted = matches!(&change.put, Some((Content::Member(content), _)) if content.ended.is_none());
        let reason = match (change.cause, ended(email)) {
            (Cause::Drift, _) => Reason::Since("the entry was changed in the store and is not corrected yet"),
            (_, Some(end)) if is_wanted => Reason::Ended(end),
            _ => PENDING,
        };
        reasons.insert(email.clone(), reason);
    }
    for (object, hold) in &plan.holds {
        let ObjectKey::Member(email) = object else { continue };
        let reason = match hold {
            Hold::NotOwned => Reason::Since("the entry is not managed by Roster"),
            Hold::Paused => Reason::Since("its store or account is paused"),
            Hold::StoreReplaced => Reason::Since("the store is not the one used so far"),
            Hold::Unauthorized => Reason::Since("somebody without the authority changed its account"),
            Hold::Guarded => GUARDED,
            Hold::DriftReported => Reason::Since("the entry was changed in the store, and drift is only reported"),
        };
        reasons.insert(email.clone(), reason);
    }
    let guarded = plan.guarded.iter().flat_map(|guarded| &guarded.members);
    reasons.extend(guarded.map(|email| (email.clone(), GUARDED)));
    reasons
}

pub(super) const PENDING: Reason = Reason::Since("the objects are not applied yet");
pub(super) const GUARDED: Reason = Reason::Since("the removal guard holds back the removal");
