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
//! All decisions are made by the pure crate `roster_core`, which is re-exported here: [`api`], [`model`], [`state`],
//! [`resolve`], [`plan`], [`limits`], [`mod@evaluate`] (the front door), [`contract`], [`report`] and [`control`]. This crate
//! does the I/O:
//!
//! | room | what it does |
//! |---|---|
//! | [`cluster`] | client, watches and decoding, leases, secrets, fresh reads, finalizers, statuses, events |
//! | [`store`] | one folder for each backend, and what backends share |
//! | [`controller`] | the shell: feeds events to [`control`], carries out its effects |
//! | [`manifests`] | files → objects, with the place of each field; a cluster's objects, read once |
//! | [`cli`] | the command line |
//! | [`telemetry`] | logs, metrics, traces, health |
//! | [`webhook`] | the admission webhook: reads reviews, asks [`authority`], answers |
//!
//! One pass over one account is [`control::run_pass()`]; it reads as the picture above.

pub use roster_core::{api, authority, contract, control, evaluate, limits, model, plan, report, resolve, state};

pub mod cli;
pub mod cluster;
pub mod controller;
pub mod manifests;
pub mod store;
pub mod telemetry;
pub mod webhook;
