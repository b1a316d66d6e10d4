//! Runs passes: resolve, observe, plan, apply. Used by the tests.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{Memory, Resolved, World};
use jiff::Timestamp;
use roster_core::{
    api::{Adoption, DriftPolicy, Unmanaged},
    evaluate::{Context, evaluate, judge, plan_revocations, prepare},
    model::{AccountKey, Scope},
    plan::{AuthorisedObjects, GuardPolicy, GuardState, Mark, Plan, Policy},
    state::SnapshotSource as _,
};

pub fn mark(account: &AccountKey) -> Mark {
    Mark { cluster: "cluster-1".into(), account: account.clone(), uid: "uid-1".into() }
}

/// The defaults of a store, at the beginning of time.
pub fn policy(account: &str) -> Policy {
    Policy {
        mark: mark(&World::key(account)),
        adoption: Adoption::IfIdentical,
        is_declared: true,
        drift: DriftPolicy::Correct,
        unmanaged: Unmanaged::Report,
        unmanaged_by: None,
        paused: None,
        authorised: AuthorisedObjects::Unknown,
        guard: GuardPolicy {
            maximum_percent: 25,
            minimum_count: 5,
            approved: Vec::new(),
            guarded_roles: BTreeSet::new(),
            holding: GuardState::Passes,
        },
        holds_windows: true,
        now: Timestamp::UNIX_EPOCH,
    }
}

/// One account, its store, and how it is kept.
#[derive(Clone, Debug)]
pub struct Pass {
    pub account: String,
    pub world: World,
    pub memory: Memory,
    pub policy: Policy,
}

impl Pass {
    pub fn new(account: &str, world: World) -> Self {
        let mut policy = policy(account);
        policy.mark.uid = world.accounts[&World::key(account)].uid.clone();
        Self { account: account.to_owned(), world, memory: Memory::default(), policy }
    }

    /// Creates the pass with a store that holds the desired content already.
    #[track_caller]
    pub fn synced(account: &str, yaml: &str) -> Self {
        let mut pass = Self::new(account, World::of(yaml));
        pass.run();
        pass
    }

    pub fn resolve(&self) -> Resolved {
        self.world.resolve(&self.account)
    }

    pub fn plan(&self) -> Plan {
        self.plan_within(Scope::Account)
    }

    /// The plan of a pass in which store and account are kept as `policy` says.
    pub fn plan_within(&self, scope: Scope) -> Plan {
        let (key, index) = (World::key(&self.account), self.world.index());
        let (mut snapshot, members) = (index.snapshot(&key).unwrap(), index.members(&key, &scope).unwrap());
        let policy = &self.policy;
        if let Some(store) = &mut snapshot.store {
            let spec = &mut Arc::make_mut(store).spec;
            (spec.adoption, spec.paused) = (policy.adoption, policy.paused.is_some());
            let defaults = &mut spec.account_defaults;
            (defaults.drift.policy, defaults.drift.unmanaged) = (policy.drift, policy.unmanaged);
            defaults.removal_guard.maximum_percent = policy.guard.maximum_percent;
            defaults.removal_guard.minimum_count = policy.guard.minimum_count;
        }
        snapshot.annotations.paused |= policy.paused.is_some();
        let (approved, holding) = (&policy.guard.approved, policy.guard.holding);
        let context = Context { approved, holding, ..Context::new(policy.mark.clone(), policy.now) };
        let observed = self.memory.observe(&scope, policy.now);
        let made = evaluate(&prepare(&snapshot), &members, &observed, &context).plan;
        if made.needs_account && scope != Scope::Account {
            return self.plan_within(Scope::Account);
        }
        assert!(!made.needs_account);
        made
    }

    /// Returns the plan of explicit revocations only.
    pub fn revocations(&self) -> Plan {
        let (key, index) = (World::key(&self.account), self.world.index());
        let (snapshot, members) = (index.snapshot(&key).unwrap(), index.members(&key, &Scope::Account).unwrap());
        let context = Context::new(self.policy.mark.clone(), self.policy.now);
        let (prepared, observed) = (prepare(&snapshot), self.memory.observe(&Scope::Account, self.policy.now));
        plan_revocations(&prepared, &judge(&prepared, &members, &context), &observed, &context)
    }

    /// One pass over the whole account; planning again gives nothing.
    #[track_caller]
    pub fn run(&mut self) -> Plan {
        self.run_within(Scope::Account)
    }

    #[track_caller]
    pub fn run_within(&mut self, scope: Scope) -> Plan {
        let made = self.plan_within(scope.clone());
        let mark = self.policy.mark.clone();
        self.memory.apply(&made, &mark, self.policy.now);
        let again = self.plan_within(scope);
        assert_eq!(again.changes, [], "planning again gives something");
        made
    }

    pub fn access(&self, address: &str) -> String {
        self.memory.access(address)
    }
}

/// Describes each change of a plan in one line: `Narrow spec member dana@acme.example` …
pub fn table(plan: &Plan) -> Vec<String> {
    let mut lines = Vec::new();
    for change in &plan.changes {
        let what = if change.put.is_some() { "put" } else { "remove" };
        let counted = if change.counted { " counted" } else { "" };
        lines.push(format!("{:?} {} {what} {}{counted}", change.phase, change.cause.as_str(), change.object));
    }
    lines
}

impl Pass {
    /// Everything that is held back, by object.
    pub fn holds(plan: &Plan) -> BTreeMap<String, String> {
        plan.holds.iter().map(|(object, hold)| (object.to_string(), format!("{hold:?}"))).collect()
    }
}
