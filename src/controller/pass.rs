//! What goes into a pass, and what comes out.

use std::{
    fmt,
    hash::{BuildHasher as _, RandomState},
    sync::Arc,
    time::Duration,
};

use tracing::Span;

use super::{shares::Grip, stores::StoreHandle};
use crate::{
    model::{AccountKey, Scope},
    plan::Mark,
    report::PassReport,
    resolve::{Definitions, Origin},
    state::ObjectsInScope,
};

/// Tells a pass from others in logs and traces: short, and hardly the same twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PassId(u32);

impl fmt::Display for PassId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

/// Gives out ids.
#[derive(Default)]
pub struct PassIds {
    /// Its keys are this process's own, so that two processes do not give out the same ones in turn.
    random: RandomState,
    given: u64,
}

impl PassIds {
    /// The next one.
    pub fn give(&mut self) -> PassId {
        self.given += 1;
        // The upper half would do as well.
        PassId(u32::try_from(self.random.hash_one(self.given) & u64::from(u32::MAX)).unwrap_or_default())
    }
}

/// A pass over one account: what it works on, and what it may write.
pub struct Pass {
    /// Its name in logs and traces.
    pub id: PassId,
    /// Where its log lines and its trace belong.
    pub span: Span,
    /// Objects that it works on.
    pub objects: ObjectsInScope,
    /// The definitions, where nothing has changed since they were worked out.
    pub known: Option<Arc<Definitions>>,
    /// The object whose change brought the pass about; absent for a check.
    pub trigger: Option<Origin>,
    /// Our mark.
    pub mark: Mark,
    /// The right to write it.
    pub grip: Grip,
    /// The store; absent where the IdentityStore is.
    pub store: Option<StoreHandle>,
}

/// Outcome of a pass.
pub struct PassOutcome {
    /// Its name in logs and traces.
    pub id: PassId,
    /// The pass's span; in a trace the statuses that somebody waits for hang on it.
    pub span: Span,
    /// The account.
    pub key: AccountKey,
    /// How much of it was looked at.
    pub scope: Scope,
    /// What is to be said.
    pub report: PassReport,
    /// How long it took.
    pub took: Duration,
}
