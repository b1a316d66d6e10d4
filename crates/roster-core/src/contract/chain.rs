//! Hash chain of the audit: each record's hash covers its fields and the hash before it, so that a changed, dropped
//! or moved record is detected (docs/architecture.md "The store contract"). Stores append to it, and `audit` checks
//! it.
//!
//! The chain has no key: a writer who can rewrite the whole file can also recompute the hashes. Against that, keep
//! the head that [`AuditReport`] shows in another place.

use std::fmt;

use sha2::{Digest, Sha256};

use super::hex;

/// Description of one change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// Microseconds since 1970.
    pub at: i64,
    /// The account, `namespace/name`.
    pub account: String,
    /// Kind of the object: `account`, `role`, `group` or `member`.
    pub kind: String,
    /// Name of the object; empty for the account itself.
    pub name: String,
    /// The cause, as [`Cause::as_str`](crate::plan::Cause::as_str) writes it.
    pub cause: String,
    /// JSON of the content before; absent if there was none.
    pub before: Option<String>,
    /// JSON of the content after; absent if none is left.
    pub after: Option<String>,
    /// The object whose generation caused it.
    pub origin: Option<String>,
    /// The writer's epoch.
    pub epoch: i64,
    /// Whether the removal guard counts it.
    pub counted: bool,
}

/// One link of the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditLink {
    /// Number, from 1 without gaps.
    pub seq: i64,
    /// Description of the change.
    pub entry: AuditEntry,
    /// Hash of the link before; zero for the first.
    pub previous: [u8; 32],
    /// SHA-256 hash over all other fields.
    pub hash: [u8; 32],
}

impl AuditLink {
    /// Computes the hash of the fields: numbers as eight bytes, texts with their length, so that no two different
    /// records give the same input.
    fn computed(&self) -> [u8; 32] {
        let entry = &self.entry;
        let mut hash = Sha256::new();
        hash.update(b"roster audit 1");
        for number in [self.seq, entry.at, entry.epoch, i64::from(entry.counted)] {
            hash.update(number.to_le_bytes());
        }
        let texts = [
            Some(entry.account.as_str()),
            Some(entry.kind.as_str()),
            Some(entry.name.as_str()),
            Some(entry.cause.as_str()),
            entry.before.as_deref(),
            entry.after.as_deref(),
            entry.origin.as_deref(),
        ];
        for text in texts {
            hash.update([u8::from(text.is_some())]);
            let text = text.unwrap_or_default();
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text);
        }
        hash.update(self.previous);
        hash.finalize().into()
    }
}

/// End of a chain up to a link, as needed to append or check the next one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditChain {
    /// Number of the last link; 0 before the first.
    pub seq: i64,
    /// Hash of the last link; zero before the first.
    pub hash: [u8; 32],
}

impl AuditChain {
    /// The empty chain.
    pub const EMPTY: Self = Self { seq: 0, hash: [0; 32] };

    /// Appends an entry and returns its link.
    pub fn append(&mut self, entry: AuditEntry) -> AuditLink {
        let mut record = AuditLink { seq: self.seq + 1, entry, previous: self.hash, hash: [0; 32] };
        record.hash = record.computed();
        (self.seq, self.hash) = (record.seq, record.hash);
        record
    }

    /// Checks the next link and moves on to it.
    ///
    /// # Errors
    /// The fault, if the link does not follow; the chain then stays unchanged.
    pub fn follow(&mut self, record: &AuditLink) -> Result<(), AuditFault> {
        if record.seq != self.seq + 1 {
            return Err(AuditFault::Missing { seq: self.seq + 1, next: record.seq });
        }
        let intact = record.computed() == record.hash;
        match (record.previous == self.hash, intact) {
            (true, true) => {
                (self.seq, self.hash) = (record.seq, record.hash);
                Ok(())
            }
            (false, true) => Err(AuditFault::Unlinked { seq: record.seq }),
            (_, false) => Err(AuditFault::Modified { seq: record.seq }),
        }
    }

    /// Checks that the chain ends at the head that the store keeps.
    ///
    /// # Errors
    /// The fault, if the head is missing or differs from the last link.
    pub fn ends_at(&self, head: Option<&Self>) -> Result<(), AuditFault> {
        match head {
            None => Err(AuditFault::HeadMissing),
            Some(head) if head.seq > self.seq => Err(AuditFault::Missing { seq: self.seq + 1, next: head.seq + 1 }),
            Some(head) if head != self => Err(AuditFault::HeadModified { seq: head.seq }),
            Some(_) => Ok(()),
        }
    }
}

/// First fault of a broken chain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuditFault {
    /// The record differs from the one that was written.
    #[error("record {seq} was modified")]
    Modified {
        /// Number of the record.
        seq: i64,
    },
    /// The record is intact but does not follow the one before it: records were exchanged, or the chain was
    /// rewritten.
    #[error("record {seq} does not follow the record before it: records were reordered or replaced")]
    Unlinked {
        /// Number of the record.
        seq: i64,
    },
    /// Records are missing, in the middle or at the end.
    #[error("records {seq} to {} are missing", .next - 1)]
    Missing {
        /// Number of the first missing record.
        seq: i64,
        /// Number of the next record that exists, or would follow.
        next: i64,
    },
    /// The row with the head is missing, so that missing records at the end would not be detected.
    #[error("the head of the chain is missing")]
    HeadMissing,
    /// The row with the head refers to another record than the last.
    #[error("the head of the chain does not belong to the last record")]
    HeadModified {
        /// Number of the record in the head.
        seq: i64,
    },
}

/// Result of a check of an audit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditReport {
    /// Number of intact records, from the first on.
    pub records: u64,
    /// Hash of the last of them, hexadecimal. A copy kept elsewhere proves all records up to here.
    pub head: String,
    /// First fault; absent if the chain is intact.
    pub fault: Option<AuditFault>,
}

impl AuditReport {
    /// Creates the report of a check that reached the end of `chain`, or stopped there at a fault.
    #[must_use]
    pub fn new(chain: &AuditChain, fault: Option<AuditFault>) -> Self {
        Self { records: u64::try_from(chain.seq).unwrap_or_default(), head: hex(&chain.hash), fault }
    }

    /// Returns whether the chain is intact.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.fault.is_none()
    }
}

impl fmt::Display for AuditReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.fault, self.records) {
            (None, 0) => f.write_str("the audit is empty and complete"),
            (None, records) => write!(f, "the audit is complete: {records} records, head sha256:{}", self.head),
            (Some(fault), 0) => write!(f, "the audit is broken from its start: {fault}"),
            (Some(fault), records) => {
                write!(
                    f,
                    "the audit is broken: {fault}; the {records} records before are complete, up to sha256:{}",
                    self.head
                )
            }
        }
    }
}
