//! Tests `roster apply`: what it writes, asks and refuses.

use insta::assert_snapshot;

use super::workspace::Workspace;

#[test]
fn apply_reports_changes_and_a_second_run_has_none() {
    let workspace = Workspace::applied();
    let printed = workspace.printed("apply -f AFTER --store shop.db --yes");
    assert!(printed.contains("Applied ") && printed.starts_with("exit code 0"), "{printed}");
    assert_snapshot!(workspace.printed("apply -f AFTER --store shop.db"));
    assert_snapshot!(workspace.printed("plan -f AFTER --store shop.db"));
}

#[test]
fn the_folder_of_stores_is_created() {
    let workspace = Workspace::new();
    assert!(workspace.printed("apply -f BEFORE --yes").contains("Applied "));
    // The file is complete: no write-ahead log is left next to it.
    assert_eq!(workspace.files("roster-data"), ["shop.db"]);
}

#[test]
fn applied_changes_as_json() {
    let workspace = Workspace::new();
    let output = workspace.run("apply -f BEFORE --store shop.db --yes -o json").output();
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&json["apiVersion"], &json["kind"]), (&"cli.roster.dev/v1".into(), &"Applied".into()));
    assert_eq!(json["made"], json["plan"]["summary"]["add"]);
    assert_eq!(json["failed"], serde_json::json!([]));
}

#[test]
fn without_a_terminal_yes_is_required() {
    let workspace = Workspace::new();
    let printed = workspace.run("apply -f BEFORE --store shop.db").stdin("yes\n").printed();
    assert!(printed.starts_with("exit code 2"), "{printed}");
    assert!(
        printed.ends_with("error: nothing was changed: there is no terminal for confirmation; pass `--yes`\n"),
        "{printed}"
    );
    assert_eq!(workspace.files("."), Vec::<String>::new());
}

#[test]
fn a_cluster_is_not_applied() {
    assert_snapshot!(Workspace::new().printed("apply --store shop.db --yes"));
}

#[test]
fn a_store_of_a_cluster_can_be_planned_but_not_applied() {
    let workspace = Workspace::applied();
    workspace.tamper("shop.db", "UPDATE owners SET cluster = '6a0a8f3e', uid = 'b1d5' WHERE account = 'shop/acme'");
    let before = workspace.printed("plan -f BEFORE --store shop.db");
    assert_snapshot!(workspace.printed("apply -f AFTER --store shop.db --yes"));
    assert_eq!(workspace.printed("plan -f BEFORE --store shop.db"), before, "nothing was changed");
    assert_snapshot!(before);
}

#[test]
fn accounts_missing_in_the_files_are_deleted_only_with_prune() {
    let workspace = Workspace::applied();
    let printed = workspace.printed("apply -f AFTER --store shop.db --yes");
    assert!(printed.contains("left unchanged") && printed.contains("shop/bolt"), "{printed}");
    assert!(workspace.printed("plan -f AFTER --store shop.db").contains("shop/bolt"));
    assert_snapshot!(workspace.printed("apply -f AFTER --store shop.db --yes --prune"));
    assert!(!workspace.printed("plan -f AFTER --store shop.db").contains("shop/bolt"));
}

#[test]
fn a_paused_account_applies_only_revocations() {
    let workspace = Workspace::applied();
    std::fs::create_dir(workspace.path("paused")).unwrap();
    for file in ["portal.yaml", "acme.yaml"] {
        let text =
            std::fs::read_to_string(crate::support::repository("tests/cli/input/change/after").join(file)).unwrap();
        let text = text.replace(
            "{name: acme, namespace: shop}",
            "{name: acme, namespace: shop, annotations: {roster.dev/paused: \"true\"}}",
        );
        std::fs::write(workspace.path("paused").join(file), text).unwrap();
    }
    assert_snapshot!(workspace.printed("apply -f paused --store shop.db --yes"));
}

#[test]
fn one_failing_object_does_not_affect_others() {
    let workspace = Workspace::applied();
    workspace.tamper(
        "shop.db",
        "CREATE TRIGGER theirs BEFORE INSERT ON members WHEN NEW.email = 'hanna@acme.example'
         BEGIN SELECT RAISE(ABORT, 'not with us'); END",
    );
    let printed = workspace.printed("apply -f AFTER --store shop.db --yes");
    let (_, end) = printed.split_once("Applied").unwrap();
    assert!(printed.starts_with("exit code 1"), "{printed}");
    assert_snapshot!(end);
}

#[test]
fn unusable_stores_are_reported() {
    let workspace = Workspace::new();
    workspace.tamper("theirs.db", "CREATE TABLE theirs (n INTEGER)");
    std::fs::write(workspace.path("text.db"), "no database\n".repeat(500)).unwrap();
    std::fs::create_dir(workspace.path("folder.db")).unwrap();
    let theirs = std::fs::read(workspace.path("theirs.db")).unwrap();
    for command in
        ["plan -f BEFORE --store", "apply -f BEFORE --yes --store", "drift -f BEFORE --store", "import -o out --store"]
    {
        for (file, words) in [
            ("theirs.db", "it is the database of another application"),
            ("text.db", "file is not a database"),
            ("folder.db", "not a file"),
        ] {
            let printed = workspace.printed(&format!("{command} {file}"));
            assert!(printed.starts_with("exit code 2"), "{command} {file}: {printed}");
            assert!(printed.contains(words) && printed.contains(file), "{command} {file}: {printed}");
        }
    }
    assert_eq!(std::fs::read(workspace.path("theirs.db")).unwrap(), theirs);
    assert!(!workspace.path("out").exists());
}

#[test]
fn a_pruned_account_with_many_members_waits_for_an_approval() {
    let workspace = Workspace::new();
    let account = |name: &str| {
        let mut text = format!(
            "---\napiVersion: roster.dev/v1alpha1\nkind: Account\nmetadata: {{name: {name}, namespace: {name}}}\nspec: \
             {{catalogRef: {{name: library}}}}\n"
        );
        for number in 0..6 {
            text += &format!(
                "---\napiVersion: roster.dev/v1alpha1\nkind: Membership\nmetadata: {{name: m{number}, namespace: {name}}}\n\
                 spec: {{accountRef: {{name: {name}}}, user: {{email: m{number}@{name}.example}}, roleRef: {{name: reader}}}}\n"
            );
        }
        text
    };
    let catalog = "apiVersion: roster.dev/v1alpha1\nkind: PermissionCatalog\nmetadata: {name: library}\nspec: {sections: \
                   [{name: books}], roles: [{name: reader, permissions: {books: Allowed}}]}\n";
    for (file, text) in
        [("library.yaml", catalog), ("north.yaml", &account("north")), ("south.yaml", &account("south"))]
    {
        std::fs::write(workspace.path(file), text).unwrap();
    }
    let all = "apply -f library.yaml -f north.yaml -f south.yaml --store library.db --yes";
    assert!(workspace.printed(all).contains("Applied 16 changes."), "{}", workspace.printed(all));
    let pruned = "apply -f library.yaml -f north.yaml --store library.db --yes --prune";
    let printed = workspace.printed(pruned);
    assert_snapshot!(printed);
    let (_, hash) = printed.split_once("--approve ").unwrap_or_else(|| panic!("{printed}"));
    let hash = hash.split_whitespace().next().unwrap();
    let removed = workspace.printed(&format!("{pruned} --approve {hash}"));
    assert!(removed.starts_with("exit code 0") && removed.contains("6 people lose"), "{removed}");
    // Without its catalog the account does not resolve, which must not look like success.
    assert_snapshot!(workspace.printed("apply -f north.yaml --store library.db --yes"));
}
