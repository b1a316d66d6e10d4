//! Code that all SQL stores share: rows and content, applying a batch, observing, and the audit. Called by the SQLite
//! and PostgreSQL stores; only the statements differ, behind [`Session`].

mod audit;
mod content;
mod read;
mod rows;
mod session;
mod write;

use self::{
    audit::append as audit_append,
    rows::{RankRows, Rows, account_mark},
};
pub(super) use self::{
    audit::{query, verify},
    read::{accounts, id, keys, observe, totals, with_access},
    session::{Cells, Read, Session, Table, Take, Write},
    write::{Failed, apply, raise_fence},
};
