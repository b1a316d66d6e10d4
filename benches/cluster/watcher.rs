//! Watches all Memberships, as any user may, and records when each became ready. Used by the measurements (`rows`).

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use futures::TryStreamExt as _;
use kube::{
    Api, Client, Resource as _,
    api::ApiResource,
    core::Object,
    runtime::{
        WatchStreamExt as _,
        watcher::{Config, Event, watcher},
    },
};
use roster::api::Membership;
use serde::{Deserialize, Serialize};
use tokio::{sync::watch, task::JoinSet, time::timeout};

/// Spec of which no field is read.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct NoSpec {}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    observed_generation: Option<i64>,
    #[serde(default)]
    conditions: Vec<Condition>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
}

type Seen = Object<NoSpec, Status>;

/// Generation that became ready, and the time at which the watch reported it.
#[derive(Clone, Copy, Debug)]
struct Ready {
    generation: i64,
    at: Instant,
}

#[derive(Debug, Default)]
struct View {
    is_listed: bool,
    ready: HashMap<String, Ready>,
    /// Number of watch events so far.
    events: u64,
}

/// Watch of all Memberships; it ends when this is dropped.
pub struct MembershipWatcher {
    view: watch::Receiver<View>,
    _task: JoinSet<()>,
}

impl MembershipWatcher {
    /// Starts the watch. Returns when all existing objects are listed.
    pub async fn open(client: &Client) -> Result<Self> {
        let (sender, mut view) = watch::channel(View::default());
        let mut task = JoinSet::new();
        task.spawn(watch_memberships(client.clone(), sender));
        view.wait_for(|view| view.is_listed).await?;
        Ok(Self { view, _task: task })
    }

    /// Waits for `count` ready Memberships; returns the time at which the last one became ready.
    pub async fn all_ready(&self, count: u32, patience: Duration) -> Result<Instant> {
        let mut view = self.view.clone();
        let all = timeout(patience, view.wait_for(|view| view.ready.len() >= count as usize)).await;
        let ready = || self.view.borrow().ready.len();
        let view = all.with_context(|| format!("{} of {count} are ready after {patience:?}", ready()))??;
        view.ready.values().map(|ready| ready.at).max().context("somebody is ready")
    }

    /// Waits until this generation of a Membership is ready; returns the time.
    pub async fn ready(&self, name: &str, generation: i64) -> Result<Instant> {
        let mut view = self.view.clone();
        let is_ready = |view: &View| view.ready.get(name).is_some_and(|ready| ready.generation >= generation);
        let view = timeout(Duration::from_secs(300), view.wait_for(is_ready)).await.context("it is not ready")??;
        view.ready.get(name).map(|ready| ready.at).context("it is ready")
    }

    /// Returns the number of watch events so far.
    pub fn events(&self) -> u64 {
        self.view.borrow().events
    }

    /// Waits for this number of watch events.
    pub async fn wait_for_events(&self, events: u64) -> Result<()> {
        timeout(Duration::from_secs(300), self.view.clone().wait_for(|view| view.events >= events)).await??;
        Ok(())
    }
}

async fn watch_memberships(client: Client, view: watch::Sender<View>) {
    let resource = ApiResource::erase::<Membership>(&());
    let stream = watcher(Api::<Seen>::all_with(client, &resource), Config::default()).default_backoff();
    let mut stream = std::pin::pin!(stream);
    while let Ok(event) = stream.try_next().await {
        let Some(event) = event else { return };
        view.send_modify(|view| match event {
            Event::Init => {}
            Event::InitDone => view.is_listed = true,
            Event::InitApply(object) | Event::Apply(object) => {
                view.events += 1;
                let name = object.metadata.name.clone().unwrap_or_default();
                match ready(&object) {
                    // The first time counts: a later change of other fields does not make it ready again.
                    Some(generation) if view.ready.get(&name).is_some_and(|ready| ready.generation == generation) => {}
                    Some(generation) => {
                        view.ready.insert(name, Ready { generation, at: Instant::now() });
                    }
                    None => {
                        view.ready.remove(&name);
                    }
                }
            }
            Event::Delete(object) => {
                view.events += 1;
                view.ready.remove(object.metadata.name.as_deref().unwrap_or_default());
            }
        });
    }
}

fn ready(object: &Seen) -> Option<i64> {
    let status = object.status.as_ref()?;
    let generation = object.meta().generation?;
    let is_true = status.conditions.iter().any(|condition| condition.kind == "Ready" && condition.status == "True");
    (is_true && status.observed_generation == Some(generation)).then_some(generation)
}
