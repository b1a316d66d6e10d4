//! Tests questions with a store: what it grants, and what the objects declare if that differs.

use std::fmt::Write as _;

use insta::assert_snapshot;

use super::desk::Desk;

/// Changes a row, and adds two people.
fn drifted() -> Desk {
    let desk = Desk::applied();
    desk.tamper(
        "shop.db",
        "UPDATE members SET ranks = '221' WHERE email = 'dana@acme.example';
         UPDATE members SET ranks = '200' WHERE email = 'gil@acme.example';
         DELETE FROM marks WHERE kind = 'member' AND name = 'gil@acme.example';
         INSERT INTO members (account_id, email, ranks) SELECT id, 'Mallory@evil.example', '100' FROM account_ids
         WHERE key = 'shop/acme';",
    );
    desk
}

fn each(desk: &Desk, questions: &[&str]) -> String {
    questions.iter().map(|question| format!("$ roster {question}\n{}\n", asked(desk, question))).collect()
}

fn asked(desk: &Desk, question: &str) -> String {
    desk.said(&format!("{question} -f BEFORE --store shop.db"))
}

#[test]
fn the_answer_is_what_the_store_gives() {
    assert_snapshot!(each(
        &drifted(),
        &[
            "can-i Edit orders --as dana@acme.example --account shop/acme",
            "can-i View orders --as mallory@evil.example --account shop/acme",
            "can-i Edit orders --as mallory@evil.example --account shop/acme",
            "can-i Edit orders --as gil@acme.example --account shop/acme",
            "can-i View orders --as eve@acme.example --account shop/acme",
            "who-can View orders --account shop/acme",
            "explain mallory@evil.example",
            "explain dana@acme.example --account shop/acme",
            "matrix --account shop/acme --rows people",
        ]
    ));
}

#[test]
fn what_is_not_applied_yet_is_not_given() {
    let desk = Desk::applied();
    desk.tamper("shop.db", "DELETE FROM members WHERE email = 'dana@acme.example'");
    let can = asked(&desk, "can-i View orders --as dana@acme.example --account shop/acme");
    assert!(can.starts_with("exit code 1\n") && can.contains("the objects say orders=View; "), "{can}");
    let who = asked(&desk, "who-can View orders --account shop/acme");
    assert!(who.contains("Granted by the objects, but not by the store:"), "{who}");
    // Without the store, it is what the objects say.
    assert!(
        desk.said("can-i View orders --as dana@acme.example --account shop/acme -f BEFORE").starts_with("exit code 0")
    );
}

#[test]
fn whom_the_removal_guard_holds_still_has_access() {
    let desk = Desk::new();
    let members = |count: usize| {
        let portal = crate::support::repository("tests/cli/input/change/before/portal.yaml");
        let mut text = std::fs::read_to_string(portal).unwrap();
        text += "---\napiVersion: roster.dev/v1alpha1\nkind: Account\nmetadata: {name: many}\nspec: {catalogRef: {name: shop}, owner: {email: olga@acme.example}}\n";
        for number in 0..count {
            writeln!(text, "---\napiVersion: roster.dev/v1alpha1\nkind: Membership\nmetadata: {{name: m{number}}}\nspec: {{accountRef: {{name: many}}, user: {{email: m{number}@acme.example}}, roleRef: {{name: viewer}}}}").unwrap();
        }
        text
    };
    std::fs::write(desk.path("nine.yaml"), members(9)).unwrap();
    std::fs::write(desk.path("three.yaml"), members(3)).unwrap();
    assert!(desk.said("apply nine.yaml --store shop.db --yes").starts_with("exit code 0"));
    let can = "can-i View orders --as m7@acme.example --account many three.yaml";
    assert!(desk.said(can).starts_with("exit code 1"));
    let said = desk.said(&format!("{can} --store shop.db"));
    assert!(
        said.starts_with("exit code 0") && said.contains("because the removal guard holds back the removal"),
        "{said}"
    );
}

#[test]
fn the_store_alone_says_where_somebody_has_access() {
    let desk = Desk::applied();
    assert_snapshot!(desk.said("explain dana@acme.example --store shop.db"));
    let nobody = desk.said("explain nobody@acme.example --store shop.db");
    assert!(nobody.starts_with("exit code 1"), "{nobody}");
    let data = desk.run("explain dana@acme.example --store shop.db -o json").output().stdout;
    let data: serde_json::Value = serde_json::from_slice(&data).unwrap();
    assert_eq!(data["inStoreOnly"][0]["account"], "shop/acme");
}

/// An account that the files do not have, in a namespace in which they have another one, stands in every answer about
/// people; what is in other namespaces of the store is nobody's business here.
#[test]
fn accounts_that_only_the_store_knows_stand_in_every_answer() {
    let desk = Desk::applied();
    desk.revised("other", |text| text.replace("{name: acme", "{name: other"));
    let can = desk.said("can-i View orders --as dana@acme.example -f other --store shop.db");
    assert!(can.contains("yes") && can.contains("shop/acme") && can.contains("no object here describes"), "{can}");
    let who = desk.said("who-can View orders -f other --store shop.db");
    let line = who.lines().find(|line| line.starts_with("shop/acme") && line.contains("dana@")).unwrap_or_default();
    assert!(line.contains("what the store holds"), "{who}");
    let data = desk.run("review -f other --store shop.db -o json").output().stdout;
    let data: serde_json::Value = serde_json::from_slice(&data).unwrap();
    let left = data["accounts"].as_array().unwrap().iter().find(|one| one["account"] == "shop/acme").unwrap();
    assert_eq!(left["catalog"], "");
    let people: Vec<&str> =
        left["undeclared"].as_array().unwrap().iter().filter_map(|one| one["email"].as_str()).collect();
    assert!(people.contains(&"dana@acme.example"), "{left:#}");
    let strong = left["strongest"].to_string();
    assert!(strong.contains("every section at its highest level"), "an owner with everything: {left:#}");

    desk.revised("elsewhere", |text| text.replace("namespace: shop", "namespace: elsewhere"));
    for question in ["can-i View orders --as dana@acme.example", "who-can View orders", "review"] {
        let said = desk.said(&format!("{question} -f elsewhere --store shop.db"));
        assert!(!said.contains("shop/acme"), "{question}: {said}");
    }
}

/// A block that was written into the store, and is in no object.
#[test]
fn a_block_that_only_the_store_has_is_told_everywhere() {
    let desk = Desk::applied();
    let blocked = desk.said("block dana@acme.example --reason stolen --store shop.db");
    assert!(blocked.starts_with("exit code 0"), "{blocked}");
    assert_snapshot!(each(
        &desk,
        &[
            "can-i View orders --as dana@acme.example --account shop/acme",
            "who-can View orders --account shop/acme",
            "explain dana@acme.example --account shop/acme",
        ]
    ));
    let alone = desk.said("explain dana@acme.example --store shop.db");
    assert!(alone.contains("none: blocked in the store"), "{alone}");
    desk.revised("other", |text| text.replace("{name: acme", "{name: other"));
    let elsewhere = desk.said("can-i View orders --as dana@acme.example -f other --store shop.db");
    let elsewhere = elsewhere.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(elsewhere.contains("has no access there: blocked in the store;"), "{elsewhere}");

    let data = desk.run("review -f BEFORE --store shop.db -o json").output().stdout;
    let data: serde_json::Value = serde_json::from_slice(&data).unwrap();
    let ended = &data["accounts"][0]["ended"][0];
    assert_eq!((&ended["email"], &ended["reason"]), (&"dana@acme.example".into(), &"Blocked".into()), "{data:#}");
    assert!(ended["inStoreOnly"] == true && ended["since"].is_string(), "{ended}");
    let people = data["accounts"][0]["people"].as_array().unwrap();
    let dana = people.iter().find(|person| person["email"] == "dana@acme.example").unwrap();
    assert!(dana["flags"].as_array().unwrap().contains(&"Blocked".into()), "{dana}");
    assert_eq!((&dana["sectionsWithAccess"], &data["accounts"][0]["counts"]["withAccess"]), (&0.into(), &4.into()));
    let text = desk.said("review -f BEFORE --store shop.db --account shop/acme");
    assert!(text.contains("Blocked (in the store only)") && !text.contains("people suspended or blocked"), "{text}");

    // A person whom the objects also block stays blocked.
    desk.revised("agreed", |text| {
        text.replace("{sqlite: {file: shop.db}}", "{sqlite: {file: shop.db}, blocked: [{email: dana@acme.example}]}")
    });
    let agreed = desk.said("explain dana@acme.example --account shop/acme -f agreed --store shop.db");
    assert!(agreed.contains("blocked by IdentityStore default") && !agreed.contains("removes it"), "{agreed}");
}
