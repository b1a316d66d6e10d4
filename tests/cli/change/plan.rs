//! Tests `roster plan` against a store.

use std::fmt::Write as _;

use insta::assert_snapshot;

use super::workspace::Workspace;

#[test]
fn a_first_plan_adds_everything_and_creates_no_store() {
    let workspace = Workspace::new();
    assert_snapshot!(workspace.printed("plan -f BEFORE --store shop.db"));
    assert_eq!(workspace.files("."), Vec::<String>::new());
}

#[test]
fn without_store_argument_the_stores_of_the_objects_are_used() {
    let workspace = Workspace::new();
    let printed = workspace.printed("plan -f BEFORE --sqlite-dir data");
    assert!(printed.contains("in data/shop.db"), "{printed}");
    assert_eq!(workspace.files("."), Vec::<String>::new());
}

#[test]
fn the_owner_has_access_by_the_owner_role_even_with_a_membership() {
    let workspace = Workspace::new();
    let membership = "apiVersion: roster.dev/v1alpha1\nkind: Membership\nmetadata: {name: olga, namespace: shop}\n\
        spec: {accountRef: {name: acme}, user: {email: olga@acme.example}, roleRef: {name: viewer}}\n";
    std::fs::write(workspace.path("olga.yaml"), membership).unwrap();
    for command in ["plan -f BEFORE -f olga.yaml --store shop.db", "apply -f BEFORE -f olga.yaml --store shop.db --yes"]
    {
        let printed = workspace.printed(command);
        let of_olga =
            printed.split("\n    olga@acme.example\n").nth(1).and_then(|rest| rest.lines().next()).unwrap_or_default();
        assert_eq!(
            of_olga.trim(),
            "gains orders: Edit, settings: Edit, billing: Allowed, from owner role owner",
            "{command}: {printed}"
        );
    }
}

#[test]
fn changes_and_their_effect_on_people() {
    assert_snapshot!(Workspace::applied().printed("plan -f AFTER --store shop.db"));
}

#[test]
fn changes_as_json() {
    assert_snapshot!(Workspace::applied().printed("plan -f AFTER --store shop.db -o json"));
}

#[test]
fn changes_as_markdown() {
    assert_snapshot!(Workspace::applied().printed("plan -f AFTER --store shop.db -o markdown"));
}

#[test]
fn accounts_that_apply_would_prune() {
    let workspace = Workspace::applied();
    assert_snapshot!(workspace.printed("plan -f BEFORE/portal.yaml -f BEFORE/acme.yaml --store shop.db --prune"));
    // A wrong folder is not the wish to remove everything.
    let printed = workspace.printed("plan -f BEFORE/portal.yaml --store shop.db --prune");
    assert!(printed.starts_with("exit code 2") && printed.contains("the files contain no Account"), "{printed}");
}

#[test]
fn nothing_to_do_is_one_line_and_detailed_exit_codes_are_terraforms() {
    let workspace = Workspace::applied();
    assert_snapshot!(workspace.printed("plan -f BEFORE --store shop.db --detailed-exitcode"), @r"
    exit code 0
    ---- stdout
    No changes: the store is up to date (2 accounts).
    ");
    assert!(workspace.printed("plan -f AFTER --store shop.db --detailed-exitcode").starts_with("exit code 2"));
    assert!(workspace.printed("plan -f AFTER --store shop.db").starts_with("exit code 0"));
    assert_snapshot!(workspace.printed("plan -f nowhere.yaml --store shop.db --detailed-exitcode"), @r"
    exit code 1
    ---- stderr
    error: cannot read nowhere.yaml: No such file or directory (os error 2)
    ");
}

#[test]
fn ten_thousand_members_are_readable() {
    let workspace = Workspace::new();
    let mut text =
        std::fs::read_to_string(crate::support::repository("tests/cli/input/change/before/portal.yaml")).unwrap();
    text += "---\napiVersion: roster.dev/v1alpha1\nkind: Account\nmetadata: {name: large}\nspec: {catalogRef: {name: shop}, owner: {email: olga@acme.example}}\n";
    for number in 0..9_999 {
        writeln!(text, "---\napiVersion: roster.dev/v1alpha1\nkind: Membership\nmetadata: {{name: m{number:04}}}\nspec: {{accountRef: {{name: large}}, user: {{email: m{number:04}@acme.example}}, roleRef: {{name: viewer}}}}").unwrap();
    }
    let short = workspace.run("plan -f - --store shop.db").stdin(&text).printed();
    assert!(short.contains("… and 9,980 more"), "{short}");
    assert!(short.lines().count() < 100, "{}", short.lines().count());
    let markdown = workspace.run("plan -f - --store shop.db -o markdown").stdin(&text).printed();
    assert!(markdown.len() < 60_000 && markdown.contains("… and 9,950 more"), "{}", markdown.len());
    let long = workspace.run("plan -f - --store shop.db --all").stdin(&text).printed();
    assert!(long.lines().count() > 20_000, "{}", long.lines().count());
    let json = workspace.run("plan -f - --store shop.db -o json").stdin(&text).output().stdout;
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(json["accounts"][0]["people"].as_array().unwrap().len(), 10_000);
}

#[test]
fn everything_fits_a_hundred_columns() {
    let workspace = Workspace::applied();
    for portal in super::workspace::PORTALS {
        let printed =
            workspace.printed(&format!("plan -f EXAMPLES/store.yaml -f EXAMPLES/{portal} --store other.db --all"));
        for line in printed.lines() {
            assert!(line.chars().count() <= 100, "{line}");
        }
    }
}

#[test]
fn held_removals_come_with_the_approval_command() {
    let workspace = Workspace::new();
    let members = |numbers: std::ops::Range<usize>| {
        let mut text =
            std::fs::read_to_string(crate::support::repository("tests/cli/input/change/before/portal.yaml")).unwrap();
        text += "---\napiVersion: roster.dev/v1alpha1\nkind: Account\nmetadata: {name: many}\nspec: {catalogRef: {name: shop}, owner: {email: olga@acme.example}}\n";
        for number in numbers {
            writeln!(text, "---\napiVersion: roster.dev/v1alpha1\nkind: Membership\nmetadata: {{name: m{number}}}\nspec: {{accountRef: {{name: many}}, user: {{email: m{number}@acme.example}}, roleRef: {{name: viewer}}}}").unwrap();
        }
        text
    };
    std::fs::write(workspace.path("nine.yaml"), members(0..9)).unwrap();
    std::fs::write(workspace.path("three.yaml"), members(0..3)).unwrap();
    assert!(workspace.printed("apply -f nine.yaml --store shop.db --yes").starts_with("exit code 0"));
    assert_snapshot!(workspace.printed("plan -f three.yaml --store shop.db --detailed-exitcode"));
    assert_snapshot!(workspace.printed("apply -f three.yaml --store shop.db --yes --approve 0123456789abcdef"));
    // The exit code must not suggest that they were removed.
    let held = workspace.printed("apply -f three.yaml --store shop.db --yes");
    assert!(held.starts_with("exit code 1") && held.contains("No changes were made"), "{held}");
    let plan = workspace.run("plan -f three.yaml --store shop.db -o json").output().stdout;
    let plan: serde_json::Value = serde_json::from_slice(&plan).unwrap();
    let hash = plan["accounts"][0]["guarded"]["hash"].as_str().unwrap().to_owned();
    let printed = workspace.printed(&format!("apply -f three.yaml --store shop.db --yes --approve {hash}"));
    assert!(printed.contains("Applied 6 changes."), "{printed}");
}
