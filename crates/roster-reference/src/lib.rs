//! Reference model of **Roster**: the access that a set of objects grants, stated as simply as the API describes it.
//!
//! The model exists to be compared with the engine. It shares no code with it, names nothing of `roster-core` but
//! [`roster_core::api`], and follows `docs/concepts.md` sentence by sentence. It is slow where slow is plainer: every
//! question is answered from the objects alone, nothing is cached.
//!
//! ```
//! use roster_reference::World;
//!
//! let world = World::default();
//! let now = jiff::Timestamp::UNIX_EPOCH;
//! assert!(world.account("acme", "portal", now).is_none());
//! ```
//!
//! | module | idea |
//! |---|---|
//! | `world` | the objects; an object is put in, taken out, put back |
//! | `address` | one canonical form of an e-mail address |
//! | `admission` | which namespaces a selector picks |
//! | `levels` | ranks on ladders: highest, lower, capped, reduced |
//! | `catalog` | rules that a catalog must keep |
//! | `roles` | the meaning of predefined roles, overrides, custom roles and groups in one account |
//! | `claim` | one Membership or Invitation, in the five steps |
//! | `account` | one account and all its members |
//! | `guard` | the removal guard and the last holder of a role |

mod account;
mod address;
mod admission;
mod answer;
mod catalog;
mod claim;
mod guard;
mod levels;
mod membership_state;
pub mod reason;
mod roles;
mod scope;
mod world;

pub use account::status_of_catalog;
pub use address::canonical;
pub use answer::{AccountAnswer, End, MemberAnswer, Statement};
pub use guard::{GuardQuestion, guard_fires};
pub use world::{Kind, ObjectId, World};
