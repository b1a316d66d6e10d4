//! Reports on catalogs.

use super::{Detail, Report, Waits};
use crate::{
    api::{ROLLOUT_ANNOTATION, RolloutReason, SyncReason},
    state::{CatalogFacts, Progress, Record},
};

/// Reports on a catalog that so many accounts use.
#[must_use]
pub fn catalog(record: &Record<CatalogFacts>, users: u64, progress: Option<&Progress>) -> Report {
    let updated = progress.map_or(users, |progress| progress.updated as u64);
    let detail = Detail::Catalog { accounts: users, updated };
    let mut report = Report::new(record.facts.generation, detail).with_findings(record.facts.findings());
    if record.meta.deleting && users > 0 {
        report.waits = Some(Box::new(Waits::in_use(format!("{users} accounts still use this catalog"))));
    } else if let Some(progress) = progress {
        let stalled = progress.stopped.is_some();
        let reason = if stalled { RolloutReason::RolloutStopped } else { RolloutReason::RollingOut };
        let message = rollout_message(record.facts.generation, progress);
        report.waits = Some(Box::new(Waits { reason: reason.as_str(), message, stalled }));
    }
    report
}

/// Returns a sentence on how far a change of a catalog has come, and what to do where it has stopped.
#[must_use]
pub fn rollout_message(generation: i64, progress: &Progress) -> String {
    let Progress { accounts, updated, next, waits, stopped, .. } = progress;
    let so_far = format!("{updated} of {accounts} accounts follow generation {generation}");
    match (stopped, waits.as_ref().or(next.as_ref())) {
        (Some((account, reason)), _) => {
            let approve = match reason {
                SyncReason::RemovalGuarded => "approve the removals on that Account",
                _ => "mend what that Account says",
            };
            format!(
                "{so_far}; stopped at {account}: {reason}. To go on, {approve}, or change the catalog again, or set the \
                 annotation {ROLLOUT_ANNOTATION}=AllAtOnce on the catalog"
            )
        }
        (None, Some(account)) => format!("{so_far}; now {account}"),
        (None, None) => format!("{so_far}; the last of them are at it"),
    }
}
