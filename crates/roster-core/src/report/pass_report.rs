//! Result of a pass for the controller: what was planned and made, and what follows from it. Built by `report::outcome`.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::Timestamp;

use super::{Notice, Report, RevocationsOnly, render};
use crate::{
    contract::Outcome,
    model::{Email, KindName, ObjectRef},
    plan::{Cause, Guarded, Plan},
    resolve::{Definitions, Origin},
    state::{ObjectsInScope, Record},
};

/// Plan, and the result of applying it to the store.
#[derive(Default)]
pub struct AppliedPlan {
    /// Changes that were planned, with drift and held objects.
    pub plan: Plan,
    /// Outcome of each change, in the order of the plan; empty if there was no change.
    pub outcomes: Vec<Outcome>,
    /// Reason why only explicit revocations were made; `None` if the whole plan was.
    pub revocations_only: Option<RevocationsOnly>,
    /// Whether a fresh read found that the Account, its namespace and the definitions are not being deleted.
    pub confirmed: bool,
    /// Whether the rest is left to another pass; the plan then has only the applied changes.
    pub interrupted: bool,
    /// Members whose changes wait, if only explicit revocations were made.
    pub waiting: BTreeSet<Email>,
}

/// Outcome of a pass over one account, for the controller.
pub struct PassReport {
    /// Definitions of the account, which the next pass reuses.
    pub definitions: Arc<Definitions>,
    /// Reports on objects whose status differs from the report.
    pub reports: Vec<(ObjectRef, Report)>,
    /// Reports on the Account, its roles and groups, even if their status is up to date; their counts are updated
    /// later.
    pub shown: Vec<(ObjectRef, Report)>,
    /// Events to publish.
    pub notices: Vec<Notice>,
    /// How far the pass got.
    pub completion: PassCompletion,
    /// Number of changes made, by kind of object and cause.
    pub changes: BTreeMap<(&'static str, Cause), u64>,
    /// Number of differences found, and of those that were corrected.
    pub drift: (u64, u64),
    /// Instants at which a member's time begins or ends, with the member's address.
    pub deadlines: Vec<(Timestamp, Email)>,
    /// Whether a fresh read found that the Account, its namespace and the definitions are not being deleted.
    pub confirmed: bool,
    /// Whether only explicit revocations were made.
    pub revocations_only: bool,
    /// Whether they were the only ones because a definition was recreated.
    pub recreated: bool,
    /// Removals that the guard holds back, within the scope of the pass.
    pub guarded: Option<Guarded>,
    /// Whether removals are held because there are too many, and so stay held until they are approved; `None` if that
    /// is unknown because the guard did not judge the whole account.
    pub holds: Option<bool>,
    /// Origins of members' changes that were not made, by address: held back, or refused by the store. `None` if not
    /// everything was planned.
    pub withheld: Option<BTreeMap<Email, Origin>>,
    /// Whether the store that answered is not the one used so far.
    pub replaced: bool,
    /// Whether everything in the scope was authorised; `None` if nobody judged it.
    pub authorised: Option<bool>,
}

/// How far a pass got, and how the rest is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PassCompletion {
    /// All possible changes are made.
    Done,
    /// A change failed and may succeed later.
    Retry {
        /// Cause of the failure, as a sentence without a full stop.
        why: String,
        /// Whether a failed change may have been one that takes access away.
        revokes: bool,
        /// Members whose changes failed; `None` if the failure is not about single members.
        members: Option<BTreeSet<Email>>,
        /// Whether the store as a whole failed, not single changes of the account.
        by_store: bool,
    },
    /// The account must be planned again as a whole.
    NeedsAccount,
    /// The rest waits until more is known of the cluster.
    Waits,
    /// The pass stopped early for a revocation, or made only changes that are allowed in parallel with another pass.
    /// The rest is planned again afterwards.
    Interrupted,
}

impl PassCompletion {
    /// Clears `by_store` if the failure had another cause than the store.
    pub(crate) const fn not_by_store(&mut self, is_other: bool) {
        if let Self::Retry { by_store, .. } = self {
            *by_store = *by_store && !is_other;
        }
    }
}

impl PassReport {
    /// Queues a report unless the object's status is already equal to it. The check is here, in the pass, to keep the
    /// queue of statuses short.
    pub(super) fn add<F>(&mut self, pass: &ObjectsInScope, kind: KindName, record: &Record<F>, report: Report) {
        let reference = record.reference(kind);
        let says_so = !pass.stale_statuses.contains(&reference)
            && render(&report, &record.meta.status, pass.now)
                .is_ok_and(|rendered| rendered.digest.hash == record.meta.status.hash);
        if matches!(kind, KindName::Account | KindName::Role | KindName::UserGroup) {
            self.shown.push((reference.clone(), report.clone()));
        }
        if !says_so {
            self.reports.push((reference, report));
        }
    }
}
