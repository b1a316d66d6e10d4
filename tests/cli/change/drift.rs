//! Tests `roster drift`: differences between a store and what was applied to it.

use insta::assert_snapshot;

use super::desk::Desk;

#[test]
fn nobody_changed_anything() {
    let desk = Desk::applied();
    assert_snapshot!(desk.said("drift -f BEFORE --store shop.db"));
    // A change of the objects is none of the store.
    assert!(desk.said("drift -f AFTER --store shop.db").starts_with("exit code 0"));
}

fn drifted() -> Desk {
    let desk = Desk::applied();
    desk.tamper(
        "shop.db",
        "UPDATE members SET ranks = '221' WHERE email = 'dana@acme.example';
         DELETE FROM members WHERE email = 'eve@acme.example';
         UPDATE roles SET title = 'Day shift' WHERE name LIKE '%night-shift';
         INSERT INTO members (account_id, email, ranks) SELECT id, 'mallory@evil.example', '221' FROM account_ids
         WHERE key = 'shop/acme';",
    );
    desk
}

#[test]
fn what_somebody_changed() {
    assert_snapshot!(drifted().said("drift -f BEFORE --store shop.db"));
}

#[test]
fn what_somebody_changed_as_json() {
    assert_snapshot!(drifted().said("drift -f BEFORE --store shop.db -o json"));
}

#[test]
fn a_plan_corrects_it() {
    assert_snapshot!(drifted().said("plan -f BEFORE --store shop.db"));
}

#[test]
fn without_a_store_nobody_knows_whether_anything_has_drifted() {
    let desk = Desk::new();
    let said = desk.said("drift -f BEFORE --store shop.db");
    assert!(said.starts_with("exit code 2") && said.contains("there is no shop.db"), "{said}");
    assert_eq!(desk.files("."), Vec::<String>::new());
    std::fs::write(desk.path("empty.db"), "").unwrap();
    let said = desk.said("drift -f BEFORE --store empty.db");
    assert!(said.starts_with("exit code 2") && said.contains("empty.db is an empty file, not a store"), "{said}");
}

#[test]
fn accounts_that_have_drifted_by_name() {
    assert_eq!(drifted().said("drift -f BEFORE --store shop.db -o name"), "exit code 1\n---- stdout\nshop/acme\n");
    assert!(drifted().said("drift -f BEFORE --store shop.db -o wide").contains("shop/acme  in shop.db\n"));
}
