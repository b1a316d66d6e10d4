//! The audit in the file: appending to it, and checking it.

use std::{path::Path, time::Duration};

use futures::TryStreamExt;
use jiff::Timestamp;
use serde_json::{Value, json};
use sqlx::{ConnectOptions, Connection, Row, SqliteConnection, sqlite::SqliteConnectOptions, sqlite::SqliteRow};

use super::{error::classify, open::owner, read::text};
use crate::{
    model::AccountKey,
    store::{
        AuditQuery, AuditRecord, StoreError,
        sql::{AuditFault, AuditReport, Audited, Chain, Record, hex},
    },
};

/// Records written by one statement.
const CHUNK: usize = 2_000;

/// Appends records to the chain.
pub(super) async fn append(connection: &mut SqliteConnection, audited: Vec<Audited>) -> Result<(), sqlx::Error> {
    const SQL: &str = "
        INSERT INTO audit (seq, at, account, kind, name, cause, before, after, origin, epoch, counted, previous, hash)
        SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7,
            value ->> 8, value ->> 9, value ->> 10, unhex(value ->> 11), unhex(value ->> 12) FROM json_each(?1)";
    if audited.is_empty() {
        return Ok(());
    }
    // Without a head the chain cannot go on: the trigger refuses the record, and with it the change.
    let mut chain = head(&mut *connection).await?.unwrap_or(Chain::EMPTY);
    let mut audited = audited.into_iter().peekable();
    while audited.peek().is_some() {
        let rows: Vec<Value> = audited.by_ref().take(CHUNK).map(|audited| row(&chain.append(audited))).collect();
        sqlx::query(SQL).bind(Value::from(rows).to_string()).execute(&mut *connection).await?;
    }
    Ok(())
}

fn row(record: &Record) -> Value {
    let audited = &record.audited;
    json!([
        record.seq,
        audited.at,
        audited.account,
        audited.kind,
        audited.name,
        audited.cause,
        audited.before,
        audited.after,
        audited.origin,
        audited.epoch,
        i64::from(audited.counted),
        hex(&record.previous),
        hex(&record.hash),
    ])
}

async fn head(connection: &mut SqliteConnection) -> Result<Option<Chain>, sqlx::Error> {
    let row: Option<(i64, Vec<u8>)> =
        sqlx::query_as("SELECT seq, hash FROM audit_head").fetch_optional(connection).await?;
    Ok(row.map(|(seq, hash)| Chain { seq, hash: hash.try_into().unwrap_or_default() }))
}

/// Checks the audit of the store in `file`, from its first record to its last; also while the controller runs.
///
/// # Errors
/// When the file cannot be read, or is no store. What is wrong with the audit itself is in the report.
pub async fn verify_audit(file: &Path) -> Result<AuditReport, StoreError> {
    let failed = |error: sqlx::Error| classify(&format!("{}: checking the audit", file.display()), &error);
    let options = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(false)
        .read_only(true)
        .busy_timeout(Duration::from_secs(5))
        .disable_statement_logging();
    let mut connection = options.connect().await.map_err(failed)?;
    if !owner(&mut connection, file).await? {
        return Err(StoreError::Invalid(format!("{}: it is empty, and no store", file.display())));
    }
    let report = verified(&mut connection).await.map_err(failed)?;
    connection.close().await.map_err(failed)?;
    Ok(report)
}

/// The records asked for, oldest first.
pub(super) async fn query(
    connection: &mut SqliteConnection,
    query: &AuditQuery,
) -> Result<Vec<AuditRecord>, sqlx::Error> {
    macro_rules! ordered {
        ($order:literal) => {
            concat!(
                "SELECT * FROM audit
        WHERE seq > ?1 AND (?2 IS NULL OR account = ?2) AND (?3 IS NULL OR (kind = 'member' AND name = ?3))
            AND (?4 IS NULL OR kind = ?4) AND (?5 IS NULL OR cause = ?5) AND (?6 IS NULL OR at >= ?6)
            AND (?7 IS NULL OR at < ?7)
        ORDER BY seq ",
                $order,
                " LIMIT ?8"
            )
        };
    }
    let sql = if query.newest { ordered!("DESC") } else { ordered!("ASC") };
    let rows = sqlx::query(sql)
        .bind(query.after)
        .bind(query.account.as_ref().map(AccountKey::to_string))
        .bind(query.who.as_ref().map(ToString::to_string))
        .bind(query.kind.as_deref())
        .bind(query.cause.as_deref())
        .bind(query.since.map(Timestamp::as_microsecond))
        .bind(query.until.map(Timestamp::as_microsecond))
        .bind(i64::from(query.limit))
        .fetch_all(connection)
        .await?;
    let mut records = Vec::with_capacity(rows.len());
    for row in &rows {
        // What cannot have been written by us is left to the check of the chain to tell.
        if let Ok(record) = record(row)? {
            records.push(AuditRecord::new(record));
        }
    }
    if query.newest {
        records.reverse();
    }
    Ok(records)
}

async fn verified(connection: &mut SqliteConnection) -> Result<AuditReport, sqlx::Error> {
    // One transaction: head and records are of the same moment.
    let mut transaction = connection.begin().await?;
    let mut chain = Chain::EMPTY;
    let mut fault = None;
    {
        let mut rows = sqlx::query("SELECT * FROM audit ORDER BY seq").fetch(&mut *transaction);
        while let Some(row) = rows.try_next().await? {
            let next =
                record(&row)?.map_or_else(|seq| Err(AuditFault::Modified { seq }), |record| chain.follow(&record));
            if let Err(broken) = next {
                fault = Some(broken);
                break;
            }
        }
    }
    if fault.is_none() {
        fault = chain.ends_at(head(&mut transaction).await?.as_ref()).err();
    }
    transaction.rollback().await?;
    Ok(AuditReport::new(&chain, fault))
}

/// A record, or the number of one that cannot have been written by us.
fn record(row: &SqliteRow) -> Result<Result<Record, i64>, sqlx::Error> {
    let seq = row.try_get("seq")?;
    let column = |name: &str| text(row, name);
    let (previous, hash): (Vec<u8>, Vec<u8>) = (row.try_get("previous")?, row.try_get("hash")?);
    let (Ok(previous), Ok(hash)) = (previous.try_into(), hash.try_into()) else { return Ok(Err(seq)) };
    let counted: i64 = row.try_get("counted")?;
    let audited = Audited {
        at: row.try_get("at")?,
        account: column("account")?.unwrap_or_default(),
        kind: column("kind")?.unwrap_or_default(),
        name: column("name")?.unwrap_or_default(),
        cause: column("cause")?.unwrap_or_default(),
        before: column("before")?,
        after: column("after")?,
        origin: column("origin")?,
        epoch: row.try_get("epoch")?,
        counted: counted == 1,
    };
    if counted != i64::from(audited.counted) {
        return Ok(Err(seq));
    }
    Ok(Ok(Record { seq, audited, previous, hash }))
}
