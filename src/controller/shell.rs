//! Shell around the loop: feeds events to [`Control`], and carries out its effects. Run by `controller::run`. All state
//! for decisions is in `Control`, without locks; slow work runs in tasks.

use std::{
    collections::{BTreeMap, HashMap},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use kube::Client;
use tokio::{
    sync::mpsc,
    task::{AbortHandle, Id, JoinError, JoinSet},
};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, Span};

use super::{
    Error, log, refresh,
    stores::{Announced, Stores},
    trace::{Traces, end_of_deletion, gauges},
    world::PassWorld,
};
use crate::{
    cluster::{
        api_error::fault,
        catalog_record,
        events::Events,
        leases::{self, Leadership, Share, Term},
        status, store_id, watch,
    },
    control::{
        ApiFault, CatalogMaintenance, Control, Effect, Event, Mono, Now, Pass, PassEnded, PassId, PassWork, Setup,
        ShareEvent, StatusWrite, StoreRefresh, reconcile,
    },
    model::{KindName, Name, ObjectRef},
    telemetry::{Health, Metrics},
};

/// Largest number of watch events received at once.
const INTAKE: usize = 256;
/// Longest sleep of the loop, for heartbeat and gauges.
const TICK: Duration = Duration::from_secs(1);
/// Time for passes and patches to finish on a graceful stop.
const GRACE: Duration = Duration::from_secs(10);

/// Parts of the shell that do not change in a term.
pub(super) struct ShellContext {
    pub client: Client,
    /// Namespace of the controller.
    pub namespace: Name,
    pub metrics: Metrics,
    pub health: Health,
    pub events: Events,
    /// Whether addresses of people are written to the log.
    pub log_addresses: bool,
}

/// Shell of one term.
pub(super) struct Shell {
    means: ShellContext,
    shards: u16,
    control: Control,
    stores: Stores,
    leases: BTreeMap<u16, Leadership>,
    /// Tasks that run in parallel to the loop.
    tasks: JoinSet<Done>,
    owners: HashMap<Id, Owner>,
    aborts: HashMap<PassId, AbortHandle>,
    traces: Traces,
    started: Instant,
    gauges: Instant,
    relist: bool,
}

/// Result of a task.
enum Done {
    /// A pass ended; with its duration.
    Pass(PassId, PassEnded, Duration),
    /// Any other event for the loop.
    Event(Box<Event>),
    /// A shard was given back.
    Released(u16),
}

/// Owner of a task, for one that panics or is aborted.
enum Owner {
    Pass(PassId),
    Look(PassId, ObjectRef),
    Status(ObjectRef),
    Release,
}

impl Shell {
    pub(super) fn new(means: ShellContext, setup: Setup, stores: Stores) -> Self {
        Self {
            shards: setup.shards,
            control: Control::new(setup),
            stores,
            leases: BTreeMap::new(),
            tasks: JoinSet::new(),
            owners: HashMap::new(),
            aborts: HashMap::new(),
            traces: Traces::new(means.log_addresses),
            started: Instant::now(),
            gauges: Instant::now(),
            relist: false,
            means,
        }
    }

    /// Takes a shard before anything of the cluster is known.
    pub(super) fn begin_with(&mut self, leadership: Leadership) {
        self.control.begin_with(leadership.shard, leadership.epoch, leadership.clean);
        self.leases.insert(leadership.shard, leadership);
    }

    /// Runs until `stop`, or until a lease is lost. After `stop`, returns the shards that are still held, if none of
    /// their work is in flight.
    pub(super) async fn run(
        mut self,
        mut announced: mpsc::UnboundedReceiver<Announced>,
        share: &mut Share,
        stop: CancellationToken,
    ) -> Result<Vec<Leadership>, Error> {
        let mut intake = Vec::with_capacity(INTAKE);
        let mut effects = Vec::new();
        let (mut seen, mut _watches) = watch::open(&self.means.client, &self.means.namespace);
        loop {
            self.means.health.beat();
            let now = self.now();
            self.control.decide(now, &mut effects);
            effects.drain(..).for_each(|effect| self.carry_out(effect));
            if std::mem::take(&mut self.relist) {
                (seen, _watches) = watch::open(&self.means.client, &self.means.namespace);
            }
            if self.control.can_serve(now) {
                share.serve();
            }
            self.means.health.set_ready(self.control.readiness(now));
            self.show();
            let sleep = self.sleep();
            tokio::select! {
                biased;
                () = share.ended.cancelled() => return Err(Error::LeaseLost),
                () = stop.cancelled() => break,
                Some(event) = share.events.recv() => self.shared(event),
                Some(done) = self.tasks.join_next_with_id() => self.joined(done),
                count = seen.recv_many(&mut intake, INTAKE) => {
                    if count == 0 {
                        return Err(Error::WatchesEnded);
                    }
                    let now = self.now();
                    intake.drain(..).for_each(|seen| self.control.absorb(Event::Watched(seen), now));
                }
                Some(Announced { store, account }) = announced.recv() => {
                    self.absorb(Event::Announced { store, account });
                }
                () = tokio::time::sleep(sleep) => {}
            }
            // Results that arrived meanwhile are processed together before the next decision.
            while let Some(done) = self.tasks.try_join_next_with_id() {
                self.joined(done);
            }
        }
        share.rest().await;
        self.wind_down(&share.ended).await
    }

    /// Lets running passes end, and writes their statuses; starts nothing new.
    async fn wind_down(mut self, lost: &CancellationToken) -> Result<Vec<Leadership>, Error> {
        let deadline = Instant::now() + GRACE;
        self.absorb(Event::Stop);
        let mut effects = Vec::new();
        loop {
            self.control.decide(self.now(), &mut effects);
            effects.drain(..).for_each(|effect| self.carry_out(effect));
            if self.tasks.is_empty() && self.control.is_idle() {
                return Ok(self.leases.into_values().collect());
            }
            if Instant::now() >= deadline {
                // Tasks in flight may still write: no shard is given back, and successors wait until the leases expire.
                return Ok(Vec::new());
            }
            tokio::select! {
                () = lost.cancelled() => return Err(Error::LeaseLost),
                Some(done) = self.tasks.join_next_with_id() => self.joined(done),
                () = tokio::time::sleep_until(deadline.into()) => {}
            }
        }
    }

    fn now(&self) -> Now {
        Now { mono: Mono(self.started.elapsed()), wall: Timestamp::now() }
    }

    fn sleep(&self) -> Duration {
        let now = self.now();
        self.control.next_wake(now).map_or(TICK, |due| due.since(now.mono).min(TICK))
    }

    fn absorb(&mut self, event: Event) {
        self.control.absorb(event, self.now());
    }

    fn shared(&mut self, event: leases::Event) {
        let event = match event {
            leases::Event::Taken(leadership) => {
                let Leadership { shard, epoch, clean, .. } = leadership;
                self.leases.insert(shard, leadership);
                ShareEvent::Taken { shard, epoch, clean }
            }
            leases::Event::Share(event) => event,
        };
        match &event {
            ShareEvent::GiveBack(shard) => tracing::info!(shard, "releasing a shard to another replica"),
            ShareEvent::Unable(why) => tracing::warn!(why, "cannot take shards; trying again"),
            ShareEvent::Taken { .. } | ShareEvent::Told(_) | ShareEvent::Waiting => {}
        }
        self.absorb(Event::Share(event));
        self.means.metrics.shards(self.control.held_shards(), self.shards);
    }

    fn joined(&mut self, done: Result<(Id, Done), JoinError>) {
        let event = match done {
            Ok((id, done)) => {
                let owner = self.owners.remove(&id);
                if let Some(Owner::Pass(pass) | Owner::Look(pass, _)) = owner {
                    self.aborts.remove(&pass);
                }
                match done {
                    Done::Pass(pass, end, took) => {
                        self.pass_ended(pass, &end, took);
                        Event::Ended { pass, end }
                    }
                    Done::Event(event) => *event,
                    Done::Released(shard) => {
                        tracing::info!(shard, held = self.leases.len(), "released a shard");
                        return;
                    }
                }
            }
            Err(error) => match self.broke_off(&error) {
                Some(event) => event,
                None => return,
            },
        };
        self.note(&event);
        self.absorb(event);
    }

    /// Returns the event for a task that panicked or was aborted.
    fn broke_off(&mut self, error: &JoinError) -> Option<Event> {
        let owner = self.owners.remove(&error.id())?;
        Some(match owner {
            Owner::Pass(pass) => {
                self.aborts.remove(&pass);
                let end = PassEnded::BrokeOff;
                if !error.is_cancelled() {
                    let account = self.traces.account(pass).map(ToString::to_string);
                    tracing::error!(%pass, account, %error, "a pass panicked");
                }
                self.pass_ended(pass, &end, Duration::ZERO);
                Event::Ended { pass, end }
            }
            Owner::Look(id, object) => {
                self.aborts.remove(&id);
                if !error.is_cancelled() {
                    tracing::error!(?object, %error, "a pass panicked");
                }
                Event::LookBrokeOff { id }
            }
            Owner::Status(object) => {
                let said = "writing a status panicked".to_owned();
                Event::StatusWritten { object, result: Err(ApiFault { code: None, said, lacks_right: None }) }
            }
            Owner::Release => return None,
        })
    }

    /// Writes logs and metrics of an event.
    fn note(&mut self, event: &Event) {
        let metrics = &self.means.metrics;
        if let Event::StatusWritten { object, result } = event {
            metrics.api_write("status", word(result.is_ok()));
            if let Err(fault) = result
                && !fault.is_gone()
                && !fault.is_conflict()
            {
                tracing::warn!(?object, error = %fault, "status not written, trying again");
            }
        }
    }

    /// Writes logs, metrics and traces of a pass that ended.
    fn pass_ended(&mut self, pass: PassId, end: &PassEnded, took: Duration) {
        if let PassEnded::FinalizersSet(result) = end {
            self.means.metrics.api_write("finalizer", word(result.is_ok()));
        }
        let now = self.now().mono;
        self.traces.ended(pass, end, took, now, &self.means.metrics);
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Start(pass) => self.start(*pass),
            Effect::Abandon(id) => {
                if let Some(abort) = self.aborts.get(&id) {
                    abort.abort();
                }
            }
            Effect::WriteStatus(write) => self.write_status(*write),
            Effect::MaintainCatalog(tending) => self.tend_catalog(*tending),
            Effect::RefreshStore(look) => self.look_at_store(*look),
            Effect::Relist => self.relist = true,
            Effect::Release(shard) => {
                if let Some(leadership) = self.leases.remove(&shard) {
                    self.spawn(Owner::Release, async move {
                        leadership.release().await;
                        Done::Released(shard)
                    });
                }
            }
            Effect::Drop(shard) => {
                self.leases.remove(&shard);
                let what = "passes did not end in time and were cancelled; the next holder waits until the lease \
                            expires";
                tracing::warn!(shard, "{what}");
            }
            Effect::StoresKnow(shard) => {
                if let Some(leadership) = self.leases.get(&shard) {
                    leadership.every_store_knows();
                }
            }
            Effect::Say { shard, note } => {
                if let Some(leadership) = self.leases.get(&shard) {
                    leadership.say(&note);
                }
            }
            Effect::Tell(notice) => {
                log::told(&notice, self.means.log_addresses);
                self.means.events.tell(notice);
            }
        }
    }

    fn spawn(&mut self, owner: Owner, task: impl Future<Output = Done> + Send + 'static) {
        let id = match &owner {
            Owner::Pass(id) | Owner::Look(id, _) => Some(*id),
            Owner::Status(_) | Owner::Release => None,
        };
        let handle = self.tasks.spawn(task);
        self.owners.insert(handle.id(), owner);
        if let Some(id) = id {
            self.aborts.insert(id, handle);
        }
    }

    fn term(&self, shard: u16) -> Option<Term> {
        self.leases.get(&shard).map(Leadership::term)
    }

    fn start(&mut self, pass: Pass) {
        let facts = pass.store_facts.as_ref();
        let world = PassWorld {
            client: self.means.client.clone(),
            store: facts.map(|facts| self.stores.handle(&pass.store, &facts.spec)),
            log_addresses: self.means.log_addresses,
            account: pass.key.clone(),
            term: self.term(pass.permit.shard),
        };
        let now = self.now().mono;
        let span = self.traces.begin(&pass, now);
        let (id, with_addresses) = (pass.id, self.means.log_addresses);
        let work = async move {
            let started = Instant::now();
            let end = reconcile::run(&pass, &world).await;
            if let (PassWork::Delete(work), PassEnded::Deleted(deleted)) = (&pass.work, &end) {
                end_of_deletion(&pass, &work.account.facts.spec, deleted, with_addresses);
            }
            Done::Pass(id, end, started.elapsed())
        };
        self.spawn(Owner::Pass(id), work.instrument(span));
    }

    fn write_status(&mut self, write: StatusWrite) {
        let client = self.means.client.clone();
        let object = write.object.clone();
        let span = write.pass.and_then(|pass| self.traces.span(pass)).map_or_else(
            Span::none,
            |pass| tracing::debug_span!(parent: pass, "status", kind = object.kind.as_str(), name = %object.name),
        );
        let owner = Owner::Status(object.clone());
        let work = async move {
            let result = status::write(&client, &write).await;
            Done::Event(Box::new(Event::StatusWritten { object, result }))
        };
        self.spawn(owner, work.instrument(span));
    }

    fn tend_catalog(&mut self, tending: CatalogMaintenance) {
        let (client, namespace, metrics) =
            (self.means.client.clone(), self.means.namespace.clone(), self.means.metrics.clone());
        let term = self.term(tending.shard);
        let object =
            ObjectRef { kind: KindName::PermissionCatalog, namespace: Name::default(), name: tending.name.clone() };
        self.spawn(Owner::Look(tending.id, object), async move {
            let CatalogMaintenance { id, name, shard: _, finalizer, record } = tending;
            let mut failure = None;
            if let Some((catalog, used)) = finalizer {
                failure = refresh::keep_finalizer(&client, KindName::PermissionCatalog, &catalog, used).await.err();
            }
            let mut seen = None;
            if let Some((write, term)) = record.zip(term) {
                let written = catalog_record::write(&client, &namespace, &name, write, &term).await;
                metrics.api_write("record", if written.is_ok() { "ok" } else { "failed" });
                match written {
                    Ok(written) => seen = written,
                    Err(error) => {
                        // After a conflict, the event of the other write triggers another attempt, and sooner.
                        let said = fault(&error);
                        if said.is_conflict() {
                            tracing::debug!(catalog = %name, error = said.said, "record not written, trying again");
                        } else {
                            tracing::warn!(catalog = %name, error = said.said, "record not written, trying again");
                        }
                        failure = Some(error);
                    }
                }
            }
            let fault = failure.as_ref().map(fault);
            Done::Event(Box::new(Event::CatalogMaintained { id, seen: seen.map(Box::new), fault }))
        });
    }

    fn look_at_store(&mut self, look: StoreRefresh) {
        let handle = self.stores.handle(&look.record.name, &look.record.facts.spec);
        let client = self.means.client.clone();
        let object = look.record.reference(KindName::IdentityStore);
        self.spawn(Owner::Look(look.id, object), async move {
            let used = !look.users.is_empty();
            let kept = if look.speaks {
                refresh::keep_finalizer(&client, KindName::IdentityStore, &look.record, used).await.err()
            } else {
                None
            };
            let found = refresh::refresh_store(&look, &handle).await;
            let id = found.as_ref().ok().and_then(|found| found.id.as_ref());
            let written = match look.record.facts.known.to_remember(id).filter(|_| look.speaks) {
                Some(id) => Some(store_id::remember(&client, &look.record, id).await),
                None => None,
            };
            let remembered = matches!(written, Some(Ok(())));
            let fault = kept.or(written.and_then(Result::err)).as_ref().map(fault);
            Done::Event(Box::new(Event::StoreRefreshed { id: look.id, found, remembered, fault }))
        });
    }

    /// Exports the figures of the loop as gauges, at most every [`TICK`].
    fn show(&mut self) {
        if self.gauges.elapsed() < TICK {
            return;
        }
        self.gauges = Instant::now();
        let control = &self.control;
        self.traces.forget(|pass| !control.has_statuses_of(pass));
        self.means.metrics.shards(self.control.held_shards(), self.shards);
        gauges(&self.means.metrics, &self.control.figures(self.now()));
    }
}

/// Returns the word for an outcome in metrics.
const fn word(is_ok: bool) -> &'static str {
    if is_ok { "ok" } else { "failed" }
}
