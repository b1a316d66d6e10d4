//! Reports of passes in which no store could be asked: the account has none, or the store failed as a whole. Called by
//! `report::outcome`.

use super::{
    AccessReport, PassReport,
    bodies::{account_report, group_report, member_report, report_invitations, report_unaddressed, role_report},
    messages::failure,
};
use crate::{
    contract::StoreError,
    evaluate::Judged,
    model::KindName,
    state::{Meta, ObjectsInScope},
};

/// Reports for an account without a store: only findings, since no change can be made.
pub(super) fn report_without_store(pass: &ObjectsInScope, judged: &Judged, outcome: &mut PassReport) {
    let definitions = &judged.definitions;
    for ((_, memberships), member) in std::iter::zip(&pass.members, &judged.members) {
        for (record, view) in std::iter::zip(memberships, &member.views) {
            outcome.add(pass, KindName::Membership, record, member_report(record, view, None, AccessReport::default()));
        }
    }
    report_unaddressed(pass, definitions, outcome);
    report_invitations(pass, definitions, outcome);
    for record in &pass.roles {
        outcome.add(pass, KindName::Role, record, role_report(record, definitions, &pass.counts));
    }
    for record in &pass.groups {
        outcome.add(pass, KindName::UserGroup, record, group_report(record, definitions, &pass.counts));
    }
    let report = account_report(&pass.account, definitions, pass, None);
    outcome.add(pass, KindName::Account, &pass.account, report);
}

/// Reports a failed store on the Account, and on objects only if a change of theirs waits (docs/runbook.md).
pub(super) fn report_failure(pass: &ObjectsInScope, judged: &Judged, error: &StoreError, outcome: &mut PassReport) {
    let definitions = &judged.definitions;
    let (reason, message) = failure(error);
    let waits = |meta: &Meta| meta.generation != meta.status.observed_generation;
    for ((_, memberships), member) in std::iter::zip(&pass.members, &judged.members) {
        for (record, view) in std::iter::zip(memberships, &member.views) {
            if waits(&record.meta) {
                // The member keeps their access: an unavailable store revokes nothing.
                let access = AccessReport::as_before(&record.meta.status);
                let report = member_report(record, view, None, access).unsynced(reason, &message);
                outcome.add(pass, KindName::Membership, record, report);
            }
        }
    }
    report_invitations(pass, definitions, outcome);
    for record in pass.roles.iter().filter(|record| waits(&record.meta)) {
        let report = role_report(record, definitions, &pass.counts).unsynced(reason, &message);
        outcome.add(pass, KindName::Role, record, report);
    }
    for record in pass.groups.iter().filter(|record| waits(&record.meta)) {
        let report = group_report(record, definitions, &pass.counts).unsynced(reason, &message);
        outcome.add(pass, KindName::UserGroup, record, report);
    }
    let report = account_report(&pass.account, definitions, pass, None).unsynced(reason, &message);
    outcome.add(pass, KindName::Account, &pass.account, report);
}
