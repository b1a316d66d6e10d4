//! Turns the outcome of a pass into reports for status and notices for events. Called by `control::reconcile` at the
//! end of each pass.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::Arc,
};

use jiff::Timestamp;

use super::{
    AccessReport, Detail, DriftReport, Notice, Report, RevocationsOnly, Synced, Waits,
    access::Circumstances,
    bodies::{account_report, group_report, member_report, role_key, role_report},
    drift::{drift_advice, sentences},
    notices::{self, AccessEvents},
    render, revocations_only,
};
use crate::{
    api::{
        APPROVE_REMOVAL_ANNOTATION, DriftEntry, HeldRemovals, MemberAccess, PAUSED_ANNOTATION, SyncReason,
        limits::MAX_TEXT,
    },
    contract::{Outcome, StoreError},
    evaluate::Judged,
    model::{Email, FindingKind, KindName, Name, ObjectRef, Scope, agree, counted},
    plan::{Cause, Change, Guarded, Hold, NotOwned, ObjectKey, Phase, Plan},
    resolve::{Access, AccountResolution, Definitions, MemberContent, MemberView, Origin, ResolvedMember},
    state::{MemberFacts, Meta, ObjectsInScope, Record, Seconds},
};

/// Maximum number of objects named in one message.
const SHOWN: usize = 5;

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
    /// Result of the pass as a whole.
    pub end: PassEnd,
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
    pub remade: bool,
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
}

/// Result of a pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PassEnd {
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

impl PassEnd {
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
    pub(super) fn say<F>(&mut self, pass: &ObjectsInScope, kind: KindName, record: &Record<F>, report: Report) {
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

/// Outcomes of a pass, indexed by object.
pub(super) struct Outcomes<'a> {
    pub(super) plan: &'a Plan,
    /// Outcomes in the order of the objects, so that of several failures each pass shows the same one.
    pub(super) made: BTreeMap<&'a ObjectKey, &'a Outcome>,
    drift: BTreeMap<&'a ObjectKey, (&'a [DriftEntry], bool)>,
    /// Name of the store, if it is paused.
    paused_store: Option<Name>,
    now: Timestamp,
}

/// Returns the reports and notices of a pass. `result` is the outcome in the store: `Ok(None)` if the account has no
/// store, `Err` if the store failed as a whole.
#[must_use]
pub fn report(pass: &ObjectsInScope, judged: &Judged, result: &Result<Option<AppliedPlan>, StoreError>) -> PassReport {
    let mut outcome = PassReport {
        definitions: judged.definitions.clone(),
        reports: Vec::new(),
        shown: Vec::new(),
        notices: Vec::new(),
        end: PassEnd::Done,
        changes: BTreeMap::new(),
        drift: (0, 0),
        deadlines: judged.deadlines.clone(),
        confirmed: matches!(result, Ok(Some(AppliedPlan { confirmed: true, .. }))),
        revocations_only: matches!(result, Ok(Some(AppliedPlan { revocations_only: Some(_), .. }))),
        remade: matches!(
            result,
            Ok(Some(AppliedPlan { revocations_only: Some(RevocationsOnly::RecreatedDefinitions(_)), .. }))
        ),
        guarded: None,
        holds: None,
        withheld: None,
        replaced: matches!(result, Ok(Some(done)) if done.plan.replaced),
    };
    if let Ok(Some(done)) = result {
        outcome.guarded.clone_from(&done.plan.guarded);
        let are_many = done.plan.guarded.as_ref().is_some_and(|guarded| guarded.are_many);
        let is_judged = pass.scope == Scope::Account && done.revocations_only.is_none();
        outcome.holds = (are_many || is_judged && !done.interrupted && !done.plan.needs_account).then_some(are_many);
    }
    match result {
        Ok(Some(done)) => {
            if done.plan.needs_account {
                outcome.end = PassEnd::NeedsAccount;
                return outcome;
            }
            if done.interrupted {
                // The pass that continues writes the statuses; the events of the changes already made are published
                // now.
                let outcomes = Outcomes::new(pass, done);
                outcomes.count(&mut outcome);
                outcome.notices = notices::of(pass, &outcomes, &AccessEvents::new());
                match &mut outcome.end {
                    // Retries everything after a delay: a failure must not be forgotten because a revocation
                    // interrupted the pass.
                    PassEnd::Retry { members, .. } => *members = None,
                    end => *end = PassEnd::Interrupted,
                }
                return outcome;
            }
            match &done.revocations_only {
                Some(why) => revocations_only::report(pass, judged, done, why, &mut outcome),
                None => Outcomes::new(pass, done).report(pass, judged, &mut outcome),
            }
        }
        Ok(None) => report_without_store(pass, judged, &mut outcome),
        Err(error) => {
            let by_store = error.is_of_store();
            outcome.end = PassEnd::Retry { why: error.to_string(), revokes: true, members: None, by_store };
            report_failure(pass, judged, error, &mut outcome);
        }
    }
    outcome
}

impl<'a> Outcomes<'a> {
    pub(super) fn new(pass: &ObjectsInScope, done: &'a AppliedPlan) -> Self {
        let plan = &done.plan;
        Self {
            plan,
            made: plan.changes.iter().map(|change| &change.object).zip(&done.outcomes).collect(),
            drift: plan
                .drift
                .iter()
                .map(|drift| (&drift.object, (drift.entries.as_slice(), drift.corrected)))
                .collect(),
            paused_store: pass
                .snapshot
                .store
                .as_ref()
                .filter(|store| store.spec.paused)
                .map(|store| store.name.clone()),
            now: pass.now,
        }
    }

    fn report(&self, pass: &ObjectsInScope, judged: &Judged, outcome: &mut PassReport) {
        self.count(outcome);
        let definitions = &judged.definitions;
        let mut access_events = AccessEvents::new();
        for ((email, memberships), member) in std::iter::zip(&pass.members, &judged.members) {
            let object = ObjectKey::Member(email.clone());
            for (record, view) in std::iter::zip(memberships, &member.views) {
                let report = self.member(record, view, member, &object, definitions, &mut access_events);
                outcome.say(pass, KindName::Membership, record, report);
            }
        }
        report_unaddressed(pass, definitions, outcome);
        report_invitations(pass, definitions, outcome);
        for record in &pass.roles {
            let mut report = role_report(record, definitions, &pass.counts);
            // A role that is not in the store must not be reported as in sync.
            if definitions.roles.get(&record.name).is_some_and(|role| role.usable) {
                self.put_sync(&mut report, &ObjectKey::Role(role_key(record)));
            }
            outcome.say(pass, KindName::Role, record, report);
        }
        for record in &pass.groups {
            let mut report = group_report(record, definitions, &pass.counts);
            if definitions.groups.contains_key(&record.name) {
                self.put_sync(&mut report, &ObjectKey::Group(record.name.clone()));
            }
            outcome.say(pass, KindName::UserGroup, record, report);
        }
        if pass.scope == Scope::Account {
            let report = self.account(pass, judged);
            outcome.say(pass, KindName::Account, &pass.account, report);
        }
        outcome.notices = notices::of(pass, self, &access_events);
    }

    pub(super) fn count(&self, outcome: &mut PassReport) {
        for change in &self.plan.changes {
            if self.made.get(&change.object).is_some_and(|made| made.is_ok()) {
                *outcome.changes.entry((change.object.kind(), change.cause)).or_insert(0) += 1;
            }
        }
        let found = self.plan.drift.len() as u64;
        let corrected = self.plan.drift.iter().filter(|drift| self.is_corrected(&drift.object)).count() as u64;
        outcome.drift = (found, corrected);
        let failures: Vec<&StoreError> = self.made.values().filter_map(|made| made.as_ref().err()).collect();
        if let Some(first) = failures.first() {
            let failed = |change: &&Change| self.made.get(&change.object).is_some_and(|made| made.is_err());
            let revokes = self.plan.changes.iter().filter(failed).any(|change| change.phase == Phase::Revoke);
            let members =
                self.plan.changes.iter().filter(failed).map(|change| change.object.person().cloned()).collect();
            let why = format!("{} failed; {first}", counted(failures.len(), "change"));
            outcome.end = PassEnd::Retry { why, revokes, members, by_store: false };
        }
    }

    pub(super) fn is_corrected(&self, object: &ObjectKey) -> bool {
        self.drift.get(object).is_some_and(|(_, corrected)| *corrected)
            && self.made.get(object).is_some_and(|made| made.is_ok())
    }

    /// Sets the sync and drift state of an object that exists in the store.
    fn put_sync(&self, report: &mut Report, object: &ObjectKey) {
        report.synced = self.synced(object);
        report.drift = match self.drift.get(object) {
            Some(_) if self.is_corrected(object) => DriftReport::Corrected(Seconds::of(self.now)),
            Some((entries, _)) => DriftReport::Reported((*entries).into()),
            None => DriftReport::Clean,
        };
    }

    fn synced(&self, object: &ObjectKey) -> Synced {
        if let Some(hold) = self.plan.holds.get(object) {
            return Synced::No(Box::new(self.hold(*hold, object)));
        }
        if self.plan.replaced {
            return Synced::No(Box::new(self.hold(Hold::StoreReplaced, object)));
        }
        match self.made.get(object) {
            // Objects of an account that is not ours are not ours either.
            None if self.plan.holds.get(&ObjectKey::Account) == Some(&Hold::NotOwned) => {
                Synced::No(Box::new(self.hold(Hold::NotOwned, &ObjectKey::Account)))
            }
            None => Synced::Yes { applied: false },
            Some(Ok(())) => Synced::Yes { applied: true },
            Some(Err(error)) => Synced::No(Box::new(failure(error))),
        }
    }

    fn hold(&self, hold: Hold, object: &ObjectKey) -> (SyncReason, String) {
        match hold {
            Hold::NotOwned => {
                let why = self.why_not_owned(object);
                (SyncReason::NotOwned, format!("{object} is in the store already and is not ours; {why}"))
            }
            Hold::Paused => {
                let who = match &self.paused_store {
                    Some(store) => format!("IdentityStore {store} is paused (spec.paused)"),
                    None => format!("the Account is paused (annotation {PAUSED_ANNOTATION})"),
                };
                (SyncReason::Paused, format!("{who}; only revocations are made"))
            }
            Hold::StoreReplaced => (
                SyncReason::StoreReplaced,
                "another store answers than the one that was used so far; only revocations are made until somebody approves \
                 it on the IdentityStore"
                    .to_owned(),
            ),
            Hold::Guarded => (SyncReason::RemovalGuarded, self.guard_message()),
            Hold::DriftReported => {
                let entries = self.drift.get(object).map_or(&[][..], |(entries, _)| *entries);
                (SyncReason::DriftReported, format!("{}; {}", sentences(entries, SHOWN, " in status.drift"), drift_advice(entries)))
            }
        }
    }

    /// Returns why an entry of the store that is not ours is not taken over.
    fn why_not_owned(&self, object: &ObjectKey) -> String {
        match self.plan.not_owned.get(object) {
            Some(NotOwned::OfCluster(cluster)) => {
                format!("it has the mark of cluster {cluster}, and another cluster's entries are never changed")
            }
            Some(NotOwned::Differs(entries, more)) => {
                let more = if *more == 0 { String::new() } else { format!("; and {more} more") };
                let what = match entries.as_slice() {
                    [] => "its section layout differs".to_owned(),
                    entries => sentences(entries, entries.len(), ""),
                };
                format!("the store's spec.adoption is IfIdentical, and it differs: {what}{more}")
            }
            Some(NotOwned::Never) => "the store's spec.adoption is Never".to_owned(),
            None => "the store's spec.adoption does not allow taking it".to_owned(),
        }
    }

    /// Returns a message on entries that are not ours and have no status of their own, such as the owner or a
    /// predefined role; `None` if there are none.
    fn not_owned(&self, pass: &ObjectsInScope, judged: &Judged) -> Option<String> {
        let definitions = &judged.definitions;
        let holds = self.plan.holds.iter().filter(|(_, hold)| **hold == Hold::NotOwned);
        let holds: Vec<&ObjectKey> = holds.map(|(object, _)| object).collect();
        if holds.is_empty() {
            return None;
        }
        let members = std::iter::zip(&pass.members, &judged.members);
        let members: HashSet<&Email> = members
            .filter(|((_, memberships), member)| !memberships.is_empty() && member.desired.is_some())
            .map(|((email, _), _)| email)
            .collect();
        let says_so = |object: &ObjectKey| match object {
            ObjectKey::Account => true,
            ObjectKey::Member(email) => members.contains(email),
            ObjectKey::Role(role) => pass.roles.iter().any(|record| role_key(record) == *role),
            ObjectKey::Group(name) => definitions.groups.contains_key(name),
        };
        let objects: Vec<&ObjectKey> = holds.into_iter().filter(|object| !says_so(object)).collect();
        match objects.as_slice() {
            [] => None,
            [object] => Some(self.hold(Hold::NotOwned, object).1),
            objects => Some(format!(
                "{} are in the store already and are not ours; the store's spec.adoption does not allow taking them",
                listed(objects)
            )),
        }
    }

    pub(super) fn guard_message(&self) -> String {
        self.plan.guarded.as_ref().map(held).unwrap_or_default()
    }

    pub(super) fn member(
        &self,
        record: &Record<MemberFacts>,
        view: &MemberView,
        member: &ResolvedMember,
        object: &ObjectKey,
        definitions: &Definitions,
        access_events: &mut AccessEvents,
    ) -> Report {
        let held = match object {
            ObjectKey::Member(email) => self.plan.kept.get(email),
            _ => None,
        };
        let desired = member.desired.as_ref().and_then(|desired| match &desired.access {
            Access::Exactly(content) | Access::AtMost(content) => Some(content.as_ref()),
            Access::Kept | Access::KeptWithin(_) | Access::Revoked(_) => None,
        });
        let content = match held {
            Some(held) => held.as_ref(),
            None => desired,
        };
        let layout = match &definitions.resolution {
            AccountResolution::Resolved(whole) => whole.catalog.layout.clone(),
            AccountResolution::Unresolvable => self.plan.layout.clone(),
        };
        // After a failed write the stored permissions are unknown.
        let is_made = self.made.get(object).is_none_or(|made| made.is_ok());
        let permissions = content.filter(|_| is_made).map(|content| (layout, content.ranks_at(self.now)));
        let is_there = member.desired.is_some() && (content.is_some() || self.plan.holds.contains_key(object));
        let is_kept_out = !is_there && desired.is_some() && held.is_some() && view.findings.is_valid();
        let of_owner = object.person().filter(|_| member.desired.is_none()).and_then(|email| owner(definitions, email));
        let of_owner = of_owner.filter(|_| held.is_none());
        let mut access = self.access(record, view, object, content.or(of_owner.as_deref()));
        if is_kept_out {
            access.access = Some(MemberAccess::Invalid);
        }
        if let Some((reason, note)) = access.turn(record.meta.status.access, content) {
            access_events.push((object.clone(), reason, note));
        }
        let mut report = member_report(record, view, permissions, access);
        if is_there {
            self.put_sync(&mut report, object);
        } else if is_kept_out {
            let message = "not in the store: something that lowers this access is invalid (see Advised), and nobody new is \
                           let in until it is mended";
            report.waits =
                Some(Box::new(Waits { reason: "AccessWithheld", message: message.to_owned(), stalled: true }));
        }
        report
    }

    /// Returns the access of a member for whom the store holds `content` after the pass.
    pub(super) fn access(
        &self,
        record: &Record<MemberFacts>,
        view: &MemberView,
        object: &ObjectKey,
        content: Option<&MemberContent>,
    ) -> AccessReport {
        // The content of another store must not be reported as a member's access.
        if self.plan.replaced {
            return AccessReport::default();
        }
        // A change that the store refused is not effective.
        if self.made.get(object).is_some_and(|made| made.is_err()) {
            return AccessReport::as_before(&record.meta.status);
        }
        let hold = |hold| self.plan.holds.get(object) == Some(&hold);
        let is_valid = view.findings.is_valid();
        // Nothing is known of an entry that is not ours.
        let is_known = !hold(Hold::NotOwned) && self.plan.holds.get(&ObjectKey::Account) != Some(&Hold::NotOwned);
        let circumstances = Circumstances { is_valid, is_held: hold(Hold::Guarded), now: self.now };
        if is_known { AccessReport::new(content, circumstances) } else { AccessReport::default() }
    }

    fn account(&self, pass: &ObjectsInScope, judged: &Judged) -> Report {
        let definitions = &judged.definitions;
        let mut report = account_report(&pass.account, definitions, pass, Some(pass.now));
        self.put_sync(&mut report, &ObjectKey::Account);
        if definitions.desired.is_none() && matches!(report.synced, Synced::Yes { .. }) {
            // The desired content is unknown, so nothing can be said about sync.
            report.synced = Synced::Silent;
        }
        let failures: Vec<_> =
            self.made.iter().filter_map(|(object, made)| Some((object, made.as_ref().err()?))).collect();
        if let Some(guarded) = &self.plan.guarded {
            report = guard(report, guarded, held(guarded));
        } else if let Some((object, error)) = failures.first() {
            let (reason, message) = failure(error);
            let message = format!(
                "{} of {} failed; {object}: {message}",
                failures.len(),
                counted(self.plan.changes.len(), "change")
            );
            report = report.unsynced(reason, message);
        } else if let Some(message) = self.not_owned(pass, judged).filter(|_| !matches!(report.synced, Synced::No(_))) {
            report = report.unsynced(SyncReason::NotOwned, message);
        } else if let Some(hold) = self.plan.holds.values().find(|hold| hold.is_pause()) {
            let (reason, message) = self.hold(*hold, &ObjectKey::Account);
            report = report.unsynced(reason, message);
        }
        let all: Vec<DriftEntry> = self.plan.drift.iter().flat_map(|drift| drift.entries.clone()).collect();
        if self.plan.drift.iter().any(|drift| !self.is_corrected(&drift.object)) {
            let left = self.plan.drift.iter().filter(|drift| !self.is_corrected(&drift.object));
            let entries: Vec<DriftEntry> = left.flat_map(|drift| drift.entries.clone()).collect();
            if matches!(report.synced, Synced::Yes { .. }) {
                report = report.unsynced(SyncReason::DriftReported, drift_advice(&entries));
            }
            report.drift = DriftReport::Reported(entries.into());
        } else if !all.is_empty() {
            report.drift = DriftReport::Corrected(Seconds::of(self.now));
        }
        if matches!(report.synced, Synced::Yes { .. }) && !self.plan.changes.is_empty() {
            report.synced = Synced::Yes { applied: true };
        }
        if let Some(message) = not_enforced(&report).filter(|_| matches!(report.synced, Synced::Yes { .. })) {
            report = report.unsynced(SyncReason::NotEnforced, message);
        }
        if let Some(owner) = &self.plan.owner_kept {
            report.findings.get_or_insert_default().push(definitions.owner_stays(owner));
        }
        report
    }
}

/// Returns the owner's desired content if `email` is the owner's address; a Membership of the owner grants nothing.
fn owner(definitions: &Definitions, email: &Email) -> Option<Arc<MemberContent>> {
    let (_, owner) = definitions.owner_member().filter(|(owner, _)| owner == email)?;
    match owner.access {
        Access::Exactly(content) | Access::AtMost(content) => Some(content),
        Access::Kept | Access::KeptWithin(_) | Access::Revoked(_) => None,
    }
}

/// Returns the message for an Account whose enforcement has no effect; `None` if it has no such setting.
fn not_enforced(report: &Report) -> Option<String> {
    let advice = report.findings.as_ref()?.advice().map(|finding| &finding.kind);
    advice.filter(|kind| matches!(kind, FindingKind::EnforcementWithoutEffect(_))).map(ToString::to_string).next()
}

/// Returns the message on removals that the guard holds back, and how to approve them.
#[must_use]
pub fn held(guarded: &Guarded) -> String {
    format!(
        "{} {} held back ({}): {}. {}",
        counted(guarded.members.len(), "removal"),
        agree(&guarded.members.len(), "is", "are"),
        listed(&guarded.members),
        guarded.why,
        how_to_approve(guarded),
    )
}

/// Returns the message on the deletion of an Account that the guard holds back, and how to approve it.
#[must_use]
pub fn held_deletion(guarded: &Guarded) -> String {
    format!(
        "the deletion of this Account is held back: {} {} would lose their access ({}); {}. {}; to let the \
         Account go and leave everybody their access, set spec.deletionPolicy to Orphan",
        guarded.members.len(),
        agree(&guarded.members.len(), "person", "people"),
        listed(&guarded.members),
        guarded.why,
        how_to_approve(guarded),
    )
}

fn how_to_approve(guarded: &Guarded) -> String {
    let other = guarded.other_approval.as_ref().map_or_else(String::new, |hash| {
        format!("; {hash}, which is approved, stands for other removals, or was used up")
    });
    format!("If this is wanted, set the annotation {APPROVE_REMOVAL_ANNOTATION}={} on the Account{other}", guarded.hash)
}

/// Adds removals that the guard holds back to the report on an Account.
#[must_use]
pub fn guard(report: Report, guarded: &Guarded, message: String) -> Report {
    let mut report = report.unsynced(SyncReason::RemovalGuarded, message);
    if let Detail::Account { held_removals, .. } = &mut report.detail {
        let members = i64::try_from(guarded.members.len()).unwrap_or(i64::MAX);
        *held_removals = Some(HeldRemovals { members, hash: guarded.hash.clone() });
    }
    report
}

/// Returns the first [`SHOWN`] items, and the number of the others.
fn listed<T: std::fmt::Display>(all: &[T]) -> String {
    let shown = all.iter().take(SHOWN).map(ToString::to_string).collect::<Vec<_>>().join(", ");
    match all.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// Returns the reason and message of `Synced=False` for an error of the store.
#[must_use]
pub fn failure(error: &StoreError) -> (SyncReason, String) {
    let reason = match error {
        StoreError::Unavailable(_) | StoreError::Conflict(_) => SyncReason::StoreUnavailable,
        StoreError::Denied(_) | StoreError::Invalid(_) => SyncReason::StoreRejected,
        StoreError::Unsupported(_) => SyncReason::NotSupportedByStore,
    };
    (reason, words(error))
}

/// Returns a store's error message, cut to [`MAX_TEXT`] characters.
pub(super) fn words(error: &StoreError) -> String {
    let mut words = error.to_string();
    if let Some((end, _)) = words.char_indices().nth(MAX_TEXT) {
        words.truncate(end);
        words.push('…');
    }
    words
}

fn report_unaddressed(pass: &ObjectsInScope, definitions: &Definitions, outcome: &mut PassReport) {
    for record in &pass.unaddressed {
        let access = AccessReport { access: Some(MemberAccess::Invalid), ..AccessReport::default() };
        let report = member_report(record, &definitions.unaddressed(&record.facts), None, access);
        outcome.say(pass, KindName::Membership, record, report);
    }
}

fn report_invitations(pass: &ObjectsInScope, definitions: &Definitions, outcome: &mut PassReport) {
    for record in &pass.invitations {
        let findings = definitions.invitation(&record.facts, &pass.memberships(&record.facts));
        let report = Report::new(record.facts.generation, Detail::Invitation).with_findings(findings);
        let report = report.unsynced(SyncReason::NotDelivered, FindingKind::InvitationWithoutEffect.to_string());
        outcome.say(pass, KindName::Invitation, record, report);
    }
}

/// Reports for an account without a store: only findings, since no change can be made.
fn report_without_store(pass: &ObjectsInScope, judged: &Judged, outcome: &mut PassReport) {
    let definitions = &judged.definitions;
    for ((_, memberships), member) in std::iter::zip(&pass.members, &judged.members) {
        for (record, view) in std::iter::zip(memberships, &member.views) {
            outcome.say(pass, KindName::Membership, record, member_report(record, view, None, AccessReport::default()));
        }
    }
    report_unaddressed(pass, definitions, outcome);
    report_invitations(pass, definitions, outcome);
    for record in &pass.roles {
        outcome.say(pass, KindName::Role, record, role_report(record, definitions, &pass.counts));
    }
    for record in &pass.groups {
        outcome.say(pass, KindName::UserGroup, record, group_report(record, definitions, &pass.counts));
    }
    let report = account_report(&pass.account, definitions, pass, None);
    outcome.say(pass, KindName::Account, &pass.account, report);
}

/// Reports a failed store on the Account, and on objects only if a change of theirs waits (docs/runbook.md).
fn report_failure(pass: &ObjectsInScope, judged: &Judged, error: &StoreError, outcome: &mut PassReport) {
    let definitions = &judged.definitions;
    let (reason, message) = failure(error);
    let waits = |meta: &Meta| meta.generation != meta.status.observed_generation;
    for ((_, memberships), member) in std::iter::zip(&pass.members, &judged.members) {
        for (record, view) in std::iter::zip(memberships, &member.views) {
            if waits(&record.meta) {
                // The member keeps their access: an unavailable store revokes nothing.
                let access = AccessReport::as_before(&record.meta.status);
                let report = member_report(record, view, None, access).unsynced(reason, &message);
                outcome.say(pass, KindName::Membership, record, report);
            }
        }
    }
    report_invitations(pass, definitions, outcome);
    for record in pass.roles.iter().filter(|record| waits(&record.meta)) {
        let report = role_report(record, definitions, &pass.counts).unsynced(reason, &message);
        outcome.say(pass, KindName::Role, record, report);
    }
    for record in pass.groups.iter().filter(|record| waits(&record.meta)) {
        let report = group_report(record, definitions, &pass.counts).unsynced(reason, &message);
        outcome.say(pass, KindName::UserGroup, record, report);
    }
    let report = account_report(&pass.account, definitions, pass, None).unsynced(reason, &message);
    outcome.say(pass, KindName::Account, &pass.account, report);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guarded(count: usize) -> Guarded {
        let members = (0..count).map(|number| Email::as_stored(&format!("m{number}@x.example"))).collect();
        Guarded { members, hash: "c0ffee".to_owned(), why: "too many".to_owned(), are_many: true, other_approval: None }
    }

    #[test]
    fn what_is_held_back_names_five_and_counts_the_others() {
        let approve =
            "too many. If this is wanted, set the annotation roster.dev/approve-removal=c0ffee on the Account";
        assert_eq!(held(&guarded(1)), format!("1 removal is held back (m0@x.example): {approve}"));
        let other = Guarded { other_approval: Some("beef".to_owned()), ..guarded(1) };
        let said = "; beef, which is approved, stands for other removals, or was used up";
        assert_eq!(held(&other), format!("1 removal is held back (m0@x.example): {approve}{said}"));
        let two = format!("2 removals are held back (m0@x.example, m1@x.example): {approve}");
        assert_eq!(held(&guarded(2)), two);
        assert!(held(&guarded(5)).contains("m3@x.example, m4@x.example): "), "{}", held(&guarded(5)));
        assert!(held(&guarded(8)).contains("m4@x.example and 3 more): "), "{}", held(&guarded(8)));
        let one = held_deletion(&guarded(1));
        assert!(one.contains(": 1 person would lose their access (m0@x.example); "), "{one}");
        assert!(held_deletion(&guarded(2)).contains(": 2 people would lose their access ("));
    }
}
