//! How accounts are shared out over replicas: one Lease for each shard (docs/architecture.md "Scale",
//! docs/decisions/0022).
//!
//! Replicas that take part say so by a Lease of their own. Each works out by itself what is its fair share, takes what is
//! free and gives back what another one lacks. With one shard, which is the default, this is plain leader election.

mod fair;
mod names;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, ObjectMeta, Preconditions},
};
use tokio::{
    sync::mpsc,
    task::JoinHandle,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

pub use self::names::LeaseName;
use crate::{
    cluster::{
        api_error::{self, is_conflict, is_gone, said},
        lease::{self, Contender, Leadership, Sightings, Timing, holder},
    },
    store::Epoch,
};

/// The most shards there can be: each is a Lease that is renewed every other second.
pub const MAX_SHARDS: u16 = 64;

/// Failures in a row after which it is said of one who could take part before: an API server that has just started knows no
/// rights for a moment, and a single answer may be lost.
const FAILURES: u32 = 5;

/// How often a replica says that it is there.
const PRESENCE: Duration = Duration::from_secs(5);

/// What happens to a replica's share.
#[derive(Debug)]
pub enum Event {
    /// A shard is ours.
    Taken(u16, Leadership),
    /// Another one lacks this shard: to be given back when its last write has ended.
    GiveBack(u16),
    /// What the holders of all shards say, by shard.
    Told(BTreeMap<u16, String>),
    /// Nothing can be taken, and why.
    Unable(String),
    /// It can again; others hold what there is.
    Waiting,
}

/// How to take part.
#[derive(Clone)]
pub struct Party {
    /// As whom Leases are written.
    pub client: Client,
    /// Their namespace.
    pub namespace: String,
    /// Name of this process; of no other, now or ever.
    pub identity: String,
    /// Number of shards, 1 to [`MAX_SHARDS`].
    pub shards: u16,
    /// How Leases are held.
    pub timing: Timing,
}

/// A part in sharing. Dropping it takes nothing more, and leaves alone what was taken.
#[derive(Debug)]
pub struct Share {
    /// What happens to it.
    pub events: mpsc::Receiver<Event>,
    /// Cancelled when something was lost without being given back.
    pub ended: CancellationToken,
    serves: Arc<AtomicBool>,
    stop: CancellationToken,
    task: Option<JoinHandle<()>>,
}

impl Share {
    /// Takes part from now on.
    #[must_use]
    pub fn join(party: Party) -> Self {
        let (ended, stop) = (CancellationToken::new(), CancellationToken::new());
        // One that stands by for everything needs nothing but to be there.
        let serves = Arc::new(AtomicBool::new(party.shards == 1));
        let (out, events) = mpsc::channel(usize::from(MAX_SHARDS));
        let api = Api::namespaced(party.client.clone(), &party.namespace);
        let sharer = Sharer {
            api,
            held: BTreeMap::new(),
            seen: Sightings::default(),
            present: None,
            may: false,
            failures: 0,
            conflicts: 0,
            serves: Arc::clone(&serves),
            ended: ended.clone(),
            out,
            party,
        };
        let task = tokio::spawn(sharer.run(stop.clone()));
        Self { events, ended, serves, stop, task: Some(task) }
    }

    /// From now on accounts can be looked after: shards are taken. With a single one, they are from the start.
    pub fn serve(&self) {
        self.serves.store(true, Ordering::Relaxed);
    }

    /// Takes nothing any more. What is being taken just now still comes.
    pub async fn rest(&mut self) {
        self.stop.cancel();
        if let Some(task) = self.task.take() {
            let _ = task.await;
        }
    }

    /// Takes no part any more, and says so; what was taken and not yet heard of is given back.
    pub async fn leave(mut self) {
        self.rest().await;
        while let Ok(event) = self.events.try_recv() {
            if let Event::Taken(_, leadership) = event {
                leadership.release().await;
            }
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// A shard that is ours.
struct Held {
    lost: CancellationToken,
    giving: bool,
}

struct Sharer {
    party: Party,
    api: Api<Lease>,
    held: BTreeMap<u16, Held>,
    seen: Sightings,
    /// When this replica last said that it is there.
    present: Option<Instant>,
    /// Whether all went well once.
    may: bool,
    /// Failures since.
    failures: u32,
    /// Rounds in a row in which somebody held one of another number of shards while we held ours.
    conflicts: u32,
    /// Whether this replica can look after accounts.
    serves: Arc<AtomicBool>,
    ended: CancellationToken,
    out: mpsc::Sender<Event>,
}

/// The Leases as they are.
#[derive(Default)]
struct Picture {
    /// Who holds each shard, and has not let it expire.
    holders: Vec<Option<String>>,
    /// Who is there.
    replicas: BTreeSet<String>,
    /// Leases of another number of shards that somebody holds.
    others: Vec<String>,
    /// What is of no use to anybody: of another number of shards, or of a replica that is gone.
    stale: Vec<Lease>,
    /// What holders say.
    told: BTreeMap<u16, String>,
    /// The highest epoch there is.
    highest: Epoch,
}

impl Sharer {
    async fn run(mut self, stop: CancellationToken) {
        loop {
            // A round ends also when this process is to stop: a Lease taken by somebody who has gone is nobody's for long.
            let event = match timeout(self.party.timing.deadline, self.round()).await {
                Ok(Ok(event)) => {
                    self.may = true;
                    self.failures = 0;
                    Some(event)
                }
                Ok(Err(error)) if is_conflict(&error) => None,
                Ok(Err(error)) => self.failed(with_hint(&error, &self.party.namespace)),
                Err(_) => self.failed(api_error::NONE.to_owned()),
            };
            if let Some(event) = event
                && self.out.send(event).await.is_err()
            {
                break;
            }
            tokio::select! {
                () = stop.cancelled() => break,
                () = sleep(self.party.timing.retry) => {}
            }
        }
        if self.present.is_some() {
            // Others need not wait until it expires.
            let name = LeaseName::replica(self.party.shards, &self.party.identity);
            let _ = timeout(self.party.timing.retry, self.api.delete(&name, &DeleteParams::default())).await;
        }
    }

    fn failed(&mut self, why: String) -> Option<Event> {
        tracing::warn!(error = why, "cannot reach the leases; trying again");
        self.failures += 1;
        (!self.may || self.failures >= FAILURES).then_some(Event::Unable(why))
    }

    /// Looks at all Leases once, and does what is to be done about our share.
    async fn round(&mut self) -> Result<Event, kube::Error> {
        self.held.retain(|_, held| !held.lost.is_cancelled());
        let serves = self.serves.load(Ordering::Relaxed);
        if serves {
            self.be_present().await?;
        }
        let picture = self.look().await?;
        self.clear(&picture.stale).await;
        // One that was there before us, and does not look at others: a pod of the first release.
        self.conflicts = if picture.others.is_empty() { 0 } else { self.conflicts + 1 };
        let give = match self.conflicts {
            0 | 1 => self.moves(&picture).give,
            _ => self.held.keys().copied().collect(),
        };
        for shard in give {
            if let Some(held) = self.held.get_mut(&shard).filter(|held| !held.giving) {
                held.giving = true;
                self.say(Event::GiveBack(shard)).await;
            }
        }
        if self.party.shards > 1 {
            self.say(Event::Told(picture.told.clone())).await;
        }
        if !serves {
            return Ok(Event::Waiting);
        }
        if !picture.others.is_empty() {
            tracing::info!(leases = ?picture.others, "waiting for replicas of another number of shards");
            return Ok(Event::Waiting);
        }
        for shard in self.moves(&picture).take {
            self.take(shard, picture.highest).await?;
        }
        Ok(Event::Waiting)
    }

    fn moves(&self, picture: &Picture) -> fair::Moves {
        fair::moves(&self.party.identity, &picture.holders, &picture.replicas)
    }

    async fn say(&self, event: Event) {
        // Nobody is there to hear it when the controller ends.
        let _ = self.out.send(event).await;
    }

    async fn take(&mut self, shard: u16, after: Epoch) -> Result<(), kube::Error> {
        let Party { client, namespace, identity, shards, timing } = &self.party;
        let name = LeaseName::Shard { shard, of: *shards }.to_string();
        let contender = Contender::new(client.clone(), namespace, &name, identity, *timing);
        let Some(leadership) = contender.attempt(&mut self.seen, after, &self.ended).await? else { return Ok(()) };
        // Somebody may have taken one of another number of shards just then. Both look once they hold theirs, so at
        // least one sees the other.
        let others = match self.look().await {
            Ok(picture) => picture.others,
            Err(error) => {
                leadership.release().await;
                return Err(error);
            }
        };
        if others.is_empty() {
            self.held.insert(shard, Held { lost: leadership.lost.clone(), giving: false });
            self.say(Event::Taken(shard, leadership)).await;
        } else {
            leadership.release().await;
        }
        Ok(())
    }

    async fn look(&mut self) -> Result<Picture, kube::Error> {
        let leases = self.api.list(&ListParams::default()).await?.items;
        let Party { identity, shards, timing, .. } = &self.party;
        let mut picture = Picture { holders: vec![None; usize::from(*shards)], ..Picture::default() };
        for lease in leases {
            let name = lease.metadata.name.clone().unwrap_or_default();
            let Some(kind) = LeaseName::parse(&name) else { continue };
            let is_news = self.seen.look(&lease);
            let by_another = lease::holder(&lease) != Some(identity);
            if is_news && by_another && self.held.is_empty() && !matches!(kind, LeaseName::Replica { .. }) {
                tracing::info!(lease = name, leader = lease::holder(&lease), "waiting for the lease");
            }
            let holder = holder(&lease).filter(|_| !self.seen.is_expired(&name, timing.duration)).cloned();
            if let LeaseName::Shard { .. } = kind {
                picture.highest = picture.highest.max(lease::epoch(&lease));
            }
            match (kind, holder) {
                (LeaseName::Shard { shard, of }, holder) if of == *shards => {
                    if let Some(note) = lease::note(&lease) {
                        picture.told.insert(shard, note.clone());
                    }
                    if let Some(place) = picture.holders.get_mut(usize::from(shard)) {
                        *place = holder;
                    }
                }
                (LeaseName::Shard { .. }, Some(_)) => picture.others.push(name),
                (LeaseName::Shard { .. }, None) => {
                    picture.stale.push(lease);
                }
                (LeaseName::Replica { of }, Some(replica)) => {
                    // Whoever shares out another number waits for us, and we need not wait for them.
                    if of == *shards {
                        picture.replicas.insert(replica);
                    }
                }
                (LeaseName::Replica { .. }, None) => picture.stale.push(lease),
            }
        }
        picture.replicas.insert(identity.clone());
        Ok(picture)
    }

    /// Deletes what is of no use. One who held it and was only slow finds it gone, and has lost it.
    async fn clear(&mut self, stale: &[Lease]) {
        for lease in stale {
            let meta = &lease.metadata;
            let preconditions =
                Preconditions { uid: meta.uid.clone(), resource_version: meta.resource_version.clone() };
            let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
            let name = meta.name.as_deref().unwrap_or_default();
            match self.api.delete(name, &params).await {
                Ok(_) => self.seen.forget(name),
                Err(error) if is_gone(&error) => self.seen.forget(name),
                // Somebody was quicker, or will have to.
                Err(error) => tracing::warn!(lease = name, error = said(&error), "a lease of no use stays"),
            }
        }
    }

    /// Says that this replica is there. Where there is one shard, nobody asks.
    async fn be_present(&mut self) -> Result<(), kube::Error> {
        let due = self.present.is_none_or(|at| at.elapsed() >= PRESENCE.min(self.party.timing.duration / 3));
        if self.party.shards == 1 || !due {
            return Ok(());
        }
        let name = LeaseName::replica(self.party.shards, &self.party.identity);
        let found = self.api.get_opt(&name).await?;
        let seconds = i32::try_from(self.party.timing.duration.as_secs()).ok();
        let spec = LeaseSpec {
            holder_identity: Some(self.party.identity.clone()),
            lease_duration_seconds: seconds,
            renew_time: Some(MicroTime(lease::now())),
            ..LeaseSpec::default()
        };
        if let Some(found) = found {
            self.api.replace(&name, &lease::params(), &Lease { spec: Some(spec), ..found }).await?;
        } else {
            let metadata = ObjectMeta { name: Some(name), ..ObjectMeta::default() };
            self.api.create(&lease::params(), &Lease { metadata, spec: Some(spec) }).await?;
        }
        self.present = Some(Instant::now());
        Ok(())
    }
}

/// What was said, and what to do where that is plain.
fn with_hint(error: &kube::Error, namespace: &str) -> String {
    let why = api_error::advised(error);
    let hint =
        if is_gone(error) { format!("; make it with `kubectl create namespace {namespace}`") } else { String::new() };
    format!("cannot take a lease in {namespace}: {why}{hint}")
}
