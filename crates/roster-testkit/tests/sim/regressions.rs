//! Regression tests of the loop: scripts that broke a promise before a defect was fixed, except those about revocations.
//! Each comment describes what went wrong. The random runs of `make sim` also reach these situations.

use std::collections::BTreeSet;

use roster_core::model::{KindName, Name};
use roster_testkit::{
    memory::Kind,
    sim::{
        ActionKind,
        clock::{MINUTE, SECOND},
        cluster::Definition,
        play,
    },
};
use serde_json::json;

use crate::script::{Script, account, catalog, email, key, lowering, member, reference, suspended};

const BUSY: u64 = 30 * SECOND;

/// Fixed defect (i): A namespace is being deleted, and an override of a role is deleted first. The members got the
/// permissions that it had lowered.
#[test]
fn access_does_not_rise_when_an_override_is_deleted_with_its_namespace() {
    let mut script = Script::new(Kind::Transactional);
    script.account("a", 3);
    let role = lowering("a");
    script.apply(2 * SECOND, KindName::Role, "r", role);
    script.act(BUSY, ActionKind::DeleteNamespace(Name::new("acme"), 100 * MINUTE));
    script.act(BUSY + SECOND, ActionKind::Delete(reference(KindName::Role, "r")));
    script.holds();
}

/// Fixed defect (i): A person has two Memberships, of which the lower one counts; it goes first with its namespace.
#[test]
fn access_does_not_rise_when_the_lower_of_two_memberships_is_deleted_with_its_namespace() {
    let mut script = Script::new(Kind::Transactional);
    script.account("a", 3);
    script.apply(2 * SECOND, KindName::Membership, "second", member("a", 1, "reader"));
    script.act(BUSY, ActionKind::DeleteNamespace(Name::new("acme"), 100 * MINUTE));
    script.act(BUSY + SECOND, ActionKind::Delete(reference(KindName::Membership, "second")));
    script.holds();
}

/// The definition of a kind is deleted and recreated within seconds, as `kubectl replace --force` does. Nobody gains what
/// an override had lowered, and nobody is removed from a small account, before a user confirms that all objects exist
/// again.
#[test]
fn a_recreated_definition_raises_and_removes_nobody() {
    for kind in [KindName::Role, KindName::Membership] {
        for lasts in [SECOND, 12 * SECOND, 40 * SECOND] {
            let mut script = Script::new(Kind::Transactional);
            script.account("a", 3);
            let role = lowering("a");
            script.apply(2 * SECOND, KindName::Role, "r", role.clone());
            script.act(BUSY, ActionKind::Define(kind, Definition::Terminating));
            script.act(BUSY + 11 * SECOND + lasts, ActionKind::Define(kind, Definition::Served));
            // As GitOps does, in its own time.
            let again = BUSY + 15 * SECOND + lasts;
            script.apply(again, KindName::Role, "r", role);
            for number in 0..3 {
                script.member(again, "a", number, member("a", number, "admin"));
            }
            script.holds();
            let kept = play(script.config.clone(), script.actions.clone());
            assert_eq!(kept.lost, 0, "{kind:?} after {lasts}");
        }
    }
}

/// A Role is deleted, and recreated under its name for another account, between two lists, so no watch reports the
/// deletion. Members whom it lowered gain nothing before a fresh read.
#[test]
fn access_does_not_rise_when_a_role_is_replaced_under_its_name() {
    let mut script = Script::new(Kind::Transactional);
    script.account("a", 3);
    script.account("b", 3);
    let role = lowering;
    script.apply(2 * SECOND, KindName::Role, "r", role("a"));
    script.act(BUSY, ActionKind::Lag(0, KindName::Role, 20 * SECOND, 20 * SECOND));
    script.act(BUSY + SECOND, ActionKind::Delete(reference(KindName::Role, "r")));
    script.apply(BUSY + SECOND + 1, KindName::Role, "r", role("b"));
    script.act(BUSY + 2 * SECOND, ActionKind::Relist(0, KindName::Role, 0));
    script.holds();
}

/// A replica releases the shard of a realm while a pass runs, and the kind `IdentityStore` answers 404. The shard of the
/// pass follows from its permit, not from the current objects.
#[test]
fn a_shard_is_not_released_while_a_pass_uses_its_permit() {
    for tenths in (0..60).step_by(15) {
        let mut script = Script::new(Kind::Plain);
        (script.config.replicas, script.config.shards) = (2, 2);
        script.config.store_latency = SECOND;
        script.act(0, ActionKind::Crash(1, 4 * MINUTE));
        script.account("a", 60);
        let role = lowering("a");
        script.apply(4 * MINUTE - 5 * SECOND, KindName::Role, "r", role);
        let at = 4 * MINUTE + tenths * SECOND / 10;
        script.act(at, ActionKind::Define(KindName::IdentityStore, Definition::Denied));
        script.act(at + 30 * SECOND, ActionKind::Define(KindName::IdentityStore, Definition::Served));
        script.holds();
    }
}

/// Fixed defect (j): The store admits namespaces that are not of the bronze tier. A new namespace is of that tier, but
/// its event is late. It was admitted until then.
#[test]
fn a_namespace_that_is_not_listed_yet_is_not_admitted() {
    let mut script = Script::new(Kind::Transactional);
    let expressions = json!([{ "key": "tier", "operator": "NotIn", "values": ["bronze"] }]);
    script.store(&json!({ "allowedNamespaces": {
        "from": "Selector", "selector": { "matchExpressions": expressions },
    } }));
    script.act(5 * SECOND, ActionKind::Delete(reference(KindName::Namespace, "acme")));
    script.act(6 * SECOND, ActionKind::DeleteNamespace(Name::new("acme"), 0));
    script.act(BUSY, ActionKind::Lag(0, KindName::Namespace, MINUTE, MINUTE));
    script.apply(BUSY, KindName::Namespace, "acme", json!({ "tier": "bronze" }));
    script.apply(BUSY + 1, KindName::Account, "a", account("a"));
    script.member(BUSY + 2, "a", 1, member("a", 1, "admin"));
    script.holds();
}

/// Fixed defect (k): An override of a role becomes invalid. Its holders got the permissions that it had lowered.
#[test]
fn an_override_that_becomes_invalid_does_not_raise() {
    let mut script = Script::new(Kind::Transactional);
    script.account("a", 3);
    let role = |section: &str| json!({ "accountRef": { "name": "a" }, "overrides": "admin", "permissions": { section: "View" } });
    script.apply(2 * SECOND, KindName::Role, "r", role("users"));
    script.apply(BUSY, KindName::Role, "r", role("nothing"));
    script.holds();
}

/// Fixed defect (l): The kind IdentityStore answers 404 for a moment while an Account with `deletionPolicy: Delete` is
/// being deleted. Its finalizer was removed, and its content stayed in the store.
#[test]
fn an_account_is_not_deleted_before_its_store_is_emptied() {
    let mut script = Script::new(Kind::Transactional);
    script.account("a", 3);
    script.act(BUSY, ActionKind::Define(KindName::IdentityStore, Definition::Denied));
    script.act(BUSY + SECOND, ActionKind::Delete(reference(KindName::Account, "a")));
    script.act(BUSY + 5 * SECOND, ActionKind::Define(KindName::IdentityStore, Definition::Served));
    script.holds();
}

/// Fixed defect (m): One of two administrators is suspended, and the Membership of the other is deleted. The guard
/// counted the suspended one as a holder, and the last effective holder was removed.
#[test]
fn the_last_effective_holder_stays_though_a_suspended_one_has_the_role() {
    let mut script = Script::new(Kind::Transactional);
    let mut guarded = catalog();
    guarded["roles"][1]["advice"] = json!({ "minimumHolders": 1 });
    script.apply(1, KindName::PermissionCatalog, "portal", guarded);
    script.account("a", 2);
    script.member(3 * SECOND, "a", 1, suspended("a", 1, "admin"));
    script.remove_members(BUSY, "a", [0]);
    script.holds();
}

/// Fixed defect (n): Five removals are approved and applied. The five come back, and a prune deletes them again. The
/// approval, which is still there, let them pass a second time.
#[test]
fn an_approval_counts_once() {
    let mut script = Script::new(Kind::Transactional);
    script.account("a", 8);
    script.remove_members(BUSY, "a", 0..5);
    script.act(BUSY + 5 * SECOND, ActionKind::Approve(key("a")));
    for number in 0..5 {
        script.member(2 * MINUTE, "a", number, member("a", number, "admin"));
    }
    script.remove_members(3 * MINUTE, "a", 0..5);
    script.holds();
}

/// Fixed defect (o): The guard holds people in one account. The catalog changes: no other account ever follows it.
#[test]
fn an_account_with_held_removals_does_not_stop_a_rollout_forever() {
    let mut script = Script::new(Kind::Transactional);
    script.account("a", 8);
    script.account("b", 3);
    script.remove_members(BUSY, "a", 0..5);
    let mut changed = catalog();
    changed["roles"][2]["permissions"]["users"] = json!("Edit");
    script.apply(BUSY + 10 * SECOND, KindName::PermissionCatalog, "portal", changed);
    script.holds();
}

/// Fixed defect (p): Others put the owner into the store before Roster. The owner got nothing, and the Account was
/// `Ready`.
#[test]
fn an_account_is_not_ready_while_others_manage_its_owner() {
    let mut script = Script::new(Kind::Transactional);
    let owner = roster_core::model::Email::parse("a@corp.example").unwrap();
    script.act(0, ActionKind::TamperAdd(Name::new("store"), key("a"), owner));
    script.account("a", 2);
    script.holds();
}

/// Fixed defect (u): An account's catalog does not exist, and `owner` names a member. That member was suspended, and kept
/// access.
#[test]
fn a_suspended_member_named_as_owner_loses_access_in_an_unresolvable_account() {
    let mut script = Script::new(Kind::Transactional);
    script.account("a", 3);
    let mut spec = account("a");
    spec["catalogRef"] = json!({ "name": "nowhere" });
    spec["owner"] = json!({ "email": email(1).as_str() });
    script.apply(BUSY, KindName::Account, "a", spec);
    script.member(BUSY + 5 * SECOND, "a", 1, suspended("a", 1, "admin"));
    script.holds();
}

/// Fixed defect (y): The API server cannot be reached for longer than a lease lasts, so that the only replica lets go
/// of its own. A member is suspended once the server is back, and the Lease names this very process: it waits until
/// that expires all the same, up to 15 s.
#[test]
fn a_process_takes_its_own_lease_back_after_an_outage() {
    let mut script = Script::new(Kind::Transactional);
    script.account("a", 3);
    script.act(BUSY, ActionKind::Away(13 * SECOND));
    script.member(BUSY + 14 * SECOND, "a", 1, suspended("a", 1, "admin"));
    script.holds();
}

/// A short outage of the API server costs no lease. A replica that is suspended for long is replaced, and notices this
/// when it continues.
#[test]
fn a_lease_survives_a_short_outage_and_moves_after_a_long_one() {
    let mut script = Script::new(Kind::Transactional);
    script.account("a", 3);
    script.act(BUSY, ActionKind::Away(5 * SECOND));
    script.member(BUSY + 6 * SECOND, "a", 1, suspended("a", 1, "admin"));
    script.holds();

    let mut script = Script::new(Kind::Transactional);
    (script.config.replicas, script.config.shards) = (2, 4);
    for name in ["a", "b", "c", "d", "e", "f"] {
        script.account(name, 2);
    }
    script.act(BUSY, ActionKind::Freeze(0, 40 * SECOND));
    for name in ["a", "b", "c", "d", "e", "f"] {
        script.member(BUSY + 20 * SECOND, name, 1, suspended(name, 1, "admin"));
    }
    script.holds();
}

/// A replica takes over the shards of another, and a kind that revocations do not need is listed late. The replica applies
/// revocations without it, and does not reconcile its accounts repeatedly meanwhile.
#[test]
fn a_shard_that_is_taken_does_not_wait_for_a_kind_that_is_listed_late() {
    for late in [KindName::Role, KindName::Namespace, KindName::CatalogRecord] {
        let mut script = Script::new(Kind::Transactional);
        (script.config.replicas, script.config.shards) = (2, 4);
        for name in ["a", "b", "c", "d", "e", "f"] {
            script.account(name, 2);
        }
        script.act(BUSY - 2 * SECOND, ActionKind::Lag(1, late, 40 * SECOND, 80 * SECOND));
        script.act(BUSY, ActionKind::Freeze(0, 60 * SECOND));
        for (number, name) in (0..).zip(["a", "b", "c", "d", "e", "f"]) {
            script.member(BUSY + (18 + number) * SECOND, name, 1, suspended(name, 1, "admin"));
        }
        script.holds();
    }
}

/// Without further actions the world of the scripts keeps its promises, so only their actions can break one.
#[test]
fn a_small_world_keeps_its_promises() {
    for kind in Kind::ALL {
        let mut script = Script::new(kind);
        script.account("a", 8);
        script.account("b", 2);
        script.member(BUSY, "a", 1, suspended("a", 1, "admin"));
        script.store_at(BUSY + 10 * SECOND, &json!({ "blocked": [{ "email": email(2).as_str() }] }));
        script.act(BUSY + 20 * SECOND, ActionKind::Delete(reference(KindName::Account, "b")));
        script.holds();
    }
    assert_eq!(BTreeSet::from(Kind::ALL).len(), 2);
}
