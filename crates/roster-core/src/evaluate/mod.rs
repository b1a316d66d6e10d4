//! Entry point of the core for the meaning of objects and for plans. The controller, every command and the tests call
//! it and get the same result for the same objects, since no other code combines policies and plans.
//!
//! ```text
//!  SnapshotSource ──snapshot──► Snapshot ──prepare──► Prepared ─┐       cached until one of its objects changes
//!        └────────members────► Members ────────────────────────┼─judge────► Judged { findings, desired }
//!                                         Context ─────────────┤
//!                                                    store ──observe──► Observed ─┴─evaluate─► Evaluation
//! ```
//!
//! All functions are pure. Data of the whole account is shared, so that one member of an account of 50,000 costs as
//! much to judge as one in an account of five, if the prepared definitions are reused.

mod authorised;
mod prepared;
mod removal;
mod time;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::Timestamp;

use self::time::{advise_on_time, deadlines};
pub use self::{
    authorised::{Authorised, Authority, MemberLimit},
    prepared::{Prepared, prepare},
    removal::{DeletionDecision, delete, judge_deletion, judge_removal},
    time::EXPIRES_SOON,
};
use crate::{
    api::{AccountSpec, Adoption, IdentityStoreSpec},
    model::{Email, KindName, Ranks, RoleName, Scope},
    plan::{self, GuardState, Mark, Observed, Pause, Plan, Policy, UndeclaredMembers},
    resolve::{
        self, Access, AccountRevocations, Definitions, Desired, DesiredMember, MemberContent, Origin, ResolvedMember,
        RevocationReason,
    },
    state::{AccountAnnotations, Members, StoreAnswer},
};

/// Inputs of a decision besides objects and store, and adjustments by the caller.
#[derive(Clone, Debug)]
pub struct Context<'a> {
    /// Mark that all written content carries: cluster and UID of the Account.
    pub mark: Mark,
    /// Time of the judgement.
    pub now: Timestamp,
    /// Whether all differences are reported and none corrected, under any policy of store and account: for commands
    /// that only report.
    pub only_reporting: bool,
    /// Hashes of approved removals, in addition to the one in the annotation of the Account.
    pub approved: &'a [String],
    /// Treatment of existing objects without a mark; absent to follow the store's own setting.
    pub adoption: Option<Adoption>,
    /// Whether the removal guard already holds removals of this account.
    pub holding: GuardState,
    /// What was authorised, where an account enforces who may change access.
    pub authority: Authority,
}

/// Findings and desired content of an account, within a scope.
#[derive(Debug)]
pub struct Judged {
    /// Effective catalog, roles and groups, with the findings on them and on the Account.
    pub definitions: Arc<Definitions>,
    /// Desired content of the store.
    pub desired: Desired,
    /// Desired content, potential permissions and findings of each address, in the order of the given addresses.
    pub members: Vec<ResolvedMember>,
    /// Future instants at which a member's access begins or ends, or its end must be advised of.
    pub deadlines: Vec<(Timestamp, Email)>,
    /// What was authorised, where the account enforces who may change access.
    pub authorised: Option<Arc<Authorised>>,
    /// Owner named by the Account, if within the scope, with the desired content.
    owner: Option<(Email, DesiredMember)>,
    /// Time of the judgement.
    now: Timestamp,
}

/// Judgement of an account, and the plan for its store.
#[derive(Debug)]
pub struct Evaluation {
    /// Findings and desired content.
    pub judged: Judged,
    /// Changes to make, drift, and removals that are held.
    pub plan: Plan,
}

/// Revocation of one person's access because of the person, not because of an object of the account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// Reason of the revocation.
    pub end: RevocationReason,
    /// Object that requested it, for the audit.
    pub origin: Origin,
}

impl Context<'_> {
    /// Returns a context without adjustments.
    #[must_use]
    pub const fn new(mark: Mark, now: Timestamp) -> Self {
        Self {
            mark,
            now,
            only_reporting: false,
            approved: &[],
            adoption: None,
            holding: GuardState::Passes,
            authority: Authority::Unknown,
        }
    }

    /// Returns the definitions with the Account as it was authorised.
    fn prepared<'p>(&'p self, prepared: &'p Prepared) -> &'p Prepared {
        self.authority.judged().and_then(|authorised| authorised.prepared.as_ref()).unwrap_or(prepared)
    }

    /// Applies the adjustments to the policy of an account.
    fn policy(&self, mut policy: Policy) -> Policy {
        policy.guard.approved.extend_from_slice(self.approved);
        policy.guard.holding = self.holding;
        policy.adoption = self.adoption.unwrap_or(policy.adoption);
        if self.only_reporting { policy.only_reporting() } else { policy }
    }
}

impl Prepared {
    /// Returns whether the observed store is not the one in use so far.
    #[must_use]
    pub fn is_replaced(&self, observed: &Observed) -> bool {
        self.known_store.judge(observed.store.as_ref()) == StoreAnswer::Replaced
    }

    /// Makes a plan with the account's policy, and records on it whether another store was observed.
    fn plan(&self, observed: &Observed, context: &Context<'_>, plan: impl FnOnce(&Policy) -> Plan) -> Plan {
        let mut plan = plan(&self.policy(observed, context));
        plan.replaced = self.is_replaced(observed);
        plan
    }

    fn policy(&self, observed: &Observed, context: &Context<'_>) -> Policy {
        let defaults = IdentityStoreSpec::default();
        let store = self.definitions.store.as_ref().map_or(&defaults, |store| &store.spec);
        let guarded_roles = self.definitions.guarded_roles().map(|name| RoleName::predefined(name)).collect();
        let mark = context.mark.clone();
        let mut policy = Policy::new(mark, store, &self.account.spec, &self.annotations, guarded_roles, context.now);
        policy.unmanaged_by = self.unmanaged_by();
        policy.authorised = context.authority.objects();
        if context.authority.judged().is_some_and(|authorised| authorised.account_waits) {
            policy.paused = policy.paused.or(Some(Pause::Unauthorized));
        }
        if self.is_replaced(observed) {
            policy.paused = Some(Pause::StoreReplaced);
        }
        context.policy(policy)
    }
}

impl Prepared {
    /// Returns the object that sets what to do with members whom no object declares: the store, unless the account
    /// sets something stricter.
    fn unmanaged_by(&self) -> Option<Origin> {
        let store = self.definitions.store.as_ref()?;
        let in_effect = resolve::Settings::of(&store.spec, &self.account.spec).unmanaged;
        if in_effect != store.spec.account_defaults.drift.unmanaged {
            return self.definitions.desired.as_ref().map(|definitions| definitions.origin.clone());
        }
        Some(Origin::new(KindName::IdentityStore.as_str(), store.name.clone(), store.generation))
    }
}

/// Judges the objects of an account within the scope of `members`: findings, desired content of the store, potential
/// permissions. Needs no store.
#[must_use]
pub fn judge(prepared: &Prepared, members: &Members<'_>, context: &Context<'_>) -> Judged {
    let definitions = prepared.definitions.clone();
    let resolved: Vec<ResolvedMember> = members
        .addresses
        .iter()
        .map(|(email, facts)| {
            let mut member = definitions.member(email, facts, &|invitation| members.is_accepted(invitation, email));
            advise_on_time(&mut member, &definitions.account.namespace, facts, context.now);
            member
        })
        .collect();
    let mut wanted: BTreeMap<Email, DesiredMember> = std::iter::zip(&members.addresses, &resolved)
        .filter_map(|((email, _), member)| Some(((*email).clone(), member.desired.clone()?)))
        .collect();
    let owner = definitions.owner_member().filter(|(email, _)| members.scope.contains(email));
    if let Some((email, owner)) = &owner {
        wanted.entry(email.clone()).or_insert_with(|| owner.clone());
    }
    let desired = definitions.desired(members.scope.clone(), wanted);
    Judged {
        definitions,
        desired,
        members: resolved,
        deadlines: deadlines(members, context.now),
        authorised: None,
        owner,
        now: context.now,
    }
}

/// Judges like [`judge`], with the observed store: determines whether the owner named by the Account is in force. The
/// catalog may forbid a change of owner, and an account that does not resolve keeps its former owner.
#[must_use]
pub fn judge_with(prepared: &Prepared, members: &Members<'_>, observed: &Observed, context: &Context<'_>) -> Judged {
    let prepared = context.prepared(prepared);
    let mut judged = judge(prepared, members, context);
    if let Some((email, owner)) = judged.owner.take() {
        match plan::is_owner_in_force(&email, &judged.desired, observed, &context.mark) {
            None => {}
            Some(true) => drop(judged.desired.members.insert(email, owner)),
            Some(false) => judged.take_for_member(&email, members),
        }
    }
    if let Some(authorised) = context.authority.judged() {
        authorised.limit(&mut judged.desired, &mut judged.members, members);
        judged.authorised = Some(authorised.clone());
    }
    judged
}

impl Judged {
    /// Resolves the named owner's Memberships like a normal member's.
    fn take_for_member(&mut self, email: &Email, members: &Members<'_>) {
        self.desired.members.remove(email);
        let mut addresses = std::iter::zip(&members.addresses, &mut self.members);
        let Some(((_, facts), member)) = addresses.find(|((address, _), _)| *address == email) else { return };
        let is_accepted = |invitation: &_| members.is_accepted(invitation, email);
        *member = self.definitions.ordinary_member(email, facts, &is_accepted);
        advise_on_time(member, &self.definitions.account.namespace, facts, self.now);
        self.desired.members.extend(member.desired.clone().map(|desired| (email.clone(), desired)));
    }
}

/// Judges the objects of an account, and plans the changes that make the store match them, within the limits of
/// marks, adoption, policy and guard. `observed` must be of the same account, and cover at least the scope of
/// `members`.
#[must_use]
pub fn evaluate(prepared: &Prepared, members: &Members<'_>, observed: &Observed, context: &Context<'_>) -> Evaluation {
    let judged = judge_with(prepared, members, observed, context);
    let waits = judged.authorised.as_ref().is_some_and(|authorised| authorised.account_waits);
    let plan = context.prepared(prepared).plan(observed, context, |policy| {
        if waits {
            return plan::plan_while_account_waits(&judged.desired, observed, policy);
        }
        plan::plan_changes(&judged.desired, observed, policy)
    });
    Evaluation { judged, plan }
}

/// Plans only explicit revocations, for accounts whose objects cannot be trusted (deletion in progress, kinds
/// missing). Keeps everything else. `judged` comes from [`judge_with`].
#[must_use]
pub fn plan_revocations(prepared: &Prepared, judged: &Judged, observed: &Observed, context: &Context<'_>) -> Plan {
    prepared.plan(observed, context, |policy| {
        plan::plan_revocations(&judged.desired, observed, policy, UndeclaredMembers::Keep)
    })
}

/// Plans explicit revocations for an Account whose deletion waits. Also removes people whose Membership is gone,
/// within the limits of the guard.
#[must_use]
pub fn plan_revocations_and_removals(
    prepared: &Prepared,
    judged: &Judged,
    observed: &Observed,
    context: &Context<'_>,
) -> Plan {
    prepared.plan(observed, context, |policy| {
        plan::plan_revocations(&judged.desired, observed, policy, UndeclaredMembers::Remove)
    })
}

/// Plans the revocation of single people's access in one account of a store, regardless of its objects, and also if
/// none exist. Nothing else is changed: neither people whom the store does not hold, nor an account with another mark
/// than that of `context`.
#[must_use]
pub fn revoke_only(observed: &Observed, revocations: &[(Email, Revocation)], context: &Context<'_>) -> Plan {
    let ended = |(email, revocation): &(Email, Revocation)| {
        let held = observed.members.get(email)?.content.as_ref()?;
        let ranks = Ranks::none(observed.layout.len());
        let content = MemberContent { ranks, ended: Some(revocation.end), ..held.clone() };
        let access = Access::Exactly(Arc::new(content));
        let origin = revocation.origin.clone();
        Some((email.clone(), DesiredMember { access, origin, counts_as_holder: false }))
    };
    let members: BTreeMap<Email, DesiredMember> = revocations.iter().filter_map(ended).collect();
    let desired = Desired {
        account: context.mark.account.clone(),
        scope: Scope::Members(members.keys().cloned().collect()),
        layout: observed.layout.clone(),
        // Without definitions everything else stays.
        definitions: None,
        members,
        ends: AccountRevocations::default(),
    };
    // Other observed members must not be removed.
    let held = observed.members.iter().filter(|(email, _)| desired.members.contains_key(*email));
    let members = held.map(|(email, existing)| (email.clone(), existing.clone())).collect();
    let meant = Observed {
        layout: observed.layout.clone(),
        store: observed.store.clone(),
        account: observed.account.clone(),
        members,
        member_count: observed.member_count,
        recent_removals: observed.recent_removals.clone(),
        ..Observed::default()
    };
    let (store, account) = (IdentityStoreSpec::default(), AccountSpec::default());
    let annotations = AccountAnnotations::default();
    let policy = Policy::new(context.mark.clone(), &store, &account, &annotations, BTreeSet::new(), context.now);
    plan::plan_changes(&desired, &meant, &Policy { is_declared: false, ..context.policy(policy) })
}
