//! The audit's chain: each record's hash covers its fields and the hash before it, so that nobody changes, drops or
//! moves a record unnoticed (design/architecture.md "The store contract").
//!
//! There is no key in it: who can rewrite the whole file can also compute the hashes anew. Against that, keep the head
//! that [`AuditReport`] shows somewhere else.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::store::hex;

/// What a record tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::store) struct Audited {
    /// Microseconds since 1970.
    pub(in crate::store) at: i64,
    pub(in crate::store) account: String,
    pub(in crate::store) kind: String,
    /// Empty for the account itself.
    pub(in crate::store) name: String,
    pub(in crate::store) cause: String,
    /// JSON of what was there.
    pub(in crate::store) before: Option<String>,
    /// JSON of what is there from now on.
    pub(in crate::store) after: Option<String>,
    pub(in crate::store) origin: Option<String>,
    pub(in crate::store) epoch: i64,
    pub(in crate::store) counted: bool,
}

/// One link of the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::store) struct Record {
    /// From 1, without gaps.
    pub(in crate::store) seq: i64,
    pub(in crate::store) audited: Audited,
    pub(in crate::store) previous: [u8; 32],
    pub(in crate::store) hash: [u8; 32],
}

impl Record {
    /// The hash that its fields have: numbers as eight bytes, texts with their length, so that no two rows of fields
    /// look the same.
    fn computed(&self) -> [u8; 32] {
        let audited = &self.audited;
        let mut hash = Sha256::new();
        hash.update(b"roster audit 1");
        for number in [self.seq, audited.at, audited.epoch, i64::from(audited.counted)] {
            hash.update(number.to_le_bytes());
        }
        let texts = [
            Some(audited.account.as_str()),
            Some(audited.kind.as_str()),
            Some(audited.name.as_str()),
            Some(audited.cause.as_str()),
            audited.before.as_deref(),
            audited.after.as_deref(),
            audited.origin.as_deref(),
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

/// A chain up to some record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::store) struct Chain {
    /// The last record's; 0 before the first.
    pub(in crate::store) seq: i64,
    pub(in crate::store) hash: [u8; 32],
}

impl Chain {
    /// Before the first record.
    pub(in crate::store) const EMPTY: Self = Self { seq: 0, hash: [0; 32] };

    /// The next record.
    pub(in crate::store) fn append(&mut self, audited: Audited) -> Record {
        let mut record = Record { seq: self.seq + 1, audited, previous: self.hash, hash: [0; 32] };
        record.hash = record.computed();
        (self.seq, self.hash) = (record.seq, record.hash);
        record
    }

    /// Goes on to the record that is there next, if it is the one that should be.
    pub(in crate::store) fn follow(&mut self, record: &Record) -> Result<(), AuditFault> {
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

    /// Whether the chain ends where the head says.
    pub(in crate::store) fn ends_at(&self, head: Option<&Self>) -> Result<(), AuditFault> {
        match head {
            None => Err(AuditFault::HeadMissing),
            Some(head) if head.seq > self.seq => Err(AuditFault::Missing { seq: self.seq + 1, next: head.seq + 1 }),
            Some(head) if head != self => Err(AuditFault::HeadModified { seq: head.seq }),
            Some(_) => Ok(()),
        }
    }
}

/// Where and how the chain is broken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuditFault {
    /// The record is not what was written.
    #[error("record {seq} was modified")]
    Modified {
        /// Of the record.
        seq: i64,
    },
    /// The record is whole but does not follow the one before it: records were exchanged, or the chain was rewritten.
    #[error("record {seq} does not follow the one before it: records were reordered or replaced")]
    Unlinked {
        /// Of the record.
        seq: i64,
    },
    /// Records are gone, in the middle or at the end.
    #[error("records {seq} to {} are missing", .next - 1)]
    Missing {
        /// Of the first that is missing.
        seq: i64,
        /// Of the next that is there, or would be.
        next: i64,
    },
    /// The row that keeps the head is gone, so that missing records at the end would not show.
    #[error("the head of the chain is missing")]
    HeadMissing,
    /// The row that keeps the head names another record than the last.
    #[error("the head of the chain does not belong to the last record")]
    HeadModified {
        /// What the head says.
        seq: i64,
    },
}

/// What a check of an audit found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditReport {
    /// Records that are there and whole, from the first on.
    pub records: u64,
    /// Hash of the last of them, hexadecimal: kept elsewhere, it anchors everything up to here.
    pub head: String,
    /// The first fault; absent where the chain is whole.
    pub fault: Option<AuditFault>,
}

impl AuditReport {
    pub(in crate::store) fn new(chain: &Chain, fault: Option<AuditFault>) -> Self {
        Self { records: u64::try_from(chain.seq).unwrap_or_default(), head: hex(&chain.hash), fault }
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.fault.is_none()
    }
}

impl fmt::Display for AuditReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.fault, self.records) {
            (None, 0) => f.write_str("the audit is empty and whole"),
            (None, records) => write!(f, "the audit is whole: {records} records, head sha256:{}", self.head),
            (Some(fault), 0) => write!(f, "the audit is broken from its start: {fault}"),
            (Some(fault), records) => {
                write!(
                    f,
                    "the audit is broken: {fault}; the {records} records before are whole, up to sha256:{}",
                    self.head
                )
            }
        }
    }
}
