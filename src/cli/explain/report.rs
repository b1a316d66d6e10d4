//! Builds the explanation of one person in one account. Called by `roster explain`.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    api::RoleRefKind,
    cli::{
        ask::{Held, Subject, facts, withheld},
        output::API_VERSION,
        people::{Known, Person},
    },
    manifests::of_invited,
    model::{Email, Explanation, Finding, Findings, Grantor, KindName, Name, Ranks, RoleName, Step},
    resolve::{Access, Holder, MemberView},
};

/// Explanation of a person's access, as printed with `-o json`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccessExplanation {
    pub(super) api_version: &'static str,
    pub(super) kind: &'static str,
    /// The account, `namespace/name`.
    pub(super) account: String,
    /// The address, in its canonical form.
    pub(super) user: String,
    /// Name for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) display_name: Option<String>,
    /// Whether the person is the owner.
    pub(super) owner: bool,
    /// Whether the person has any access now; `None` if only the store has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) access: Option<bool>,
    /// Whether the levels are a maximum, and the store may have less.
    pub(super) at_most: bool,
    /// Reason why access is withheld now, regardless of the sections.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) withheld: Option<String>,
    /// Start of access.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub(super) starts_at: Option<Timestamp>,
    /// End of access.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub(super) expires_at: Option<Timestamp>,
    /// Reason why only the store has the levels, or the store that was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) store: Option<String>,
    /// Access by the objects, if the store differs, and why it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) difference: Option<String>,
    /// Sources of access: each Membership, the ownership, each Invitation that is not accepted.
    pub(super) sources: Vec<AccessSource>,
    /// The sections, in the catalog's order.
    pub(super) sections: Vec<SectionAccess>,
}

/// A Membership, the ownership, or an Invitation.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccessSource {
    /// Kind: `Membership`, `Account` (of the owner), `Invitation`.
    #[schemars(with = "String")]
    pub(super) kind: KindName,
    /// Name.
    pub(super) name: String,
    /// The role, the catalog's default included; `custom:` before one of the account's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub(super) role: Option<RoleName>,
    /// The groups.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) groups: Vec<String>,
    /// Restrictions in force.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) restrictions: Vec<String>,
    /// Restrictions lifted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) lifted: Vec<String>,
    /// Faults, as `Reason: message`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) faults: Vec<String>,
    /// Advice.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) advice: Vec<String>,
}

/// Access to one section.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SectionAccess {
    /// Name.
    pub(super) section: String,
    /// Present level; `None` if only the store has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) level: Option<String>,
    /// Whether the level is more than no access.
    pub(super) access: bool,
    /// Level if access were not withheld, or the invitation were accepted; `None` if that is the present level.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) granted: Option<String>,
    /// The chain behind it, by source; the lowest result counts.
    pub(super) chains: Vec<Chain>,
}

/// Result of one source in one section.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Chain {
    /// Name of the source.
    pub(super) source: String,
    /// The level it comes to.
    pub(super) level: String,
    /// Steps that raised and lowered the level, in order; empty if nothing granted it.
    pub(super) steps: Vec<ChainStep>,
    /// Reason why nothing granted it, if a Role removes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) note: Option<String>,
}

/// Kind of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub enum StepKind {
    /// A role or group raised it.
    Granted,
    /// Lifting a restriction made the user equal to the owner.
    EqualToOwner,
    /// A restriction lowered it.
    Capped,
    /// A prerequisite that does not hold lowered it.
    Reduced,
}

/// Step of a chain.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChainStep {
    /// Kind of the step.
    pub(super) step: StepKind,
    /// The level after it.
    pub(super) level: String,
    /// Cause of the step: a role, a group, a restriction, a prerequisite.
    pub(super) by: String,
}

/// Returns the explanation; `None` if the account does not have the person.
pub(super) fn report(
    subject: &Subject<'_>,
    email: &Email,
    only: Option<usize>,
    now: Timestamp,
) -> Option<AccessExplanation> {
    let person = subject.person(email);
    let (sources, chains) = sources(subject, email, person);
    // A member known only to the store has no source, but exists.
    if sources.is_empty() && person.is_none() {
        return None;
    }
    let held =
        person.map_or_else(|| Held::Exactly(Ranks::none(subject.layout.len())), |person| subject.held(person, now));
    let why =
        person.and_then(|person| person.withheld(now)).zip(person).map(|(why, person)| withheld(subject, person, why));
    let by_store = person.filter(|person| subject.is_by_store(person, now)).and(subject.stored.as_ref());
    let only_store = by_store.is_some() && person.is_some_and(|person| person.known != Known::All);
    let store = match (&held, by_store) {
        (_, Some(stored)) => Some(format!("as in {}", stored.place)),
        (Held::Exactly(_), None) => None,
        (Held::AtMost(_), None) => Some("at most this; the store may hold less and keeps what it holds".to_owned()),
        (Held::Unknown, None) => {
            let why = subject.frozen().unwrap_or_default();
            Some(format!("only the store has this information and keeps what it holds: {why}"))
        }
    };
    let sections =
        subject.layout.ladders().iter().enumerate().filter(|(place, _)| only.is_none_or(|one| one == *place));
    let sections = sections.map(|(place, ladder)| {
        let name = |rank: u8| ladder.levels.get(usize::from(rank)).map_or("?", |level| level.as_str()).to_owned();
        let rank = match &held {
            Held::Exactly(ranks) | Held::AtMost(ranks) => ranks.as_slice().get(place).copied(),
            Held::Unknown => None,
        };
        let chains: Vec<Chain> =
            chains.iter().filter_map(|(source, all)| chain(subject, source, all.get(place)?)).collect();
        let rank_of = |chain: &Chain| ladder.levels.iter().position(|level| *level == chain.level);
        let granted = chains.iter().filter_map(rank_of).min().and_then(|rank| u8::try_from(rank).ok());
        let granted = granted.filter(|granted| Some(*granted) != rank && !only_store);
        SectionAccess {
            section: ladder.section.to_string(),
            level: rank.map(name),
            access: rank.is_some_and(|rank| rank > 0),
            granted: granted.map(name),
            chains,
        }
    });
    let sections: Vec<SectionAccess> = sections.collect();
    let content = person.and_then(|person| person.content.as_ref());
    let window = person.map(|person| person.window).unwrap_or_default();
    Some(AccessExplanation {
        api_version: API_VERSION,
        kind: "AccessExplanation",
        account: subject.key.to_string(),
        user: person.map_or(email, |person| &person.email).to_string(),
        display_name: content.and_then(|content| content.display_name.as_deref()).map(ToOwned::to_owned),
        owner: person.is_some_and(|person| person.is_owner),
        access: match &held {
            Held::Exactly(ranks) => Some(!ranks.is_none()),
            Held::AtMost(ranks) => ranks.is_none().then_some(false),
            Held::Unknown => None,
        },
        at_most: matches!(held, Held::AtMost(_)),
        withheld: why,
        starts_at: window.starts_at,
        expires_at: window.expires_at,
        store,
        difference: person.and_then(|person| subject.difference(person, None, now)),
        sources,
        sections,
    })
}

type Chains = Vec<(String, Vec<Explanation>)>;

fn sources(subject: &Subject<'_>, email: &Email, person: Option<&Person>) -> (Vec<AccessSource>, Chains) {
    let definitions = &subject.resolved.definitions;
    let (mut sources, mut chains) = (Vec::new(), Vec::new());
    if person.is_some_and(|person| person.is_owner) {
        let role = definitions.owner_member().and_then(|(_, owner)| match owner.access {
            Access::Exactly(content) => content.role.clone(),
            _ => None,
        });
        let name = subject.key.name.to_string();
        chains.extend(definitions.potential(Holder::Owner).map(|potential| (name.clone(), potential.sections)));
        sources.push(AccessSource { role, ..source(KindName::Account, name, &Findings::default()) });
    }
    let facts = person.map(|person| facts(subject, person)).unwrap_or_default();
    let addresses = subject.objects.addresses();
    let place = addresses.keys().position(|known| *known == email);
    let views: &[MemberView] = place.map_or(&[], |place| subject.resolved.members[place].views.as_slice());
    for (facts, view) in std::iter::zip(facts, views) {
        let names = |names: &[Name]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let role = facts.role_name().or_else(|| definitions.default_role());
        sources.push(AccessSource {
            role,
            groups: names(&facts.groups),
            restrictions: names(&view.restrictions),
            lifted: names(&facts.lift),
            ..source(KindName::Membership, facts.name.to_string(), &view.findings)
        });
        if !person.is_some_and(|person| person.is_owner) {
            let potential = definitions.potential(Holder::Member(facts));
            chains.extend(potential.map(|potential| (facts.name.to_string(), potential.sections)));
        }
    }
    let invitations = subject.objects.invitations.values().filter(|one| one.email.as_ref() == Ok(email));
    for invitation in invitations.filter(|one| !one.accepted) {
        let findings = definitions.invitation(invitation, of_invited(&addresses, invitation));
        let names = |names: &[Name]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        sources.push(AccessSource {
            role: invitation.role.as_ref().map(RoleName::from),
            groups: names(&invitation.groups),
            restrictions: names(&invitation.apply),
            lifted: names(&invitation.lift),
            ..source(KindName::Invitation, invitation.name.to_string(), &findings)
        });
        if person.is_none_or(|person| !person.is_declared()) {
            let potential = definitions.potential(Holder::Invited(invitation));
            chains.extend(potential.map(|potential| (invitation.name.to_string(), potential.sections)));
        }
    }
    (sources, chains)
}

fn source(kind: KindName, name: String, findings: &Findings) -> AccessSource {
    let fault = |finding: &Finding| finding.reason().map(|reason| format!("{reason}: {finding}"));
    let faults = findings.iter().filter_map(fault).collect();
    let advice = findings.advice().map(ToString::to_string).collect();
    let (groups, restrictions, lifted) = (Vec::new(), Vec::new(), Vec::new());
    AccessSource { kind, name, role: None, groups, restrictions, lifted, faults, advice }
}

fn chain(subject: &Subject<'_>, source: &str, explanation: &Explanation) -> Option<Chain> {
    let catalog = subject.catalog.as_ref()?;
    let place = catalog.section(&explanation.section)?;
    let steps = explanation.steps.iter().map(|step| {
        let (kind, level, by) = match step {
            Step::Granted { by, level } => (StepKind::Granted, level, grantor(subject, by, place, level)),
            Step::EqualToOwner { restriction, level } => {
                (StepKind::EqualToOwner, level, format!("{restriction} is lifted"))
            }
            Step::Capped { restriction, level } => (StepKind::Capped, level, format!("restriction {restriction}")),
            Step::Reduced { needs, at, level } => (StepKind::Reduced, level, format!("{needs} is below {at}")),
        };
        ChainStep { step: kind, level: level.to_string(), by }
    });
    let steps: Vec<ChainStep> = steps.collect();
    let note = if steps.is_empty() { taken(subject, source, place) } else { None };
    Some(Chain { source: source.to_owned(), level: explanation.level.to_string(), steps, note })
}

/// Returns the note on a Role that removes a section from the predefined role of a membership.
fn taken(subject: &Subject<'_>, membership: &str, section: usize) -> Option<String> {
    let facts = subject.objects.members.get(membership)?;
    let role = subject.resolved.definitions.role_of(facts).filter(|role| role.kind == RoleRefKind::PredefinedRole)?;
    let (object, default) = changed(subject, &role.name, section)?;
    Some(format!("nothing: Role {object} removes it from role {} (default {default})", role.name))
}

/// Returns the Role that changes a predefined role in a section, and the catalog's level.
fn changed<'a>(subject: &'a Subject<'_>, role: &str, section: usize) -> Option<(&'a Name, &'a str)> {
    let section = subject.catalog.as_ref()?.section_name(section);
    let mut roles = subject.resolved.definitions.roles.iter();
    roles.find_map(|(object, resolved)| {
        let mut changes = resolved.changes_from_default.iter().filter(|_| resolved.overrides.as_deref() == Some(role));
        changes.find(|change| change.section == section).map(|change| (object, change.default.as_str()))
    })
}

/// Returns the role or group, and where it has the level from.
fn grantor(subject: &Subject<'_>, by: &Grantor, section: usize, level: &str) -> String {
    let definitions = &subject.resolved.definitions;
    let Some(catalog) = &subject.catalog else { return by.to_string() };
    let rank = catalog.rank(section, level).unwrap_or(0);
    match by {
        Grantor::Group(name) => {
            let group = subject.objects.groups.get(name);
            let role = group.and_then(|group| definitions.through(group, section, rank));
            role.map_or_else(
                || by.to_string(),
                |role| match role.kind {
                    RoleRefKind::PredefinedRole => format!("{by}, which has role {}", role.name),
                    RoleRefKind::Role => format!("{by}, which has custom role {}", role.name),
                },
            )
        }
        Grantor::PredefinedRole(name) | Grantor::Owner(name) => {
            let changed = changed(subject, name, section);
            changed.map_or_else(
                || by.to_string(),
                |(object, default)| format!("{by}, as Role {object} changes it (default {default})"),
            )
        }
        Grantor::Role(_) => by.to_string(),
    }
}
