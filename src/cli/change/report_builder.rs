//! Builds the [`Report`] of plans. Called by `roster plan`, `apply`, `import` and `review`.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{
    Changes, Revisions, Work, effect,
    effect::Person,
    guarded,
    report::{
        AccountChanges, Action, Compares, Drifted, FieldChange, Granted, Held, Invalid, LeftInStore, LimitChange,
        NO_GRANTS, OtherChange, Report, Step, Summary,
    },
    revisions::others,
};
use crate::{
    cli::output::API_VERSION,
    evaluate::Judged,
    limits::Direction,
    manifests::LoadedObjects,
    model::{Findings, Layout},
    plan::{Cause, Change, Content, Hold, ObjectKey, Observed, Plan},
};

impl Report {
    /// Creates the report on these changes.
    #[must_use]
    pub fn new(
        loaded: &LoadedObjects,
        changes: &Changes,
        compares: Compares,
        revisions: Revisions,
        now: Timestamp,
    ) -> Self {
        let Revisions { refused, limits, unreported, unread, paused, mut deletions } = revisions;
        let mut accounts: Vec<AccountChanges> = changes.works.iter().map(|work| account(loaded, work, now)).collect();
        for (account, work) in std::iter::zip(&mut accounts, &changes.works) {
            account.paused = paused.contains(&work.key) && !account.changes.is_empty();
            account.deletion_waits = deletions.remove(&work.key);
        }
        let mut other_changes = others(loaded, &accounts, &refused, unreported);
        other_changes.extend(unread);
        let mut summary = Summary { accounts: accounts.len(), ..Summary::default() };
        summary.count(&limits, &other_changes);
        for account in &accounts {
            for step in &account.changes {
                *match step.action {
                    Action::Add => &mut summary.add,
                    Action::Change => &mut summary.change,
                    Action::Remove => &mut summary.remove,
                    Action::Adopt => &mut summary.adopt,
                } += 1;
            }
            summary.guarded += account.guarded.as_ref().map_or(0, |guarded| guarded.members.len());
            summary.orphaned += usize::from(account.orphaned.is_some());
        }
        // Somebody who is in several accounts is one person.
        let people = || accounts.iter().flat_map(|account| &account.people);
        let counted = |people: &mut dyn Iterator<Item = &Person>| {
            people.map(|person| &person.email).collect::<BTreeSet<_>>().len()
        };
        summary.gain = counted(&mut people().filter(|person| person.gains_something()));
        summary.lose = counted(&mut people().filter(|person| person.loses_something()));
        let in_store = summary.add + summary.change + summary.remove + summary.orphaned > 0;
        let left = changes.left.iter();
        Self {
            api_version: API_VERSION,
            kind: "Plan",
            compares,
            changes: in_store || !refused.is_empty() || !limits.is_empty() || !other_changes.is_empty(),
            waits: summary.guarded > 0
                || accounts.iter().flat_map(|account| &account.holds).any(|held| held.hold != Hold::DriftReported),
            summary,
            accounts,
            left_in_store: left
                .map(|(key, place)| LeftInStore { account: key.to_string(), store: place.to_string() })
                .collect(),
            new_stores: changes.missing.iter().map(ToString::to_string).collect(),
            kept_by_cluster: changes.clusters.iter().map(ToString::to_string).collect(),
            refused,
            limits,
            other_changes,
        }
    }
}

impl Summary {
    /// Counts the differences of two revisions that are not changes in a store.
    fn count(&mut self, limits: &[LimitChange], others: &[OtherChange]) {
        for limit in limits {
            *match limit.direction {
                Direction::Loosened => &mut self.limits_loosened,
                Direction::Changed => &mut self.limits_changed,
                Direction::Tightened => &mut self.limits_tightened,
            } += 1;
        }
        self.other_changes = others.iter().map(OtherChange::count).sum();
    }
}

impl Report {
    /// Returns whether a change needs a decision: removals are held back, entries are not Roster's, or an account does
    /// not resolve. A pause is intended and does not count.
    #[must_use]
    pub fn is_held_back(&self) -> bool {
        let mut holds = self.accounts.iter().flat_map(|account| &account.holds);
        self.summary.guarded > 0
            || self.accounts.iter().any(|account| account.unresolved.is_some())
            || holds.any(|held| matches!(held.hold, Hold::Guarded | Hold::NotOwned))
    }
}

fn account(loaded: &LoadedObjects, work: &Work, now: Timestamp) -> AccountChanges {
    let plan = &work.plan;
    let unresolved = work.judged.as_ref().filter(|resolved| resolved.desired.definitions.is_none());
    let unresolved = unresolved.map(|resolved| resolved.definitions.findings.message());
    let people = effect::people(loaded, work, plan, now);
    let drift = plan.drift.iter().map(|drift| Drifted {
        object: drift.object.to_string(),
        corrected: drift.corrected,
        entries: drift.entries.clone(),
    });
    AccountChanges {
        account: work.key.to_string(),
        store: work.place.as_ref().map(ToString::to_string),
        unresolved_before: work.unknown.clone(),
        unresolved,
        paused: false,
        deletion_waits: None,
        orphaned: work.is_orphaned.then_some(work.observed.members.len()),
        changes: plan.changes.iter().map(|change| step(plan, change, &work.observed)).collect(),
        guarded: guarded::guarded(loaded, work, &people, now),
        people,
        holds: plan.holds.iter().map(|(object, hold)| Held { object: object.to_string(), hold: *hold }).collect(),
        drift: drift.collect(),
        invalid: work.judged.as_ref().map(|resolved| invalid(loaded, work, resolved)).unwrap_or_default(),
    }
}

fn step(plan: &Plan, change: &Change, observed: &Observed) -> Step {
    let fields: Vec<FieldChange> = plan
        .fields(change, observed)
        .into_iter()
        .map(|entry| match entry.field.as_str() {
            "sections" => sections_change(&observed.layout, &plan.layout),
            _ => FieldChange { field: entry.field, from: entry.observed, to: entry.desired },
        })
        .collect();
    let action = match &change.put {
        None => Action::Remove,
        Some(_) if !is_there(observed, &change.object) => Action::Add,
        Some(_) if change.cause == Cause::Adoption && fields.is_empty() => Action::Adopt,
        Some(_) => Action::Change,
    };
    let added = change.put.as_ref().filter(|_| action == Action::Add).map(|(content, _)| content);
    let what = added.map(|content| describe(content, &plan.layout)).unwrap_or_default();
    let grants = added.map(|content| grants(content, &plan.layout)).unwrap_or_default();
    let name = match &change.object {
        ObjectKey::Account => String::new(),
        ObjectKey::Role(name) => name.to_string(),
        ObjectKey::Group(name) => name.to_string(),
        ObjectKey::Member(email) => email.to_string(),
    };
    Step { phase: change.phase, action, kind: change.object.kind(), name, cause: change.cause, what, grants, fields }
}

/// Returns the sections that differ between two layouts.
fn sections_change(before: &Layout, after: &Layout) -> FieldChange {
    let only = |these: &Layout, those: &Layout| {
        let differ = these.ladders().iter().filter(|ladder| !those.ladders().contains(ladder));
        let words = differ.map(|ladder| {
            let in_both = those.ladders().iter().any(|other| other.section == ladder.section);
            let levels = if in_both { format!(" ({})", ladder.levels.join(", ")) } else { String::new() };
            format!("{}{levels}", ladder.section)
        });
        words.collect::<Vec<_>>().join(", ")
    };
    let (from, to) = (only(before, after), only(after, before));
    let (from, to) = match (from.is_empty(), to.is_empty()) {
        (true, true) => ("in one order".to_owned(), "in another".to_owned()),
        (true, false) => ("(absent)".to_owned(), to),
        (false, true) => (from, "(absent)".to_owned()),
        (false, false) => (from, to),
    };
    FieldChange { field: "sections".to_owned(), from, to }
}

fn is_there(observed: &Observed, object: &ObjectKey) -> bool {
    match object {
        ObjectKey::Account => observed.account.as_ref().is_some_and(|existing| existing.content.is_some()),
        ObjectKey::Role(name) => observed.roles.get(name).is_some_and(|existing| existing.content.is_some()),
        ObjectKey::Group(name) => observed.groups.get(name).is_some_and(|existing| existing.content.is_some()),
        ObjectKey::Member(email) => observed.members.get(email).is_some_and(|existing| existing.content.is_some()),
    }
}

/// Returns a short description of an added object.
fn describe(content: &Content, layout: &Layout) -> String {
    match content {
        Content::Account(content) => {
            let owner = content.owner.as_ref().map(|owner| format!(", owner {owner}")).unwrap_or_default();
            format!("catalog {}{owner}", content.catalog)
        }
        Content::Role(content) => sections(layout.named(&content.ranks).count()),
        Content::Group(content) => sections(layout.named(&content.ranks).count()),
        Content::Member(content) => {
            let role = content.role.as_ref().map(|role| format!("role {role}"));
            let groups = match content.groups.as_ref() {
                [] => None,
                [one] => Some(format!("group {one}")),
                several => Some(format!("groups {}", several.join(", "))),
            };
            let words: Vec<String> = role.into_iter().chain(groups).collect();
            if words.is_empty() { NO_GRANTS.to_owned() } else { words.join(", ") }
        }
    }
}

/// Returns the grants of a role or group.
fn grants(content: &Content, layout: &Layout) -> Vec<Granted> {
    let ranks = match content {
        Content::Role(content) => &content.ranks,
        Content::Group(content) => &content.ranks,
        Content::Account(_) | Content::Member(_) => return Vec::new(),
    };
    let named = layout.named(ranks);
    named.map(|(section, level)| Granted { section: section.to_owned(), level: level.to_owned() }).collect()
}

fn sections(count: usize) -> String {
    match count {
        0 => "grants nothing".to_owned(),
        count => format!("grants {}", crate::cli::output::counted(count, "section")),
    }
}

/// Returns the invalid objects of the account; faults of the Account itself are reported once.
fn invalid(loaded: &LoadedObjects, work: &Work, resolved: &Judged) -> Vec<Invalid> {
    let Some(entry) = loaded.objects.accounts.get(&work.key) else { return Vec::new() };
    let definitions = &resolved.definitions;
    let mut found = BTreeMap::new();
    let mut add = |object: String, findings: &Findings| {
        let mut findings = findings.clone();
        findings.retain(|finding| !finding.is_of_account());
        if let Some(reason) = findings.reason() {
            let message = findings.message();
            found.insert(object.clone(), Invalid { object, reason, message });
        }
    };
    let mut account = definitions.findings.clone();
    // Between revisions it is listed as a change that is not applied.
    if let Some(owner) = work.plan.owner_kept.as_ref().filter(|_| work.place.is_some()) {
        account.push(definitions.owner_stays(owner));
    }
    add(format!("Account {}", work.key.name), &account);
    for name in entry.roles.keys() {
        add(format!("Role {name}"), &definitions.role_findings(name));
    }
    for name in entry.groups.keys() {
        add(format!("UserGroup {name}"), &definitions.group_findings(name));
    }
    for (facts, member) in std::iter::zip(entry.addresses().values(), &resolved.members) {
        for (one, view) in std::iter::zip(facts, &member.views) {
            add(format!("Membership {}", one.name), &view.findings);
        }
    }
    for facts in entry.members.values().filter(|facts| facts.email.is_err()) {
        add(format!("Membership {}", facts.name), &definitions.unaddressed(facts).findings);
    }
    found.into_values().collect()
}
