//! Tests `roster import`: files that describe what a store holds.

use insta::assert_snapshot;

use super::workspace::{PORTALS, Workspace};

#[test]
fn imported_objects_plan_to_no_change() {
    for portal in PORTALS {
        let workspace = Workspace::new();
        let applied =
            workspace.printed(&format!("apply -f EXAMPLES/store.yaml -f EXAMPLES/{portal} --store roster.db --yes"));
        assert!(applied.starts_with("exit code 0"), "{portal}: {applied}");
        let printed = workspace.printed("import --store roster.db -o out");
        assert!(printed.starts_with("exit code 0") && !printed.contains("note:"), "{portal}: {printed}");
        let plan = workspace.printed("plan -f out --store roster.db --detailed-exitcode");
        assert!(plan.starts_with("exit code 0"), "{portal}: {plan}");
        // The same again, byte for byte.
        assert!(workspace.printed("import --store roster.db -o again").starts_with("exit code 0"), "{portal}");
        assert_eq!(workspace.files("out"), workspace.files("again"));
        for file in workspace.files("out") {
            assert_eq!(
                workspace.read(&format!("out/{file}")),
                workspace.read(&format!("again/{file}")),
                "{portal}/{file}"
            );
        }
    }
}

/// Also content without a mark or with a cluster's mark, and people who are blocked, suspended or limited in time.
#[test]
fn imported_objects_of_any_writer_plan_to_no_change() {
    for sql in [
        "DELETE FROM marks",
        "UPDATE owners SET cluster = '6a0a8f3e', uid = 'b1d5'",
        "UPDATE members SET starts_at = 1000000000, expires_at = 2000000000 WHERE email = 'dana@acme.example';
         UPDATE members SET ended = 'Suspended', ranks = '000' WHERE email = 'eve@acme.example';
         UPDATE members SET ended = 'Blocked', ranks = '000' WHERE email = 'finn@acme.example'; DELETE FROM marks",
    ] {
        let workspace = Workspace::applied();
        workspace.tamper("shop.db", sql);
        let printed = workspace.printed("import --store shop.db -o out");
        assert!(printed.starts_with("exit code 0"), "{sql}: {printed}");
        let plan = workspace.printed("plan -f out --store shop.db --detailed-exitcode");
        assert!(plan.starts_with("exit code 0"), "{sql}: {plan}");
    }
}

/// A store keeps no levels of somebody whose access has ended. Giving it back must not give more than before.
#[test]
fn restrictions_of_people_whose_access_has_ended_stay() {
    const RESTRICTED: &str = "roleRef: {name: admin}, restrictions: {apply: [no-billing]}";
    let workspace = Workspace::new();
    workspace.revised("one", |text| text.replace("roleRef: {name: admin}", RESTRICTED));
    let ended = format!("{RESTRICTED}, suspended: true");
    workspace.revised("two", |text| {
        text.replace("roleRef: {name: admin}", &ended)
            .replace("groupRefs: [{name: counter}]", "groupRefs: [{name: counter}], suspended: true")
    });
    // Eve's levels from before are in the audit. Without the first revision, nobody has written them.
    for (revisions, left) in [(&["one", "two"][..], "orders: Edit, settings: Edit"), (&["two"], "nothing")] {
        let (store, out) = (format!("{}.db", revisions.len()), format!("out{}", revisions.len()));
        for revision in revisions {
            let printed = workspace.printed(&format!("apply -f {revision} --store {store} --yes"));
            assert!(printed.starts_with("exit code 0"), "{printed}");
        }
        let printed = workspace.printed(&format!("import --store {store} -o {out}"));
        assert!(printed.starts_with("exit code 0") && !printed.contains("note:"), "{printed}");
        let members = workspace.path(&format!("{out}/shop/acme/members.yaml"));
        let text = std::fs::read_to_string(&members).unwrap();
        assert!(text.contains("suspended: true"), "{text}");
        std::fs::write(&members, text.replace("suspended: true", "suspended: false")).unwrap();
        let plan = workspace.printed(&format!("plan -f {out} --store {store}"));
        if left == "nothing" {
            assert!(!plan.contains("gains "), "{plan}");
            assert!(text.contains("replace it with the right"), "{text}");
        } else {
            assert!(plan.contains(&format!("eve@acme.example\n      gains {left}, ")), "{plan}");
            assert!(!plan.contains("billing: Allowed, from role admin"), "{plan}");
        }
    }
}

#[test]
fn written_files() {
    let workspace = Workspace::applied();
    assert_snapshot!(workspace.printed("import --store shop.db -o out"));
    let files = workspace.files("out");
    let text: Vec<String> =
        files.iter().map(|file| format!("==> {file}\n{}", workspace.read(&format!("out/{file}")))).collect();
    assert_snapshot!(text.join("\n"));
}

#[test]
fn one_account_comes_with_its_parent() {
    let workspace = Workspace::new();
    workspace.printed("apply -f EXAMPLES/store.yaml -f EXAMPLES/field-operations --store roster.db --yes");
    let printed = workspace.printed("import --store roster.db -o out --account field-operations/meridian-east");
    assert!(printed.starts_with("exit code 0"), "{printed}");
    let files = workspace.files("out").join("\n");
    assert!(files.contains("meridian-east/account.yaml") && files.contains("meridian/account.yaml"), "{files}");
    assert!(!files.contains("longhaul"), "{files}");
    assert!(workspace.printed("plan -f out --store roster.db --detailed-exitcode").starts_with("exit code 0"));
}

/// Everybody's effective access stays the same, even if no role or group explains it.
#[test]
fn unexplained_access_is_imported_unchanged() {
    let workspace = Workspace::applied();
    workspace.tamper(
        "shop.db",
        "UPDATE members SET ranks = '021' WHERE email = 'dana@acme.example';
         UPDATE members SET ranks = '101' WHERE email = 'eve@acme.example'; DELETE FROM marks",
    );
    let printed = workspace.printed("import --store shop.db -o out");
    assert_snapshot!(printed);
    assert_snapshot!(workspace.read("out/shop/acme/members.yaml").split("---").next().unwrap().trim());
    let plan = workspace.run("plan -f out --store shop.db -o json").output().stdout;
    let plan: serde_json::Value = serde_json::from_slice(&plan).unwrap();
    assert_eq!(plan["accounts"][0]["people"], serde_json::json!([]), "{plan:#}");
}

#[test]
fn refusals() {
    let workspace = Workspace::applied();
    assert_snapshot!(workspace.printed("import --store nowhere.db -o out"));
    assert_snapshot!(workspace.printed("import --store shop.db -o out --account shop/nobody"));
    std::fs::create_dir(workspace.path("full")).unwrap();
    std::fs::write(workspace.path("full/mine.txt"), "mine").unwrap();
    assert_snapshot!(workspace.printed("import --store shop.db -o full"));
    assert_eq!(workspace.files("full"), ["mine.txt"]);
    assert!(workspace.printed("import --store shop.db -o full --force").starts_with("exit code 0"));
    assert_eq!(workspace.read("full/mine.txt"), "mine");
}

/// Names from a store must not lead out of the folder.
#[test]
fn invalid_names_are_left_out_and_reported() {
    let workspace = Workspace::applied();
    workspace.tamper(
        "shop.db",
        "UPDATE account_ids SET key = '../evil' WHERE key = 'shop/bolt';
         UPDATE members SET email = 'not an address' WHERE email = 'eve@acme.example';",
    );
    let printed = workspace.printed("import --store shop.db -o deep/out");
    assert!(printed.starts_with("exit code 1"), "{printed}");
    assert!(printed.contains("../evil") && printed.contains("not an address"), "{printed}");
    assert!(workspace.files("deep").iter().all(|file| file.starts_with("out/")));
    assert!(!workspace.path("deep/evil").exists() && !workspace.path("evil").exists());
}
