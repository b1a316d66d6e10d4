//! Appends to the audit of a store, reads it, and checks it. Called by `write` and by the SQL stores.

use serde_json::{Value, json};

use super::session::{Cells, Read, Session, Write};
use crate::contract::{AuditChain, AuditEntry, AuditFault, AuditLink, AuditQuery, AuditRecord, AuditReport, hex};

/// Records written by one statement.
const CHUNK: usize = 2_000;

/// Appends records to the chain.
pub(super) async fn append(session: &mut dyn Session, entries: Vec<AuditEntry>) -> Result<(), sqlx::Error> {
    if entries.is_empty() {
        return Ok(());
    }
    // Without a head the chain cannot continue: a trigger refuses the record, and with it the change.
    let mut chain = head(session).await?.unwrap_or(AuditChain::EMPTY);
    let mut entries = entries.into_iter().peekable();
    while entries.peek().is_some() {
        let rows: Vec<Value> = entries.by_ref().take(CHUNK).map(|entry| row(&chain.append(entry))).collect();
        session.write(Write::Audit(&rows)).await?;
    }
    Ok(())
}

fn row(link: &AuditLink) -> Value {
    let entry = &link.entry;
    json!([
        link.seq,
        entry.at,
        entry.account,
        entry.kind,
        entry.name,
        entry.cause,
        entry.before,
        entry.after,
        entry.origin,
        entry.epoch,
        i64::from(entry.counted),
        hex(&link.previous),
        hex(&link.hash),
    ])
}

async fn head(session: &mut dyn Session) -> Result<Option<AuditChain>, sqlx::Error> {
    let mut head = None;
    let mut take = |row: &dyn Cells| {
        let hash = row.bytes(1)?.unwrap_or_default();
        head = Some(AuditChain { seq: row.integer(0)?.unwrap_or_default(), hash: hash.try_into().unwrap_or_default() });
        Ok(())
    };
    session.each(Read::AuditHead, &mut take).await?;
    Ok(head)
}

/// Checks the audit from its first record to its last. The session must be a transaction with one consistent snapshot,
/// so that head and records are of the same moment.
pub(in crate::store) async fn verify(session: &mut dyn Session) -> Result<AuditReport, sqlx::Error> {
    let mut chain = AuditChain::EMPTY;
    let mut fault = None;
    let mut take = |row: &dyn Cells| {
        if fault.is_none() {
            let next =
                record(row)?.map_or_else(|seq| Err(AuditFault::Modified { seq }), |record| chain.follow(&record));
            fault = next.err();
        }
        Ok(())
    };
    session.each(Read::Audit, &mut take).await?;
    if fault.is_none() {
        fault = chain.ends_at(head(session).await?.as_ref()).err();
    }
    Ok(AuditReport::new(&chain, fault))
}

/// Returns the records that match a query, oldest first.
pub(in crate::store) async fn query(
    session: &mut dyn Session,
    query: &AuditQuery,
) -> Result<Vec<AuditRecord>, sqlx::Error> {
    let mut records = Vec::new();
    let mut take = |row: &dyn Cells| {
        // Skips records that we cannot have written: the check of the chain reports them.
        if let Ok(record) = record(row)? {
            records.push(AuditRecord::new(record));
        }
        Ok(())
    };
    session.each(Read::Asked(query), &mut take).await?;
    if query.newest {
        records.reverse();
    }
    Ok(records)
}

/// Reads a record; `Err` with its number if we cannot have written it.
fn record(row: &dyn Cells) -> Result<Result<AuditLink, i64>, sqlx::Error> {
    let seq = row.integer(0)?.unwrap_or_default();
    let text = |column| row.text(column).map(Option::unwrap_or_default);
    let (previous, hash) = (row.bytes(11)?.unwrap_or_default(), row.bytes(12)?.unwrap_or_default());
    let (Ok(previous), Ok(hash)) = (previous.try_into(), hash.try_into()) else { return Ok(Err(seq)) };
    let counted = row.integer(10)?.unwrap_or_default();
    let entry = AuditEntry {
        at: row.integer(1)?.unwrap_or_default(),
        account: text(2)?,
        kind: text(3)?,
        name: text(4)?,
        cause: text(5)?,
        before: row.text(6)?,
        after: row.text(7)?,
        origin: row.text(8)?,
        epoch: row.integer(9)?.unwrap_or_default(),
        counted: counted == 1,
    };
    if counted != i64::from(entry.counted) {
        return Ok(Err(seq));
    }
    Ok(Ok(AuditLink { seq, entry, previous, hash }))
}
