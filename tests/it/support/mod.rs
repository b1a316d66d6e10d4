//! A real control plane for tests, and the few helpers that all of them need.
//!
//! ```ignore
//! let plane = ControlPlane::shared().await;
//! let client = plane.client().await;
//! install_crds(&client).await;
//! let namespace = Namespace::new(plane, "drift").await;
//! apply_yaml(&client, namespace.name(), yaml).await;
//! eventually(Duration::from_secs(10), "the member is ready", async || ready(&client).await).await;
//! ```

#![allow(dead_code, unused_imports, reason = "each test takes what it needs of the harness")]

pub mod account;
mod cluster;
mod control_plane;
mod controller;
mod objects;
mod process;
mod read;
mod scene;
mod servers;
pub mod tools;
mod wait;

pub use cluster::{Namespace, install_crds};
pub use control_plane::{Component, ControlPlane};
pub use controller::{Controller, SYSTEM};
pub use objects::{apply_yaml, parse_yaml, try_apply_yaml};
pub use process::{ControllerProcess, LEADING, forget_leader, ready};
pub use read::{View, api, condition, find, status, try_view, view, wait_condition, wait_condition_for, wait_view};
pub use scene::Scene;
pub use servers::{Authority, forget_dead};
pub use wait::{PATIENCE, eventually, eventually_or};
