//! Snapshot → Desired + findings for each object. No I/O.
//!
//! Resolving has two halves, so that one changed member of an account of 50,000 costs what it costs in an account of
//! five: [`Definitions`] are worked out once, what catalog, roles and groups mean in this account, and then each address is
//! looked up in them. The way in is [`crate::evaluate`].

mod admission;
mod catalog;
mod definitions;
mod desired;
mod holders;
mod invitation;
mod member;
mod potential;
mod role;
mod settings;

pub use admission::{admitted_children, keeps_parent};
pub(crate) use definitions::definitions;
pub use definitions::{Definitions, EffectiveCatalog, Outlook, ResolvedGroup, ResolvedOwner, ResolvedRole};
pub use desired::{
    Access, AccountContent, Desired, DesiredDefinitions, DesiredMember, End, Ends, GroupContent, MemberContent, Origin,
    RoleContent, Window,
};
pub use member::{MemberView, ResolvedMember};
pub use potential::{Holder, Potential};
pub use settings::{Settings, check_every, duration, leniency};
