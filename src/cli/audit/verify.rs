//! Implements `roster audit verify`: checks the hash chain of a store or of exported records. Called by `cli::audit`.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read as _},
    path::{Path, PathBuf},
};

use anyhow::Context as _;

use super::super::output::{counted, print};
use crate::store::{AuditCheck, AuditRecord, AuditReport, NoSecrets, StoreLocation};

/// Check that no record of an audit was changed, removed or moved
///
/// Reads a store's database, also while the controller runs, or the output of `roster audit export` (- is standard
/// input). Exit code: 0 the chain is complete; 1 the chain is broken, or a store that Roster has written has no record;
/// 2 the file cannot be read. The chain has no key. If you do not trust everybody who can write the file, keep the
/// printed head elsewhere and pass it with --head.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  roster audit verify roster-data/roster.db\n  roster audit export roster-data/roster.db | \
                  roster audit verify -\n  PGPASSWORD=… roster audit verify postgres://roster_writer@db.example/portal"
)]
pub struct Args {
    /// Database of an IdentityStore: an SQLite file, or `postgres://USER@HOST/DATABASE` (add `#SCHEMA` if the schema is
    /// not `roster`); or a file with exported records
    #[arg(value_name = "FILE|URL")]
    file: PathBuf,

    /// Hash that the last record must have, as printed earlier
    #[arg(long, value_name = "HASH", value_parser = head)]
    head: Option<String>,
}

fn head(text: &str) -> Result<String, String> {
    let hash = text.strip_prefix("sha256:").unwrap_or(text).to_ascii_lowercase();
    let fine = hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    if fine { Ok(hash) } else { Err("must be sha256: and 64 hexadecimal digits".to_owned()) }
}

pub async fn run(args: Args) -> anyhow::Result<u8> {
    let place = StoreLocation::from_argument(&args.file)?;
    let is_store = place.file().is_none() || is_database(&args.file)?;
    let report = if is_store {
        place.verify_audit(&NoSecrets).await?
    } else if args.file == Path::new("-") {
        exported(&mut io::stdin().lock(), &args.file)?
    } else {
        let file = File::open(&args.file).with_context(|| format!("cannot read {}", args.file.display()))?;
        exported(&mut BufReader::new(file), &args.file)?
    };
    // An export that failed writes nothing into a pipe.
    anyhow::ensure!(is_store || report.records > 0, "{}: there are no records", args.file.display());
    if is_store && report.is_whole() && report.records == 0 {
        let accounts = super::store::open(&place).await?.accounts().await?.len();
        if accounts > 0 {
            print(&emptied(accounts))?;
            return Ok(super::super::NO);
        }
    }
    print(&words(&report))?;
    if !report.is_whole() {
        return Ok(super::super::NO);
    }
    match args.head {
        Some(head) if head != report.head => {
            print(&format!("the last record does not have the hash sha256:{head}\n"))?;
            Ok(super::super::NO)
        }
        _ => Ok(super::super::OK),
    }
}

/// Returns the result of a check as text.
fn words(report: &AuditReport) -> String {
    if report.is_whole() && report.records == 1 {
        return format!("the audit is complete: 1 record, head sha256:{}\n", report.head);
    }
    format!("{report}\n")
}

/// Returns the message for an audit without records in a store that Roster has written: the records were removed.
fn emptied(accounts: usize) -> String {
    let accounts = counted(accounts, "account");
    format!("the audit is broken: it has no records, but the store has {accounts} that Roster has written\n")
}

fn is_database(path: &Path) -> anyhow::Result<bool> {
    if path == Path::new("-") {
        return Ok(false);
    }
    let mut start = Vec::new();
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    file.take(1).read_to_end(&mut start).with_context(|| format!("cannot read {}", path.display()))?;
    // Exported records begin with a brace. Any other file is opened as a store, which reports what is wrong with it.
    Ok(start != b"{")
}

/// Checks records, one per line.
fn exported(lines: &mut dyn BufRead, path: &Path) -> anyhow::Result<AuditReport> {
    let mut check = AuditCheck::default();
    for (number, line) in lines.lines().enumerate() {
        let place = || format!("{}:{}", path.display(), number + 1);
        let line = line.with_context(place)?;
        if line.trim().is_empty() {
            continue;
        }
        let Ok(record) = serde_json::from_str::<AuditRecord>(&line) else {
            anyhow::bail!("{}: not a record of an audit; `roster audit export` writes one record per line", place());
        };
        check.take(record);
    }
    Ok(check.report())
}
