//! Runs the contract suite against both kinds of the store in memory, and tests its own promises.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::pedantic,
    reason = "tests end by panicking, and their tables read better as they stand"
)]

use std::collections::BTreeMap;

use async_trait::async_trait;
use roster_core::{
    contract::{AuditReport, Capabilities, Store},
    model::{AccountKey, Email, Name},
    plan::ObjectKey,
};
use roster_testkit::{
    contract::{Backend, Cut},
    memory::{Kind, SharedStore},
};

/// A store in memory under the contract.
struct Memory(SharedStore);

impl Memory {
    fn fresh(kind: Kind) -> Self {
        Self(SharedStore::new(kind))
    }
}

#[async_trait]
impl Backend for Memory {
    async fn open(&self) -> Box<dyn Store> {
        Box::new(self.0.open())
    }

    async fn open_read_only(&self) -> Option<Box<dyn Store>> {
        self.0.open_to_read().map(|store| Box::new(store) as Box<dyn Store>)
    }

    async fn verify_audit(&self) -> AuditReport {
        self.0.with(|store| store.verify_audit())
    }

    async fn delete(&self, account: &AccountKey, object: &ObjectKey) {
        assert!(self.0.with(|store| store.tamper_delete(account, object)));
    }

    async fn insert_member(&self, account: &AccountKey, email: &Email) {
        let levels = BTreeMap::from([("orders", "View"), ("users", "Edit")].map(|(s, l)| (Name::new(s), Name::new(l))));
        self.0.with(|store| store.tamper_member(account, email, levels));
    }

    async fn change(&self, account: &AccountKey, object: &ObjectKey) {
        let changed = self.0.with(|store| match object {
            ObjectKey::Account => store.tamper_with_account(account, |content| content.display_name = "Hacked".into()),
            ObjectKey::Role(_) | ObjectKey::Group(_) => {
                store.tamper_with_definition(account, object, |title, _| *title = "Hacked".into())
            }
            // Drift of one field.
            ObjectKey::Member(email) => {
                store.tamper_with_member(account, email, |_, levels| drop(levels.insert("users".into(), "View".into())))
            }
        });
        assert!(changed, "{object} is not there");
    }

    /// Each poll is one step.
    fn cut(&self, round: u32, _: Capabilities) -> Cut {
        Cut::AtPoll(round * 3 + 1)
    }
}

mod transactional {
    use super::{Kind, Memory};

    roster_testkit::contract_suite!(Memory::fresh(Kind::Transactional));
}

mod plain {
    use super::{Kind, Memory};

    roster_testkit::contract_suite!(Memory::fresh(Kind::Plain));
}

#[tokio::test]
async fn a_handle_waits_for_a_silent_store() {
    use roster_core::model::Scope;
    use roster_testkit::contract::world::{NOW, world};
    for kind in Kind::ALL {
        let (shared, world) = (SharedStore::new(kind), world("acme"));
        let store = shared.open();
        shared.with(|store| store.faults.silent = true);
        let pass = world.converge(&store);
        let wake = async {
            // Enough turns for the pass to come as far as it can.
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            assert_eq!(shared.with(|store| store.writes()), 0);
            shared.with(|store| store.faults.silent = false);
        };
        tokio::join!(pass, wake);
        world.assert_held(&store.observe(world.key(), &Scope::Account, NOW).await.unwrap());
        store.close().await;
        assert!(store.keys().await.is_err());
    }
}
