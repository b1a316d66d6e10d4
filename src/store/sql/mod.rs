//! What all SQL stores share: how content becomes rows and back, what a batch does to what is there, in which order, and
//! the audit. Only the statements are each store's own: it is a [`Session`].

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
