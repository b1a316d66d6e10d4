//! Regression tests of the loop: scripts in which a revocation was late or lost before a defect was fixed. Each comment
//! describes what went wrong.

use roster_core::{
    contract::StoreError,
    model::{KindName, Name},
    plan::ObjectKey,
};
use roster_testkit::{
    memory::Kind,
    sim::{
        ActionKind,
        action::StoreFault,
        clock::{MILLI, MINUTE, SECOND},
        cluster::Definition,
        play,
    },
};
use serde_json::json;

use crate::script::{Script, account, email, key, lowering, member, reference, suspended};

const BUSY: u64 = 30 * SECOND;

/// Fixed defect (b): The guard holds five people of eight, whose Memberships a prune deleted. The account is
/// suspended: the five keep their access.
#[test]
fn suspending_an_account_revokes_the_access_of_held_members() {
    let mut script = Script::new(Kind::Transactional);
    script.account("a", 8);
    script.remove_members(BUSY, "a", 0..5);
    let mut spec = account("a");
    spec["suspended"] = json!(true);
    script.apply(BUSY + 10 * SECOND, KindName::Account, "a", spec);
    script.holds();
}

/// Fixed defect (c): A partner's deletion waits for the account that it manages. A member of the partner is suspended:
/// the account gets no pass, and the member keeps access.
#[test]
fn members_of_a_partner_can_be_revoked_while_its_deletion_waits() {
    let mut script = Script::new(Kind::Transactional);
    script.account("a", 3);
    let mut partner = account("a");
    partner["partner"] = json!(true);
    partner["managedAccounts"] = json!({ "allowedNamespaces": { "from": "Same" } });
    script.apply(3 * SECOND, KindName::Account, "a", partner);
    let mut managed = account("b");
    managed["parentRef"] = json!({ "name": "a" });
    script.apply(4 * SECOND, KindName::Account, "b", managed);
    script.act(BUSY, ActionKind::Delete(reference(KindName::Account, "a")));
    script.member(BUSY + 5 * SECOND, "a", 1, suspended("a", 1, "admin"));
    script.holds();
}

/// Fixed defect (d): A namespace is being deleted, and the account in it is suspended: the pass over the whole account
/// finds that not everything stays, and drops the suspension, too.
#[test]
fn revocations_are_applied_while_the_namespace_is_being_deleted() {
    let mut script = Script::new(Kind::Transactional);
    script.account("a", 3);
    script.act(BUSY, ActionKind::DeleteNamespace(Name::new("acme"), 4 * MINUTE));
    let mut spec = account("a");
    spec["suspended"] = json!(true);
    script.apply(BUSY + SECOND, KindName::Account, "a", spec);
    script.holds();
}

/// Fixed defect (e): The definition of Role is missing. A member is suspended: nothing is reconciled until it is back.
#[test]
fn revocations_are_applied_while_a_definition_is_missing() {
    for kind in [KindName::Role, KindName::UserGroup, KindName::Invitation, KindName::PermissionCatalog] {
        let mut script = Script::new(Kind::Transactional);
        script.account("a", 3);
        script.act(BUSY, ActionKind::Define(kind, Definition::Absent));
        script.member(BUSY + 5 * SECOND, "a", 1, suspended("a", 1, "admin"));
        script.holds();
    }
}

/// Fixed defect (f): A store has room for one pass. A pass over a large account takes long; a member of another
/// account is suspended, and waits behind it.
#[test]
fn a_revocation_does_not_wait_for_a_pass_over_another_account() {
    let mut script = Script::new(Kind::Plain);
    script.config.most_passes = 1;
    script.config.store_latency = 200 * MILLI;
    script.account("a", 60);
    script.account("b", 2);
    let role = lowering("a");
    script.apply(2 * MINUTE, KindName::Role, "r", role);
    script.member(2 * MINUTE + SECOND, "b", 1, suspended("b", 1, "admin"));
    script.holds();
}

/// Fixed defect (f): A member is suspended while a pass over the whole account runs.
#[test]
fn a_revocation_does_not_wait_for_a_pass_over_its_own_account() {
    let mut script = Script::new(Kind::Plain);
    script.config.store_latency = 200 * MILLI;
    script.account("a", 60);
    let role = lowering("a");
    script.apply(2 * MINUTE, KindName::Role, "r", role);
    script.member(2 * MINUTE + SECOND, "a", 1, suspended("a", 1, "admin"));
    script.holds();
}

/// Members are suspended one after the other while a pass over the whole account runs. Each is reconciled in a parallel
/// pass, and the first pass writes none of them afterwards.
#[test]
fn members_revoked_during_a_pass_are_reconciled_in_parallel_and_stay_revoked() {
    let mut parallel = 0;
    for kind in Kind::ALL {
        for delay in (100..2_500).step_by(300) {
            let mut script = Script::new(kind);
            script.config.store_latency = 200 * MILLI;
            script.account("a", 20);
            let role = lowering("a");
            script.apply(2 * MINUTE, KindName::Role, "r", role);
            for number in 1..8 {
                let at = 2 * MINUTE + number as u64 * delay * MILLI;
                script.member(at, "a", number, suspended("a", number, "admin"));
            }
            script.holds();
            parallel += play(script.config.clone(), script.actions.clone()).parallel;
        }
    }
    assert!(parallel > 20, "{parallel} passes in parallel with another");
}

/// A member's start is postponed while a pass over the whole account runs. That revokes access, and does not wait.
#[test]
fn a_postponed_start_does_not_wait_for_a_pass_over_the_account() {
    let mut script = Script::new(Kind::Plain);
    script.config.store_latency = 200 * MILLI;
    script.account("a", 60);
    let role = lowering("a");
    script.apply(2 * MINUTE, KindName::Role, "r", role);
    let mut later = member("a", 40, "admin");
    later["startsAt"] = json!("2190-01-01T00:00:00Z");
    script.member(2 * MINUTE + SECOND, "a", 40, later);
    script.holds();
}

/// Fixed defect (g): The store refuses one member again and again, so that the account is held back for longer and
/// longer. Another member is suspended, and waits.
#[test]
fn a_refused_member_does_not_delay_the_revocation_of_another() {
    let mut script = Script::new(Kind::Transactional);
    script.account("a", 3);
    let fault = StoreFault::Refused(key("a"), ObjectKey::Member(email(0)), StoreError::Invalid("no".to_owned()));
    script.act(BUSY, ActionKind::Store(Name::new("store"), fault.clone(), true));
    script.act(5 * MINUTE, ActionKind::Store(Name::new("store"), fault, false));
    script.member(BUSY + SECOND, "a", 0, member("a", 0, "reader"));
    script.member(BUSY + 40 * SECOND, "a", 1, suspended("a", 1, "admin"));
    script.holds();
}

/// Fixed defect (h): The guard holds people whose Memberships are gone. One of them is blocked in the store. The index
/// does not know the address, so no pass ran.
#[test]
fn a_block_reaches_a_held_member_without_membership() {
    let mut script = Script::new(Kind::Transactional);
    script.account("a", 8);
    script.remove_members(BUSY, "a", 0..5);
    script.store_at(BUSY + 10 * SECOND, &json!({ "blocked": [{ "email": email(1).as_str() }] }));
    script.holds();
}

/// An Account is deleted with `Orphan`, so its members keep their access. One of them is blocked in the store before or
/// after: they lose access in the orphaned account, too.
#[test]
fn a_block_reaches_orphaned_accounts() {
    for kind in Kind::ALL {
        for at in [BUSY - 10 * SECOND, BUSY + 10 * SECOND] {
            let mut script = Script::new(kind);
            (script.config.replicas, script.config.shards) = (2, 4);
            for name in ["a", "b", "c"] {
                script.account(name, 3);
                let mut spec = account(name);
                spec["deletionPolicy"] = json!("Orphan");
                script.apply(3 * SECOND, KindName::Account, name, spec);
                script.act(BUSY, ActionKind::Delete(reference(KindName::Account, name)));
            }
            script.store_at(at, &json!({ "blocked": [{ "email": email(1).as_str() }] }));
            script.holds();
        }
    }
}
