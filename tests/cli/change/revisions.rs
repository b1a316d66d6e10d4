//! Tests `roster plan` between two revisions of files.

use insta::assert_snapshot;

use super::workspace::{PORTALS, Workspace};

#[test]
fn two_revisions_as_text() {
    let workspace = Workspace::new();
    assert_snapshot!(workspace.printed("plan --from BEFORE --to AFTER"));
    assert_eq!(workspace.files("."), Vec::<String>::new());
}

#[test]
fn two_revisions_as_markdown() {
    assert_snapshot!(Workspace::new().printed("plan --from BEFORE --to AFTER -o markdown"));
}

#[test]
fn two_revisions_as_json() {
    assert_snapshot!(Workspace::new().printed("plan --from BEFORE --to AFTER -o json"));
}

#[test]
fn a_revision_and_itself_are_the_same() {
    for portal in PORTALS {
        let printed = Workspace::new().printed(&format!(
            "plan --from EXAMPLES/store.yaml --from EXAMPLES/{portal} --to EXAMPLES/store.yaml --to EXAMPLES/{portal} --detailed-exitcode"
        ));
        assert!(printed.starts_with("exit code 0"), "{printed}");
        assert!(printed.contains("No changes: both revisions have the same effect"), "{printed}");
    }
}

#[test]
fn both_sides_are_needed_and_nothing_else() {
    let workspace = Workspace::new();
    for arguments in ["plan --from BEFORE", "plan --to AFTER", "plan --from BEFORE --to AFTER -f AFTER"] {
        let printed = workspace.printed(arguments);
        assert!(printed.starts_with("exit code 2"), "{arguments}: {printed}");
    }
}

/// Both ways use the same engine: a plan against a store lists the same changes as a plan between revisions.
#[test]
fn a_store_and_the_applied_revision_have_the_same_plan() {
    let workspace = Workspace::applied();
    let people = |arguments: &str| {
        let json: serde_json::Value = serde_json::from_slice(&workspace.run(arguments).output().stdout).unwrap();
        (json["accounts"][0]["people"].clone(), json["accounts"][0]["changes"].clone())
    };
    let store = people("plan -f AFTER --store shop.db -o json");
    assert_eq!(store, people("plan --from BEFORE --to AFTER -o json"));
    assert!(store.0.as_array().unwrap().len() > 3);
}

#[test]
fn a_store_need_not_be_among_the_files() {
    let workspace = Workspace::new();
    let printed = workspace.printed("plan --from EXAMPLES/secondary-users/account.yaml --to EXAMPLES/secondary-users");
    assert!(printed.contains("petra@tidewater.example"), "{printed}");
    assert!(printed.contains("could not be resolved before"), "{printed}");
}

/// Sections and levels come and go; unchanged parts are not reported.
#[test]
fn a_changed_catalog_is_reported_for_everybody_affected() {
    let workspace = Workspace::new();
    workspace.revised("one", |text| text);
    workspace.revised("two", |text| {
        text.replace("  - {name: billing}\n", "  - {name: reports, levels: [Hide, View, Edit]}\n")
            .replace("  - {name: no-billing, caps: {billing: Denied}}", "  - {name: no-reports, caps: {reports: Hide}}")
            .replace("billing: Allowed", "reports: View")
            .replace("orders: View, settings: View", "orders: View, reports: Edit")
    });
    assert_snapshot!(workspace.printed("plan --from one --to two"));
}

/// The highest level of a ladder gets another name: each side has its own one.
#[test]
fn a_renamed_top_level_has_its_former_name_before() {
    let workspace = Workspace::new();
    workspace.revised("one", |text| text);
    workspace.revised("two", |text| {
        text.replace("{name: orders, levels: [Hide, View, Edit]}", "{name: orders, levels: [Hide, View, Change]}")
            .replace("orders: Edit", "orders: Change")
    });
    let printed = workspace.printed("plan --from one --to two");
    assert!(printed.contains("permissions.orders  Edit → Change"), "{printed}");
    assert!(printed.contains("gains orders: Change (from Edit)"), "{printed}");
    assert!(!printed.contains("View → Change"), "{printed}");
    // Who is left with the level below loses something.
    workspace.revised("three", |text| {
        text.replace("{name: orders, levels: [Hide, View, Edit]}", "{name: orders, levels: [Hide, View]}")
            .replace("orders: Edit", "orders: View")
    });
    let printed = workspace.printed("plan --from one --to three");
    assert!(printed.contains("permissions.orders  Edit → View"), "{printed}");
    assert!(printed.contains("loses orders: View (from Edit)"), "{printed}");
}

/// Six of nine members are no longer declared, and another account is as it was.
fn many_removals() -> Workspace {
    let workspace = Workspace::new();
    let with = |many: usize| {
        move |text: String| {
            let member = |number: usize| {
                format!(
                    "---
apiVersion: roster.dev/v1alpha1
kind: Membership
metadata: {{name: m{number}, namespace: shop}}
spec: {{accountRef: {{name: bolt}}, user: {{email: m{number}@bolt.example}}, roleRef: {{name: viewer}}}}
"
                )
            };
            let bolt = "---
apiVersion: roster.dev/v1alpha1
kind: Account
metadata: {name: bolt, namespace: shop}
spec: {catalogRef: {name: shop}, owner: {email: bo@bolt.example}}
";
            if text.contains("kind: IdentityStore") {
                text + bolt + &(0..many).map(member).collect::<String>()
            } else {
                text
            }
        }
    };
    workspace.revised("many", with(8));
    workspace.revised("few", with(2));
    workspace
}

/// A pull request shows what each person would lose once the held removals are approved, and how a controller lets
/// them pass.
#[test]
fn held_removals_between_revisions_say_what_each_person_loses() {
    let workspace = many_removals();
    assert_snapshot!("held_text", workspace.printed("plan --from many --to few"));
    assert_snapshot!("held_markdown", workspace.printed("plan --from many --to few -o markdown"));
    let json: serde_json::Value =
        serde_json::from_slice(&workspace.run("plan --from many --to few -o json").output().stdout).unwrap();
    let guarded = &json["accounts"][1]["guarded"];
    assert_eq!(guarded["people"].as_array().unwrap().len(), 6);
    assert_eq!(guarded["people"][0]["loses"][0]["from"], "View");
    assert_eq!(json["accounts"][1]["people"], serde_json::json!([]));
}

/// The store of an account never changes, so a store that is refused or unknown hides no limit.
#[test]
fn limits_are_compared_although_the_store_is_refused() {
    let workspace = Workspace::new();
    let guard = |percent: u8, store: &'static str| {
        move |text: String| {
            let text = text.replace(
                "spec: {sqlite: {file: shop.db}}",
                "spec: {sqlite: {file: shop.db}, accountDefaults: {removalGuard: {maximumPercent: 60}}}",
            );
            text.replace(
                "  displayName: Acme\n",
                &format!("  displayName: Acme\n  removalGuard: {{maximumPercent: {percent}}}\n{store}"),
            )
        }
    };
    workspace.revised("one", guard(30, ""));
    workspace.revised("two", guard(50, "  storeRef: {name: nowhere}\n"));
    let printed = workspace.printed("plan --from one --to two");
    assert!(printed.contains("spec.removalGuard.maximumPercent: 30 → 50; fewer removals"), "{printed}");
    assert!(printed.contains("Account shop/acme spec.storeRef: default → nowhere; cannot be changed"), "{printed}");
    // The same where the store is in no file of either side.
    let without = |percent: u8| move |text: String| guard(percent, "  storeRef: {name: nowhere}\n")(text);
    workspace.revised("three", without(30));
    workspace.revised("four", without(50));
    let printed = workspace.printed("plan --from three --to four");
    assert!(printed.contains("spec.removalGuard.maximumPercent: 30 → 50; fewer removals"), "{printed}");
}

const ELSEWHERE: &str = "---
apiVersion: roster.dev/v1alpha1
kind: IdentityStore
metadata: {name: elsewhere}
spec: {sqlite: {file: elsewhere.db}}
";

#[test]
fn fields_that_must_not_change_and_an_owner_who_stays() {
    let workspace = Workspace::new();
    workspace.revised("one", |text| text);
    workspace.revised("two", |text| {
        text.replace("olga@acme.example", "oscar@acme.example")
            .replace("file: shop.db", "file: other.db")
            .replace("title: Night shift,", "title: Night shift, basedOn: viewer,")
            .replace("catalogRef: {name: shop}", "catalogRef: {name: shop}\n  storeRef: {name: elsewhere}")
            .replace("  ownerRole: owner\n", &format!("  ownerRole: owner\n{ELSEWHERE}"))
    });
    assert_snapshot!(workspace.printed("plan --from one --to two"));
}

/// With `--prune`, a namespace that the files no longer have is deleted, with the accounts that they still have in it.
#[test]
fn a_removed_namespace_is_removed_with_its_objects() {
    let workspace = Workspace::new();
    for revision in ["from", "to"] {
        workspace.revised(revision, |text| text);
    }
    std::fs::write(workspace.path("from/a.yaml"), "{apiVersion: v1, kind: Namespace, metadata: {name: shop}}").unwrap();
    let text = "pruning deletes it with its content: 1 account with 4 Memberships, which these files still contain";
    for format in ["text", "markdown"] {
        let printed = workspace.printed(&format!("plan --from from --to to -o {format}"));
        assert!(
            printed.replace("\n", " ").split_whitespace().collect::<Vec<_>>().join(" ").contains(text),
            "{printed}"
        );
    }
    assert_eq!(workspace.run("plan --from from --to to -o name").output().stdout, b"Namespace shop\n");
}

/// Templates of a chart are not manifests yet: a plan reports that they were skipped.
#[test]
fn skipped_templates_are_reported() {
    let workspace = Workspace::new();
    workspace.revised("portal", |text| text);
    std::fs::create_dir_all(workspace.path("portal/chart/templates")).unwrap();
    std::fs::write(workspace.path("portal/chart/Chart.yaml"), "name: chart\n").unwrap();
    std::fs::write(workspace.path("portal/chart/templates/account.yaml"), "kind: {{ .Values.kind }}\n").unwrap();
    let printed = workspace.printed("plan -f portal --store new.db");
    assert!(
        printed.contains("note: 1 Helm template not read, first portal/chart/templates/account.yaml;"),
        "{printed}"
    );
}
