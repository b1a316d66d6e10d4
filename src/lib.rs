//! **Roster**: access as code for Kubernetes.
//!
//! People write who may do what as objects; Roster makes an identity store say the same, says so in status, and puts
//! right what somebody changes behind its back. Data flows one way, and each room knows only those before it:
//!
//! ```text
//!  objects in the cluster                     identity store
//!        │ watch                                   │ observe (content + mark + fingerprint)
//!        ▼                                         ▼
//!    Snapshot ───judge───► Desired + Findings   Observed
//!       (pure)                 └─────evaluate─────┘
//!                                       │ (pure)
//!                                       ▼
//!                         changes, drift, removals; the guard
//!                                       │
//!                                       ▼
//!                          store.apply ──► Outcomes ──► status, events, metrics
//! ```
//!
//! | room | what is in it | I/O |
//! |---|---|---|
//! | [`api`] | the seven kinds: types, CEL rules, printer columns | no |
//! | [`model`] | the permission engine: ladders, catalog, effective permissions and why | no |
//! | [`resolve`] | Snapshot → Desired + findings for each object | no |
//! | [`plan`] | Desired × Observed → changes, drift, removals; the guard | no |
//! | [`mod@evaluate`] | the front door: everybody who asks what objects mean, or what a store should do, asks here | no |
//! | [`contract`] | the trait `Store`, and what every backend does before it writes | no |
//! | [`store`] | one folder for each backend, and what backends share | yes |
//! | [`controller`] | watches, queue, the reconcile loop, status, events, lease | yes |
//! | [`manifests`] | files → objects, with the place of each field; a cluster's objects, read once | yes |
//! | [`cli`] | the command line | yes |
//! | [`telemetry`] | logs, metrics, health | yes |
//!
//! One pass over one account is [`control::reconcile::run`]; it reads as the picture above.

pub use roster_core::{api, contract, control, evaluate, model, plan, report, resolve, state};

pub mod cli;
pub mod cluster;
pub mod controller;
pub mod manifests;
pub mod store;
pub mod telemetry;
