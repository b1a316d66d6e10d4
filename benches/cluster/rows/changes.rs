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
    report::{Row, Target},
    say,
    size::Size,
    store::StoreReader,
    summary::{median, milliseconds, percentile},
    watcher::MembershipWatcher,
};

/// Between two changes, so that each finds everything at rest.
const PAUSE: Duration = Duration::from_millis(60);

/// Time that one change took, from when it was sent.
#[derive(Clone, Copy, Debug)]
struct Change {
    /// Until the API server had taken it.
    taken: Duration,
    /// Until the store held it.
    stored: Duration,
    /// Until a watch saw the status that says so.
    said: Duration,
}

/// Makes changes, and sees what comes of them.
struct Changer<'a> {
    memberships: Api<Membership>,
    watcher: &'a MembershipWatcher,
    store: Option<StoreReader>,
}

impl Changer<'_> {
    /// Gives a member the next role, and waits until everybody knows.
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
        let said = self.watcher.ready(&name, generation).await? - sent;
        let (reader, stored) = stored.await??;
        self.store = Some(reader);
        Ok(Change { taken, stored: stored - sent, said })
    }

    /// Suspends a member, and waits until the store has it; how long that took.
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

/// The rows; ends the controller.
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
    say(&format!("{} changes in each account", size.changes));
    let (mut large, mut little, mut bare) = (Vec::new(), Vec::new(), Vec::new());
    // The first of each warms up. Members are taken from the end, where nobody holds the role that changes later; the
    // role they are given is never the one they have.
    for turn in 0..=size.changes {
        let place = turn as usize;
        let (of_large, of_little) = (size.large - 1 - turn % 20, size.little - 1 - turn % 20);
        let next = |number: u32| number as usize + 1 + place / 20;
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
    let (stored, said) = (times(large, |change| change.stored), times(large, |change| change.said));
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
        median(&said) / median(&bare),
    )
    .with("status_ms_p10_p50_p90", spread(&said));
    vec![by_size, to_store, to_status]
}

/// Changes while the statuses of a changed role's holders are being written.
async fn busy_rows(client: &Client, size: &Size, changer: &mut Changer<'_>, idle: &[Change]) -> Result<Vec<Row>> {
    say(&format!("changes while {} statuses are being written", size.holders));
    let roles: Api<Role> = Api::namespaced(client.clone(), NAMESPACE);
    let before = changer.watcher.events();
    let changed = Instant::now();
    let role = objects::shift(NAMESPACE, LARGE, "Manage");
    let name = role.metadata.name.clone().unwrap_or_default();
    roles.patch(&name, &PatchParams::default(), &Patch::Merge(&json!({"spec": role.spec}))).await?;
    changer.watcher.seen(before + 20).await?;
    let began = changed.elapsed();
    let mut busy = Vec::new();
    // Nearly all: the last of them may be over while a change is under way.
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
    changer.watcher.seen(before + u64::from(size.holders)).await?;
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
    Ok(vec![to_store, row("busy-status", "status", |change| change.said)])
}

/// Suspensions while a change of the role that most hold is being made in the same account.
async fn revocation_row(
    client: &Client,
    size: &Size,
    changer: &mut Changer<'_>,
    controller: &mut Controller,
) -> Result<Row> {
    const LEVELS: [&str; 2] = ["Edit", "Manage"];
    say(&format!("suspensions while a role of {} is changed", size.holders));
    let roles: Api<Role> = Api::namespaced(client.clone(), NAMESPACE);
    // Members who have another role, and were not changed before.
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
        // One right then, and one while the rest is looked at again.
        for _ in 0..2 {
            busy.push(changer.suspend(LARGE, number()?).await?);
        }
    }
    controller.quiet().await?;
    let (busy, idle) = (milliseconds(&busy), milliseconds(&idle));
    let figure = format!("one suspension → store while a role of {} is changed in its account ÷ idle", size.holders);
    Ok(Row::new("revocation", figure, "", Target::AtMost(5.0), median(&busy) / median(&idle))
        .with("busy_ms", busy)
        .with("idle_ms_p10_p50_p90", spread(&idle)))
}

/// An object like a Membership that no controller looks at: a bare patch of its status is what a round trip costs.
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
        // The status of a real one, which the controller has written.
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
