//! The controller's loop as a state machine: receives events, decides, and requests effects. It does no I/O and has
//! no clock and no randomness of its own. The controller's shell (`src/controller`) and the simulator of
//! `roster-testkit` drive it.
//!
//! ```text
//!            Event                                Effect
//!  watches ────────► Control::absorb             ┌──────► passes: run_pass ───► store
//!  leases            Control::decide ────────────┼──────► statuses, finalizers, records ──► API server
//!  passes, answers       │                       └──────► leases, notices
//!                        └ state: Index, Queue, Passes, Statuses, Shards, Refreshes, Blocks
//! ```
//!
//! Path of an edit to the store:
//!
//! 1. A watch sends [`Event::Watched`]. The index stores the object and returns the parts of the cluster that the change
//!    affects ([`Impact`](crate::state::Impact)): one address, or a whole account. That part is queued.
//! 2. [`Control::decide`] takes it from the queue once this replica holds the account's shard, every kind is listed
//!    and the store has room. It requests [`Effect::Start`]: a pass over that part. If a finalizer is missing, a pass
//!    that sets it comes first.
//! 3. [`run_pass()`] claims the store, observes it, evaluates, reads the API server again if a member would be
//!    removed, and applies slice by slice. Members who lose access meanwhile are reconciled in a parallel pass
//!    ([`Handle`]). Otherwise the pass ends after a slice, and the rest follows later. The shell checks right before
//!    it applies that the lease still lasts ([`PassEnvironment`]).
//! 4. [`Event::PassFinished`] brings the reports that differ from the known statuses. They wait; for each object the latest
//!    report wins. `decide` renders each against the current object, and requests [`Effect::WriteStatus`]. A report
//!    on an older generation is dropped: another one follows.
//! 5. [`Event::StatusWritten`] puts version and digest into the index, so that the echo of our own write is not a
//!    change.
//!
//! The driver of the machine absorbs events as they come, many at a time, then decides once: events that arrive
//! together make one pass.
//!
//! [`leases`] decides outside of the loop which shards this replica holds: a long turn of the loop must not cost a
//! lease.

mod block_state;
mod blocks;
mod causes;
mod deadlines;
mod deletion;
mod event;
mod fair_queue;
mod fault;
mod figures;
mod finish;
mod finish_deletion;
mod handle;
mod held_shards;
mod intake;
pub mod leases;
mod orphaned_accounts;
mod pass;
mod pass_environment;
mod queue;
mod reconcile;
mod record_write;
mod refresh_state;
mod refreshes;
mod relist;
mod rollout_pace;
mod run_pass;
mod shard_changes;
mod slices;
mod start;
mod status_reports;
mod status_write;
mod statuses;
mod time;
mod triggers;
mod warning_counts;
mod warnings;
mod watches;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};

use self::{
    block_state::Blocks,
    causes::MOST_WITHHELD,
    deadlines::Deadlines,
    held_shards::Shards,
    pass::{PassIds, Passes},
    queue::{Lane, Queue, Trigger, WorkItem},
    refresh_state::Refreshes,
    relist::Relist,
    statuses::Statuses,
    triggers::ChangedObject,
    warning_counts::WarningCounts,
    watches::{Access, ListState, Listed, Lists, Refusals},
};
pub use self::{
    event::{CatalogMaintenance, Effect, Event, ShardEvent, StoreRefresh},
    fault::{ApiFault, NO_ANSWER},
    figures::Figures,
    handle::Handle,
    held_shards::shard_of,
    pass::{Delete, Deleted, Judging, Pass, PassId, PassResult, PassWork, Permit, Reconcile},
    pass_environment::{FreshRead, PassEnvironment},
    record_write::RecordWrite,
    run_pass::run_pass,
    status_write::{StatusWrite, StatusWritten},
    time::{Mono, Now},
    triggers::Triggers,
};
use crate::{
    api::Enforcement,
    contract::Epoch,
    model::{AccountKey, Email, Name, ObjectRef, Scope, Seed},
    report::Report,
    resolve::{Definitions, Origin},
    state::Index,
};

/// Interval at which other replicas are notified of what we have reconciled, and refusals that were not repeated are
/// dropped.
const TICK: Duration = Duration::from_secs(1);
/// Minimum step backwards of the wall clock that counts as a change of the clock.
const SET_BACK: SignedDuration = SignedDuration::from_secs(1);

/// Settings of the loop; they do not change while it runs.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Id of this cluster in every mark.
    pub cluster: Name,
    /// Number of shards over which accounts are distributed, at least 1.
    pub shards: u16,
    /// Maximum number of passes at a time in one store, at least 1.
    pub max_concurrent_accounts: usize,
    /// How changes of access are judged; `None` if this controller holds none back.
    pub enforcing: Option<Enforcing>,
    /// Seed of ids and jitter; random in production.
    pub seed: Seed,
    /// Seed of hash maps, without effect on any decision; random in production.
    pub hashing: Seed,
}

/// Settings of a controller that judges who changes access.
#[derive(Clone, Debug)]
pub struct Enforcing {
    /// Beginning of the names of users who are members; without it nobody is one.
    pub member_prefix: Option<Arc<str>>,
    /// Weakest enforcement of any account.
    pub floor: Enforcement,
}

/// State of the controller's loop.
pub struct Control {
    setup: Setup,
    index: Index,
    lists: Lists,
    refusals: Refusals,
    queue: Queue,
    passes: Passes,
    pass_ids: PassIds,
    statuses: Statuses,
    shards: Shards,
    relist: Option<Relist>,
    /// Reason why no lease can be acquired.
    no_lease: Option<String>,
    accounts: BTreeMap<AccountKey, AccountState>,
    /// Instants at which a member's access begins or ends.
    deadlines: Deadlines,
    /// Wall clock at the last wake.
    last_wall: Option<Timestamp>,
    /// Accounts whose numbers are counted again at the next tick: rarely, since that takes time in proportion to the
    /// managed accounts.
    recounts: BTreeSet<AccountKey>,
    refreshes: Refreshes,
    /// Stores contacted so far: `Ok` once one was reached, otherwise the last error.
    reached: BTreeMap<Name, Result<(), String>>,
    blocks: Blocks,
    /// By catalog: the generation and the account at which its rollout stops, as last reported.
    stops: BTreeMap<Name, (i64, AccountKey)>,
    ticked: Option<Mono>,
    stopping: bool,
    /// Effects requested while absorbing events; the next decision emits them.
    outbox: Vec<Effect>,
    /// Notices about invalid objects.
    warnings: WarningCounts,
}

/// Progress of an account's deletion.
#[derive(Clone, Default, PartialEq)]
enum DeletionState {
    /// No progress known.
    #[default]
    None,
    /// The removal guard holds the deletion; this hash approves it.
    Held(String),
    /// The removal of these people is decided and has begun.
    Decided(BTreeSet<Email>),
}

/// State of an account in addition to the index.
#[derive(Default)]
struct AccountState {
    /// Latest reports on the Account, its roles and groups; their numbers follow its members.
    reports: BTreeMap<ObjectRef, Report>,
    /// Time of the last complete check.
    checked: Option<Mono>,
    /// Whether the removal guard held removals in the last complete check; absent before the first.
    is_holding: Option<bool>,
    /// UID of the Account that is being deleted, and the progress of the deletion.
    deletion: (Name, DeletionState),
    /// Shard in which the last pass over the account began.
    shard: Option<u16>,
    /// Number of objects that have vanished in the account.
    vanished: u64,
    /// Number of vanished objects confirmed by the last fresh read; absent before the first, since this process does
    /// not know what existed before it started.
    confirmed: Option<u64>,
    /// Revision of the account at which everything in it was authorised; absent while something waits for authority.
    authorised: Option<u64>,
    /// Definitions as last resolved, with the account revision that they belong to.
    definitions: Option<(u64, Arc<Definitions>)>,
    /// Last event on held removals, and its time; absent while none are held.
    guard_notice: Option<(String, Mono)>,
    /// Causes of changes that were held (by removal guard, pause, or because another store answers in place of the
    /// known one) or that the store refused, by member.
    withheld: BTreeMap<Email, Origin>,
}

impl AccountState {
    /// Returns the causes of held and refused changes of these people, or of all if `None`.
    fn withheld_of(&self, people: Option<&BTreeSet<Email>>) -> BTreeMap<Email, Origin> {
        match people {
            None => self.withheld.clone(),
            Some(people) => {
                let known = people.iter().filter_map(|email| self.withheld.get_key_value(email));
                known.map(|(email, origin)| (email.clone(), origin.clone())).collect()
            }
        }
    }

    /// Replaces the causes within the scope of a pass by those that the pass reports.
    fn note_withheld(&mut self, scope: &Scope, withheld: BTreeMap<Email, Origin>) {
        self.withheld.retain(|email, _| !scope.contains(email));
        let room = MOST_WITHHELD.saturating_sub(self.withheld.len());
        self.withheld.extend(withheld.into_iter().take(room));
    }

    /// Returns the definitions, if they belong to this revision of the account.
    fn known(&self, revision: u64) -> Option<Arc<Definitions>> {
        self.definitions.as_ref().filter(|(of, _)| *of == revision).map(|(_, definitions)| definitions.clone())
    }
}

impl Control {
    /// Creates a loop that knows no object and holds no shard yet.
    #[must_use]
    pub fn new(setup: Setup) -> Self {
        let (seed, hashing) = (setup.seed, setup.hashing);
        Self {
            index: Index::new(hashing),
            lists: Lists::default(),
            refusals: Refusals::default(),
            queue: Queue::new(seed),
            passes: Passes::default(),
            pass_ids: PassIds::new(seed),
            statuses: Statuses::new(hashing),
            shards: Shards::new(setup.shards),
            relist: None,
            no_lease: None,
            accounts: BTreeMap::new(),
            deadlines: Deadlines::default(),
            last_wall: None,
            recounts: BTreeSet::new(),
            refreshes: Refreshes::default(),
            reached: BTreeMap::new(),
            blocks: Blocks::default(),
            stops: BTreeMap::new(),
            ticked: None,
            stopping: false,
            outbox: Vec::new(),
            warnings: WarningCounts::default(),
            setup,
        }
    }

    /// Takes a shard before any object of the cluster is known.
    pub fn begin_with(&mut self, shard: u16, epoch: Epoch, clean: bool) {
        self.shards.take(shard, epoch, clean, false);
    }

    /// Processes an event.
    pub fn absorb(&mut self, event: Event, now: Now) {
        match event {
            Event::Watched(event) => self.watched(event, now),
            Event::Shard(event) => self.shard_changed(event, now),
            Event::Announced { store, account } => self.changed_in_store(&store, account, now),
            Event::PassFinished { pass, result } => self.pass_finished(pass, result, now),
            Event::StatusWritten { object, result } => self.status_written(&object, &result, now),
            Event::CatalogMaintained { id, record, fault } => self.catalog_maintained(id, record, fault.as_ref(), now),
            Event::StoreRefreshed { id, found, remembered, fault } => {
                self.store_refreshed(id, &found, remembered, fault.as_ref(), now);
            }
            Event::RefreshAborted { id } => self.refresh_failed(id, now),
            Event::Stop => self.stopping = true,
        }
    }

    /// Decides what to do now, and requests it.
    pub fn decide(&mut self, now: Now, effects: &mut Vec<Effect>) {
        effects.append(&mut self.outbox);
        if self.lists.stop_waiting(now.mono) {
            self.queue.more_known();
        }
        self.stop_waiting_for_relist(now);
        if !self.stopping {
            self.hand_over(now, effects);
            if self.begins_relist() {
                effects.push(Effect::Relist);
            }
            self.wake(now);
            self.preempt_for_revocations(now, effects);
            self.start_refreshes(now, effects);
            self.start_passes(now, effects);
            self.make_room_for_revocations();
            self.tick(now, effects);
        }
        let index = &self.index;
        self.statuses.pump(|object| index.any_meta(object), now, effects);
        // Decisions may have added effects to the outbox.
        effects.append(&mut self.outbox);
    }

    /// Returns the time of the next decision if no event arrives before.
    #[must_use]
    pub fn next_wake(&self, now: Now) -> Option<Mono> {
        if self.statuses.has_more() {
            return Some(now.mono);
        }
        let lists = [self.lists.next_due(), self.relist.as_ref().and_then(Relist::next_due)];
        let due = [self.queue.next_due(), self.statuses.next_due(), self.next_refresh()];
        let wall = self.deadlines.next().map(|at| {
            let wait = Duration::try_from(at.duration_since(now.wall)).unwrap_or_default();
            now.mono + wait
        });
        let tick = self.ticked.map(|at| at + TICK);
        due.into_iter().chain(lists).flatten().chain(wall).chain(tick).min()
    }

    /// Returns whether enough kinds are listed to reconcile accounts, at least for explicit revocations.
    #[must_use]
    pub fn can_serve(&self, now: Now) -> bool {
        self.lists.listed(now.mono) != Listed::Nothing
    }

    /// Returns whether nothing runs, and only statuses that are delayed on purpose wait.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.passes.is_empty() && !self.refreshes.any_runs() && self.statuses.is_idle()
    }

    /// Returns whether a status of this pass still waits or is being written.
    #[must_use]
    pub fn has_statuses_of(&self, pass: PassId) -> bool {
        self.statuses.names(pass)
    }

    fn wake(&mut self, now: Now) {
        self.queue.wake(now.mono);
        let before = self.last_wall.replace(now.wall);
        if before.is_some_and(|before| now.wall < before - SET_BACK) {
            // A member's time window may lie in the future again.
            for key in self.index.accounts.keys() {
                self.queue.add(key, WorkItem::Account, Trigger::CHECK, now.mono);
            }
        }
        while let Some((key, email)) = self.deadlines.take(now.wall) {
            // A member's time window begins or ends.
            let trigger = Trigger { lane: Lane::Revocations, ..Trigger::CHANGE };
            self.queue.add(&key, WorkItem::Member(email), trigger, now.mono);
        }
    }

    fn tick(&mut self, now: Now, effects: &mut Vec<Effect>) {
        if self.ticked.is_some_and(|at| now.mono.since(at) < TICK) {
            return;
        }
        self.ticked = Some(now.mono);
        self.publish_reconciled(effects);
        self.note_clean(effects);
        // Drops the state of accounts that moved to another replica, or were deleted while held.
        self.accounts.retain(|key, _| self.index.accounts.contains_key(key));
        self.deadlines.retain(|key| self.index.accounts.contains_key(key));
        for key in std::mem::take(&mut self.recounts) {
            self.recount(&key, true, now);
        }
        self.refusals.tidy(now.mono);
    }

    fn store_of(&self, key: &AccountKey) -> Option<Name> {
        let object = self.index.accounts.get(key)?.object.as_ref()?;
        Some(Name::new(&object.facts.spec.store_ref.name))
    }
}
