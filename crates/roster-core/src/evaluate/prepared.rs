//! Holds the resolved definitions of an account with what else decides about it besides its members. `evaluate` judges with
//! it.

use std::sync::Arc;

use crate::{
    resolve::{self, Definitions},
    state::{AccountAnnotations, AccountFacts, CatalogFacts, KnownStore, Snapshot},
};

/// Definitions of an account, resolved once for all its members. They are valid until an object of its [`Snapshot`]
/// changes. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// Effective catalog, roles and groups of this account.
    pub definitions: Arc<Definitions>,
    pub(super) account: Arc<AccountFacts>,
    pub(super) annotations: AccountAnnotations,
    pub(super) known_store: KnownStore,
    pub(super) catalog: Option<Arc<CatalogFacts>>,
}

impl Prepared {
    /// Combines definitions resolved from an earlier snapshot with this one. They must be those of the same objects.
    #[must_use]
    pub fn with_definitions(snapshot: &Snapshot, definitions: Arc<Definitions>) -> Self {
        let (account, annotations) = (snapshot.account.clone(), snapshot.annotations.clone());
        let known_store = snapshot.store.as_ref().map(|store| store.known.clone()).unwrap_or_default();
        Self { definitions, account, annotations, known_store, catalog: snapshot.catalog.clone() }
    }
}

/// Resolves an account's definitions. The cost depends on the roles, groups and sections of the account, not on its
/// members.
#[must_use]
pub fn prepare(snapshot: &Snapshot) -> Prepared {
    Prepared::with_definitions(snapshot, Arc::new(resolve::definitions(snapshot)))
}
