//! Tests `roster import`: files that describe what a store holds.

use insta::assert_snapshot;

use super::desk::{Desk, PORTALS};

#[test]
fn what_is_imported_plans_to_no_change() {
    for portal in PORTALS {
        let desk = Desk::new();
        let applied = desk.said(&format!("apply -f EXAMPLES/store.yaml -f EXAMPLES/{portal} --store roster.db --yes"));
        assert!(applied.starts_with("exit code 0"), "{portal}: {applied}");
        let said = desk.said("import --store roster.db -o out");
        assert!(said.starts_with("exit code 0") && !said.contains("note:"), "{portal}: {said}");
        let plan = desk.said("plan -f out --store roster.db --detailed-exitcode");
        assert!(plan.starts_with("exit code 0"), "{portal}: {plan}");
        // The same again, byte for byte.
        assert!(desk.said("import --store roster.db -o again").starts_with("exit code 0"), "{portal}");
        assert_eq!(desk.files("out"), desk.files("again"));
        for file in desk.files("out") {
            assert_eq!(desk.read(&format!("out/{file}")), desk.read(&format!("again/{file}")), "{portal}/{file}");
        }
    }
}

/// Also where nobody's or a cluster's mark is on it, and where people are blocked, suspended or limited in time.
#[test]
fn whoevers_it_is_it_plans_to_no_change() {
    for sql in [
        "DELETE FROM marks",
        "UPDATE owners SET cluster = '6a0a8f3e', uid = 'b1d5'",
        "UPDATE members SET starts_at = 1000000000, expires_at = 2000000000 WHERE email = 'dana@acme.example';
         UPDATE members SET ended = 'Suspended', ranks = '000' WHERE email = 'eve@acme.example';
         UPDATE members SET ended = 'Blocked', ranks = '000' WHERE email = 'finn@acme.example'; DELETE FROM marks",
    ] {
        let desk = Desk::applied();
        desk.tamper("shop.db", sql);
        let said = desk.said("import --store shop.db -o out");
        assert!(said.starts_with("exit code 0"), "{sql}: {said}");
        let plan = desk.said("plan -f out --store shop.db --detailed-exitcode");
        assert!(plan.starts_with("exit code 0"), "{sql}: {plan}");
    }
}

#[test]
fn what_is_written() {
    let desk = Desk::applied();
    assert_snapshot!(desk.said("import --store shop.db -o out"));
    let files = desk.files("out");
    let text: Vec<String> =
        files.iter().map(|file| format!("==> {file}\n{}", desk.read(&format!("out/{file}")))).collect();
    assert_snapshot!(text.join("\n"));
}

#[test]
fn one_account_comes_with_its_parent() {
    let desk = Desk::new();
    desk.said("apply -f EXAMPLES/store.yaml -f EXAMPLES/field-operations --store roster.db --yes");
    let said = desk.said("import --store roster.db -o out --account field-operations/meridian-east");
    assert!(said.starts_with("exit code 0"), "{said}");
    let files = desk.files("out").join("\n");
    assert!(files.contains("meridian-east/account.yaml") && files.contains("meridian/account.yaml"), "{files}");
    assert!(!files.contains("longhaul"), "{files}");
    assert!(desk.said("plan -f out --store roster.db --detailed-exitcode").starts_with("exit code 0"));
}

/// Everybody's effective access stays the same, even if no role or group explains it.
#[test]
fn access_that_nothing_explains_stays_just_so() {
    let desk = Desk::applied();
    desk.tamper(
        "shop.db",
        "UPDATE members SET ranks = '021' WHERE email = 'dana@acme.example';
         UPDATE members SET ranks = '101' WHERE email = 'eve@acme.example'; DELETE FROM marks",
    );
    let said = desk.said("import --store shop.db -o out");
    assert_snapshot!(said);
    assert_snapshot!(desk.read("out/shop/acme/members.yaml").split("---").next().unwrap().trim());
    let plan = desk.run("plan -f out --store shop.db -o json").output().stdout;
    let plan: serde_json::Value = serde_json::from_slice(&plan).unwrap();
    assert_eq!(plan["accounts"][0]["people"], serde_json::json!([]), "{plan:#}");
}

#[test]
fn refusals() {
    let desk = Desk::applied();
    assert_snapshot!(desk.said("import --store nowhere.db -o out"));
    assert_snapshot!(desk.said("import --store shop.db -o out --account shop/nobody"));
    std::fs::create_dir(desk.path("full")).unwrap();
    std::fs::write(desk.path("full/mine.txt"), "mine").unwrap();
    assert_snapshot!(desk.said("import --store shop.db -o full"));
    assert_eq!(desk.files("full"), ["mine.txt"]);
    assert!(desk.said("import --store shop.db -o full --force").starts_with("exit code 0"));
    assert_eq!(desk.read("full/mine.txt"), "mine");
}

/// Names from a store must not lead out of the folder.
#[test]
fn names_that_are_none_are_left_out_and_told() {
    let desk = Desk::applied();
    desk.tamper(
        "shop.db",
        "UPDATE account_ids SET key = '../evil' WHERE key = 'shop/bolt';
         UPDATE members SET email = 'not an address' WHERE email = 'eve@acme.example';",
    );
    let said = desk.said("import --store shop.db -o deep/out");
    assert!(said.starts_with("exit code 1"), "{said}");
    assert!(said.contains("../evil") && said.contains("not an address"), "{said}");
    assert!(desk.files("deep").iter().all(|file| file.starts_with("out/")));
    assert!(!desk.path("deep/evil").exists() && !desk.path("evil").exists());
}
