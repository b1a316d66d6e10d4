//! Builds changes of access, and asks for the verdict on each. Used by the tests of this folder.

use std::sync::Arc;

use crate::support::{World, email};
use jiff::Timestamp;
use roster_core::{
    authority::{Actor, Change, Edit, Verdict, Violation, judge_change},
    model::Name,
    state::AccountAnnotations,
};

/// Time of all judgements.
pub fn now() -> Timestamp {
    "2026-11-30T12:00:00Z".parse().unwrap()
}

pub fn edit<F>(before: Option<Arc<F>>, after: Option<Arc<F>>) -> Edit<F> {
    Edit { before, after }
}

/// The change by which the one object of `yaml` comes into being, or becomes what it says.
pub fn apply(world: &World, yaml: &str) -> Change {
    let new = World::of(yaml);
    if let Some((key, facts)) = new.members.into_iter().next() {
        let before = world.members.get(&key).cloned().map(Arc::new);
        return Change::Membership(key.0, edit(before, Some(Arc::new(facts))));
    }
    if let Some((key, facts)) = new.invitations.into_iter().next() {
        let before = world.invitations.get(&key).cloned().map(Arc::new);
        return Change::Invitation(key.0, edit(before, Some(Arc::new(facts))));
    }
    if let Some((key, facts)) = new.roles.into_iter().next() {
        return Change::Role(key.0.clone(), edit(world.roles.get(&key).cloned(), Some(facts)));
    }
    if let Some((key, facts)) = new.groups.into_iter().next() {
        return Change::Group(key.0.clone(), edit(world.groups.get(&key).cloned(), Some(facts)));
    }
    if let Some((key, facts)) = new.accounts.into_iter().next() {
        let with =
            |facts: &Arc<_>| Arc::new((roster_core::state::AccountFacts::clone(facts), AccountAnnotations::default()));
        return Change::Account(key.clone(), edit(world.accounts.get(&key).map(with), Some(with(&facts))));
    }
    let (name, facts) = new.catalogs.into_iter().next().unwrap();
    Change::Catalog(edit(world.catalogs.get(&name).cloned(), Some(facts)))
}

/// The change that deletes a Membership, Role or group.
pub fn delete(world: &World, account: &str, kind: &str, name: &str) -> Change {
    let key = (World::key(account), Name::new(name));
    match kind {
        "membership" => Change::Membership(key.0.clone(), edit(Some(Arc::new(world.members[&key].clone())), None)),
        "role" => Change::Role(key.0.clone(), edit(Some(world.roles[&key].clone()), None)),
        "group" => Change::Group(key.0.clone(), edit(Some(world.groups[&key].clone()), None)),
        other => panic!("{other}"),
    }
}

pub fn by(world: &World, change: &Change, who: &str) -> Verdict {
    let actor = match who.strip_prefix("pipeline") {
        _ if who == "administrator" => Actor::Administrator,
        Some(roles) => Actor::Pipeline(roles.split_whitespace().map(Name::new).collect()),
        None => Actor::Member(email(who)),
    };
    judge_change(&world.index(), change, &actor, now())
}

#[track_caller]
pub fn allows(world: &World, change: &Change, who: &str) {
    let verdict = by(world, change, who);
    assert!(verdict.is_allowed(), "{who}: {:#?}", said(&verdict));
}

/// The change is refused, and the sentences say this.
#[track_caller]
pub fn refuses(world: &World, change: &Change, who: &str, says: &str) {
    let verdict = by(world, change, who);
    assert!(!verdict.is_allowed(), "{who} may do this");
    let said = said(&verdict).join("\n");
    assert!(said.contains(says), "{who}: {said}");
}

pub fn said(verdict: &Verdict) -> Vec<String> {
    verdict.violations.iter().map(Violation::to_string).collect()
}

pub fn effects(verdict: &Verdict) -> Vec<String> {
    verdict.effects.iter().map(ToString::to_string).collect()
}

pub fn membership(namespace: &str, account: &str, name: &str, rest: &str) -> String {
    let domain = account.split('-').next().unwrap();
    format!(
        "kind: Membership\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec: {{accountRef: {{name: {account}}}, user: {{email: {name}@{domain}.example}}, {rest}}}"
    )
}
