//! One account: what its objects say, what its store holds, and what differs.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{
    Setting, changes,
    report::{AccountReview, Counts, Ended, Expiring, Flag, Lifted, Override, PersonLine, Said, Strong},
    stored::{self, Stores},
    strength::{Strength, at_top},
};
use crate::{
    cli::people::{Known, Person, Withheld, people},
    evaluate::Judged,
    manifests::{AccountObjects, of_invited},
    model::{AccountKey, FindingKind, Findings, Ranks, RoleName, Step},
    resolve::{Definitions, Holder, Outlook},
    state::MemberFacts,
};

/// Reviews one account; nothing where there is no such Account.
pub async fn review(setting: &Setting<'_>, stores: &mut Stores, key: &AccountKey) -> Option<AccountReview> {
    let loaded = setting.loaded;
    let entry = loaded.objects.accounts.get(key)?;
    let account = entry.account.as_ref()?;
    let resolved = loaded.judge(key, setting.now)?;
    let everybody = people(&resolved, entry);
    let sections = match &resolved.definitions.outlook {
        Outlook::Whole(whole) => whole.catalog.layout.len(),
        Outlook::Unresolvable => 0,
    };
    let mut review = AccountReview {
        account: key.to_string(),
        display_name: account.spec.display_name.clone().unwrap_or_else(|| account.name.to_string()),
        catalog: account.spec.catalog_ref.name.clone(),
        counts: Counts {
            people: everybody.len(),
            with_access: everybody.iter().filter(|person| has_access(person, setting.now, sections)).count(),
            roles: entry.roles.len(),
            groups: entry.groups.len(),
            invitations: entry.invitations.len(),
        },
        overrides: overrides(&resolved.definitions, entry),
        lifted: lifted(&resolved.definitions, entry),
        expiring: expiring(entry, setting),
        ended: ended(&everybody),
        changes: setting.earlier.map(|earlier| changes::between(earlier, loaded, key, setting.now)),
        ..AccountReview::default()
    };
    findings(&resolved, entry, &everybody, &mut review);
    strongest(&resolved.definitions, &everybody, setting.now, &mut review);
    review.people = everybody.iter().map(|person| line(person, &resolved.definitions, &review, setting.now)).collect();
    stored::add(setting, stores, key, &mut review).await;
    Some(review)
}

fn has_access(person: &Person, now: Timestamp, sections: usize) -> bool {
    person.ranks(now, sections).is_some_and(|ranks| !ranks.is_none())
}

fn overrides(definitions: &Definitions, entry: &AccountObjects) -> Vec<Override> {
    let refs = entry.role_refs();
    let found = definitions.roles.iter().filter_map(|(name, role)| {
        let overrides = role.overrides.as_ref()?;
        Some(Override {
            role: name.to_string(),
            overrides: overrides.to_string(),
            members: definitions.holders(&RoleName::predefined(overrides), &refs),
            changes: role.changes_from_default.clone(),
        })
    });
    found.collect()
}

fn lifted(definitions: &Definitions, entry: &AccountObjects) -> Vec<Lifted> {
    let lifting = entry.members.values().filter(|facts| !facts.lift.is_empty());
    let found = lifting.filter_map(|facts| {
        Some(Lifted {
            email: facts.email.as_ref().ok()?.to_string(),
            membership: facts.name.to_string(),
            restrictions: facts.lift.iter().map(ToString::to_string).collect(),
            equal_to_owner: is_equal_to_owner(definitions, facts),
        })
    });
    found.collect()
}

fn is_equal_to_owner(definitions: &Definitions, facts: &MemberFacts) -> bool {
    let potential = definitions.potential(Holder::Member(facts));
    let sections = potential.map(|potential| potential.sections).unwrap_or_default();
    sections.iter().flat_map(|one| &one.steps).any(|step| matches!(step, Step::EqualToOwner { .. }))
}

fn expiring(entry: &AccountObjects, setting: &Setting<'_>) -> Vec<Expiring> {
    let found = entry.members.values().filter_map(|facts| {
        let expires_at = facts.expires_at?;
        (expires_at <= setting.now + setting.within).then(|| Expiring {
            email: facts.email.as_ref().map_or_else(|_| String::new(), ToString::to_string),
            membership: facts.name.to_string(),
            expires_at,
            expired: expires_at <= setting.now,
        })
    });
    let mut found: Vec<Expiring> = found.collect();
    found.sort_by(|one, other| (one.expires_at, &one.email).cmp(&(other.expires_at, &other.email)));
    found
}

fn ended(everybody: &[Person]) -> Vec<Ended> {
    let end = |person: &Person| match (person.known, &person.content) {
        (Known::Ended(end), _) => Some(end),
        (_, Some(content)) => content.ended,
        _ => None,
    };
    let ended = |person: &Person| {
        let (email, reason) = (person.email.to_string(), end(person)?);
        Some(Ended { email, reason, in_store_only: false, since: None })
    };
    everybody.iter().filter_map(ended).collect()
}

/// Advice that is not followed, and what is not valid.
fn findings(resolved: &Judged, entry: &AccountObjects, everybody: &[Person], review: &mut AccountReview) {
    let definitions = &resolved.definitions;
    let mut say = |object: String, findings: &Findings| {
        if let Some(reason) = findings.reason() {
            let (reason, message) = (Some(reason), findings.message());
            review.invalid.push(Said { object: object.clone(), reason, message });
        }
        // Whose time ends soon, or has ended, has a section of their own.
        let is_of_time = |kind: &FindingKind| matches!(kind, FindingKind::ExpiresSoon(_) | FindingKind::HasExpired(_));
        for advice in findings.advice().filter(|advice| !is_of_time(&advice.kind)) {
            review.advice.push(Said { object: object.clone(), reason: None, message: advice.to_string() });
        }
    };
    if let Some(account) = &entry.account {
        let findings = definitions.account_findings(account, &entry.role_refs());
        say(format!("Account {}", account.name), &findings);
    }
    for name in entry.roles.keys() {
        say(format!("Role {name}"), &definitions.role_findings(name));
    }
    for name in entry.groups.keys() {
        say(format!("UserGroup {name}"), &definitions.group_findings(name));
    }
    for person in everybody {
        for (name, findings) in std::iter::zip(&person.memberships, &person.findings) {
            say(format!("Membership {name}"), findings);
        }
    }
    for facts in entry.members.values().filter(|facts| facts.email.is_err()) {
        say(format!("Membership {}", facts.name), &definitions.unaddressed(facts).findings);
    }
    let addresses = entry.addresses();
    for invitation in entry.invitations.values() {
        let findings = definitions.invitation(invitation, of_invited(&addresses, invitation));
        say(format!("Invitation {}", invitation.name), &findings);
    }
}

/// What somebody may do now, or would if nothing withheld it.
fn potential(person: &Person) -> Ranks {
    person.content.as_ref().map(|content| content.ranks.clone()).unwrap_or_default()
}

fn strongest(definitions: &Definitions, everybody: &[Person], now: Timestamp, review: &mut AccountReview) {
    let Outlook::Whole(whole) = &definitions.outlook else { return };
    let equals: BTreeSet<&str> =
        review.lifted.iter().filter(|lifted| lifted.equal_to_owner).map(|lifted| lifted.email.as_str()).collect();
    let sections = whole.catalog.layout.len();
    let others = everybody.iter().filter(|person| !person.is_owner && !equals.contains(person.email.as_str()));
    let held: Vec<Ranks> = others.map(potential).collect();
    let Some(strength) = Strength::new(definitions, held.iter()) else { return };
    let found = everybody.iter().filter_map(|person| {
        let ranks = potential(person);
        let why = strength.why(person, equals.contains(person.email.as_str()), &ranks);
        (!why.is_empty()).then(|| Strong {
            email: person.email.to_string(),
            role: role(person),
            why,
            sections_at_top: person.ranks(now, sections).map_or(0, |ranks| at_top(&whole.catalog, &ranks)),
            sections,
            withheld: person.withheld(now).map(withheld),
        })
    });
    let mut found: Vec<Strong> = found.collect();
    found.sort_by(|one, other| other.sections_at_top.cmp(&one.sections_at_top).then(one.email.cmp(&other.email)));
    review.strongest = found;
}

fn role(person: &Person) -> String {
    let role = person.content.as_ref().and_then(|content| content.role.as_ref());
    role.map_or_else(String::new, ToString::to_string)
}

fn withheld(withheld: Withheld) -> String {
    match withheld {
        Withheld::Ended(end) => end.as_str().to_owned(),
        Withheld::StartsAt(at) => format!("starts {at}"),
        Withheld::ExpiredAt(at) => format!("expired {at}"),
    }
}

fn line(person: &Person, definitions: &Definitions, review: &AccountReview, now: Timestamp) -> PersonLine {
    let ranks = match &definitions.outlook {
        Outlook::Whole(whole) => person.ranks(now, whole.catalog.layout.len()).map(|ranks| (&whole.catalog, ranks)),
        Outlook::Unresolvable => None,
    };
    let email = person.email.as_str();
    let is = |holds: bool, flag: Flag| holds.then_some(flag);
    let withheld = person.withheld(now);
    let flags = [
        is(person.is_owner, Flag::Owner),
        is(review.lifted.iter().any(|one| one.equal_to_owner && one.email == email), Flag::EqualToOwner),
        is(review.strongest.iter().any(|one| one.email == email), Flag::Strong),
        review.ended.iter().find(|one| one.email == email).map(|one| Flag::Ended(one.reason)),
        is(matches!(withheld, Some(Withheld::ExpiredAt(_))), Flag::Expired),
        is(review.expiring.iter().any(|one| !one.expired && one.email == email), Flag::ExpiresSoon),
        is(matches!(withheld, Some(Withheld::StartsAt(_))), Flag::NotStarted),
        is(person.findings.iter().any(|findings| !findings.is_valid()), Flag::Invalid),
        is(matches!(person.known, Known::OnlyStore), Flag::KnownToStoreOnly),
        is(matches!(person.known, Known::AtMost), Flag::AtMostAsStored),
    ];
    let content = person.content.as_ref();
    PersonLine {
        email: email.to_owned(),
        display_name: content.and_then(|content| content.display_name.as_deref()).unwrap_or_default().to_owned(),
        role: role(person),
        groups: content.map(|content| content.groups.iter().map(ToString::to_string).collect()).unwrap_or_default(),
        sections_with_access: ranks
            .as_ref()
            .map(|(_, ranks)| ranks.as_slice().iter().filter(|rank| **rank > 0).count()),
        sections_at_top: ranks.as_ref().map(|(catalog, ranks)| at_top(catalog, ranks)),
        flags: flags.into_iter().flatten().collect(),
    }
}
