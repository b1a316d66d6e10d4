//! Counts of recent events on invalid objects, by account. `warnings` asks it before each event, so that no account floods
//! the API server.

use std::{collections::BTreeMap, time::Duration};

use super::Mono;
use crate::model::AccountKey;

/// Time after which the count begins again.
const WINDOW: Duration = Duration::from_mins(1);

/// Number of recent events by account; objects without an account share one entry.
#[derive(Default)]
pub(super) struct WarningCounts {
    since: Mono,
    reported: BTreeMap<Option<AccountKey>, usize>,
}

impl WarningCounts {
    /// Counts one more event of an account; returns the number before.
    pub(super) fn count(&mut self, account: Option<AccountKey>, now: Mono) -> usize {
        if now.since(self.since) >= WINDOW {
            self.reported.clear();
            self.since = now;
        }
        let count = self.reported.entry(account).or_default();
        *count += 1;
        *count - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_of_each_account_restarts_after_a_minute() {
        let mut counts = WarningCounts::default();
        let (one, other) = (Some(AccountKey::new("east", "acme")), Some(AccountKey::new("west", "acme")));
        let at = |seconds| Mono(Duration::from_secs(seconds));
        assert_eq!([1, 2, 3].map(|second| counts.count(one.clone(), at(second))), [0, 1, 2]);
        assert_eq!(counts.count(other, at(4)), 0);
        assert_eq!(counts.count(one.clone(), at(61)), 0);
        assert_eq!(counts.count(one, at(62)), 1);
    }
}
