//! Reads objects from files, with the position of each field, or from a live cluster. Called by the commands: both
//! sources give the same [`Objects`], so that every command gets the same result from the same engine.

mod cluster;
mod decode;
mod diagnostic;
mod document;
mod files;
mod kinds;
mod left;
mod loaded;
mod named;
mod objects;
mod out_of_sync;
mod parse;
pub mod path;
pub mod position;
#[cfg(test)]
mod producers_tests;
pub mod schema;
mod unread;

pub use self::{
    cluster::{connect, is_cluster_there, list, list_all, namespaces_with_accounts, read as read_cluster},
    diagnostic::{Diagnostic, DiagnosticReason, Severity},
    document::{Document, ObjectId, Reader, SourceSpan},
    files::read as read_files,
    left::LeftInStores,
    loaded::{Cluster, Files, LoadedObjects, Source},
    objects::{AccountObjects, Addresses, Objects, of_invited},
    out_of_sync::OutOfSync,
    unread::{UnreadId, UnreadKind},
};
