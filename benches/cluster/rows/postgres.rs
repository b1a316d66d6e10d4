//! Measures many new memberships in a PostgreSQL store, against the same rows by one bare COPY and the baseline of status
//! patches.

use std::time::{Duration, Instant};

use anyhow::Result;
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::json;
use sqlx::{AssertSqlSafe, PgConnection};

use crate::{
    baseline, cluster,
    controller::Controller,
    environment::Environment,
    objects,
    postgres::Server,
    progress,
    report::{Row, Target},
    size::Size,
    summary::median,
    watcher::MembershipWatcher,
};

/// Time limit of each step.
const PATIENCE: Duration = Duration::from_secs(900);
/// Name of namespace, store and Secret.
const NAME: &str = "postgres";

pub async fn measure(environment: &Environment, size: &Size) -> Result<Vec<Row>> {
    progress("starting PostgreSQL");
    let server = Server::start().await;
    server.run("CREATE ROLE bench LOGIN PASSWORD 'pw'; GRANT CREATE ON DATABASE postgres TO bench").await?;
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": NAME, "annotations": {"roster.dev/store": NAME}},
        "stringData": {"uri": server.url("bench")},
    });
    let secrets: Api<Secret> = Api::namespaced(environment.client.clone(), "roster-system");
    secrets.patch(NAME, &PatchParams::apply("bench").force(), &Patch::Apply(&secret)).await?;
    let mut rounds = Vec::new();
    for number in 1..=size.rounds {
        rounds.push(round(environment, size, number, &server).await?);
    }
    let every = |value: fn(&(f64, f64, f64)) -> f64| rounds.iter().map(value).collect::<Vec<_>>();
    let ratios = every(|(converged, copy, baseline)| converged / (copy + baseline));
    let figure = format!("PostgreSQL: {} new members ÷ (COPY + baseline)", size.memberships);
    let row = Row::new("postgres-converge", figure, "", Target::AtMost(1.3), median(&ratios))
        .with("ratios", ratios)
        .with("converge_s", every(|(converged, ..)| *converged))
        .with("copy_s", every(|(_, copy, _)| *copy))
        .with("floor_s", every(|(.., baseline)| *baseline));
    Ok(vec![row])
}

/// Returns three durations in seconds: until all are Ready, of the COPY, and of the baseline.
async fn round(environment: &Environment, size: &Size, number: u32, server: &Server) -> Result<(f64, f64, f64)> {
    let client = &environment.client;
    progress(&format!("round {number}: creating {} memberships for PostgreSQL", size.memberships));
    server.run("DROP SCHEMA IF EXISTS bench CASCADE").await?;
    let accounts: Vec<String> = (0..size.accounts).map(|place| format!("{NAME}{place}")).collect();
    cluster::create_accounts_in(client, NAME, &accounts, &objects::postgres(NAME, "bench")).await?;
    let share = size.memberships / size.accounts;
    let members =
        (0..share).flat_map(|n| accounts.iter().map(move |account| objects::member(NAME, account, n, share / 4)));
    cluster::fill(client, NAME, members.collect()).await?;
    let watcher = MembershipWatcher::open(client).await?;
    let folder = environment.folder(NAME).await?;
    progress(&format!("round {number}: converging"));
    let started = Instant::now();
    let mut controller = Controller::start(environment, &folder)?;
    let converged = watcher.all_ready(size.memberships, PATIENCE).await? - started;
    controller.quiet().await?;
    controller.stop().await?;
    let copy = copy(&mut server.admin_connection().await).await?;
    progress(&format!("round {number}: baseline"));
    let baseline = baseline::baseline(client, NAME, baseline::best_concurrency(client, NAME).await?).await?;
    cluster::clear(client, NAME).await?;
    Ok((converged.as_secs_f64(), copy.as_secs_f64(), baseline.as_secs_f64()))
}

/// Writes the rows of all members by one committed COPY into a table like that of the store.
async fn copy(connection: &mut PgConnection) -> Result<Duration> {
    let rows: Vec<String> = sqlx::query_scalar(AssertSqlSafe(
        "SELECT concat_ws(E'\\t', account_id, email, coalesce(display_name, '\\N'), coalesce(external_id, '\\N'),
            coalesce(role, '\\N'), groups, ranks, coalesce(starts_at::text, '\\N'), coalesce(expires_at::text, '\\N'),
            coalesce(ended, '\\N')) FROM bench.members",
    ))
    .fetch_all(&mut *connection)
    .await?;
    sqlx::raw_sql("CREATE TABLE bench.copied (LIKE bench.members INCLUDING ALL)").execute(&mut *connection).await?;
    let text = rows.join("\n") + "\n";
    let started = Instant::now();
    let mut copy = connection.copy_in_raw("COPY bench.copied FROM STDIN").await?;
    copy.send(text.as_bytes()).await?;
    let copied = copy.finish().await?;
    let took = started.elapsed();
    anyhow::ensure!(copied == rows.len() as u64, "{copied} of {} rows", rows.len());
    Ok(took)
}
