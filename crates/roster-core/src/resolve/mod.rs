//! Resolves a snapshot of an account into desired content and findings; performs no I/O. Called through
//! [`crate::evaluate`].
//!
//! Resolving has two steps: [`Definitions`] state once what catalog, roles and groups mean in this account, and then
//! each address is resolved against them. So one changed member of an account of 50,000 costs as much as in an account
//! of five.

mod admission;
mod catalog;
mod definitions;
mod desired;
mod holders;
mod invitation;
mod member;
mod member_parts;
mod potential;
mod resolved;
mod role;
mod settings;
mod store;

pub(crate) use admission::admits_as_account;
pub use admission::{
    admits, admits_namespace, admitted_children, keeps_parent, parent_fault, unknown_in_managed_accounts,
};
pub(crate) use definitions::definitions;
pub use desired::{
    Access, AccountContent, AccountRevocations, Desired, DesiredDefinitions, DesiredMember, GroupContent,
    MemberContent, Origin, RevocationReason, RoleContent, Window,
};
pub use member::{MemberView, ResolvedMember};
pub use potential::{Holder, Potential};
pub use resolved::{AccountResolution, Definitions, EffectiveCatalog, ResolvedGroup, ResolvedOwner, ResolvedRole};
pub use settings::{Settings, check_every, duration, enforcement, leniency};
