//! Tests revocations where marks were lost, or where no object declares the member.

use crate::support::{DANA, PLAIN, Pass, dana, email, membership, set, table};
use roster_core::{
    api::{Adoption, Unmanaged},
    model::Scope,
    plan::{Existing, Hold, Mark, ObjectKey},
    resolve::RevocationReason,
};

#[test]
fn the_reason_of_a_revocation_can_change() {
    let mut pass = dana();
    set(&mut pass, "dana", "roleRef: {name: editor}, suspended: true");
    pass.run();
    pass.world.add("kind: IdentityStore\nmetadata: {name: default}\nspec: {blocked: [{email: dana@acme.example}]}");
    pass.run();
    let content = pass.memory.members[&email(DANA)].content.as_ref().unwrap();
    assert_eq!(content.ended, Some(RevocationReason::Blocked));
}

/// Runs a pass over `dana` with a changed Membership after `damage` was done to the store.
fn suspended_after(rest: &str, adoption: Adoption, damage: impl Fn(&mut Pass)) -> Pass {
    let mut pass = dana();
    (pass.policy.adoption, pass.policy.now) = (adoption, "2026-01-01T00:00:00Z".parse().unwrap());
    damage(&mut pass);
    set(&mut pass, "dana", rest);
    pass.run();
    pass
}

#[test]
fn a_revocation_works_if_the_mark_of_the_member_is_lost() {
    let unmark = |pass: &mut Pass| {
        let existing = pass.memory.members.get_mut(&email(DANA)).unwrap();
        (existing.mark, existing.fingerprint) = (None, None);
    };
    for adoption in [Adoption::Never, Adoption::IfIdentical, Adoption::Always] {
        for rest in ["suspended: true", "expiresAt: 2020-01-01T00:00:00Z"] {
            let pass = suspended_after(&format!("roleRef: {{name: editor}}, {rest}"), adoption, unmark);
            let content = pass.memory.members[&email(DANA)].content.as_ref().unwrap();
            let is_over = content.ended.is_some() || content.window.is_over(pass.policy.now);
            assert!(is_over, "{adoption:?}, {rest}: {content:?}");
        }
    }
    // The adoption policy decides about grants.
    let pass = suspended_after("roleRef: {name: viewer}", Adoption::Never, unmark);
    assert_eq!(pass.access(DANA), "docs: Edit, billing: Allowed");
    // Content with the mark of another cluster is not changed.
    let pass = suspended_after("roleRef: {name: editor}, suspended: true", Adoption::Always, |pass| {
        let mark = Mark { cluster: "cluster-2".into(), ..pass.policy.mark.clone() };
        pass.memory.members.get_mut(&email(DANA)).unwrap().mark = Some(mark);
    });
    assert_eq!(pass.access(DANA), "docs: Edit, billing: Allowed");
}

#[test]
fn a_revocation_works_if_the_mark_of_the_account_is_lost() {
    let unmark = |pass: &mut Pass| {
        let existing = pass.memory.account.as_mut().unwrap();
        (existing.mark, existing.fingerprint) = (None, None);
        existing.content.as_mut().unwrap().display_name = "Somebody else's".into();
    };
    let pass = suspended_after("roleRef: {name: editor}, suspended: true", Adoption::IfIdentical, unmark);
    assert_eq!(pass.memory.members[&email(DANA)].content.as_ref().unwrap().ended, Some(RevocationReason::Suspended));
    assert_eq!(pass.memory.account.as_ref().unwrap().mark, None);
    assert_eq!(pass.plan().holds.get(&ObjectKey::Account), Some(&Hold::NotOwned));
    // No other change is made in the account.
    let pass = suspended_after("roleRef: {name: viewer}", Adoption::IfIdentical, unmark);
    assert_eq!(pass.access(DANA), "docs: Edit, billing: Allowed");
}

#[test]
fn a_block_applies_to_undeclared_members() {
    for unmanaged in [Unmanaged::Ignore, Unmanaged::Report, Unmanaged::Remove] {
        let mut pass = dana();
        pass.policy.unmanaged = unmanaged;
        let content = pass.memory.members[&email(DANA)].content.clone();
        let stranger = Existing { content, mark: None, fingerprint: None };
        for name in ["x@acme.example", "y@acme.example"] {
            pass.memory.members.insert(email(name), stranger.clone());
        }
        pass.world.add("kind: IdentityStore\nmetadata: {name: default}\nspec: {blocked: [{email: x@acme.example}]}");
        // Also in a pass over this person only, and if the objects cannot be trusted.
        let ends = pass.revocations();
        assert_eq!(table(&ends), ["Revoke adoption put member x@acme.example"]);
        let plan = pass.run_within(Scope::Members([email("x@acme.example")].into()));
        assert_eq!(table(&plan), ["Revoke unmanaged remove member x@acme.example"]);
        assert_eq!(pass.access("x@acme.example"), "nobody");
        assert_eq!(pass.access("y@acme.example"), "docs: Edit, billing: Allowed");
    }
}

#[test]
fn an_account_recreated_after_orphan_applies_revocations_made_meanwhile() {
    let mut pass = Pass::synced(
        "acme",
        &(PLAIN.to_owned()
            + &membership("dana", "roleRef: {name: editor}")
            + &membership("eve", "roleRef: {name: editor}")),
    );
    pass.policy.mark.uid = "uid-9".into();
    set(&mut pass, "dana", "roleRef: {name: editor}, suspended: true");
    pass.world.add("kind: IdentityStore\nmetadata: {name: default}\nspec: {blocked: [{email: eve@acme.example}]}");
    pass.run();
    for (name, end) in [("dana", RevocationReason::Suspended), ("eve", RevocationReason::Blocked)] {
        let content = pass.memory.members[&email(&format!("{name}@acme.example"))].content.as_ref().unwrap();
        assert_eq!(content.ended, Some(end), "{name}");
    }
}

const OWNED: &str = "
kind: PermissionCatalog
metadata: {name: owned}
spec:
  sections: [{name: docs, levels: [None, View, Edit]}]
  roles: [{name: owner, allPermissions: true, heldBy: AccountOwner}]
  ownerRole: owner
---
kind: Account
metadata: {name: acme}
spec: {catalogRef: {name: owned}, owner: {email: olga@acme.example}}
";

#[test]
fn a_kept_owner_is_blocked_even_if_the_mark_is_lost() {
    let mut pass = Pass::synced("acme", OWNED);
    pass.world.add(
        "kind: Account\nmetadata: {name: acme}\nspec: {catalogRef: {name: owned}, owner: {email: nina@acme.example}}",
    );
    let olga = email("olga@acme.example");
    (pass.memory.members.get_mut(&olga).unwrap()).mark = None;
    pass.run();
    assert_eq!(pass.access("olga@acme.example"), "docs: Edit");
    pass.world.add("kind: IdentityStore\nmetadata: {name: default}\nspec: {blocked: [{email: olga@acme.example}]}");
    pass.run();
    assert_eq!(pass.memory.members[&olga].content.as_ref().unwrap().ended, Some(RevocationReason::Blocked));
}

#[test]
fn an_owner_stays_if_the_field_is_cleared_while_the_catalog_is_missing() {
    let mut pass = Pass::synced("acme", OWNED);
    pass.world.catalogs.clear();
    pass.memory.account.as_mut().unwrap().content.as_mut().unwrap().owner = None;
    assert_eq!(table(&pass.run()), [""; 0]);
    assert_eq!(pass.access("olga@acme.example"), "docs: Edit");
}
