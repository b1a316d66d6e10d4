//! Combines people's access from the objects with the content of the store, if it was read. Called by `review::account`
//! and `review::stored`.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{
    report::{AccountReview, EndReason, Flag, PersonLine, Strong},
    strength::{Strength, at_top},
};
use crate::{
    cli::people::{Known, Person, Withheld},
    model::{Email, Layout, Ranks, RoleName},
    plan::Observed,
    resolve::{Definitions, MemberContent, RevocationReason},
};

/// Person in an account.
pub struct Holding<'a> {
    email: &'a Email,
    /// Access by the objects; `None` if no object names the person.
    person: Option<&'a Person>,
    /// Roles, groups and times; absent where they are not known, or nothing counts.
    content: Option<&'a MemberContent>,
    /// Granted permissions, even if withheld now.
    granted: Ranks,
    /// Effective permissions now; `None` if only the store has them.
    now: Option<Ranks>,
    withheld: Option<Withheld>,
    is_owner: bool,
    equal_to_owner: bool,
    /// Whether the store has the person; `None` if it was not read.
    in_store: Option<bool>,
    removal_held: bool,
}

/// Returns all people that the objects name, with their access by the objects.
pub fn of_objects<'a>(
    everybody: &'a [Person],
    review: &AccountReview,
    sections: usize,
    now: Timestamp,
) -> Vec<Holding<'a>> {
    let equals = equals(review);
    let holding = |person: &'a Person| Holding {
        email: &person.email,
        person: Some(person),
        content: person.content.as_deref(),
        granted: person.content.as_ref().map(|content| content.ranks.clone()).unwrap_or_default(),
        now: person.ranks(now, sections),
        withheld: person.withheld(now),
        is_owner: person.is_owner,
        equal_to_owner: equals.contains(person.email.as_str()),
        in_store: None,
        removal_held: false,
    };
    everybody.iter().map(holding).collect()
}

/// Returns all people in the store or named by objects, with their access in the store. Ranks are in `layout`.
pub fn of_store<'a>(
    observed: &'a Observed,
    everybody: &'a [Person],
    held_removals: &BTreeSet<&Email>,
    review: &AccountReview,
    layout: &Layout,
    now: Timestamp,
) -> Vec<Holding<'a>> {
    let equals = equals(review);
    let persons: BTreeMap<&Email, &Person> = everybody.iter().map(|person| (&person.email, person)).collect();
    let stored = observed.members.iter().filter_map(|(email, existing)| Some((email, existing.content.as_ref()?)));
    let stored: BTreeMap<&Email, &MemberContent> = stored.collect();
    let owner = observed.account.as_ref().and_then(|existing| existing.content.as_ref()?.owner.as_ref());
    let emails: BTreeSet<&Email> = persons.keys().chain(stored.keys()).copied().collect();
    let holding = |email: &'a Email| {
        let (person, content) = (persons.get(email).copied(), stored.get(email).copied());
        let granted = content.map(|content| layout.translate(&content.ranks, &observed.layout).fitted(layout.len()));
        let wanted = person.and_then(|person| person.content.as_ref());
        let as_wanted = granted.as_ref().zip(wanted).is_some_and(|(granted, wanted)| *granted == wanted.ranks);
        let is_owner = owner.map_or_else(|| person.is_some_and(|person| person.is_owner), |owner| owner == email);
        let granted = granted.unwrap_or_else(|| Ranks::none(layout.len()));
        let in_force = content.is_some_and(|content| content.is_in_force(now));
        Holding {
            email,
            person,
            content: content.or_else(|| wanted.map(|wanted| &**wanted)),
            now: Some(if in_force { granted.clone() } else { Ranks::none(layout.len()) }),
            granted,
            withheld: match content {
                Some(content) => Withheld::in_store(content, now),
                None => person.and_then(|person| person.withheld(now)),
            },
            is_owner,
            equal_to_owner: as_wanted && equals.contains(email.as_str()),
            in_store: Some(content.is_some()),
            removal_held: held_removals.contains(email),
        }
    };
    emails.into_iter().map(holding).collect()
}

fn equals(review: &AccountReview) -> BTreeSet<String> {
    review.lifted.iter().filter(|lifted| lifted.equal_to_owner).map(|lifted| lifted.email.clone()).collect()
}

impl AccountReview {
    /// Takes in everybody, with who has access and who can do the most. Whom the store does not hold has no access.
    pub fn take(&mut self, everybody: &[Holding<'_>], definitions: Option<&Definitions>, layout: &Layout) {
        let there = |holding: &&Holding<'_>| holding.in_store != Some(false);
        let has_access = |holding: &&Holding<'_>| holding.now.as_ref().is_some_and(|ranks| !ranks.is_none());
        self.counts.people = everybody.iter().filter(there).count();
        self.counts.with_access = everybody.iter().filter(there).filter(has_access).count();
        self.strongest = strongest(everybody, definitions, layout);
        self.people = everybody.iter().map(|holding| holding.line(self, layout)).collect();
    }
}

fn strongest(everybody: &[Holding<'_>], definitions: Option<&Definitions>, layout: &Layout) -> Vec<Strong> {
    if layout.is_empty() {
        return Vec::new();
    }
    let everybody: Vec<&Holding<'_>> = everybody.iter().filter(|holding| holding.in_store != Some(false)).collect();
    let others = everybody.iter().filter(|holding| !holding.is_owner && !holding.equal_to_owner);
    let strength = Strength::new(layout, definitions, others.map(|holding| &holding.granted));
    let found = everybody.into_iter().filter_map(|holding| {
        let role = holding.role();
        let why = strength.why(role, holding.is_owner, holding.equal_to_owner, &holding.granted);
        (!why.is_empty()).then(|| Strong {
            email: holding.email.to_string(),
            role: role.map_or_else(String::new, ToString::to_string),
            why,
            sections_at_top: holding.now.as_ref().map_or(0, |ranks| at_top(layout, ranks)),
            sections: layout.len(),
            withheld: holding.withheld.map(withheld),
            undeclared: !holding.is_declared(),
        })
    });
    let mut found: Vec<Strong> = found.collect();
    found.sort_by(|one, other| other.sections_at_top.cmp(&one.sections_at_top).then(one.email.cmp(&other.email)));
    found
}

fn withheld(withheld: Withheld) -> String {
    match withheld {
        Withheld::Ended(end) => EndReason::Revoked(end).word().to_owned(),
        Withheld::StartsAt(at) => format!("starts {at}"),
        Withheld::ExpiredAt(at) => format!("expired {at}"),
    }
}

impl Holding<'_> {
    fn role(&self) -> Option<&RoleName> {
        self.content.and_then(|content| content.role.as_ref())
    }

    fn is_declared(&self) -> bool {
        self.person.is_some()
    }

    fn ended(&self) -> Option<RevocationReason> {
        match self.withheld {
            Some(Withheld::Ended(end)) => Some(end),
            _ => None,
        }
    }

    fn line(&self, review: &AccountReview, layout: &Layout) -> PersonLine {
        let email = self.email.as_str();
        let is = |holds: bool, flag: Flag| holds.then_some(flag);
        let from_objects = |known: Known| self.in_store.is_none() && self.person.is_some_and(|one| one.known == known);
        let is_invalid = |person: &Person| person.findings.iter().any(|findings| !findings.is_valid());
        let flags = [
            is(self.is_owner, Flag::Owner),
            is(self.equal_to_owner, Flag::EqualToOwner),
            is(review.strongest.iter().any(|one| one.email == email), Flag::Strong),
            self.ended().map(Flag::Ended),
            is(matches!(self.withheld, Some(Withheld::ExpiredAt(_))), Flag::Expired),
            is(review.expiring.iter().any(|one| !one.expired && one.email == email), Flag::ExpiresSoon),
            is(matches!(self.withheld, Some(Withheld::StartsAt(_))), Flag::NotStarted),
            is(self.person.is_some_and(is_invalid), Flag::Invalid),
            is(from_objects(Known::OnlyStore), Flag::KnownToStoreOnly),
            is(from_objects(Known::AtMost), Flag::AtMostAsStored),
            is(!self.is_declared(), Flag::Undeclared),
            is(self.removal_held, Flag::RemovalHeld),
            is(self.in_store == Some(false), Flag::NotInStore),
        ];
        let content = self.content;
        PersonLine {
            email: email.to_owned(),
            display_name: content.and_then(|content| content.display_name.as_deref()).unwrap_or_default().to_owned(),
            role: self.role().map_or_else(String::new, ToString::to_string),
            groups: content.map(|content| content.groups.iter().map(ToString::to_string).collect()).unwrap_or_default(),
            sections_with_access: self
                .now
                .as_ref()
                .map(|ranks| ranks.as_slice().iter().filter(|rank| **rank > 0).count()),
            sections_at_top: self.now.as_ref().filter(|_| !layout.is_empty()).map(|ranks| at_top(layout, ranks)),
            flags: flags.into_iter().flatten().collect(),
        }
    }
}
