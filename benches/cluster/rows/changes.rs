//! Measures one changed membership: the time until the store holds it, and until the status says so.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, Patch, PatchParams, PostParams},
    core::GroupVersionKind,
};
use roster::api::{Membership, Role};
use serde_json::json;

use super::large::{LARGE, LITTLE, NAMESPACE};
use crate::{
    baseline::{self, BarePatch},
    controller::Controller,
    environment::{Environment, TWIN},
    objects::{self, ROLES},
    progress,
    report::{Row, Target},
    size::Size,
    store::StoreReader,
    summary::{median, milliseconds, percentile},
    watcher::MembershipWatcher,
};

/// Pause between two changes, so that each starts while the controller is idle.
const PAUSE: Duration = Duration::from_millis(60);

/// Latencies of one change, measured from the request.
#[derive(Clone, Copy, Debug)]
struct Change {
    /// Until the API server has accepted it.
    taken: Duration,
    /// Until the store has it.
    stored: Duration,
    /// Until a watch reports the status of the new generation.
    reported: Duration,
}

/// Makes single changes and measures their latencies.
struct Changer<'a> {
    memberships: Api<Membership>,
    watcher: &'a MembershipWatcher,
    store: Option<StoreReader>,
}

impl Changer<'_> {
    /// Gives a member the next role, and waits for store and status.
    async fn change(&mut self, account: &str, number: u32, turn: usize) -> Result<Change> {
        let role = ROLES[turn % ROLES.len()];
        let name = objects::name(account, number);
        let patch = json!({"spec": {"roleRef": {"kind": "PredefinedRole", "name": role}}});
        let reader = self.store.take().context("the store is open")?;
        let key = format!("{NAMESPACE}/{account}");
        let stored = tokio::spawn(reader.until_role(key, objects::email(account, number), role));
        let sent = Instant::now();
        let changed = self.memberships.patch(&name, &PatchParams::default(), &Patch::Merge(&patch)).await?;
        let taken = sent.elapsed();
        let generation = changed.metadata.generation.context("a generation")?;
        let reported = self.watcher.ready(&name, generation).await? - sent;
        let (reader, stored) = stored.await??;
        self.store = Some(reader);
        Ok(Change { taken, stored: stored - sent, reported })
    }

    /// Suspends a member, and waits until the store has it; returns the duration.
    async fn suspend(&mut self, account: &str, number: u32) -> Result<Duration> {
        let reader = self.store.take().context("the store is open")?;
        let key = format!("{NAMESPACE}/{account}");
        let stored = tokio::spawn(reader.until_ended(key, objects::email(account, number)));
        let patch = Patch::Merge(json!({"spec": {"suspended": true}}));
        let sent = Instant::now();
        self.memberships.patch(&objects::name(account, number), &PatchParams::default(), &patch).await?;
        let (reader, stored) = stored.await??;
        self.store = Some(reader);
        Ok(stored - sent)
    }
}

/// Returns the rows, and stops the controller.
pub async fn measure(
    environment: &Environment,
    size: &Size,
    folder: &Path,
    watcher: &MembershipWatcher,
    mut controller: Controller,
) -> Result<Vec<Row>> {
    let client = &environment.client;
    let memberships = Api::namespaced(client.clone(), NAMESPACE);
    let mut changer = Changer { memberships, watcher, store: Some(StoreReader::open(folder).await?) };
    let mut twin = Twin::create(client).await?;
    progress(&format!("{} changes in each account", size.changes));
    let (mut large, mut little, mut bare) = (Vec::new(), Vec::new(), Vec::new());
    // The first change of each series warms up and is dropped. Members are taken from the end, where nobody holds the
    // role that changes later. Each one gets a role that it does not have yet.
    for turn in 0..=size.changes {
        let index = turn as usize;
        let (of_large, of_little) = (size.large - 1 - turn % 20, size.little - 1 - turn % 20);
        let next = |number: u32| number as usize + 1 + index / 20;
        large.push(changer.change(LARGE, of_large, next(of_large)).await?);
        tokio::time::sleep(PAUSE).await;
        little.push(changer.change(LITTLE, of_little, next(of_little)).await?);
        tokio::time::sleep(PAUSE).await;
        bare.push(twin.patch(client).await?);
        tokio::time::sleep(PAUSE).await;
    }
    controller.quiet().await?;
    let [large, little] = [&large[1..], &little[1..]];
    let mut rows = idle_rows(size, large, little, &bare[1..]);
    rows.extend(busy_rows(client, size, &mut changer, large).await?);
    controller.quiet().await?;
    rows.push(revocation_row(client, size, &mut changer, &mut controller).await?);
    controller.stop().await?;
    Ok(rows)
}

fn times(changes: &[Change], of: fn(&Change) -> Duration) -> Vec<f64> {
    milliseconds(&changes.iter().map(of).collect::<Vec<_>>())
}

fn spread(values: &[f64]) -> Vec<f64> {
    vec![percentile(values, 10), median(values), percentile(values, 90)]
}

fn idle_rows(size: &Size, large: &[Change], little: &[Change], bare: &[Duration]) -> Vec<Row> {
    let (stored, reported) = (times(large, |change| change.stored), times(large, |change| change.reported));
    let of_little = times(little, |change| change.stored);
    let (taken, bare) = (times(large, |change| change.taken), milliseconds(bare));
    let figure = format!("one change → store, in an account of {} ÷ of {}", size.large, size.little);
    let ratio = median(&stored) / median(&of_little);
    let by_size = Row::new("change-size", figure, "", Target::AtMost(1.3), ratio)
        .with("large_ms_p10_p50_p90", spread(&stored))
        .with("little_ms_p10_p50_p90", spread(&of_little));
    let to_store = Row::new(
        "change-store",
        "one change → store ÷ a bare patch",
        "",
        Target::AtMost(2.0),
        median(&stored) / median(&bare),
    )
    .with("bare_patch_ms_p10_p50_p90", spread(&bare))
    .with("change_taken_ms_p10_p50_p90", spread(&taken))
    .with("stored_ms_p10_p50_p90", spread(&stored));
    let to_status = Row::new(
        "change-status",
        "one change → status ÷ a bare patch",
        "",
        Target::AtMost(4.0),
        median(&reported) / median(&bare),
    )
    .with("status_ms_p10_p50_p90", spread(&reported));
    vec![by_size, to_store, to_status]
}

/// Measures changes while the controller writes the statuses of all holders of a changed role.
async fn busy_rows(client: &Client, size: &Size, changer: &mut Changer<'_>, idle: &[Change]) -> Result<Vec<Row>> {
    progress(&format!("changes while {} statuses are being written", size.holders));
    let roles: Api<Role> = Api::namespaced(client.clone(), NAMESPACE);
    let before = changer.watcher.events();
    let changed = Instant::now();
    let role = objects::shift(NAMESPACE, LARGE, "Manage");
    let name = role.metadata.name.clone().unwrap_or_default();
    roles.patch(&name, &PatchParams::default(), &Patch::Merge(&json!({"spec": role.spec}))).await?;
    changer.watcher.wait_for_events(before + 20).await?;
    let began = changed.elapsed();
    let mut busy = Vec::new();
    // Not all of them: the last statuses could be written before a change has finished.
    let end = before + u64::from(size.holders) * 9 / 10;
    for turn in 0..size.changes {
        let number = size.large - 21 - turn;
        if changer.watcher.events() > end {
            break;
        }
        busy.push(changer.change(LARGE, number, number as usize + 1).await?);
    }
    let written = changer.watcher.events() - before;
    anyhow::ensure!(busy.len() >= 3, "the statuses were written before anything could be changed");
    changer.watcher.wait_for_events(before + u64::from(size.holders)).await?;
    let took = changed.elapsed();
    let count = f64::from(u32::try_from(busy.len())?);
    let figure = |what: &str| format!("one change → {what} while {} statuses are written ÷ idle", size.holders);
    let row = |id, what, of: fn(&Change) -> Duration| {
        let (busy, idle) = (times(&busy, of), times(idle, of));
        Row::new(id, figure(what), "", Target::AtMost(5.0), median(&busy) / median(&idle))
            .with("busy_ms_p10_p50_p90", spread(&busy))
            .with("idle_ms_p10_p50_p90", spread(&idle))
    };
    let to_store = row("busy-store", "store", |change| change.stored)
        .with("changes", vec![count])
        .with("statuses_written_meanwhile", vec![f64::from(u32::try_from(written)?)])
        .with("first_status_after_s", vec![began.as_secs_f64()])
        .with("all_statuses_after_s", vec![took.as_secs_f64()]);
    Ok(vec![to_store, row("busy-status", "status", |change| change.reported)])
}

/// Measures suspensions while a change of the role with most holders is applied in the same account.
async fn revocation_row(
    client: &Client,
    size: &Size,
    changer: &mut Changer<'_>,
    controller: &mut Controller,
) -> Result<Row> {
    /// The suspensions of one change of the role: each waits for a slice that is being written, or does not, so that
    /// only many of them have a median that repeats.
    const SUSPENSIONS: u32 = 8;
    const LEVELS: [&str; 4] = ["Edit", "Manage", "Edit", "Manage"];
    progress(&format!("suspensions while a role of {} is changed", size.holders));
    let roles: Api<Role> = Api::namespaced(client.clone(), NAMESPACE);
    // Members with another role that were not changed before.
    let mut numbers = (size.holders..size.large - 200).rev();
    let mut number = || numbers.next().context("members are left");
    let (mut idle, mut busy) = (Vec::new(), Vec::new());
    for _ in 0..10 {
        idle.push(changer.suspend(LARGE, number()?).await?);
        tokio::time::sleep(PAUSE).await;
    }
    for level in LEVELS {
        controller.quiet().await?;
        let reader = changer.store.as_mut().context("the store is open")?;
        let audited = reader.writes().await?.audited;
        let role = objects::shift(NAMESPACE, LARGE, level);
        let name = role.metadata.name.clone().unwrap_or_default();
        roles.patch(&name, &PatchParams::default(), &Patch::Merge(&json!({"spec": role.spec}))).await?;
        reader.until_audited(audited).await?;
        for _ in 0..SUSPENSIONS {
            busy.push(changer.suspend(LARGE, number()?).await?);
        }
        let reader = changer.store.as_mut().context("the store is open")?;
        let changed = reader.writes().await?.audited - audited;
        let all = i64::from(size.holders + SUSPENSIONS);
        anyhow::ensure!(changed < all, "the role of {} was changed before the last suspension", size.holders);
    }
    controller.quiet().await?;
    let (busy, idle) = (milliseconds(&busy), milliseconds(&idle));
    let figure = format!("one suspension → store while a role of {} is changed in its account ÷ idle", size.holders);
    Ok(Row::new("revocation", figure, "", Target::AtMost(5.0), median(&busy) / median(&idle))
        .with("busy_ms", busy)
        .with("idle_ms_p10_p50_p90", spread(&idle)))
}

/// Object like a Membership that no controller watches. A bare patch of its status takes one round trip.
struct Twin {
    api: Api<DynamicObject>,
    name: String,
}

impl Twin {
    async fn create(client: &Client) -> Result<Self> {
        let (kind, plural) = TWIN;
        let gvk = GroupVersionKind::gvk(roster::api::GROUP, roster::api::VERSION, kind);
        let resource = ApiResource::from_gvk_with_plural(&gvk, plural);
        let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), NAMESPACE, &resource);
        // The status that the controller has written to a real Membership.
        let mut model = baseline::membership(client, NAMESPACE, &objects::name(LARGE, 0)).await?;
        let mut twin = DynamicObject::new("twin", &resource);
        twin.data = json!({"spec": model.data["spec"]});
        let created = api.create(&PostParams::default(), &twin).await?;
        model.metadata = created.metadata;
        BarePatch::of(&model, kind, plural).send(client).await?;
        Ok(Self { api, name: "twin".to_owned() })
    }

    async fn patch(&mut self, client: &Client) -> Result<Duration> {
        let (kind, plural) = TWIN;
        let patch = BarePatch::of(&self.api.get(&self.name).await?, kind, plural);
        let sent = Instant::now();
        patch.send(client).await?;
        Ok(sent.elapsed())
    }
}
