//! Snapshot → Desired + findings for each object. No I/O.
//!
//! Resolving has two halves, so that one changed member of an account of 50,000 costs what it costs in an account of
//! five: [`definitions`] works out once what catalog, roles and groups mean in this account, and [`Definitions::member`]
//! looks up one address in it.

mod account;
mod admission;
mod catalog;
mod definitions;
mod desired;
mod explain;
mod facts;
mod holders;
mod invitation;
mod member;
mod objects;
mod role;
mod rollout;
mod settings;

pub use account::ResolvedAccount;
pub use admission::parent_admits;
pub use definitions::{Definitions, InForce, Outlook, ResolvedGroup, ResolvedOwner, ResolvedRole, definitions};
pub use desired::{
    Access, AccountContent, Desired, DesiredDefinitions, DesiredMember, End, Ends, GroupContent, MemberContent, Origin,
    RoleContent, RoleName, Scope, Window,
};
pub use facts::{
    AccountFacts, AccountSnapshot, CatalogFacts, GroupFacts, InvitationFacts, MemberFacts, RoleFacts, StoreFacts,
};
pub use holders::RoleRefs;
pub use member::{MemberView, ResolvedMember};
pub use objects::{AccountObjects, Labels, Objects};
pub use rollout::{LastRevision, PresentRevision, Progress, Rollout, Standing, Step, progress};
pub use settings::{Settings, check_every, duration};
