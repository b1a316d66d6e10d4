//! Interface of an SQL store to the shared code: what is read and written. Implemented by the sessions of SQLite and
//! PostgreSQL, which run the statements of `run`; called by `read`, `write` and `audit`.

use async_trait::async_trait;
use serde_json::Value;

use super::{
    super::{AuditQuery, Claim, Slot, StoreError},
    statement::Statement,
    statements::Dialect,
};
use crate::{model::Layout, plan::Mark, resolve::AccountContent};

/// Cells of a row, by column. Reading must not fail on values that others wrote.
pub(in crate::store) trait Cells {
    /// Reads a text; bytes that are not UTF-8 are replaced.
    fn text(&self, column: usize) -> Result<Option<String>, sqlx::Error>;
    /// Reads an integer.
    fn integer(&self, column: usize) -> Result<Option<i64>, sqlx::Error>;
    /// Reads bytes.
    fn bytes(&self, column: usize) -> Result<Option<Vec<u8>>, sqlx::Error>;
    /// Returns whether the cell is not null.
    fn is_some(&self, column: usize) -> Result<bool, sqlx::Error>;
}

/// Callback for each row.
pub(in crate::store) type Take<'a> = &'a mut (dyn FnMut(&dyn Cells) -> Result<(), sqlx::Error> + Send);

/// Tables of an account's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Table {
    Roles,
    Groups,
    Members,
}

impl Table {
    /// Returns the number of columns of a row that is put.
    pub(super) const fn columns(self) -> usize {
        match self {
            Self::Roles | Self::Groups => 3,
            Self::Members => 9,
        }
    }
}

/// Reads. Each variant lists the columns of its rows after the colon.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) enum Read<'a> {
    /// Highest epoch that has claimed a slot for a cluster: epoch.
    Fence(&'a str, Slot),
    /// Marks of all accounts, sorted by key: cluster, account, uid.
    Accounts,
    /// All accounts of which the store holds anything, sorted by key: key.
    Keys,
    /// Members with these addresses who have access at this Unix second, or will have it: account's key, address.
    WithAccess(&'a [String], i64),
    /// Id of the store: id.
    StoreId,
    /// Totals of the store: number of accounts, number of members.
    Totals,
    /// Account by key: its number, its members, display name, catalog, owner, parent, number of its sections, their
    /// levels as JSON, number of the mark's owner, fingerprint, number of used approvals, the store's id. Always one
    /// row: the number is null if the store holds nothing of the account, and display name is null if its row is
    /// missing.
    Account(&'a str),
    /// All rows of an account in a table, and the marks without a row: name, number of the mark's owner, fingerprint,
    /// ranks, then title, or a member's other columns. Ranks are null if there is no row.
    Whole(Table, i64),
    /// Like [`Self::Whole`], limited to these names.
    Named(Table, i64, &'a [String]),
    /// Counted removals of an account since this Unix microsecond, in order: address, at.
    Removals(&'a str, i64),
    /// Owners by number: number, cluster, account, uid.
    Owners(&'a [i64]),
    /// Owner with this mark: number.
    Owner(&'a Mark),
    /// Layout with this digest: its number, number of its sections, their levels as JSON.
    Layout(&'a [u8; 16]),
    /// Anything left in an account, one row at most: description.
    Left(i64),
    /// Head of the audit: seq, hash.
    AuditHead,
    /// Records of the audit that match a query, in its order; columns as in [`Self::Audit`].
    Asked(&'a AuditQuery),
    /// All records of the audit, in order: seq, at, account, kind, name, cause, before, after, origin, epoch, counted,
    /// previous, hash.
    Audit,
}

/// Writes. Rows are JSON arrays of columns.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) enum Write<'a> {
    /// Writes a cluster's claim, and deletes earlier ones within its slots.
    Fence(&'a str, Claim),
    /// Adds an account by key; returns its number.
    NewAccount(&'a str),
    /// Adds an owner; returns its number.
    NewOwner(&'a Mark),
    /// Starts a part that can be undone.
    Savepoint,
    /// Undoes the part.
    Undo,
    /// Keeps the part.
    Release,
    /// Inserts or updates rows: name, title and ranks, or a member's columns.
    Put(Table, i64, &'a [Value]),
    /// Deletes rows by name.
    Remove(Table, i64, &'a [Value]),
    /// Updates ranks: name, new ranks.
    Translate(Table, i64, &'a [Value]),
    /// Writes marks of this owner: kind, name, fingerprint in hexadecimal digits.
    Mark { account: i64, owner: i64, rows: &'a [Value] },
    /// Deletes marks: kind, name.
    Unmark(i64, &'a [Value]),
    /// Inserts or updates the account's row.
    Account { id: i64, content: &'a AccountContent, layout: i64 },
    /// Inserts or updates the row of a layout; returns its number.
    Layout(&'a Layout),
    /// Replaces the sections and levels of a layout.
    Ladders(i64, &'a Layout),
    /// Deletes layouts that no account has.
    UnusedLayouts,
    /// Deletes the account's row, its marks and its number.
    RemoveAccount(i64),
    /// Increments the number of used approvals.
    UseUpApproval(i64),
    /// Appends records to the audit: its columns, hashes in hexadecimal digits.
    Audit(&'a [Value]),
}

/// Connection to an SQL store inside a transaction.
// The sessions of both stores write out `rows`, `run`, `number` and `refusal`. One session over any `sqlx::Database` needs more
// lines of bounds on connection, arguments, rows and columns than these methods have.
#[async_trait]
pub(in crate::store) trait Session: Send {
    /// Returns the statements that SQL stores do not share.
    fn dialect(&self) -> &'static Dialect;

    /// Runs a query and passes each row to `take` as it arrives, so that an account's rows and the objects built from
    /// them are never in memory together.
    async fn rows(&mut self, query: Statement<'_>, take: Take<'_>) -> Result<(), sqlx::Error>;

    /// Runs a statement that returns nothing.
    async fn run(&mut self, statement: Statement<'_>) -> Result<(), sqlx::Error>;

    /// Runs a statement that returns a number.
    async fn number(&mut self, statement: Statement<'_>) -> Result<Option<i64>, sqlx::Error>;

    /// Returns the refusal if `error` says that the written data was refused, rather than the act of writing.
    fn refusal(&self, context: &str, error: &sqlx::Error) -> Option<StoreError>;

    /// Reads rows.
    async fn each(&mut self, read: Read<'_>, take: Take<'_>) -> Result<(), sqlx::Error> {
        self.rows(read.statement(self.dialect()), take).await
    }

    /// Writes. Returns the number if the variant returns one.
    async fn write(&mut self, write: Write<'_>) -> Result<Option<i64>, sqlx::Error> {
        if let Some(statement) = write.numbered() {
            return self.number(statement).await;
        }
        for statement in write.statements(self.dialect()) {
            self.run(statement).await?;
        }
        Ok(None)
    }
}
