//! What goes into a pass, and what comes out.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    hash::{BuildHasher as _, RandomState},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use smallvec::SmallVec;
use tracing::Span;

use super::{
    events::Notice,
    record::{KindName, ObjectRef, Record},
    shares::Grip,
    status::{Report, render},
    stores::StoreHandle,
};
use crate::{
    model::{AccountKey, Email, Name},
    plan::{Cause, Mark},
    resolve::{
        AccountFacts, AccountSnapshot, Definitions, GroupFacts, InvitationFacts, MemberFacts, Origin, RoleFacts,
        RoleRefs, Scope,
    },
};

/// The memberships of one address.
pub type Memberships = SmallVec<[Arc<Record<MemberFacts>>; 1]>;

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

/// Everything one pass over an account works on, taken out of the index at one moment.
pub struct Pass {
    /// Its name in logs and traces.
    pub id: PassId,
    /// Where its log lines and its trace belong.
    pub span: Span,
    /// The account.
    pub key: AccountKey,
    /// What is looked at.
    pub scope: Scope,
    /// What decides about definitions.
    pub snapshot: AccountSnapshot,
    /// The Account object.
    pub account: Arc<Record<AccountFacts>>,
    /// The definitions, where nothing has changed since they were worked out.
    pub known: Option<Arc<Definitions>>,
    /// Memberships in scope, by address; an address nobody has any more is there without any.
    pub members: Vec<(Email, Memberships)>,
    /// Memberships whose address is none; where the scope is the account.
    pub unaddressed: Vec<Arc<Record<MemberFacts>>>,
    /// The account's roles; where the scope is the account.
    pub roles: Vec<Arc<Record<RoleFacts>>>,
    /// The account's groups; where the scope is the account.
    pub groups: Vec<Arc<Record<GroupFacts>>>,
    /// Invitations in scope.
    pub invitations: Vec<Arc<Record<InvitationFacts>>>,
    /// Objects in scope of whose status something waits to be written, or is being written: what it reads as now is not
    /// what it will read as.
    pub unsettled: HashSet<ObjectRef>,
    /// Numbers of the account.
    pub counts: Counts,
    /// The object whose change brought the pass about; absent for a check.
    pub trigger: Option<Origin>,
    /// Our mark.
    pub mark: Mark,
    /// The right to write it.
    pub grip: Grip,
    /// The time.
    pub now: Timestamp,
    /// The store; absent where the IdentityStore is.
    pub store: Option<StoreHandle>,
}

/// Numbers of an account.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Memberships.
    pub memberships: u64,
    /// Memberships by the role they name; absent for those that name none.
    pub role_refs: RoleRefs,
    /// Memberships by the groups they name.
    pub group_refs: HashMap<Name, u64>,
    /// Roles.
    pub roles: u64,
    /// Groups.
    pub groups: u64,
    /// Invitations.
    pub invitations: u64,
    /// Accounts that name it as their parent and are admitted; absent where only members are looked at.
    pub children: Option<u64>,
}

/// What became of a pass.
pub struct PassOutcome {
    /// Its name in logs and traces.
    pub id: PassId,
    /// The pass's span; in a trace the statuses that somebody waits for hang on it.
    pub span: Span,
    /// The account.
    pub key: AccountKey,
    /// What was looked at.
    pub scope: Scope,
    /// What the definitions mean, for the next pass.
    pub definitions: Option<Arc<Definitions>>,
    /// What is to be said of objects whose status does not say it yet.
    pub reports: Vec<(ObjectRef, Report)>,
    /// What is said of the Account, its roles and groups, whether or not their status says it: numbers follow.
    pub shown: Vec<(ObjectRef, Report)>,
    /// What is to be told.
    pub notices: Vec<Notice>,
    /// How it went.
    pub end: End,
    /// Changes made, by kind of object and cause.
    pub changes: HashMap<(&'static str, Cause), u64>,
    /// Differences found and corrected.
    pub drift: (u64, u64),
    /// Instants at which somebody's time begins or ends.
    pub wakes: Vec<(Timestamp, Email)>,
    /// How long it took.
    pub took: Duration,
}

impl PassOutcome {
    /// Says something of an object, unless its status says just that. This is the place to find out: beside the loop, and
    /// before very many reports wait for nothing.
    pub fn say<F>(&mut self, pass: &Pass, kind: KindName, record: &Record<F>, report: Report) {
        let reference = record.reference(kind);
        let says_so = !pass.unsettled.contains(&reference)
            && render(&report, &record.meta.status, pass.now)
                .is_ok_and(|rendered| rendered.digest.hash == record.meta.status.hash);
        if matches!(kind, KindName::Account | KindName::Role | KindName::UserGroup) {
            self.shown.push((reference.clone(), report.clone()));
        }
        if !says_so {
            self.reports.push((reference, report));
        }
    }
}

/// How a pass went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// Everything is done that can be.
    Done,
    /// Something failed that may succeed later.
    Retry {
        /// What, in words.
        why: String,
        /// Whether it may have taken something away from somebody.
        revokes: bool,
    },
    /// The whole account is to be looked at.
    NeedsAccount,
}
