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
mod holders;
mod invitation;
mod member;
mod objects;
mod role;
mod settings;

pub use account::ResolvedAccount;
pub use admission::{admitted_children, parent_admits};
pub use definitions::{Definitions, InForce, Outlook, ResolvedGroup, ResolvedOwner, ResolvedRole, definitions};
pub use desired::{
    Access, AccountContent, Desired, DesiredDefinitions, DesiredMember, End, Ends, GroupContent, MemberContent, Origin,
    RoleContent, Window,
};
pub use member::{MemberView, ResolvedMember};
pub use objects::{AccountObjects, Objects};
pub use settings::{Settings, check_every, duration};
