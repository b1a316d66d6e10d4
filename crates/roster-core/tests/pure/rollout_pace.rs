//! Tests catalog rollouts: which revision an account follows, and which account is next.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::strategies::cases;
use proptest::{collection::vec, prelude::*};
use roster_core::{
    api::SyncReason,
    model::{AccountKey, Name},
    state::{CatalogFacts, LastRevision, PresentRevision, Rollout, RolloutState, Step, progress},
};

fn facts(generation: i64) -> Arc<CatalogFacts> {
    let spec = serde_json::from_str(r#"{"sections": [{"name": "orders"}]}"#).unwrap();
    Arc::new(CatalogFacts::new(Name::new("portal"), generation, spec))
}

fn broken(generation: i64) -> Arc<CatalogFacts> {
    let spec = r#"{"sections": [{"name": "orders"}], "defaultRole": "nobody"}"#;
    let facts = CatalogFacts::new(Name::new("portal"), generation, serde_json::from_str(spec).unwrap());
    assert!(facts.compiled.is_err());
    Arc::new(facts)
}

fn present(facts: Arc<CatalogFacts>) -> PresentRevision {
    PresentRevision { uid: Name::new("1"), facts, deleting: false, all_at_once: false }
}

fn last(generation: i64, up_to: Option<&str>) -> LastRevision {
    LastRevision {
        uid: Name::new("1"),
        facts: facts(generation),
        up_to: up_to.and_then(AccountKey::parse),
        held_before: BTreeSet::new(),
    }
}

fn key(number: usize) -> AccountKey {
    AccountKey::new("acme", &format!("a{number:02}"))
}

/// Returns the generation that an account follows.
fn followed(present: &PresentRevision, last: Option<&LastRevision>, account: &str) -> i64 {
    let account = AccountKey::parse(account).unwrap();
    Rollout::of(present, last).instead(&account).unwrap_or(&present.facts).generation
}

#[test]
fn accounts_up_to_the_recorded_one_follow_the_new_revision_and_others_the_last() {
    let (now, before) = (present(facts(7)), last(5, Some("acme/m")));
    for (account, generation) in [("acme/a", 7), ("acme/m", 7), ("acme/n", 5), ("acmf/a", 5), ("aaa/z", 7)] {
        assert_eq!(followed(&now, Some(&before), account), generation, "{account}");
    }
    assert_eq!(followed(&now, Some(&last(5, None)), "acme/a"), 5, "nobody is admitted yet");
}

#[test]
fn all_accounts_follow_the_new_revision_if_nothing_waits() {
    let before = last(5, None);
    let of = |change: &dyn Fn(&mut PresentRevision)| {
        let mut now = present(facts(7));
        change(&mut now);
        let rollout = Rollout::of(&now, Some(&before));
        (followed(&now, Some(&before), "acme/a"), rollout.is_to_be_noted(&now, Some(&before)))
    };
    assert_eq!(of(&|_| {}), (5, false));
    assert_eq!(of(&|now| now.all_at_once = true), (7, true), "or it would be carried back with the annotation gone");
    assert_eq!(of(&|now| now.uid = Name::new("2")), (7, true), "another object of that name");
    assert_eq!(of(&|now| now.deleting = true), (5, false), "what is in use goes on as it was");
    assert_eq!(of(&|now| now.facts = broken(7)), (7, false), "the account keeps its content, and reports it");
    assert_eq!(of(&|now| now.facts = facts(5)), (5, false));
    let now = present(facts(7));
    assert_eq!(followed(&now, None, "acme/a"), 7);
    assert!(Rollout::of(&now, None).is_to_be_noted(&now, None));
    assert!(Rollout::of(&now, None).is_to_be_noted(&now, Some(&last(7, Some("acme/m")))));
}

#[test]
fn a_record_that_is_ahead_of_the_catalog_counts() {
    // The watch of catalogs is behind the watch of records.
    let before = last(7, Some("acme/m"));
    for all_at_once in [false, true] {
        let now = PresentRevision { all_at_once, ..present(facts(5)) };
        for account in ["acme/a", "acme/z"] {
            assert_eq!(followed(&now, Some(&before), account), 7, "{account}");
        }
        assert!(!Rollout::of(&now, Some(&before)).is_to_be_noted(&now, Some(&before)));
    }
}

#[test]
fn each_step_has_twice_as_many_accounts() {
    let mut accounts: Vec<_> = (0..12).map(|number| (key(number), RolloutState::Waits)).collect();
    let (mut up_to, mut sizes) = (None, Vec::new());
    loop {
        let now = progress(up_to.as_ref(), &accounts);
        sizes.push(now.updated);
        match now.step {
            Step::Admit(next) => {
                assert_eq!(now.next.as_ref(), Some(&accounts[now.updated].0));
                up_to = Some(next);
                assert_eq!(progress(up_to.as_ref(), &accounts).step, Step::Wait, "they are not done");
                accounts
                    .iter_mut()
                    .filter(|(key, _)| Some(key) <= up_to.as_ref())
                    .for_each(|(_, state)| *state = RolloutState::Done);
            }
            Step::Finish => break,
            Step::Wait => panic!("{now:?}"),
        }
    }
    assert_eq!(sizes, [0, 1, 3, 7, 12]);
    assert_eq!(progress(None, &[]).step, Step::Finish);
}

#[test]
fn a_rollout_stops_at_the_first_account_that_refuses_it() {
    let guarded = RolloutState::Stopped(SyncReason::RemovalGuarded);
    let accounts: Vec<_> = (0..9)
        .map(|number| {
            (key(number), [RolloutState::Done, guarded, RolloutState::Stopped(SyncReason::StoreRejected)][number % 3])
        })
        .collect();
    let now = progress(Some(&key(6)), &accounts);
    assert_eq!((now.accounts, now.updated, now.next.clone()), (9, 7, Some(key(7))));
    assert_eq!(now.stopped.clone(), Some((key(1), SyncReason::RemovalGuarded)));
    assert_eq!((now.step.clone(), now.stops), (Step::Wait, 4));
    // Readers of the catalog may not be allowed to read other tenants' accounts.
    let state = roster_core::report::rollout_message(2, &now);
    assert!(
        state.starts_with("7 of 9 accounts follow generation 2; stopped by 4 accounts, the first by RemovalGuarded. ")
    );
    assert!(!state.contains(&key(1).to_string()), "{state}");
    // An account that was not admitted yet has no state.
    let now = progress(Some(&key(0)), &accounts);
    assert_eq!((now.stopped, now.step), (None, Step::Admit(key(2))));
}

/// Events of a rollout.
#[derive(Clone, Debug)]
enum Event {
    /// The catalog is changed again.
    Edit,
    /// The coordinator refreshes the catalog, and writes its record if needed.
    Refresh,
    /// An account's pass ends and reports it.
    Pass(usize),
    /// An account begins or ceases to hold removals back.
    Hold(usize, bool),
    /// An account is created or deleted.
    Exists(usize, bool),
}

const ACCOUNTS: usize = 10;

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        1 => Just(Event::Edit),
        4 => Just(Event::Refresh),
        6 => (0..ACCOUNTS).prop_map(Event::Pass),
        1 => (0..ACCOUNTS, any::<bool>()).prop_map(|(number, held)| Event::Hold(number, held)),
        1 => (0..ACCOUNTS, any::<bool>()).prop_map(|(number, there)| Event::Exists(number, there)),
    ]
}

/// Catalog, record and accounts, as a controller that starts would find them at any time.
struct Model {
    present: PresentRevision,
    last: Option<LastRevision>,
    accounts: BTreeMap<AccountKey, ReportedState>,
}

#[derive(Default)]
struct ReportedState {
    generation: i64,
    held: bool,
}

impl Model {
    fn generation(&self) -> i64 {
        self.present.facts.generation
    }

    fn followed(&self, account: &AccountKey) -> i64 {
        let rollout = Rollout::of(&self.present, self.last.as_ref());
        rollout.instead(account).unwrap_or(&self.present.facts).generation
    }

    fn states(&self) -> Vec<(AccountKey, RolloutState)> {
        let state_of = |state: &ReportedState| match state {
            state if state.generation != self.generation() => RolloutState::Waits,
            state if state.held => RolloutState::Stopped(SyncReason::RemovalGuarded),
            _ => RolloutState::Done,
        };
        self.accounts.iter().map(|(key, state)| (key.clone(), state_of(state))).collect()
    }

    fn refresh(&mut self) {
        let fresh = LastRevision {
            uid: self.present.uid.clone(),
            facts: self.present.facts.clone(),
            up_to: None,
            held_before: BTreeSet::new(),
        };
        let rollout = Rollout::of(&self.present, self.last.as_ref());
        if let Rollout::Under(last) = rollout {
            let last = last.clone();
            self.last = Some(match progress(last.up_to.as_ref(), &self.states()).step {
                Step::Wait => last,
                Step::Admit(key) => LastRevision { up_to: Some(key), ..last },
                Step::Finish => fresh,
            });
        } else if rollout.is_to_be_noted(&self.present, self.last.as_ref()) {
            self.last = Some(fresh);
        }
    }

    fn happens(&mut self, event: &Event) {
        match event {
            Event::Edit => self.present.facts = facts(self.generation() + 1),
            Event::Refresh => self.refresh(),
            Event::Pass(number) => {
                let followed = self.followed(&key(*number));
                if let Some(state) = self.accounts.get_mut(&key(*number)) {
                    state.generation = followed;
                }
            }
            Event::Hold(number, held) => {
                if let Some(state) = self.accounts.get_mut(&key(*number)) {
                    state.held = *held;
                }
            }
            Event::Exists(number, true) => drop(self.accounts.entry(key(*number)).or_default()),
            Event::Exists(number, false) => drop(self.accounts.remove(&key(*number))),
        }
    }
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn no_account_goes_back_or_ahead_and_the_rollout_ends(events in vec(event(), 1..80)) {
        let mut model = Model {
            present: present(facts(1)),
            last: None,
            accounts: (0..ACCOUNTS).map(|number| (key(number), ReportedState::default())).collect(),
        };
        model.refresh();
        for event in &events {
            let keys: Vec<AccountKey> = (0..ACCOUNTS).map(key).collect();
            let before: Vec<i64> = keys.iter().map(|key| model.followed(key)).collect();
            let was = (model.generation(), model.states());
            model.happens(event);
            let after: Vec<i64> = keys.iter().map(|key| model.followed(key)).collect();
            for (number, (before, after)) in std::iter::zip(&before, &after).enumerate() {
                prop_assert!(after >= before, "{event:?} carries {number} back from {before} to {after}");
            }
            // In the order of keys, and two revisions at most.
            prop_assert!(after.is_sorted_by(|one, next| one >= next), "{after:?}");
            if matches!(event, Event::Refresh) && after != before {
                // Accounts that followed the new revision were done, and at most as many again plus one are admitted.
                let ahead = |(key, _): &&(AccountKey, RolloutState)| before[keys.iter().position(|it| it == key).unwrap()] == was.0;
                let there = was.1.iter().filter(ahead).count();
                prop_assert!(was.1.iter().filter(ahead).all(|(_, state)| *state == RolloutState::Done));
                let now = model.accounts.keys().filter(|key| model.followed(key) == was.0).count();
                prop_assert!(now <= 2 * there + 1, "{there} then {now}");
            } else if !matches!(event, Event::Edit) {
                prop_assert_eq!(after, before, "only a refresh admits accounts");
            }
        }
        // After any history the rollout completes when nothing is held back.
        model.accounts.values_mut().for_each(|state| state.held = false);
        for _ in 0..8 {
            (0..ACCOUNTS).for_each(|number| model.happens(&Event::Pass(number)));
            model.refresh();
        }
        prop_assert!(matches!(Rollout::of(&model.present, model.last.as_ref()), Rollout::Done));
        prop_assert_eq!(model.last.unwrap().facts.generation, model.present.facts.generation);
    }
}
