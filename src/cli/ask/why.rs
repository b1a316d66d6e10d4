//! Writes reasons for a person's access as text. Called by `can-i`, `who-can`, `explain`, `matrix` and `review`.

use jiff::Timestamp;

use super::{Held, Question, Subject};
use crate::{
    cli::people::{Person, Withheld},
    manifests::LoadedObjects,
    model::{Email, Explanation, FindingKind, Findings, Grantor, Name, Step, first_of, suggest::closest_address},
    resolve::{Holder, RevocationReason},
    state::MemberFacts,
};

/// Formats a time, without the hour if it is midnight UTC.
#[must_use]
pub fn day(at: Timestamp) -> String {
    let text = at.strftime("%Y-%m-%d %H:%M UTC").to_string();
    text.strip_suffix(" 00:00 UTC").map(ToOwned::to_owned).unwrap_or(text)
}

/// Returns a note on the revocation of a person's access.
fn ended(subject: &Subject<'_>, person: &Person, end: RevocationReason) -> String {
    let store = subject.resolved.definitions.store.as_ref();
    match end {
        RevocationReason::Blocked => {
            let name = store.map_or("", |store| store.name.as_str());
            let reason = store.and_then(|store| store.blocked.get(&person.email)?.clone());
            let reason = reason.map_or_else(String::new, |reason| format!(" ({reason})"));
            format!("blocked by IdentityStore {name}{reason}")
        }
        RevocationReason::AccountSuspended => "account suspended".to_owned(),
        RevocationReason::NotApproved => "account not approved".to_owned(),
        RevocationReason::Suspended => {
            let by = facts(subject, person).into_iter().filter(|facts| facts.suspended);
            let by: Vec<&str> = by.map(|facts| facts.name.as_str()).collect();
            if by.is_empty() { "suspended".to_owned() } else { format!("suspended by Membership {}", by.join(", ")) }
        }
    }
}

/// Returns a note on why access is withheld: `suspended by …`, `expired …`.
#[must_use]
pub fn withheld(subject: &Subject<'_>, person: &Person, why: Withheld) -> String {
    match why {
        Withheld::Ended(end) => ended(subject, person, end),
        Withheld::StartsAt(at) => format!("starts {}", day(at)),
        Withheld::ExpiredAt(at) => format!("expired {}", day(at)),
    }
}

/// Returns one step of an explanation as text.
#[must_use]
pub fn step(step: &Step) -> String {
    match step {
        Step::Granted { by, level } => format!("{level} from {by}"),
        Step::EqualToOwner { restriction, level } => {
            format!("{level} as the owner, since restriction {restriction} is lifted")
        }
        Step::Capped { restriction, level } => format!("down to {level} by restriction {restriction}"),
        Step::Reduced { needs, at, level } => format!("down to {level} since {needs} is below {at}"),
    }
}

/// Returns the memberships of a person.
#[must_use]
pub fn facts<'a>(subject: &Subject<'a>, person: &Person) -> Vec<&'a MemberFacts> {
    person.memberships.iter().filter_map(|name| subject.objects.members.get(name)).collect()
}

/// Source of a level that the objects do not determine.
pub const STORED: &str = "what the store holds";

/// Returns the source of the level: roles, groups, or being the owner or equal to the owner.
#[must_use]
pub fn through(subject: &Subject<'_>, person: &Person, question: &Question, now: Timestamp) -> String {
    if subject.is_by_store(person, now) {
        return STORED.to_owned();
    }
    let definitions = &subject.resolved.definitions;
    if person.is_owner {
        let granted = explanations(subject, person).into_iter().flatten();
        let mut granted = granted.filter_map(|one| one.steps.into_iter().next());
        let by = granted.find_map(|step| if let Step::Granted { by, .. } = step { Some(by) } else { None });
        return by.map_or_else(|| "owner".to_owned(), |by| short(&by));
    }
    let mut found: Vec<String> = Vec::new();
    for facts in facts(subject, person) {
        let equal = definitions.potential(Holder::Member(facts)).and_then(|potential| {
            let mut all = potential.sections;
            let at = question.section;
            (at < all.len()).then(|| all.swap_remove(at).steps)?.into_iter().find_map(|step| match step {
                Step::EqualToOwner { restriction, .. } => Some(format!("equal to the owner ({restriction} lifted)")),
                _ => None,
            })
        });
        match equal {
            Some(equal) => found.push(equal),
            None => found.extend(definitions.granting(facts, question.section, question.rank).iter().map(short)),
        }
    }
    found.sort();
    found.dedup();
    found.join(", ")
}

fn short(by: &Grantor) -> String {
    match by {
        Grantor::Owner(name) => format!("owner (role {name})"),
        Grantor::PredefinedRole(name) => format!("role {name}"),
        Grantor::Role(name) => format!("custom role {name}"),
        Grantor::Group(name) => format!("group {name}"),
    }
}

/// Returns the explanation of each section: one list for each membership, or for the owner.
#[must_use]
pub fn explanations(subject: &Subject<'_>, person: &Person) -> Vec<Vec<Explanation>> {
    let definitions = &subject.resolved.definitions;
    if person.is_owner {
        return definitions.potential(Holder::Owner).into_iter().map(|potential| potential.sections).collect();
    }
    let each = facts(subject, person).into_iter().filter_map(|facts| definitions.potential(Holder::Member(facts)));
    each.map(|potential| potential.sections).collect()
}

/// Returns why the answer is no, or unknown.
#[must_use]
pub fn why_not(subject: &Subject<'_>, email: &Email, question: &Question, now: Timestamp) -> String {
    let Some(person) = subject.person(email) else { return format!("{email} is not a member of {}", subject.key) };
    if let Some(why) = person.withheld(now) {
        let note = withheld(subject, person, why);
        return match why {
            Withheld::Ended(RevocationReason::AccountSuspended) => {
                format!("{email} has no access: the account is suspended")
            }
            Withheld::Ended(RevocationReason::NotApproved) => {
                let account = subject.objects.account.as_ref();
                let parent =
                    account.and_then(|account| account.parent()).map_or_else(String::new, |key| key.to_string());
                format!("{email} has no access: {parent} has not approved the account")
            }
            Withheld::Ended(RevocationReason::Blocked | RevocationReason::Suspended) => format!("{email} is {note}"),
            Withheld::StartsAt(at) => format!("{email} has no access before {}", day(at)),
            Withheld::ExpiredAt(at) => format!("{email} has no access: it expired on {}", day(at)),
        };
    }
    let section = subject.layout.ladders().get(question.section);
    let name = |rank: u8| {
        let level = section.and_then(|ladder| ladder.levels.get(usize::from(rank)));
        level.map_or("?", |level| level.as_str())
    };
    let title = section.map_or("?", |ladder| ladder.section.as_str());
    let only_store = "only the store has this information; pass --store or --sqlite-dir";
    let ranks = match subject.held(person, now) {
        Held::Unknown => {
            let why = in_parentheses(&subject.frozen().unwrap_or_default());
            return format!("account {} keeps what its store holds{why}: {only_store}", subject.key);
        }
        Held::AtMost(ranks) if question.is_met(&ranks) => {
            let faults = in_parentheses(&person.findings.iter().flat_map(doubts).collect::<Vec<_>>().join("; "));
            return format!("{email} has {} or less{faults}: {only_store}", name(question.rank));
        }
        Held::Exactly(ranks) | Held::AtMost(ranks) => ranks,
    };
    let rank = ranks.as_slice().get(question.section).copied().unwrap_or(0);
    let has = if rank == 0 { format!("no access to {title}") } else { format!("only {} of {title}", name(rank)) };
    if let Some(stored) = subject.stored.as_ref().filter(|_| subject.is_by_store(person, now)) {
        return format!("{email} has {has}, as in {}", stored.place);
    }
    // The membership that gives the least decides.
    let least = explanations(subject, person).into_iter().filter_map(|mut all| {
        let index = question.section;
        (index < all.len()).then(|| all.swap_remove(index))
    });
    let rank_of = |one: &Explanation| section.and_then(|ladder| ladder.levels.iter().position(|l| *l == one.level));
    let Some(least) = least.min_by_key(rank_of) else { return format!("{email} has {has}") };
    let fault = person.findings.iter().find(|findings| !findings.is_valid()).map(Findings::message);
    match (least.steps.last(), fault) {
        (_, Some(fault)) => format!("{email} has {has}: {fault}"),
        (Some(_), None) => {
            format!("{email} has {has}: {}", least.steps.iter().map(step).collect::<Vec<_>>().join(", "))
        }
        (None, None) => format!("{email} has {has}: neither the role nor the groups grant it"),
    }
}

/// Returns why the objects do not determine a person's access: faults of a Membership, and an invalid Role or group.
fn doubts(findings: &Findings) -> Vec<String> {
    let held = findings.advice().filter(|advice| matches!(advice.kind, FindingKind::HeldAtMost(_)));
    let faults = Some(findings.message()).filter(|message| !message.is_empty());
    faults.into_iter().chain(held.map(ToString::to_string)).collect()
}

/// Returns the text in parentheses after a space; empty for an empty text.
fn in_parentheses(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(" ({text})") }
}

/// Returns the sentence that an address is not a member of the account. Suggests no other address if a store may still
/// have this one.
pub async fn nobody(loaded: &LoadedObjects, subject: &Subject<'_>, email: &Email) -> String {
    let account = &subject.key;
    if let Some(name) = invitation(subject, email) {
        return format!("{email} is not a member of {account}: Invitation {name} is not accepted");
    }
    let near = closest_address(email.as_str(), subject.people.iter().map(|person| person.email.as_str()));
    let near = near.map(|near| format!("; did you mean {near}?"));
    let left = if subject.stored.is_some() { None } else { loaded.left_in_stores().await };
    let left = left.and_then(|left| left.only(&account.to_string()).warning(email.as_str()));
    let near = strays(loaded, email).or(left).or(near).unwrap_or_default();
    format!("{email} is not a member of {account}{near}{}", blocks(loaded, email))
}

/// Returns the Memberships of an address whose Account does not exist, as the end of a sentence; `None` if there are
/// none.
pub(super) fn strays(loaded: &LoadedObjects, email: &Email) -> Option<String> {
    let missing = loaded.objects.accounts.iter().filter(|(_, entry)| entry.account.is_none());
    let found = missing.flat_map(|(key, entry)| {
        let own = entry.members.values().filter(|member| member.email.as_ref() == Ok(email));
        own.map(move |member| format!("Membership {}/{} names account {key}", key.namespace, member.name))
    });
    let found: Vec<String> = found.collect();
    (!found.is_empty()).then(|| format!("; {}, which does not exist", first_of(&found, 3)))
}

/// Returns which stores block an address, as the end of a sentence.
pub(super) fn blocks(loaded: &LoadedObjects, email: &Email) -> String {
    let stores = loaded.objects.stores.values().filter(|store| store.blocked.contains_key(email));
    let stores: Vec<&str> = stores.map(|store| store.name.as_str()).collect();
    if stores.is_empty() {
        return String::new();
    }
    format!("; blocked by IdentityStore {}", first_of(&stores, 3))
}

/// Returns the Invitation of an address, if there is one.
pub(super) fn invitation<'a>(subject: &Subject<'a>, email: &Email) -> Option<&'a Name> {
    let invited = subject.objects.invitations.values().find(|invitation| invitation.email.as_ref() == Ok(email));
    invited.map(|invitation| &invitation.name)
}

/// Returns a note on the end of a person's access: `expires 2026-12-31`.
#[must_use]
pub fn time_note(person: &Person, now: Timestamp) -> String {
    match person.window.expires_at {
        Some(at) if at > now => format!("expires {}", day(at)),
        _ => String::new(),
    }
}
