//! Compares the limits of an Account. Called by the CLI when it compares revisions.

use std::collections::BTreeSet;

use super::{
    ABSENT, Direction, Limits,
    comparison::{Meaning, Reach, number, set, word},
    store,
};
use crate::{
    api::{
        APPROVE_CHANGE_ANNOTATION, APPROVE_DEFINITION_ANNOTATION, APPROVE_REMOVAL_ANNOTATION, AccountSpec,
        DeletionPolicy, DriftPolicy, Enforcement, IdentityStoreSpec, ManagedAccounts, ManagedFrom, PAUSED_ANNOTATION,
    },
    resolve::{Settings, check_every, leniency},
    state::AccountAnnotations,
};

/// Account in one revision, with the store that it names.
#[derive(Clone, Copy)]
pub struct AccountRevision<'a> {
    /// Spec of the Account.
    pub spec: &'a AccountSpec,
    /// Instructions in the Account's annotations.
    pub annotations: &'a AccountAnnotations,
    /// Spec of the store that the Account names, in this revision.
    pub store: &'a IdentityStoreSpec,
}

/// Compares the limits of an Account. A value inherited from the store counts only if the Account's own setting changes
/// its effect, or if `inherits` is set because the stores themselves are not compared.
#[must_use]
pub fn of_account(from: AccountRevision<'_>, to: AccountRevision<'_>, inherits: bool) -> Limits {
    let mut limits = Limits::default();
    settings(&mut limits, from, to, inherits);
    let deletes = Meaning {
        looser: "deleting the Account keeps everybody's access",
        stricter: "deleting the Account removes everybody's access",
    };
    let policies = (from.spec.deletion_policy, to.spec.deletion_policy);
    limits.either("spec.deletionPolicy", policies, |policy| *policy == DeletionPolicy::Orphan, deletes);
    let owns = Meaning {
        looser: "the account may own managed accounts",
        stricter: "the account may not own managed accounts",
    };
    limits.either("spec.partner", (from.spec.partner, to.spec.partner), |partner| *partner, owns);
    managed_accounts(&mut limits, from.spec, to.spec);
    let features = |spec: &AccountSpec| set(spec.plan.iter().flat_map(|plan| &plan.features));
    let bought = Meaning {
        looser: "actions that need these features of the plan are allowed",
        stricter: "actions that need these features of the plan are no longer allowed",
    };
    limits.allowed("spec.plan.features", &features(from.spec), &features(to.spec), bought);
    annotations(&mut limits, from.annotations, to.annotations);
    limits
}

/// Effective settings of an account, the store's defaults included.
struct Effective {
    settings: Settings,
    check_every: std::time::Duration,
    enforcement: Enforcement,
}

impl Effective {
    fn of(revision: AccountRevision<'_>) -> Self {
        let own = revision.spec.enforcement.unwrap_or_default();
        Self {
            settings: Settings::of(revision.store, revision.spec),
            check_every: check_every(Some(revision.store), revision.spec),
            enforcement: own.max(revision.store.account_defaults.enforcement),
        }
    }
}

fn settings(limits: &mut Limits, from: AccountRevision<'_>, to: AccountRevision<'_>, inherits: bool) {
    let (before, after) = (Effective::of(from), Effective::of(to));
    let (drift, drift_to) = (from.spec.drift.clone().unwrap_or_default(), to.spec.drift.clone().unwrap_or_default());
    if inherits || drift.policy != drift_to.policy {
        let policies = (before.settings.drift, after.settings.drift);
        limits.either("spec.drift.policy", policies, |policy| *policy == DriftPolicy::Report, store::DRIFT);
    }
    if inherits || drift.unmanaged != drift_to.unmanaged {
        let ranked = |settings: &Settings| (leniency(settings.unmanaged), word(&settings.unmanaged));
        let (from, to) = (ranked(&before.settings), ranked(&after.settings));
        limits.ordered("spec.drift.unmanaged", from, to, store::UNMANAGED);
    }
    if inherits || drift.check_every != drift_to.check_every {
        let ranked = |effective: &Effective| (effective.check_every, in_words(effective.check_every));
        limits.ordered("spec.drift.checkEvery", ranked(&before), ranked(&after), store::CHECK_EVERY);
    }
    let guards = (&from.spec.removal_guard, &to.spec.removal_guard);
    let (guard, guard_to) = (guards.0.clone().unwrap_or_default(), guards.1.clone().unwrap_or_default());
    if inherits || guard.maximum_percent != guard_to.maximum_percent {
        let (from, to) = (number(before.settings.maximum_percent), number(after.settings.maximum_percent));
        limits.ordered("spec.removalGuard.maximumPercent", from, to, store::REMOVAL_GUARD);
    }
    if inherits || guard.minimum_count != guard_to.minimum_count {
        let (from, to) = (number(before.settings.minimum_count), number(after.settings.minimum_count));
        limits.ordered("spec.removalGuard.minimumCount", from, to, store::REMOVAL_GUARD);
    }
    if inherits || from.spec.enforcement != to.spec.enforcement {
        store::enforcement(limits, "spec.enforcement", before.enforcement, after.enforcement);
    }
}

/// Returns a duration as specs write it, such as `1h30m`.
fn in_words(duration: std::time::Duration) -> String {
    let seconds = duration.as_secs();
    let parts = [(seconds / 3_600, 'h'), (seconds / 60 % 60, 'm'), (seconds % 60, 's')];
    let parts = parts.iter().filter(|(number, _)| *number > 0).map(|(number, unit)| format!("{number}{unit}"));
    parts.collect()
}

fn managed_accounts(limits: &mut Limits, from: &AccountSpec, to: &AccountSpec) {
    let (field, defaults) = ("spec.managedAccounts", ManagedAccounts::default());
    let (from, before, after) = match (&from.managed_accounts, &to.managed_accounts) {
        (Some(before), Some(after)) => (from, before, after),
        (None, None) => return,
        (Some(_), None) => {
            let meaning = "no account may name this one as its parent";
            return limits.add(field, ("present", ABSENT), Direction::Tightened, meaning);
        }
        (None, Some(after)) => {
            let meaning = "accounts may name this one as their parent";
            limits.add(field, (ABSENT, "present"), Direction::Loosened, meaning);
            (to, &defaults, after)
        }
    };
    let field = |name: &str| format!("spec.managedAccounts.{name}");
    let reach = |managed: &ManagedAccounts| match managed.allowed_namespaces.from {
        ManagedFrom::Same => Reach::Same,
        ManagedFrom::All => Reach::All,
        ManagedFrom::Selector => Reach::Selector,
    };
    let parents = Meaning {
        looser: "accounts of more namespaces may name this one as their parent",
        stricter: "accounts of fewer namespaces may name this one as their parent",
    };
    let (one, other) = (before.allowed_namespaces.selector.as_ref(), after.allowed_namespaces.selector.as_ref());
    limits.namespaces(&field("allowedNamespaces"), (reach(before), one), (reach(after), other), parents);
    let catalogs = |spec: &AccountSpec, managed: &ManagedAccounts| match managed.catalogs.as_slice() {
        [] => set([&spec.catalog_ref.name]),
        catalogs => set(catalogs),
    };
    let uses = Meaning {
        looser: "managed accounts may use more catalogs",
        stricter: "managed accounts may use fewer catalogs",
    };
    limits.allowed(&field("catalogs"), &catalogs(from, before), &catalogs(to, after), uses);
    let grants = Meaning {
        looser: "members of this account may assign more roles in managed accounts with another catalog",
        stricter: "members of this account may assign fewer roles in managed accounts with another catalog",
    };
    limits.allowed(&field("grantable"), &set(&before.grantable), &set(&after.grantable), grants);
    let approves =
        Meaning { looser: "managed accounts do not need approval", stricter: "managed accounts need approval" };
    let needs = (before.need_approval, after.need_approval);
    limits.either(&field("needApproval"), needs, |needs| !needs, approves);
    approved(limits, before, after);
}

fn approved(limits: &mut Limits, before: &ManagedAccounts, after: &ManagedAccounts) {
    let accounts = |managed: &ManagedAccounts| -> BTreeSet<String> {
        managed.approved.iter().map(|account| format!("{}/{}", account.namespace, account.name)).collect()
    };
    let (before, after) = (accounts(before), accounts(after));
    for account in after.difference(&before) {
        let field = format!("spec.managedAccounts.approved[{account}]");
        let meaning = "approved: the people that it declares have access there";
        limits.add(&field, (ABSENT, "approved"), Direction::Loosened, meaning);
    }
    for account in before.difference(&after) {
        let field = format!("spec.managedAccounts.approved[{account}]");
        let meaning = "no longer approved: nobody has access there if approval is needed";
        limits.add(&field, ("approved", ABSENT), Direction::Tightened, meaning);
    }
}

fn annotations(limits: &mut Limits, from: &AccountAnnotations, to: &AccountAnnotations) {
    store::paused(limits, &format!("metadata.annotations[{PAUSED_ANNOTATION}]"), from.paused, to.paused);
    let none = (Direction::Tightened, "no removals are approved in advance");
    let approved = (from.approved.as_deref(), to.approved.as_deref());
    limits.annotation(APPROVE_REMOVAL_ANNOTATION, approved, "removals of this hash pass the removal guard", none);
    let none = (Direction::Tightened, "no change is approved that lacks the authority");
    let change = (from.approved_change.as_deref(), to.approved_change.as_deref());
    let passes = "changes of this hash take effect, although nobody with the authority made them";
    limits.annotation(APPROVE_CHANGE_ANNOTATION, change, passes, none);
    let none = (Direction::Tightened, "changes that wait since a definition was recreated stay held");
    let definition = (from.definition.as_deref(), to.definition.as_deref());
    let there = "the objects of the recreated definition count as complete: waiting changes are applied";
    limits.annotation(APPROVE_DEFINITION_ANNOTATION, definition, there, none);
}
