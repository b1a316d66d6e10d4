//! Implements `roster audit query`: prints the newest records of an audit. Called by `cli::audit`.

use std::path::PathBuf;

use anyhow::Context as _;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    super::{
        output::{API_VERSION, Format, Table, complain, counted, formats, print, print_data, print_names},
        people::email,
        period::{When, when},
    },
    changes::{AuditAction, FieldChange, changes, text},
};
use crate::{
    model::{AccountKey, Email},
    store::{AuditQuery, AuditRecord, StoreLocation},
};

/// Show who gained or lost what, when, and which object caused it
///
/// Shows the newest records, the newest at the end. Exit code: 0 there are records; 1 there is none.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  roster audit query roster-data/roster.db --since 7d\n  roster audit query \
                  roster-data/roster.db --who dana@acme.example --limit 5\n  roster audit query roster-data/roster.db \
                  --cause drift -o json")]
pub struct Args {
    /// Database of an IdentityStore: an SQLite file, or `postgres://USER@HOST/DATABASE` (add `#SCHEMA` if the schema is
    /// not `roster`; the password is in the URL, PGPASSWORD or PGPASSFILE)
    #[arg(value_name = "FILE|URL")]
    store: PathBuf,

    /// Show only records of this account
    #[arg(long, value_name = "NS/NAME", value_parser = account)]
    account: Option<AccountKey>,

    /// Show only records of this person
    #[arg(long, value_name = "EMAIL", value_parser = email)]
    who: Option<Email>,

    /// Show only records of this kind
    #[arg(long, value_enum)]
    kind: Option<Kind>,

    /// Show only records with this cause
    #[arg(long, value_enum)]
    cause: Option<Cause>,

    /// Show only records since: a date, an RFC 3339 time, or a duration ago
    #[arg(long, value_name = "WHEN", value_parser = when)]
    since: Option<When>,

    /// Show only records before: a date, an RFC 3339 time, or a duration ago
    #[arg(long, value_name = "WHEN", value_parser = when)]
    until: Option<When>,

    /// Maximum number of records; the newest are shown
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,

    /// Output format. `wide` adds the number of each record and its writer, and `name` lists the objects
    #[arg(short, long, value_name = "FORMAT", default_value = "text", value_parser = formats(FORMATS))]
    output: Format,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Kind {
    Account,
    Role,
    Group,
    Member,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Cause {
    Spec,
    Drift,
    Adoption,
    Unwanted,
    Unmanaged,
    AccountDeleted,
    SectionsChanged,
}

const FORMATS: &[Format] = &[Format::Text, Format::Wide, Format::Name, Format::Json, Format::Yaml];

/// Parses `namespace/name` for clap.
fn account(text: &str) -> Result<AccountKey, String> {
    AccountKey::parse(text).ok_or_else(|| "must be NAMESPACE/NAME".to_owned())
}

/// Records, as printed with `-o json`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct AuditList {
    api_version: &'static str,
    kind: &'static str,
    records: Vec<Entry>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Entry {
    #[serde(flatten)]
    record: AuditRecord,
    action: AuditAction,
    changes: Vec<FieldChange>,
}

pub async fn run(args: Args) -> anyhow::Result<u8> {
    let now = super::super::now()?;
    let name =
        |value: &dyn Fn() -> Option<clap::builder::PossibleValue>| value().map(|value| value.get_name().to_owned());
    let query = AuditQuery {
        account: args.account,
        who: args.who,
        kind: args.kind.and_then(|kind| name(&|| clap::ValueEnum::to_possible_value(&kind))),
        cause: args.cause.and_then(|cause| name(&|| clap::ValueEnum::to_possible_value(&cause))),
        since: args.since.map(|since| since.instant(now)),
        until: args.until.map(|until| until.instant(now)),
        // One record more than requested, to find out whether there are more.
        limit: args.limit.saturating_add(1),
        newest: true,
        ..AuditQuery::default()
    };
    let place = StoreLocation::from_argument(&args.store)?;
    let store = super::store::open(&place).await?;
    let mut records = store.audit(&query).await.with_context(|| format!("cannot read {place}"))?;
    let most = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let more = records.len() > most;
    if more {
        records.remove(0);
    }
    let found = if records.is_empty() { super::super::NO } else { super::super::OK };
    match args.output {
        Format::Json | Format::Yaml => {
            let entry =
                |record: AuditRecord| Entry { action: AuditAction::of(&record), changes: changes(&record), record };
            let records = records.into_iter().map(entry).collect();
            print_data(args.output, &AuditList { api_version: API_VERSION, kind: "AuditList", records })?;
        }
        Format::Name => {
            let names: Vec<String> = records.iter().map(|one| format!("{} {}", one.account, object(one))).collect();
            print_names(names.iter().map(String::as_str))?;
        }
        _ if records.is_empty() => print("no records\n")?,
        format => {
            let table = if format == Format::Wide { wide(&records) } else { table(&records, query.account.is_none()) };
            print(&table.text())?;
            if more {
                complain(format!("the newest {}; more with --limit", counted(records.len(), "record")));
            }
        }
    }
    Ok(found)
}

/// Returns the records as a table.
pub fn table(records: &[AuditRecord], with_account: bool) -> Table {
    let mut headings = vec!["time", "object", "change", "why"];
    if with_account {
        headings.insert(1, "account");
    }
    let mut table = Table::new(headings);
    for record in records {
        let mut row =
            vec![record.at.strftime("%Y-%m-%d %H:%M:%S").to_string(), object(record), text(record), why(record)];
        if with_account {
            row.insert(1, record.account.clone());
        }
        table.row(row);
    }
    table
}

/// Returns the records as a table without former and new values.
fn wide(records: &[AuditRecord]) -> Table {
    let mut table = Table::new(["seq", "time", "account", "object", "change", "why", "epoch"]).numbers(&[0, 6]);
    for record in records {
        table.row([
            record.seq.to_string(),
            record.at.to_string(),
            record.account.clone(),
            object(record),
            text(record),
            why(record),
            record.epoch.to_string(),
        ]);
    }
    table
}

/// Returns the object of a record; for a member, the address.
pub fn object(record: &AuditRecord) -> String {
    match record.kind.as_str() {
        "member" => record.name.clone(),
        "account" => "account".to_owned(),
        kind => format!("{kind} {}", record.name),
    }
}

/// Returns cause and origin of a record as text.
pub fn why(record: &AuditRecord) -> String {
    match &record.origin {
        Some(origin) => format!("{}: {}", record.cause, origin.trim_end_matches("@0")),
        None => record.cause.clone(),
    }
}
