//! Actions: whatever people, the network and chance do to a run.

use std::fmt;

use roster_core::{
    contract::StoreError,
    model::{AccountKey, Email, KindName, Name, ObjectRef},
    plan::ObjectKey,
};

use super::{
    clock::{SECOND, Time},
    cluster::Definition,
    objects::Spec,
};

/// An action at a time. Its id keys its randomness.
#[derive(Clone, Debug)]
pub struct Action {
    /// Id, which stays when others are taken out.
    pub id: u64,
    /// When it happens.
    pub at: Time,
    /// The act.
    pub act: Act,
}

/// Something that happens.
#[derive(Clone, Debug)]
pub enum Act {
    /// Somebody creates an object or changes its spec.
    Apply(ObjectRef, Spec),
    /// Somebody deletes an object.
    Delete(ObjectRef),
    /// Somebody deletes a namespace with everything in it, over so long.
    DeleteNamespace(Name, Time),
    /// Somebody sets or removes an annotation.
    Annotate(ObjectRef, &'static str, Option<String>),
    /// Somebody approves the removals that the Account's status shows.
    Approve(AccountKey),
    /// The definition of a kind changes.
    Define(KindName, Definition),
    /// Somebody with rights in the store takes a member out.
    TamperDelete(Name, AccountKey, Email),
    /// Somebody with rights in the store gives a member a level.
    TamperRaise(Name, AccountKey, Email),
    /// Somebody with rights in the store adds a member who carries no mark.
    TamperAdd(Name, AccountKey, Email),
    /// A store becomes faulty, or is mended.
    Store(Name, StoreFault, bool),
    /// An empty store stands where a store was.
    Replace(Name),
    /// The former store is back, whatever was done in the other one.
    Restore(Name),
    /// Somebody approves the store that answers.
    ApproveStore(Name),
    /// What a replica hears of a kind lags, up to so long, for so long.
    Lag(usize, KindName, Time, Time),
    /// A replica lists a kind afresh, from a snapshot so many entries old.
    Relist(usize, KindName, usize),
    /// A replica dies, and starts again after so long.
    Crash(usize, Time),
    /// A replica stands still for so long.
    Freeze(usize, Time),
    /// The wall clock jumps by so many seconds.
    Jump(i64),
    /// The API server answers so many requests with a failure, or loses the replies after success.
    Api(ApiTrouble, u32),
    /// The API server cannot be reached for so long.
    Away(Time),
}

/// Trouble of the API server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApiTrouble {
    /// Requests fail.
    Fails,
    /// Requests succeed, and their replies are lost.
    LosesReplies,
    /// Writes conflict.
    Conflicts,
}

/// Fault of a store.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum StoreFault {
    Unavailable,
    Silent,
    Locked,
    LockedAccount(AccountKey),
    Refused(AccountKey, ObjectKey, StoreError),
    DiesAfter(u32),
    LosesReplies(u32),
    Slow(Time),
}

fn seconds(time: Time) -> String {
    format!("{}.{} s", time / SECOND, time % SECOND / (SECOND / 10))
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Apply(object, spec) => write!(f, "somebody applies {object:?}: {}", short(spec)),
            Self::Delete(object) => write!(f, "somebody deletes {object:?}"),
            Self::DeleteNamespace(name, over) => {
                write!(f, "somebody deletes namespace {name}; its objects go within {}", seconds(*over))
            }
            Self::Annotate(object, key, Some(value)) => write!(f, "somebody annotates {object:?} with {key}={value}"),
            Self::Annotate(object, key, None) => write!(f, "somebody removes annotation {key} of {object:?}"),
            Self::Approve(key) => write!(f, "somebody approves the removals that the status of {key} shows"),
            Self::Define(kind, definition) => write!(f, "the definition of {} is {definition:?}", kind.as_str()),
            Self::TamperDelete(store, key, email) => {
                write!(f, "somebody takes {email} out of {key} in store {store} behind our back")
            }
            Self::TamperRaise(store, key, email) => {
                write!(f, "somebody raises {email} in {key} in store {store} behind our back")
            }
            Self::TamperAdd(store, key, email) => {
                write!(f, "somebody adds {email} to {key} in store {store} behind our back")
            }
            Self::Store(store, fault, true) => write!(f, "store {store} has a fault: {fault:?}"),
            Self::Store(store, fault, false) => write!(f, "store {store} has no longer the fault {fault:?}"),
            Self::Replace(store) => write!(f, "an empty store stands in the place of store {store}"),
            Self::Restore(store) => write!(f, "the former store {store} is back"),
            Self::ApproveStore(store) => write!(f, "somebody approves what stands in the place of store {store}"),
            Self::Lag(replica, kind, most, lasts) => {
                let (kind, most, lasts) = (kind.as_str(), seconds(*most), seconds(*lasts));
                write!(f, "replica {replica} hears of {kind} up to {most} late, for {lasts}")
            }
            Self::Relist(replica, kind, behind) => {
                write!(f, "replica {replica} lists {} afresh, from {behind} entries ago", kind.as_str())
            }
            Self::Crash(replica, after) => {
                write!(f, "replica {replica} dies, and starts again after {}", seconds(*after))
            }
            Self::Freeze(replica, lasts) => write!(f, "replica {replica} stands still for {}", seconds(*lasts)),
            Self::Jump(by) => write!(f, "the wall clock jumps by {by} s"),
            Self::Away(lasts) => write!(f, "the API server cannot be reached for {}", seconds(*lasts)),
            Self::Api(trouble, count) => write!(f, "the API server has trouble with {count} requests: {trouble:?}"),
        }
    }
}

fn short(spec: &Spec) -> String {
    let json = |value: serde_json::Result<String>| {
        let text = value.unwrap_or_default();
        text.char_indices().nth(600).map_or(text.clone(), |(end, _)| format!("{}…", &text[..end]))
    };
    match spec {
        Spec::Namespace(labels) => json(serde_json::to_string(labels)),
        Spec::Catalog(spec) => json(serde_json::to_string(spec)),
        Spec::Store(spec) => json(serde_json::to_string(spec)),
        Spec::Account(spec) => json(serde_json::to_string(spec)),
        Spec::Role(spec) => json(serde_json::to_string(spec)),
        Spec::Group(spec) => json(serde_json::to_string(spec)),
        Spec::Member(spec) => json(serde_json::to_string(spec)),
        Spec::Record(..) => String::new(),
    }
}
