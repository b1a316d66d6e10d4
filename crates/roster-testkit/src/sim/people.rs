//! Simulated users: they apply, delete, block, approve and tamper over time. Called once at the start of a run;
//! `faults` adds faults.

use std::collections::BTreeMap;

use roster_core::{
    api::PAUSED_ANNOTATION,
    model::{AccountKey, KindName, Name, ObjectRef},
};

use super::{
    action::{Action, ActionKind},
    clock::{MILLI, MINUTE, SECOND, Time},
    faults,
    features::Features,
    names::{KEYS, SQL, object, person},
    objects::Spec,
    random::{Random, key, mix},
    run::Config,
    specs::{self, Account, Member},
};
use crate::memory::Kind;

/// Returns the settings and all actions of a run.
#[must_use]
pub fn generate(seed: u64, features: &Features) -> (Config, Vec<Action>) {
    let mut random = Random::of(seed, 1);
    let stores = stores(features);
    let config = Config {
        seed,
        hashing: mix(&[seed, 7]),
        replicas: features.replicas,
        shards: if features.replicas == 1 { 1 } else { 4 },
        most_passes: if features.full_stores { 1 } else { 8 },
        stores: stores.clone(),
        busy: random.between(4, 20) * MINUTE,
        records: false,
        store_latency: if features.rushes { Random::of(seed, 8).between(4, 300) * MILLI } else { 4 * MILLI },
    };
    let mut population = Population::new(seed, features, stores.keys().cloned().collect());
    population.create_objects();
    let count = random.between(20, 140);
    for number in 0..count {
        population.act(number, config.busy);
    }
    if features.rushes {
        let count = Random::of(seed, 9).between(5, 30);
        for number in 0..count {
            population.rush(number, config.busy);
        }
    }
    faults::add(&mut population.actions, seed, features, &config, &population.accounts);
    population.actions.sort_by_key(|action| (action.at, action.id));
    (config, population.actions)
}

fn stores(features: &Features) -> BTreeMap<Name, Kind> {
    let sql = (Name::const_new(SQL), Kind::Transactional);
    let keys = (Name::const_new(KEYS), Kind::Plain);
    match (features.sql, features.plain) {
        (true, true) => BTreeMap::from([sql, keys]),
        (_, true) => BTreeMap::from([keys]),
        _ => BTreeMap::from([sql]),
    }
}

/// Possible objects, and the actions on them.
struct Population<'a> {
    seed: u64,
    features: &'a Features,
    stores: Vec<Name>,
    accounts: Vec<(AccountKey, Name)>,
    people: u64,
    actions: Vec<Action>,
}

impl<'a> Population<'a> {
    fn new(seed: u64, features: &'a Features, stores: Vec<Name>) -> Self {
        let mut random = Random::of(seed, 2);
        let count = random.between(1, 5);
        let accounts = (0..count).map(|number| {
            let namespace = format!("ns{}", random.below(3));
            (AccountKey::new(&namespace, &format!("acc{number}")), random.pick(&stores).clone())
        });
        let accounts = accounts.collect();
        let people = random.between(4, 14);
        Self { seed, features, stores, accounts, people, actions: Vec::new() }
    }

    /// Returns the randomness of one object or action.
    fn random(&self, what: &str, number: u64) -> Random {
        Random::of(self.seed, mix(&[key(what), number]))
    }

    fn push(&mut self, id: u64, at: Time, kind: ActionKind) {
        self.actions.push(Action { id, at, kind });
    }

    /// Creates the initial objects, in any order.
    fn create_objects(&mut self) {
        let mut first: Vec<(ObjectRef, Spec)> = Vec::new();
        for number in 0..3 {
            let labels = BTreeMap::from([("tier".to_owned(), "gold".to_owned())]);
            first.push((object(KindName::Namespace, "", &format!("ns{number}")), Spec::Namespace(labels)));
        }
        let system = object(KindName::Namespace, "", "roster-system");
        first.push((system, Spec::Namespace(BTreeMap::new())));
        for (at, (object, spec)) in (0..).zip(std::mem::take(&mut first)) {
            self.push(mix(&[1, key(&object.name)]), at, ActionKind::Apply(object, spec));
        }
        let mut random = self.random("catalog", 0);
        let catalog = Spec::Catalog(Box::new(specs::catalog(&mut random, self.features, false)));
        first.push((object(KindName::PermissionCatalog, "", "portal"), catalog));
        for store in self.stores.clone() {
            let mut random = self.random("store", 0);
            let spec = Spec::Store(Box::new(specs::store(&mut random, &store, self.features, self.people, false)));
            first.push((object(KindName::IdentityStore, "", &store), spec));
        }
        for number in 0..self.accounts.len() {
            let (key, store) = self.accounts[number].clone();
            let mut random = self.random("account", number as u64);
            first.push((
                object(KindName::Account, &key.namespace, &key.name),
                self.account(&mut random, number, &store),
            ));
            for kind in 0..4 {
                let definition = self.definition(&mut random, &key, kind);
                if random.chance(70) {
                    first.push(definition);
                }
            }
            for member in 0..self.people {
                if random.chance(75) {
                    first.push(self.member(&mut random, &key, member, 0));
                }
            }
        }
        for (object, spec) in first {
            let id = mix(&[2, key(&object.namespace), key(&object.name), object.kind as u64]);
            let at = SECOND / 10 + Random::of(self.seed, id).below(8 * SECOND);
            self.push(id, at, ActionKind::Apply(object, spec));
        }
    }

    fn account(&self, random: &mut Random, number: usize, store: &Name) -> Spec {
        let parent = (self.features.partners && number > 0 && random.chance(60)).then(|| self.accounts[0].0.clone());
        let partner = self.features.partners && number == 0;
        Spec::Account(Box::new(specs::account(
            random,
            &Account { store, partner, parent: parent.as_ref(), features: self.features, accounts: &self.accounts },
        )))
    }

    fn member(&self, random: &mut Random, account: &AccountKey, number: u64, at: Time) -> (ObjectRef, Spec) {
        let double = self.features.duplicates && random.chance(8);
        let name = format!("{}-{}{number}", account.name, if double { "d" } else { "m" });
        let email = person(number);
        let spec = specs::member(random, &Member { account, email: &email, at, features: self.features });
        (object(KindName::Membership, &account.namespace, &name), Spec::Member(Box::new(spec)))
    }

    /// Returns a role or a group.
    fn definition(&self, random: &mut Random, account: &AccountKey, kind: u64) -> (ObjectRef, Spec) {
        let reference = |kind, short: &str| object(kind, &account.namespace, &format!("{}-{short}", account.name));
        match kind {
            0 => (
                reference(KindName::Role, "o0"),
                Spec::Role(specs::override_of(random, account, "admin", self.features)),
            ),
            1 => (
                reference(KindName::Role, "o1"),
                Spec::Role(specs::override_of(random, account, "reader", self.features)),
            ),
            2 => {
                let number = random.below(2);
                (
                    reference(KindName::Role, &format!("c{number}")),
                    Spec::Role(specs::custom(random, account, self.features)),
                )
            }
            _ => {
                let number = random.below(2);
                let spec = specs::group(random, account, self.features);
                (reference(KindName::UserGroup, &format!("g{number}")), Spec::Group(spec))
            }
        }
    }

    /// Picks an account: its index, key and store.
    fn pick(&self, random: &mut Random) -> (usize, AccountKey, Name) {
        let index = usize::try_from(random.below(self.accounts.len() as u64)).unwrap_or(0);
        let (account, store) = self.accounts[index].clone();
        (index, account, store)
    }

    /// Applies a new version of an account.
    fn change_account(&self, random: &mut Random, index: usize) -> ActionKind {
        let (account, store) = &self.accounts[index];
        let spec = self.account(random, index, store);
        ActionKind::Apply(object(KindName::Account, &account.namespace, &account.name), spec)
    }

    /// Applies a new version of the catalog.
    fn change_catalog(&self, random: &mut Random) -> ActionKind {
        let spec = specs::catalog(random, self.features, true);
        ActionKind::Apply(object(KindName::PermissionCatalog, "", "portal"), Spec::Catalog(Box::new(spec)))
    }

    /// Adds one action at some time.
    fn act(&mut self, number: u64, busy: Time) {
        let mut random = self.random("act", number);
        let id = mix(&[3, number]);
        let at = random.between(10 * SECOND, busy);
        let (index, account, store) = self.pick(&mut random);
        let kind = match random.below(100) {
            0..=39 => {
                let who = random.below(self.people);
                let (object, spec) = self.member(&mut random, &account, who, at);
                ActionKind::Apply(object, spec)
            }
            40..=54 => {
                let short = if self.features.duplicates && random.chance(20) { "d" } else { "m" };
                let name = format!("{}-{short}{}", account.name, random.below(self.people));
                ActionKind::Delete(object(KindName::Membership, &account.namespace, &name))
            }
            55..=64 => {
                let kind = random.below(4);
                let (object, spec) = self.definition(&mut random, &account, kind);
                if random.chance(65) { ActionKind::Apply(object, spec) } else { ActionKind::Delete(object) }
            }
            65..=70 => self.change_account(&mut random, index),
            71..=74 => {
                let store = random.pick(&self.stores).clone();
                let spec = specs::store(&mut random, &store, self.features, self.people, true);
                ActionKind::Apply(object(KindName::IdentityStore, "", &store), Spec::Store(Box::new(spec)))
            }
            75..=77 if self.features.catalogs => self.change_catalog(&mut random),
            78..=80 if self.features.pauses => {
                let object = object(KindName::Account, &account.namespace, &account.name);
                ActionKind::Annotate(object, PAUSED_ANNOTATION, random.chance(40).then(|| "true".to_owned()))
            }
            81..=84 if self.features.masses => return self.prune(&mut random, id, at, &account),
            85..=86 if self.features.approvals => ActionKind::Approve(account),
            87..=88 if self.features.tampers => {
                ActionKind::TamperDelete(store, account, person(random.below(self.people)))
            }
            89..=91 if self.features.tampers => {
                ActionKind::TamperRaise(store, account, person(random.below(self.people)))
            }
            92..=93 if self.features.deletions => {
                let back = self.account(&mut random, index, &store);
                let object = object(KindName::Account, &account.namespace, &account.name);
                self.push(mix(&[id, 1]), at + random.between(1, 60) * SECOND, ActionKind::Apply(object.clone(), back));
                if random.chance(60) {
                    self.push(mix(&[id, 2]), at + random.between(5, 40) * SECOND, ActionKind::Approve(account));
                }
                ActionKind::Delete(object)
            }
            94 if self.features.labels => {
                let tier = if random.chance(70) { "gold" } else { "lead" };
                let labels = BTreeMap::from([("tier".to_owned(), tier.to_owned())]);
                ActionKind::Apply(object(KindName::Namespace, "", &account.namespace), Spec::Namespace(labels))
            }
            _ => {
                let who = random.below(self.people);
                let (object, spec) = self.member(&mut random, &account, who, at);
                ActionKind::Apply(object, spec)
            }
        };
        self.push(id, at, kind);
    }

    /// Changes something for a whole account, and right after that revokes the access of some members, one after the
    /// other.
    fn rush(&mut self, number: u64, busy: Time) {
        let mut random = self.random("rush", number);
        let id = mix(&[4, number]);
        let at = random.between(10 * SECOND, busy);
        let (index, account, _) = self.pick(&mut random);
        let change = match random.below(4) {
            0 => self.change_account(&mut random, index),
            1 if self.features.catalogs => self.change_catalog(&mut random),
            kind => {
                let (object, spec) = self.definition(&mut random, &account, kind);
                ActionKind::Apply(object, spec)
            }
        };
        self.push(id, at, change);
        for index in 0..random.between(1, 4) {
            let who = random.below(self.people);
            let (object, mut spec) = self.member(&mut random, &account, who, at);
            let kind = if random.chance(25) {
                ActionKind::Delete(object)
            } else {
                if let Spec::Member(member) = &mut spec {
                    member.suspended = random.chance(80);
                }
                ActionKind::Apply(object, spec)
            };
            let after = random.between(1, 2_000) * MILLI;
            self.push(mix(&[id, index]), at + after, kind);
        }
    }

    /// Deletes many Memberships at once, like a mistaken prune.
    fn prune(&mut self, random: &mut Random, id: u64, at: Time, account: &AccountKey) {
        let share = random.between(20, 100);
        for who in 0..self.people {
            if random.chance(share) {
                let object = object(KindName::Membership, &account.namespace, &format!("{}-m{who}", account.name));
                self.push(mix(&[id, who]), at + random.below(SECOND), ActionKind::Delete(object));
            }
        }
    }
}
