//! The front door: everybody who asks what objects mean, or what a store should do about it, asks here. The controller,
//! every command, and the tests get the same answer to the same objects, since nobody else puts a policy or a plan
//! together.
//!
//! ```text
//!  SnapshotSource ──snapshot──► Snapshot ──prepare──► Prepared ─┐       cached until one of its objects changes
//!        └────────members────► Members ────────────────────────┼─judge────► Judged { findings, desired }
//!                                         Context ─────────────┤
//!                                                    store ──observe──► Observed ─┴─evaluate─► Evaluation { judged, plan }
//! ```
//!
//! All of it is pure. Whatever is of the whole account is shared, so that one member of an account of 50,000 is judged at
//! the cost of one in an account of five, as long as what was prepared is reused.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::{SignedDuration, Timestamp};

use crate::{
    api::{AccountSpec, Adoption, IdentityStoreSpec, PredefinedRole, RoleAdvice},
    model::{Email, FindingKind, FindingsBuilder, KindName, Name, Ranks, RoleName, Scope},
    plan::{self, Gone, Guarded, Holding, Mark, Observed, Pause, Plan, Policy},
    resolve::{self, Access, Definitions, Desired, DesiredMember, End, Ends, MemberContent, Origin, ResolvedMember},
    state::{AccountAnnotations, AccountFacts, CatalogFacts, KnownStore, MemberFacts, Members, Snapshot, StoreAnswer},
};

/// Definitions of an account, worked out once for all its members. They hold until an object of its [`Snapshot`] changes.
/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// Catalog, roles and groups as they are in force in this account.
    pub definitions: Arc<Definitions>,
    account: Arc<AccountFacts>,
    annotations: AccountAnnotations,
    known_store: KnownStore,
    catalog: Option<Arc<CatalogFacts>>,
}

/// Circumstances that decide besides objects and store, and adjustments by the caller.
#[derive(Clone, Debug)]
pub struct Context<'a> {
    /// The mark that whatever is written carries: cluster and UID of the Account.
    pub mark: Mark,
    /// The time at which it is judged.
    pub now: Timestamp,
    /// Whether every difference is told and none corrected, whatever store and account say: for who only wants to know.
    pub only_reporting: bool,
    /// Hashes of removals that may pass, besides the one in the annotation of the Account.
    pub approved: &'a [String],
    /// Treatment of objects that are there and carry no mark; absent to follow the store's own setting.
    pub adoption: Option<Adoption>,
    /// Whether the removal guard holds removals of this account back already.
    pub holding: Holding,
}

/// Findings and desired content of an account, as far as a scope goes.
#[derive(Debug)]
pub struct Judged {
    /// Catalog, roles and groups as they are in force, with the findings on them and on the Account.
    pub definitions: Arc<Definitions>,
    /// Desired content of the store.
    pub desired: Desired,
    /// Each address's desired content, potential permissions and findings, in the order in which the addresses were given.
    pub members: Vec<ResolvedMember>,
    /// Instants after now at which somebody's time begins or ends.
    pub wakes: Vec<(Timestamp, Email)>,
    /// The owner whom the Account names, within the scope, and what the store should hold of them.
    owner: Option<(Email, DesiredMember)>,
    /// The time at which it was judged.
    now: Timestamp,
}

/// Judgement of an account, and the plan for its store.
#[derive(Debug)]
pub struct Evaluation {
    /// Findings and desired content.
    pub judged: Judged,
    /// Changes to make, drift, and removals that are held back.
    pub plan: Plan,
}

/// The end of one person's access by somebody's word about the person, not about an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// The end.
    pub end: End,
    /// Its cause; for the audit.
    pub origin: Origin,
}

impl Context<'_> {
    /// Returns a context that adjusts nothing.
    #[must_use]
    pub const fn new(mark: Mark, now: Timestamp) -> Self {
        Self { mark, now, only_reporting: false, approved: &[], adoption: None, holding: Holding::No }
    }

    /// Puts together the policy of an account, and what is adjusted of it.
    fn policy(&self, mut policy: Policy) -> Policy {
        policy.guard.approved.extend_from_slice(self.approved);
        policy.guard.holding = self.holding;
        policy.adoption = self.adoption.unwrap_or(policy.adoption);
        if self.only_reporting { policy.only_reporting() } else { policy }
    }
}

impl Prepared {
    /// Returns what was worked out of an earlier snapshot together with this one. The definitions must be those of the same
    /// objects.
    #[must_use]
    pub fn with_definitions(snapshot: &Snapshot, definitions: Arc<Definitions>) -> Self {
        let (account, annotations) = (snapshot.account.clone(), snapshot.annotations.clone());
        let known_store = snapshot.store.as_ref().map(|store| store.known.clone()).unwrap_or_default();
        Self { definitions, account, annotations, known_store, catalog: snapshot.catalog.clone() }
    }

    /// Returns whether another store was observed than the one that has been used so far.
    #[must_use]
    pub fn is_replaced(&self, observed: &Observed) -> bool {
        self.known_store.judge(observed.store.as_ref()) == StoreAnswer::Replaced
    }

    /// Makes a plan by the account's policy, and notes on it whether another store was observed.
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
        if self.is_replaced(observed) {
            policy.paused = Some(Pause::StoreReplaced);
        }
        context.policy(policy)
    }
}

/// How long before somebody's access ends it is advised of.
pub const EXPIRES_SOON: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Works out what an account's definitions mean. What it costs depends on the roles, groups and sections of the account,
/// not on its members.
#[must_use]
pub fn prepare(snapshot: &Snapshot) -> Prepared {
    Prepared::with_definitions(snapshot, Arc::new(resolve::definitions(snapshot)))
}

/// Works out what the objects of an account say within the scope of `members`: findings, what the store should hold,
/// potential permissions. Needs no store.
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
    Judged { definitions, desired, members: resolved, wakes: wakes(members, context.now), owner, now: context.now }
}

/// Works out what [`judge`] does, knowing what the store holds: whether the owner whom the Account names is the one in force.
/// The catalog may not let the owner change, and an account that does not resolve keeps the one that it has.
#[must_use]
pub fn judge_with(prepared: &Prepared, members: &Members<'_>, observed: &Observed, context: &Context<'_>) -> Judged {
    let mut judged = judge(prepared, members, context);
    let Some((email, owner)) = judged.owner.take() else { return judged };
    match plan::is_owner_in_force(&email, &judged.desired, observed, &context.mark) {
        None => {}
        Some(true) => drop(judged.desired.members.insert(email, owner)),
        Some(false) => judged.take_for_member(&email, members),
    }
    judged
}

impl Judged {
    /// Takes somebody's Memberships as those of anybody else, though the Account names them as its owner.
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

/// Judges the objects of an account, and works out what is to be done so that the store holds what they say, as far as
/// marks, adoption, policy and guard allow. `observed` must be of the same account, and reach at least as far as the scope
/// of `members`.
#[must_use]
pub fn evaluate(prepared: &Prepared, members: &Members<'_>, observed: &Observed, context: &Context<'_>) -> Evaluation {
    let judged = judge_with(prepared, members, observed, context);
    let plan = prepared.plan(observed, context, |policy| plan::plan(&judged.desired, observed, policy));
    Evaluation { judged, plan }
}

/// Works out what is done of a judgement where its objects cannot be taken at their word, because something around them is
/// being deleted or is not known: access that somebody's word has ended ends, and everything else stays as it is. The
/// judgement is that of [`judge_with`].
#[must_use]
pub fn ends(prepared: &Prepared, judged: &Judged, observed: &Observed, context: &Context<'_>) -> Plan {
    prepared.plan(observed, context, |policy| plan::ends(&judged.desired, observed, policy, Gone::Kept))
}

/// Works out the same for an Account whose deletion waits: besides, people whose Membership is gone are removed, as far as
/// the guard allows.
#[must_use]
pub fn ends_and_removals(prepared: &Prepared, judged: &Judged, observed: &Observed, context: &Context<'_>) -> Plan {
    prepared.plan(observed, context, |policy| plan::ends(&judged.desired, observed, policy, Gone::Removed))
}

/// Works out how to end the access of single people in one account of a store, whatever its objects say, and also where
/// there are none. Nothing else is touched: neither whom the store does not hold, nor an account that another mark holds
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
        // Nothing else is said, so everything else stays.
        definitions: None,
        members,
        ends: Ends::default(),
    };
    // Somebody else who was observed is not meant.
    let held = observed.members.iter().filter(|(email, _)| desired.members.contains_key(*email));
    let members = held.map(|(email, seen)| (email.clone(), seen.clone())).collect();
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
    plan::plan(&desired, &meant, &Policy { is_declared: false, ..context.policy(policy) })
}

/// Works out what is to be removed when an Account is deleted: everything that carries its mark, and with it the unmarked
/// members of its own container. What another cluster has marked stays, and keeps the container. No guard is asked.
#[must_use]
pub fn delete(observed: &Observed, mark: &Mark) -> Plan {
    plan::deletion(observed, mark)
}

/// Outcome of judging the deletion of an Account whose content goes with it.
#[derive(Debug)]
pub enum Deletion {
    /// Another store answered than the one in use so far, which holds what is to be removed. The deletion waits.
    Replaced,
    /// The removal guard holds the removal of everybody back. The deletion waits for an approval.
    Held(Guarded),
    /// The changes to make.
    Removes(Plan),
}

/// Judges the deletion of an Account whose content goes with it: as [`delete`], unless another store answered or the removal
/// guard holds the removal back. `observed` must be of the whole account. People of `decided` are those whose removal was
/// decided before, and has been begun.
#[must_use]
pub fn judge_deletion(
    prepared: &Prepared,
    judged: &Judged,
    observed: &Observed,
    context: &Context<'_>,
    decided: &BTreeSet<Email>,
) -> Deletion {
    if prepared.is_replaced(observed) {
        return Deletion::Replaced;
    }
    let mut policy = prepared.policy(observed, context);
    // Also of an account that does not resolve.
    let roles = prepared.catalog.iter().flat_map(|catalog| &catalog.spec.roles);
    let needs_holder = |role: &&PredefinedRole| role.advice.as_ref().is_some_and(RoleAdvice::needs_holder);
    policy.guard.guarded_roles.extend(roles.filter(needs_holder).map(|role| RoleName::predefined(&role.name)));
    match plan::guarded_deletion(&judged.desired.ends, observed, &policy, decided) {
        Ok(plan) => Deletion::Removes(plan),
        Err(guarded) => Deletion::Held(guarded),
    }
}

/// Advises on Memberships whose time is over, or soon will be.
fn advise_on_time(member: &mut ResolvedMember, namespace: &Name, facts: &[&MemberFacts], now: Timestamp) {
    for (view, facts) in std::iter::zip(&mut member.views, facts) {
        let Some(end) = facts.window().expires_at else { continue };
        let kind = match end {
            // It could not be read, and the schema says so.
            end if end == Timestamp::MIN => continue,
            _ if facts.suspended => continue,
            end if end <= now => FindingKind::HasExpired(end),
            end if advised_from(end).is_none_or(|from| from <= now) => FindingKind::ExpiresSoon(end),
            _ => continue,
        };
        let mut findings = FindingsBuilder::new(KindName::Membership, namespace, &facts.name);
        findings.add("spec.expiresAt", kind);
        view.findings.extend(findings.finish());
    }
}

/// Since when it is advised of an end; nothing where that is since the beginning of time.
fn advised_from(end: Timestamp) -> Option<Timestamp> {
    end.checked_sub(EXPIRES_SOON).ok()
}

fn wakes(members: &Members<'_>, now: Timestamp) -> Vec<(Timestamp, Email)> {
    let mut wakes = Vec::new();
    for (email, memberships) in &members.addresses {
        for facts in memberships {
            let window = facts.window();
            let advised = window.expires_at.and_then(advised_from);
            let instants = [window.starts_at, advised, window.expires_at].into_iter().flatten();
            wakes.extend(instants.filter(|at| *at > now).map(|at| (at, (*email).clone())));
        }
    }
    wakes
}
