//! What the store of an account gives, where one is at hand, beside what the objects say.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use jiff::Timestamp;

use super::Subject;
use crate::{
    cli::{
        people::{Known, Person},
        target::Planned,
    },
    model::{Email, Layout, Ranks},
    plan::{Cause, Content, Hold, ObjectKey, Observed, Plan},
    resolve::{MemberContent, RevocationReason},
    store::Place,
};

/// Sections that one sentence names.
const NAMED: usize = 4;

/// What a store holds of an account.
pub struct Stored {
    /// The store.
    pub place: String,
    /// Everybody in it; their ranks are of the layout of the [`Subject`].
    members: BTreeMap<Email, MemberContent>,
    /// Why it holds somebody otherwise than the objects say.
    reasons: BTreeMap<Email, Reason>,
}

/// Why a store holds somebody otherwise than the objects say.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reason {
    /// For this reason.
    Since(&'static str),
    /// By somebody's word, which stands in the store only.
    Ended(RevocationReason),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Since(why) => write!(f, ", because {why}"),
            Self::Ended(end) => write!(f, ": {}; the next apply lifts it", end.in_words()),
        }
    }
}

impl Stored {
    /// Takes what was observed, and what would be done about it.
    pub(super) fn new(place: &Place, planned: &Planned, layout: &Layout) -> Self {
        let observed = &planned.observed;
        let held = observed.members.iter().filter_map(|(email, seen)| Some((email, seen.content.as_ref()?)));
        let members = held.map(|(email, content)| {
            let ranks = layout.translate(&content.ranks, &observed.layout).fitted(layout.len());
            (email.clone(), MemberContent { ranks, ..content.clone() })
        });
        Self { place: place.to_string(), members: members.collect(), reasons: reasons(&planned.plan, observed) }
    }

    /// Everybody in it.
    pub(super) fn members(&self) -> impl Iterator<Item = (&Email, &MemberContent)> {
        self.members.iter()
    }

    /// Effective permissions of somebody at `now`.
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
            (Cause::Drift, _) => Reason::Since("somebody changed it there, and it is not corrected yet"),
            (_, Some(end)) if is_wanted => Reason::Ended(end),
            _ => PENDING,
        };
        reasons.insert(email.clone(), reason);
    }
    for (object, hold) in &plan.holds {
        let ObjectKey::Member(email) = object else { continue };
        let reason = match hold {
            Hold::NotOwned => Reason::Since("what is there is not Roster's, and is left alone"),
            Hold::Paused => Reason::Since("its store or account is paused"),
            Hold::StoreReplaced => Reason::Since("another store answers than the one that was used so far"),
            Hold::Guarded => GUARDED,
            Hold::DriftReported => Reason::Since("somebody changed it there, and such changes are only reported"),
        };
        reasons.insert(email.clone(), reason);
    }
    let guarded = plan.guarded.iter().flat_map(|guarded| &guarded.members);
    reasons.extend(guarded.map(|email| (email.clone(), GUARDED)));
    reasons
}

const PENDING: Reason = Reason::Since("the objects are not applied yet");
const GUARDED: Reason = Reason::Since("the removal guard holds the removal back");
/// Of whom no object names, whatever else there is to say.
const STRAY: Reason = Reason::Since("nobody declared it, and such members are left alone");

impl Subject<'_> {
    /// Where the store gives somebody something else than the objects say, in a sentence; of one section, or of all. Nothing
    /// where no store is at hand, where both say the same, and where the objects say nothing.
    #[must_use]
    pub fn difference(&self, person: &Person, only: Option<usize>, now: Timestamp) -> Option<String> {
        let stored = self.stored.as_ref()?;
        let wanted = self.wanted_ranks(person, now)?;
        let given = stored.ranks(&person.email, now, self.layout.len());
        let at = |ranks: &Ranks, place: usize| ranks.as_slice().get(place).copied().unwrap_or(0);
        let differs = |place: &usize| only.is_none_or(|one| one == *place) && at(&wanted, *place) != at(&given, *place);
        let places: Vec<usize> = (0..self.layout.len()).filter(differs).collect();
        if places.is_empty() {
            return None;
        }
        let said = |ranks: &Ranks| self.levels(ranks, &places);
        let known = stored.reasons.get(&person.email).copied();
        let known = known.filter(|why| person.is_declared() || [GUARDED, PENDING].contains(why));
        let why = known.or_else(|| (!person.is_declared()).then_some(STRAY));
        let why = why.map(|why| why.to_string()).unwrap_or_default();
        Some(format!("the objects say {}; {} gives {}{why}", said(&wanted), stored.place, said(&given)))
    }

    /// Whether what somebody has comes from the store, and not just from what the objects say.
    #[must_use]
    pub fn is_by_store(&self, person: &Person, now: Timestamp) -> bool {
        let only_store = matches!(person.known, Known::AtMost | Known::OnlyStore);
        self.stored.is_some() && (only_store || self.difference(person, None, now).is_some())
    }

    /// `orders=View, users=Allowed`, of these sections; nowhere any access is said in two words.
    fn levels(&self, ranks: &Ranks, places: &[usize]) -> String {
        let rank = |place: &usize| ranks.as_slice().get(*place).copied().unwrap_or(0);
        if places.len() > 1 && places.iter().all(|place| rank(place) == 0) {
            return "no access".to_owned();
        }
        let level = |place: &usize| {
            let ladder = self.layout.ladders().get(*place)?;
            Some(format!("{}={}", ladder.section, ladder.levels.get(usize::from(rank(place)))?))
        };
        let mut said: Vec<String> = places.iter().take(NAMED).filter_map(level).collect();
        if places.len() > NAMED {
            said.push(format!("and {} more", places.len() - NAMED));
        }
        said.join(", ")
    }

    /// Adds those whom only the store knows.
    pub(super) fn add_strays(&mut self) {
        let Some(stored) = &self.stored else { return };
        let known: BTreeSet<&Email> = self.people.iter().map(|person| &person.email).collect();
        let strays: Vec<Email> =
            stored.members().map(|(email, _)| email).filter(|email| !known.contains(email)).cloned().collect();
        self.people.extend(strays.into_iter().map(Person::stray));
        self.people.sort_by(|one, other| one.email.cmp(&other.email));
    }
}
