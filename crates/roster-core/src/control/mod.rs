//! The controller's loop as a state machine: takes in events, decides, and asks for effects. No I/O, no clock, no
//! randomness of its own.
//!
//! ```text
//!            Event                                Effect
//!  watches ────────► Control::absorb             ┌──────► passes: reconcile ──► store
//!  leases            Control::decide ────────────┼──────► statuses, finalizers, records ──► API server
//!  passes, answers       │                       └──────► leases, notices
//!                        └ state: Index, Queue, Passes, Statuses, Shards, Looks, Blocks
//! ```
//!
//! How an edit reaches the store:
//!
//! 1. A watch says [`Event::Seen`]. The index takes the object in and returns the parts of the cluster that the change
//!    affects ([`Impact`]): one address, or a whole account. That part is queued.
//! 2. [`Control::decide`] takes it from the queue, once the account is ours, every kind is listed and there is room in the
//!    store. It asks for [`Effect::Start`]: a pass over that part. Where a finalizer is missing, a pass that sets it comes
//!    first.
//! 3. [`reconcile::run`] claims the store, observes it, evaluates, reads afresh where somebody would be removed, and applies
//!    slice by slice. People of whom something is taken away meanwhile are looked at in a pass beside it ([`Handle`]), or
//!    it ends after a slice, and the rest follows after that.
//!    The shell asks whether the lease still lasts right before it applies ([`World`]).
//! 4. [`Event::Ended`] brings the reports that differ from the statuses as they are known. They wait, latest wins for each
//!    object; `decide` renders each against its object as it is then, and asks for [`Effect::WriteStatus`]. A report on an
//!    older generation is dropped: another one follows.
//! 5. [`Event::StatusWritten`] puts version and digest into the index, so that the echo of our own write is no news.
//!
//! Whoever drives the machine absorbs events as they come, many at a time, then decides once: events that arrive together
//! make one pass.
//!
//! Which shards this replica holds is decided beside the loop, by [`leases`]: a long turn of the loop must not cost a lease.

mod blocks;
mod causes;
mod deletion;
mod event;
mod fault;
mod figures;
mod finish;
mod handle;
pub mod leases;
mod leftovers;
mod looks;
mod pass;
mod queue;
pub mod reconcile;
mod rollouts;
mod shards;
mod share;
mod slices;
mod start;
mod statuses;
mod time;
mod turns;
mod wakes;
mod warnings;
mod watches;
mod world;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};

use self::causes::{ChangedObject, MOST_WITHHELD};
use self::{
    blocks::Blocks,
    looks::Looks,
    pass::{PassIds, Passes},
    queue::{Lane, Queue, Trigger, WorkItem},
    shards::Shards,
    share::Relist,
    statuses::{StatusLane, Statuses},
    wakes::Wakes,
    warnings::Warnings,
    watches::{Access, ListState, Listed, Lists, Refusals},
};
pub use self::{
    causes::Triggers,
    event::{CatalogTending, Effect, Event, ShareEvent, StoreLook},
    fault::{ApiFault, NO_ANSWER},
    figures::Figures,
    handle::Handle,
    pass::{Delete, Deleted, Pass, PassEnded, PassId, PassWork, Permit, Reconcile},
    rollouts::RecordWrite,
    shards::shard_of,
    statuses::{StatusWrite, StatusWritten},
    time::{Mono, Now},
    world::{Staying, World},
};
use crate::{
    contract::Epoch,
    model::{AccountKey, Email, KindName, Name, ObjectRef, Scope, Seed},
    report::{self, Notice, NoticeReason, Report},
    resolve::{Definitions, Origin},
    state::{Impact, Index, Object, Unreadable, WatchEvent},
};

/// Interval in which other replicas are told what we have reconciled, and refusals that were not repeated are forgotten.
const TICK: Duration = Duration::from_secs(1);
/// By more than this, somebody has set the wall clock back.
const SET_BACK: SignedDuration = SignedDuration::from_secs(1);

/// Settings that stay for a term.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Id of this cluster in every mark.
    pub cluster: Name,
    /// Number of shards over which accounts are shared out, at least 1.
    pub shards: u16,
    /// Most passes at a time in one store, at least 1.
    pub max_concurrent_accounts: usize,
    /// Seed of ids and jitter; random in production.
    pub seed: Seed,
    /// Seed of hash maps, which decides nothing; random in production.
    pub hashing: Seed,
}

/// The loop's state.
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
    /// Why no lease can be had.
    no_lease: Option<String>,
    accounts: BTreeMap<AccountKey, AccountState>,
    /// Instants at which somebody's time begins or ends.
    wakes: Wakes,
    /// The wall clock when it was last looked at.
    last_wall: Option<Timestamp>,
    /// Accounts whose numbers are to be counted again: at most once in a while, since that takes as long as they have
    /// managed accounts.
    recounts: BTreeSet<AccountKey>,
    looks: Looks,
    /// Stores that were looked at: why one could not be reached, unless it could be at some time.
    reached: BTreeMap<Name, Result<(), String>>,
    blocks: Blocks,
    /// By catalog: the generation and the account at which its rollout stands still, as it was told.
    stops: BTreeMap<Name, (i64, AccountKey)>,
    ticked: Option<Mono>,
    stopping: bool,
    /// Effects that absorbing brought about, to be carried out with the next decision.
    outbox: Vec<Effect>,
    /// Events on objects that are invalid.
    warnings: Warnings,
}

/// How far the deletion of an account has come.
#[derive(Clone, Default, PartialEq)]
enum Deletion {
    /// Nothing of it is known.
    #[default]
    None,
    /// The removal guard holds it back; this hash approves it.
    Held(String),
    /// It is decided, and has been begun, for these people.
    Decided(BTreeSet<Email>),
}

/// What is kept of an account besides the index.
#[derive(Default)]
struct AccountState {
    /// Reports on the Account, its roles and groups, as they were last made; their numbers follow its members.
    reports: BTreeMap<ObjectRef, Report>,
    /// When it was last compared whole.
    checked: Option<Mono>,
    /// Whether the removal guard held something back when it was last compared whole; absent before.
    is_holding: Option<bool>,
    /// How far its deletion has come, and the UID of the Account that was being deleted.
    deletion: (Name, Deletion),
    /// The shard in which a pass over it began last.
    shard: Option<u16>,
    /// Counts what has vanished in it.
    vanished: u64,
    /// The count up to which a fresh read found that what is left stays; absent before the first one, since nobody knows
    /// what was there before this process looked.
    confirmed: Option<u64>,
    /// Its definitions as last worked out, and the revision of the account that they are of.
    definitions: Option<(u64, Arc<Definitions>)>,
    /// The event on removals that are held back, as it was told last, and when; absent while none are.
    told_guard: Option<(String, Mono)>,
    /// Causes of what was held back of people (by removal guard, pause, or another store in the known one's place), or refused
    /// by the store.
    withheld: BTreeMap<Email, Origin>,
}

impl AccountState {
    /// Returns the causes of what is held back or refused of these people, or of all.
    fn withheld_of(&self, people: Option<&BTreeSet<Email>>) -> BTreeMap<Email, Origin> {
        match people {
            None => self.withheld.clone(),
            Some(people) => {
                let known = people.iter().filter_map(|email| self.withheld.get_key_value(email));
                known.map(|(email, origin)| (email.clone(), origin.clone())).collect()
            }
        }
    }

    /// Takes in what a pass held back or was refused; nobody else within its scope is waited for any longer.
    fn note_withheld(&mut self, scope: &Scope, withheld: BTreeMap<Email, Origin>) {
        self.withheld.retain(|email, _| !scope.contains(email));
        let room = MOST_WITHHELD.saturating_sub(self.withheld.len());
        self.withheld.extend(withheld.into_iter().take(room));
    }

    /// Returns the definitions, where they are those of this revision of the account.
    fn known(&self, revision: u64) -> Option<Arc<Definitions>> {
        self.definitions.as_ref().filter(|(of, _)| *of == revision).map(|(_, definitions)| definitions.clone())
    }
}

impl Control {
    /// Returns a loop that knows nothing and holds nothing yet.
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
            wakes: Wakes::default(),
            last_wall: None,
            recounts: BTreeSet::new(),
            looks: Looks::default(),
            reached: BTreeMap::new(),
            blocks: Blocks::default(),
            stops: BTreeMap::new(),
            ticked: None,
            stopping: false,
            outbox: Vec::new(),
            warnings: Warnings::default(),
            setup,
        }
    }

    /// Takes a shard before anything is known of the cluster.
    pub fn begin_with(&mut self, shard: u16, epoch: Epoch, clean: bool) {
        self.shards.take(shard, epoch, clean, false);
    }

    /// Takes in an event.
    pub fn absorb(&mut self, event: Event, now: Now) {
        match event {
            Event::Seen(seen) => self.seen(seen, now),
            Event::Share(event) => self.shared(event, now),
            Event::Announced { store, account } => self.announced(&store, account, now),
            Event::Ended { pass, end } => self.ended(pass, end, now),
            Event::StatusWritten { object, result } => self.status_written(&object, &result, now),
            Event::CatalogTended { id, seen, fault } => self.catalog_tended(id, seen, fault.as_ref(), now),
            Event::StoreLooked { id, found, remembered, fault } => {
                self.store_looked(id, &found, remembered, fault.as_ref(), now);
            }
            Event::LookBrokeOff { id } => self.look_broke_off(id, now),
            Event::Stop => self.stopping = true,
        }
    }

    /// Decides what is to be done now, and asks for it.
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
            self.hurry(now, effects);
            self.start_looks(now, effects);
            self.start_passes(now, effects);
            self.make_room();
            self.tick(now, effects);
        }
        let index = &self.index;
        self.statuses.pump(|object| index.any_meta(object), now, effects);
        // What was decided may have something to tell.
        effects.append(&mut self.outbox);
    }

    /// Returns when there is something to decide even if nothing happens before.
    #[must_use]
    pub fn next_wake(&self, now: Now) -> Option<Mono> {
        if self.statuses.has_more() {
            return Some(now.mono);
        }
        let lists = [self.lists.next_due(), self.relist.as_ref().and_then(Relist::next_due)];
        let due = [self.queue.next_due(), self.statuses.next_due(), self.next_look()];
        let wall = self.wakes.next().map(|at| {
            let wait = Duration::try_from(at.duration_since(now.wall)).unwrap_or_default();
            now.mono + wait
        });
        let tick = self.ticked.map(|at| at + TICK);
        due.into_iter().chain(lists).flatten().chain(wall).chain(tick).min()
    }

    /// Returns whether enough is known of the cluster to look after accounts, at least as far as ends by somebody's word go.
    #[must_use]
    pub fn can_serve(&self, now: Now) -> bool {
        self.lists.listed(now.mono) != Listed::Nothing
    }

    /// Returns whether nothing runs, and no status waits but what is delayed on purpose.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.passes.is_empty() && !self.looks.any_runs() && self.statuses.is_idle()
    }

    /// Returns whether a status still waits, or is being written, for this pass.
    #[must_use]
    pub fn has_statuses_of(&self, pass: PassId) -> bool {
        self.statuses.names(pass)
    }

    fn seen(&mut self, seen: WatchEvent, now: Now) {
        match seen {
            WatchEvent::Listing(kind) => self.index.begin_list(kind),
            WatchEvent::Absent(kind) => {
                // With its definition everything of a kind goes.
                self.index.begin_list(kind);
                self.list_ended(kind, ListState::Absent, now);
            }
            WatchEvent::Refused(kind, why) => self.refusals.note(kind, Access::Read, Some(why), now.mono),
            WatchEvent::Listed(kind) => {
                self.refusals.note(kind, Access::Read, None, now.mono);
                self.list_ended(kind, ListState::Listed, now);
            }
            WatchEvent::Object(object) => {
                let (_, _, generation) = object.identity();
                let store = self.changed_store(&object);
                // What a list names first of all need not have changed.
                let changed = (!self.index.is_first_listed(&object)).then(|| self.changed(&object));
                let replaced = object.meta().is_some_and(|meta| self.is_replaced(&object.reference(), &meta.uid));
                let takes_away =
                    object.takes_away(now.wall) || self.withdraws_approval(&object) || self.is_shortened(&object);
                let takes_away = takes_away || replaced && matches!(object, Object::Member(_) | Object::Invitation(_));
                let lane = if takes_away { Lane::Revocations } else { Lane::Changes };
                let vanished = replaced || object.is_deleting();
                let statuses = &self.statuses;
                let impacts = self.index.apply(object, |object| statuses.being_sent(object));
                if let Some(store) = store {
                    self.believe(&store);
                    self.await_passes(&store, generation, &impacts);
                }
                if vanished {
                    self.vanished(&impacts);
                }
                self.touch(impacts, Trigger { lane, object: changed.as_ref() }, now);
            }
            WatchEvent::Unreadable(unreadable) => self.could_not_read(&unreadable, now),
            WatchEvent::Gone(object) => {
                let generation = self.index.meta(&object).map_or(0, |meta| meta.generation);
                let origin = Origin::new(object.kind.as_str(), object.name.clone(), generation);
                let origin = Origin { why: Some(Name::new("deleted")), ..origin };
                let role = self.index.role(&object).map(|role| role.facts.clone());
                let changed = match role {
                    Some(role) => ChangedObject::gone_role(origin, &role),
                    None => ChangedObject::new(origin),
                };
                // Only what is about one person goes ahead: a definition that is gone concerns a whole account.
                let is_of_one = matches!(object.kind, KindName::Membership | KindName::Invitation);
                let lane = if is_of_one { Lane::Revocations } else { Lane::Changes };
                let impacts = self.index.remove(&object);
                self.vanished(&impacts);
                self.touch(impacts, Trigger { lane, object: Some(&changed) }, now);
            }
        }
    }

    /// Returns whether an Account, as it comes now, withdraws an approval that it gave.
    fn withdraws_approval(&self, object: &Object) -> bool {
        let Object::Account(record) = object else { return false };
        let before = self.index.accounts.get(&record.facts.key()).and_then(|entry| entry.object.as_ref());
        before.is_some_and(|before| before.facts.withdraws_approval(&record.facts))
    }

    /// Returns whether a Membership, as it comes now, begins later than it did or is over earlier.
    fn is_shortened(&self, object: &Object) -> bool {
        let Object::Member(record) = object else { return false };
        let before = self.index.member(&record.namespace, &record.name);
        before.is_some_and(|before| !before.facts.window().is_within(&record.facts.window()))
    }

    /// Returns whether another object stood under this name: it is gone, though nobody saw it go.
    fn is_replaced(&self, object: &ObjectRef, by: &str) -> bool {
        self.index.meta(object).is_some_and(|before| *before.uid != *by)
    }

    /// Takes in an object that cannot be read: it counts as it did, and says so.
    fn could_not_read(&mut self, unreadable: &Unreadable, now: Now) {
        let object = unreadable.object.clone();
        let generation = unreadable.meta.generation;
        let origin = Origin::new(object.kind.as_str(), object.name.clone(), generation);
        let vanished = unreadable.meta.deleting || self.is_replaced(&object, &unreadable.meta.uid);
        let known = self.index.unreadable(&object).map(|before| (before.meta.uid.clone(), before.meta.generation));
        let is_news = known != Some((unreadable.meta.uid.clone(), generation));
        let impacts = self.index.note_unreadable(unreadable.clone());
        if vanished {
            self.vanished(&impacts);
        }
        let lane = if vanished { Lane::Revocations } else { Lane::Changes };
        self.touch(impacts, Trigger { lane, object: Some(&ChangedObject::new(origin)) }, now);
        if is_news {
            self.say_unreadable(unreadable, now);
        }
    }

    /// Says of an object that it cannot be read, where its account is ours. Of what belongs to no account an event says it,
    /// by whoever has the first shard.
    pub(super) fn say_unreadable(&mut self, unreadable: &Unreadable, now: Now) {
        let object = unreadable.object.clone();
        let shard = unreadable.account_key().map_or(0, |key| self.shard_of(&key));
        if !self.shards.has(shard) {
            return;
        }
        let note = Notice::new(object.clone(), &unreadable.meta, NoticeReason::Unreadable, unreadable.to_string());
        self.outbox.push(Effect::Tell(note));
        if unreadable.account.is_some() {
            self.say(object, report::unreadable(unreadable), StatusLane::Bulk, Duration::ZERO, now);
        }
    }

    /// Returns the object that a change is put down to. A change of a catalog's record is the catalog's doing.
    fn changed(&self, object: &Object) -> ChangedObject {
        if let Object::CatalogRecord(record) = object
            && let Some(catalog) = &record.facts.catalog
        {
            let generation = self.index.catalogs.get(catalog).map_or(0, |catalog| catalog.meta.generation);
            let catalog = Origin::new(KindName::PermissionCatalog.as_str(), catalog.clone(), generation);
            return ChangedObject::new(catalog);
        }
        let (kind, name, generation) = object.identity();
        let origin = Origin::new(kind.as_str(), name, generation);
        let Object::Account(record) = object else { return ChangedObject::new(origin) };
        let before = self.index.accounts.get(&record.facts.key()).and_then(|entry| entry.object.as_ref());
        ChangedObject::account(origin, before.map(|before| before.facts.as_ref()), &record.facts)
    }

    fn list_ended(&mut self, kind: KindName, state: ListState, now: Now) {
        let gone = self.index.end_list(kind);
        self.vanished(&gone);
        self.touch(gone, Trigger { lane: Lane::Revocations, object: None }, now);
        self.relisted(kind, now);
        if self.lists.set(kind, state, now.mono) {
            self.queue.more_known();
            if state == ListState::Absent {
                self.say_that_it_waits(now);
            }
        }
    }

    /// Looks at every account, so that each says that only ends are made while a kind is missing.
    fn say_that_it_waits(&mut self, now: Now) {
        let keys: Vec<AccountKey> = self.index.accounts.keys().cloned().collect();
        for key in &keys {
            self.queue.want(key, WorkItem::Account, Trigger::CHECK, now.mono);
        }
    }

    /// Notes that something is gone: until a fresh read after this finds that what is left stays, nobody in these accounts
    /// gains anything.
    fn vanished(&mut self, impacts: &[Impact]) {
        for impact in impacts {
            // Of what is not kept yet nothing is confirmed either.
            if let Impact::Account(key) | Impact::Member(key, _) = impact
                && let Some(state) = self.accounts.get_mut(key)
            {
                state.vanished += 1;
            }
        }
    }

    fn touch(&mut self, impacts: Vec<Impact>, trigger: Trigger<'_>, now: Now) {
        // A store that changes is looked at by all its accounts: whom it blocks goes ahead by name.
        let of_store = trigger.object.is_some_and(|object| object.origin.kind == KindName::IdentityStore.as_str());
        let of_account = Trigger { lane: if of_store { Lane::Changes } else { trigger.lane }, ..trigger };
        for impact in impacts {
            match impact {
                Impact::Account(key) => self.queue.want(&key, WorkItem::Account, of_account, now.mono),
                Impact::Member(key, email) => {
                    self.queue.want(&key, WorkItem::Member(email), trigger, now.mono);
                }
                Impact::AccountStatus(key) => drop(self.recounts.insert(key)),
                Impact::Catalog(name) => self.look(KindName::PermissionCatalog, name, Duration::ZERO, now.mono),
                Impact::Store(name) => self.look(KindName::IdentityStore, name, Duration::ZERO, now.mono),
                Impact::Status(object) => self.restate(&object, now),
            }
        }
    }

    /// Takes in that somebody else changed a store. Not ahead of changes to objects: whoever can write the store must not
    /// be able to hold them back.
    fn announced(&mut self, store: &Name, account: Option<AccountKey>, now: Now) {
        let kept = |key: &AccountKey| self.store_of(key).as_ref() == Some(store);
        let keys: Vec<AccountKey> = match account {
            Some(key) => Some(key).filter(kept).into_iter().collect(),
            None => self.index.accounts.keys().filter(|key| kept(key)).cloned().collect(),
        };
        for key in &keys {
            self.queue.want(key, WorkItem::Account, Trigger::CHECK, now.mono);
        }
    }

    /// Takes in that somebody else wrote a status of ours: it is worked out, and so written, again.
    fn restate(&mut self, object: &ObjectRef, now: Now) {
        self.account_said(object, now);
        if self.shard_of_object(object).is_none_or(|shard| !self.shards.has(shard)) {
            return;
        }
        self.statuses.was_touched(object);
        match object.kind {
            KindName::PermissionCatalog | KindName::IdentityStore => {
                self.look(object.kind, object.name.clone(), Duration::ZERO, now.mono);
            }
            KindName::Membership => {
                let Some(record) = self.index.member(&object.namespace, &object.name) else { return };
                let key = record.account_key();
                let email = record.facts.email.as_ref();
                let item = email.map_or(WorkItem::Account, |email| WorkItem::Member(email.clone()));
                self.queue.want(&key, item, Trigger::CHANGE, now.mono);
            }
            _ => {
                if let Some(key) = self.index.account_of(object) {
                    self.queue.want(&key, WorkItem::Account, Trigger::CHANGE, now.mono);
                }
            }
        }
    }

    fn wake(&mut self, now: Now) {
        self.queue.wake(now.mono);
        let before = self.last_wall.replace(now.wall);
        if before.is_some_and(|before| now.wall < before - SET_BACK) {
            // Whose time had begun may be before it again.
            for key in self.index.accounts.keys() {
                self.queue.want(key, WorkItem::Account, Trigger::CHECK, now.mono);
            }
        }
        while let Some((key, email)) = self.wakes.take(now.wall) {
            // Somebody's time ends, or begins.
            let trigger = Trigger { lane: Lane::Revocations, ..Trigger::CHANGE };
            self.queue.want(&key, WorkItem::Member(email), trigger, now.mono);
        }
    }

    fn tick(&mut self, now: Now, effects: &mut Vec<Effect>) {
        if self.ticked.is_some_and(|at| now.mono.since(at) < TICK) {
            return;
        }
        self.ticked = Some(now.mono);
        self.tell_others(effects);
        self.note_clean(effects);
        // An account that another replica took over, or that went while it was held back, is not asked for any more.
        self.accounts.retain(|key, _| self.index.accounts.contains_key(key));
        self.wakes.retain(|key| self.index.accounts.contains_key(key));
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
