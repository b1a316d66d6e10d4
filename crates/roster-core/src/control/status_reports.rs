//! Queues the statuses of objects, and takes in what was written. Passes, refreshes and counts queue reports here; the loop
//! calls it again when a write ends.

use std::time::Duration;

use super::{
    Access, ApiFault, Control, Now, PassId, StatusWritten,
    statuses::{QueuedStatus, StatusLane},
};
use crate::{
    model::{AccountKey, KindName, ObjectRef},
    report::{self, Report},
};

/// Delay of a status in which only numbers changed.
const COUNTS_DELAY: Duration = Duration::from_secs(3);

impl Control {
    /// Queues the status of an object, to be written after `delay` at the earliest.
    pub(super) fn queue_status(
        &mut self,
        object: ObjectRef,
        report: Report,
        lane: StatusLane,
        delay: Duration,
        now: Now,
    ) {
        let account = self.index.account_of(&object);
        self.statuses.put(object, QueuedStatus { report, account, lane, pass: None }, delay, now.mono);
    }

    /// Queues the status of an object on behalf of the pass that reports it.
    pub(super) fn queue_status_of(
        &mut self,
        pass: PassId,
        object: ObjectRef,
        report: Report,
        lane: StatusLane,
        now: Now,
    ) {
        let account = self.index.account_of(&object);
        self.statuses.put(object, QueuedStatus { report, account, lane, pass: Some(pass) }, Duration::ZERO, now.mono);
    }

    /// Updates the numbers of an account, its roles and groups, which follow its members, after a delay of some
    /// seconds.
    pub(super) fn recount(&mut self, key: &AccountKey, with_children: bool, now: Now) {
        let counts = self.counts(key, with_children);
        let Some(entry) = self.index.accounts.get(key) else { return };
        let Some(state) = self.accounts.get_mut(key) else { return };
        let Some((definitions, account)) = state.known(entry.revision).zip(entry.object.clone()) else { return };
        let mut stale = Vec::new();
        for (object, report) in &mut state.reports {
            let mut changed = report::recount(object, &mut report.detail, &definitions, &counts);
            if object.kind == KindName::Account {
                changed |= report::readvise(report, &account.facts, &definitions, &counts);
            }
            if changed {
                stale.push((object.clone(), report.clone()));
            }
        }
        state.reports.retain(|object, _| self.index.meta(object).is_some());
        for (object, report) in stale {
            self.queue_status(object, report, StatusLane::Bulk, COUNTS_DELAY, now);
        }
    }

    pub(super) fn status_written(&mut self, object: &ObjectRef, result: &Result<StatusWritten, ApiFault>, now: Now) {
        let written = self.statuses.finish_write(object, result, now.mono);
        match result {
            Ok(_) => self.refusals.note(object.kind, Access::Status, None, now.mono),
            Err(fault) if fault.lacks_right.is_some() => {
                self.refusals.note_fault(object.kind, Access::Status, Some(fault), now.mono);
            }
            Err(_) => {}
        }
        if let (Ok(written), Some((digest, notice))) = (result, written)
            && self.index.any_meta(object).is_some_and(|meta| meta.uid == written.uid)
        {
            if let Some(notice) = notice {
                self.warn(notice, now.mono);
            }
            self.index.note_written(object, |meta| {
                meta.resource_version.clone_from(&written.resource_version);
                meta.status = digest;
            });
            self.account_status_reported(object, now);
        }
    }
}
