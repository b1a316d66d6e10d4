//! Types of a plan as printed with `-o json`. Text and Markdown are written from them; created by `change::report_builder`.

use std::{borrow::Cow, collections::BTreeSet};

use schemars::JsonSchema;
use serde::Serialize;

use super::effect;
use crate::{
    api::{DriftEntry, InvalidReason},
    limits::{Direction, Limit},
    model::counted,
    plan::{Cause, Hold, Phase},
};

/// Report on planned or applied changes.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// `cli.roster.dev/v1`.
    pub api_version: &'static str,
    /// `Plan`.
    pub kind: &'static str,
    /// Compared sides: `Store` with the objects, or two `Revisions` of files.
    pub compares: Compares,
    /// Whether there are changes; adoption without change does not count. Between revisions, whether they have
    /// different effects.
    pub changes: bool,
    /// Whether there are held changes: by the removal guard, by a pause, or because of a missing mark.
    pub waits: bool,
    /// Numbers over all accounts.
    pub summary: Summary,
    /// Changes by account.
    pub accounts: Vec<AccountChanges>,
    /// Accounts that were applied from files before, are not in these files, and stay as they are.
    pub left_in_store: Vec<LeftInStore>,
    /// Stores that are not there yet: their accounts are compared with an empty one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub new_stores: Vec<String>,
    /// Stores that a cluster's controller keeps: files are compared with them, and never applied.
    pub kept_by_cluster: Vec<String>,
    /// Changes between two revisions of files that an API server or the controller refuses.
    pub refused: Vec<Refused>,
    /// Limits that two revisions of files set differently, loosened ones first.
    pub limits: Vec<LimitChange>,
    /// Changes between two revisions of files that are reported nowhere else, by object.
    pub other_changes: Vec<OtherChange>,
}

impl Report {
    /// Returns the accounts with changes.
    pub fn changed(&self) -> impl Iterator<Item = &str> {
        let changes = |one: &&AccountChanges| !one.changes.is_empty();
        self.accounts.iter().filter(changes).map(|one| one.account.as_str())
    }

    /// Returns the names of accounts with changes or held changes, and of objects with other changes; between revisions
    /// also the people who gain or lose access.
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

/// Compared sides.
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
    /// Accounts that were compared.
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
    /// Accounts that are no longer managed by Roster, with everybody's access as it is.
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

/// Changes in one account.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccountChanges {
    /// `namespace/name`.
    pub account: String,
    /// The store's file; absent between revisions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store: Option<String>,
    /// Reason why the account does not resolve in the earlier revision, so that its former content is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unresolved_before: Option<String>,
    /// Reason why the account does not resolve, so that its content is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unresolved: Option<String>,
    /// Whether store or account are paused in the later revision, so that only revocations are applied.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub paused: bool,
    /// Reason why the deletion of the Account waits for an approval.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion_waits: Option<String>,
    /// People who keep their access, where the account is no longer managed by Roster (`deletionPolicy: Orphan`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub orphaned: Option<usize>,
    /// The changes, in the order in which they are made.
    pub changes: Vec<Step>,
    /// People who gain or lose access now.
    pub people: Vec<effect::Person>,
    /// Removals that the guard holds back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guarded: Option<Guarded>,
    /// Objects that are held.
    pub holds: Vec<Held>,
    /// Differences that somebody made in the store, corrected or not.
    pub drift: Vec<Drifted>,
    /// Objects that are invalid; nothing invalid widens access.
    pub invalid: Vec<Invalid>,
}

/// Heading of grants that have no effect now. The list of people does not show them.
pub(super) const DORMANT: &str = "Granted, but without effect now";

impl AccountChanges {
    /// Returns the invalid objects, without the Account if its fault is why it does not resolve: that is said already.
    pub(super) fn invalid_besides(&self) -> impl Iterator<Item = &Invalid> {
        self.invalid.iter().filter(|one| self.unresolved.as_ref() != Some(&one.message))
    }

    /// Splits steps into those that grant something to a member who gains nothing by it now, and the others.
    #[must_use]
    pub(super) fn split_dormant<'a>(&self, steps: Vec<&'a Step>) -> (Vec<&'a Step>, Vec<&'a Step>) {
        let affected: BTreeSet<&str> = self.people.iter().map(|person| person.email.as_str()).collect();
        steps.into_iter().partition(|step| step.grants_to_a_member() && !affected.contains(step.name.as_str()))
    }
}

/// Kind of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// The object is added.
    Add,
    /// The object is changed.
    Change,
    /// The object is removed.
    Remove,
    /// The object exists with the same content and is adopted.
    Adopt,
}

/// Change of one object.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// Phase of the pass: `revoke`, `define`, `grant`, `delete`, in this order.
    #[schemars(with = "String")]
    pub phase: Phase,
    /// Kind of the change.
    pub action: Action,
    /// `account`, `role`, `group` or `member`.
    pub kind: &'static str,
    /// Name or address; empty for the account.
    pub name: String,
    /// Cause: `spec`, `drift`, `adoption`, `unwanted`, `unmanaged` or `account-deleted`.
    #[schemars(with = "String")]
    pub cause: Cause,
    /// Added content in words.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub what: String,
    /// Grants of an added role or group.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub grants: Vec<Granted>,
    /// The fields that change.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldChange>,
}

/// Section that a role or group grants.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Granted {
    /// The section.
    pub section: String,
    /// The level.
    pub level: String,
}

/// Field that changes.
#[derive(Debug, Serialize, JsonSchema)]
pub struct FieldChange {
    /// Path of the field.
    pub field: String,
    /// Present value.
    pub from: String,
    /// New value.
    pub to: String,
}

/// Removals that the guard holds back.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Guarded {
    /// Members who would lose all access.
    pub members: Vec<String>,
    /// People who gain or lose access when the removals are approved, besides those that the rest of the plan changes.
    pub people: Vec<effect::Person>,
    /// Reason of the removal guard.
    pub why: String,
    /// Hash to approve. Between two revisions it is that of `roster apply`: a controller's hash depends on the UID of
    /// the Account, and stands in `status.heldRemovals`.
    pub hash: String,
    /// Approval: an argument of the command; for a cluster, a command that annotates the Account; between two revisions,
    /// a sentence.
    pub approve: String,
}

/// Something that is not made as it should be.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Held {
    /// Object in the store.
    pub object: String,
    /// `NotOwned`, `Paused`, `Guarded` or `DriftReported`.
    #[schemars(with = "String")]
    pub hold: Hold,
}

/// Something that differs in the store from what was applied.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Drifted {
    /// Object in the store.
    pub object: String,
    /// Whether the drift is corrected.
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
    /// Fault and correction.
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
    /// Former value.
    pub from: String,
    /// New value.
    pub to: String,
    /// Reason of the refusal.
    pub message: String,
    /// What refuses it.
    pub by: RefusedBy,
}

/// Part of the system that refuses a change between two revisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum RefusedBy {
    /// The API server does not accept the object.
    ApiServer,
    /// The API server accepts the object, and the controller does not apply the field.
    Controller,
}

impl RefusedBy {
    /// All values, in the order of the output.
    pub(super) const ALL: [Self; 2] = [Self::ApiServer, Self::Controller];

    /// Returns the heading of the changes that it refuses.
    #[must_use]
    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::ApiServer => "Refused by the API server",
            Self::Controller => "Accepted by the API server, and not applied by the controller",
        }
    }
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
    /// Direction of the change.
    pub direction: Direction,
    /// Effect of the change.
    pub meaning: String,
}

impl LimitChange {
    /// Builds the entry for a limit of an object.
    #[must_use]
    pub fn new(object: String, limit: &Limit) -> Self {
        let Limit { field, from, to, direction, meaning } = limit.clone();
        Self { object, field, from, to, direction, meaning }
    }
}

/// A change that is reported nowhere else.
#[derive(Debug, Serialize, JsonSchema)]
pub struct OtherChange {
    /// Kind and name.
    pub object: String,
    /// Kind of the change.
    pub action: Action,
    /// Added content in words.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub what: String,
    /// The fields that change.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldChange>,
}

impl OtherChange {
    /// Returns the number of changes that this entry stands for.
    #[must_use]
    pub const fn count(&self) -> usize {
        if self.fields.is_empty() { 1 } else { self.fields.len() }
    }
}

/// Description of an added member who is granted nothing.
pub(super) const NO_GRANTS: &str = "no role, no group";

impl Step {
    /// Returns whether a role or group gets a new or changed grant.
    #[must_use]
    pub fn changes_what_is_granted(&self) -> bool {
        let mut fields = self.fields.iter();
        let changes = self.action == Action::Change && matches!(self.kind, "role" | "group");
        !self.grants.is_empty() || (changes && fields.any(|change| change.field.starts_with("permissions.")))
    }

    /// Returns whether a member gets or changes what is granted to them, whether or not it has effect now.
    #[must_use]
    pub fn grants_to_a_member(&self) -> bool {
        let granted = |field: &str| matches!(field, "role" | "groups") || field.starts_with("permissions.");
        self.kind == "member"
            && match self.action {
                Action::Add => self.what != NO_GRANTS,
                Action::Change => self.fields.iter().any(|change| granted(&change.field)),
                Action::Remove | Action::Adopt => false,
            }
    }

    /// Returns the description next to the fields; names at most `sections` granted sections.
    #[must_use]
    pub fn why(&self, sections: usize) -> Cow<'_, str> {
        if !self.grants.is_empty() {
            return self.grants_in_words(sections).into();
        }
        let why = match (self.action, self.cause) {
            (Action::Remove, Cause::Unmanaged) => "not declared",
            (Action::Remove, Cause::AccountDeleted) => "the account is removed",
            (Action::Remove, _) => "no longer declared",
            (Action::Add, _) => &self.what,
            (_, Cause::Drift) => "changed in the store",
            (_, Cause::Adoption) => "adopted",
            // The sections or levels changed, or others wrote equal content.
            (Action::Change, _) if self.fields.is_empty() => "same content, rewritten",
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
