//! Shell around the loop: feeds events to [`Control`], and carries out its effects. Run by `controller::run`. All state
//! for decisions is in `Control`, without locks; slow work runs in tasks.

mod effects;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use kube::Client;
use tokio::{
    sync::mpsc,
    task::{AbortHandle, Id, JoinError, JoinSet},
};
use tokio_util::sync::CancellationToken;

use super::{
    Error,
    stores::{Announced, Stores},
    trace::{Traces, gauges},
};
use crate::{
    cluster::{
        events::Events,
        leases::{self, Leadership, LeaseTask},
        rights::Rights,
        watch,
    },
    control::{ApiFault, Control, Event, Mono, Now, PassId, PassResult, Setup, ShardEvent},
    model::{Name, ObjectRef},
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
    /// Rights of service accounts that apply objects.
    pub rights: Arc<Rights>,
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
