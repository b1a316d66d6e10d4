//! Compares the limits of an IdentityStore. Called by the CLI when it compares revisions.

use std::collections::BTreeMap;

use super::{
    ABSENT, Direction, Limits,
    comparison::{Meaning, Reach, number, set, word},
};
use crate::{
    api::{
        APPROVE_STORE_ANNOTATION, AccountDefaults, Adoption, AllowedNamespaces, BlockedUser, DriftPolicy, Enforcement,
        IdentityStoreSpec, NOT_ENFORCED, NamespacesFrom, STORE_ID_ANNOTATION, SyncReason,
    },
    model::Email,
    resolve::{duration, leniency},
    state::KnownStore,
};

pub(super) const DRIFT: Meaning =
    Meaning { looser: "drift in the store is only reported", stricter: "drift in the store is corrected" };
pub(super) const UNMANAGED: Meaning = Meaning {
    looser: "undeclared members are no longer removed, or no longer reported",
    stricter: "undeclared members are removed, or at least reported",
};
pub(super) const CHECK_EVERY: Meaning =
    Meaning { looser: "drift in the store is found later", stricter: "drift in the store is found earlier" };
pub(super) const REMOVAL_GUARD: Meaning =
    Meaning { looser: "fewer removals wait for approval", stricter: "more removals wait for approval" };
pub(super) const ENFORCEMENT: Meaning = Meaning {
    looser: "less is done about changes by people without authority (Enforce refuses, Warn warns, Disabled does neither)",
    stricter: "more is done about changes by people without authority (Enforce refuses, Warn warns, Disabled does neither)",
};

/// IdentityStore in one revision.
#[derive(Clone, Copy)]
pub struct StoreRevision<'a> {
    /// Spec of the store.
    pub spec: &'a IdentityStoreSpec,
    /// Annotations that identify the store behind it.
    pub known: &'a KnownStore,
}

/// Compares the limits that a store sets.
#[must_use]
pub fn of_store(from: StoreRevision<'_>, to: StoreRevision<'_>) -> Limits {
    let mut limits = Limits::default();
    let (known, known_to) = (from.known, to.known);
    let approves = "the store with this id is used, also in place of the store used so far";
    let none = (Direction::Changed, "the controller decides which store is expected");
    let approved = (known.approved.as_deref(), known_to.approved.as_deref());
    limits.annotation(APPROVE_STORE_ANNOTATION, approved, approves, none);
    limits.annotation(STORE_ID_ANNOTATION, (known.id.as_deref(), known_to.id.as_deref()), approves, none);
    let (from, to) = (from.spec, to.spec);
    let uses = Meaning {
        looser: "accounts of more namespaces may use the store",
        stricter: "accounts of fewer namespaces may use the store",
    };
    allowed_namespaces(&mut limits, (&from.allowed_namespaces, &to.allowed_namespaces), uses);
    let rank = |adoption: Adoption| match adoption {
        Adoption::Never => 0,
        Adoption::IfIdentical => 1,
        Adoption::Always => 2,
    };
    let takes = Meaning {
        looser: "more existing entries of the store are adopted",
        stricter: "fewer existing entries of the store are adopted",
    };
    let ranked = |adoption: Adoption| (rank(adoption), word(&adoption));
    limits.ordered("spec.adoption", ranked(from.adoption), ranked(to.adoption), takes);
    paused(&mut limits, "spec.paused", from.paused, to.paused);
    blocked(&mut limits, from, to);
    defaults(&mut limits, &from.account_defaults, &to.account_defaults);
    portal_clients(&mut limits, from, to);
    limits
}

/// Compares the namespaces that a store or catalog admits.
pub(super) fn allowed_namespaces(
    limits: &mut Limits,
    (from, to): (&AllowedNamespaces, &AllowedNamespaces),
    meaning: Meaning,
) {
    let reach = |allowed: &AllowedNamespaces| match allowed.from {
        NamespacesFrom::All => Reach::All,
        NamespacesFrom::Selector => Reach::Selector,
    };
    let (from, to) = ((reach(from), from.selector.as_ref()), (reach(to), to.selector.as_ref()));
    limits.namespaces("spec.allowedNamespaces", from, to, meaning);
}

/// Compares whether a store or account is paused. A pause also leaves drift uncorrected, so that it tightens nothing.
pub(super) fn paused(limits: &mut Limits, field: &str, from: bool, to: bool) {
    limits.compare(field);
    if from != to {
        let (direction, meaning) = if to {
            (Direction::Changed, "grants, definitions and corrections wait; revocations do not")
        } else {
            (Direction::Loosened, "waiting grants and definitions are applied")
        };
        limits.add(field, (from.to_string(), to.to_string()), direction, meaning);
    }
}

fn blocked(limits: &mut Limits, from: &IdentityStoreSpec, to: &IdentityStoreSpec) {
    fn people(spec: &IdentityStoreSpec) -> BTreeMap<String, &BlockedUser> {
        let canonical = |email: &str| Email::parse(email).map_or_else(|_| email.to_owned(), |email| email.to_string());
        spec.blocked.iter().map(|user| (canonical(&user.email), user)).collect()
    }
    let field = |user: &BlockedUser| format!("spec.blocked[{}]", user.email);
    let (before, after) = (people(from), people(to));
    for (email, user) in &before {
        let Some(other) = after.get(email) else {
            let meaning = "no longer blocked: has the declared access";
            limits.add(&field(user), ("blocked", ABSENT), Direction::Loosened, meaning);
            continue;
        };
        // The address may be written with other letter case.
        limits.compare(&field(user));
        limits.compare(&field(other));
        if user.reason != other.reason {
            let reasons = (word(&user.reason), word(&other.reason));
            let meaning = "still blocked, with another reason";
            limits.add(&format!("{}.reason", field(other)), reasons, Direction::Changed, meaning);
        }
    }
    for (_, user) in after.iter().filter(|(email, _)| !before.contains_key(*email)) {
        let field = field(user);
        let meaning = "blocked: has no access in any account of this store";
        limits.add(&field, (ABSENT, "blocked"), Direction::Tightened, meaning);
    }
}

fn defaults(limits: &mut Limits, from: &AccountDefaults, to: &AccountDefaults) {
    let (drift, drift_to) = (&from.drift, &to.drift);
    let field = |name: &str| format!("spec.accountDefaults.{name}");
    let policies = (drift.policy, drift_to.policy);
    limits.either(&field("drift.policy"), policies, |policy| *policy == DriftPolicy::Report, DRIFT);
    let unmanaged = |one| (leniency(one), word(&one));
    limits.ordered(&field("drift.unmanaged"), unmanaged(drift.unmanaged), unmanaged(drift_to.unmanaged), UNMANAGED);
    let every = |text: &str| (duration(text), text.to_owned());
    let times = (every(&drift.check_every), every(&drift_to.check_every));
    limits.ordered(&field("drift.checkEvery"), times.0, times.1, CHECK_EVERY);
    let (guard, guard_to) = (&from.removal_guard, &to.removal_guard);
    let percents = (number(guard.maximum_percent), number(guard_to.maximum_percent));
    limits.ordered(&field("removalGuard.maximumPercent"), percents.0, percents.1, REMOVAL_GUARD);
    let counts = (number(guard.minimum_count), number(guard_to.minimum_count));
    limits.ordered(&field("removalGuard.minimumCount"), counts.0, counts.1, REMOVAL_GUARD);
    enforcement(limits, &field("enforcement"), from.enforcement, to.enforcement);
}

/// Compares whether changes require a person's authority.
pub(super) fn enforcement(limits: &mut Limits, field: &str, from: Enforcement, to: Enforcement) {
    let ranked = |one: Enforcement| (std::cmp::Reverse(one), word(&one));
    limits.ordered(field, ranked(from), ranked(to), ENFORCEMENT);
    let asks = format!("{NOT_ENFORCED}, and accounts that request it report {}", SyncReason::NotEnforced);
    limits.remark(field, if to == Enforcement::Off { NOT_ENFORCED } else { &asks });
}

fn portal_clients(limits: &mut Limits, from: &IdentityStoreSpec, to: &IdentityStoreSpec) {
    let Some(to) = &to.keycloak else { return };
    let from = from.keycloak.as_ref().map(|keycloak| keycloak.portal_clients.as_slice()).unwrap_or_default();
    let meaning = Meaning {
        looser: "more portals may ask for tokens with an account's scope",
        stricter: "fewer portals may ask for tokens with an account's scope",
    };
    limits.allowed("spec.keycloak.portalClients", &set(from), &set(&to.portal_clients), meaning);
}
