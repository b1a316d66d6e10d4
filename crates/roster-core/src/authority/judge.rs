//! Judges one change of one object by one actor. The front door of `authority`.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{
    Actor, Change, Overlay, Subject, Verdict, Violation,
    actions::{Needed, needed},
    actor::Holdings,
    administrators,
    permit::{Permit, is_met, is_permitted, permit, rules_naming},
    rise::{self, Comparison},
    separation,
    view::{Potential, Side, View},
};
use crate::{
    api::{AccountType, AdministrationAction as Action, AdministrationRule, HeldBy},
    evaluate::Prepared,
    model::{AccountKey, Email, Name, PredefinedRole, Ranks, RoleName, Scope},
    resolve::EffectiveCatalog,
    state::{AccountFacts, InvitationFacts, MemberFacts, Snapshot, SnapshotSource},
};

/// Judges a change: which rules it breaks for this actor, and what people gain and lose. `source` has the objects
/// before the change.
#[must_use]
pub fn judge_change<S: SnapshotSource>(source: &S, change: &Change, actor: &Actor, now: Timestamp) -> Verdict {
    judge_prepared(source, change, actor, now, None)
}

/// Judges like [`judge_change`]. `prepared` has the definitions of the change's account, if they are resolved already.
pub(super) fn judge_prepared<S: SnapshotSource>(
    source: &S,
    change: &Change,
    actor: &Actor,
    now: Timestamp,
    prepared: Option<&Prepared>,
) -> Verdict {
    if change.is_unchanged() {
        return Verdict::default();
    }
    if let Actor::Unknown(user) = actor {
        // What people hold is none of their business, and working it out would be theirs to ask for.
        return Verdict { violations: vec![Violation::UnknownActor { user: user.clone() }], effects: Vec::new() };
    }
    let mut verdict = match (change, change.account()) {
        (Change::Account(key, edit), _) => {
            let violations = administrators::of_account_change(source, key, edit, actor, now);
            with_effects(source, change, violations, now)
        }
        (_, Some(key)) => in_account(source, key, change, actor, now, prepared),
        (_, None) => with_effects(source, change, administrators::of_cluster(actor), now),
    };
    if matches!(actor, Actor::Pipeline(_)) {
        // Whatever a pipeline takes away takes effect, so that one refused object does not keep the others back.
        verdict.violations.retain(Violation::widens);
    }
    verdict
}

/// Adds what a change of an Account, catalog or store does to people, in every account that it concerns. Accounts that
/// do not resolve, before or after it, keep what their store has.
fn with_effects<S: SnapshotSource>(
    source: &S,
    change: &Change,
    mut violations: Vec<Violation>,
    now: Timestamp,
) -> Verdict {
    let overlay = Overlay::new(source, change);
    let mut effects = Vec::new();
    let concerned = |key: &&AccountKey| change.account().is_none_or(|account| account == *key);
    let refers = |snapshot: &Snapshot| match change {
        Change::Catalog(edit) => {
            edit.latest().is_some_and(|facts| snapshot.account.spec.catalog_ref.name == *facts.name)
        }
        Change::Store(edit) => edit.latest().is_some_and(|facts| snapshot.account.spec.store_ref.name == *facts.name),
        // With other references, the source does not say what the account would resolve to.
        Change::Account(_, edit) => edit.both().is_none_or(|((before, _), (after, _))| {
            let references = |facts: &AccountFacts| {
                (facts.spec.catalog_ref.clone(), facts.spec.store_ref.clone(), facts.spec.parent_ref.clone())
            };
            references(before) == references(after)
        }),
        _ => false,
    };
    for key in source.accounts().filter(concerned) {
        let Some(before) = View::of(source, key).filter(|view| refers(&view.snapshot)) else { continue };
        let after = View::of(&overlay, key);
        match (before.whole(), after.as_ref().map(|after| (after, after.whole()))) {
            (Some(_), Some((after, Some(whole)))) => {
                let comparison = rise::compare(change, &before, after, now);
                violations.extend(separation::violations(whole, &comparison.before, &comparison.after));
                effects.extend(comparison.effects());
            }
            (Some(_), None) => effects.extend(rise::lost(&before)),
            _ => {}
        }
    }
    Verdict { violations, effects }
}

/// Judges a change of a Membership, Invitation, Role or group.
fn in_account<S: SnapshotSource>(
    source: &S,
    key: &AccountKey,
    change: &Change,
    actor: &Actor,
    now: Timestamp,
    prepared: Option<&Prepared>,
) -> Verdict {
    let overlay = Overlay::new(source, change);
    // A Membership is no definition.
    let prepared = prepared.filter(|_| matches!(change, Change::Membership(..)));
    let (before, after) = match prepared {
        Some(prepared) => (View::with(source, key, prepared), View::with(&overlay, key, prepared)),
        None => (View::of(source, key), View::of(&overlay, key)),
    };
    let exists = before.is_some();
    let resolved = match (&before, &after) {
        (Some(before), Some(after)) => {
            after.whole().filter(|_| before.whole().is_some()).map(|whole| (before, after, whole))
        }
        _ => None,
    };
    let Some((before, after, whole)) = resolved else {
        let widens = !rise::narrows_unresolved(source, change, now);
        let unknown = Violation::NotJudgeable { account: key.clone(), exists, widens };
        let is_administrator = matches!(actor, Actor::Administrator);
        return Verdict { violations: if is_administrator { Vec::new() } else { vec![unknown] }, ..Verdict::default() };
    };
    let comparison = rise::compare(change, before, after, now);
    let mut violations = match actor {
        Actor::Administrator | Actor::Unknown(_) => Vec::new(),
        Actor::Pipeline(roles) => {
            let exceeded = more_than_held(&comparison, &pipeline_ceiling(whole, roles), None);
            let roles = role_not_held(&comparison, whole, roles, None);
            exceeded.into_iter().chain(roles).chain(for_all_but_administrators(change, before, after)).collect()
        }
        Actor::Member(email) => by_member(source, change, (before, after, whole), &comparison, email, now),
    };
    violations.extend(separation::violations(whole, &comparison.before, &comparison.after));
    Verdict { violations, effects: comparison.effects() }
}

/// Returns the rules that hold for members and pipelines alike.
fn for_all_but_administrators<S: SnapshotSource, T: SnapshotSource>(
    change: &Change,
    before: &View<'_, S>,
    after: &View<'_, T>,
) -> Vec<Violation> {
    let (known, promised) = (before.promises(change, Side::Before), after.promises(change, Side::After));
    let promises = promised.difference(&known).map(|fault| Violation::Promise { fault: fault.clone() });
    reserved(change).into_iter().chain(lift_beside_restrictions(change, after)).chain(promises).collect()
}

/// Returns the most that a pipeline may grant: what its roles grant by default, whatever an account makes of them.
fn pipeline_ceiling(whole: &EffectiveCatalog, roles: &BTreeSet<Name>) -> Ranks {
    let mut most = whole.catalog.no_access();
    let granted = |role: &&PredefinedRole| role.held_by == HeldBy::Members && roles.contains(&role.name);
    for role in whole.catalog.roles.iter().filter(granted) {
        most.raise_to(role.ranks.as_slice());
    }
    most
}

fn by_member<S: SnapshotSource, T: SnapshotSource>(
    source: &S,
    change: &Change,
    (before, after, whole): (&View<'_, S>, &View<'_, T>, &EffectiveCatalog),
    comparison: &Comparison,
    actor: &Email,
    now: Timestamp,
) -> Vec<Violation> {
    let own = Holdings::of(before, actor, now);
    let parent = Parent::of(source, before, actor, now);
    let held = held_ranks(before, &own, parent.as_ref());
    let roles = equal_roles(before, &own, parent.as_ref());
    let (ceiling, grantable) = member_ceiling(before, parent.as_ref(), &held, &roles);
    // A role by which nobody administers gives no more than its permissions.
    let widens = !comparison.rises.is_empty() || named_roles(comparison, whole).next().is_some();
    let mut violations: Vec<Violation> = owner(change, before).into_iter().collect();
    let is_managed = before.prepared().definitions.account_type == AccountType::Managed;
    for needed in needed(change, actor) {
        violations.extend(may(needed, is_managed, before, &own, parent.as_ref(), actor, widens));
    }
    violations.extend(more_than_held(comparison, &ceiling, Some(actor)));
    violations.extend(role_not_held(comparison, whole, &grantable, Some(actor)));
    let own = Subject::Person(actor.clone());
    if comparison.rises.contains_key(&own) || named_roles(comparison, whole).any(|(subject, _)| *subject == own) {
        violations.push(Violation::OwnAccess { actor: actor.clone() });
    }
    violations.extend(holds_more(change, before, comparison, &held, &roles, actor));
    violations.extend(for_all_but_administrators(change, before, after));
    violations
}

/// Returns the predefined roles that are given and by which the catalog lets people administer, each with who or what
/// gets them.
fn named_roles<'a>(
    comparison: &'a Comparison,
    whole: &'a EffectiveCatalog,
) -> impl Iterator<Item = (&'a Subject, &'a Name)> {
    let given = comparison.roles.iter().flat_map(|(subject, roles)| roles.iter().map(move |role| (subject, role)));
    given.filter(|(_, role)| rules_naming(whole, role).next().is_some())
}

/// Returns the violation if the change gives a role by which people administer, and which the actor does not hold.
fn role_not_held(
    comparison: &Comparison,
    whole: &EffectiveCatalog,
    roles: &BTreeSet<Name>,
    actor: Option<&Email>,
) -> Option<Violation> {
    let missing: Vec<(&Subject, &Name)> =
        named_roles(comparison, whole).filter(|(_, role)| !roles.contains(*role)).collect();
    let (_, role) = missing.first()?;
    let subjects = missing.iter().filter(|(_, one)| one == role).map(|(subject, _)| (*subject).clone()).collect();
    Some(Violation::RoleNotHeld { subjects, role: (*role).clone(), actor: actor.cloned() })
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

    /// Returns whether the parent has the catalog of a managed account, so that their permissions compare.
    fn has_catalog_of(&self, child: &View<'_, S>) -> bool {
        self.view.snapshot.account.spec.catalog_ref == child.snapshot.account.spec.catalog_ref
    }

    /// Returns whether the actor holds what the parent's catalog demands for an action.
    fn may(&self, action: Action) -> bool {
        self.view.whole().is_some_and(|whole| is_permitted(whole, action, &self.holdings))
    }
}

/// Returns what a member holds in an account, and in its parent if that has the same catalog.
fn held_ranks<S: SnapshotSource>(view: &View<'_, S>, own: &Holdings, parent: Option<&Parent<'_, S>>) -> Ranks {
    let Some(whole) = view.whole() else { return Ranks::default() };
    let mut held = own.ranks.clone().fitted(whole.catalog.layout.len());
    if let Some(parent) = parent.filter(|parent| parent.has_catalog_of(view)) {
        held.raise_to(whole.catalog.layout.translate(&parent.holdings.ranks, &parent.holdings.layout).as_slice());
    }
    held
}

/// Returns the predefined roles that let nobody administer more than a member may: those for which the member meets every
/// rule of `administration` that names the role.
fn equal_roles<S: SnapshotSource>(
    view: &View<'_, S>,
    own: &Holdings,
    parent: Option<&Parent<'_, S>>,
) -> BTreeSet<Name> {
    let Some(whole) = view.whole() else { return BTreeSet::new() };
    let parent = parent.filter(|parent| parent.has_catalog_of(view));
    let meets = |rule: &AdministrationRule| {
        is_met(rule, whole, own) || parent.is_some_and(|parent| is_met(rule, whole, &parent.holdings))
    };
    let equal = |role: &&Name| rules_naming(whole, role).all(meets);
    whole.catalog.roles.iter().map(|role| &role.name).filter(equal).cloned().collect()
}

/// Returns the most that a member may grant in an account, and the roles. Whoever may assign roles in managed accounts
/// may also grant there what the roles grant that the parent names as grantable.
fn member_ceiling<S: SnapshotSource>(
    view: &View<'_, S>,
    parent: Option<&Parent<'_, S>>,
    held: &Ranks,
    equal: &BTreeSet<Name>,
) -> (Ranks, BTreeSet<Name>) {
    let (mut most, mut roles) = (held.clone(), equal.clone());
    let (Some(parent), Some(whole)) = (parent, view.whole()) else { return (most, roles) };
    if !parent.has_catalog_of(view) && parent.may(Action::AssignManagedRoles) {
        let managed = parent.view.snapshot.account.spec.managed_accounts.iter();
        for name in managed.flat_map(|managed| &managed.grantable) {
            let role = RoleName::predefined(name);
            if let (Some(index), Some(_)) = (whole.catalog.role(name), view.prepared().definitions.role_ranks(&role)) {
                most.raise_to(whole.catalog.roles[index].ranks.as_slice());
                roles.insert(Name::new(name));
            }
        }
    }
    (most, roles)
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
    if let (Some(action), Some(parent)) = (in_parent.filter(|_| is_managed), parent) {
        permit(&Permit {
            field,
            action,
            account: parent.view.key(),
            catalog: parent.view.whole(),
            holdings: &parent.holdings,
            actor,
            widens,
        })
    } else {
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

/// Returns the violation if the change gives somebody more than a ceiling: the first section in which it does, and who
/// gets how much there. An actor who would raise themselves is told so instead.
fn more_than_held(comparison: &Comparison, ceiling: &Ranks, actor: Option<&Email>) -> Option<Violation> {
    let is_other = |subject: &Subject| !matches!(subject, Subject::Person(person) if Some(person) == actor);
    let rises: Vec<(&Subject, &Ranks)> = comparison.rises.iter().filter(|(subject, _)| is_other(subject)).collect();
    let most = |section: usize| ceiling.as_slice().get(section).copied().unwrap_or(0);
    let beyond =
        |section: usize, ranks: &Ranks| ranks.as_slice().get(section).copied().filter(|rank| *rank > most(section));
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
        most: level(most(section)),
        others: exceeded.count(),
        actor: actor.cloned(),
    })
}

/// Returns the violation if the change concerns somebody who holds more than the actor: their own Membership or
/// Invitation, or something that they lose by a Role or group.
fn holds_more<S: SnapshotSource>(
    change: &Change,
    before: &View<'_, S>,
    comparison: &Comparison,
    held: &Ranks,
    roles: &BTreeSet<Name>,
    actor: &Email,
) -> Option<Violation> {
    let whole = before.whole()?;
    let is_beyond = |role: &&Name| !roles.contains(*role) && rules_naming(whole, role).next().is_some();
    let is_above = |(email, theirs): &(&Email, &Potential)| {
        *email != actor && (!theirs.ranks.is_at_most(held) || theirs.roles.iter().any(|role| is_beyond(&role)))
    };
    let concerned = match change.scope() {
        Scope::Members(_) => &comparison.before,
        Scope::Account => &comparison.losers,
    };
    let above: Vec<(&Email, &Potential)> = concerned.iter().filter(is_above).collect();
    let (_, theirs) = above.first()?;
    let mut ranks = theirs.ranks.as_slice().iter().zip(held.as_slice()).enumerate();
    let what = if let Some((section, (rank, _))) = ranks.find(|(_, (rank, most))| rank > most) {
        format!("{}: {}", whole.catalog.section_name(section), whole.catalog.level(section, *rank))
    } else {
        format!("the role {}", theirs.roles.iter().find(is_beyond)?)
    };
    let people = above.into_iter().map(|(email, _)| email.clone()).collect();
    Some(Violation::HoldsMore { people, what, actor: actor.clone() })
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

/// Returns the violation if a change lifts, in a Membership or Invitation, what makes equal to the owner beside applied
/// restrictions. One that is there already is no reason to refuse another change.
fn lift_beside_restrictions<S: SnapshotSource>(change: &Change, after: &View<'_, S>) -> Option<Violation> {
    /// Lifted restrictions, and applied ones.
    type Names<'a> = (&'a [Name], &'a [Name]);
    const fn of_member(facts: &MemberFacts) -> Names<'_> {
        (&facts.lift, &facts.apply)
    }
    const fn of_invited(facts: &InvitationFacts) -> Names<'_> {
        (facts.lift.as_slice(), facts.apply.as_slice())
    }
    let (former, (lift, apply)) = match change {
        Change::Membership(_, edit) => (edit.before.as_deref().map(of_member), of_member(edit.after.as_deref()?)),
        Change::Invitation(_, edit) => (edit.before.as_deref().map(of_invited), of_invited(edit.after.as_deref()?)),
        _ => return None,
    };
    let catalog = &after.whole()?.catalog;
    let equals = |name: &&Name| {
        let index = catalog.restriction(name);
        index.is_some_and(|index| catalog.restrictions[index].grants_owner_access)
    };
    let lifted = lift.iter().find(equals).filter(|_| !apply.is_empty())?;
    let was_there = former
        .is_some_and(|(lifts, applies)| lifts.contains(lifted) && apply.iter().all(|name| applies.contains(name)));
    (!was_there).then(|| Violation::LiftBesideRestrictions { lifted: lifted.clone(), applied: apply.to_vec() })
}
