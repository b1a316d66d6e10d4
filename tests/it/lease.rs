//! Tests leader election with real Leases.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use jiff::{Timestamp, ToSpan as _};
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{DeleteParams, ObjectMeta, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use roster::cluster::leases::{Event, Leadership, LeaseTask};
use roster::control::ShardEvent;
use roster::control::leases::{LeaseTiming, NAME, ShardConfig};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::support::{ControlPlane, Namespace, eventually};

/// Short, so that nobody waits long for what the real times would show later.
const QUICK: LeaseTiming = LeaseTiming {
    duration: Duration::from_secs(3),
    deadline: Duration::from_millis(1500),
    retry: Duration::from_millis(300),
};
const PATIENCE: Duration = Duration::from_secs(20);

struct Setup {
    client: Client,
    leases: Api<Lease>,
    namespace: Namespace,
}

impl Setup {
    async fn new(name: &str) -> Self {
        let plane = ControlPlane::shared().await;
        let client = plane.client().await;
        let namespace = Namespace::new(plane, name).await;
        Self { leases: Api::namespaced(client.clone(), namespace.name()), client, namespace }
    }

    async fn lead(&self, identity: &str) -> Leadership {
        self.contend(identity).await.unwrap()
    }

    fn candidate(&self, identity: &str, timing: LeaseTiming) -> Candidate {
        candidate(self.client.clone(), self.namespace.name(), identity, timing)
    }

    fn contend(&self, identity: &str) -> JoinHandle<Leadership> {
        tokio::spawn(acquire(self.candidate(identity, QUICK)))
    }

    async fn spec(&self) -> LeaseSpec {
        self.leases.get(NAME).await.unwrap().spec.unwrap()
    }

    async fn holder(&self) -> Option<String> {
        self.spec().await.holder_identity
    }
}

/// A replica that takes part.
struct Candidate {
    client: Client,
    config: ShardConfig,
}

fn candidate(client: Client, namespace: &str, identity: &str, timing: LeaseTiming) -> Candidate {
    let (namespace, identity) = (namespace.to_owned(), identity.to_owned());
    Candidate { client, config: ShardConfig { namespace, identity, shards: 1, timing } }
}

/// Waits until all is ours.
async fn acquire(candidate: Candidate) -> Leadership {
    let mut lease_task = LeaseTask::join(candidate.client, candidate.config);
    loop {
        if let Event::Taken(leadership) = lease_task.events.recv().await.unwrap() {
            return leadership;
        }
    }
}

/// Waits until it is refused.
async fn refusal(candidate: Candidate) -> String {
    let mut lease_task = LeaseTask::join(candidate.client, candidate.config);
    loop {
        if let Event::Shard(ShardEvent::CannotAcquire(why)) = lease_task.events.recv().await.unwrap() {
            return why;
        }
    }
}

async fn within<T>(what: &str, work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.unwrap_or_else(|_| panic!("waited {PATIENCE:?} for: {what}"))
}

#[tokio::test]
async fn a_successor_takes_over_at_once_when_the_leader_stops() {
    let setup = Setup::new("lease-release").await;
    // With the real times: a successor that waited for expiry would come after 15 seconds.
    let first = acquire(setup.candidate("first", LeaseTiming::default())).await;
    let second = tokio::spawn(acquire(setup.candidate("second", LeaseTiming::default())));
    assert!(first.check().is_held());
    let (epoch, lost, stopped) = (first.epoch, first.lost.clone(), Instant::now());
    first.release().await;
    assert!(lost.is_cancelled());
    let second = within("the successor", second).await.unwrap();
    assert!(stopped.elapsed() < Duration::from_secs(5), "{:?}", stopped.elapsed());
    assert!(second.epoch > epoch);
    let spec = setup.spec().await;
    assert_eq!((spec.holder_identity.as_deref(), spec.lease_transitions), (Some("second"), Some(2)));
}

#[tokio::test]
async fn two_candidates_never_lead_at_the_same_time() {
    let setup = Setup::new("lease-two").await;
    let first = setup.lead("first").await;
    let second = setup.contend("second");
    // Longer than the lease lasts without renewal.
    let until = setup.spec().await.renew_time.unwrap().0 + 4.seconds();
    eventually(PATIENCE, "it is renewed again and again", async || {
        (setup.spec().await.renew_time.unwrap().0 > until).then_some(())
    })
    .await;
    assert!(first.check().is_held());
    assert!(!second.is_finished());
    drop(first);
    within("the successor", second).await.unwrap();
}

#[tokio::test]
async fn the_same_identity_gets_a_new_epoch() {
    let setup = Setup::new("lease-again").await;
    let first = setup.lead("one").await;
    let epoch = first.epoch;
    first.release().await;
    assert!(setup.lead("one").await.epoch > epoch);
}

#[tokio::test]
async fn a_disconnected_leader_stops_before_another_takes_over() {
    let setup = Setup::new("lease-cut").await;
    let line = Line::to(ControlPlane::shared().await).await;
    let first = acquire(candidate(line.client.clone(), setup.namespace.name(), "first", QUICK)).await;
    let second = setup.contend("second");
    eventually(PATIENCE, "it is renewed over the line", async || {
        let spec = setup.spec().await;
        (spec.renew_time.unwrap().0 > spec.acquire_time.unwrap().0 + 500.milliseconds()).then_some(())
    })
    .await;
    line.cut.store(true, Ordering::Relaxed);
    within("the first notices", first.lost.cancelled()).await;
    assert!(!first.check().is_held());
    assert!(!second.is_finished(), "somebody led already");
    let second = within("the second takes over", second).await.unwrap();
    assert!(second.epoch > first.epoch);
}

#[tokio::test]
async fn a_suspended_leader_writes_nothing() {
    let setup = Setup::new("lease-still").await;
    let namespace = setup.namespace.name().to_owned();
    let (frozen, thawed) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (freeze, thaw) = (Arc::clone(&frozen), Arc::clone(&thawed));
    // A runtime of one thread, and that thread blocked, is a process that got SIGSTOP.
    let process = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let client = ControlPlane::shared().await.client().await;
            let first = acquire(candidate(client, &namespace, "first", QUICK)).await;
            freeze.store(true, Ordering::Release);
            while !thaw.load(Ordering::Acquire) {
                std::thread::sleep(Duration::from_millis(10));
            }
            assert!(!first.lost.is_cancelled(), "nothing ran that could have noticed");
            assert!(!first.check().is_held(), "a writer that checks first notices it");
            first.lost.cancelled().await;
            first.epoch
        })
    });
    eventually(PATIENCE, "the first leads", async || frozen.load(Ordering::Acquire).then_some(())).await;
    let second = within("the second takes over", setup.contend("second")).await.unwrap();
    thawed.store(true, Ordering::Release);
    let first = tokio::task::spawn_blocking(move || process.join().unwrap()).await.unwrap();
    assert!(second.epoch > first);
    assert!(second.check().is_held());
    assert_eq!(setup.holder().await.as_deref(), Some("second"));
}

#[tokio::test]
async fn deleting_the_lease_ends_leadership_and_the_epoch_still_grows() {
    let setup = Setup::new("lease-deleted").await;
    let first = setup.lead("first").await;
    let second = setup.contend("second");
    eventually(PATIENCE, "the lease is renewed", async || {
        let spec = setup.spec().await;
        (spec.renew_time.unwrap().0 > spec.acquire_time.unwrap().0 + 500.milliseconds()).then_some(())
    })
    .await;
    setup.leases.delete(NAME, &DeleteParams::default()).await.unwrap();
    within("the first notices", first.lost.cancelled()).await;
    assert!(!second.is_finished(), "who saw a leader waits until that one has noticed");
    let second = within("the second takes over", second).await.unwrap();
    assert!(second.epoch > first.epoch);
    assert_eq!(setup.spec().await.lease_transitions, Some(1), "it is a new Lease");
}

#[tokio::test]
async fn a_killed_leader_is_replaced_after_its_lease_expires() {
    let setup = Setup::new("lease-died").await;
    put(&setup, Some("died"), Timestamp::now(), Timestamp::now()).await;
    let started = Instant::now();
    let second = setup.lead("second").await;
    assert!(started.elapsed() >= QUICK.duration, "{:?}", started.elapsed());
    assert!(second.check().is_held());
}

#[tokio::test]
async fn a_clock_that_was_ahead_makes_no_lower_epoch_and_no_longer_wait() {
    let setup = Setup::new("lease-clock").await;
    let ahead = Timestamp::now() + 8.hours();
    put(&setup, Some("fast"), ahead, ahead).await;
    let second = within("the second takes over", setup.contend("second")).await.unwrap();
    assert!(second.epoch.0 > ahead.as_microsecond());
}

#[tokio::test]
async fn a_lease_restored_from_a_backup_makes_no_lower_epoch() {
    let setup = Setup::new("lease-backup").await;
    let first = setup.lead("first").await;
    let before = first.epoch;
    first.release().await;
    setup.leases.delete(NAME, &DeleteParams::default()).await.unwrap();
    put(&setup, None, Timestamp::now() - 48.hours(), Timestamp::now() - 24.hours()).await;
    assert!(setup.lead("second").await.epoch > before);
}

#[tokio::test]
async fn an_annotation_on_the_lease_is_no_loss() {
    let setup = Setup::new("lease-note").await;
    let first = setup.lead("first").await;
    let patch = Patch::Merge(json!({"metadata": {"annotations": {"note": "hands off"}}}));
    setup.leases.patch(NAME, &PatchParams::default(), &patch).await.unwrap();
    let noted = Timestamp::now();
    eventually(PATIENCE, "it is renewed all the same", async || {
        (setup.spec().await.renew_time.unwrap().0 > noted).then_some(())
    })
    .await;
    assert!(first.check().is_held());
}

#[tokio::test]
async fn a_refusal_is_reported_at_once() {
    let plane = ControlPlane::shared().await;
    // With the real times: a busy API server may take longer to refuse than the short ones wait for an answer.
    let timing = LeaseTiming::default();
    let missing = refusal(candidate(plane.client().await, "no-such-namespace", "one", timing)).await;
    assert!(missing.starts_with("cannot take a lease in no-such-namespace: "), "{missing}");
    assert!(missing.contains("`kubectl create namespace no-such-namespace`"), "{missing}");
    let setup = Setup::new("lease-right").await;
    let stranger = plane.client_as("stranger", &[]).await;
    let refused = refusal(candidate(stranger, setup.namespace.name(), "one", timing)).await;
    assert!(refused.contains("cannot list resource \"leases\""), "{refused}");
}

async fn put(setup: &Setup, holder: Option<&str>, taken: Timestamp, renewed: Timestamp) {
    let lease = Lease {
        metadata: ObjectMeta { name: Some(NAME.to_owned()), ..ObjectMeta::default() },
        spec: Some(LeaseSpec {
            holder_identity: holder.map(str::to_owned),
            acquire_time: Some(MicroTime(taken)),
            renew_time: Some(MicroTime(renewed)),
            lease_duration_seconds: Some(3),
            lease_transitions: Some(41),
            ..LeaseSpec::default()
        }),
    };
    setup.leases.create(&PostParams::default(), &lease).await.unwrap();
}

/// A line to the API server that can be cut: it stays open, and nothing passes any more.
struct Line {
    client: Client,
    cut: Arc<AtomicBool>,
}

impl Line {
    async fn to(plane: &ControlPlane) -> Self {
        let kubeconfig = Kubeconfig::read_from(plane.kubeconfig()).unwrap();
        let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
        let server = config.cluster_url.authority().unwrap().to_string();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        config.cluster_url = format!("https://{}", listener.local_addr().unwrap()).parse().unwrap();
        let cut = Arc::new(AtomicBool::new(false));
        tokio::spawn(accept(listener, server, Arc::clone(&cut)));
        Self { client: Client::try_from(config).unwrap(), cut }
    }
}

async fn accept(listener: TcpListener, server: String, cut: Arc<AtomicBool>) {
    while let Ok((near, _)) = listener.accept().await {
        let (near_read, near_write) = near.into_split();
        let (far_read, far_write) = TcpStream::connect(&server).await.unwrap().into_split();
        tokio::spawn(copy(near_read, far_write, Arc::clone(&cut)));
        tokio::spawn(copy(far_read, near_write, Arc::clone(&cut)));
    }
}

async fn copy(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, cut: Arc<AtomicBool>) {
    let mut buffer = [0; 8192];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        if cut.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
