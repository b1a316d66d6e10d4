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
        leases::{self, Leadership, LeaseCheck, LeaseTask},
        status, store_id, watch,
    },
    control::{
        ApiFault, CatalogMaintenance, Control, Effect, Event, Mono, Now, Pass, PassId, PassResult, PassWork, Setup,
        ShardEvent, StatusWrite, StoreRefresh, reconcile,
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

/// Parts of the shell that do not change while it runs.
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

/// Shell of one leadership: it lives from start until `stop` or the loss of a lease.
pub(super) struct Shell {
    context: ShellContext,
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
    /// A pass finished; with its duration.
    Pass(PassId, PassResult, Duration),
    /// Any other event for the loop.
    Event(Box<Event>),
    /// A shard was given back.
    Released(u16),
}

/// Owner of a task, for one that panics or is aborted.
enum Owner {
    Pass(PassId),
    Refresh(PassId, ObjectRef),
    Status(ObjectRef),
    Release,
}

impl Shell {
    pub(super) fn new(context: ShellContext, setup: Setup, stores: Stores) -> Self {
        Self {
            shards: setup.shards,
            control: Control::new(setup),
            stores,
            leases: BTreeMap::new(),
            tasks: JoinSet::new(),
            owners: HashMap::new(),
            aborts: HashMap::new(),
            traces: Traces::new(context.log_addresses),
            started: Instant::now(),
            gauges: Instant::now(),
            relist: false,
            context,
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
        lease_task: &mut LeaseTask,
        stop: CancellationToken,
    ) -> Result<Vec<Leadership>, Error> {
        let mut intake = Vec::with_capacity(INTAKE);
        let mut effects = Vec::new();
        let (mut events, mut _watches) = watch::open(&self.context.client, &self.context.namespace);
        loop {
            self.context.health.beat();
            let now = self.now();
            self.control.decide(now, &mut effects);
            effects.drain(..).for_each(|effect| self.carry_out(effect));
            if std::mem::take(&mut self.relist) {
                (events, _watches) = watch::open(&self.context.client, &self.context.namespace);
            }
            if self.control.can_serve(now) {
                lease_task.serve();
            }
            self.context.health.set_ready(self.control.readiness(now));
            self.show();
            let sleep = self.sleep();
            tokio::select! {
                biased;
                () = lease_task.ended.cancelled() => return Err(Error::LeaseLost),
                () = stop.cancelled() => break,
                Some(event) = lease_task.events.recv() => self.shard_changed(event),
                Some(done) = self.tasks.join_next_with_id() => self.joined(done),
                count = events.recv_many(&mut intake, INTAKE) => {
                    if count == 0 {
                        return Err(Error::WatchesEnded);
                    }
                    let now = self.now();
                    intake.drain(..).for_each(|event| self.control.absorb(Event::Watched(event), now));
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
        lease_task.rest().await;
        self.wind_down(&lease_task.ended).await
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

    fn shard_changed(&mut self, event: leases::Event) {
        let event = match event {
            leases::Event::Taken(leadership) => {
                let Leadership { shard, epoch, clean, .. } = leadership;
                self.leases.insert(shard, leadership);
                ShardEvent::Taken { shard, epoch, clean }
            }
            leases::Event::Shard(event) => event,
        };
        match &event {
            ShardEvent::GiveBack(shard) => tracing::info!(shard, "releasing a shard to another replica"),
            ShardEvent::CannotAcquire(why) => tracing::warn!(why, "cannot take shards; trying again"),
            ShardEvent::Taken { .. } | ShardEvent::Notes(_) | ShardEvent::CanAcquire => {}
        }
        self.absorb(Event::Shard(event));
        self.context.metrics.shards(self.control.held_shards(), self.shards);
    }

    fn joined(&mut self, done: Result<(Id, Done), JoinError>) {
        let event = match done {
            Ok((id, done)) => {
                let owner = self.owners.remove(&id);
                if let Some(Owner::Pass(pass) | Owner::Refresh(pass, _)) = owner {
                    self.aborts.remove(&pass);
                }
                match done {
                    Done::Pass(pass, result, took) => {
                        self.pass_finished(pass, &result, took);
                        Event::PassFinished { pass, result }
                    }
                    Done::Event(event) => *event,
                    Done::Released(shard) => {
                        tracing::info!(shard, held = self.leases.len(), "released a shard");
                        return;
                    }
                }
            }
            Err(error) => match self.task_aborted(&error) {
                Some(event) => event,
                None => return,
            },
        };
        self.note(&event);
        self.absorb(event);
    }

    /// Returns the event for a task that panicked or was aborted.
    fn task_aborted(&mut self, error: &JoinError) -> Option<Event> {
        let owner = self.owners.remove(&error.id())?;
        Some(match owner {
            Owner::Pass(pass) => {
                self.aborts.remove(&pass);
                let result = PassResult::Aborted;
                if !error.is_cancelled() {
                    let account = self.traces.account(pass).map(ToString::to_string);
                    tracing::error!(%pass, account, %error, "a pass panicked");
                }
                self.pass_finished(pass, &result, Duration::ZERO);
                Event::PassFinished { pass, result }
            }
            Owner::Refresh(id, object) => {
                self.aborts.remove(&id);
                if !error.is_cancelled() {
                    tracing::error!(?object, %error, "a pass panicked");
                }
                Event::RefreshAborted { id }
            }
            Owner::Status(object) => {
                let message = "writing a status panicked".to_owned();
                Event::StatusWritten { object, result: Err(ApiFault { code: None, message, lacks_right: None }) }
            }
            Owner::Release => return None,
        })
    }

    /// Writes logs and metrics of an event.
    fn note(&mut self, event: &Event) {
        let metrics = &self.context.metrics;
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

    /// Writes logs, metrics and traces of a pass that finished.
    fn pass_finished(&mut self, pass: PassId, result: &PassResult, took: Duration) {
        if let PassResult::FinalizersSet(written) = result {
            self.context.metrics.api_write("finalizer", word(written.is_ok()));
        }
        let now = self.now().mono;
        self.traces.pass_finished(pass, result, took, now, &self.context.metrics);
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
            Effect::MaintainCatalog(work) => self.maintain_catalog(*work),
            Effect::RefreshStore(work) => self.refresh_store(*work),
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
            Effect::MarkClean(shard) => {
                if let Some(leadership) = self.leases.get(&shard) {
                    leadership.mark_clean();
                }
            }
            Effect::PublishNote { shard, note } => {
                if let Some(leadership) = self.leases.get(&shard) {
                    leadership.publish_note(&note);
                }
            }
            Effect::EmitEvent(notice) => {
                log::notice(&notice, self.context.log_addresses);
                self.context.events.emit(notice);
            }
        }
    }

    fn spawn(&mut self, owner: Owner, task: impl Future<Output = Done> + Send + 'static) {
        let id = match &owner {
            Owner::Pass(id) | Owner::Refresh(id, _) => Some(*id),
            Owner::Status(_) | Owner::Release => None,
        };
        let handle = self.tasks.spawn(task);
        self.owners.insert(handle.id(), owner);
        if let Some(id) = id {
            self.aborts.insert(id, handle);
        }
    }

    fn lease_check(&self, shard: u16) -> Option<LeaseCheck> {
        self.leases.get(&shard).map(Leadership::check)
    }

    fn start(&mut self, pass: Pass) {
        let facts = pass.store_facts.as_ref();
        let world = PassWorld {
            client: self.context.client.clone(),
            store: facts.map(|facts| self.stores.handle(&pass.store, &facts.spec)),
            log_addresses: self.context.log_addresses,
            account: pass.key.clone(),
            lease: self.lease_check(pass.permit.shard),
        };
        let now = self.now().mono;
        let span = self.traces.begin(&pass, now);
        let (id, with_addresses) = (pass.id, self.context.log_addresses);
        let work = async move {
            let started = Instant::now();
            let result = reconcile::run(&pass, &world).await;
            if let (PassWork::Delete(work), PassResult::Deleted(deleted)) = (&pass.work, &result) {
                end_of_deletion(&pass, &work.account.facts.spec, deleted, with_addresses);
            }
            Done::Pass(id, result, started.elapsed())
        };
        self.spawn(Owner::Pass(id), work.instrument(span));
    }

    fn write_status(&mut self, write: StatusWrite) {
        let client = self.context.client.clone();
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

    fn maintain_catalog(&mut self, work: CatalogMaintenance) {
        let (client, namespace, metrics) =
            (self.context.client.clone(), self.context.namespace.clone(), self.context.metrics.clone());
        let lease = self.lease_check(work.shard);
        let object =
            ObjectRef { kind: KindName::PermissionCatalog, namespace: Name::default(), name: work.name.clone() };
        self.spawn(Owner::Refresh(work.id, object), async move {
            let CatalogMaintenance { id, name, shard: _, finalizer, record } = work;
            let mut failure = None;
            if let Some((catalog, used)) = finalizer {
                failure = refresh::keep_finalizer(&client, KindName::PermissionCatalog, &catalog, used).await.err();
            }
            let mut record_event = None;
            if let Some((write, lease)) = record.zip(lease) {
                let written = catalog_record::write(&client, &namespace, &name, write, &lease).await;
                metrics.api_write("record", if written.is_ok() { "ok" } else { "failed" });
                match written {
                    Ok(event) => record_event = event,
                    Err(error) => {
                        // After a conflict, the event of the other write triggers another attempt, and sooner.
                        let message = fault(&error);
                        if message.is_conflict() {
                            tracing::debug!(catalog = %name, error = message.message, "record not written, trying again");
                        } else {
                            tracing::warn!(catalog = %name, error = message.message, "record not written, trying again");
                        }
                        failure = Some(error);
                    }
                }
            }
            let fault = failure.as_ref().map(fault);
            Done::Event(Box::new(Event::CatalogMaintained { id, record: record_event.map(Box::new), fault }))
        });
    }

    fn refresh_store(&mut self, work: StoreRefresh) {
        let handle = self.stores.handle(&work.record.name, &work.record.facts.spec);
        let client = self.context.client.clone();
        let object = work.record.reference(KindName::IdentityStore);
        self.spawn(Owner::Refresh(work.id, object), async move {
            let used = !work.users.is_empty();
            let kept = if work.speaks {
                refresh::keep_finalizer(&client, KindName::IdentityStore, &work.record, used).await.err()
            } else {
                None
            };
            let found = refresh::refresh_store(&work, &handle).await;
            let id = found.as_ref().ok().and_then(|found| found.id.as_ref());
            let written = match work.record.facts.known.to_remember(id).filter(|_| work.speaks) {
                Some(id) => Some(store_id::remember(&client, &work.record, id).await),
                None => None,
            };
            let remembered = matches!(written, Some(Ok(())));
            let fault = kept.or(written.and_then(Result::err)).as_ref().map(fault);
            Done::Event(Box::new(Event::StoreRefreshed { id: work.id, found, remembered, fault }))
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
        self.context.metrics.shards(self.control.held_shards(), self.shards);
        gauges(&self.context.metrics, &self.control.figures(self.now()));
    }
}

/// Returns the word for an outcome in metrics.
const fn word(is_ok: bool) -> &'static str {
    if is_ok { "ok" } else { "failed" }
}
