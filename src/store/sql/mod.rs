//! Code that all SQL stores share: rows and content, applying a batch, observing, the audit, and most statements. Called
//! by the SQLite and PostgreSQL stores; what differs is behind [`Session`] and [`Dialect`].

mod audit;
mod content;
mod read;
mod rows;
mod run;
mod session;
mod statement;
mod statements;
mod write;

#[cfg(test)]
pub(super) use self::statements::REMOVALS;
use self::{
    audit::append as audit_append,
    rows::{RankRows, Rows, account_mark},
};
pub(super) use self::{
    audit::{query, verify},
    read::{accounts, id, keys, observe, totals, with_access},
    session::{Cells, Session, Take},
    statement::{Parameter, Statement},
    statements::{Dialect, account, columns, named},
    write::{Failed, apply, raise_fence},
};
