//! Fair queue of objects: one of each account and kind, then the next of each. An account with very many objects does
//! not delay others, and an Account does not wait for its members. [`super::statuses`] queues its objects here.

use std::collections::{HashMap, VecDeque};

use crate::model::{AccountKey, KindName, ObjectRef, Seed, SeededState};

/// Unit of fairness: an account (`None` for objects without one) and a kind.
type Share = (Option<AccountKey>, KindName);

/// Queue in which each share takes its turn.
pub(super) struct FairQueue {
    waiting: HashMap<Share, VecDeque<ObjectRef>, SeededState>,
    /// Shares with waiting objects, once each; the first is next.
    order: VecDeque<Share>,
}

impl FairQueue {
    pub(super) fn new(seed: Seed) -> Self {
        Self { waiting: HashMap::with_hasher(SeededState::new(seed)), order: VecDeque::new() }
    }

    /// Adds an object of an account behind all others of its share.
    pub(super) fn add(&mut self, account: Option<AccountKey>, object: ObjectRef) {
        self.line((account, object.kind)).push_back(object);
    }

    /// Adds an object of an account before all others of its share.
    pub(super) fn add_first(&mut self, account: Option<AccountKey>, object: ObjectRef) {
        self.line((account, object.kind)).push_front(object);
    }

    fn line(&mut self, share: Share) -> &mut VecDeque<ObjectRef> {
        self.waiting.entry(share.clone()).or_insert_with(|| {
            self.order.push_back(share);
            VecDeque::new()
        })
    }

    /// Removes and returns the next object.
    pub(super) fn next(&mut self) -> Option<ObjectRef> {
        let share = self.order.pop_front()?;
        let line = self.waiting.get_mut(&share)?;
        let object = line.pop_front();
        if line.is_empty() {
            self.waiting.remove(&share);
        } else {
            self.order.push_back(share);
        }
        object
    }

    /// Returns whether the queue is empty.
    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Frees unused capacity.
    pub(super) fn shrink(&mut self) {
        self.waiting.shrink_to_fit();
        self.order.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Name;

    fn add(fair_queue: &mut FairQueue, account: &str, kind: KindName, name: &str) {
        let namespace = Name::new("portal");
        let account = AccountKey { namespace: namespace.clone(), name: account.into() };
        fair_queue.add(Some(account), ObjectRef { kind, namespace, name: name.into() });
    }

    #[test]
    fn an_account_with_many_objects_does_not_delay_others() {
        let mut fair_queue = FairQueue::new(Seed::default());
        for number in 0..1_000 {
            add(&mut fair_queue, "large", KindName::Membership, &format!("m{number}"));
        }
        add(&mut fair_queue, "large", KindName::Account, "large");
        add(&mut fair_queue, "small", KindName::Membership, "dana");
        let first: Vec<String> =
            (0..4).filter_map(|_| fair_queue.next()).map(|object| object.name.to_string()).collect();
        assert_eq!(first, ["m0", "large", "dana", "m1"]);
        assert_eq!(std::iter::from_fn(|| fair_queue.next()).count(), 998);
        assert!(fair_queue.is_empty());
    }

    #[test]
    fn an_urgent_object_goes_before_others_of_its_account_and_kind() {
        let mut fair_queue = FairQueue::new(Seed::default());
        add(&mut fair_queue, "large", KindName::Membership, "m0");
        add(&mut fair_queue, "small", KindName::Membership, "dana");
        let again = ObjectRef { kind: KindName::Membership, namespace: "portal".into(), name: "m1".into() };
        fair_queue.add_first(Some(AccountKey { namespace: "portal".into(), name: "large".into() }), again);
        let all: Vec<String> = std::iter::from_fn(|| fair_queue.next()).map(|object| object.name.to_string()).collect();
        assert_eq!(all, ["m1", "dana", "m0"]);
    }
}
