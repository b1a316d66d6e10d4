//! Tests `roster apply`: what it writes, asks and refuses.

use insta::assert_snapshot;

use super::desk::Desk;

#[test]
fn applying_says_what_was_done_and_then_there_is_nothing_to_do() {
    let desk = Desk::applied();
    let said = desk.said("apply -f AFTER --store shop.db --yes");
    assert!(said.contains("Applied ") && said.starts_with("exit code 0"), "{said}");
    assert_snapshot!(desk.said("apply -f AFTER --store shop.db"));
    assert_snapshot!(desk.said("plan -f AFTER --store shop.db"));
}

#[test]
fn the_folder_of_stores_is_made() {
    let desk = Desk::new();
    assert!(desk.said("apply -f BEFORE --yes").contains("Applied "));
    // And the file is all there is of it: nothing waits in a log beside it.
    assert_eq!(desk.files("roster-data"), ["shop.db"]);
}

#[test]
fn what_was_done_as_json() {
    let desk = Desk::new();
    let output = desk.run("apply -f BEFORE --store shop.db --yes -o json").output();
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&json["apiVersion"], &json["kind"]), (&"cli.roster.dev/v1".into(), &"Applied".into()));
    assert_eq!(json["made"], json["plan"]["summary"]["add"]);
    assert_eq!(json["failed"], serde_json::json!([]));
}

#[test]
fn without_a_terminal_somebody_has_to_say_yes() {
    let desk = Desk::new();
    let said = desk.run("apply -f BEFORE --store shop.db").stdin("yes\n").said();
    assert!(said.starts_with("exit code 2"), "{said}");
    assert!(
        said.ends_with("error: nothing was changed: there is no terminal for confirmation; pass `--yes`\n"),
        "{said}"
    );
    assert_eq!(desk.files("."), Vec::<String>::new());
}

#[test]
fn a_cluster_is_not_applied() {
    assert_snapshot!(Desk::new().said("apply --store shop.db --yes"));
}

#[test]
fn a_store_that_a_cluster_keeps_is_refused_and_planned() {
    let desk = Desk::applied();
    desk.tamper("shop.db", "UPDATE owners SET cluster = '6a0a8f3e', uid = 'b1d5' WHERE account = 'shop/acme'");
    let before = desk.said("plan -f BEFORE --store shop.db");
    assert_snapshot!(desk.said("apply -f AFTER --store shop.db --yes"));
    assert_eq!(desk.said("plan -f BEFORE --store shop.db"), before, "nothing was changed");
    assert_snapshot!(before);
}

#[test]
fn accounts_that_are_gone_from_the_files_go_with_prune_only() {
    let desk = Desk::applied();
    let said = desk.said("apply -f AFTER --store shop.db --yes");
    assert!(said.contains("left unchanged") && said.contains("shop/bolt"), "{said}");
    assert!(desk.said("plan -f AFTER --store shop.db").contains("shop/bolt"));
    assert_snapshot!(desk.said("apply -f AFTER --store shop.db --yes --prune"));
    assert!(!desk.said("plan -f AFTER --store shop.db").contains("shop/bolt"));
}

#[test]
fn a_paused_account_waits_but_for_what_narrows() {
    let desk = Desk::applied();
    std::fs::create_dir(desk.path("paused")).unwrap();
    for file in ["portal.yaml", "acme.yaml"] {
        let text =
            std::fs::read_to_string(crate::support::repository("tests/cli/input/change/after").join(file)).unwrap();
        let text = text.replace(
            "{name: acme, namespace: shop}",
            "{name: acme, namespace: shop, annotations: {roster.dev/paused: \"true\"}}",
        );
        std::fs::write(desk.path("paused").join(file), text).unwrap();
    }
    assert_snapshot!(desk.said("apply -f paused --store shop.db --yes"));
}

#[test]
fn one_object_that_fails_leaves_the_others_in_force() {
    let desk = Desk::applied();
    desk.tamper(
        "shop.db",
        "CREATE TRIGGER theirs BEFORE INSERT ON members WHEN NEW.email = 'hanna@acme.example'
         BEGIN SELECT RAISE(ABORT, 'not with us'); END",
    );
    let said = desk.said("apply -f AFTER --store shop.db --yes");
    let (_, end) = said.split_once("Applied").unwrap();
    assert!(said.starts_with("exit code 1"), "{said}");
    assert_snapshot!(end);
}

#[test]
fn stores_that_cannot_be_used_are_told() {
    let desk = Desk::new();
    desk.tamper("theirs.db", "CREATE TABLE theirs (n INTEGER)");
    std::fs::write(desk.path("text.db"), "no database\n".repeat(500)).unwrap();
    std::fs::create_dir(desk.path("folder.db")).unwrap();
    let theirs = std::fs::read(desk.path("theirs.db")).unwrap();
    for command in
        ["plan -f BEFORE --store", "apply -f BEFORE --yes --store", "drift -f BEFORE --store", "import -o out --store"]
    {
        for (file, words) in [
            ("theirs.db", "it is the database of another application"),
            ("text.db", "file is not a database"),
            ("folder.db", "not a file"),
        ] {
            let said = desk.said(&format!("{command} {file}"));
            assert!(said.starts_with("exit code 2"), "{command} {file}: {said}");
            assert!(said.contains(words) && said.contains(file), "{command} {file}: {said}");
        }
    }
    assert_eq!(std::fs::read(desk.path("theirs.db")).unwrap(), theirs);
    assert!(!desk.path("out").exists());
}

#[test]
fn a_pruned_account_with_many_members_waits_for_an_approval() {
    let desk = Desk::new();
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
        std::fs::write(desk.path(file), text).unwrap();
    }
    let all = "apply -f library.yaml -f north.yaml -f south.yaml --store library.db --yes";
    assert!(desk.said(all).contains("Applied 16 changes."), "{}", desk.said(all));
    let pruned = "apply -f library.yaml -f north.yaml --store library.db --yes --prune";
    let said = desk.said(pruned);
    assert_snapshot!(said);
    let (_, hash) = said.split_once("--approve ").unwrap_or_else(|| panic!("{said}"));
    let hash = hash.split_whitespace().next().unwrap();
    let removed = desk.said(&format!("{pruned} --approve {hash}"));
    assert!(removed.starts_with("exit code 0") && removed.contains("6 people lose"), "{removed}");
    // Without its catalog the account does not resolve: nobody may take that for success.
    assert_snapshot!(desk.said("apply -f north.yaml --store library.db --yes"));
}
