//! The objects we know: slim records indexed by account, and snapshots of one account taken out of them. No I/O.
//!
//! [`SnapshotSource`] is the trait of all that snapshots are taken from. [`Index`], one of them, follows the watches
//! ([`WatchEvent`]) and says what each change touches ([`Impact`]). It decides nothing about access, and works in a process
//! that does not lead, too.

mod annotations;
mod catalog_record;
mod changes;
mod event;
mod facts;
mod in_scope;
mod index;
mod known_store;
mod lookup;
mod objects;
mod record;
mod remade;
mod revisions;
mod rollout;
mod snapshot;
mod source;
mod status_digest;
mod tally;
mod unreadable;

pub use annotations::{AccountAnnotations, annotations_of};
pub use catalog_record::CatalogRecord;
pub use event::WatchEvent;
pub use facts::{AccountFacts, CatalogFacts, GroupFacts, InvitationFacts, MemberFacts, RoleFacts, StoreFacts};
pub use in_scope::{Counts, Memberships, ObjectsInScope};
pub use index::{AccountEntry, Impact, Index};
pub use known_store::{KnownStore, StoreAnswer};
pub use record::{Annotations, Meta, NamespaceRecord, Object, Record, namespace_labels};
pub use remade::Remade;
pub use revisions::Revisions;
pub use rollout::{LastRevision, PresentRevision, Progress, Rollout, Standing, Step, progress};
pub use snapshot::{Labels, Members, RoleRefs, Snapshot, SnapshotSource};
pub use status_digest::{Digestible, Held, Seconds, Since, StatusDigest, digest};
pub use tally::Tally;
pub use unreadable::Unreadable;
