//! Measures one large account next to a small one: memory, a restart, and single changes.

use std::time::{Duration, Instant};

use anyhow::Result;
use roster::api::Membership;

use super::{changes, quiet};
use crate::{
    cluster,
    controller::Controller,
    environment::Environment,
    objects, progress,
    report::{Row, Target},
    size::Size,
    watcher::MembershipWatcher,
};

pub const NAMESPACE: &str = "large";
pub const LARGE: &str = "large";
pub const LITTLE: &str = "little";

const KIB: f64 = 1_024.0;

pub async fn measure(environment: &Environment, size: &Size) -> Result<Vec<Row>> {
    let client = &environment.client;
    cluster::create_accounts(client, NAMESPACE, &[LARGE.to_owned(), LITTLE.to_owned()]).await?;
    progress("an idle controller");
    let folder = environment.folder("large-idle").await?;
    let mut controller = Controller::start(environment, &folder)?;
    controller.quiet().await?;
    let idle = controller.memory()?;
    controller.stop().await?;

    let count = size.large + size.little;
    progress(&format!("creating {count} memberships"));
    let large = (0..size.large).map(|number| objects::member(NAMESPACE, LARGE, number, size.holders));
    let little = (0..size.little).map(|number| objects::member(NAMESPACE, LITTLE, number, 0));
    let members: Vec<Membership> = large.chain(little).collect();
    let created = cluster::fill(client, NAMESPACE, members).await?;
    let watcher = MembershipWatcher::open(client).await?;

    progress(&format!("converging {count} memberships"));
    let folder = environment.folder("large").await?;
    let started = Instant::now();
    let mut controller = Controller::start(environment, &folder)?;
    let converged = watcher.all_ready(count, Duration::from_secs(1_800)).await? - started;
    controller.quiet().await?;
    let full = controller.memory()?;
    controller.stop().await?;

    progress("a restart, and a check");
    let (quiet, controller) = quiet::measure(environment, size, &folder).await?;
    let restarted = controller.memory()?;
    let changes = changes::measure(environment, size, &folder, &watcher, controller).await?;

    let each = |bytes: f64, less: f64| (bytes - less) / f64::from(count) / KIB;
    let idle_key = "memory_idle_kib";
    let steady = Row::new(
        "memory-steady",
        format!("resident memory each at {count}: steady"),
        "KiB",
        Target::AtMost(2.0),
        each(full.resident, idle.resident),
    )
    .with("with_baseline_kib_each", vec![each(full.resident, 0.0)])
    .with("after_restart_kib_each", vec![each(restarted.resident, idle.resident)])
    .with("resident_kib", vec![full.resident / KIB])
    .with(idle_key, vec![idle.resident / KIB]);
    let peak = Row::new(
        "memory-peak",
        format!("resident memory each at {count}: peak while converging"),
        "KiB",
        Target::AtMost(4.0),
        each(full.peak, idle.resident),
    )
    .with("with_baseline_kib_each", vec![each(full.peak, 0.0)])
    .with("after_restart_kib_each", vec![each(restarted.peak, idle.resident)])
    .with("peak_kib", vec![full.peak / KIB])
    .with("converge_s", vec![converged.as_secs_f64()])
    .with("bare_creates_s", vec![created.as_secs_f64()])
    .with(idle_key, vec![idle.resident / KIB]);
    Ok(quiet.into_iter().chain(changes).chain([steady, peak]).collect())
}
