//! What commands tell of changes, as a stable type: JSON is this as it is, text and Markdown are drawn from it.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::Serialize;

use super::effect;
use crate::{
    api::{DriftEntry, InvalidReason},
    limits::{Direction, Limit},
    manifests::ObjectId,
    model::counted,
    plan::{Cause, Hold, Phase},
};

/// What would change, or has been changed.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// `cli.roster.dev/v1`.
    pub api_version: &'static str,
    /// `Plan`.
    pub kind: &'static str,
    /// What is compared: `Store` with the objects, or `Revisions` of files with each other.
    pub compares: Compares,
    /// Whether anything would change; what is only taken over as it is does not count. Between revisions, whether they differ
    /// in anything that means something.
    pub changes: bool,
    /// Whether something else would change, too, were it not for the removal guard, a pause, or that it is not ours.
    pub waits: bool,
    /// Numbers over all accounts.
    pub summary: Summary,
    /// By account.
    pub accounts: Vec<AccountChanges>,
    /// Accounts that were applied from files before, are not in these files, and stay as they are.
    pub left_in_store: Vec<LeftInStore>,
    /// Stores that are not there yet: their accounts are compared with an empty one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub new_stores: Vec<String>,
    /// Stores that a cluster's controller keeps: files are compared with them, and never applied.
    pub kept_by_cluster: Vec<String>,
    /// Changes between two revisions of files that an API server refuses.
    pub refused: Vec<Refused>,
    /// Limits that two revisions of files set differently, loosened ones first.
    pub limits: Vec<LimitChange>,
    /// Changes between two revisions of files that are told nowhere else, by object.
    pub other_changes: Vec<OtherChange>,
}

impl Report {
    /// The accounts in which something changes.
    pub fn changed(&self) -> impl Iterator<Item = &str> {
        let changes = |one: &&AccountChanges| !one.changes.is_empty();
        self.accounts.iter().filter(changes).map(|one| one.account.as_str())
    }

    /// The accounts in which something changes, or waits to, and the objects of which something else is told; between
    /// revisions also the people who gain or lose something.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let differs = |one: &&AccountChanges| {
            !(one.changes.is_empty() && one.people.is_empty() && one.holds.is_empty()) || one.guarded.is_some()
        };
        let accounts = self.accounts.iter().filter(differs).map(|one| one.account.as_str());
        let is_of_revisions = matches!(self.compares, Compares::Revisions);
        let people = self.accounts.iter().filter(move |_| is_of_revisions).flat_map(|one| &one.people);
        let people = people.filter(|one| one.gains_something() || one.loses_something()).map(|one| one.email.as_str());
        let limits = self.limits.iter().map(|one| one.object.as_str());
        let others = self.other_changes.iter().map(|one| one.object.as_str());
        accounts.chain(people).chain(limits).chain(others).chain(self.refused.iter().map(|one| one.object.as_str()))
    }
}

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub enum Compares {
    /// The objects with what the store holds.
    Store,
    /// Two revisions of files.
    Revisions,
}

/// Numbers over all accounts.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Accounts looked at.
    pub accounts: usize,
    /// Things added.
    pub add: usize,
    /// Things changed.
    pub change: usize,
    /// Things removed.
    pub remove: usize,
    /// Things taken over just as they are.
    pub adopt: usize,
    /// People who gain something, or have it for longer.
    pub gain: usize,
    /// People who lose something, or have it for less long.
    pub lose: usize,
    /// People whose removal the guard holds back.
    pub guarded: usize,
    /// Accounts that leave Roster's care, with everybody's access as it is.
    pub orphaned: usize,
    /// Limits loosened.
    pub limits_loosened: usize,
    /// Limits changed otherwise.
    pub limits_changed: usize,
    /// Limits tightened.
    pub limits_tightened: usize,
    /// Other changes: objects added or removed, and fields changed.
    pub other_changes: usize,
}

/// What would change in one account.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccountChanges {
    /// `namespace/name`.
    pub account: String,
    /// The store's file; absent between revisions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store: Option<String>,
    /// Why the account does not resolve in the earlier revision, so that nobody knows what was there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unresolved_before: Option<String>,
    /// Why the account does not resolve, so that what is there is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unresolved: Option<String>,
    /// Whether store or account are paused in the later revision, so that what is not taken away waits.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub paused: bool,
    /// Why deleting the Account waits for an approval, where a later revision does not have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion_waits: Option<String>,
    /// People who keep their access, where the account leaves Roster's care (`deletionPolicy: Orphan`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub orphaned: Option<usize>,
    /// The changes, in the order in which they are made.
    pub changes: Vec<Step>,
    /// Who gains and loses what, now.
    pub people: Vec<effect::Person>,
    /// Removals that the guard holds back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guarded: Option<Guarded>,
    /// What is not made as it should be.
    pub holds: Vec<Held>,
    /// Differences that somebody made in the store, corrected or not.
    pub drift: Vec<Drifted>,
    /// Objects that are invalid; nothing invalid widens access.
    pub invalid: Vec<Invalid>,
}

/// What a change does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// It was not there.
    Add,
    /// It was different.
    Change,
    /// It is no longer wanted.
    Remove,
    /// It was there just so, and is ours from now on.
    Adopt,
}

/// One change.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// When within the pass: `narrow`, `define`, `grant`, `demolish`, in this order.
    #[schemars(with = "String")]
    pub phase: Phase,
    /// What it does.
    pub action: Action,
    /// `account`, `role`, `group` or `member`.
    pub kind: &'static str,
    /// Its name or address; empty for the account.
    pub name: String,
    /// Why: `spec`, `drift`, `adoption`, `unwanted`, `unmanaged` or `account-deleted`.
    #[schemars(with = "String")]
    pub cause: Cause,
    /// What is added, in words.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub what: String,
    /// What a role or group that is added grants.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub grants: Vec<Granted>,
    /// The fields that change.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldChange>,
}

/// One section that a role or group grants.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Granted {
    /// The section.
    pub section: String,
    /// The level.
    pub level: String,
}

/// One field that changes.
#[derive(Debug, Serialize, JsonSchema)]
pub struct FieldChange {
    /// Which.
    pub field: String,
    /// What it is.
    pub from: String,
    /// What it becomes.
    pub to: String,
}

/// Removals that the guard holds back.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Guarded {
    /// Who would lose all access.
    pub members: Vec<String>,
    /// Why it fired.
    pub why: String,
    /// What to approve.
    pub hash: String,
    /// What lets them pass: an argument of the command, or of a cluster the command that annotates the Account.
    pub approve: String,
}

/// Something that is not made as it should be.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Held {
    /// What.
    pub object: String,
    /// `NotOwned`, `Paused`, `Guarded` or `DriftReported`.
    #[schemars(with = "String")]
    pub hold: Hold,
}

/// Something that differs in the store from what was applied.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Drifted {
    /// What.
    pub object: String,
    /// Whether it is corrected.
    pub corrected: bool,
    /// The fields.
    pub entries: Vec<DriftEntry>,
}

/// An object that is invalid.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Invalid {
    /// Kind and name.
    pub object: String,
    /// The reason of `Valid=False`.
    #[schemars(with = "String")]
    pub reason: InvalidReason,
    /// What is wrong and what would be right.
    pub message: String,
}

/// An account that stays as it is.
#[derive(Debug, Serialize, JsonSchema)]
pub struct LeftInStore {
    /// `namespace/name`.
    pub account: String,
    /// The store's file.
    pub store: String,
}

/// A change that an API server refuses.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Refused {
    /// Kind and name.
    pub object: String,
    /// The field.
    pub field: String,
    /// What it was.
    pub from: String,
    /// What it would become.
    pub to: String,
    /// Why not.
    pub message: String,
}

/// A limit that changes.
#[derive(Debug, Serialize, JsonSchema)]
pub struct LimitChange {
    /// Kind and name.
    pub object: String,
    /// The field.
    pub field: String,
    /// The value in force before.
    pub from: String,
    /// The value in force after.
    pub to: String,
    /// Whether it is loosened, changed or tightened.
    pub direction: Direction,
    /// What it means.
    pub meaning: String,
}

impl LimitChange {
    /// Puts together what is told of a limit of an object.
    #[must_use]
    pub fn new(object: &ObjectId, limit: &Limit) -> Self {
        let Limit { field, from, to, direction, meaning } = limit.clone();
        Self { object: object.to_string(), field, from, to, direction, meaning }
    }
}

/// A change that is told nowhere else.
#[derive(Debug, Serialize, JsonSchema)]
pub struct OtherChange {
    /// Kind and name.
    pub object: String,
    /// Whether the object is added, changed or removed.
    pub action: Action,
    /// What is added, in words.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub what: String,
    /// The fields that change.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldChange>,
}

impl OtherChange {
    /// How many changes it is.
    #[must_use]
    pub const fn count(&self) -> usize {
        if self.fields.is_empty() { 1 } else { self.fields.len() }
    }
}

impl Step {
    /// Whether a role or group grants something new by it, or grants something else than before.
    #[must_use]
    pub fn changes_what_is_granted(&self) -> bool {
        let mut fields = self.fields.iter();
        let changes = self.action == Action::Change && matches!(self.kind, "role" | "group");
        !self.grants.is_empty() || (changes && fields.any(|change| change.field.starts_with("permissions.")))
    }

    /// What is to be said besides its fields; of what it grants, so many sections are named.
    #[must_use]
    pub fn why(&self, sections: usize) -> Cow<'_, str> {
        if !self.grants.is_empty() {
            return self.grants_in_words(sections).into();
        }
        let why = match (self.action, self.cause) {
            (Action::Remove, Cause::Unmanaged) => "nobody declared it",
            (Action::Remove, Cause::AccountDeleted) => "the account goes",
            (Action::Remove, _) => "no longer declared",
            (Action::Add, _) => &self.what,
            (_, Cause::Drift) => "somebody changed it in the store",
            (_, Cause::Adoption) => "taken over",
            // Of other sections or levels, or after somebody's change that came to the same.
            (Action::Change, _) if self.fields.is_empty() => "means the same, written anew",
            _ => "",
        };
        why.into()
    }

    fn grants_in_words(&self, sections: usize) -> String {
        let named = self.grants.iter().take(sections).map(|one| format!("{}: {}", one.section, one.level));
        let more = self.grants.len().saturating_sub(sections);
        let more = (more > 0).then(|| format!("and {}", counted(more, "more section")));
        format!("grants {}", named.chain(more).collect::<Vec<_>>().join(", "))
    }
}
