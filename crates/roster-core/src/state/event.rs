//! Events of watches.

use super::{Object, Unreadable};
use crate::model::{KindName, ObjectRef};

/// Event of a watch. Events of one kind arrive in the order in which the server tells them.
#[derive(Clone, Debug)]
pub enum WatchEvent {
    /// A list begins; what it does not name is gone.
    Listing(KindName),
    /// The list is complete.
    Listed(KindName),
    /// The server does not know the kind.
    Absent(KindName),
    /// This process may not list or watch a kind; why.
    Refused(KindName, String),
    /// An object as it is now.
    Object(Object),
    /// An object as it is now, whose spec cannot be read.
    Unreadable(Box<Unreadable>),
    /// An object is gone.
    Gone(ObjectRef),
}
