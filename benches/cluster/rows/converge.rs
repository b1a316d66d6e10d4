//! Measures many memberships at once: with the controller started after they exist, and while they are being created.

use std::time::{Duration, Instant};

use anyhow::Result;
use roster::api::Membership;

use crate::{
    baseline, cluster,
    controller::Controller,
    environment::Environment,
    objects, progress,
    report::{Row, Target},
    size::Size,
    summary::median,
    watcher::MembershipWatcher,
};

/// Time limit of each step.
const PATIENCE: Duration = Duration::from_secs(900);

/// Results of one round, in seconds.
struct Round {
    created: f64,
    converged: f64,
    baseline: f64,
    created_and_converged: f64,
    /// Patches of status for each membership.
    patches: f64,
}

pub async fn measure(environment: &Environment, size: &Size) -> Result<Vec<Row>> {
    let mut rounds = Vec::new();
    let mut at_once = None;
    for number in 1..=size.rounds {
        rounds.push(round(environment, size, number, &mut at_once).await?);
    }
    let every = |value: fn(&Round) -> f64| rounds.iter().map(value).collect::<Vec<_>>();
    let after = every(|round| round.converged / round.baseline);
    let during = every(|round| round.created_and_converged / (round.created + round.baseline));
    let (members, accounts) = (size.memberships, size.accounts);
    let figure = format!("converge {members} in {accounts} accounts ÷ baseline");
    let converge = Row::new("converge", figure, "", Target::AtMost(1.1), median(&after))
        .with("ratios", after)
        .with("converge_s", every(|round| round.converged))
        .with("floor_s", every(|round| round.baseline))
        .with("status_patches_each", every(|round| round.patches))
        .with("floor_at_once", vec![at_once.map_or(f64::NAN, |(_, number)| number)]);
    let figure = "the same while created ÷ (creates + baseline)";
    let creating = Row::new("converge-creating", figure, "", Target::AtMost(1.2), median(&during))
        .with("ratios", during)
        .with("creating_s", every(|round| round.created_and_converged))
        .with("bare_creates_s", every(|round| round.created))
        .with("floor_s", every(|round| round.baseline));
    Ok(vec![converge, creating])
}

async fn round(
    environment: &Environment,
    size: &Size,
    number: u32,
    at_once: &mut Option<(usize, f64)>,
) -> Result<Round> {
    let client = &environment.client;
    let names = |prefix: &str| (0..size.accounts).map(|place| format!("{prefix}{place}")).collect::<Vec<_>>();
    progress(&format!("round {number}: creating {} memberships", size.memberships));
    cluster::create_accounts(client, "after", &names("after")).await?;
    let created = cluster::fill(client, "after", members("after", &names("after"), size)).await?;
    let watcher = MembershipWatcher::open(client).await?;
    let folder = environment.folder("after").await?;
    progress(&format!("round {number}: converging"));
    let started = Instant::now();
    let mut controller = Controller::start(environment, &folder)?;
    let converged = watcher.all_ready(size.memberships, PATIENCE).await? - started;
    let patches = controller.sum("roster_api_writes_total{what=\"status\"").await? / f64::from(size.memberships);
    controller.quiet().await?;
    controller.stop().await?;
    if at_once.is_none() {
        let best = baseline::best_concurrency(client, "after").await?;
        *at_once = Some((best, f64::from(u32::try_from(best)?)));
    }
    progress(&format!("round {number}: baseline"));
    let baseline = baseline::baseline(client, "after", at_once.map_or(24, |(best, _)| best)).await?;
    cluster::clear(client, "after").await?;

    cluster::create_accounts(client, "during", &names("during")).await?;
    let folder = environment.folder("during").await?;
    let mut controller = Controller::start(environment, &folder)?;
    controller.quiet().await?;
    progress(&format!("round {number}: creating {} memberships under the controller", size.memberships));
    let started = Instant::now();
    let filled = cluster::fill(client, "during", members("during", &names("during"), size));
    let (filled, ready) = tokio::join!(filled, watcher.all_ready(size.memberships, PATIENCE));
    filled?;
    let created_and_converged = ready? - started;
    controller.quiet().await?;
    controller.stop().await?;
    cluster::clear(client, "during").await?;
    Ok(Round {
        created: created.as_secs_f64(),
        converged: converged.as_secs_f64(),
        baseline: baseline.as_secs_f64(),
        created_and_converged: created_and_converged.as_secs_f64(),
        patches,
    })
}

/// Returns the members of all accounts, one of each account in turn.
fn members(namespace: &str, accounts: &[String], size: &Size) -> Vec<Membership> {
    let share = size.memberships / size.accounts;
    let numbers = 0..share;
    numbers
        .flat_map(|number| accounts.iter().map(move |account| objects::member(namespace, account, number, share / 4)))
        .collect()
}
