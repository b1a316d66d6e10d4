//! Computes permissions: ladders, catalogs, potential permissions and the reasons for them; performs no I/O. Used by
//! all other modules; permissions are computed for `resolve`.
//!
//! Names appear only in inputs and outputs. Internally a section is its index in the catalog and a level its rank on
//! the ladder, so that the effective permissions of a member take a few dozen nanoseconds (docs/architecture.md
//! "Speed").

mod catalog;
mod compile;
mod counted;
mod explain;
mod finding;
mod names;
mod object_ref;
mod potential;
mod ranks;
mod role_name;
mod scope;
mod seeded;
pub mod suggest;

pub use catalog::{Caps, Catalog, PredefinedRole, Restriction, Rule, Section};
pub use counted::{agree, counted, first_of};
pub use explain::{Explanation, Grantor, Step, explain};
pub use finding::{
    Advisory, CatalogFault, CatalogFaultKind, DuplicateMembership, FieldPath, Finding, FindingKind, Findings,
    FindingsBuilder, LabelMismatch, NamespaceRefusal, ParentFault, ParentRefusal, Prerequisite, RolePrerequisite,
    SettingValue, Unauthorized, Unavailable, Unknown, UnknownLevel, WithoutEffect,
};
pub use names::{AccountKey, Email, InvalidEmail, Name};
pub use object_ref::{KindName, ObjectRef};
pub use potential::{Grant, MemberInputs, NoTrace, Source, Trace, potential};
pub use ranks::{Ladder, Layout, Ranks};
pub use role_name::RoleName;
pub use scope::Scope;
pub use seeded::{Seed, SeededState};
