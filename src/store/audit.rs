//! Reading a store's audit: what is asked, what a record tells, and checking records that were taken elsewhere.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

#[cfg(any(feature = "sqlite", feature = "postgres"))]
use super::{
    AuditFault, AuditReport, hex,
    sql::{Audited, Chain, Record},
};
use crate::model::{AccountKey, Email};

/// Which records of an audit. What is not asked for is not looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditQuery {
    /// Of this account.
    pub account: Option<AccountKey>,
    /// Of this member.
    pub who: Option<Email>,
    /// Of this kind: `account`, `role`, `group` or `member`.
    pub kind: Option<String>,
    /// With this cause, as `spec` or `drift`.
    pub cause: Option<String>,
    /// Not older.
    pub since: Option<Timestamp>,
    /// Older.
    pub until: Option<Timestamp>,
    /// With a higher number.
    pub after: i64,
    /// At most so many: see [`Self::newest`].
    pub limit: u32,
    /// Whether the limit keeps the newest, not the oldest. Whichever it keeps, they come oldest first.
    pub newest: bool,
}

impl Default for AuditQuery {
    fn default() -> Self {
        Self {
            account: None,
            who: None,
            kind: None,
            cause: None,
            since: None,
            until: None,
            after: 0,
            limit: u32::MAX,
            newest: false,
        }
    }
}

/// One record: what was there of an object, what is there since, why, and its place in the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AuditRecord {
    /// From 1, without gaps.
    pub seq: i64,
    /// When, to the microsecond.
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// The account, `namespace/name`.
    pub account: String,
    /// `account`, `role`, `group` or `member`.
    pub kind: String,
    /// Name of the object; empty for the account itself.
    pub name: String,
    /// Why.
    pub cause: String,
    /// JSON of what was there, to the letter.
    pub before: Option<String>,
    /// JSON of what is there since, to the letter.
    pub after: Option<String>,
    /// The object whose generation caused it.
    pub origin: Option<String>,
    /// The leader's term.
    pub epoch: i64,
    /// Whether the removal guard counts it.
    pub counted: bool,
    /// Hash of the record before, hexadecimal.
    pub previous: String,
    /// Hash over all of this, hexadecimal.
    pub hash: String,
}

#[cfg(any(feature = "sqlite", feature = "postgres"))]
impl AuditRecord {
    pub(super) fn new(record: Record) -> Self {
        let Record { seq, audited, previous, hash } = record;
        Self {
            seq,
            // A time that is none was not written by us; checking the chain says so.
            at: Timestamp::from_microsecond(audited.at).unwrap_or(Timestamp::UNIX_EPOCH),
            account: audited.account,
            kind: audited.kind,
            name: audited.name,
            cause: audited.cause,
            before: audited.before,
            after: audited.after,
            origin: audited.origin,
            epoch: audited.epoch,
            counted: audited.counted,
            previous: hex(&previous),
            hash: hex(&hash),
        }
    }

    fn into_record(self) -> Option<Record> {
        Some(Record {
            seq: self.seq,
            previous: bytes(&self.previous)?,
            hash: bytes(&self.hash)?,
            audited: Audited {
                at: self.at.as_microsecond(),
                account: self.account,
                kind: self.kind,
                name: self.name,
                cause: self.cause,
                before: self.before,
                after: self.after,
                origin: self.origin,
                epoch: self.epoch,
                counted: self.counted,
            },
        })
    }
}

#[cfg(any(feature = "sqlite", feature = "postgres"))]
fn bytes(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (place, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * place..2 * place + 2)?, 16).ok()?;
    }
    Some(bytes)
}

/// Checks records of a whole audit one after the other, as they were exported.
#[cfg(any(feature = "sqlite", feature = "postgres"))]
#[derive(Clone, Debug)]
pub struct AuditCheck {
    chain: Chain,
    fault: Option<AuditFault>,
}

#[cfg(any(feature = "sqlite", feature = "postgres"))]
impl Default for AuditCheck {
    fn default() -> Self {
        Self { chain: Chain::EMPTY, fault: None }
    }
}

#[cfg(any(feature = "sqlite", feature = "postgres"))]
impl AuditCheck {
    /// Takes the next record; nothing more is looked at after the first fault.
    pub fn take(&mut self, record: AuditRecord) {
        if self.fault.is_none() {
            let seq = record.seq;
            let followed = record.into_record().map(|record| self.chain.follow(&record));
            self.fault = followed.unwrap_or(Err(AuditFault::Modified { seq })).err();
        }
    }

    /// What was found. Records missing at the end do not show: compare the head with one that was kept elsewhere.
    #[must_use]
    pub fn report(self) -> AuditReport {
        AuditReport::new(&self.chain, self.fault)
    }
}
