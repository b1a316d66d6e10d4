//! Judges one change of one object by one actor. The front door of `authority`.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{
    Actor, Ceiling, Change, Overlay, Subject, Verdict, Violation,
    actions::{Needed, needed},
    actor::Holdings,
    administrators, rise,
    rise::Comparison,
    separation,
    view::View,
};
use crate::{
    api::{AccountType, AdministrationAction as Action, AdministrationRule, HeldBy},
    model::{AccountKey, Email, Name, PredefinedRole, Ranks, Scope},
    resolve::EffectiveCatalog,
    state::SnapshotSource,
};

/// Judges a change: which rules it breaks for this actor, and what people gain and lose. `source` has the objects
/// before the change.
#[must_use]
pub fn judge_change<S: SnapshotSource>(source: &S, change: &Change, actor: &Actor, now: Timestamp) -> Verdict {
    let mut verdict = match (change, change.account()) {
        (Change::Account(key, edit), _) => {
            let violations = administrators::of_account_change(source, key, edit, actor, now);
            Verdict { violations, ..Verdict::default() }
        }
        (_, Some(key)) => in_account(source, key, change, actor, now),
        (_, None) => Verdict { violations: administrators::of_cluster(actor), ..Verdict::default() },
    };
    if matches!(actor, Actor::Pipeline(_)) {
        // Whatever a pipeline takes away takes effect, so that one refused object does not keep the others back.
        verdict.violations.retain(Violation::widens);
    }
    verdict
}

/// Judges a change of a Membership, Invitation, Role or group.
fn in_account<S: SnapshotSource>(
    source: &S,
    key: &AccountKey,
    change: &Change,
    actor: &Actor,
    now: Timestamp,
) -> Verdict {
    let overlay = Overlay::new(source, change);
    let (before, after) = (View::of(source, key), View::of(&overlay, key));
    let exists = before.is_some();
    let resolved = match (&before, &after) {
        (Some(before), Some(after)) if before.whole().is_some() && after.whole().is_some() => Some((before, after)),
        _ => None,
    };
    let Some((before, after)) = resolved else {
        let widens = !View::<S>::narrows_unresolved(change);
        let unknown = Violation::NotJudgeable { account: key.clone(), exists, widens };
        let is_judged = matches!(actor, Actor::Administrator);
        return Verdict { violations: if is_judged { Vec::new() } else { vec![unknown] }, ..Verdict::default() };
    };
    let comparison = rise::compare(change, before, after);
    let mut violations = match actor {
        Actor::Administrator => Vec::new(),
        Actor::Pipeline(roles) => {
            let ceiling = pipeline_ceiling(after, roles);
            let mut violations: Vec<Violation> = more_than_held(&comparison, &ceiling, None).into_iter().collect();
            violations.extend(reserved(change));
            violations.extend(lift_beside_restrictions(change, after));
            violations
        }
        Actor::Member(email) => by_member(source, change, (before, after), &comparison, email, now),
    };
    violations.extend(separation::violations(&change.scope(), before, after));
    Verdict { violations, effects: comparison.effects() }
}

/// Returns the most that a pipeline may grant: what its roles grant by default, whatever an account makes of them.
fn pipeline_ceiling<S: SnapshotSource>(view: &View<'_, S>, roles: &BTreeSet<Name>) -> Ceiling {
    let Some(whole) = view.whole() else { return Ceiling::Ranks(Ranks::default()) };
    let mut most = whole.catalog.no_access();
    let granted = |role: &&PredefinedRole| role.held_by == HeldBy::Members && roles.contains(&role.name);
    for role in whole.catalog.roles.iter().filter(granted) {
        most.raise_to(role.ranks.as_slice());
    }
    Ceiling::Ranks(most)
}

fn by_member<S: SnapshotSource, T: SnapshotSource>(
    source: &S,
    change: &Change,
    (before, after): (&View<'_, S>, &View<'_, T>),
    comparison: &Comparison,
    actor: &Email,
    now: Timestamp,
) -> Vec<Violation> {
    let own = Holdings::of(before, actor, now);
    let parent = Parent::of(source, before, actor, now);
    let ceiling = member_ceiling(before, &own, parent.as_ref());
    let widens = !comparison.only_narrows();
    let mut violations: Vec<Violation> = owner(change, before).into_iter().chain(reserved(change)).collect();
    let is_managed = before.prepared().definitions.account_type == AccountType::Managed;
    for needed in needed(change, actor) {
        violations.extend(may(needed, is_managed, before, &own, parent.as_ref(), actor, widens));
    }
    violations.extend(more_than_held(comparison, &ceiling, Some(actor)));
    if comparison.rises.contains_key(&Subject::Person(actor.clone())) {
        violations.push(Violation::OwnAccess { actor: actor.clone() });
    }
    violations.extend(holds_more(change, before, comparison, &ceiling, actor));
    violations.extend(lift_beside_restrictions(change, after));
    violations
}

/// What an actor holds in the account that manages another one.
struct Parent<'a, S> {
    view: View<'a, S>,
    holdings: Holdings,
}

impl<'a, S: SnapshotSource> Parent<'a, S> {
    /// Returns what an actor holds in the parent of an account; `None` if it has no parent.
    fn of(source: &'a S, child: &View<'_, S>, actor: &Email, now: Timestamp) -> Option<Self> {
        let view = View::of(source, &child.snapshot.account.parent()?)?;
        let holdings = Holdings::of(&view, actor, now);
        Some(Self { view, holdings })
    }
}

/// Returns the most that a member may grant in an account: what they hold there, and in its parent. Across catalogs it
/// is what the roles grant that the parent names as grantable.
fn member_ceiling<S: SnapshotSource>(view: &View<'_, S>, own: &Holdings, parent: Option<&Parent<'_, S>>) -> Ceiling {
    let Some(whole) = view.whole() else { return Ceiling::Ranks(Ranks::default()) };
    let mut most = own.ranks.clone().fitted(whole.catalog.layout.len());
    if let Some(parent) = parent.filter(|parent| !parent.holdings.ranks.is_none()) {
        let theirs = &parent.view.snapshot.account.spec;
        if theirs.catalog_ref == view.snapshot.account.spec.catalog_ref {
            most.raise_to(whole.catalog.layout.translate(&parent.holdings.ranks, &parent.holdings.layout).as_slice());
        } else {
            let grantable = theirs.managed_accounts.iter().flat_map(|managed| &managed.grantable);
            for place in grantable.filter_map(|role| whole.catalog.role(role)) {
                if whole.catalog.roles[place].held_by == HeldBy::Members {
                    most.raise_to(whole.catalog.roles[place].ranks.as_slice());
                }
            }
        }
    }
    Ceiling::Ranks(most)
}

/// Checks one action. In a managed account, adding people and assigning roles is decided in the parent.
fn may<S: SnapshotSource>(
    (field, action): Needed,
    is_managed: bool,
    view: &View<'_, S>,
    own: &Holdings,
    parent: Option<&Parent<'_, S>>,
    actor: &Email,
    widens: bool,
) -> Option<Violation> {
    let in_parent = match action {
        Action::CreateMembers | Action::Invite => Some(Action::OnboardManagedUsers),
        Action::AssignRoles => Some(Action::AssignManagedRoles),
        _ => None,
    };
    match (in_parent.filter(|_| is_managed), parent) {
        (Some(action), Some(parent)) => permit(&Permit {
            field,
            action,
            account: parent.view.key(),
            catalog: parent.view.whole(),
            holdings: &parent.holdings,
            actor,
            widens,
        }),
        _ => {
            let permitted = |action| {
                let (account, catalog) = (view.key(), view.whole());
                permit(&Permit { field, action, account, catalog, holdings: own, actor, widens })
            };
            match action {
                // Whoever may change all members may change themselves.
                Action::EditOwnDetails => {
                    permitted(action).and_then(|refused| permitted(Action::EditMembers).map(|_| refused))
                }
                _ => permitted(action),
            }
        }
    }
}

/// Question whether an actor holds what a catalog demands for an action.
pub(super) struct Permit<'a> {
    pub(super) field: &'static str,
    pub(super) action: Action,
    pub(super) account: &'a AccountKey,
    /// Catalog of the account in which the actor must hold it; `None` if that does not resolve.
    pub(super) catalog: Option<&'a EffectiveCatalog>,
    pub(super) holdings: &'a Holdings,
    pub(super) actor: &'a Email,
    pub(super) widens: bool,
}

/// Returns the violation if the actor lacks what the catalog demands. Without a rule, an action is for administrators.
pub(super) fn permit(asked: &Permit<'_>) -> Option<Violation> {
    let rule =
        asked.catalog.and_then(|whole| whole.facts.spec.administration.iter().find(|rule| rule.action == asked.action));
    let is_met = rule.is_some_and(|rule| asked.catalog.is_some_and(|whole| is_met(rule, whole, asked.holdings)));
    (!is_met).then(|| Violation::ActionNotAllowed {
        field: asked.field,
        action: asked.action,
        account: asked.account.clone(),
        rule: rule.cloned(),
        actor: asked.actor.clone(),
        widens: asked.widens,
    })
}

fn is_met(rule: &AdministrationRule, whole: &EffectiveCatalog, holdings: &Holdings) -> bool {
    if let (Some(section), Some(level)) = (&rule.section, &rule.level) {
        let Some(section) = whole.catalog.section(section) else { return false };
        return whole.catalog.rank(section, level).is_some_and(|rank| rank > 0 && holdings.rank(section) >= rank);
    }
    rule.roles.iter().any(|role| holdings.roles.contains(role.as_str()))
}

/// Returns the violation if the change gives somebody more than a ceiling: the first section in which it does, and who
/// gets how much there. An actor who would raise themselves is told so instead.
fn more_than_held(comparison: &Comparison, ceiling: &Ceiling, actor: Option<&Email>) -> Option<Violation> {
    let is_other = |subject: &Subject| !matches!(subject, Subject::Person(person) if Some(person) == actor);
    let rises: Vec<(&Subject, &Ranks)> = comparison.rises.iter().filter(|(subject, _)| is_other(subject)).collect();
    let beyond = |section: usize, ranks: &Ranks| {
        let rank = ranks.as_slice().get(section).copied().unwrap_or(0);
        ceiling.rank(section).is_some_and(|most| rank > most).then_some(rank)
    };
    let ladders = comparison.layout.ladders().iter().enumerate();
    let mut exceeded = ladders.filter_map(|(section, ladder)| {
        let highest = rises.iter().filter_map(|(_, ranks)| beyond(section, ranks)).max()?;
        Some((section, ladder, highest))
    });
    let (section, ladder, highest) = exceeded.next()?;
    let gets =
        |(subject, ranks): &(&Subject, &Ranks)| (beyond(section, ranks) == Some(highest)).then(|| (*subject).clone());
    let level = |rank: u8| ladder.levels.get(usize::from(rank)).cloned().unwrap_or_default();
    Some(Violation::MoreThanHeld {
        subjects: rises.iter().filter_map(gets).collect(),
        section: ladder.section.clone(),
        level: level(highest),
        most: level(ceiling.rank(section).unwrap_or(0)),
        others: exceeded.count(),
        actor: actor.cloned(),
    })
}

/// Returns the violation if the change takes something from, or changes, somebody who holds more than the actor.
fn holds_more<S: SnapshotSource>(
    change: &Change,
    before: &View<'_, S>,
    comparison: &Comparison,
    ceiling: &Ceiling,
    actor: &Email,
) -> Option<Violation> {
    let is_above = |email: &Email, ranks: &Ranks| email != actor && !ceiling.includes(ranks);
    let concerned: Vec<(Email, Ranks)> = match change.scope() {
        // Whatever is changed about a Membership concerns its person.
        scope @ Scope::Members(_) => {
            before.potentials(&scope).into_iter().map(|(email, held)| (email, held.ranks)).collect()
        }
        Scope::Account => comparison.losers().map(|(email, ranks)| (email.clone(), ranks.clone())).collect(),
    };
    let above: Vec<(Email, Ranks)> = concerned.into_iter().filter(|(email, ranks)| is_above(email, ranks)).collect();
    let (_, ranks) = above.first()?;
    let whole = before.whole()?;
    let (section, rank) = ranks
        .as_slice()
        .iter()
        .enumerate()
        .find(|(section, rank)| ceiling.rank(*section).is_some_and(|most| **rank > most))?;
    let (section_name, level) =
        (whole.catalog.section_name(section).into(), whole.catalog.level(section, *rank).into());
    let people = above.into_iter().map(|(email, _)| email).collect();
    Some(Violation::HoldsMore { people, section: section_name, level, actor: actor.clone() })
}

/// Returns the violation if somebody makes a Membership of, or an Invitation to, the owner.
fn owner<S: SnapshotSource>(change: &Change, before: &View<'_, S>) -> Option<Violation> {
    let owner = before.owner()?;
    let (field, email) = match change {
        Change::Membership(_, edit) => ("spec.user.email", edit.after.as_ref()?.email.as_ref().ok()?),
        Change::Invitation(_, edit) => ("spec.email", edit.after.as_ref()?.email.as_ref().ok()?),
        _ => return None,
    };
    (email == owner).then(|| Violation::Owner { field, owner: owner.clone() })
}

/// Returns the fields of a Membership that only administrators change: they bind an address to a person in the store,
/// or let a Membership pass for an accepted Invitation.
fn reserved(change: &Change) -> Vec<Violation> {
    let Change::Membership(_, edit) = change else { return Vec::new() };
    let Some(after) = edit.after.as_deref() else { return Vec::new() };
    let before = edit.before.as_deref();
    let differs = [
        ("spec.user.externalId", before.and_then(|facts| facts.external_id.as_ref()) != after.external_id.as_ref()),
        ("spec.invitationRef", before.and_then(|facts| facts.invitation.as_ref()) != after.invitation.as_ref()),
    ];
    let fields = differs.into_iter().filter(|(_, differs)| *differs).map(|(field, _)| field.to_owned());
    fields.map(|field| Violation::OnlyAdministrators { field, widens: true }).collect()
}

/// Returns the violation if a Membership or Invitation lifts what makes equal to the owner, and applies something else.
fn lift_beside_restrictions<S: SnapshotSource>(change: &Change, after: &View<'_, S>) -> Option<Violation> {
    let (lift, apply) = match change {
        Change::Membership(_, edit) => {
            let facts = edit.after.as_deref()?;
            (&*facts.lift, &*facts.apply)
        }
        Change::Invitation(_, edit) => {
            let facts = edit.after.as_deref()?;
            (facts.lift.as_slice(), facts.apply.as_slice())
        }
        _ => return None,
    };
    let catalog = &after.whole()?.catalog;
    let equals = |name: &&Name| {
        let place = catalog.restriction(name);
        place.is_some_and(|place| catalog.restrictions[place].grants_owner_access)
    };
    let lifted = lift.iter().find(equals).filter(|_| !apply.is_empty())?;
    Some(Violation::LiftBesideRestrictions { lifted: lifted.clone(), applied: apply.to_vec() })
}
