//! Tests what a plan between two revisions must not hide: limits, times, and accounts that Roster no longer manages.

use insta::assert_snapshot;

use super::workspace::Workspace;

/// Two revisions: `before` as it is and with more in its store and account, and the same with some words replaced.
fn revisions(additions: &[(&str, &str)], changes: &[(&str, &str)]) -> Workspace {
    let replaced =
        |text: String, words: &[(&str, &str)]| words.iter().fold(text, |text, (from, to)| text.replace(from, to));
    let workspace = Workspace::new();
    workspace.revised("one", |text| replaced(text, additions));
    workspace.revised("two", |text| replaced(replaced(text, additions), changes));
    workspace
}

const STORE: (&str, &str) = (
    "spec: {sqlite: {file: shop.db}}",
    "spec:
  sqlite: {file: shop.db}
  adoption: Never
  blocked: [{email: mallory@acme.example, reason: fraud}, {email: eve@acme.example}]
  accountDefaults: {drift: {unmanaged: Remove}, removalGuard: {maximumPercent: 10}, enforcement: Warn}",
);
const LOOSENED: [(&str, &str); 5] = [
    ("adoption: Never", "adoption: Always"),
    ("blocked: [{email: mallory@acme.example, reason: fraud}, {email: eve@acme.example}]", "blocked: []"),
    (
        "{drift: {unmanaged: Remove}, removalGuard: {maximumPercent: 10}, enforcement: Warn}",
        "{drift: {policy: Report, unmanaged: Ignore, checkEvery: 1h}, removalGuard: {maximumPercent: 90, minimumCount: 50}}",
    ),
    ("  displayName: Acme\n", "  displayName: Acme\n  deletionPolicy: Orphan\n  partner: true\n"),
    (
        "  ownerRole: owner",
        "  ownerRole: owner\n  ownerChange: ByPlatform\n  administration: [{action: EditMembers, roles: [viewer]}]",
    ),
];

#[test]
fn limits_that_are_loosened() {
    let workspace = revisions(&[STORE], &LOOSENED);
    let printed = workspace.printed("plan --from one --to two --detailed-exitcode");
    assert!(printed.lines().all(|line| line.chars().count() <= 100), "{printed}");
    assert_snapshot!(printed);
}

#[test]
fn limits_that_are_loosened_as_markdown_are_not_folded() {
    let workspace = revisions(&[STORE], &LOOSENED);
    let printed = workspace.printed("plan --from one --to two -o markdown");
    let open = printed.split("<details>").map(|part| part.rsplit("</details>").next().unwrap()).collect::<String>();
    for word in ["mallory@acme.example", "| eve@acme.example |", "maximumPercent", "administration[EditMembers]"] {
        assert!(open.contains(&word.replace('[', "\\[").replace(']', "\\]")), "{word}: {open}");
    }
    assert_snapshot!(printed);
}

#[test]
fn limits_that_are_tightened_as_json() {
    let workspace = revisions(&[], &[STORE]);
    let output = workspace.run("plan --from one --to two -o json").output().stdout;
    let plan: serde_json::Value = serde_json::from_slice(&output).unwrap();
    assert_eq!(plan["changes"], true);
    assert_snapshot!(serde_json::to_string_pretty(&plan["limits"]).unwrap());
    assert_eq!(plan["summary"]["limitsTightened"], 6, "{plan:#}");
    assert_eq!(plan["otherChanges"], serde_json::json!([]));
}

/// Writing out a value that an account inherits anyway is not a change, nor is writing out a default.
#[test]
fn a_default_written_out_is_no_change() {
    let workspace = revisions(
        &[],
        &[
            (
                "{sqlite: {file: shop.db}}",
                "{sqlite: {file: shop.db}, paused: false, accountDefaults: {drift: {policy: Correct, checkEvery: 300s}}}",
            ),
            (
                "  displayName: Acme\n",
                "  displayName: Acme\n  suspended: false\n  drift: {policy: Correct, checkEvery: 5m}\n  removalGuard: {maximumPercent: 25}\n",
            ),
            ("- {name: billing}", "- {name: billing, levels: [Denied, Allowed]}"),
            ("  ownerRole: owner", "  ownerRole: owner\n  invitations: {expireAfter: 168h}"),
        ],
    );
    let printed = workspace.printed("plan --from one --to two --detailed-exitcode");
    assert!(
        printed.starts_with("exit code 0") && printed.contains("No changes: both revisions have the same effect"),
        "{printed}"
    );
}

const TIMES: [(&str, &str); 4] = [
    ("roleRef: {name: viewer}}", "roleRef: {name: viewer}, expiresAt: \"2026-12-31T00:00:00Z\"}"),
    ("roleRef: {name: admin}}", "roleRef: {name: admin}, startsAt: \"2027-01-01T00:00:00Z\"}"),
    ("groupRefs: [{name: counter}]}", "groupRefs: [{name: counter}], suspended: true}"),
    (
        "roleRef: {kind: Role, name: night-shift}}",
        "roleRef: {name: viewer}, startsAt: \"2026-09-01T00:00:00Z\", expiresAt: \"2026-10-01T00:00:00Z\"}",
    ),
];
const LATER: [(&str, &str); 4] = [
    (", expiresAt: \"2026-12-31T00:00:00Z\"", ""),
    ("startsAt: \"2027-01-01T00:00:00Z\"", "startsAt: \"2026-12-01T00:00:00Z\""),
    (", suspended: true", ", expiresAt: \"2026-07-01T00:00:00Z\""),
    ("roleRef: {name: viewer}, startsAt", "roleRef: {name: admin}, startsAt"),
];

#[test]
fn access_that_lasts_longer_is_a_gain_with_its_time() {
    let workspace = revisions(&TIMES, &LATER);
    assert_snapshot!(workspace.printed("plan --from one --to two"));
    assert_snapshot!(workspace.printed("plan --from one --to two -o markdown"));
    let output = workspace.run("plan --from one --to two -o json").output().stdout;
    let plan: serde_json::Value = serde_json::from_slice(&output).unwrap();
    assert_eq!((&plan["summary"]["gain"], &plan["summary"]["lose"]), (&4.into(), &0.into()), "{plan:#}");
    assert_snapshot!(serde_json::to_string_pretty(&plan["accounts"][0]["people"][0]).unwrap());
}

#[test]
fn access_that_lasts_less_long_is_a_loss_with_its_time() {
    let workspace = revisions(&TIMES, &LATER);
    assert_snapshot!(workspace.printed("plan --from two --to one"));
}

/// Everybody keeps their access: the store is left as it is.
#[test]
fn an_orphaned_account_takes_nobodys_access() {
    let workspace = Workspace::new();
    workspace.revised("one", |text| {
        text.replace("  displayName: Acme\n", "  displayName: Acme\n  deletionPolicy: Orphan\n")
    });
    workspace.revised("two", |text| if text.contains("kind: Account\n") { String::new() } else { text });
    assert_snapshot!(workspace.printed("plan --from one --to two --detailed-exitcode"));
    assert_snapshot!(workspace.printed("plan --from one --to two -o markdown"));
}

/// Ending a pause shows no plan, so the waiting changes are shown here.
#[test]
fn changes_that_wait_for_a_pause_are_reported_at_once() {
    let workspace = revisions(
        &[(
            "metadata: {name: acme, namespace: shop}",
            "metadata: {name: acme, namespace: shop, annotations: {roster.dev/paused: \"true\"}}",
        )],
        &[("roleRef: {name: viewer}", "roleRef: {name: admin}")],
    );
    assert_snapshot!(workspace.printed("plan --from one --to two"));
    let workspace = revisions(
        &[("{sqlite: {file: shop.db}}", "{sqlite: {file: shop.db}, paused: true}")],
        &[("paused: true", "paused: false")],
    );
    assert_snapshot!(workspace.printed("plan --from one --to two"));
}

const MORE: &str = "
---
apiVersion: roster.dev/v1alpha1
kind: Invitation
metadata: {name: ivy, namespace: shop}
spec: {accountRef: {name: acme}, email: ivy@acme.example, roleRef: {name: admin}, groupRefs: [{name: counter}]}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {tier: gold}}
---
apiVersion: roster.dev/v1alpha1
kind: PermissionCatalog
metadata: {name: spare}
spec: {sections: [{name: orders, title: Orders}, {name: billing}]}
";

#[test]
fn every_other_difference_is_reported_once() {
    let workspace = revisions(
        &[("  ownerRole: owner", &format!("  ownerRole: owner{}", MORE.replace("ivy", "zoe")))],
        &[
            ("zoe", "ivy"),
            ("tier: gold", "tier: silver"),
            (
                "sections: [{name: orders, title: Orders}, {name: billing}]",
                "sections: [{name: billing}, {name: orders}]",
            ),
            ("  displayName: Acme\n", "  displayName: Acme & Sons\n  plan: {name: growth}\n"),
            ("title: Counter", "title: Till"),
        ],
    );
    assert_snapshot!(workspace.printed("plan --from one --to two"));
    assert_snapshot!(workspace.printed("plan --from one --to two -o markdown"));
}

#[test]
fn many_people_who_gain_are_not_folded_away() {
    let workspace = Workspace::new();
    let members = |role: &str| -> String {
        (0..20).map(|number| format!("\n---\napiVersion: roster.dev/v1alpha1\nkind: Membership\nmetadata: {{name: m{number}, namespace: shop}}\nspec: {{accountRef: {{name: acme}}, user: {{email: m{number}@acme.example}}, roleRef: {{name: {role}}}}}")).collect()
    };
    let with = |text: String, role: &str| if text.contains("kind: Account\n") { text + &members(role) } else { text };
    workspace.revised("one", |text| with(text, "viewer"));
    workspace.revised("two", |text| with(text, "admin"));
    let printed = workspace.printed("plan --from one --to two -o markdown");
    let (open, _) = printed.split_once("<details>").unwrap();
    assert!(open.contains("20 people gain:") && open.contains("m19@acme.example"), "{printed}");
    let less = workspace.printed("plan --from two --to one -o markdown");
    assert!(!less.split("<details>").next().unwrap().contains("m19@acme.example"), "{less}");
}

/// kubectl reads these annotations, which can delete or keep content independent of the spec.
#[test]
fn kubectl_annotations_are_shown() {
    let membership = |name: &str| {
        format!(
            "apiVersion: roster.dev/v1alpha1\nkind: Membership\nmetadata: {{name: {name}, namespace: shop}}\n\
             spec: {{accountRef: {{name: acme}}, user: {{email: {name}@acme.example}}, roleRef: {{name: viewer}}}}\n"
        )
    };
    let list =
        format!("apiVersion: v1\nkind: ConfigMap\nitems:\n- {}", membership("lisa").trim().replace('\n', "\n  "));
    let owner = "metadata: {name: acme, namespace: shop, ownerReferences: [{apiVersion: v1, kind: ConfigMap, name: x, \
                 uid: gone}]}";
    for (file, text, name) in
        [(".hidden.yaml", membership("hugo"), "hugo@acme.example"), ("list.yaml", list, "lisa@acme.example")]
    {
        let workspace = revisions(&[], &[]);
        std::fs::write(workspace.path("two").join(file), text).unwrap();
        let printed = workspace.printed("plan --from one --to two --detailed-exitcode");
        assert!(printed.contains(name), "{file}: {printed}");
    }
    let workspace = revisions(&[], &[("metadata: {name: acme, namespace: shop}", owner)]);
    let printed = workspace.printed("plan --from one --to two --detailed-exitcode");
    assert!(printed.contains("metadata.ownerReferences"), "{printed}");
}

/// An object of the `shop` portal, as a document.
fn object(kind: &str, name: &str, spec: &str) -> String {
    format!(
        "\n---\napiVersion: roster.dev/v1alpha1\nkind: {kind}\nmetadata: {{name: {name}, namespace: shop}}\nspec: {spec}\n"
    )
}

/// Returns the text of a comment outside all folds.
fn open(printed: &str) -> String {
    printed.split("<details>").map(|part| part.rsplit("</details>").next().unwrap()).collect()
}

/// Two revisions with 120 accounts more, whose plan has a feature more in the later one, and a loosened removal
/// guard.
fn crowd(feature: impl Fn(usize) -> String) -> Workspace {
    let workspace = revisions(&[STORE], &[("maximumPercent: 10", "maximumPercent: 25")]);
    let accounts = |plan: &dyn Fn(usize) -> String| -> String {
        let spec =
            |number| format!("{{catalogRef: {{name: shop}}, owner: {{email: olga@acme.example}}{}}}", plan(number));
        (100..220).map(|number| object("Account", &format!("a{number}"), &spec(number))).collect()
    };
    std::fs::write(workspace.path("one/crowd.yaml"), accounts(&|_| String::new())).unwrap();
    let bought = |number| format!(", plan: {{features: [{}]}}", feature(number));
    std::fs::write(workspace.path("two/crowd.yaml"), accounts(&bought)).unwrap();
    workspace
}

#[test]
fn a_loosened_limit_is_not_hidden_by_many_harmless_ones() {
    let workspace = crowd(|_| "sso".to_owned());
    for (format, named) in [("text", 5), ("markdown", 20)] {
        let printed = workspace.printed(&format!("plan --from one --to two -o {format}"));
        let printed = open(&printed).split_whitespace().collect::<Vec<_>>().join(" ");
        let (guard, many) =
            (printed.find("maximumPercent").unwrap(), printed.find("120 Accounts (shop/a100, ").unwrap());
        let last = format!("shop/a{} and {} more)", 99 + named, 120 - named);
        assert!(guard < many && printed.contains(&last), "{printed}");
        let hidden = format!("shop/a{}", 100 + named);
        assert!(!printed.contains(&hidden) && !printed.contains("loosened limits are shown here"), "{printed}");
    }
    let all = workspace.printed("plan --from one --to two -o markdown --all");
    assert!(all.contains("shop/a218, shop/a219)"), "{all}");
}

#[test]
fn limits_that_do_not_fit_are_reported_at_the_top() {
    let workspace = crowd(|number| format!("f{number}"));
    for format in ["text", "markdown"] {
        let printed = workspace.printed(&format!("plan --from one --to two -o {format}"));
        let (top, rest) = printed.split_once("limits are shown here; --all shows all of them").expect(&printed);
        assert!(top.contains("only 100 of 121 loosened ") && !top.contains("###"), "{printed}");
        assert!(rest.contains("maximumPercent"), "{printed}");
        assert!(!workspace.printed(&format!("plan --from one --to two -o {format} --all")).contains("are shown here"));
    }
}

#[test]
fn a_new_object_is_compared_with_its_defaults() {
    let workspace = revisions(&[], &[]);
    let loose = "{catalogRef: {name: shop}, owner: {email: olga@acme.example}, deletionPolicy: Orphan, partner: true, \
                 managedAccounts: {allowedNamespaces: {from: All}}}";
    let new = [
        object("Account", "loose", loose),
        object("Account", "plain", "{catalogRef: {name: shop}, owner: {email: olga@acme.example}}"),
        object(
            "IdentityStore",
            "loose",
            "{sqlite: {file: loose.db}, adoption: Always, accountDefaults: {drift: {policy: Report}}}",
        )
        .replace(", namespace: shop", ""),
        object("PermissionCatalog", "loose", "{sections: [{name: a}], ownerChange: ByPlatform}")
            .replace(", namespace: shop", ""),
        object("UserGroup", "tellers", "{accountRef: {name: acme}, permissions: {billing: Allowed}}"),
        object("Role", "clerk", "{accountRef: {name: acme}, permissions: {orders: Edit, settings: View}}"),
        object("Role", "idle", "{accountRef: {name: acme}, permissions: {}}"),
        object(
            "Membership",
            "lea",
            "{accountRef: {name: acme}, user: {email: lea@acme.example}, restrictions: {lift: [no-billing]}}",
        ),
    ];
    std::fs::write(workspace.path("two/new.yaml"), new.concat()).unwrap();
    assert_snapshot!(workspace.printed("plan --from one --to two"));
    let printed = workspace.printed("plan --from one --to two -o markdown");
    let shown = open(&printed);
    for text in ["group tellers", "billing: Allowed", "role custom:clerk", "orders: Edit, settings: View"] {
        assert!(shown.contains(text), "{text}: {printed}");
    }
    assert!(!shown.contains("custom:idle"), "{printed}");
    assert_snapshot!(printed);
}

const UNREAD: [(&str, &str); 3] = [
    (
        "secret.yaml",
        "apiVersion: v1\nkind: Secret\nmetadata: {name: pg, namespace: roster-system, annotations: {roster.dev/store: pg}}\n\
         stringData: {uri: 'postgres://roster:hunter2@one/portal'}\n",
    ),
    ("prod/kustomization.yaml", "resources: [../acme.yaml]\n"),
    ("prod/patch.yaml", "- {op: replace, path: /spec/suspended, value: true}\n"),
];

/// The controller and `kubectl apply` act on these.
#[test]
fn a_difference_in_an_unread_field_is_a_change() {
    let workspace = revisions(&[], &[]);
    for revision in ["one", "two"] {
        std::fs::create_dir(workspace.path(revision).join("prod")).unwrap();
        for (file, text) in UNREAD {
            std::fs::write(workspace.path(revision).join(file), text).unwrap();
        }
    }
    let plan = "plan --from one --to two --detailed-exitcode";
    assert!(workspace.printed(plan).contains("No changes: both revisions have the same effect"));
    for (number, (file, from, to)) in [
        ("secret.yaml", "@one/", "@two/"),
        ("prod/kustomization.yaml", "]\n", "]\npatches: [{path: patch.yaml}]\n"),
        ("prod/patch.yaml", "true", "false"),
    ]
    .into_iter()
    .enumerate()
    {
        let path = workspace.path("two").join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace(from, to)).unwrap();
        let printed = workspace.printed(plan);
        assert!(
            printed.starts_with("exit code 2") && printed.contains(&format!("{} other change", number + 1)),
            "{printed}"
        );
    }
    let (text, markdown) = (workspace.printed(plan), workspace.printed(&format!("{plan} -o markdown")));
    let data = workspace.printed(&format!("{plan} -o json"));
    assert!([&text, &markdown, &data].iter().all(|printed| !printed.contains("hunter2")), "{text}{markdown}{data}");
    assert_snapshot!(text);
    assert_snapshot!(markdown);
    std::fs::remove_file(workspace.path("two/secret.yaml")).unwrap();
    let printed = workspace.printed(plan);
    assert!(printed.contains("- Secret roster-system/pg"), "{printed}");
}

#[test]
fn a_block_for_another_reason_is_a_change() {
    let workspace = revisions(
        &[STORE],
        &[("{email: mallory@acme.example, reason: fraud}", "{email: Mallory@acme.example, reason: none}")],
    );
    let printed = workspace.printed("plan --from one --to two --detailed-exitcode");
    assert!(
        printed.starts_with("exit code 2") && printed.contains("[Mallory@acme.example].reason: fraud → none"),
        "{printed}"
    );
    assert!(!printed.contains("Limits loosened") && !printed.contains("Other changes"), "{printed}");
}

/// Advice is not part of what an account reports about its sections.
#[test]
fn advice_is_reported_next_to_a_changed_section() {
    let advisories = ", advisories: [{above: Denied, message: Money.}]";
    let workspace = revisions(
        &[("- {name: billing}", &format!("- {{name: billing{advisories}}}"))],
        &[
            (advisories, ""),
            ("{name: orders, levels: [Hide, View, Edit]}", "{name: orders, levels: [Hide, View, Edit, Own]}"),
        ],
    );
    let printed = workspace.printed("plan --from one --to two");
    assert!(printed.contains("sections  orders") && printed.contains("spec.sections[billing].advisories"), "{printed}");
}

#[test]
fn the_approval_of_a_definition_is_a_limit() {
    let approved = "annotations: {roster.dev/approve-definition: \"2026-05-01T00:00:00Z\"}}";
    let workspace = revisions(
        &[],
        &[("metadata: {name: acme, namespace: shop}", &format!("metadata: {{name: acme, namespace: shop, {approved}"))],
    );
    let printed = workspace.printed("plan --from one --to two");
    assert!(printed.contains("Limits loosened") && printed.contains("1 limit loosened."), "{printed}");
}

/// A controller waits for an approval, so the plan shows it.
#[test]
fn the_deletion_of_an_account_with_many_people_waits_for_an_approval() {
    let workspace = Workspace::new();
    workspace.revised("one", |text| text);
    workspace.revised("two", |text| if text.contains("kind: Account\n") { String::new() } else { text });
    let text = "only after an approval (roster.dev/approve-removal): 5 of 5 members would be";
    for format in ["text", "markdown"] {
        let printed = workspace.printed(&format!("plan --from one --to two -o {format}"));
        assert!(printed.split_whitespace().collect::<Vec<_>>().join(" ").contains(text), "{printed}");
    }
    let few = workspace.printed("plan --from BEFORE --to AFTER");
    assert!(few.contains("the account is removed") && !few.contains("approve-removal"), "{few}");
}

/// Nobody's objects change, and the new layout cannot say what it does not have.
#[test]
fn what_a_section_or_level_that_goes_takes_away_is_a_loss() {
    let settings = "\n  - name: settings\n    levels: [Hide, View, Edit]\n    requires: [{from: Edit, section: orders, level: View}]";
    let without =
        |text: String| text.replace(settings, "").replace(", settings: Edit", "").replace(", settings: View", "");
    let lowest = |text: String| {
        text.replace("{name: orders, levels: [Hide, View, Edit]}", "{name: orders, levels: [View, Edit]}")
    };
    let all = ["dana@acme.example", "eve@acme.example", "finn@acme.example", "olga@acme.example"];
    let viewers = ["dana@acme.example", "finn@acme.example", "gil@acme.example"];
    /// The later revision, who loses something, and where.
    type Case<'a> = (&'a dyn Fn(String) -> String, &'a [&'a str], &'a str);
    let cases: [Case<'_>; 2] = [(&without, &all, "settings"), (&lowest, &viewers, "orders")];
    for (revise, expected, section) in cases {
        let workspace = Workspace::new();
        workspace.revised("one", |text| text);
        workspace.revised("two", revise);
        let output = workspace.run("plan --from one --to two -o json").output().stdout;
        let plan: serde_json::Value = serde_json::from_slice(&output).unwrap();
        let people =
            plan["accounts"].as_array().unwrap().iter().flat_map(|account| account["people"].as_array().unwrap());
        let loses = |person: &&serde_json::Value| {
            person["loses"].as_array().unwrap().iter().any(|one| one["section"] == section)
        };
        let mut losers: Vec<&str> = people.filter(loses).map(|person| person["email"].as_str().unwrap()).collect();
        losers.sort_unstable();
        assert_eq!(losers, expected, "{plan:#}");
        assert_eq!(plan["summary"]["lose"], expected.len(), "{plan:#}");
        let text = workspace.printed("plan --from one --to two");
        assert!(!text.contains("nobody loses"), "{text}");
    }
}
