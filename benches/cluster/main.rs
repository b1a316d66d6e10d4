//! `make bench`: the targets of docs/architecture.md "Speed", each measured as a ratio within one run.
//!
//! The release binary runs as a process of its own against a real API server, as a user with the same rights and the same
//! client as the bare requests it is compared with. docs/benchmarks.md says how each figure is measured.

#![allow(clippy::pedantic, reason = "a bench reads best as it stands; defects are still denied")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark ends by panicking")]

#[path = "../../tests/it/support/mod.rs"]
mod support;

#[path = "../../tests/it/contract/postgres/server.rs"]
#[allow(dead_code, reason = "the tests need more of it")]
mod postgres;

#[path = "../../tests/it/contract/keycloak/server.rs"]
#[allow(dead_code, reason = "the tests need more of it")]
mod keycloak;

mod baseline;
mod cluster;
mod controller;
mod environment;
mod objects;
mod report;
mod rows;
mod size;
mod store;
mod summary;
mod watcher;

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Parser;

use environment::Environment;
use report::Report;
use size::{Size, SizeName};

/// Same allocator as in the binary, so that both sides of a ratio are comparable.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measure Roster against the targets of its design
#[derive(Debug, Parser)]
struct Args {
    /// How much is measured
    #[arg(long, env = "ROSTER_BENCH_SIZE", value_enum, default_value = "full")]
    size: SizeName,
    /// Only these parts
    #[arg(long, env = "ROSTER_BENCH_PARTS", value_enum, value_delimiter = ',')]
    parts: Vec<Part>,
    /// Fail when a target is missed
    #[arg(long)]
    strict: bool,
    /// Where the figures go as JSON
    #[arg(long, default_value = "bench-results/bench.json")]
    json: std::path::PathBuf,
    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// The engine alone
    Engine,
    /// Manifests in files
    Files,
    /// Many memberships at once, in ten accounts
    Converge,
    /// Many memberships at once, in a PostgreSQL store
    Postgres,
    /// Many groups and users in a Keycloak store
    Keycloak,
    /// One large account: memory, restart, single changes
    Large,
    /// Verdicts of the admission webhook in a large account
    Authority,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let measured = runtime.block_on(async {
        tokio::select! {
            measured = measure(&args) => measured,
            _ = tokio::signal::ctrl_c() => bail!("interrupted"),
        }
    });
    match measured {
        Ok(report) if args.strict && !report.is_met() => ExitCode::from(1),
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

async fn measure(args: &Args) -> Result<Report> {
    let size = Size::named(args.size);
    let wants = |part| args.parts.is_empty() || args.parts.contains(&part);
    let mut report = Report::new(args.size, &size);
    if wants(Part::Engine) {
        report.extend(rows::engine::measure());
    }
    if wants(Part::Files) {
        report.extend(rows::files::measure(&size)?);
    }
    let in_cluster = [Part::Converge, Part::Postgres, Part::Keycloak, Part::Large, Part::Authority];
    if in_cluster.into_iter().any(wants) {
        let environment = Environment::set_up().await?;
        if wants(Part::Converge) {
            report.extend(rows::converge::measure(&environment, &size).await?);
        }
        if wants(Part::Postgres) {
            report.extend(rows::postgres::measure(&environment, &size).await?);
        }
        if wants(Part::Keycloak) {
            report.extend(rows::keycloak::measure(&environment, &size).await?);
        }
        if wants(Part::Large) {
            report.extend(rows::large::measure(&environment, &size).await?);
        }
        if wants(Part::Authority) {
            report.extend(rows::authority::measure(&environment, &size).await?);
        }
    }
    report.finish(&args.json)?;
    Ok(report)
}

/// Prints the current step to standard error.
fn progress(what: &str) {
    eprintln!("bench: {what}");
}
