//! Snapshot → Desired + findings for each object. No I/O.
//!
//! Resolving has two halves, so that one changed member of an account of 50,000 costs what it costs in an account of
//! five: [`definitions`] works out once what catalog, roles and groups mean in this account, and [`Definitions::member`]
//! looks up one address in it.

mod admission;
mod definitions;
mod desired;
mod facts;
mod finding;
mod invitation;
mod member;
mod role;

pub use admission::parent_admits;
pub use definitions::{Definitions, Outlook, ResolvedGroup, ResolvedOwner, ResolvedRole, definitions};
pub use desired::{
    Access, AccountContent, Desired, DesiredDefinitions, DesiredMember, End, Ends, GroupContent, MemberContent, Origin,
    RoleContent, RoleName, Scope, Window,
};
pub use facts::{
    AccountFacts, AccountSnapshot, CatalogFacts, GroupFacts, InvitationFacts, MemberFacts, RoleFacts, StoreFacts,
};
pub use finding::{Fault, Finding};
pub use member::{MemberView, ResolvedMember};
