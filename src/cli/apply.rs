//! Implements `roster apply`: plans files against a store, asks, and applies the changes. Called by `cli::run`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    io::{self, BufRead as _, IsTerminal as _, Write as _},
    sync::Arc,
};

use anyhow::{Context as _, bail, ensure};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    change::{self, Changes, Choices, Compares, Report, Revisions, Work},
    input::Input,
    output::{self, BAD, Format, GOOD, counted, formats, paint},
    target::Target,
};
use crate::{
    manifests::LoadedObjects,
    store::{Batch, Claim, Epoch, Store, StoreLocation},
};

/// Apply files to an identity store, without a cluster
///
/// Shows the plan, asks for confirmation and applies the changes. The command is idempotent, and safe to repeat after a
/// crash. If one object fails, the others are still applied. The command refuses a store that is managed by a cluster's
/// controller. With --store, the files need no IdentityStore.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  roster apply -f examples/store.yaml -f examples/secondary-users/
  roster apply -f examples/secondary-users/ --store roster.db --yes

Exit codes: 0 success; 1 some changes failed or are held back; 2 error, or not confirmed.")]
pub struct Args {
    /// Do not ask for confirmation; required without a terminal
    #[arg(short, long)]
    yes: bool,

    /// Remove accounts that were applied from files before and are not in these files
    #[arg(long)]
    prune: bool,

    /// Approve the held removals with this hash
    #[arg(long, value_name = "HASH")]
    approve: Vec<String>,

    /// Show long lists in full
    #[arg(long)]
    all: bool,

    /// Output format. `wide` shows long lists in full. `name`, JSON and YAML show the applied changes
    #[arg(short, long, value_name = "FORMAT", default_value = "text", value_parser = formats(FORMATS))]
    output: Format,

    #[command(flatten)]
    input: Input,

    #[command(flatten)]
    target: Target,
}

const FORMATS: &[Format] = &[Format::Text, Format::Wide, Format::Name, Format::Json, Format::Yaml];

/// Failures that are listed; JSON has all.
const SHOWN: usize = 20;

/// Result of `roster apply`, as printed with `-o json`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Applied {
    /// `cli.roster.dev/v1`.
    api_version: &'static str,
    /// `Applied`.
    kind: &'static str,
    /// Changes made.
    made: usize,
    /// Changes that failed.
    failed: Vec<Failed>,
    /// The plan that was applied.
    plan: Report,
}

/// A change that failed.
#[derive(Debug, Serialize, JsonSchema)]
struct Failed {
    /// `namespace/name`.
    account: String,
    /// Object in the store, such as `member dana@acme.example`.
    object: String,
    /// Error of the store.
    message: String,
}

pub async fn run(args: Args) -> anyhow::Result<u8> {
    ensure!(
        args.input.is_files(),
        "name the files with -f; `roster apply` does not work on a cluster, where the controller applies the objects"
    );
    let now = super::now()?;
    let mut loaded = args.input.read_valid().await?;
    let choices = Choices { approved: &args.approve, prune: args.prune, only_drift: false };
    let changes = change::gather(&mut loaded, &args.target, choices, now).await?;
    if let Some(place) = changes.clusters.first() {
        bail!("{place} is managed by a cluster's controller: apply the objects to that cluster, or use another store");
    }
    check_approvals(&changes, &args.approve)?;
    let report = Report::new(&loaded, &changes, Compares::Store, Revisions::default(), now);
    let is_text = matches!(args.output, Format::Text | Format::Wide);
    if is_text {
        output::print(&report.text(args.all || args.output == Format::Wide))?;
    }
    let work = changes.works.iter().any(|work| !work.plan.changes.is_empty());
    if work && !args.yes {
        confirm()?;
        let again = change::gather(&mut loaded, &args.target, choices, now).await?;
        let same = std::iter::zip(&again.works, &changes.works).all(|(one, other)| one.plan == other.plan);
        ensure!(same, "the store has changed since the plan was shown; run the command again");
    }
    let (applied, failed) = apply(&loaded, &args.target, &changes, now).await?;
    // A caller that checks only the exit code must not believe that access was revoked when it was not.
    let code = if failed.is_empty() && !report.is_held_back() { super::OK } else { super::NO };
    let (api_version, kind) = (output::API_VERSION, "Applied");
    match args.output {
        Format::Text | Format::Wide => output::print(&summary(work, report.waits, applied, &failed))?,
        Format::Name => output::print_names(report.changed())?,
        format => output::print_data(format, &Applied { api_version, kind, made: applied, failed, plan: report })?,
    }
    Ok(code)
}

/// Refuses an approval that matches no held removals: it is a mistake, or the removals have changed since.
fn check_approvals(changes: &Changes, hashes: &[String]) -> anyhow::Result<()> {
    let guarded = changes.works.iter().filter_map(|work| work.plan.guarded.as_ref());
    let waiting: Vec<&str> = guarded.map(|guarded| guarded.hash.as_str()).collect();
    let approves = changes.works.iter().any(|work| work.plan.approved().next().is_some());
    if let (Some(hash), false) = (hashes.first(), approves) {
        let known = if waiting.is_empty() { "nothing is held back".to_owned() } else { waiting.join(", ") };
        bail!("--approve {hash}: no held removals have this hash; held back: {known}");
    }
    Ok(())
}

fn confirm() -> anyhow::Result<()> {
    let terminal = io::stdin().is_terminal() && io::stderr().is_terminal();
    ensure!(terminal, "nothing was changed: there is no terminal for confirmation; pass `--yes`");
    eprint!("\nApply these changes? Only `yes` is accepted: ");
    io::stderr().flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).context("cannot read the answer")?;
    ensure!(answer.trim() == "yes", "nothing was changed");
    Ok(())
}

/// Applies the changes; returns the number of applied ones, and the failed ones.
async fn apply(
    loaded: &LoadedObjects,
    target: &Target,
    changes: &Changes,
    now: Timestamp,
) -> anyhow::Result<(usize, Vec<Failed>)> {
    let claim = Claim::whole(Epoch(now.as_microsecond()));
    let works: Vec<&Work> = changes.works.iter().filter(|work| !work.plan.changes.is_empty()).collect();
    let mut stores: BTreeMap<StoreLocation, Arc<dyn Store>> = BTreeMap::new();
    let (mut applied, mut failed) = (0, Vec::new());
    for (number, work) in works.iter().enumerate() {
        let Some(place) = &work.place else { continue };
        progress(&format!("applying {} ({}/{})", work.key, number + 1, works.len()));
        if !stores.contains_key(place) {
            stores.insert(place.clone(), open(loaded, target, place).await?);
        }
        let Some(store) = stores.get(place) else { continue };
        let plan = &work.plan;
        let batch = Batch::of(plan, &work.mark, now);
        let outcomes = store.apply(&batch, claim).await;
        for (change, outcome) in std::iter::zip(&plan.changes, outcomes) {
            match outcome {
                Ok(()) => applied += 1,
                Err(error) => failed.push(Failed {
                    account: work.key.to_string(),
                    object: change.object.to_string(),
                    message: error.to_string(),
                }),
            }
        }
    }
    progress("");
    for store in stores.values() {
        store.close().await;
    }
    Ok((applied, failed))
}

/// Opens a store for writing. Creates the default folder of stores if it does not exist.
async fn open(loaded: &LoadedObjects, target: &Target, place: &StoreLocation) -> anyhow::Result<Arc<dyn Store>> {
    if target.store.is_none() && place.file().is_some() && !loaded.accounts.is_empty() {
        let folder = &target.sqlite_dir;
        fs::create_dir_all(folder).with_context(|| format!("cannot create the folder {}", folder.display()))?;
    }
    let store = target.open(loaded, place).await?;
    // Checked again: the store is open now, so no other process can have created it in between.
    let theirs: BTreeSet<_> = store.accounts().await?.into_iter().filter(crate::plan::Mark::is_clusters).collect();
    ensure!(theirs.is_empty(), "{place} is managed by a cluster's controller");
    Ok(store)
}

/// Prints a line over the previous one, if standard error is a terminal.
fn progress(line: &str) {
    if io::stderr().is_terminal() {
        eprint!("\r\u{1b}[2K{line}");
        // Progress is only a convenience; an error does not matter.
        let _ = io::stderr().flush();
    }
}

fn summary(work: bool, waits: bool, applied: usize, failed: &[Failed]) -> String {
    if !work {
        let nothing = if waits { "No changes were made: all of them are held back." } else { "Nothing to do." };
        return format!("{nothing}\n");
    }
    let mut text = format!("{}\n", paint(GOOD, format!("Applied {}.", counted(applied, "change"))));
    if waits {
        text += "Some changes are held back and were not made.\n";
    }
    if !failed.is_empty() {
        let _ = writeln!(text, "{}", paint(BAD, format!("{} failed:", counted(failed.len(), "change"))));
        for one in failed.iter().take(SHOWN) {
            let _ = writeln!(text, "  {} {}: {}", one.account, one.object, one.message);
        }
        if failed.len() > SHOWN {
            let _ = writeln!(text, "  … and {} more", failed.len() - SHOWN);
        }
    }
    text
}
