//! Tests marks and adoption: whose content a pass may change, and what it does with content that others left behind.

use crate::support::{DANA, Pass, dana, email, set, table};
use roster_core::{
    api::{Adoption, Unmanaged},
    evaluate::delete,
    model::Scope,
    plan::{Existing, Mark, ObjectKey},
    resolve::MemberContent,
};

/// Returns a store with the content of an earlier Account of the same name.
fn left_behind(change: impl FnOnce(&mut Pass)) -> Pass {
    let mut pass = dana();
    pass.policy.mark.uid = "uid-2".into();
    change(&mut pass);
    pass
}

#[test]
fn content_of_an_earlier_account_is_adopted_as_the_store_requires() {
    let differs = |pass: &mut Pass| pass.memory.tamper(DANA, |content| content.ranks.as_mut_slice()[0] = 1);
    for (adoption, differs_too, expected, access) in [
        (Adoption::IfIdentical, false, 4, "docs: Edit, billing: Allowed"),
        (Adoption::IfIdentical, true, 3, "docs: View, billing: Allowed"),
        (Adoption::Always, true, 4, "docs: Edit, billing: Allowed"),
        (Adoption::Never, false, 0, "docs: Edit, billing: Allowed"),
    ] {
        let mut pass = left_behind(|pass| {
            if differs_too {
                differs(pass)
            }
        });
        pass.policy.adoption = adoption;
        let plan = pass.run();
        assert_eq!(table(&plan).len(), expected, "{adoption:?}: {:?}", table(&plan));
        assert!(table(&plan).iter().all(|line| line.contains(" adoption ")), "{:?}", table(&plan));
        assert_eq!(pass.access(DANA), access, "{adoption:?}");
        let member_held = plan.holds.get(&ObjectKey::Member(email(DANA)));
        assert_eq!(member_held.is_some(), adoption == Adoption::IfIdentical && differs_too);
        assert_eq!(plan.holds.contains_key(&ObjectKey::Account), adoption == Adoption::Never);
    }
}

#[test]
fn undeclared_content_of_an_earlier_account_is_unmanaged() {
    let mut pass = left_behind(|pass| pass.world.members.clear());
    let plan = pass.run();
    assert_eq!(plan.drift.len(), 1);
    assert_eq!(pass.access(DANA), "docs: Edit, billing: Allowed");
}

#[test]
fn content_of_another_cluster_is_never_changed() {
    for adoption in [Adoption::Always, Adoption::IfIdentical, Adoption::Never] {
        let mut pass = dana();
        pass.policy.adoption = adoption;
        pass.policy.unmanaged = Unmanaged::Remove;
        let foreign = Mark { cluster: "cluster-2".into(), ..pass.policy.mark.clone() };
        pass.memory.members.get_mut(&email(DANA)).unwrap().mark = Some(foreign.clone());
        set(&mut pass, "dana", "roleRef: {name: viewer}");
        assert_eq!(Pass::holds(&pass.run())["member dana@acme.example"], "NotOwned");
        pass.world.members.clear();
        assert_eq!(table(&pass.run()), [""; 0]);
        pass.memory.account.as_mut().unwrap().mark = Some(foreign);
        set(&mut pass, "eve", "roleRef: {name: viewer}");
        let plan = pass.run();
        assert_eq!((table(&plan).len(), Pass::holds(&plan)["account"].as_str()), (0, "NotOwned"));
        assert_eq!(pass.access(DANA), "docs: Edit, billing: Allowed");
    }
}

#[test]
fn a_deleted_account_takes_its_container_with_it_but_nothing_of_another_cluster() {
    let mut pass = dana();
    let stranger = Existing { content: Some(MemberContent::default()), mark: None, fingerprint: None };
    pass.memory.members.insert(email("x@acme.example"), stranger);
    let observed = |pass: &Pass| pass.memory.observe(&Scope::Account, pass.policy.now);
    let plan = delete(&observed(&pass), &pass.policy.mark);
    assert_eq!(
        table(&plan),
        [
            "Revoke account-deleted remove member dana@acme.example",
            "Revoke account-deleted remove member x@acme.example",
            "Delete account-deleted remove role editor",
            "Delete account-deleted remove role viewer",
            "Delete account-deleted remove account",
        ]
    );
    let foreign = Mark { cluster: "cluster-2".into(), ..pass.policy.mark.clone() };
    pass.memory.members.get_mut(&email("x@acme.example")).unwrap().mark = Some(foreign.clone());
    let left = table(&delete(&observed(&pass), &pass.policy.mark));
    assert!(!left.iter().any(|line| line.contains("x@") || line.contains("remove account")), "{left:?}");
    assert_eq!(table(&delete(&observed(&pass), &foreign)), ["Revoke account-deleted remove member x@acme.example"]);
    // An Account with another UID has no content there.
    let later = Mark { uid: "uid-9".into(), ..pass.policy.mark.clone() };
    assert_eq!(table(&delete(&observed(&pass), &later)), [""; 0]);
}
