//! Builds the parts of a status that do not depend on a pass's outcome. Called by `report::outcome` and the reports of other passes,
//! and by the controller for counts, orphans and unreadable objects.

use std::sync::Arc;

use jiff::Timestamp;

use super::{AccessReport, Detail, PassReport, Report};
use crate::{
    api::{HeldChanges, MemberAccess, SyncReason},
    evaluate::Judged,
    model::{
        AccountKey, FieldPath, Finding, FindingKind, Findings, KindName, Layout, Name, ObjectRef, Ranks, RoleName,
    },
    resolve::{Definitions, MemberView},
    state::{AccountFacts, Counts, GroupFacts, MemberFacts, ObjectsInScope, Record, RoleFacts, Seconds, Unreadable},
};

pub(super) fn member_report(
    record: &Record<MemberFacts>,
    view: &MemberView,
    permissions: Option<(Layout, Ranks)>,
    access: AccessReport,
) -> Report {
    let restrictions: Arc<[Name]> = view.restrictions.iter().cloned().collect();
    Report::new(record.facts.generation, Detail::Member { permissions, restrictions, access })
        .with_findings(view.findings.clone())
}

pub(super) fn role_report(record: &Record<RoleFacts>, definitions: &Definitions, counts: &Counts) -> Report {
    let members = definitions.holders(&record.facts.role_name(), &counts.role_refs);
    let resolved = definitions.roles.get(&record.name);
    let permissions = resolved
        .zip(definitions.desired.as_ref())
        .map(|(role, desired)| (desired.account.layout.clone(), role.ranks.clone()));
    let changes = resolved.map(|role| role.changes_from_default.clone()).unwrap_or_default();
    let findings = definitions.role_findings(&record.name);
    Report::new(record.facts.generation, Detail::Role { permissions, changes, members }).with_findings(findings)
}

pub(super) fn group_report(record: &Record<GroupFacts>, definitions: &Definitions, counts: &Counts) -> Report {
    let members = counts.group_refs.get(&record.name).copied().unwrap_or(0);
    let resolved = definitions.groups.get(&record.name);
    let permissions = resolved
        .zip(definitions.desired.as_ref())
        .map(|(group, desired)| (desired.account.layout.clone(), group.ranks.clone()));
    let findings = definitions.group_findings(&record.name);
    Report::new(record.facts.generation, Detail::Group { permissions, members }).with_findings(findings)
}

/// Returns whether a finding says that `enforcement` of an Account has no effect.
pub(super) const fn says_not_enforced(finding: &Finding) -> bool {
    matches!(finding.kind, FindingKind::EnforcementWithoutEffect(_))
}

/// Adds the faults of an object that somebody without the authority changed.
pub(super) fn add_unauthorised(report: &mut Report, object: &ObjectRef, judged: &Judged) {
    let Some(authorised) = &judged.authorised else { return };
    let mut findings = report.findings.take().map(|findings| *findings).unwrap_or_default();
    findings.retain(|finding| !says_not_enforced(finding));
    for fault in authorised.findings.iter().filter(|fault| fault.object == *object) {
        findings.push(fault.clone());
    }
    if let Some(hash) = authorised.hash.as_deref().filter(|_| object.kind == KindName::Account) {
        let (changes, hash) = (authorised.findings.len() as u64, Name::new(hash));
        if let Detail::Account { held_changes, .. } = &mut report.detail {
            let changes = i64::try_from(changes).unwrap_or(i64::MAX);
            *held_changes = Some(HeldChanges { changes, hash: hash.to_string() });
        }
        let kind = FindingKind::ChangesHeld { changes, hash };
        findings.push(Finding { object: object.clone(), field: FieldPath::WHOLE, kind });
    }
    *report = report.clone().with_findings(findings);
}

pub(super) fn account_report(
    record: &Record<AccountFacts>,
    definitions: &Definitions,
    pass: &ObjectsInScope,
    checked: Option<Timestamp>,
) -> Report {
    let findings = definitions.account_findings(&record.facts, &pass.counts.role_refs);
    let catalog = pass.snapshot.catalog.as_ref().map(|catalog| catalog.generation);
    let detail = account_detail(&pass.counts, definitions.owner.is_some(), catalog, checked);
    Report::new(record.facts.generation, detail).with_findings(findings)
}

/// Updates the advice on an Account to the counts. Returns whether the advice changed.
pub fn readvise(report: &mut Report, facts: &AccountFacts, definitions: &Definitions, counts: &Counts) -> bool {
    let mut advice = definitions.account_advice(facts, &counts.role_refs);
    let mut findings = report.findings.take().map(|findings| *findings).unwrap_or_default();
    // Only a pass knows whether this controller enforces.
    let is_enforced = !findings.iter().any(says_not_enforced);
    advice.retain(|finding| !is_enforced || !says_not_enforced(finding));
    let held = findings.iter().filter(|finding| matches!(finding.kind, FindingKind::ChangesHeld { .. })).cloned();
    held.for_each(|finding| advice.push(finding));
    let changed = findings.set_advice(advice);
    *report = report.clone().with_findings(findings);
    changed
}

/// Returns the status fields of an Account: its counts, the generation of its catalog and the time of the last check.
pub fn account_detail(counts: &Counts, has_owner: bool, catalog: Option<i64>, checked: Option<Timestamp>) -> Detail {
    Detail::Account {
        members: counts.memberships + u64::from(has_owner),
        roles: counts.roles,
        groups: counts.groups,
        pending_invitations: counts.invitations,
        managed_accounts: counts.children,
        catalog,
        checked: checked.map(Seconds::of),
        held_removals: None,
        held_changes: None,
    }
}

/// Returns the report on an object whose Account does not exist.
#[must_use]
pub fn orphan(reference: &ObjectRef, account: &str, generation: i64) -> Report {
    let account = AccountKey::new(&reference.namespace, account);
    let findings = Findings::account_missing(reference.kind, &reference.name, &account);
    Report::new(generation, unknown(reference.kind)).with_findings(findings)
}

/// Returns the report on an object of an account whose spec cannot be read.
#[must_use]
pub fn unreadable(unreadable: &Unreadable) -> Report {
    let Unreadable { object, field, how, meta, .. } = unreadable;
    let findings = Findings::unreadable(object, field.clone(), how);
    Report::new(meta.generation, unknown(object.kind)).with_findings(findings)
}

/// Returns the status fields of an object of an account if none of their values are known.
fn unknown(kind: KindName) -> Detail {
    match kind {
        KindName::Role => Detail::Role { permissions: None, changes: Vec::new(), members: 0 },
        KindName::UserGroup => Detail::Group { permissions: None, members: 0 },
        KindName::Invitation => Detail::Invitation,
        _ => Detail::Member { permissions: None, restrictions: Arc::from([]), access: AccessReport::default() },
    }
}

/// Updates the counts of an Account, Role or UserGroup. Returns whether they changed.
pub fn recount(reference: &ObjectRef, detail: &mut Detail, definitions: &Definitions, counts: &Counts) -> bool {
    let set = |number: &mut u64, now: u64| std::mem::replace(number, now) != now;
    match detail {
        Detail::Account { members, roles, groups, pending_invitations, managed_accounts, .. } => {
            let owner = u64::from(definitions.owner.is_some());
            set(members, counts.memberships + owner)
                | set(roles, counts.roles)
                | set(groups, counts.groups)
                | set(pending_invitations, counts.invitations)
                | counts.children.is_some_and(|children| managed_accounts.replace(children) != Some(children))
        }
        Detail::Role { members, .. } => {
            let overridden = definitions.roles.get(&reference.name).and_then(|role| role.overrides.as_ref());
            let role = overridden.map_or_else(|| RoleName::custom(&reference.name), |name| RoleName::predefined(name));
            set(members, definitions.holders(&role, &counts.role_refs))
        }
        Detail::Group { members, .. } => set(members, counts.group_refs.get(&reference.name).copied().unwrap_or(0)),
        _ => false,
    }
}

/// Reports Memberships whose address cannot be read.
pub(super) fn report_unaddressed(pass: &ObjectsInScope, definitions: &Definitions, outcome: &mut PassReport) {
    for record in &pass.unaddressed {
        let access = AccessReport { access: Some(MemberAccess::Invalid), ..AccessReport::default() };
        let report = member_report(record, &definitions.unaddressed(&record.facts), None, access);
        outcome.add(pass, KindName::Membership, record, report);
    }
}

/// Reports Invitations: their faults, and that nobody is invited.
pub(super) fn report_invitations(pass: &ObjectsInScope, definitions: &Definitions, outcome: &mut PassReport) {
    for record in &pass.invitations {
        let findings = definitions.invitation(&record.facts, &pass.memberships(&record.facts));
        let report = Report::new(record.facts.generation, Detail::Invitation).with_findings(findings);
        let report = report.unsynced(SyncReason::NotDelivered, FindingKind::InvitationWithoutEffect.to_string());
        outcome.add(pass, KindName::Invitation, record, report);
    }
}
