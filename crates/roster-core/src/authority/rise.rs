//! Compares access before and after a change: what rises and what falls. Called by `authority::judge`.
//!
//! Three things count as a rise: *potential* permissions of a person, which suspension, time and blocks only delay;
//! *granted* ones, since an innocent change of somebody else may wake what a restriction or a duplicate holds down;
//! and a longer time. Roles and groups count as if somebody held them.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
};

use jiff::Timestamp;

use super::{
    Change, Edit, Effect, Subject,
    times::Times,
    view::{OwnGrants, Potential, View},
};
use crate::{
    model::{AccountKey, Email, Layout, Name, Ranks, RoleName, Scope},
    resolve::EffectiveCatalog,
    state::{MemberFacts, SnapshotSource},
};

/// Ranks of a person, role or group before and after a change.
#[derive(Clone, Debug)]
pub(super) struct Compared {
    pub(super) subject: Subject,
    pub(super) before: Ranks,
    pub(super) after: Ranks,
}

impl Compared {
    /// Returns the ranks after the change in the sections that rise; no access in the others.
    fn risen(&self) -> Ranks {
        let pairs = self.before.as_slice().iter().zip(self.after.as_slice());
        pairs.map(|(before, after)| if after > before { *after } else { 0 }).collect()
    }
}

/// Result of comparing an account before and after a change.
#[derive(Debug, Default)]
pub(super) struct Comparison {
    /// Potential permissions of the people who gain or lose, by address.
    pub(super) people: BTreeMap<Email, (Ranks, Ranks)>,
    /// Ranks that rise, by who or what gets them, each only in the sections that rise.
    pub(super) rises: BTreeMap<Subject, Ranks>,
    /// Predefined roles that somebody or something gets, by who or what gets them.
    pub(super) roles: BTreeMap<Subject, BTreeSet<Name>>,
    /// People who lose something, with what they had.
    pub(super) losers: BTreeMap<Email, Potential>,
    /// People of the scope after the change.
    pub(super) after: BTreeMap<Email, Potential>,
    /// People of the scope before the change, in the layout after it.
    pub(super) before: BTreeMap<Email, Potential>,
    /// Account in which everything is compared.
    pub(super) account: Option<AccountKey>,
    /// Layout of all ranks.
    pub(super) layout: Layout,
}

impl Comparison {
    fn add(&mut self, compared: &Compared) {
        let risen = compared.risen();
        if !risen.is_none() {
            let length = risen.as_slice().len();
            let all = self.rises.entry(compared.subject.clone()).or_insert_with(|| Ranks::none(length));
            all.raise_to(risen.as_slice());
        }
    }

    fn add_roles(&mut self, subject: &Subject, before: &BTreeSet<Name>, after: &BTreeSet<Name>) {
        let gained: BTreeSet<Name> = after.difference(before).cloned().collect();
        if !gained.is_empty() {
            self.roles.entry(subject.clone()).or_default().extend(gained);
        }
    }

    /// Returns what people gain and lose.
    pub(super) fn effects(&self) -> Vec<Effect> {
        let named = |section: usize, rank: u8| {
            let ladder = self.layout.ladders().get(section)?;
            Some((ladder.section.clone(), ladder.levels.get(usize::from(rank))?.clone()))
        };
        let effect = |(email, (before, after)): (&Email, &(Ranks, Ranks))| {
            let account = self.account.clone().unwrap_or_else(|| AccountKey::new("", ""));
            let mut effect = Effect { account, email: email.clone(), gains: Vec::new(), loses: Vec::new() };
            for (section, (before, after)) in before.as_slice().iter().zip(after.as_slice()).enumerate() {
                let (Some((name, former)), Some((_, level))) = (named(section, *before), named(section, *after)) else {
                    continue;
                };
                match after.cmp(before) {
                    Ordering::Greater => effect.gains.push((name, level)),
                    Ordering::Less => effect.loses.push((name, former, (*after > 0).then_some(level))),
                    Ordering::Equal => {}
                }
            }
            effect
        };
        let differs = |(_, (before, after)): &(&Email, &(Ranks, Ranks))| before != after;
        self.people.iter().filter(differs).map(effect).collect()
    }
}

/// Compares an account that resolves before and after a change.
pub(super) fn compare<S: SnapshotSource, T: SnapshotSource>(
    change: &Change,
    before: &View<'_, S>,
    after: &View<'_, T>,
    now: Timestamp,
) -> Comparison {
    let layout_of =
        |whole: Option<&EffectiveCatalog>| whole.map(|whole| whole.catalog.layout.clone()).unwrap_or_default();
    let (layout, former) = (layout_of(after.whole()), layout_of(before.whole()));
    let none = Ranks::none(layout.len());
    let fitted =
        |held: Option<&Potential>| held.map_or_else(|| none.clone(), |held| layout.translate(&held.ranks, &former));
    let mut result =
        Comparison { layout: layout.clone(), account: Some(before.key().clone()), ..Comparison::default() };
    let scope = match change {
        Change::Role(..) | Change::Group(..) => before.concerned(after),
        _ => change.scope(),
    };
    let (was, is) = (before.potentials(&scope), after.potentials(&scope));
    for email in was.keys().chain(is.keys()).collect::<BTreeSet<_>>() {
        let (held, holds) = (was.get(email), is.get(email));
        let (one, other) = (fitted(held), holds.map_or_else(|| none.clone(), |held| held.ranks.clone()));
        let subject = Subject::Person(email.clone());
        // Whoever is suspended afterwards gets nothing by what becomes certain.
        let is_certain_now =
            becomes_certain(held, holds) && after.times(email).is_none_or(|times| times.has_access(now));
        let start = if is_certain_now { none.clone() } else { one.clone() };
        result.add(&Compared { subject: subject.clone(), before: start, after: other.clone() });
        let roles = |held: Option<&Potential>| held.map(|held| held.roles.clone()).unwrap_or_default();
        let (had, has) = (roles(held), roles(holds));
        result.add_roles(&subject, &had, &has);
        if let Some(held) = held
            && (!one.is_at_most(&other) || !had.is_subset(&has) || becomes_certain(holds, Some(held)))
        {
            result.losers.insert(email.clone(), held.clone());
        }
        if one != other {
            result.people.insert(email.clone(), (one, other));
        }
    }
    let fitted_to = |(email, held): (Email, Potential)| (email, Potential { ranks: fitted(Some(&held)), ..held });
    (result.before, result.after) = (was.into_iter().map(fitted_to).collect(), is);
    match change {
        Change::Membership(_, edit) => {
            membership(&mut result, edit, before, after, now);
            times(&mut result, change, before, after, now);
        }
        Change::Invitation(_, edit) => {
            let none = || no_grants(layout.len());
            let one = edit.before.as_deref().and_then(|facts| before.invited(facts)).unwrap_or_else(none);
            let other = edit.after.as_deref().and_then(|facts| after.invited(facts)).unwrap_or_else(none);
            let email = edit.latest().and_then(|facts| facts.email.clone().ok());
            if let Some(email) = email {
                own(&mut result, &Subject::Person(email), &one, &other);
            }
        }
        _ => definitions(&mut result, before, after, &fitted),
    }
    result
}

/// Returns what everybody loses if the account is deleted.
pub(super) fn lost<S: SnapshotSource>(before: &View<'_, S>) -> Vec<Effect> {
    let layout = before.whole().map(|whole| whole.catalog.layout.clone()).unwrap_or_default();
    let none = Ranks::none(layout.len());
    let held = before.potentials(&Scope::Account).into_iter().map(|(email, held)| (email, (held.ranks, none.clone())));
    let people = held.collect();
    Comparison { people, layout, account: Some(before.key().clone()), ..Comparison::default() }.effects()
}

/// Returns whether something that may be less in the store, because what lowers it is invalid, is sure to be all of it
/// afterwards. It then rises by an unknown part.
fn becomes_certain(before: Option<&Potential>, after: Option<&Potential>) -> bool {
    before.is_some_and(|before| before.at_most) && after.is_some_and(|after| !after.at_most)
}

fn no_grants(sections: usize) -> OwnGrants {
    OwnGrants { granted: Ranks::none(sections), potential: Ranks::none(sections), roles: BTreeSet::new() }
}

fn own(result: &mut Comparison, subject: &Subject, before: &OwnGrants, after: &OwnGrants) {
    for (one, other) in [(&before.granted, &after.granted), (&before.potential, &after.potential)] {
        result.add(&Compared { subject: subject.clone(), before: one.clone(), after: other.clone() });
    }
    result.add_roles(subject, &before.roles, &after.roles);
}

/// Compares what a Membership itself grants. One that lasts longer, or is not suspended any more, rises as if it were
/// new.
fn membership<S: SnapshotSource, T: SnapshotSource>(
    result: &mut Comparison,
    edit: &Edit<MemberFacts>,
    before: &View<'_, S>,
    after: &View<'_, T>,
    now: Timestamp,
) {
    let Some(facts) = edit.after.as_deref() else { return };
    let Ok(email) = facts.email.clone() else { return };
    let none = no_grants(result.layout.len());
    let lasts_longer =
        edit.before.as_deref().is_some_and(|former| Times::of([former]).is_extended_by(Times::of([facts]), now));
    let one = edit.before.as_deref().filter(|_| !lasts_longer).and_then(|facts| before.own(facts));
    let other = after.own(facts).unwrap_or_else(|| none.clone());
    own(result, &Subject::Person(email), &one.unwrap_or(none), &other);
}

/// Compares the time of a person's access over all their Memberships: one of them may be all that ends it.
fn times<S: SnapshotSource, T: SnapshotSource>(
    result: &mut Comparison,
    change: &Change,
    before: &View<'_, S>,
    after: &View<'_, T>,
    now: Timestamp,
) {
    let Scope::Members(addresses) = change.scope() else { return };
    for email in addresses.iter() {
        let (Some(one), Some(other)) = (before.times(email), after.times(email)) else { continue };
        if one.is_extended_by(other, now) {
            let potential = after.potentials(&Scope::Members([email.clone()].into())).remove(email);
            let none = Ranks::none(result.layout.len());
            let after = potential.map_or_else(|| none.clone(), |held| held.ranks);
            result.add(&Compared { subject: Subject::Person(email.clone()), before: none, after });
        }
    }
}

/// Compares roles and groups as if somebody held them.
fn definitions<S: SnapshotSource, T: SnapshotSource>(
    result: &mut Comparison,
    before: &View<'_, S>,
    after: &View<'_, T>,
    fitted: &dyn Fn(Option<&Potential>) -> Ranks,
) {
    let (former, latter) = (before.definitions_by_subject(), after.definitions_by_subject());
    for (subject, after) in latter {
        let known = former.get(&subject).filter(|before| !becomes_certain(Some(before), Some(&after)));
        let had = former.get(&subject).map(|before| before.roles.clone()).unwrap_or_default();
        result.add_roles(&subject, &had, &after.roles);
        result.add(&Compared { subject, before: fitted(known), after: after.ranks });
    }
}

impl<S: SnapshotSource> View<'_, S> {
    /// Returns what each role that members can hold, and each group, grants.
    fn definitions_by_subject(&self) -> BTreeMap<Subject, Potential> {
        let Some(whole) = self.whole() else { return BTreeMap::new() };
        let definitions = &self.prepared().definitions;
        let held = |ranks: &Ranks, at_most| Potential { ranks: ranks.clone(), roles: BTreeSet::new(), at_most };
        let in_force = std::iter::zip(&whole.predefined, &whole.at_most);
        let predefined = std::iter::zip(&whole.catalog.roles, in_force)
            .map(|(role, (ranks, at_most))| (Subject::Role(RoleName::predefined(&role.name)), held(ranks, *at_most)));
        let custom = definitions.roles.iter().filter(|(_, role)| role.overrides.is_none());
        let custom =
            custom.map(|(name, role)| (Subject::Role(RoleName::custom(name)), held(&role.ranks, role.at_most)));
        let groups = definitions.groups.iter();
        let groups = groups.map(|(name, group)| {
            let held = Potential { roles: group.predefined.clone(), ..held(&group.ranks, group.at_most) };
            (Subject::Group(name.clone()), held)
        });
        predefined.chain(custom).chain(groups).collect()
    }
}

/// Returns whether a change can only take away although the account does not resolve: something is deleted, or a
/// Membership is only suspended or shortened.
pub(super) fn narrows_unresolved<S: SnapshotSource>(source: &S, change: &Change, now: Timestamp) -> bool {
    match change {
        Change::Membership(key, edit) => edit.both().map_or_else(
            || edit.after.is_none() && is_only_membership(source, key, change),
            |(before, after)| {
                let same = MemberFacts {
                    suspended: before.suspended,
                    starts_at: before.starts_at,
                    expires_at: before.expires_at,
                    generation: before.generation,
                    ..after.clone()
                };
                same == *before && !Times::of([before]).is_extended_by(Times::of([after]), now)
            },
        ),
        Change::Invitation(_, edit) => edit.after.is_none(),
        // A Role that is deleted may have lowered a predefined one.
        Change::Role(_, edit) => {
            edit.after.is_none() && edit.latest().is_some_and(|role| role.spec.overrides.is_none())
        }
        Change::Group(_, edit) => edit.after.is_none(),
        Change::Account(..) | Change::Catalog(_) | Change::Store(_) => false,
    }
}

/// Returns whether a deleted Membership is its person's only one. Another one may be all that it holds down.
fn is_only_membership<S: SnapshotSource>(source: &S, key: &AccountKey, change: &Change) -> bool {
    let scope = change.scope();
    let members = source.members(key, &scope);
    members.is_some_and(|members| members.addresses.iter().all(|(_, facts)| facts.len() <= 1))
}
