//! Reports on catalogs: how many accounts use one, and how far a rollout has come. Called by the controller's rollouts.

use super::{Detail, Report, Waits};
use crate::{
    api::{ROLLOUT_ANNOTATION, RolloutReason, SyncReason},
    model::{agree, counted},
    state::{CatalogFacts, Progress, Record},
};

/// Returns the report on a catalog that `users` accounts use.
#[must_use]
pub fn catalog(record: &Record<CatalogFacts>, users: u64, progress: Option<&Progress>) -> Report {
    let updated = progress.map_or(users, |progress| progress.updated as u64);
    let detail = Detail::Catalog { accounts: users, updated };
    let mut report = Report::new(record.facts.generation, detail).with_findings(record.facts.findings());
    if record.meta.deleting && users > 0 {
        report.waits = Some(Box::new(Waits::in_use(format!(
            "deletion waits: {} still {} this catalog",
            counted(users, "account"),
            agree(&users, "uses", "use")
        ))));
    } else if let Some(progress) = progress {
        let stalled = progress.stopped.is_some();
        let reason = if stalled { RolloutReason::RolloutStopped } else { RolloutReason::RollingOut };
        let message = rollout_message(record.facts.generation, progress);
        report.waits = Some(Box::new(Waits { reason: reason.as_str(), message, stalled }));
    }
    report
}

/// Returns a sentence on the progress of a rollout, and the remedy if it has stopped. Readers of a catalog may not be
/// allowed to read other tenants' accounts: so the sentence only counts them, and each Account's own status has the
/// details.
#[must_use]
pub fn rollout_message(generation: i64, progress: &Progress) -> String {
    let Progress { accounts, updated, held_before, pending, stops, stopped, .. } = progress;
    let held = match held_before {
        0 => String::new(),
        held => format!(" ({held} of them held for an earlier change)"),
    };
    let follow = agree(updated, "follows", "follow");
    let so_far = format!("{updated} of {} {follow} generation {generation}{held}", counted(*accounts, "account"));
    match (stopped, pending) {
        (Some((_, reason)), _) => {
            let approve = match reason {
                SyncReason::RemovalGuarded => "approve the removals on the Account that reports it",
                _ => "fix the Account that reports it",
            };
            let accounts = counted(*stops, "account");
            format!(
                "{so_far}; stopped by {accounts}, the first by {reason}. To go on, {approve}, or change the catalog \
                 again, or set the annotation {ROLLOUT_ANNOTATION}=AllAtOnce on the catalog"
            )
        }
        (None, 0) => format!("{so_far}; the next accounts follow now"),
        (None, pending) => format!("{so_far}; {pending} in progress"),
    }
}
