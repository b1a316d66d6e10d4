//! What one SQL store must be able to do: run a few statements, which it writes in its own SQL. Everything else about
//! reading and writing is here for all of them, once.

use async_trait::async_trait;
use serde_json::Value;

use super::super::{AuditQuery, Claim, Slot, StoreError};
use crate::{model::Layout, plan::Mark, resolve::AccountContent};

/// The cells of a row, by column. What somebody else wrote must be seen, too, whatever it is.
pub(in crate::store) trait Cells {
    /// A text; what is no UTF-8 in it is replaced.
    fn text(&self, column: usize) -> Result<Option<String>, sqlx::Error>;
    /// A whole number.
    fn integer(&self, column: usize) -> Result<Option<i64>, sqlx::Error>;
    /// Bytes.
    fn bytes(&self, column: usize) -> Result<Option<Vec<u8>>, sqlx::Error>;
    /// Whether there is anything.
    fn is_some(&self, column: usize) -> Result<bool, sqlx::Error>;
}

/// Called with each row.
pub(in crate::store) type Take<'a> = &'a mut (dyn FnMut(&dyn Cells) -> Result<(), sqlx::Error> + Send);

/// The tables of what is in an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Table {
    Roles,
    Groups,
    Members,
}

/// What is read; after each, the columns of its rows.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) enum Read<'a> {
    /// The highest epoch that has claimed a slot for a cluster: epoch.
    Fence(&'a str, Slot),
    /// The marks of all accounts, by key: cluster, account, uid.
    Accounts,
    /// All accounts of which anything is there, by key: key.
    Keys,
    /// Members with these addresses who have access at this second, or will have: account's key, address.
    WithAccess(&'a [String], i64),
    /// The store's own id: id.
    StoreId,
    /// Number of accounts, of members.
    Totals,
    /// An account by key: its number, its members, display name, catalog, owner, parent, number of its sections, their
    /// levels as JSON, number of the mark's owner, fingerprint, number of approvals used up, the store's id. There is
    /// one row in any case; the number is absent where nothing of the account is there, display name where its row is.
    Account(&'a str),
    /// All of an account's rows in a table, and the marks whose rows are gone: name, number of the mark's owner,
    /// fingerprint, ranks, then title, or a member's other columns. Ranks are absent where the row is.
    Whole(Table, i64),
    /// As [`Self::Whole`], of these names only.
    Named(Table, i64, &'a [String]),
    /// Counted removals of an account not before this microsecond, in order: address, at.
    Removals(&'a str, i64),
    /// These owners: number, cluster, account, uid.
    Owners(&'a [i64]),
    /// The owner with this mark: number.
    Owner(&'a Mark),
    /// The layout with this digest: its number, number of its sections, their levels as JSON.
    Layout(&'a [u8; 16]),
    /// What is left in an account, in words; one is enough.
    Left(i64),
    /// The head of the audit: seq, hash.
    AuditHead,
    /// Records of the audit, in the order asked for; columns as of [`Self::Audit`].
    Asked(&'a AuditQuery),
    /// The audit, in order: seq, at, account, kind, name, cause, before, after, origin, epoch, counted, previous, hash.
    Audit,
}

/// What is written. Rows are JSON arrays of columns.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) enum Write<'a> {
    /// A cluster's claim, in place of earlier ones within its slots.
    Fence(&'a str, Claim),
    /// A number for an account; returned.
    NewAccount(&'a str),
    /// A number for an owner; returned.
    NewOwner(&'a Mark),
    /// From here on a piece can be undone.
    Savepoint,
    /// The piece is undone.
    Undo,
    /// The piece stays.
    Release,
    /// Rows put: name, title and ranks, or a member's.
    Put(Table, i64, &'a [Value]),
    /// Names removed.
    Remove(Table, i64, &'a [Value]),
    /// Name and new ranks.
    Translate(Table, i64, &'a [Value]),
    /// Marks of this owner: kind, name, fingerprint in hexadecimal digits.
    Mark { account: i64, owner: i64, rows: &'a [Value] },
    /// Marks removed: kind, name.
    Unmark(i64, &'a [Value]),
    /// The account's row.
    Account { id: i64, content: &'a AccountContent, layout: i64 },
    /// The row of a layout; its number is returned.
    Layout(&'a Layout),
    /// Sections and levels of a layout, written anew.
    Ladders(i64, &'a Layout),
    /// Layouts that no account has.
    UnusedLayouts,
    /// The account's row, its mark and its number.
    RemoveAccount(i64),
    /// One approval of removals more that is used up.
    UseUpApproval(i64),
    /// Records at the end of the audit: its columns, hashes in hexadecimal digits.
    Audit(&'a [Value]),
}

/// A connection to an SQL store, inside a transaction.
#[async_trait]
pub(in crate::store) trait Session: Send {
    /// Reads, and takes the rows as they come: an account's rows and what is made of them never stand in memory side by
    /// side.
    async fn each(&mut self, read: Read<'_>, take: Take<'_>) -> Result<(), sqlx::Error>;

    /// Writes; the number where one is returned.
    async fn write(&mut self, write: Write<'_>) -> Result<Option<i64>, sqlx::Error>;

    /// Why a change was refused, where `error` says that it was what was written, and not the writing.
    fn refusal(&self, said: &str, error: &sqlx::Error) -> Option<StoreError>;
}
