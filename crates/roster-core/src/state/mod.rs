//! Known objects: small records indexed by account, and snapshots of one account taken out of them. The loop, the
//! command line and the simulator build on it. No I/O.
//!
//! [`SnapshotSource`] is the trait of all sources of snapshots. [`Index`], one of them, follows the watches
//! ([`WatchEvent`]) and returns what each change affects ([`Impact`]). It makes no decision about access, and also
//! works in a process that holds no lease.

mod account_changes;
mod annotations;
mod belongings;
mod catalog_record;
mod catalog_rollout;
mod changes;
mod event;
mod facts;
mod impact;
mod in_scope;
mod index;
mod index_tally;
mod index_unreadable;
mod known_store;
mod lookup;
mod objects;
mod record;
mod recreated;
mod revisions;
mod snapshot;
mod source;
mod status_digest;
mod store_changes;
mod tally;
mod unreadable;

pub use annotations::{AccountAnnotations, Annotations, annotations_of};
pub use catalog_record::{CatalogRecord, LastRevision};
pub use catalog_rollout::{PresentRevision, Progress, Rollout, RolloutState, Step, progress};
pub use event::WatchEvent;
pub use facts::{AccountFacts, CatalogFacts, GroupFacts, InvitationFacts, MemberFacts, RoleFacts, StoreFacts};
pub use impact::Impact;
pub use in_scope::{Counts, Memberships, ObjectsInScope};
pub use index::{AccountEntry, Index};
pub use known_store::{KnownStore, StoreAnswer};
pub use record::{Meta, NamespaceRecord, Object, Record, namespace_labels};
pub use recreated::RecreatedDefinitions;
pub use revisions::Revisions;
pub use snapshot::{Labels, Members, RoleRefs, Snapshot, SnapshotSource};
pub use status_digest::{Digestible, Held, Seconds, Since, StatusDigest, digest};
pub use tally::Tally;
pub use unreadable::Unreadable;
