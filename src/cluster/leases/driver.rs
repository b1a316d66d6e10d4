//! Task that drives [`ShardCoordinator`]. Started by `LeaseTask::join`; it waits only for events and time, so that no
//! renewal is delayed.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use futures::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, Client};
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::{
    calls,
    leadership::{Command, Event, Leadership, Until},
};
use crate::{
    control::{
        Mono, Now, ShardEvent,
        leases::{LeaseCall, LeaseEffect, LeaseEvent, LeaseLog, ShardConfig, ShardCoordinator},
    },
    store::Epoch,
};

/// State of a held shard that is shared with its holder.
struct Published {
    until: Until,
    lost: CancellationToken,
    released: Option<oneshot::Sender<()>>,
}

/// State of the task.
pub(super) struct Driver {
    api: Api<Lease>,
    identity: String,
    machine: ShardCoordinator,
    out: mpsc::UnboundedSender<Event>,
    commands: mpsc::WeakUnboundedSender<Command>,
    ended: CancellationToken,
    /// Requests in flight; one that exceeds its time limit gives no event.
    calls: FuturesUnordered<BoxFuture<'static, Option<LeaseEvent>>>,
    published: BTreeMap<(u16, Epoch), Published>,
    /// Callers that wait until no more shards are taken.
    stopped: Vec<oneshot::Sender<()>>,
    is_stopped: bool,
    started: Instant,
}

impl Driver {
    pub(super) fn new(
        client: Client,
        config: ShardConfig,
        out: mpsc::UnboundedSender<Event>,
        commands: mpsc::WeakUnboundedSender<Command>,
        ended: CancellationToken,
    ) -> Self {
        Self {
            api: Api::namespaced(client, &config.namespace),
            identity: config.identity.clone(),
            machine: ShardCoordinator::new(config),
            out,
            commands,
            ended,
            calls: FuturesUnordered::new(),
            published: BTreeMap::new(),
            stopped: Vec::new(),
            is_stopped: false,
            started: Instant::now(),
        }
    }

    pub(super) async fn run(mut self, mut orders: mpsc::UnboundedReceiver<Command>) {
        let mut effects = Vec::new();
        loop {
            // Responses that have arrived come first, also after this process was suspended.
            while let Some(Some(answer)) = self.calls.next().now_or_never() {
                self.answered(answer);
            }
            let now = self.now();
            self.machine.decide(now, &mut effects);
            effects.drain(..).for_each(|effect| self.carry_out(effect));
            self.publish();
            let wake = self.machine.next_wake(now).map(|at| (self.started + at.0).into());
            tokio::select! {
                biased;
                Some(answer) = self.calls.next() => self.answered(answer),
                order = orders.recv() => match order {
                    Some(order) => self.obey(order),
                    None => break,
                },
                () = tokio::time::sleep_until(wake.unwrap_or_else(tokio::time::Instant::now)), if wake.is_some() => {}
            }
        }
    }

    fn now(&self) -> Now {
        Now { mono: Mono(self.started.elapsed()), wall: Timestamp::now() }
    }

    fn answered(&mut self, answer: Option<LeaseEvent>) {
        if let Some(event) = answer {
            let now = self.now();
            self.machine.absorb(event, now);
        }
    }

    fn obey(&mut self, order: Command) {
        let now = self.now();
        match order {
            Command::Event(event) => self.machine.absorb(event, now),
            Command::Stop(done) if self.is_stopped => drop(done),
            Command::Stop(done) => {
                self.stopped.push(done);
                self.machine.absorb(LeaseEvent::Stop, now);
            }
            Command::Release(shard, epoch, done) => {
                if let Some(published) = self.published.get_mut(&(shard, epoch)) {
                    published.released = Some(done);
                }
                self.machine.absorb(LeaseEvent::Release(shard, epoch), now);
            }
        }
    }

    fn carry_out(&mut self, effect: LeaseEffect) {
        match effect {
            LeaseEffect::Call(LeaseCall { id, request, limit }) => {
                let api = self.api.clone();
                self.calls.push(Box::pin(async move {
                    let result = timeout(limit, calls::carry_out(&api, request)).await.ok()?;
                    Some(LeaseEvent::Answered { id, result })
                }));
            }
            LeaseEffect::Report(event) => self.report(event),
            LeaseEffect::Lost { shard, epoch, why } => {
                if let Some(published) = self.published.get(&(shard, epoch)) {
                    published.lost.cancel();
                }
                self.ended.cancel();
                tracing::error!(lease = self.machine.lease_name(shard), why, "lost the lease");
            }
            LeaseEffect::Log(line) => log(line, &self.identity),
            LeaseEffect::Stopped => {
                self.is_stopped = true;
                self.stopped.clear();
            }
        }
    }

    fn report(&mut self, event: ShardEvent) {
        let event = match event {
            ShardEvent::Taken { shard, epoch, clean } => {
                // No holder is left.
                let Some(commands) = self.commands.upgrade() else { return };
                let lost = CancellationToken::new();
                let until = Arc::new(Mutex::new(self.until(shard, epoch).unwrap_or(self.started)));
                let published = Published { until: Arc::clone(&until), lost: lost.clone(), released: None };
                self.published.insert((shard, epoch), published);
                Event::Taken(Leadership { shard, epoch, clean, lost, until, commands })
            }
            event => Event::Shard(event),
        };
        // The receiver is gone when the controller ends.
        let _ = self.out.send(event);
    }

    fn until(&self, shard: u16, epoch: Epoch) -> Option<Instant> {
        self.machine.until(shard, epoch).map(|at| self.started + at.0)
    }

    /// Publishes the time until which each shard may be written.
    fn publish(&mut self) {
        let machine = &self.machine;
        let started = self.started;
        self.published.retain(|(shard, epoch), published| {
            match machine.until(*shard, *epoch) {
                Some(until) => *published.until.lock().unwrap_or_else(PoisonError::into_inner) = started + until.0,
                None => published.lost.cancel(),
            }
            machine.has(*shard, *epoch)
        });
    }
}

/// Writes a line to the log.
fn log(line: LeaseLog, identity: &str) {
    match line {
        LeaseLog::Took { lease, epoch } => tracing::info!(lease, identity, epoch = epoch.0, "took the lease"),
        LeaseLog::Waiting { lease, holder } => tracing::info!(lease, leader = holder, "waiting for the lease"),
        LeaseLog::WaitingForOthers(leases) => {
            tracing::info!(?leases, "waiting for replicas of another number of shards");
        }
        LeaseLog::CannotRenew(error) => tracing::warn!(error, "cannot renew the lease; trying again"),
        LeaseLog::RenewalUnanswered => tracing::warn!("no response to the renewal of the lease; trying again"),
        LeaseLog::GaveBack(lease) => tracing::info!(lease, "released the lease"),
        LeaseLog::CannotGiveBack { lease, error } => {
            tracing::warn!(lease, error, "cannot release the lease; a successor waits until it expires");
        }
        LeaseLog::GivingBackUnanswered(lease) => {
            tracing::warn!(lease, "no response to the release of the lease; a successor waits until it expires");
        }
        LeaseLog::Unreachable(error) => tracing::warn!(error, "cannot reach the leases; trying again"),
        LeaseLog::StaysStale { lease, error } => tracing::warn!(lease, error, "an unused lease could not be deleted"),
    }
}
