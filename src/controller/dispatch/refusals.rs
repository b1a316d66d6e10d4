//! What the API server does not let us do: who lacks a right is not ready (docs/decisions/0023).

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use super::Dispatcher;
use crate::model::KindName;

/// How long a refusal counts that is not repeated: whatever is refused is tried again within half a minute.
const COUNTS: Duration = Duration::from_secs(45);

/// What is done to objects of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Access {
    /// They are listed and watched.
    Read,
    /// Their status is written.
    Status,
    /// What else is written for them: finalizers, records.
    Other,
}

/// What was refused last, and when.
#[derive(Default)]
pub(super) struct Refusals(HashMap<(KindName, Access), (Instant, String)>);

impl Refusals {
    /// What the API server says, if anything is refused.
    pub(super) fn first(&self) -> Option<&str> {
        self.0.values().find(|(at, _)| at.elapsed() < COUNTS).map(|(_, why)| why.as_str())
    }

    /// Forgets what was not repeated.
    pub(super) fn tidy(&mut self) {
        self.0.retain(|_, (at, _)| at.elapsed() < COUNTS);
    }
}

impl Dispatcher {
    /// Something was done to objects of a kind, or may not be, and why.
    pub(super) fn accessed(&mut self, kind: KindName, access: Access, refused: Option<String>) {
        let news = match refused {
            Some(why) => self.refusals.0.insert((kind, access), (Instant::now(), why)).is_none(),
            None => self.refusals.0.remove(&(kind, access)).is_some(),
        };
        if news {
            self.setting.health.set_ready(self.readiness());
        }
    }
}
