//! Passes: units of work over one account that run outside of the loop. The modules of the loop create and end them;
//! the controller's shell runs them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    hash::BuildHasher as _,
    sync::Arc,
};

use jiff::Timestamp;

use super::{ApiFault, Handle, Mono, Triggers};
use crate::{
    api::Enforcement,
    contract::{Claim, StoreError},
    evaluate::Revocation,
    model::{AccountKey, Email, Name, ObjectRef, Scope, Seed, SeededState},
    plan::{GuardState, Guarded, Mark},
    report::{PassReport, RevocationsOnly},
    resolve::{Definitions, Origin},
    state::{AccountFacts, ObjectsInScope, Record, StoreFacts},
};

/// Id of a pass: identifies it in logs and traces, and hardly repeats between processes.
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

/// Generator of pass ids.
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
        // Any 32 bits of the hash would do.
        let shown = u32::try_from(self.hashing.hash_one(self.given) & u64::from(u32::MAX)).unwrap_or_default();
        PassId { number: self.given, shown }
    }
}

/// Right to write the accounts of one shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permit {
    /// Number of the shard.
    pub shard: u16,
    /// The claim that the store records.
    pub claim: Claim,
    /// Whether the former holder of the shard has ended its writes. If not, the store must record the claim before
    /// anything is read.
    pub clean: bool,
}

/// Pass over one account, to be carried out outside of the loop.
pub struct Pass {
    /// Id of the pass.
    pub id: PassId,
    /// Key of the account.
    pub key: AccountKey,
    /// Name of the IdentityStore that the account refers to.
    pub store: Name,
    /// Facts about this IdentityStore, if it exists.
    pub store_facts: Option<Arc<StoreFacts>>,
    /// Our mark on the account.
    pub mark: Mark,
    /// Permit to write the account.
    pub permit: Permit,
    /// Time at which the pass was created.
    pub now: Timestamp,
    /// Requests from the loop while the pass runs.
    pub handle: Handle,
    /// Handle of the other pass over the same account, if this one runs in parallel, for members withdrawn from that
    /// one.
    pub parallel: Option<Handle>,
    /// Work of the pass.
    pub work: PassWork,
}

/// Work of a pass.
pub enum PassWork {
    /// Make the store hold the desired state.
    Reconcile(Box<Reconcile>),
    /// Apply the deletion policy of the Account, then remove its finalizer.
    Delete(Box<Delete>),
    /// Set the missing finalizers, in this order. If that fails, make explicit revocations, which need none.
    SetFinalizers(Vec<(ObjectRef, Name)>, Box<Reconcile>),
    /// Revoke the access of these people in an account that no Account describes any more.
    OrphanedAccount(Vec<(Email, Revocation)>),
}

/// Input of a pass that deletes.
pub struct Delete {
    /// The Account that is being deleted.
    pub account: Arc<Record<AccountFacts>>,
    /// Accounts that still refer to it as their parent; the deletion waits for them.
    pub children: Vec<AccountKey>,
    /// Work while the deletion waits: explicit revocations, and single removals.
    pub meanwhile: Reconcile,
    /// Whether the removal guard already holds the deletion.
    pub holding: GuardState,
    /// People whose removal was decided earlier, and has begun.
    pub decided: BTreeSet<Email>,
}

/// Input of a pass that reconciles.
pub struct Reconcile {
    /// Objects in the scope of the pass.
    pub objects: ObjectsInScope,
    /// The resolved definitions, if nothing has changed since.
    pub known: Option<Arc<Definitions>>,
    /// Objects whose changes caused the pass; none for a check.
    pub triggers: Triggers,
    /// Causes of changes held or refused earlier, of people within the scope.
    pub withheld: BTreeMap<Email, Origin>,
    /// Whether a change or a failed pass caused it; otherwise it is a periodic check.
    pub is_change: bool,
    /// Time since which the work has been waiting.
    pub since: Option<Mono>,
    /// Whether something may have vanished since the last fresh read confirmed the remaining objects. Then no member
    /// gains access without another fresh read.
    pub vanished: bool,
    /// Reason to make only explicit revocations; absent if all changes may be made.
    pub revocations_only: Option<RevocationsOnly>,
    /// Whether the removal guard already holds removals of the account.
    pub holding: GuardState,
    /// How the pass judges who changed access; `None` if the account does not enforce that.
    pub judging: Option<Box<Judging>>,
}

/// What a pass needs to judge who changed access.
pub struct Judging {
    /// Beginning of the names of users who are members.
    pub member_prefix: Option<Arc<str>>,
    /// The managing account, and in it the people who wrote objects of this one.
    pub parent: Option<ObjectsInScope>,
    /// Whether the account enforces who may change access, as its objects say.
    pub enforces: bool,
    /// Weakest enforcement of any account.
    pub floor: Enforcement,
    /// Whether an earlier pass found all roles and groups authorised. A pass over members only must not go on otherwise.
    pub definitions_are_authorised: bool,
}

/// Result of a pass.
pub enum PassResult {
    /// The pass reconciled.
    Reconciled(Box<PassReport>),
    /// The pass worked on a deletion.
    Deleted(Deleted),
    /// The pass set finalizers, or failed; then with the report of the explicit revocations.
    FinalizersSet(Result<(), (ApiFault, Option<Box<PassReport>>)>),
    /// The pass revoked access in an account that no Account describes; `false` if no access was left to revoke.
    OrphanedRevoked(Result<bool, StoreError>),
    /// The pass panicked or was abandoned.
    Aborted,
}

/// Result of a deletion.
pub enum Deleted {
    /// Done, with this number of changes in the store; the finalizer may be removed.
    Done(u64),
    /// Waits for managed accounts; with the report of what was done meanwhile.
    Waits(Vec<AccountKey>, Box<PassReport>),
    /// Held by the removal guard; with the report of what was done meanwhile.
    Held(Guarded, Box<PassReport>),
    /// Waits, since another store answers than before; with the report of what was done meanwhile.
    Replaced(Box<PassReport>),
    /// Failed in the store or the API server, and must be retried.
    Retry {
        /// Error of the attempt.
        error: StoreError,
        /// People whose removal is decided.
        decided: BTreeSet<Email>,
        /// Whether the store fails for all its accounts.
        by_store: bool,
    },
}

/// Running pass.
pub(super) struct Running {
    pub(super) key: AccountKey,
    /// UID of the Account.
    pub(super) uid: Name,
    pub(super) store: Name,
    /// Shard whose permit the pass uses. If the account's IdentityStore is deleted meanwhile, the account itself
    /// moves to another shard.
    pub(super) shard: u16,
    pub(super) scope: Scope,
    pub(super) handle: Handle,
    /// Whether it runs in parallel to another pass over the same account.
    pub(super) is_parallel: bool,
    /// Whether it works on an account that no Account describes.
    pub(super) is_orphaned: bool,
    /// The Account, if it is being deleted.
    pub(super) deleting: Option<Arc<Record<AccountFacts>>>,
    /// Whether its work is [`PassWork::Reconcile`].
    pub(super) reconciles: bool,
    /// Revision of the account's definitions that it works with.
    pub(super) revision: u64,
    /// Number of vanished objects in the account when it began.
    pub(super) vanished: u64,
    /// Generation of the store that it works with.
    pub(super) store_generation: Option<i64>,
}

/// Running passes, and their number in each store.
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
