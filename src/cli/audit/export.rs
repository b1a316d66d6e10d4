//! Implements `roster audit export`: writes all records as JSON lines or CSV. Called by `cli::audit`.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use anyhow::Context as _;

use super::super::output::{Format, Table, complain, counted, formats};
use crate::store::{AuditQuery, AuditRecord, StoreLocation};

/// Number of records in memory at a time.
const PAGE: u32 = 5_000;

/// Write all records of an audit with their hashes, to keep and verify them elsewhere
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  roster audit export roster-data/roster.db --to audit.jsonl\n  roster audit export \
                  roster-data/roster.db -o csv --to audit.csv"
)]
pub struct Args {
    /// Database of an IdentityStore: an SQLite file, or `postgres://USER@HOST/DATABASE` (add `#SCHEMA` if the schema is
    /// not `roster`; the password is in the URL, PGPASSWORD or PGPASSFILE)
    #[arg(value_name = "FILE|URL")]
    store: PathBuf,

    /// Output format: JSON with one record per line, for `roster audit verify`, or CSV for a spreadsheet
    #[arg(short, long, value_name = "FORMAT", default_value = "jsonl", value_parser = formats(&[Format::Jsonl, Format::Csv]))]
    output: Format,

    /// Write to this file [default: standard output]
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
}

pub async fn run(args: Args) -> anyhow::Result<u8> {
    let store = super::store::open(&StoreLocation::from_argument(&args.store)?).await?;
    if let Some(to) = args.to.as_deref().filter(|to| is_part_of(to, &args.store)) {
        anyhow::bail!("--to {}: this is the store itself", to.display());
    }
    let mut out: Box<dyn Write + Send> = match &args.to {
        Some(path) => Box::new(File::create(path).with_context(|| format!("cannot write {}", path.display()))?),
        None => Box::new(io::stdout()),
    };
    let mut query = AuditQuery { limit: PAGE, ..AuditQuery::default() };
    let mut count = 0;
    let mut head = String::new();
    loop {
        let records = store.audit(&query).await?;
        let Some(last) = records.last() else { break };
        (query.after, head) = (last.seq, last.hash.clone());
        let text = match args.output {
            Format::Csv => csv(&records, count == 0),
            _ => jsonl(&records)?,
        };
        match BufWriter::new(&mut out).write_all(text.as_bytes()) {
            // The reading process has closed the pipe.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(super::super::OK),
            written => written.context("cannot write the records")?,
        }
        count += records.len();
    }
    out.flush().context("cannot write the records")?;
    let records = counted(count, "record");
    if count > 0 {
        complain(format!("{records}, head sha256:{head}: keep the head elsewhere to detect missing records"));
    } else {
        complain(records);
    }
    Ok(super::super::OK)
}

/// Returns whether a file is the database, or one of SQLite's files next to it.
fn is_part_of(file: &Path, database: &Path) -> bool {
    let Ok(database) = database.canonicalize() else { return false };
    let beside = |end: &str| PathBuf::from([database.as_os_str(), OsStr::new(end)].into_iter().collect::<OsString>());
    file.canonicalize().is_ok_and(|file| ["", "-wal", "-shm", "-journal"].iter().any(|end| beside(end) == file))
}

fn jsonl(records: &[AuditRecord]) -> anyhow::Result<String> {
    let mut text = String::new();
    for record in records {
        text.push_str(&serde_json::to_string(record)?);
        text.push('\n');
    }
    Ok(text)
}

fn csv(records: &[AuditRecord], headings: bool) -> String {
    let mut table = Table::new([
        "seq", "at", "account", "kind", "name", "cause", "before", "after", "origin", "epoch", "counted", "previous",
        "hash",
    ]);
    for record in records {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        table.row([
            record.seq.to_string(),
            record.at.to_string(),
            record.account.clone(),
            record.kind.clone(),
            record.name.clone(),
            record.cause.clone(),
            text(&record.before),
            text(&record.after),
            text(&record.origin),
            record.epoch.to_string(),
            record.counted.to_string(),
            record.previous.clone(),
            record.hash.clone(),
        ]);
    }
    let csv = table.csv();
    if headings { csv } else { csv.split_once("\r\n").map_or_else(String::new, |(_, rows)| rows.to_owned()) }
}
