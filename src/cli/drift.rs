//! Implements `roster drift`: compares stores with what Roster applied last. Called by `cli::run`.

use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    change::{self, Choices},
    input::{Input, ensure_some},
    output::{self, BOLD, DIM, Format, counted, formats, paint},
    target::{Target, absent},
};
use crate::{api::DriftEntry, report::drift_sentence};

/// Show changes that were made in the identity store outside Roster
///
/// Compares the store with what Roster applied last, independently of status and drift policies, and changes nothing. A
/// change of the objects that is not applied yet is not drift; see `roster plan`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  roster drift -f examples/store.yaml -f examples/secondary-users/
  roster drift -A --sqlite-dir /var/lib/roster -o json

Exit codes: 0 no drift; 1 drift; 2 error, for example a missing store.")]
pub struct Args {
    /// Output format. `wide` adds the stores, and `name` lists the accounts
    #[arg(short, long, value_name = "FORMAT", default_value = "text", value_parser = formats(FORMATS))]
    output: Format,

    #[command(flatten)]
    input: Input,

    #[command(flatten)]
    target: Target,
}

const FORMATS: &[Format] = &[Format::Text, Format::Wide, Format::Name, Format::Json, Format::Yaml];

/// Drift, as printed with `-o json`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Drift {
    /// `cli.roster.dev/v1`.
    api_version: &'static str,
    /// `Drift`.
    kind: &'static str,
    /// Whether there is drift.
    drifted: bool,
    /// Number of accounts that were checked.
    checked: usize,
    /// Accounts with drift.
    accounts: Vec<DriftedAccount>,
}

/// Drift in one account.
#[derive(Debug, Serialize, JsonSchema)]
struct DriftedAccount {
    /// `namespace/name`.
    account: String,
    /// Store of the account.
    store: String,
    /// Fields that differ.
    entries: Vec<DriftEntry>,
}

pub async fn run(args: Args) -> anyhow::Result<u8> {
    let now = super::now()?;
    let mut loaded = args.input.of_controller(&args.target.store_namespace).read_valid().await?;
    ensure_some(&loaded, loaded.accounts.is_empty(), "Account")?;
    let choices = Choices { only_drift: true, ..Choices::default() };
    let changes = change::gather(&mut loaded, &args.target, choices, now).await?;
    let checked = changes.works.len();
    changes.complain_of_missing_stores();
    anyhow::ensure!(checked > 0 || changes.without_store.is_empty(), "no account was compared");
    // A check of no accounts has no result.
    anyhow::ensure!(checked > 0, "{}", change::NO_ACCOUNT);
    if let Some(place) = changes.missing.first() {
        anyhow::bail!("{}: pass --store or --sqlite-dir", absent(place));
    }
    if let Some(work) = changes.works.iter().find(|work| work.plan.replaced) {
        let place = work.place.as_ref().map(ToString::to_string).unwrap_or_default();
        anyhow::bail!(
            "{place} is not the store used so far, so drift is unknown; see the reason StoreReplaced on the IdentityStore"
        );
    }
    let accounts = changes.works.iter().filter(|work| !work.plan.drift.is_empty()).map(|work| DriftedAccount {
        account: work.key.to_string(),
        store: work.place.as_ref().map(ToString::to_string).unwrap_or_default(),
        entries: work.plan.drift.iter().flat_map(|drift| drift.entries.clone()).collect(),
    });
    let accounts: Vec<DriftedAccount> = accounts.collect();
    let drifted = !accounts.is_empty();
    let drift = Drift { api_version: output::API_VERSION, kind: "Drift", drifted, checked, accounts };
    match args.output {
        Format::Json | Format::Yaml => output::print_data(args.output, &drift)?,
        Format::Name => output::print_names(drift.accounts.iter().map(|account| account.account.as_str()))?,
        format => output::print(&text(&drift, format == Format::Wide))?,
    }
    Ok(match (changes.without_store.is_empty(), drifted) {
        (false, _) => super::FAILED,
        (true, true) => super::NO,
        (true, false) => super::OK,
    })
}

fn text(drift: &Drift, wide: bool) -> String {
    let checked = counted(drift.checked, "account");
    if !drift.drifted {
        return format!("No drift: the store matches what was applied ({checked}).\n");
    }
    let mut out = String::new();
    for account in &drift.accounts {
        let store = if wide { paint(DIM, format!("  in {}", account.store)) } else { String::new() };
        let _ = writeln!(out, "{}{store}", paint(BOLD, &account.account));
        for entry in &account.entries {
            out += &output::wrap("  ", 2, &drift_sentence(entry));
        }
        out.push('\n');
    }
    let fields: usize = drift.accounts.iter().map(|account| account.entries.len()).sum();
    out + &format!("{} in {} of {checked}.\n", counted(fields, "difference"), drift.accounts.len())
}
