//! Tests `roster plan` against a store.

use std::fmt::Write as _;

use insta::assert_snapshot;

use super::desk::Desk;

#[test]
fn a_first_plan_adds_everything_and_makes_no_store() {
    let desk = Desk::new();
    assert_snapshot!(desk.said("plan -f BEFORE --store shop.db"));
    assert_eq!(desk.files("."), Vec::<String>::new());
}

#[test]
fn without_a_file_named_the_stores_of_the_objects_are_meant() {
    let desk = Desk::new();
    let said = desk.said("plan -f BEFORE --sqlite-dir data");
    assert!(said.contains("in data/shop.db"), "{said}");
    assert_eq!(desk.files("."), Vec::<String>::new());
}

#[test]
fn the_owner_has_their_access_from_the_owner_role_also_where_they_have_a_membership() {
    let desk = Desk::new();
    let membership = "apiVersion: roster.dev/v1alpha1\nkind: Membership\nmetadata: {name: olga, namespace: shop}\n\
        spec: {accountRef: {name: acme}, user: {email: olga@acme.example}, roleRef: {name: viewer}}\n";
    std::fs::write(desk.path("olga.yaml"), membership).unwrap();
    for command in ["plan -f BEFORE -f olga.yaml --store shop.db", "apply -f BEFORE -f olga.yaml --store shop.db --yes"]
    {
        let said = desk.said(command);
        let of_olga =
            said.split("\n    olga@acme.example\n").nth(1).and_then(|rest| rest.lines().next()).unwrap_or_default();
        assert_eq!(
            of_olga.trim(),
            "gains orders: Edit, settings: Edit, billing: Allowed, from owner role owner",
            "{command}: {said}"
        );
    }
}

#[test]
fn changes_and_what_they_mean_for_people() {
    assert_snapshot!(Desk::applied().said("plan -f AFTER --store shop.db"));
}

#[test]
fn changes_as_json() {
    assert_snapshot!(Desk::applied().said("plan -f AFTER --store shop.db -o json"));
}

#[test]
fn changes_as_markdown() {
    assert_snapshot!(Desk::applied().said("plan -f AFTER --store shop.db -o markdown"));
}

#[test]
fn what_apply_would_prune() {
    let desk = Desk::applied();
    assert_snapshot!(desk.said("plan -f BEFORE/portal.yaml -f BEFORE/acme.yaml --store shop.db --prune"));
    // A wrong folder is not the wish to remove everything.
    let said = desk.said("plan -f BEFORE/portal.yaml --store shop.db --prune");
    assert!(said.starts_with("exit code 2") && said.contains("the files contain no Account"), "{said}");
}

#[test]
fn nothing_to_do_is_one_line_and_detailed_exit_codes_are_terraforms() {
    let desk = Desk::applied();
    assert_snapshot!(desk.said("plan -f BEFORE --store shop.db --detailed-exitcode"), @r"
    exit code 0
    ---- stdout
    No changes: the store is up to date (2 accounts).
    ");
    assert!(desk.said("plan -f AFTER --store shop.db --detailed-exitcode").starts_with("exit code 2"));
    assert!(desk.said("plan -f AFTER --store shop.db").starts_with("exit code 0"));
    assert_snapshot!(desk.said("plan -f nowhere.yaml --store shop.db --detailed-exitcode"), @r"
    exit code 1
    ---- stderr
    error: cannot read nowhere.yaml: No such file or directory (os error 2)
    ");
}

#[test]
fn ten_thousand_members_are_readable() {
    let desk = Desk::new();
    let mut text =
        std::fs::read_to_string(crate::support::repository("tests/cli/input/change/before/portal.yaml")).unwrap();
    text += "---\napiVersion: roster.dev/v1alpha1\nkind: Account\nmetadata: {name: large}\nspec: {catalogRef: {name: shop}, owner: {email: olga@acme.example}}\n";
    for number in 0..9_999 {
        writeln!(text, "---\napiVersion: roster.dev/v1alpha1\nkind: Membership\nmetadata: {{name: m{number:04}}}\nspec: {{accountRef: {{name: large}}, user: {{email: m{number:04}@acme.example}}, roleRef: {{name: viewer}}}}").unwrap();
    }
    let short = desk.run("plan -f - --store shop.db").stdin(&text).said();
    assert!(short.contains("… and 9,980 more"), "{short}");
    assert!(short.lines().count() < 100, "{}", short.lines().count());
    let markdown = desk.run("plan -f - --store shop.db -o markdown").stdin(&text).said();
    assert!(markdown.len() < 60_000 && markdown.contains("… and 9,950 more"), "{}", markdown.len());
    let long = desk.run("plan -f - --store shop.db --all").stdin(&text).said();
    assert!(long.lines().count() > 20_000, "{}", long.lines().count());
    let json = desk.run("plan -f - --store shop.db -o json").stdin(&text).output().stdout;
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(json["accounts"][0]["people"].as_array().unwrap().len(), 10_000);
}

#[test]
fn everything_fits_a_hundred_columns() {
    let desk = Desk::applied();
    for portal in super::desk::PORTALS {
        let said = desk.said(&format!("plan -f EXAMPLES/store.yaml -f EXAMPLES/{portal} --store other.db --all"));
        for line in said.lines() {
            assert!(line.chars().count() <= 100, "{line}");
        }
    }
}

#[test]
fn the_guard_holds_back_and_says_how_to_approve() {
    let desk = Desk::new();
    let members = |numbers: std::ops::Range<usize>| {
        let mut text =
            std::fs::read_to_string(crate::support::repository("tests/cli/input/change/before/portal.yaml")).unwrap();
        text += "---\napiVersion: roster.dev/v1alpha1\nkind: Account\nmetadata: {name: many}\nspec: {catalogRef: {name: shop}, owner: {email: olga@acme.example}}\n";
        for number in numbers {
            writeln!(text, "---\napiVersion: roster.dev/v1alpha1\nkind: Membership\nmetadata: {{name: m{number}}}\nspec: {{accountRef: {{name: many}}, user: {{email: m{number}@acme.example}}, roleRef: {{name: viewer}}}}").unwrap();
        }
        text
    };
    std::fs::write(desk.path("nine.yaml"), members(0..9)).unwrap();
    std::fs::write(desk.path("three.yaml"), members(0..3)).unwrap();
    assert!(desk.said("apply -f nine.yaml --store shop.db --yes").starts_with("exit code 0"));
    assert_snapshot!(desk.said("plan -f three.yaml --store shop.db --detailed-exitcode"));
    assert_snapshot!(desk.said("apply -f three.yaml --store shop.db --yes --approve 0123456789abcdef"));
    // Who only looks at the code must not take them for gone.
    let held = desk.said("apply -f three.yaml --store shop.db --yes");
    assert!(held.starts_with("exit code 1") && held.contains("No changes were made"), "{held}");
    let plan = desk.run("plan -f three.yaml --store shop.db -o json").output().stdout;
    let plan: serde_json::Value = serde_json::from_slice(&plan).unwrap();
    let hash = plan["accounts"][0]["guarded"]["hash"].as_str().unwrap().to_owned();
    let said = desk.said(&format!("apply -f three.yaml --store shop.db --yes --approve {hash}"));
    assert!(said.contains("Applied 6 changes."), "{said}");
}
