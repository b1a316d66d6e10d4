//! Tests `roster drift`: differences between a store and what was applied to it.

use insta::assert_snapshot;

use super::workspace::Workspace;

#[test]
fn no_drift() {
    let workspace = Workspace::applied();
    assert_snapshot!(workspace.printed("drift -f BEFORE --store shop.db"));
    // A change of the objects is none of the store.
    assert!(workspace.printed("drift -f AFTER --store shop.db").starts_with("exit code 0"));
}

fn drifted() -> Workspace {
    let workspace = Workspace::applied();
    workspace.tamper(
        "shop.db",
        "UPDATE members SET ranks = '221' WHERE email = 'dana@acme.example';
         DELETE FROM members WHERE email = 'eve@acme.example';
         UPDATE roles SET title = 'Day shift' WHERE name LIKE '%night-shift';
         INSERT INTO members (account_id, email, ranks) SELECT id, 'mallory@evil.example', '221' FROM account_ids
         WHERE key = 'shop/acme';",
    );
    workspace
}

#[test]
fn changes_by_others() {
    assert_snapshot!(drifted().printed("drift -f BEFORE --store shop.db"));
}

#[test]
fn changes_by_others_as_json() {
    assert_snapshot!(drifted().printed("drift -f BEFORE --store shop.db -o json"));
}

#[test]
fn a_plan_corrects_it() {
    assert_snapshot!(drifted().printed("plan -f BEFORE --store shop.db"));
}

#[test]
fn without_a_store_drift_is_unknown() {
    let workspace = Workspace::new();
    let printed = workspace.printed("drift -f BEFORE --store shop.db");
    assert!(printed.starts_with("exit code 2") && printed.contains("there is no shop.db"), "{printed}");
    assert_eq!(workspace.files("."), Vec::<String>::new());
    std::fs::write(workspace.path("empty.db"), "").unwrap();
    let printed = workspace.printed("drift -f BEFORE --store empty.db");
    assert!(
        printed.starts_with("exit code 2") && printed.contains("empty.db is an empty file, not a store"),
        "{printed}"
    );
}

#[test]
fn accounts_that_have_drifted_by_name() {
    assert_eq!(drifted().printed("drift -f BEFORE --store shop.db -o name"), "exit code 1\n---- stdout\nshop/acme\n");
    assert!(drifted().printed("drift -f BEFORE --store shop.db -o wide").contains("shop/acme  in shop.db\n"));
}
