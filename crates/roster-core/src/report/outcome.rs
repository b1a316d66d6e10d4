//! Indexes the outcomes of a pass by object, and reports on each object. Called by `report::pass`, and by the reports of
//! passes that made only revocations.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use jiff::Timestamp;

use super::{
    AccessReport, AppliedPlan, DriftReport, NoticeReason, PassCompletion, PassReport, Report, Synced, Waits,
    access::Circumstances,
    bodies::{
        account_report, add_unauthorised, group_report, member_report, report_invitations, report_unaddressed,
        role_report, says_not_enforced,
    },
    drift::{drift_advice, sentences},
    messages::{SHOWN, failure, guard, held, listed},
};
use crate::{
    api::{DriftEntry, MemberAccess, PAUSED_ANNOTATION, SyncReason},
    contract::{Outcome, StoreError},
    evaluate::Judged,
    model::{Email, KindName, Name, Scope, counted},
    plan::{Change, Hold, NotOwned, ObjectKey, Phase, Plan},
    resolve::{Access, AccountResolution, Definitions, MemberContent, MemberView, ResolvedMember},
    state::{MemberFacts, ObjectsInScope, Record, Seconds},
};

/// Members whose access began or ended, with the reason and the text of the event.
pub(super) type AccessEvents = Vec<(ObjectKey, NoticeReason, String)>;

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

    /// Reports on all objects in the scope. Returns the events about access that began or ended.
    pub(super) fn report(&self, pass: &ObjectsInScope, judged: &Judged, outcome: &mut PassReport) -> AccessEvents {
        self.count(outcome);
        let definitions = &judged.definitions;
        let mut access_events = AccessEvents::new();
        for ((email, memberships), member) in std::iter::zip(&pass.members, &judged.members) {
            let object = ObjectKey::Member(email.clone());
            for (record, view) in std::iter::zip(memberships, &member.views) {
                let report = self.member(record, view, member, &object, definitions, &mut access_events);
                outcome.add(pass, KindName::Membership, record, report);
            }
        }
        report_unaddressed(pass, definitions, outcome);
        report_invitations(pass, definitions, outcome);
        for record in &pass.roles {
            let mut report = role_report(record, definitions, &pass.counts);
            // A role that is not in the store must not be reported as in sync.
            if definitions.roles.get(&record.name).is_some_and(|role| role.usable) {
                self.put_sync(&mut report, &ObjectKey::Role(record.facts.role_name()));
            }
            add_unauthorised(&mut report, &record.reference(KindName::Role), judged);
            outcome.add(pass, KindName::Role, record, report);
        }
        for record in &pass.groups {
            let mut report = group_report(record, definitions, &pass.counts);
            if definitions.groups.contains_key(&record.name) {
                self.put_sync(&mut report, &ObjectKey::Group(record.name.clone()));
            }
            add_unauthorised(&mut report, &record.reference(KindName::UserGroup), judged);
            outcome.add(pass, KindName::UserGroup, record, report);
        }
        if pass.scope == Scope::Account {
            let report = self.account(pass, judged);
            outcome.add(pass, KindName::Account, &pass.account, report);
        }
        access_events
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
            outcome.completion = PassCompletion::Retry { why, revokes, members, by_store: false };
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
                (SyncReason::NotOwned, format!("{object} exists in the store without the mark of this Account; {why}"))
            }
            Hold::Paused => {
                let who = match &self.paused_store {
                    Some(store) => format!("IdentityStore {store} is paused (spec.paused)"),
                    None => format!("the Account is paused (annotation {PAUSED_ANNOTATION})"),
                };
                (SyncReason::Paused, format!("{who}; only revocations are applied"))
            }
            Hold::StoreReplaced => (
                SyncReason::StoreReplaced,
                "the store is not the one used so far; only revocations are applied until it is approved on the \
                 IdentityStore"
                    .to_owned(),
            ),
            Hold::Unauthorized => (
                SyncReason::Unauthorized,
                "somebody without the authority changed the Account; only revocations are applied until that is undone, or \
                 confirmed with `roster authorize`"
                    .to_owned(),
            ),
            Hold::Guarded => (SyncReason::RemovalGuarded, self.guard_message()),
            Hold::DriftReported => {
                let entries = self.drift.get(object).map_or(&[][..], |(entries, _)| *entries);
                (
                    SyncReason::DriftReported,
                    format!("{}; {}", sentences(entries, SHOWN, " in status.drift"), drift_advice(entries)),
                )
            }
        }
    }

    /// Returns why an entry of the store that is not ours is not taken over.
    fn why_not_owned(&self, object: &ObjectKey) -> String {
        match self.plan.not_owned.get(object) {
            Some(NotOwned::OfCluster(cluster)) => {
                format!("it has the mark of cluster {cluster}, and Roster never changes another cluster's entries")
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
            None => "the store's spec.adoption does not allow adopting it".to_owned(),
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
            ObjectKey::Role(role) => pass.roles.iter().any(|record| record.facts.role_name() == *role),
            ObjectKey::Group(name) => definitions.groups.contains_key(name),
        };
        let objects: Vec<&ObjectKey> = holds.into_iter().filter(|object| !says_so(object)).collect();
        match objects.as_slice() {
            [] => None,
            [object] => Some(self.hold(Hold::NotOwned, object).1),
            objects => Some(format!(
                "{} exist in the store without the mark of this Account; the store's spec.adoption does not allow \
                 adopting them",
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
            let message = "not in the store: an object that lowers this access is invalid (see Advised); new members \
                           get access when it is corrected";
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
        add_unauthorised(&mut report, &pass.account.reference(KindName::Account), judged);
        self.put_sync(&mut report, &ObjectKey::Account);
        if definitions.desired.is_none() && matches!(report.synced, Synced::Yes { .. }) {
            // The desired content is unknown, so the sync state is unknown.
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
    let advice = report.findings.as_ref()?.advice();
    advice.filter(|finding| says_not_enforced(finding)).map(|finding| finding.kind.to_string()).next()
}
