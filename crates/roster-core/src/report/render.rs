//! Writes a report as the status of its kind: conditions follow kstatus, and a time changes only if the value that it
//! dates changes. Called by the controller's status writer, and by `report::outcome` to skip a status that would not
//! change.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{Detail, DriftReport, Report, Synced, drift::sentences};
use crate::{
    api::{self, ConditionType, DriftEntry, DriftStatus, InvitationPhase, Permissions, SyncReason},
    model::{Layout, Ranks},
    state::{Digestible, Seconds, StatusDigest, digest},
};

/// Maximum number of drift entries in a status.
const DRIFT_ENTRIES: usize = 20;
/// Maximum number of effective permissions listed in a status; above it, only a digest is given.
const LISTED_PERMISSIONS: usize = 64;
/// Maximum length of a condition's message that the API server accepts, in bytes.
const MESSAGE: usize = 32_768;
/// Minimum age of the last written check, in seconds, before a check without changes is written.
const CHECKED_EVERY: u32 = 3_600;

/// Rendered status, ready to be sent.
#[derive(Clone, Debug)]
pub struct Rendered {
    /// Status as JSON.
    pub json: serde_json::Value,
    /// Digest of the status, to compare with that in the cluster.
    pub digest: StatusDigest,
}

/// Renders a report, for an object whose current status has the digest `was`.
///
/// # Errors
/// If the report cannot be serialized as JSON; no report leads to this.
pub fn render(report: &Report, was: &StatusDigest, now: Timestamp) -> Result<Rendered, serde_json::Error> {
    let writer = Writer { report, was, now: Seconds::of(now) };
    let observed_generation = Some(report.generation);
    let conditions = writer.conditions();
    match &report.detail {
        Detail::Catalog { accounts, updated } => finish(&api::PermissionCatalogStatus {
            observed_generation,
            conditions,
            accounts: Some(count(*accounts)),
            updated_accounts: Some(count(*updated)),
        }),
        Detail::Store {
            id,
            accounts,
            members,
            orphaned,
            blocked_in_force,
            blocked_with_access,
            capabilities,
            revocation_delay,
        } => finish(&api::IdentityStoreStatus {
            observed_generation,
            conditions,
            store_id: id.as_ref().map(ToString::to_string),
            accounts: accounts.map(count),
            members: members.map(count),
            orphaned_accounts: orphaned.clone(),
            blocked_in_force: *blocked_in_force,
            blocked_with_access: blocked_with_access.clone(),
            capabilities: capabilities.clone(),
            revocation_delay_seconds: Some(count(revocation_delay.as_secs())).filter(|seconds| *seconds > 0),
        }),
        Detail::Account {
            members,
            roles,
            groups,
            pending_invitations,
            managed_accounts,
            catalog,
            checked,
            held_removals,
            held_changes,
        } => finish(&api::AccountStatus {
            observed_generation,
            conditions,
            members: Some(count(*members)),
            roles: Some(count(*roles)),
            groups: Some(count(*groups)),
            pending_invitations: Some(count(*pending_invitations)),
            managed_accounts: writer.managed_accounts(*managed_accounts),
            catalog_generation: *catalog,
            last_checked_time: writer.last_checked(*checked).map(time),
            held_removals: held_removals.clone(),
            held_changes: held_changes.clone(),
            drift: writer.drift_status(),
        }),
        Detail::Role { permissions, changes, members } => finish(&api::RoleStatus {
            observed_generation,
            conditions,
            permissions: permissions.as_ref().map(named),
            changes_from_default: changes.clone(),
            members: Some(count(*members)),
            drift: writer.drift_status(),
        }),
        Detail::Group { permissions, members } => finish(&api::UserGroupStatus {
            observed_generation,
            conditions,
            permissions: permissions.as_ref().map(named),
            members: Some(count(*members)),
            drift: writer.drift_status(),
        }),
        Detail::Member { permissions, restrictions, access } => {
            let permissions = permissions.as_ref().map(named);
            let too_many = permissions.as_ref().is_some_and(|permissions| permissions.len() > LISTED_PERMISSIONS);
            finish(&api::MembershipStatus {
                observed_generation,
                conditions,
                effective_permissions_digest: permissions.as_ref().filter(|_| too_many).map(permissions_digest),
                effective_permissions: permissions.filter(|_| !too_many),
                restrictions: restrictions.iter().map(ToString::to_string).collect(),
                access: access.access,
                access_until: access.until.map(Time),
                role: access.role.as_ref().map(ToString::to_string),
                drift: writer.drift_status(),
            })
        }
        Detail::Invitation => finish(&api::InvitationStatus {
            observed_generation,
            conditions,
            phase: Some(InvitationPhase::Pending),
            ..api::InvitationStatus::default()
        }),
    }
}

fn finish<S: Serialize + Digestible>(status: &S) -> Result<Rendered, serde_json::Error> {
    Ok(Rendered { json: serde_json::to_value(status)?, digest: digest(status) })
}

fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn time(second: Seconds) -> Time {
    Time(second.timestamp())
}

fn named((layout, ranks): &(Layout, Ranks)) -> Permissions {
    layout.named(ranks).map(|(section, level)| (section.to_owned(), level.to_owned())).collect()
}

fn permissions_digest(permissions: &Permissions) -> String {
    let mut hash = Sha256::new();
    for (section, level) in permissions {
        hash.update(format!("{section}={level}\n"));
    }
    format!("sha256:{:x}", hash.finalize())
}

/// Condition without its times.
struct RenderedCondition {
    kind: ConditionType,
    is_true: bool,
    reason: String,
    message: String,
}

struct Writer<'a> {
    report: &'a Report,
    was: &'a StatusDigest,
    now: Seconds,
}

impl Writer<'_> {
    fn conditions(&self) -> Vec<Condition> {
        let valid = self.valid();
        let synced = self.synced();
        let drifted = self.drifted();
        let rendered = [
            Some(self.ready(&valid, synced.as_ref(), drifted.as_ref())),
            Some(valid),
            synced,
            drifted,
            self.advised(),
            self.reconciling(),
            self.stalled(),
        ];
        rendered.into_iter().flatten().map(|rendered| self.dated(rendered)).collect()
    }

    fn dated(&self, rendered: RenderedCondition) -> Condition {
        let since = self.was.since(rendered.kind, rendered.is_true).unwrap_or(self.now);
        let mut message = rendered.message;
        if message.len() > MESSAGE {
            let cut = (0..=MESSAGE - 4).rev().find(|at| message.is_char_boundary(*at)).unwrap_or(0);
            message.truncate(cut);
            message.push_str(" …");
        }
        Condition {
            type_: rendered.kind.as_str().to_owned(),
            status: if rendered.is_true { "True" } else { "False" }.to_owned(),
            reason: rendered.reason,
            message,
            last_transition_time: time(since),
            observed_generation: Some(self.report.generation),
        }
    }

    fn faulty(&self) -> Option<(api::InvalidReason, String)> {
        let findings = self.report.findings.as_ref()?;
        findings.reason().map(|reason| (reason, findings.message()))
    }

    fn valid(&self) -> RenderedCondition {
        let kind = ConditionType::Valid;
        match self.faulty() {
            Some((reason, message)) => RenderedCondition { kind, is_true: false, reason: reason.to_string(), message },
            None => RenderedCondition { kind, is_true: true, reason: "Resolved".to_owned(), message: String::new() },
        }
    }

    fn synced(&self) -> Option<RenderedCondition> {
        let kind = ConditionType::Synced;
        match &self.report.synced {
            Synced::Silent => None,
            Synced::Yes { applied } => {
                // A check without changes must not change the reason.
                let applied = *applied || (self.was.applied && self.was.is_true(kind));
                let reason = if applied { SyncReason::Applied } else { SyncReason::InSync };
                Some(RenderedCondition { kind, is_true: true, reason: reason.to_string(), message: String::new() })
            }
            Synced::No(no) => {
                Some(RenderedCondition { kind, is_true: false, reason: no.0.to_string(), message: no.1.clone() })
            }
        }
    }

    fn drifted(&self) -> Option<RenderedCondition> {
        let kind = ConditionType::Drifted;
        let (is_true, reason, message) = match &self.report.drift {
            DriftReport::Reported(entries) => (true, "DriftReported", drift_message(entries)),
            DriftReport::Corrected(_) => (false, "Corrected", String::new()),
            DriftReport::Clean if self.was.drift_corrected.is_some() => (false, "Corrected", String::new()),
            DriftReport::Clean if self.was.has(kind) => (false, "InSync", String::new()),
            DriftReport::Clean => return None,
        };
        Some(RenderedCondition { kind, is_true, reason: reason.to_owned(), message })
    }

    fn advised(&self) -> Option<RenderedCondition> {
        let message = self.report.findings.as_ref()?.advice_message();
        (!message.is_empty()).then(|| RenderedCondition {
            kind: ConditionType::Advised,
            is_true: true,
            reason: "AdviceApplies".to_owned(),
            message,
        })
    }

    fn ready(
        &self,
        valid: &RenderedCondition,
        synced: Option<&RenderedCondition>,
        drifted: Option<&RenderedCondition>,
    ) -> RenderedCondition {
        let kind = ConditionType::Ready;
        if let Some(waits) = &self.report.waits {
            return RenderedCondition {
                kind,
                is_true: false,
                reason: waits.reason.to_owned(),
                message: waits.message.clone(),
            };
        }
        let bad = [Some(valid), synced].into_iter().flatten().find(|rendered| !rendered.is_true);
        let bad = bad.or_else(|| drifted.filter(|rendered| rendered.is_true));
        match bad {
            Some(rendered) => RenderedCondition {
                kind,
                is_true: false,
                reason: rendered.reason.clone(),
                message: rendered.message.clone(),
            },
            None => RenderedCondition { kind, is_true: true, reason: "Ready".to_owned(), message: String::new() },
        }
    }

    /// Returns the condition for a state that resolves itself with time.
    fn reconciling(&self) -> Option<RenderedCondition> {
        let (reason, message) = match (self.faulty(), &self.report.synced, &self.report.waits) {
            (_, _, Some(waits)) if waits.stalled => return None,
            (_, _, Some(waits)) => (waits.reason.to_owned(), waits.message.clone()),
            (Some((reason, message)), _, _) if reason.heals_by_waiting() => (reason.to_string(), message),
            (None, Synced::No(no), _) if no.0 == SyncReason::StoreUnavailable => (no.0.to_string(), no.1.clone()),
            _ => return None,
        };
        Some(RenderedCondition { kind: ConditionType::Reconciling, is_true: true, reason, message })
    }

    /// Returns the condition for a state in which somebody must act.
    fn stalled(&self) -> Option<RenderedCondition> {
        if let Some(waits) = self.report.waits.as_ref().filter(|waits| waits.stalled) {
            let (reason, message) = (waits.reason.to_owned(), waits.message.clone());
            return Some(RenderedCondition { kind: ConditionType::Stalled, is_true: true, reason, message });
        }
        let (reason, message) = match (self.faulty(), &self.report.synced) {
            (Some((reason, message)), _) if !reason.heals_by_waiting() => (reason.to_string(), message),
            (None, Synced::No(no)) => match no.0 {
                SyncReason::StoreRejected
                | SyncReason::StoreReplaced
                | SyncReason::Unauthorized
                | SyncReason::NotOwned
                | SyncReason::RemovalGuarded
                | SyncReason::NotSupportedByStore
                | SyncReason::NotDelivered
                | SyncReason::NotEnforced => (no.0.to_string(), no.1.clone()),
                _ => return None,
            },
            _ => return None,
        };
        Some(RenderedCondition { kind: ConditionType::Stalled, is_true: true, reason, message })
    }

    fn drift_status(&self) -> Option<DriftStatus> {
        match &self.report.drift {
            DriftReport::Reported(entries) => Some(DriftStatus {
                detected_at: Some(time(self.was.drift_detected.unwrap_or(self.now))),
                last_corrected_time: self.was.drift_corrected.map(time),
                count: count(entries.len() as u64),
                entries: entries.iter().take(DRIFT_ENTRIES).cloned().collect(),
            }),
            DriftReport::Corrected(at) => Some(corrected(*at)),
            DriftReport::Clean => self.was.drift_corrected.map(corrected),
        }
    }

    fn managed_accounts(&self, counted: Option<u64>) -> Option<i64> {
        counted.map(count).or_else(|| (self.was.hash != 0).then(|| self.was.managed_accounts.into()))
    }

    fn last_checked(&self, checked: Option<Seconds>) -> Option<Seconds> {
        match (self.was.last_checked, checked) {
            (Some(was), Some(checked)) if checked.0.saturating_sub(was.0) < CHECKED_EVERY => Some(was),
            (was, checked) => checked.or(was),
        }
    }
}

fn corrected(at: Seconds) -> DriftStatus {
    DriftStatus { detected_at: None, last_corrected_time: Some(time(at)), count: 0, entries: Vec::new() }
}

fn drift_message(entries: &[DriftEntry]) -> String {
    sentences(entries, 3, " in status.drift")
}
