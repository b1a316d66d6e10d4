//! Events on objects that are invalid: told when the status that says so is written, so that a pass that is made again, or
//! another replica that takes over, does not tell them again.

use std::{collections::BTreeMap, time::Duration};

use super::{Control, Effect, Mono};
use crate::{
    model::{AccountKey, KindName},
    report::Notice,
};

/// Objects of one account that are told of one by one within [`WINDOW`]: a Role that is deleted can leave ten thousand
/// Memberships invalid, each of which says so in its status.
const ONE_BY_ONE: usize = 20;
/// Time over which they are counted.
const WINDOW: Duration = Duration::from_mins(1);

/// How many objects were told of lately, by account; those of no account together.
#[derive(Default)]
pub(super) struct Warnings {
    since: Mono,
    told: BTreeMap<Option<AccountKey>, usize>,
}

impl Warnings {
    /// Counts one more of an account; returns how many there were before.
    fn count(&mut self, account: Option<AccountKey>, now: Mono) -> usize {
        if now.since(self.since) >= WINDOW {
            self.told.clear();
            self.since = now;
        }
        let count = self.told.entry(account).or_default();
        *count += 1;
        *count - 1
    }
}

impl Control {
    /// Tells that an object is invalid, now that its status says so; of very many in one account, of the first only.
    pub(super) fn warn(&mut self, notice: Notice, now: Mono) {
        let account = self.index.account_of(&notice.about);
        let before = self.warnings.count(account.clone(), now);
        // Of no account are catalogs and stores, which are few, and of which nobody else tells.
        if before < ONE_BY_ONE || account.is_none() {
            self.outbox.push(Effect::Tell(notice));
        } else if before == ONE_BY_ONE
            && let Some(entry) = account.and_then(|key| self.index.accounts.get(&key))
            && let Some(account) = &entry.object
        {
            let note = "more objects of this account are invalid; each of them says so in its status".to_owned();
            let about = account.reference(KindName::Account);
            self.outbox.push(Effect::Tell(Notice::new(about, &account.meta, notice.reason, note)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_account_has_its_own_number_which_begins_anew_after_a_minute() {
        let mut warnings = Warnings::default();
        let (one, other) = (Some(AccountKey::new("east", "acme")), Some(AccountKey::new("west", "acme")));
        let at = |seconds| Mono(Duration::from_secs(seconds));
        assert_eq!([1, 2, 3].map(|second| warnings.count(one.clone(), at(second))), [0, 1, 2]);
        assert_eq!(warnings.count(other, at(4)), 0);
        assert_eq!(warnings.count(one.clone(), at(61)), 0);
        assert_eq!(warnings.count(one, at(62)), 1);
    }
}
