//! Determines which people gain or lose effective levels or time, and why. Called by `change::report_builder`.

mod time;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

pub use self::time::TimeChange;
use self::time::{begins_later, due, time_changes};
use super::Work;
use crate::{
    evaluate::Judged,
    manifests::{AccountObjects, LoadedObjects},
    model::{Email, Explanation, Grantor, Layout, Ranks, Step},
    plan::{Cause, Change, Content, ObjectKey, Plan},
    resolve::{Holder, MemberContent},
    state::MemberFacts,
};

/// Changes for one person.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Person {
    /// The address.
    pub email: String,
    /// Whether the person had no access before.
    pub had_none: bool,
    /// Whether the person has no access afterwards.
    pub has_none: bool,
    /// Sections in which more is allowed, now or later.
    pub gains: Vec<Level>,
    /// Sections in which less is allowed, now or later.
    pub loses: Vec<Level>,
    /// Changes of start and end of access.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub times: Vec<TimeChange>,
    /// Reason why granted access is not effective now, or why it is removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Person {
    /// Returns whether the person gains a level or time.
    #[must_use]
    pub fn gains_something(&self) -> bool {
        !self.gains.is_empty() || self.times.iter().any(|time| time.gains)
    }

    /// Returns whether the person loses a level or time.
    #[must_use]
    pub fn loses_something(&self) -> bool {
        !self.loses.is_empty() || self.times.iter().any(|time| !time.gains)
    }

    /// Returns the note, unless a loss or a time says the same and is printed anyway.
    #[must_use]
    pub fn separate_note(&self) -> Option<&str> {
        self.note.as_deref().filter(|_| self.loses.is_empty() && self.times.is_empty())
    }

    /// Returns whether the person loses all present access.
    #[must_use]
    pub const fn loses_all(&self) -> bool {
        self.has_none && !self.had_none && !self.loses.is_empty()
    }
}

/// Change in one section.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Level {
    /// The section.
    pub section: String,
    /// The level before; absent where there was no access.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The level after; absent where there is no access.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Reason.
    pub because: String,
}

/// Returns the people with changes by `plan`, a plan of this work, sorted by address.
pub(super) fn people(loaded: &LoadedObjects, work: &Work, plan: &Plan, now: Timestamp) -> Vec<Person> {
    let changes = plan.changes.iter().filter_map(|change| match &change.object {
        ObjectKey::Member(email) => Some((email, change)),
        _ => None,
    });
    let changes: BTreeMap<&Email, &Change> = changes.collect();
    let translates = writes_layout(plan) && plan.layout != work.observed.layout;
    let mut emails: Vec<&Email> = changes.keys().copied().collect();
    if translates {
        // A new layout changes the meaning of all ranks, so members without a change are compared, too.
        emails.extend(work.observed.members.keys().filter(|email| !changes.contains_key(*email)));
        emails.sort_unstable();
    }
    let addresses = loaded.objects.accounts.get(&work.key).map(AccountObjects::addresses);
    let addresses = addresses.unwrap_or_default();
    let from = &work.observed.layout;
    let to = if translates || work.observed.account.is_none() { &plan.layout } else { from };
    let sides = Sides { from, to };
    emails
        .into_iter()
        .filter_map(|email| {
            let before = work.observed.members.get(email).and_then(|existing| existing.content.as_ref());
            let change = changes.get(email).copied();
            let after = match change.map(|change| &change.put) {
                None => {
                    before.map(|content| MemberContent { ranks: to.translate(&content.ranks, from), ..content.clone() })
                }
                Some(None) => None,
                Some(Some((Content::Member(content), _))) => Some(content.as_ref().clone()),
                Some(Some(_)) => None,
            };
            // A Membership grants the owner nothing.
            let facts = addresses.get(email).filter(|_| !is_owner(work, email)).map(smallvec::SmallVec::as_slice);
            let reasons = Reasons { resolved: work.judged.as_ref(), facts, before, after: after.as_ref(), change };
            sides.person(email, &reasons, now)
        })
        .collect()
}

/// Returns whether a person is, or stays, the owner regardless of Memberships.
fn is_owner(work: &Work, email: &Email) -> bool {
    let desired = work.judged.as_ref().and_then(|judged| judged.desired.members.get(email));
    desired.is_some_and(|member| member.origin.kind == "Account") || work.plan.owner_kept.as_ref() == Some(email)
}

fn writes_layout(plan: &Plan) -> bool {
    plan.changes.iter().any(|change| change.object == ObjectKey::Account && change.put.is_some())
}

/// Layouts before and after.
struct Sides<'a> {
    from: &'a Layout,
    to: &'a Layout,
}

/// Sources of a person's levels.
struct Reasons<'a> {
    resolved: Option<&'a Judged>,
    facts: Option<&'a [&'a MemberFacts]>,
    before: Option<&'a MemberContent>,
    after: Option<&'a MemberContent>,
    change: Option<&'a Change>,
}

impl Sides<'_> {
    fn person(&self, email: &Email, reasons: &Reasons<'_>, now: Timestamp) -> Option<Person> {
        let before = Access::of(reasons.before, self.from, now);
        let after = Access::of(reasons.after, self.to, now);
        let comparable = before.translated(self.to, self.from);
        let note = reasons.note(now);
        let times = time_changes(reasons.before, reasons.after, now);
        let is_same =
            self.is_same(&before.now, &after.now) && self.is_same(&before.due, &after.due) && times.is_empty();
        if is_same && (!begins_later(reasons.after, now) || begins_later(reasons.before, now)) {
            return None;
        }
        let explained = reasons.explanations();
        let (mut gains, mut loses) = (Vec::new(), Vec::new());
        for (place, ladder) in self.to.ladders().iter().enumerate() {
            let rank = |ranks: &Ranks| ranks.as_slice().get(place).copied().unwrap_or(0);
            let (was, is) = (rank(&comparable.now), rank(&after.now));
            let (was_due, is_due) = (rank(&comparable.due), rank(&after.due));
            let from = self.level_before(&before.now, &ladder.section);
            let from_due = self.level_before(&before.due, &ladder.section);
            let explanation = explained.as_ref().and_then(|all| all.get(place));
            let named = |rank: u8| ladder.levels.get(usize::from(rank)).filter(|_| rank > 0);
            let level = |from: Option<String>, rank: u8, because: String| {
                let to = named(rank).map(ToString::to_string);
                Level { section: ladder.section.to_string(), from, to, because }
            };
            // A level that the new layout does not have is translated to a lower one, which hides the loss.
            let is_less = |was: u8, is: u8, from: Option<&String>| {
                let is_gone = from.is_some_and(|from| named(is).is_none_or(|level| level.as_str() != from));
                is < was || (is == was && is_gone)
            };
            let loses_now = is_less(was, is, from.as_ref());
            let loses_due = is_less(was_due, is_due, from_due.as_ref());
            if loses_now || loses_due {
                let (from, rank) = if loses_now { (from.clone(), is) } else { (from_due.clone(), is_due) };
                let because = match &note {
                    Some(note) if rank == 0 && (loses_now || after.due.is_none()) => note.clone(),
                    _ => reasons.because(explanation, rank),
                };
                loses.push(level(from, rank, because));
            }
            if is > was || is_due > was_due {
                let (from, rank) = if is > was { (from, is) } else { (from_due, is_due) };
                gains.push(level(from, rank, reasons.because(explanation, rank)));
            }
        }
        for (section, level) in self.from.named(&before.due) {
            if !self.to.ladders().iter().any(|ladder| ladder.section == section) {
                let because = "the catalog no longer has this section".to_owned();
                let (section, from) = (section.to_owned(), Some(level.to_owned()));
                loses.push(Level { section, from, to: None, because });
            }
        }
        let (had_none, has_none) = (before.now.is_none(), after.now.is_none());
        Some(Person { email: email.to_string(), had_none, has_none, gains, loses, times, note })
    }

    /// Returns whether ranks before and after allow the same, by the names of sections and levels. Translated ranks would
    /// hide what the new layout does not have.
    fn is_same(&self, before: &Ranks, after: &Ranks) -> bool {
        if self.from == self.to {
            return before == after;
        }
        let names = |layout: &Layout, ranks: &Ranks| -> BTreeSet<(String, String)> {
            layout.named(ranks).map(|(section, level)| (section.to_owned(), level.to_owned())).collect()
        };
        names(self.from, before) == names(self.to, after)
    }

    fn level_before(&self, had: &Ranks, section: &str) -> Option<String> {
        let found = self.from.named(had).find(|(name, _)| *name == section);
        found.map(|(_, level)| level.to_owned())
    }
}

/// Permissions of a person.
#[derive(PartialEq, Eq)]
struct Access {
    /// Permissions now.
    now: Ranks,
    /// Permissions now or later.
    due: Ranks,
}

impl Access {
    fn of(content: Option<&MemberContent>, layout: &Layout, now: Timestamp) -> Self {
        let due = due(content, now).map_or_else(|| Ranks::none(layout.len()), |due| due.clone().fitted(layout.len()));
        Self { now: held(content, layout, now), due }
    }

    fn translated(&self, to: &Layout, from: &Layout) -> Self {
        Self { now: to.translate(&self.now, from), due: to.translate(&self.due, from) }
    }
}

/// Returns the permissions at `now`.
fn held(content: Option<&MemberContent>, layout: &Layout, now: Timestamp) -> Ranks {
    content.map_or_else(|| Ranks::none(layout.len()), |content| content.ranks_at(now).fitted(layout.len()))
}

impl Reasons<'_> {
    /// Returns why access is withheld now; `None` if it is not, or if nothing is granted.
    fn note(&self, now: Timestamp) -> Option<String> {
        let Some(after) = self.after else {
            let cause = self.change.map(|change| change.cause);
            let why = match cause? {
                Cause::Unmanaged => "no object declares this member",
                Cause::AccountDeleted => "the account is removed",
                _ => "no longer declared",
            };
            return Some(why.to_owned());
        };
        let window = after.window;
        match (after.ended, window.starts_at, window.expires_at) {
            (Some(end), ..) => Some(end.in_words().to_owned()),
            (None, Some(start), _) if now < start => Some(format!("access begins at {start}")),
            (None, _, Some(end)) if now >= end => Some(format!("expired at {end}")),
            _ => None,
        }
    }

    fn explanations(&self) -> Option<Vec<Explanation>> {
        match self.facts? {
            [one] => Some(self.resolved?.definitions.potential(Holder::Member(one))?.sections),
            _ => None,
        }
    }

    /// Returns why a section is at `rank` now.
    fn because(&self, explanation: Option<&Explanation>, rank: u8) -> String {
        if self.facts.is_some_and(|facts| facts.len() > 1) {
            return "the lowest level of several memberships counts".to_owned();
        }
        let steps = explanation.map(|one| one.steps.as_slice()).unwrap_or_default();
        let granted = steps.iter().rev().find_map(|step| match step {
            Step::Granted { by, .. } if rank > 0 => Some(format!("from {}, ", short(by))),
            _ => None,
        });
        let granted = granted.unwrap_or_default();
        match steps.last() {
            Some(Step::Granted { by, .. }) => format!("from {}", short(by)),
            Some(Step::EqualToOwner { restriction, .. }) => {
                format!("equal to the owner, restriction {restriction} lifted")
            }
            Some(Step::Capped { restriction, .. }) => format!("{granted}limited by restriction {restriction}"),
            Some(Step::Reduced { needs, at, .. }) => format!("{granted}limited because {needs} is below {at}"),
            None if rank > 0 => match self.after.and_then(|content| content.role.as_ref()) {
                Some(role) => format!("from owner role {role}"),
                None => "as in the store before".to_owned(),
            },
            None => self.no_longer(),
        }
    }

    /// Returns why nothing grants a section now.
    fn no_longer(&self) -> String {
        let (Some(before), Some(after)) = (self.before, self.after) else { return "nothing grants it".to_owned() };
        // Content that others wrote into the store was never granted.
        if self.change.is_some_and(|change| change.cause == Cause::Drift) {
            return "nothing grants it; the store was changed".to_owned();
        }
        if before.role != after.role {
            return match &after.role {
                Some(role) => format!("now role {}", role.name),
                None => "no role now".to_owned(),
            };
        }
        let left: Vec<&str> =
            before.groups.iter().filter(|g| !after.groups.contains(g)).map(crate::model::Name::as_str).collect();
        if !left.is_empty() {
            return format!("no longer in {}", left.join(", "));
        }
        match &after.role {
            Some(role) => format!("role {} no longer grants it", role.name),
            None => "nothing grants it now".to_owned(),
        }
    }
}

/// Returns a short name of the source of a level, for a line of a plan.
fn short(by: &Grantor) -> String {
    match by {
        Grantor::PredefinedRole(name) => format!("role {name}"),
        other => other.to_string(),
    }
}
