//! How accounts are shared out over replicas: one Lease for each shard (design/architecture.md "Scale",
//! docs/decisions/0022).
//!
//! Replicas that take part say so by a Lease of their own. Each works out by itself what is its fair share, takes what is
//! free and gives back what another one lacks. With one shard, which is the default, this is plain leader election.

mod fair;
mod names;

use std::{
    collections::{BTreeMap, BTreeSet},
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
use super::lease::{self, Contender, Leadership, Sightings, Timing, code, holder, is_conflict, is_gone, said};
use crate::store::Epoch;

/// The most shards there can be: each is a Lease that is renewed every other second.
pub const MAX_SHARDS: u16 = 64;

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
    Refused(String),
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
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Share {
    /// Takes part from now on.
    #[must_use]
    pub fn join(party: Party) -> Self {
        let (ended, stop) = (CancellationToken::new(), CancellationToken::new());
        let (out, events) = mpsc::channel(usize::from(MAX_SHARDS));
        let api = Api::namespaced(party.client.clone(), &party.namespace);
        let sharer = Sharer {
            api,
            held: BTreeMap::new(),
            seen: Sightings::default(),
            present: None,
            told: BTreeMap::new(),
            may: false,
            ended: ended.clone(),
            out,
            party,
        };
        let task = tokio::spawn(sharer.run(stop.clone()));
        Self { events, ended, stop, task }
    }

    /// Takes no part any more, and says so; what was taken and not yet heard of is given back.
    pub async fn leave(mut self) {
        self.stop.cancel();
        let _ = (&mut self.task).await;
        while let Ok(event) = self.events.try_recv() {
            if let Event::Taken(_, leadership) = event {
                leadership.release().await;
            }
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.task.abort();
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
    told: BTreeMap<u16, String>,
    /// Whether all was allowed once: an API server that has just started knows no rights for a moment.
    may: bool,
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
            let round = timeout(self.party.timing.deadline, self.round());
            let event = tokio::select! {
                () = stop.cancelled() => break,
                round = round => match round {
                    Ok(Ok(event)) => {
                        self.may = true;
                        Some(event)
                    }
                    Ok(Err(error)) if is_conflict(&error) => None,
                    Ok(Err(error)) => self.failed(&error),
                    Err(_) => {
                        tracing::warn!("no answer about the leases; trying again");
                        None
                    }
                },
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
            let name = LeaseName::replica(&self.party.identity);
            let _ = timeout(self.party.timing.retry, self.api.delete(&name, &DeleteParams::default())).await;
        }
    }

    fn failed(&mut self, error: &kube::Error) -> Option<Event> {
        tracing::warn!(error = said(error), "cannot reach the leases; trying again");
        let refused = code(error).is_some_and(|code| (400..500).contains(&code) && ![408, 429].contains(&code));
        (refused && !self.may).then(|| Event::Refused(with_hint(error, &self.party.namespace)))
    }

    /// Looks at all Leases once, and does what is to be done about our share.
    async fn round(&mut self) -> Result<Event, kube::Error> {
        self.held.retain(|_, held| !held.lost.is_cancelled());
        self.be_present().await?;
        let picture = self.look().await?;
        self.clear(&picture.stale).await?;
        for shard in self.moves(&picture).give {
            if let Some(held) = self.held.get_mut(&shard).filter(|held| !held.giving) {
                held.giving = true;
                self.say(Event::GiveBack(shard)).await;
            }
        }
        if picture.told != self.told {
            self.told.clone_from(&picture.told);
            self.say(Event::Told(picture.told.clone())).await;
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
            if is_news && self.held.is_empty() && kind != LeaseName::Replica {
                tracing::info!(lease = name, leader = lease::holder(&lease), "waiting for the lease");
            }
            let holder = holder(&lease).filter(|_| !self.seen.is_expired(&name, timing.duration)).cloned();
            match (kind, holder) {
                (LeaseName::Shard { shard, of }, holder) if of == *shards => {
                    picture.highest = picture.highest.max(lease::epoch(&lease));
                    if let Some(note) = lease::note(&lease) {
                        picture.told.insert(shard, note.clone());
                    }
                    if let Some(place) = picture.holders.get_mut(usize::from(shard)) {
                        *place = holder;
                    }
                }
                (LeaseName::Shard { .. }, Some(_)) => picture.others.push(name),
                (LeaseName::Shard { .. }, None) => {
                    picture.highest = picture.highest.max(lease::epoch(&lease));
                    picture.stale.push(lease);
                }
                (LeaseName::Replica, Some(replica)) => {
                    picture.replicas.insert(replica);
                }
                (LeaseName::Replica, None) => picture.stale.push(lease),
            }
        }
        picture.replicas.insert(identity.clone());
        Ok(picture)
    }

    /// Deletes what is of no use. One who held it and was only slow finds it gone, and has lost it.
    async fn clear(&self, stale: &[Lease]) -> Result<(), kube::Error> {
        for lease in stale {
            let meta = &lease.metadata;
            let preconditions =
                Preconditions { uid: meta.uid.clone(), resource_version: meta.resource_version.clone() };
            let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
            match self.api.delete(meta.name.as_deref().unwrap_or_default(), &params).await {
                Ok(_) => {}
                Err(error) if is_gone(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Says that this replica is there. Where there is one shard, nobody asks.
    async fn be_present(&mut self) -> Result<(), kube::Error> {
        let due = self.present.is_none_or(|at| at.elapsed() >= PRESENCE.min(self.party.timing.duration / 3));
        if self.party.shards == 1 || !due {
            return Ok(());
        }
        let name = LeaseName::replica(&self.party.identity);
        let found = self.api.get_opt(&name).await?;
        let seconds = i32::try_from(self.party.timing.duration.as_secs()).ok();
        let spec = LeaseSpec {
            holder_identity: Some(self.party.identity.clone()),
            lease_duration_seconds: seconds,
            renew_time: Some(MicroTime(lease::now())),
            ..LeaseSpec::default()
        };
        match found {
            Some(found) => {
                self.api.replace(&name, &lease::params(), &Lease { spec: Some(spec), ..found }).await?;
            }
            None => {
                let metadata = ObjectMeta { name: Some(name), ..ObjectMeta::default() };
                self.api.create(&lease::params(), &Lease { metadata, spec: Some(spec) }).await?;
            }
        }
        self.present = Some(Instant::now());
        Ok(())
    }
}

/// What was said, and what to do where that is plain.
fn with_hint(error: &kube::Error, namespace: &str) -> String {
    let said = said(error);
    match code(error) {
        Some(404) => {
            format!("cannot take a lease in {namespace}: {said}; make it with `kubectl create namespace {namespace}`")
        }
        Some(403) => format!("cannot take a lease in {namespace}: {said}; {}", super::RIGHTS),
        _ => format!("cannot take a lease in {namespace}: {said}"),
    }
}
