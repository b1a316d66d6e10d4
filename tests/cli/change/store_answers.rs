//! Tests questions with a store: what it grants, and what the objects declare if that differs.

use std::fmt::Write as _;

use insta::assert_snapshot;

use super::workspace::Workspace;

/// Changes a row, and adds two people.
fn drifted() -> Workspace {
    let workspace = Workspace::applied();
    workspace.tamper(
        "shop.db",
        "UPDATE members SET ranks = '221' WHERE email = 'dana@acme.example';
         UPDATE members SET ranks = '200' WHERE email = 'gil@acme.example';
         DELETE FROM marks WHERE kind = 'member' AND name = 'gil@acme.example';
         INSERT INTO members (account_id, email, ranks) SELECT id, 'Mallory@evil.example', '100' FROM account_ids
         WHERE key = 'shop/acme';",
    );
    workspace
}

fn each(workspace: &Workspace, questions: &[&str]) -> String {
    questions.iter().map(|question| format!("$ roster {question}\n{}\n", asked(workspace, question))).collect()
}

fn asked(workspace: &Workspace, question: &str) -> String {
    workspace.printed(&format!("{question} -f BEFORE --store shop.db"))
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

/// An account that no object describes any more: the levels have the names that the store holds, with or without
/// `--account`, whatever the files say.
#[test]
fn an_account_that_only_the_store_has_is_asked_about_by_name() {
    let workspace = Workspace::applied();
    let catalog = |text: String| text.replace("levels: [Hide, View, Edit]", "levels: [None, See, Change]");
    workspace.revised("left", |text| {
        if !text.contains("kind: PermissionCatalog") {
            return String::new();
        }
        catalog(text).replace("View", "See").replace("Edit", "Change")
    });
    let questions = [
        "explain eve@acme.example",
        "explain eve@acme.example --account shop/acme",
        "explain nobody@acme.example --account acme",
        "can-i Edit orders --as eve@acme.example --account acme",
        "can-i Change orders --as eve@acme.example --account acme",
        "who-can Edit orders",
        "who-can Edit orders --account shop/acme",
        "review --account shop/acme",
    ];
    let each = questions.iter().map(|question| {
        format!("$ roster {question}\n{}\n", workspace.printed(&format!("{question} -f left --store shop.db")))
    });
    assert_snapshot!(each.collect::<String>());
    let review = workspace.printed("review -f left --store shop.db");
    assert!(review.contains("shop/acme") && review.contains("shop/bolt"), "{review}");
}

#[test]
fn access_that_is_not_applied_yet_is_not_reported() {
    let workspace = Workspace::applied();
    workspace.tamper("shop.db", "DELETE FROM members WHERE email = 'dana@acme.example'");
    let can = asked(&workspace, "can-i View orders --as dana@acme.example --account shop/acme");
    assert!(can.starts_with("exit code 1\n") && can.contains("the objects say orders=View; "), "{can}");
    let who = asked(&workspace, "who-can View orders --account shop/acme");
    assert!(who.contains("Granted by the objects, but not by the store:"), "{who}");
    // Without the store, the answer is what the objects declare.
    assert!(
        workspace
            .printed("can-i View orders --as dana@acme.example --account shop/acme -f BEFORE")
            .starts_with("exit code 0")
    );
}

#[test]
fn a_member_held_by_the_removal_guard_still_has_access() {
    let workspace = Workspace::new();
    let members = |count: usize| {
        let portal = crate::support::repository("tests/cli/input/change/before/portal.yaml");
        let mut text = std::fs::read_to_string(portal).unwrap();
        text += "---\napiVersion: roster.dev/v1alpha1\nkind: Account\nmetadata: {name: many}\nspec: {catalogRef: {name: shop}, owner: {email: olga@acme.example}}\n";
        for number in 0..count {
            writeln!(text, "---\napiVersion: roster.dev/v1alpha1\nkind: Membership\nmetadata: {{name: m{number}}}\nspec: {{accountRef: {{name: many}}, user: {{email: m{number}@acme.example}}, roleRef: {{name: viewer}}}}").unwrap();
        }
        text
    };
    std::fs::write(workspace.path("nine.yaml"), members(9)).unwrap();
    std::fs::write(workspace.path("three.yaml"), members(3)).unwrap();
    assert!(workspace.printed("apply nine.yaml --store shop.db --yes").starts_with("exit code 0"));
    let can = "can-i View orders --as m7@acme.example --account many three.yaml";
    assert!(workspace.printed(can).starts_with("exit code 1"));
    let printed = workspace.printed(&format!("{can} --store shop.db"));
    assert!(
        printed.starts_with("exit code 0") && printed.contains("because the removal guard holds back the removal"),
        "{printed}"
    );
}

#[test]
fn access_known_only_to_the_store_is_reported() {
    let workspace = Workspace::applied();
    assert_snapshot!(workspace.printed("explain dana@acme.example --store shop.db"));
    let nobody = workspace.printed("explain nobody@acme.example --store shop.db");
    assert!(nobody.starts_with("exit code 1"), "{nobody}");
    let data = workspace.run("explain dana@acme.example --store shop.db -o json").output().stdout;
    let data: serde_json::Value = serde_json::from_slice(&data).unwrap();
    assert_eq!(data["inStoreOnly"][0]["account"], "shop/acme");
}

/// An account that the files lack, in a namespace in which they have another one, is in every answer about people.
/// Other namespaces of the store are left out.
#[test]
fn accounts_known_only_to_the_store_are_in_every_answer() {
    let workspace = Workspace::applied();
    workspace.revised("other", |text| text.replace("{name: acme", "{name: other"));
    let can = workspace.printed("can-i View orders --as dana@acme.example -f other --store shop.db");
    assert!(can.contains("yes") && can.contains("shop/acme") && can.contains("no object here describes"), "{can}");
    let who = workspace.printed("who-can View orders -f other --store shop.db");
    let line = who.lines().find(|line| line.starts_with("shop/acme") && line.contains("dana@")).unwrap_or_default();
    assert!(line.contains("what the store holds"), "{who}");
    let data = workspace.run("review -f other --store shop.db -o json").output().stdout;
    let data: serde_json::Value = serde_json::from_slice(&data).unwrap();
    let left = data["accounts"].as_array().unwrap().iter().find(|one| one["account"] == "shop/acme").unwrap();
    assert_eq!(left["catalog"], "");
    let people: Vec<&str> =
        left["undeclared"].as_array().unwrap().iter().filter_map(|one| one["email"].as_str()).collect();
    assert!(people.contains(&"dana@acme.example"), "{left:#}");
    let strong = left["strongest"].to_string();
    assert!(strong.contains("every section at its highest level"), "an owner with everything: {left:#}");

    workspace.revised("elsewhere", |text| text.replace("namespace: shop", "namespace: elsewhere"));
    for question in ["can-i View orders --as dana@acme.example", "who-can View orders", "review"] {
        let printed = workspace.printed(&format!("{question} -f elsewhere --store shop.db"));
        assert!(!printed.contains("shop/acme"), "{question}: {printed}");
    }
}

/// A block that was written into the store, and is in no object.
#[test]
fn a_block_known_only_to_the_store_is_reported_everywhere() {
    let workspace = Workspace::applied();
    let blocked = workspace.printed("block dana@acme.example --reason stolen --store shop.db");
    assert!(blocked.starts_with("exit code 0"), "{blocked}");
    assert_snapshot!(each(
        &workspace,
        &[
            "can-i View orders --as dana@acme.example --account shop/acme",
            "who-can View orders --account shop/acme",
            "explain dana@acme.example --account shop/acme",
        ]
    ));
    let alone = workspace.printed("explain dana@acme.example --store shop.db");
    assert!(alone.contains("none: blocked in the store"), "{alone}");
    workspace.revised("other", |text| text.replace("{name: acme", "{name: other"));
    let elsewhere = workspace.printed("can-i View orders --as dana@acme.example -f other --store shop.db");
    let elsewhere = elsewhere.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(elsewhere.contains("has no access there: blocked in the store;"), "{elsewhere}");

    let data = workspace.run("review -f BEFORE --store shop.db -o json").output().stdout;
    let data: serde_json::Value = serde_json::from_slice(&data).unwrap();
    let ended = &data["accounts"][0]["ended"][0];
    assert_eq!((&ended["email"], &ended["reason"]), (&"dana@acme.example".into(), &"Blocked".into()), "{data:#}");
    assert!(ended["inStoreOnly"] == true && ended["since"].is_string(), "{ended}");
    let people = data["accounts"][0]["people"].as_array().unwrap();
    let dana = people.iter().find(|person| person["email"] == "dana@acme.example").unwrap();
    assert!(dana["flags"].as_array().unwrap().contains(&"Blocked".into()), "{dana}");
    assert_eq!((&dana["sectionsWithAccess"], &data["accounts"][0]["counts"]["withAccess"]), (&0.into(), &4.into()));
    let text = workspace.printed("review -f BEFORE --store shop.db --account shop/acme");
    assert!(text.contains("Blocked (in the store only)") && !text.contains("people suspended or blocked"), "{text}");

    // A person whom the objects also block stays blocked.
    workspace.revised("agreed", |text| {
        text.replace("{sqlite: {file: shop.db}}", "{sqlite: {file: shop.db}, blocked: [{email: dana@acme.example}]}")
    });
    let agreed = workspace.printed("explain dana@acme.example --account shop/acme -f agreed --store shop.db");
    assert!(agreed.contains("blocked by IdentityStore default") && !agreed.contains("removes it"), "{agreed}");
}
