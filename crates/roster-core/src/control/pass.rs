//! Passes: units of work over one account that run beside the loop.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    hash::BuildHasher as _,
    sync::Arc,
};

use jiff::Timestamp;

use super::{ApiFault, Handle, Mono, Triggers};
use crate::{
    contract::{Claim, StoreError},
    evaluate::Revocation,
    model::{AccountKey, Email, Name, ObjectRef, Scope, Seed, SeededState},
    plan::{Guarded, Holding, Mark},
    report::{OnlyEnds, PassReport},
    resolve::{Definitions, Origin},
    state::{AccountFacts, ObjectsInScope, Record, StoreFacts},
};

/// Id of a pass: tells it from others in logs and traces, and hardly repeats between processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PassId {
    number: u64,
    shown: u32,
}

impl fmt::Display for PassId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.shown)
    }
}

/// Gives out ids.
pub(super) struct PassIds {
    hashing: SeededState,
    given: u64,
}

impl PassIds {
    pub(super) fn new(seed: Seed) -> Self {
        Self { hashing: SeededState::new(seed), given: 0 }
    }

    pub(super) fn give(&mut self) -> PassId {
        self.given += 1;
        // The upper half would do as well.
        let shown = u32::try_from(self.hashing.hash_one(self.given) & u64::from(u32::MAX)).unwrap_or_default();
        PassId { number: self.given, shown }
    }
}

/// Right to write the accounts of one shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permit {
    /// The shard.
    pub shard: u16,
    /// The claim that the store is told.
    pub claim: Claim,
    /// Whether whoever had the shard before has ended its writes; if not, the store is told of the claim before anything
    /// is read.
    pub clean: bool,
}

/// A pass over one account, to be carried out beside the loop.
pub struct Pass {
    /// Its id.
    pub id: PassId,
    /// The account.
    pub key: AccountKey,
    /// Name of the IdentityStore that the account names.
    pub store: Name,
    /// That IdentityStore, if it exists.
    pub store_facts: Option<Arc<StoreFacts>>,
    /// Our mark on the account.
    pub mark: Mark,
    /// The right to write it.
    pub permit: Permit,
    /// The time at which it was put together.
    pub now: Timestamp,
    /// What the loop tells it while it runs.
    pub handle: Handle,
    /// The pass over the same account that it runs beside, if it does: of people who were taken out of that one.
    pub beside: Option<Handle>,
    /// What it is to do.
    pub work: PassWork,
}

/// Work of a pass.
pub enum PassWork {
    /// Make the store hold what the objects say.
    Reconcile(Box<Reconcile>),
    /// Do what the deletion policy of the Account says, then let the object go.
    Delete(Box<Delete>),
    /// Set the finalizers that are missing, in this order; where that fails, make ends by somebody's word, which need none.
    SetFinalizers(Vec<(ObjectRef, Name)>, Box<Reconcile>),
    /// End the access of these people in an account that no Account describes any more.
    Leftover(Vec<(Email, Revocation)>),
}

/// Input of a pass that deletes.
pub struct Delete {
    /// The Account.
    pub account: Arc<Record<AccountFacts>>,
    /// Accounts that still name it as their parent: it waits for them.
    pub children: Vec<AccountKey>,
    /// Work of the account for as long as it waits: ends by somebody's word, and single removals.
    pub meanwhile: Reconcile,
    /// Whether the removal guard holds the deletion back already.
    pub holding: Holding,
    /// People whose removal was decided before, and has been begun.
    pub decided: BTreeSet<Email>,
}

/// Input of a pass that reconciles.
pub struct Reconcile {
    /// Objects that it works on.
    pub objects: ObjectsInScope,
    /// The definitions, where nothing has changed since they were worked out.
    pub known: Option<Arc<Definitions>>,
    /// The objects whose changes brought the pass about; none for a check.
    pub triggers: Triggers,
    /// Causes of what was held back or refused before, of people within the scope.
    pub withheld: BTreeMap<Email, Origin>,
    /// Whether something changed, or a pass failed; otherwise it is a periodic check.
    pub is_change: bool,
    /// Since when it was waited for.
    pub since: Option<Mono>,
    /// Whether something may have vanished since a fresh read last found that what is left stays: then nobody gains anything
    /// without another one.
    pub vanished: bool,
    /// Why only ends by somebody's word count; absent where everything does.
    pub only_ends: Option<OnlyEnds>,
    /// Whether the removal guard holds removals of the account back already.
    pub holding: Holding,
}

/// End of a pass.
pub enum PassEnded {
    /// It reconciled.
    Reconciled(Box<PassReport>),
    /// It did what a deletion asks for.
    Deleted(Deleted),
    /// It set finalizers, or could not; with what was done instead.
    FinalizersSet(Result<(), (ApiFault, Option<Box<PassReport>>)>),
    /// It ended access in an account that no Account describes, where there was any to end.
    LeftoverEnded(Result<bool, StoreError>),
    /// It broke off: by a defect of ours, or because it was abandoned.
    BrokeOff,
}

/// How a deletion went.
pub enum Deleted {
    /// Done, with so many changes in the store; the object may go.
    Done(u64),
    /// Waits for managed accounts; with what was done meanwhile.
    Waits(Vec<AccountKey>, Box<PassReport>),
    /// The removal guard holds it back; with what was done meanwhile.
    Held(Guarded, Box<PassReport>),
    /// Another store answers than the one that was used so far: it waits; with what was done meanwhile.
    Replaced(Box<PassReport>),
    /// The store, or the API server, would not have it yet.
    Retry {
        /// Why.
        error: StoreError,
        /// The people whose removal is decided.
        decided: BTreeSet<Email>,
        /// Whether it is the store that fails, for all its accounts.
        by_store: bool,
    },
}

/// A pass that runs.
pub(super) struct Running {
    pub(super) key: AccountKey,
    /// UID of the Account.
    pub(super) uid: Name,
    pub(super) store: Name,
    /// The shard by whose right it writes. Of the account's own store may be known meanwhile that it is gone, and then the
    /// account is in another one.
    pub(super) shard: u16,
    pub(super) scope: Scope,
    pub(super) handle: Handle,
    /// Whether it runs beside another one over the same account.
    pub(super) is_beside: bool,
    /// Whether it is over an account that no Account describes.
    pub(super) is_leftover: bool,
    /// The Account, where it is being deleted.
    pub(super) deleting: Option<Arc<Record<AccountFacts>>>,
    /// Whether it reconciles.
    pub(super) reconciles: bool,
    /// The revision of the account's definitions that it knows.
    pub(super) revision: u64,
    /// The count of what had vanished in the account by then.
    pub(super) vanished: u64,
    /// The generation of the store that it knows.
    pub(super) store_generation: Option<i64>,
}

/// Passes that run, and how many of them in each store.
#[derive(Default)]
pub(super) struct Passes {
    running: BTreeMap<PassId, Running>,
    by_store: BTreeMap<Name, usize>,
}

impl Passes {
    pub(super) fn begin(&mut self, id: PassId, running: Running) {
        *self.by_store.entry(running.store.clone()).or_default() += 1;
        self.running.insert(id, running);
    }

    pub(super) fn end(&mut self, id: PassId) -> Option<Running> {
        let running = self.running.remove(&id)?;
        if let Some(count) = self.by_store.get_mut(&running.store) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.by_store.remove(&running.store);
            }
        }
        Some(running)
    }

    pub(super) fn in_store(&self, store: &str) -> usize {
        self.by_store.get(store).copied().unwrap_or(0)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (PassId, &Running)> {
        self.running.iter().map(|(id, running)| (*id, running))
    }

    pub(super) fn get(&self, id: PassId) -> Option<&Running> {
        self.running.get(&id)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.running.is_empty()
    }
}
