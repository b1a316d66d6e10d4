//! What came of a pass, put into words: reports for status, notices for events.

use std::{collections::HashMap, sync::Arc};

use jiff::Timestamp;

use super::{
    events::{Notice, Reason, about},
    pass::{Counts, End, Pass, PassOutcome},
    policy,
    reconcile::{Done, Resolved, default_role},
    record::{KindName, Meta, ObjectRef, Record},
    status::{Detail, DriftReport, Report, Seconds, Synced},
};
use crate::{
    api::{DriftEntry, InvalidReason, SyncReason},
    model::{Layout, Ranks},
    plan::{Hold, ObjectKey, Plan},
    resolve::{
        Access, Definitions, Finding, GroupFacts, MemberContent, MemberFacts, MemberView, Outlook, ResolvedMember,
        RoleFacts, RoleName, Scope,
    },
    store::{Outcome, StoreError},
};

/// What a pass did, looked up by object.
struct Deeds<'a> {
    plan: &'a Plan,
    outcomes: HashMap<&'a ObjectKey, &'a Outcome>,
    drift: HashMap<&'a ObjectKey, (&'a [DriftEntry], bool)>,
    unsettled: bool,
    now: Timestamp,
}

/// Puts what came of a pass into words.
pub(super) fn outcome(pass: &Pass, resolved: &Resolved, result: Result<Option<Done>, StoreError>) -> PassOutcome {
    let mut outcome = PassOutcome {
        key: pass.key.clone(),
        scope: pass.scope.clone(),
        definitions: Some(resolved.definitions.clone()),
        reports: Vec::new(),
        notices: Vec::new(),
        end: End::Done,
        changes: HashMap::new(),
        drift: (0, 0),
        wakes: wakes(pass),
        took: std::time::Duration::ZERO,
    };
    match &result {
        Ok(Some(done)) => {
            if done.plan.needs_account {
                outcome.end = End::NeedsAccount;
                return outcome;
            }
            let deeds = Deeds::new(pass, done);
            deeds.report(pass, resolved, &mut outcome);
        }
        Ok(None) => report_without_store(pass, resolved, &mut outcome),
        Err(error) => {
            outcome.end = End::Retry(error.to_string());
            report_failure(pass, resolved, error, &mut outcome);
        }
    }
    outcome
}

/// When somebody's time begins or ends.
fn wakes(pass: &Pass) -> Vec<(Timestamp, crate::model::Email)> {
    let mut wakes = Vec::new();
    for (email, memberships) in &pass.members {
        for record in memberships {
            let instants = [record.facts.starts_at, record.facts.expires_at].into_iter().flatten();
            wakes.extend(instants.filter(|at| *at > pass.now).map(|at| (at, email.clone())));
        }
    }
    wakes
}

impl<'a> Deeds<'a> {
    fn new(pass: &Pass, done: &'a Done) -> Self {
        let plan = &done.plan;
        Self {
            plan,
            outcomes: plan.changes.iter().map(|change| &change.object).zip(&done.outcomes).collect(),
            drift: plan
                .drift
                .iter()
                .map(|drift| (&drift.object, (drift.entries.as_slice(), drift.corrected)))
                .collect(),
            unsettled: done.unsettled,
            now: pass.now,
        }
    }

    fn report(&self, pass: &Pass, resolved: &Resolved, outcome: &mut PassOutcome) {
        self.count(outcome);
        let definitions = &resolved.definitions;
        for ((email, memberships), member) in std::iter::zip(&pass.members, &resolved.members) {
            let object = ObjectKey::Member(email.clone());
            for (record, view) in std::iter::zip(memberships, &member.views) {
                let report = self.member(record, view, member, &object, definitions, pass.now);
                outcome.reports.push((record.reference(KindName::Membership), report));
            }
        }
        report_unaddressed(pass, definitions, outcome);
        report_invitations(pass, definitions, outcome);
        for record in &pass.roles {
            let mut report = role_report(record, definitions, &pass.counts);
            let object = ObjectKey::Role(role_key(record));
            self.put_sync(&mut report, &object);
            outcome.reports.push((record.reference(KindName::Role), report));
        }
        for record in &pass.groups {
            let mut report = group_report(record, definitions, &pass.counts);
            self.put_sync(&mut report, &ObjectKey::Group(record.name.clone()));
            outcome.reports.push((record.reference(KindName::UserGroup), report));
        }
        if pass.scope == Scope::Account {
            let report = self.account(pass, definitions);
            outcome.reports.push((pass.account.reference(KindName::Account), report));
        }
        self.tell(pass, outcome);
    }

    fn count(&self, outcome: &mut PassOutcome) {
        for change in &self.plan.changes {
            if self.outcomes.get(&change.object).is_some_and(|made| made.is_ok()) {
                *outcome.changes.entry((change.object.kind(), change.cause)).or_insert(0) += 1;
            }
        }
        let found = self.plan.drift.len() as u64;
        let corrected = self.plan.drift.iter().filter(|drift| self.is_corrected(&drift.object)).count() as u64;
        outcome.drift = (found, corrected);
        let failures: Vec<&StoreError> = self.outcomes.values().filter_map(|made| made.as_ref().err()).collect();
        if let Some(first) = failures.first() {
            outcome.end = End::Retry(format!("{} changes failed; {first}", failures.len()));
        } else if self.unsettled {
            outcome.end = End::Retry("the namespace or a definition is being deleted".to_owned());
        }
    }

    fn is_corrected(&self, object: &ObjectKey) -> bool {
        self.drift.get(object).is_some_and(|(_, corrected)| *corrected)
            && self.outcomes.get(object).is_some_and(|made| made.is_ok())
    }

    /// What is to be said of an object that has a place in the store.
    fn put_sync(&self, report: &mut Report, object: &ObjectKey) {
        report.synced = self.synced(object);
        report.drift = match self.drift.get(object) {
            Some(_) if self.is_corrected(object) => DriftReport::Corrected(Seconds::of(self.now)),
            Some((entries, _)) => DriftReport::Reported(Box::new(entries.to_vec())),
            None => DriftReport::Clean,
        };
    }

    fn synced(&self, object: &ObjectKey) -> Synced {
        if let Some(hold) = self.plan.holds.get(object) {
            return Synced::No(Box::new(self.hold(*hold, object)));
        }
        // What belongs to an account that is not ours is not ours either.
        if self.plan.holds.get(&ObjectKey::Account) == Some(&Hold::NotOwned) {
            return Synced::No(Box::new(self.hold(Hold::NotOwned, &ObjectKey::Account)));
        }
        match self.outcomes.get(object) {
            None => Synced::Yes { applied: false },
            Some(Ok(())) => Synced::Yes { applied: true },
            Some(Err(error)) => Synced::No(Box::new(failure(error))),
        }
    }

    fn hold(&self, hold: Hold, object: &ObjectKey) -> (SyncReason, String) {
        match hold {
            Hold::NotOwned => (
                SyncReason::NotOwned,
                format!(
                    "{object} is in the store already and is not ours; the store's spec.adoption does not allow taking it"
                ),
            ),
            Hold::Paused => {
                (SyncReason::Paused, "the store or the account is paused; only revocations are made".to_owned())
            }
            Hold::Guarded => (SyncReason::RemovalGuarded, self.guard_message()),
            Hold::DriftReported => {
                (SyncReason::DriftReported, "the store differs, and the policy is to report".to_owned())
            }
        }
    }

    fn guard_message(&self) -> String {
        let Some(guarded) = &self.plan.guarded else { return String::new() };
        let shown = guarded.members.iter().take(5).map(crate::model::Email::as_str).collect::<Vec<_>>().join(", ");
        let more = guarded.members.len().saturating_sub(5);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!(
            "{} removals are held back ({shown}{more}): {}. If this is wanted, set the annotation {}={} on the Account",
            guarded.members.len(),
            guarded.why,
            crate::api::APPROVE_REMOVAL_ANNOTATION,
            guarded.hash,
        )
    }

    fn member(
        &self,
        record: &Record<MemberFacts>,
        view: &MemberView,
        member: &ResolvedMember,
        object: &ObjectKey,
        definitions: &Definitions,
        now: Timestamp,
    ) -> Report {
        let held = match object {
            ObjectKey::Member(email) => self.plan.kept.get(email),
            _ => None,
        };
        let desired = member.desired.as_ref().and_then(|desired| match &desired.access {
            Access::Exactly(content) | Access::AtMost(content) => Some(content.as_ref()),
            Access::Kept | Access::KeptWithin(_) | Access::Ended(_) => None,
        });
        let content = match held {
            Some(held) => held.as_ref(),
            None => desired,
        };
        let layout = match &definitions.outlook {
            Outlook::Whole(whole) => whole.catalog.layout.clone(),
            Outlook::Frozen => self.plan.layout.clone(),
        };
        let mut report = member_report(record, view, content.map(|content| (layout, in_force(content, now))));
        if member.desired.is_some() && !(content.is_none() && self.plan.holds.get(object).is_none()) {
            self.put_sync(&mut report, object);
        }
        report
    }

    fn account(&self, pass: &Pass, definitions: &Definitions) -> Report {
        let mut report = account_report(&pass.account, definitions, pass, Some(pass.now));
        self.put_sync(&mut report, &ObjectKey::Account);
        let failures: Vec<_> =
            self.outcomes.iter().filter_map(|(object, made)| Some((object, made.as_ref().err()?))).collect();
        if self.plan.guarded.is_some() {
            report = report.unsynced(SyncReason::RemovalGuarded, self.guard_message());
        } else if let Some((object, error)) = failures.first() {
            let (reason, message) = failure(error);
            let message =
                format!("{} of {} changes failed; {object}: {message}", failures.len(), self.plan.changes.len());
            report = report.unsynced(reason, message);
        } else if let Some(hold) = self.plan.holds.values().find(|hold| **hold == Hold::Paused) {
            let (reason, message) = self.hold(*hold, &ObjectKey::Account);
            report = report.unsynced(reason, message);
        }
        let all: Vec<DriftEntry> = self.plan.drift.iter().flat_map(|drift| drift.entries.clone()).collect();
        if self.plan.drift.iter().any(|drift| !self.is_corrected(&drift.object)) {
            let left = self.plan.drift.iter().filter(|drift| !self.is_corrected(&drift.object));
            let entries: Vec<DriftEntry> = left.flat_map(|drift| drift.entries.clone()).collect();
            if matches!(report.synced, Synced::Yes { .. }) {
                let message = format!("{} fields differ in the store, and the policy is to report", entries.len());
                report = report.unsynced(SyncReason::DriftReported, message);
            }
            report.drift = DriftReport::Reported(Box::new(entries));
        } else if !all.is_empty() {
            report.drift = DriftReport::Corrected(Seconds::of(self.now));
        }
        if matches!(report.synced, Synced::Yes { .. }) && !self.plan.changes.is_empty() {
            report.synced = Synced::Yes { applied: true };
        }
        if let Some(owner) = &self.plan.owner_kept {
            let mut finding = report.finding.take().map(|finding| *finding).unwrap_or_default();
            let message =
                format!("spec.owner.email: {owner} is the owner and stays; the catalog's ownerChange is Never");
            finding.fault(InvalidReason::OwnerImmutable, message);
            report = report.with_finding(finding);
        }
        report
    }

    fn tell(&self, pass: &Pass, outcome: &mut PassOutcome) {
        let about_account = about(&pass.account.reference(KindName::Account), &pass.account.meta);
        let mut tell = |reason: Reason, count: usize, note: String| {
            outcome.notices.push(Notice { about: about_account.clone(), reason, count, note });
        };
        let made = self.outcomes.values().filter(|made| made.is_ok()).count();
        if made > 0 {
            tell(Reason::Applied, made, String::new());
        }
        let was_reported = pass.account.meta.status.drift_detected.is_some();
        let describe = |entries: &[DriftEntry]| {
            let shown = entries.iter().take(5).map(|entry| {
                format!("{} {}: {} in the store, {} desired", entry.object, entry.field, entry.observed, entry.desired)
            });
            shown.collect::<Vec<_>>().join("; ")
        };
        let entries: Vec<DriftEntry> = self.plan.drift.iter().flat_map(|drift| drift.entries.clone()).collect();
        if !entries.is_empty() && !was_reported {
            tell(Reason::DriftDetected, 0, describe(&entries));
        }
        let corrected = self.plan.drift.iter().filter(|drift| self.is_corrected(&drift.object));
        let corrected: Vec<DriftEntry> = corrected.flat_map(|drift| drift.entries.clone()).collect();
        if !corrected.is_empty() {
            tell(Reason::DriftCorrected, 0, describe(&corrected));
        }
        if self.plan.guarded.is_some() {
            tell(Reason::RemovalGuarded, 0, self.guard_message());
        }
        for (object, error) in self.outcomes.iter().filter_map(|(object, made)| Some((object, made.as_ref().err()?))) {
            if matches!(error, StoreError::Invalid(_) | StoreError::Denied(_)) {
                tell(Reason::Rejected, 0, format!("{object}: {error}"));
            }
        }
    }
}

/// What a failure of the store means to an object.
fn failure(error: &StoreError) -> (SyncReason, String) {
    let reason = match error {
        StoreError::Unavailable(_) | StoreError::Conflict(_) => SyncReason::StoreUnavailable,
        StoreError::Denied(_) | StoreError::Invalid(_) => SyncReason::StoreRejected,
    };
    (reason, error.to_string())
}

/// What a member may do now.
fn in_force(content: &MemberContent, now: Timestamp) -> Ranks {
    if content.ended.is_none() && content.window.contains(now) {
        content.ranks.clone()
    } else {
        Ranks::none(content.ranks.as_slice().len())
    }
}

fn member_report(record: &Record<MemberFacts>, view: &MemberView, permissions: Option<(Layout, Ranks)>) -> Report {
    let restrictions: Arc<[crate::model::Name]> = view.restrictions.iter().cloned().collect();
    Report::new(record.facts.generation, Detail::Member { permissions, restrictions })
        .with_finding(view.finding.clone())
}

fn role_key(record: &Record<RoleFacts>) -> RoleName {
    match &record.facts.spec.overrides {
        Some(overridden) => RoleName::predefined(overridden),
        None => RoleName::custom(&record.name),
    }
}

/// Members that hold a role.
fn holders(role: &RoleName, definitions: &Definitions, counts: &Counts) -> u64 {
    let named = counts.role_refs.get(&Some(role.clone())).copied().unwrap_or(0);
    let implicit = if default_role(definitions).as_ref() == Some(role) {
        counts.role_refs.get(&None).copied().unwrap_or(0)
    } else {
        0
    };
    let owns = match &definitions.outlook {
        Outlook::Whole(whole) => whole
            .owner
            .as_ref()
            .is_some_and(|owner| RoleName::predefined(&whole.catalog.roles[owner.role].name) == *role),
        Outlook::Frozen => false,
    };
    named + implicit + u64::from(owns)
}

fn shared(definitions: &Definitions) -> Finding {
    Finding { faults: definitions.shared_fault.iter().cloned().collect(), advice: Vec::new() }
}

pub(super) fn role_report(record: &Record<RoleFacts>, definitions: &Definitions, counts: &Counts) -> Report {
    let members = holders(&role_key(record), definitions, counts);
    let resolved = definitions.roles.get(&record.name);
    let permissions = resolved
        .zip(definitions.desired.as_ref())
        .map(|(role, desired)| (desired.account.layout.clone(), role.ranks.clone()));
    let changes = resolved.map(|role| role.changes_from_default.clone()).unwrap_or_default();
    let finding = resolved.map_or_else(|| shared(definitions), |role| role.finding.clone());
    Report::new(record.facts.generation, Detail::Role { permissions, changes, members }).with_finding(finding)
}

pub(super) fn group_report(record: &Record<GroupFacts>, definitions: &Definitions, counts: &Counts) -> Report {
    let members = counts.group_refs.get(&record.name).copied().unwrap_or(0);
    let resolved = definitions.groups.get(&record.name);
    let permissions = resolved
        .zip(definitions.desired.as_ref())
        .map(|(group, desired)| (desired.account.layout.clone(), group.ranks.clone()));
    let finding = resolved.map_or_else(|| shared(definitions), |group| group.finding.clone());
    Report::new(record.facts.generation, Detail::Group { permissions, members }).with_finding(finding)
}

fn account_report(
    record: &Record<crate::resolve::AccountFacts>,
    definitions: &Definitions,
    pass: &Pass,
    checked: Option<Timestamp>,
) -> Report {
    let counts = &pass.counts;
    let mut finding = definitions.finding.clone();
    let mut all_holders: HashMap<RoleName, u64> = HashMap::new();
    if let Outlook::Whole(whole) = &definitions.outlook {
        for role in &whole.catalog.roles {
            let name = RoleName::predefined(&role.name);
            let count = holders(&name, definitions, counts);
            all_holders.insert(name, count);
        }
    }
    finding.advice.extend(definitions.holder_advice(&all_holders));
    if let Some(store) = &pass.snapshot.store {
        finding.advice.extend(policy::advice(&store.spec, &record.facts.spec));
    }
    let detail = account_detail(counts, definitions.owner.is_some(), checked);
    Report::new(record.facts.generation, detail).with_finding(finding)
}

/// The numbers an Account shows.
pub(super) fn account_detail(counts: &Counts, has_owner: bool, checked: Option<Timestamp>) -> Detail {
    Detail::Account {
        members: counts.memberships + u64::from(has_owner),
        roles: counts.roles,
        groups: counts.groups,
        pending_invitations: counts.invitations,
        managed_accounts: counts.children,
        checked: checked.map(Seconds::of),
    }
}

fn report_unaddressed(pass: &Pass, definitions: &Definitions, outcome: &mut PassOutcome) {
    for record in &pass.unaddressed {
        let report = member_report(record, &definitions.unaddressed(&record.facts), None);
        outcome.reports.push((record.reference(KindName::Membership), report));
    }
}

fn report_invitations(pass: &Pass, definitions: &Definitions, outcome: &mut PassOutcome) {
    for record in &pass.invitations {
        let finding = definitions.invitation(&record.facts);
        let report = Report::new(record.facts.generation, Detail::Invitation).with_finding(finding);
        outcome.reports.push((record.reference(KindName::Invitation), report));
    }
}

/// Without a store nothing can be done, but everything can be said.
fn report_without_store(pass: &Pass, resolved: &Resolved, outcome: &mut PassOutcome) {
    let definitions = &resolved.definitions;
    for ((_, memberships), member) in std::iter::zip(&pass.members, &resolved.members) {
        for (record, view) in std::iter::zip(memberships, &member.views) {
            outcome.reports.push((record.reference(KindName::Membership), member_report(record, view, None)));
        }
    }
    report_unaddressed(pass, definitions, outcome);
    report_invitations(pass, definitions, outcome);
    for record in &pass.roles {
        outcome.reports.push((record.reference(KindName::Role), role_report(record, definitions, &pass.counts)));
    }
    for record in &pass.groups {
        outcome.reports.push((record.reference(KindName::UserGroup), group_report(record, definitions, &pass.counts)));
    }
    let report = account_report(&pass.account, definitions, pass, None);
    outcome.reports.push((pass.account.reference(KindName::Account), report));
}

/// A store that is away is said on the Account, and on objects only where a change waits (design/api.md "Status").
fn report_failure(pass: &Pass, resolved: &Resolved, error: &StoreError, outcome: &mut PassOutcome) {
    let definitions = &resolved.definitions;
    let (reason, message) = failure(error);
    let waits = |meta: &Meta| meta.generation != meta.status.observed_generation;
    for ((_, memberships), member) in std::iter::zip(&pass.members, &resolved.members) {
        for (record, view) in std::iter::zip(memberships, &member.views) {
            if waits(&record.meta) {
                let report = member_report(record, view, None).unsynced(reason, &message);
                outcome.reports.push((record.reference(KindName::Membership), report));
            }
        }
    }
    report_invitations(pass, definitions, outcome);
    for record in pass.roles.iter().filter(|record| waits(&record.meta)) {
        let report = role_report(record, definitions, &pass.counts).unsynced(reason, &message);
        outcome.reports.push((record.reference(KindName::Role), report));
    }
    for record in pass.groups.iter().filter(|record| waits(&record.meta)) {
        let report = group_report(record, definitions, &pass.counts).unsynced(reason, &message);
        outcome.reports.push((record.reference(KindName::UserGroup), report));
    }
    let report = account_report(&pass.account, definitions, pass, None).unsynced(reason, &message);
    outcome.reports.push((pass.account.reference(KindName::Account), report));
}

/// What is to be said of an object whose account does not exist.
pub(super) fn orphan(reference: &ObjectRef, account: &str, generation: i64) -> Report {
    let mut finding = Finding::default();
    let message = format!("spec.accountRef: there is no Account {account:?} in namespace {:?}", reference.namespace);
    finding.fault(InvalidReason::AccountNotFound, message);
    let detail = match reference.kind {
        KindName::Role => Detail::Role { permissions: None, changes: Vec::new(), members: 0 },
        KindName::UserGroup => Detail::Group { permissions: None, members: 0 },
        KindName::Invitation => Detail::Invitation,
        _ => Detail::Member { permissions: None, restrictions: Arc::from([]) },
    };
    Report::new(generation, detail).with_finding(finding)
}

/// Brings the numbers of an Account, Role or UserGroup up to date; whether they changed.
pub(super) fn recount(reference: &ObjectRef, detail: &mut Detail, definitions: &Definitions, counts: &Counts) -> bool {
    let set = |number: &mut u64, now: u64| std::mem::replace(number, now) != now;
    match detail {
        Detail::Account { members, roles, groups, pending_invitations, managed_accounts, .. } => {
            let owner = u64::from(definitions.owner.is_some());
            set(members, counts.memberships + owner)
                | set(roles, counts.roles)
                | set(groups, counts.groups)
                | set(pending_invitations, counts.invitations)
                | set(managed_accounts, counts.children)
        }
        Detail::Role { members, .. } => {
            let overridden = definitions.roles.get(&reference.name).and_then(|role| role.overrides.as_ref());
            let role = overridden.map_or_else(|| RoleName::custom(&reference.name), |name| RoleName::predefined(name));
            set(members, holders(&role, definitions, counts))
        }
        Detail::Group { members, .. } => set(members, counts.group_refs.get(&reference.name).copied().unwrap_or(0)),
        _ => false,
    }
}
