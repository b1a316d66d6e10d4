//! A call of `apply` in progress, advanced step by step. Driven by [`SharedStore`](super::SharedStore) and by the
//! simulator.

use std::mem;

use roster_core::{
    contract::{Claim, Outcome, StoreError},
    plan::ObjectKey,
};

use super::{Kind, MemoryStore, OwnedBatch, plain::Work, transaction};

/// Result of one step of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The store does not respond: nothing was done.
    Waiting,
    /// The call continues. These objects were written in this step; in a plain store at most one.
    Going {
        /// Written objects.
        touched: Vec<ObjectKey>,
    },
    /// The call has ended, with one outcome for each change. A further step returns this again.
    Done(Vec<Outcome>),
}

/// Call of `apply` in progress. It does not borrow the store, so calls can be interleaved; a dropped call leaves what
/// it has written.
///
/// In a transactional store the second step commits all or nothing, and the third one replies. In a plain store the
/// first step reads and compares, each further step makes one single write, and the last one replies. Writes of others
/// after that first step are not compared again: a plain store has no conditional writes.
#[derive(Clone, Debug)]
pub struct Apply {
    batch: OwnedBatch,
    claim: Claim,
    stage: Stage,
    outcomes: Vec<Outcome>,
}

#[derive(Clone, Debug)]
enum Stage {
    Sent,
    Commit,
    Writing(Work),
    Reply,
    Ended,
}

impl MemoryStore {
    /// Begins a call. Nothing is read or written before its first step.
    #[must_use]
    pub fn begin(&self, batch: OwnedBatch, claim: Claim) -> Apply {
        let stage = if batch.changes.is_empty() { Stage::Ended } else { Stage::Sent };
        Apply { batch, claim, stage, outcomes: Vec::new() }
    }
}

impl Apply {
    /// Returns the batch.
    #[must_use]
    pub fn batch(&self) -> &OwnedBatch {
        &self.batch
    }

    /// Advances the call by one step.
    pub fn step(&mut self, store: &mut MemoryStore) -> Progress {
        if store.faults.silent && !matches!(self.stage, Stage::Ended) {
            return Progress::Waiting;
        }
        match mem::replace(&mut self.stage, Stage::Ended) {
            Stage::Sent => self.start(store),
            Stage::Commit => match transaction::commit(store, &self.batch, self.claim) {
                Ok(committed) => {
                    self.outcomes = committed.outcomes;
                    self.go_on(Stage::Reply, committed.touched)
                }
                Err(error) => self.refuse(&error),
            },
            Stage::Writing(mut work) => match work.step(store, &self.batch, &mut self.outcomes) {
                Some(touched) => self.go_on(Stage::Writing(work), vec![touched]),
                None if store.faults.unavailable => Progress::Done(self.outcomes.clone()),
                None => self.reply(store),
            },
            Stage::Reply => self.reply(store),
            Stage::Ended => Progress::Done(self.outcomes.clone()),
        }
    }

    fn start(&mut self, store: &MemoryStore) -> Progress {
        if let Err(error) = store.faults.check_write(Some(&self.batch.mark.account)) {
            return self.refuse(&error);
        }
        let stage = match store.kind {
            Kind::Transactional => Stage::Commit,
            Kind::Plain => {
                let (work, outcomes) = Work::new(store, &self.batch);
                self.outcomes = outcomes;
                Stage::Writing(work)
            }
        };
        self.go_on(stage, Vec::new())
    }

    fn reply(&mut self, store: &mut MemoryStore) -> Progress {
        if store.faults.unavailable || store.faults.loses_reply() {
            return self.refuse(&StoreError::Unavailable("the reply of the store in memory was lost".to_owned()));
        }
        Progress::Done(self.outcomes.clone())
    }

    fn go_on(&mut self, stage: Stage, touched: Vec<ObjectKey>) -> Progress {
        self.stage = stage;
        Progress::Going { touched }
    }

    fn refuse(&mut self, error: &StoreError) -> Progress {
        self.outcomes = self.batch.as_batch().refused(error);
        Progress::Done(self.outcomes.clone())
    }
}
