//! Says in which levels the store of an account differs from the objects. Called by the commands that show both.

use jiff::Timestamp;

use super::{
    Subject,
    stored::{GUARDED, PENDING, Reason},
};
use crate::{
    cli::people::{Known, Person},
    model::Ranks,
    resolve::Window,
};

/// Maximum number of sections in one sentence.
const NAMED: usize = 4;
/// Reason for a member whom no object declares; it replaces all other reasons.
const STRAY: Reason = Reason::Since("no object declares the member, and undeclared members are kept");

/// Returns a time of access in words.
fn in_words(window: Window) -> String {
    match (window.starts_at, window.expires_at) {
        (None, None) => "without an end".to_owned(),
        (Some(start), None) => format!("from {start}, without an end"),
        (None, Some(end)) => format!("until {end}"),
        (Some(start), Some(end)) => format!("from {start} until {end}"),
    }
}

impl Subject<'_> {
    /// Returns a sentence on the difference between store and objects, for one section or all. `None` if no store is
    /// read, both agree, or the objects do not determine the access.
    #[must_use]
    pub fn difference(&self, person: &Person, only: Option<usize>, now: Timestamp) -> Option<String> {
        let stored = self.stored.as_ref()?;
        let wanted = self.wanted_ranks(person, now)?;
        let given = stored.ranks(&person.email, now, self.layout.len());
        let at = |ranks: &Ranks, index: usize| ranks.as_slice().get(index).copied().unwrap_or(0);
        let differs = |index: &usize| only.is_none_or(|one| one == *index) && at(&wanted, *index) != at(&given, *index);
        let indexes: Vec<usize> = (0..self.layout.len()).filter(differs).collect();
        if indexes.is_empty() {
            return only.is_none().then(|| self.time_difference(person)).flatten();
        }
        let levels_of = |ranks: &Ranks| self.levels(ranks, &indexes);
        let known = stored.reasons.get(&person.email).copied();
        let known = known.filter(|why| person.is_declared() || [GUARDED, PENDING].contains(why));
        let why = known.or_else(|| (!person.is_declared()).then_some(STRAY));
        let why = why.map(|why| why.to_string()).unwrap_or_default();
        Some(format!("the objects say {}; {} gives {}{why}", levels_of(&wanted), stored.place, levels_of(&given)))
    }

    /// Returns a sentence on the time of access in the store, if it differs from that of the objects.
    fn time_difference(&self, person: &Person) -> Option<String> {
        let stored = self.stored.as_ref()?;
        let given = stored.member(&person.email)?.window;
        let wanted = person.content.as_ref()?.window;
        let (store, why) = (&stored.place, stored.reasons.get(&person.email).map(ToString::to_string));
        let why = why.unwrap_or_default();
        (given != wanted)
            .then(|| format!("the objects say {}; {store} gives access {}{why}", in_words(wanted), in_words(given)))
    }

    /// Returns whether the shown access is from the store and not only from the objects.
    #[must_use]
    pub fn is_by_store(&self, person: &Person, now: Timestamp) -> bool {
        let only_store = matches!(person.known, Known::AtMost | Known::OnlyStore);
        self.stored.is_some() && (only_store || self.difference(person, None, now).is_some())
    }

    /// Returns these sections in words, such as `orders=View, users=Allowed`, or `no access`.
    fn levels(&self, ranks: &Ranks, indexes: &[usize]) -> String {
        let rank = |index: &usize| ranks.as_slice().get(*index).copied().unwrap_or(0);
        if indexes.len() > 1 && indexes.iter().all(|index| rank(index) == 0) {
            return "no access".to_owned();
        }
        let level = |index: &usize| {
            let ladder = self.layout.ladders().get(*index)?;
            Some(format!("{}={}", ladder.section, ladder.levels.get(usize::from(rank(index)))?))
        };
        let mut parts: Vec<String> = indexes.iter().take(NAMED).filter_map(level).collect();
        if indexes.len() > NAMED {
            parts.push(format!("and {} more", indexes.len() - NAMED));
        }
        parts.join(", ")
    }
}
