//! Who gains and who loses what, in terms of effective levels, and of the time in which they hold, and why.

mod time;

use std::collections::BTreeMap;

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

/// What changes for one person.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Person {
    /// The address.
    pub email: String,
    /// Whether there was no access at all before.
    pub had_none: bool,
    /// Whether there is no access at all any more.
    pub has_none: bool,
    /// Sections in which more is allowed, now or later.
    pub gains: Vec<Level>,
    /// Sections in which less is allowed, now or later.
    pub loses: Vec<Level>,
    /// How the time changes in which there is access.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub times: Vec<TimeChange>,
    /// Why access does not hold now although it is there, or why it is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Person {
    /// Whether more is allowed, or for longer.
    #[must_use]
    pub fn gains_something(&self) -> bool {
        !self.gains.is_empty() || self.times.iter().any(|time| time.gains)
    }

    /// Whether less is allowed, or for less long.
    #[must_use]
    pub fn loses_something(&self) -> bool {
        !self.loses.is_empty() || self.times.iter().any(|time| !time.gains)
    }

    /// Returns the note where neither a loss nor a time says the same.
    #[must_use]
    pub fn untold_note(&self) -> Option<&str> {
        self.note.as_deref().filter(|_| self.loses.is_empty() && self.times.is_empty())
    }

    /// Whether nothing is left of the access that there is now.
    #[must_use]
    pub const fn loses_all(&self) -> bool {
        self.has_none && !self.had_none && !self.loses.is_empty()
    }
}

/// One section of one person.
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
    /// Why.
    pub because: String,
}

/// Everybody for whom something changes, by address.
pub(super) fn people(loaded: &LoadedObjects, work: &Work, now: Timestamp) -> Vec<Person> {
    let plan = &work.plan;
    let changes = plan.changes.iter().filter_map(|change| match &change.object {
        ObjectKey::Member(email) => Some((email, change)),
        _ => None,
    });
    let changes: BTreeMap<&Email, &Change> = changes.collect();
    let translates = writes_layout(plan) && plan.layout != work.observed.layout;
    let mut emails: Vec<&Email> = changes.keys().copied().collect();
    if translates {
        // Also who stands in no change is read in another layout from now on.
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
            let before = work.observed.members.get(email).and_then(|seen| seen.content.as_ref());
            let change = changes.get(email).copied();
            let after = match change.map(|change| &change.put) {
                None => {
                    before.map(|content| MemberContent { ranks: to.translate(&content.ranks, from), ..content.clone() })
                }
                Some(None) => None,
                Some(Some((Content::Member(content), _))) => Some(content.as_ref().clone()),
                Some(Some(_)) => None,
            };
            // The owner has nothing by a Membership.
            let facts = addresses.get(email).filter(|_| !is_owner(work, email)).map(smallvec::SmallVec::as_slice);
            let reasons = Reasons { resolved: work.judged.as_ref(), facts, before, after: after.as_ref(), change };
            sides.person(email, &reasons, now)
        })
        .collect()
}

/// Whether somebody is, or stays, the owner whatever their Memberships say.
fn is_owner(work: &Work, email: &Email) -> bool {
    let desired = work.judged.as_ref().and_then(|judged| judged.desired.members.get(email));
    desired.is_some_and(|member| member.origin.kind == "Account") || work.plan.owner_kept.as_ref() == Some(email)
}

fn writes_layout(plan: &Plan) -> bool {
    plan.changes.iter().any(|change| change.object == ObjectKey::Account && change.put.is_some())
}

/// What ranks mean before and after.
struct Sides<'a> {
    from: &'a Layout,
    to: &'a Layout,
}

/// What a person's levels come from.
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
        let is_same = comparable == after && before.due.is_none() == comparable.due.is_none() && times.is_empty();
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
            let level = |from: Option<String>, rank: u8, because: String| {
                let to = ladder.levels.get(usize::from(rank)).filter(|_| rank > 0).map(ToString::to_string);
                Level { section: ladder.section.to_string(), from, to, because }
            };
            let loses_now = is < was || (is == was && from.is_some() != (was > 0));
            if loses_now || is_due < was_due {
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

    fn level_before(&self, had: &Ranks, section: &str) -> Option<String> {
        let found = self.from.named(had).find(|(name, _)| *name == section);
        found.map(|(_, level)| level.to_owned())
    }
}

/// What somebody may do.
#[derive(PartialEq, Eq)]
struct Access {
    /// At this moment.
    now: Ranks,
    /// At this moment or later.
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

/// What somebody may do at `now`.
fn held(content: Option<&MemberContent>, layout: &Layout, now: Timestamp) -> Ranks {
    content.map_or_else(|| Ranks::none(layout.len()), |content| content.ranks_at(now).fitted(layout.len()))
}

impl Reasons<'_> {
    /// Why there is no access now, where that is not for want of a grant.
    fn note(&self, now: Timestamp) -> Option<String> {
        let Some(after) = self.after else {
            let cause = self.change.map(|change| change.cause);
            let why = match cause? {
                Cause::Unmanaged => "nobody declared this member",
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

    /// Why a section is at `rank` now.
    fn because(&self, explanation: Option<&Explanation>, rank: u8) -> String {
        if self.facts.is_some_and(|facts| facts.len() > 1) {
            return "the lower level of several memberships counts".to_owned();
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
            Some(Step::Reduced { needs, at, .. }) => format!("{granted}no more since {needs} is below {at}"),
            None if rank > 0 => match self.after.and_then(|content| content.role.as_ref()) {
                Some(role) => format!("from owner role {role}"),
                None => "as the store had it".to_owned(),
            },
            None => self.no_longer(),
        }
    }

    /// Why nothing grants a section any more.
    fn no_longer(&self) -> String {
        let (Some(before), Some(after)) = (self.before, self.after) else { return "nothing grants it".to_owned() };
        // What somebody wrote into the store was never granted.
        if self.change.is_some_and(|change| change.cause == Cause::Drift) {
            return "nothing grants it; somebody changed the store".to_owned();
        }
        if before.role != after.role {
            return match &after.role {
                Some(role) => format!("now role {}", role.name),
                None => "no role any more".to_owned(),
            };
        }
        let left: Vec<&str> =
            before.groups.iter().filter(|g| !after.groups.contains(g)).map(crate::model::Name::as_str).collect();
        if !left.is_empty() {
            return format!("no longer in {}", left.join(", "));
        }
        match &after.role {
            Some(role) => format!("role {} no longer grants it", role.name),
            None => "nothing grants it any more".to_owned(),
        }
    }
}

/// What grants something, in as few words as a line of a plan has room for.
fn short(by: &Grantor) -> String {
    match by {
        Grantor::PredefinedRole(name) => format!("role {name}"),
        other => other.to_string(),
    }
}
