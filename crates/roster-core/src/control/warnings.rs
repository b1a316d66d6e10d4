//! Events on invalid objects. The loop publishes one when the status that reports the error is written, so that
//! neither a repeated pass nor a new leader repeats it.

use std::{collections::BTreeMap, time::Duration};

use super::{Control, Effect, Mono};
use crate::{
    model::{AccountKey, KindName},
    report::Notice,
};

/// Maximum number of single events per account within [`WINDOW`]: a deleted Role can make ten thousand Memberships
/// invalid, each of which reports it in its status.
const ONE_BY_ONE: usize = 20;
/// Time after which the count begins again.
const WINDOW: Duration = Duration::from_mins(1);

/// Number of recent events by account; objects without an account share one entry.
#[derive(Default)]
pub(super) struct Warnings {
    since: Mono,
    reported: BTreeMap<Option<AccountKey>, usize>,
}

impl Warnings {
    /// Counts one more event of an account; returns the number before.
    fn count(&mut self, account: Option<AccountKey>, now: Mono) -> usize {
        if now.since(self.since) >= WINDOW {
            self.reported.clear();
            self.since = now;
        }
        let count = self.reported.entry(account).or_default();
        *count += 1;
        *count - 1
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_of_each_account_restarts_after_a_minute() {
        let mut warnings = Warnings::default();
        let (one, other) = (Some(AccountKey::new("east", "acme")), Some(AccountKey::new("west", "acme")));
        let at = |seconds| Mono(Duration::from_secs(seconds));
        assert_eq!([1, 2, 3].map(|second| warnings.count(one.clone(), at(second))), [0, 1, 2]);
        assert_eq!(warnings.count(other, at(4)), 0);
        assert_eq!(warnings.count(one.clone(), at(61)), 0);
        assert_eq!(warnings.count(one, at(62)), 1);
    }
}
