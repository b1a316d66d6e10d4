//! Queries and records of a store's audit, and checks of exported records. Stores answer the queries, and
//! `roster audit` asks them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{AuditChain, AuditEntry, AuditFault, AuditLink, AuditReport, hex};
use crate::model::{AccountKey, Email};

/// Query for records of an audit. Absent fields do not restrict it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditQuery {
    /// Only records of this account.
    pub account: Option<AccountKey>,
    /// Only records of this member.
    pub who: Option<Email>,
    /// Only records of this kind: `account`, `role`, `group` or `member`.
    pub kind: Option<String>,
    /// Only records with this cause, such as `spec` or `drift`.
    pub cause: Option<String>,
    /// Only records of this time or later.
    pub since: Option<Timestamp>,
    /// Only records before this time.
    pub until: Option<Timestamp>,
    /// Only records with a higher number.
    pub after: i64,
    /// Maximum number of records to return; see [`Self::newest`].
    pub limit: u32,
    /// Whether the limit keeps the newest records instead of the oldest. In both cases they are returned oldest
    /// first.
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

/// One record: content of an object before and after, the cause, and the position in the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AuditRecord {
    /// Number, from 1 without gaps.
    pub seq: i64,
    /// Time, to the microsecond.
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// The account, `namespace/name`.
    pub account: String,
    /// `account`, `role`, `group` or `member`.
    pub kind: String,
    /// Name of the object; empty for the account itself.
    pub name: String,
    /// The cause.
    pub cause: String,
    /// JSON of the content before, to the letter.
    pub before: Option<String>,
    /// JSON of the content after, to the letter.
    pub after: Option<String>,
    /// The object whose generation caused it.
    pub origin: Option<String>,
    /// The leader's epoch.
    pub epoch: i64,
    /// Whether the removal guard counts it.
    pub counted: bool,
    /// Hash of the record before, hexadecimal.
    pub previous: String,
    /// Hash over all of this, hexadecimal.
    pub hash: String,
}

impl AuditRecord {
    /// Converts a link of a store's chain.
    #[must_use]
    pub fn new(link: AuditLink) -> Self {
        let AuditLink { seq, entry, previous, hash } = link;
        Self {
            seq,
            // An invalid time was not written by Roster; a check of the chain reports it.
            at: Timestamp::from_microsecond(entry.at).unwrap_or(Timestamp::UNIX_EPOCH),
            account: entry.account,
            kind: entry.kind,
            name: entry.name,
            cause: entry.cause,
            before: entry.before,
            after: entry.after,
            origin: entry.origin,
            epoch: entry.epoch,
            counted: entry.counted,
            previous: hex(&previous),
            hash: hex(&hash),
        }
    }

    fn into_link(self) -> Option<AuditLink> {
        Some(AuditLink {
            seq: self.seq,
            previous: bytes(&self.previous)?,
            hash: bytes(&self.hash)?,
            entry: AuditEntry {
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

fn bytes(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * index..2 * index + 2)?, 16).ok()?;
    }
    Some(bytes)
}

/// Check of a whole exported audit, record by record.
#[derive(Clone, Debug)]
pub struct AuditCheck {
    chain: AuditChain,
    fault: Option<AuditFault>,
}

impl Default for AuditCheck {
    fn default() -> Self {
        Self { chain: AuditChain::EMPTY, fault: None }
    }
}

impl AuditCheck {
    /// Checks the next record; ignores all records after the first fault.
    pub fn take(&mut self, record: AuditRecord) {
        if self.fault.is_none() {
            let seq = record.seq;
            let followed = record.into_link().map(|link| self.chain.follow(&link));
            self.fault = followed.unwrap_or(Err(AuditFault::Modified { seq })).err();
        }
    }

    /// Returns the result. Records missing at the end cannot be detected: compare the head with one that was kept
    /// elsewhere.
    #[must_use]
    pub fn report(self) -> AuditReport {
        AuditReport::new(&self.chain, self.fault)
    }
}
