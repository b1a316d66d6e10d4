//! Instants at which a member's access begins or ends. The loop reconciles the member again at that time.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::model::{AccountKey, Email, Scope};

/// Future instants, as found by the last pass over each member.
#[derive(Default)]
pub(super) struct Deadlines {
    due: BTreeSet<(Timestamp, AccountKey, Email)>,
    of: BTreeMap<AccountKey, BTreeMap<Email, Vec<Timestamp>>>,
}

impl Deadlines {
    /// Replaces the instants of all members within a scope of an account.
    pub(super) fn replace(&mut self, key: &AccountKey, scope: &Scope, deadlines: Vec<(Timestamp, Email)>) {
        match scope {
            Scope::Account => self.forget(key),
            Scope::Members(people) => people.iter().for_each(|email| self.forget_one(key, email)),
        }
        for (at, email) in deadlines {
            self.due.insert((at, key.clone(), email.clone()));
            self.of.entry(key.clone()).or_default().entry(email).or_default().push(at);
        }
    }

    /// Drops the instants of an account.
    pub(super) fn forget(&mut self, key: &AccountKey) {
        for (email, instants) in self.of.remove(key).unwrap_or_default() {
            for at in instants {
                self.due.remove(&(at, key.clone(), email.clone()));
            }
        }
    }

    fn forget_one(&mut self, key: &AccountKey, email: &Email) {
        let Some(people) = self.of.get_mut(key) else { return };
        for at in people.remove(email).unwrap_or_default() {
            self.due.remove(&(at, key.clone(), email.clone()));
        }
        if people.is_empty() {
            self.of.remove(key);
        }
    }

    /// Keeps the accounts for which `stays` returns true.
    pub(super) fn retain(&mut self, stays: impl Fn(&AccountKey) -> bool) {
        let gone: Vec<AccountKey> = self.of.keys().filter(|key| !stays(key)).cloned().collect();
        for key in &gone {
            self.forget(key);
        }
    }

    /// Returns the earliest instant.
    pub(super) fn next(&self) -> Option<Timestamp> {
        self.due.first().map(|(at, _, _)| *at)
    }

    /// Removes and returns a member whose instant is not after `now`.
    pub(super) fn take(&mut self, now: Timestamp) -> Option<(AccountKey, Email)> {
        if self.next()? > now {
            return None;
        }
        let (at, key, email) = self.due.pop_first()?;
        if let Some(people) = self.of.get_mut(&key) {
            if let Some(instants) = people.get_mut(&email) {
                instants.retain(|other| *other != at);
            }
            people.retain(|_, instants| !instants.is_empty());
            if people.is_empty() {
                self.of.remove(&key);
            }
        }
        Some((key, email))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn the_deadlines_of_a_later_pass_replace_earlier_ones() {
        let (key, ann, bob) =
            (AccountKey::new("a", "b"), Email::as_stored("ann@x.example"), Email::as_stored("bob@x.example"));
        let mut deadlines = Deadlines::default();
        deadlines.replace(
            &key,
            &Scope::Account,
            vec![(at(10), ann.clone()), (at(20), ann.clone()), (at(30), bob.clone())],
        );
        for second in 40..1_000 {
            deadlines.replace(&key, &Scope::Members([ann.clone()].into()), vec![(at(second), ann.clone())]);
        }
        assert_eq!(deadlines.due.len(), 2);
        assert_eq!(deadlines.take(at(29)), None);
        assert_eq!(deadlines.take(at(30)), Some((key.clone(), bob)));
        assert_eq!(deadlines.next(), Some(at(999)));
        deadlines.retain(|_| false);
        assert_eq!(deadlines.next(), None);
        assert!(deadlines.of.is_empty());
    }
}
