//! Events on invalid objects. The loop publishes one when the status that reports the error is written, so that
//! neither a repeated pass nor a new leader repeats it.

use super::{Control, Effect, Mono};
use crate::{model::KindName, report::Notice};

/// Maximum number of single events per account within a minute: a deleted Role can make ten thousand Memberships
/// invalid, each of which reports it in its status.
const ONE_BY_ONE: usize = 20;

impl Control {
    /// Publishes that an object is invalid. In one account only the first [`ONE_BY_ONE`] get an event of their own.
    pub(super) fn warn(&mut self, notice: Notice, now: Mono) {
        let account = self.index.account_of(&notice.about);
        let before = self.warnings.count(account.clone(), now);
        // Catalogs and stores have no account; they are few, and no other object reports them.
        if before < ONE_BY_ONE || account.is_none() {
            self.outbox.push(Effect::EmitEvent(notice));
        } else if before == ONE_BY_ONE
            && let Some(entry) = account.and_then(|key| self.index.accounts.get(&key))
            && let Some(account) = &entry.object
        {
            let note = "more objects of this account are invalid; see the status of each".to_owned();
            let about = account.reference(KindName::Account);
            self.outbox.push(Effect::EmitEvent(Notice::new(about, &account.meta, notice.reason, note)));
        }
    }
}
