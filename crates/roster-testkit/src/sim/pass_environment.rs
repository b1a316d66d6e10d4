//! Environment of one pass in the simulator: one request in flight, answered by the scheduler. Created by
//! [`Running`](super::replica::Running).

use std::{
    collections::BTreeSet,
    future::poll_fn,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Poll,
};

use jiff::Timestamp;
use roster_core::{
    contract::{Batch, Outcome, StoreError},
    control::{ApiFault, FreshRead, PassEnvironment, Permit},
    model::{AccountKey, Name, ObjectRef, Scope},
    plan::Observed,
    state::CatalogFacts,
};

use crate::memory::OwnedBatch;

/// Number of changes applied at a time: few, so that passes over small accounts have several slices.
const SLICE: usize = 3;

/// Request of a pass.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub enum Request {
    Claim(Name, Permit),
    Observe(AccountKey, Scope, Timestamp),
    Apply(Box<OwnedBatch>, Permit),
    ReadFresh(AccountKey, Name),
    LacksStore(Name),
    Finalizer(ObjectRef, Name, bool),
}

/// Answer to a request.
#[derive(Debug)]
#[allow(missing_docs)]
pub enum Answer {
    Claimed(Result<(), StoreError>),
    Observed(Box<Result<Observed, StoreError>>),
    Applied(Result<Vec<Outcome>, StoreError>),
    ReadFresh(Result<FreshRead, ApiFault>),
    LacksStore(Result<bool, ApiFault>),
    FinalizerSet(Result<(), ApiFault>),
}

#[derive(Debug, Default)]
struct PendingRequests {
    request: Option<Request>,
    answer: Option<Answer>,
}

/// Environment of one pass.
#[derive(Clone, Debug, Default)]
pub struct SimEnvironment(Arc<Mutex<PendingRequests>>);

impl SimEnvironment {
    fn pending(&self) -> MutexGuard<'_, PendingRequests> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the waiting request.
    #[must_use]
    pub fn take_request(&self) -> Option<Request> {
        self.pending().request.take()
    }

    /// Sets the answer to the request that was taken. The pass must be polled afterwards.
    pub fn answer(&self, answer: Answer) {
        self.pending().answer = Some(answer);
    }

    async fn ask(&self, request: Request) -> Answer {
        self.pending().request = Some(request);
        poll_fn(|_| self.pending().answer.take().map_or(Poll::Pending, Poll::Ready)).await
    }
}

fn mixed_up<T>() -> T {
    panic!("the scheduler answered another question")
}

impl PassEnvironment for SimEnvironment {
    async fn claim(&self, cluster: &str, permit: &Permit) -> Result<(), StoreError> {
        if permit.clean {
            return Ok(());
        }
        match self.ask(Request::Claim(Name::new(cluster), *permit)).await {
            Answer::Claimed(result) => result,
            _ => mixed_up(),
        }
    }

    async fn observe(&self, account: &AccountKey, scope: &Scope, since: Timestamp) -> Result<Observed, StoreError> {
        match self.ask(Request::Observe(account.clone(), scope.clone(), since)).await {
            Answer::Observed(result) => *result,
            _ => mixed_up(),
        }
    }

    async fn apply(&self, batch: &Batch<'_>, permit: &Permit) -> Result<Vec<Outcome>, StoreError> {
        match self.ask(Request::Apply(Box::new(OwnedBatch::from(batch)), *permit)).await {
            Answer::Applied(result) => result,
            _ => mixed_up(),
        }
    }

    fn slice(&self) -> usize {
        SLICE
    }

    async fn read_fresh(&self, account: &AccountKey, uid: &str) -> Result<FreshRead, ApiFault> {
        match self.ask(Request::ReadFresh(account.clone(), Name::new(uid))).await {
            Answer::ReadFresh(result) => result,
            _ => mixed_up(),
        }
    }

    async fn grants(&self, _: &str, _: &Name, _: &CatalogFacts) -> Result<BTreeSet<Name>, ApiFault> {
        Ok(BTreeSet::new())
    }

    async fn lacks_store(&self, name: &Name) -> Result<bool, ApiFault> {
        match self.ask(Request::LacksStore(name.clone())).await {
            Answer::LacksStore(result) => result,
            _ => mixed_up(),
        }
    }

    async fn set_finalizer(&self, object: &ObjectRef, uid: &Name, wanted: bool) -> Result<(), ApiFault> {
        match self.ask(Request::Finalizer(object.clone(), uid.clone(), wanted)).await {
            Answer::FinalizerSet(result) => result,
            _ => mixed_up(),
        }
    }
}
