//! `sql FILE STATEMENT [--plain]`: queries the database of a store and prints a table, so that the demo needs no other
//! program. `--plain` prints values only, separated by tabs.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteRow};
use sqlx::{AssertSqlSafe, Column as _, ConnectOptions as _, Row as _, SqliteConnection};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let plain = arguments.iter().any(|argument| argument == "--plain");
    let [file, statement] = &arguments.into_iter().filter(|argument| argument != "--plain").collect::<Vec<_>>()[..]
    else {
        eprintln!("usage: sql FILE STATEMENT [--plain]");
        return ExitCode::from(2);
    };
    match run(file, statement, plain) {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn run(file: &str, statement: &str, plain: bool) -> anyhow::Result<String> {
    let options = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(false)
        .busy_timeout(Duration::from_secs(5))
        .disable_statement_logging();
    let mut connection: SqliteConnection = options.connect().await.with_context(|| format!("cannot open {file}"))?;
    let asked = sqlx::query(AssertSqlSafe(statement.to_owned())).fetch_all(&mut connection).await;
    let rows = asked.map_err(|error| match error.as_database_error() {
        Some(refused) => anyhow::anyhow!(refused.message().to_owned()),
        None => error.into(),
    })?;
    let mut lines: Vec<Vec<String>> = rows.iter().map(values).collect();
    if plain {
        return Ok(lines.iter().map(|line| line.join("\t") + "\n").collect());
    }
    if let Some(first) = rows.first() {
        lines.insert(0, first.columns().iter().map(|column| column.name().to_owned()).collect());
    }
    Ok(table(&lines))
}

/// Reads a value as text; SQLite converts every value.
fn values(row: &SqliteRow) -> Vec<String> {
    let text = |at| row.try_get_unchecked::<Option<String>, _>(at).ok().flatten().unwrap_or_default();
    (0..row.len()).map(text).collect()
}

fn table(lines: &[Vec<String>]) -> String {
    let columns = lines.first().map_or(0, Vec::len);
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |line: &Vec<String>| {
        let cells: Vec<String> = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        format!("  {}\n", cells.join("  ").trim_end())
    };
    lines.iter().map(line).collect()
}
