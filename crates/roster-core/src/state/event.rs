//! Events of watches. The cluster client and the simulator send them to the controller's loop.

use super::{Object, Unreadable};
use crate::model::{KindName, ObjectRef};

/// Event of a watch. Events of one kind arrive in the order in which the API server sends them.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly all events are objects, and none is kept")]
pub enum WatchEvent {
    /// A list begins; objects that it does not name are gone.
    Listing(KindName),
    /// The list is complete.
    Listed(KindName),
    /// The API server does not know the kind.
    Absent(KindName),
    /// This process may not list or watch a kind, with the message.
    Refused(KindName, String),
    /// Current version of an object.
    Object(Object),
    /// Current version of an object whose spec cannot be read.
    Unreadable(Box<Unreadable>),
    /// An object is gone.
    Gone(ObjectRef),
}
