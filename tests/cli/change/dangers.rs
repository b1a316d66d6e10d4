//! Tests what a plan between two revisions must not hide: limits, times, and accounts that Roster no longer manages.

use insta::assert_snapshot;

use super::desk::Desk;

/// Two revisions: `before` as it is and with more in its store and account, and the same with some words replaced.
fn revisions(additions: &[(&str, &str)], changes: &[(&str, &str)]) -> Desk {
    let replaced =
        |text: String, words: &[(&str, &str)]| words.iter().fold(text, |text, (from, to)| text.replace(from, to));
    let desk = Desk::new();
    desk.revised("one", |text| replaced(text, additions));
    desk.revised("two", |text| replaced(replaced(text, additions), changes));
    desk
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
    let desk = revisions(&[STORE], &LOOSENED);
    let said = desk.said("plan --from one --to two --detailed-exitcode");
    assert!(said.lines().all(|line| line.chars().count() <= 100), "{said}");
    assert_snapshot!(said);
}

#[test]
fn limits_that_are_loosened_as_markdown_are_not_folded() {
    let desk = revisions(&[STORE], &LOOSENED);
    let said = desk.said("plan --from one --to two -o markdown");
    let open = said.split("<details>").map(|part| part.rsplit("</details>").next().unwrap()).collect::<String>();
    for word in ["mallory@acme.example", "| eve@acme.example |", "maximumPercent", "administration[EditMembers]"] {
        assert!(open.contains(&word.replace('[', "\\[").replace(']', "\\]")), "{word}: {open}");
    }
    assert_snapshot!(said);
}

#[test]
fn limits_that_are_tightened_as_json() {
    let desk = revisions(&[], &[STORE]);
    let output = desk.run("plan --from one --to two -o json").output().stdout;
    let plan: serde_json::Value = serde_json::from_slice(&output).unwrap();
    assert_eq!(plan["changes"], true);
    assert_snapshot!(serde_json::to_string_pretty(&plan["limits"]).unwrap());
    assert_eq!(plan["summary"]["limitsTightened"], 6, "{plan:#}");
    assert_eq!(plan["otherChanges"], serde_json::json!([]));
}

/// Writing out a value that an account inherits anyway is not a change, nor is writing out a default.
#[test]
fn what_is_written_out_and_holds_anyway_is_no_change() {
    let desk = revisions(
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
    let said = desk.said("plan --from one --to two --detailed-exitcode");
    assert!(
        said.starts_with("exit code 0") && said.contains("No changes: both revisions have the same effect"),
        "{said}"
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
    let desk = revisions(&TIMES, &LATER);
    assert_snapshot!(desk.said("plan --from one --to two"));
    assert_snapshot!(desk.said("plan --from one --to two -o markdown"));
    let output = desk.run("plan --from one --to two -o json").output().stdout;
    let plan: serde_json::Value = serde_json::from_slice(&output).unwrap();
    assert_eq!((&plan["summary"]["gain"], &plan["summary"]["lose"]), (&4.into(), &0.into()), "{plan:#}");
    assert_snapshot!(serde_json::to_string_pretty(&plan["accounts"][0]["people"][0]).unwrap());
}

#[test]
fn access_that_lasts_less_long_is_a_loss_with_its_time() {
    let desk = revisions(&TIMES, &LATER);
    assert_snapshot!(desk.said("plan --from two --to one"));
}

/// Everybody keeps their access: the store is left as it is.
#[test]
fn an_account_that_leaves_rosters_care_takes_nobodys_access() {
    let desk = Desk::new();
    desk.revised("one", |text| {
        text.replace("  displayName: Acme\n", "  displayName: Acme\n  deletionPolicy: Orphan\n")
    });
    desk.revised("two", |text| if text.contains("kind: Account\n") { String::new() } else { text });
    assert_snapshot!(desk.said("plan --from one --to two --detailed-exitcode"));
    assert_snapshot!(desk.said("plan --from one --to two -o markdown"));
}

/// The person who ends a pause does not see again what waits for it.
#[test]
fn what_waits_for_the_end_of_a_pause_is_told_at_once() {
    let desk = revisions(
        &[(
            "metadata: {name: acme, namespace: shop}",
            "metadata: {name: acme, namespace: shop, annotations: {roster.dev/paused: \"true\"}}",
        )],
        &[("roleRef: {name: viewer}", "roleRef: {name: admin}")],
    );
    assert_snapshot!(desk.said("plan --from one --to two"));
    let desk = revisions(
        &[("{sqlite: {file: shop.db}}", "{sqlite: {file: shop.db}, paused: true}")],
        &[("paused: true", "paused: false")],
    );
    assert_snapshot!(desk.said("plan --from one --to two"));
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
fn whatever_else_differs_is_told_once() {
    let desk = revisions(
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
    assert_snapshot!(desk.said("plan --from one --to two"));
    assert_snapshot!(desk.said("plan --from one --to two -o markdown"));
}

#[test]
fn many_people_who_gain_are_not_folded_away() {
    let desk = Desk::new();
    let members = |role: &str| -> String {
        (0..20).map(|number| format!("\n---\napiVersion: roster.dev/v1alpha1\nkind: Membership\nmetadata: {{name: m{number}, namespace: shop}}\nspec: {{accountRef: {{name: acme}}, user: {{email: m{number}@acme.example}}, roleRef: {{name: {role}}}}}")).collect()
    };
    let with = |text: String, role: &str| if text.contains("kind: Account\n") { text + &members(role) } else { text };
    desk.revised("one", |text| with(text, "viewer"));
    desk.revised("two", |text| with(text, "admin"));
    let said = desk.said("plan --from one --to two -o markdown");
    let (open, _) = said.split_once("<details>").unwrap();
    assert!(open.contains("20 people gain:") && open.contains("m19@acme.example"), "{said}");
    let less = desk.said("plan --from two --to one -o markdown");
    assert!(!less.split("<details>").next().unwrap().contains("m19@acme.example"), "{less}");
}

/// kubectl applies these, too, and deletes or keeps what the object itself does not say.
#[test]
fn what_kubectl_reads_and_what_deletes_without_anybody_is_no_secret() {
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
    for (file, text, told) in
        [(".hidden.yaml", membership("hugo"), "hugo@acme.example"), ("list.yaml", list, "lisa@acme.example")]
    {
        let desk = revisions(&[], &[]);
        std::fs::write(desk.path("two").join(file), text).unwrap();
        let said = desk.said("plan --from one --to two --detailed-exitcode");
        assert!(said.contains(told), "{file}: {said}");
    }
    let desk = revisions(&[], &[("metadata: {name: acme, namespace: shop}", owner)]);
    let said = desk.said("plan --from one --to two --detailed-exitcode");
    assert!(said.contains("metadata.ownerReferences"), "{said}");
}

/// An object of the `shop` portal, as a document.
fn object(kind: &str, name: &str, spec: &str) -> String {
    format!(
        "\n---\napiVersion: roster.dev/v1alpha1\nkind: {kind}\nmetadata: {{name: {name}, namespace: shop}}\nspec: {spec}\n"
    )
}

/// Returns the text of a comment outside all folds.
fn open(said: &str) -> String {
    said.split("<details>").map(|part| part.rsplit("</details>").next().unwrap()).collect()
}

/// Two revisions with sixty accounts more, whose plan has a feature more in the later one, and a loosened removal
/// guard.
fn crowd(feature: impl Fn(usize) -> String) -> Desk {
    let desk = revisions(&[STORE], &[("maximumPercent: 10", "maximumPercent: 25")]);
    let accounts = |plan: &dyn Fn(usize) -> String| -> String {
        let spec =
            |number| format!("{{catalogRef: {{name: shop}}, owner: {{email: olga@acme.example}}{}}}", plan(number));
        (10..70).map(|number| object("Account", &format!("a{number}"), &spec(number))).collect()
    };
    std::fs::write(desk.path("one/crowd.yaml"), accounts(&|_| String::new())).unwrap();
    let bought = |number| format!(", plan: {{features: [{}]}}", feature(number));
    std::fs::write(desk.path("two/crowd.yaml"), accounts(&bought)).unwrap();
    desk
}

#[test]
fn a_loosened_limit_is_not_hidden_by_many_harmless_ones() {
    let desk = crowd(|_| "sso".to_owned());
    for (format, named) in [("text", 5), ("markdown", 20)] {
        let said = desk.said(&format!("plan --from one --to two -o {format}"));
        let said = open(&said).split_whitespace().collect::<Vec<_>>().join(" ");
        let (guard, many) = (said.find("maximumPercent").unwrap(), said.find("60 Accounts (shop/a10, ").unwrap());
        let last = format!("shop/a{} and {} more)", 9 + named, 60 - named);
        assert!(guard < many && said.contains(&last), "{said}");
        let hidden = format!("shop/a{}", 10 + named);
        assert!(!said.contains(&hidden) && !said.contains("loosened limits are shown here"), "{said}");
    }
    let all = desk.said("plan --from one --to two -o markdown --all");
    assert!(all.contains("shop/a68, shop/a69)"), "{all}");
}

#[test]
fn limits_that_do_not_fit_are_told_at_the_top() {
    let desk = crowd(|number| format!("f{number}"));
    for (format, shown) in [("text", 20), ("markdown", 50)] {
        let said = desk.said(&format!("plan --from one --to two -o {format}"));
        let (top, rest) = said.split_once("limits are shown here; --all shows all of them").expect(&said);
        assert!(top.contains(&format!("only {shown} of 61 loosened ")) && !top.contains("###"), "{said}");
        assert!(rest.contains("maximumPercent"), "{said}");
        assert!(!desk.said(&format!("plan --from one --to two -o {format} --all")).contains("are shown here"));
    }
}

#[test]
fn a_new_object_is_compared_with_its_defaults() {
    let desk = revisions(&[], &[]);
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
    std::fs::write(desk.path("two/new.yaml"), new.concat()).unwrap();
    assert_snapshot!(desk.said("plan --from one --to two"));
    let said = desk.said("plan --from one --to two -o markdown");
    let shown = open(&said);
    for told in ["group tellers", "billing: Allowed", "role custom:clerk", "orders: Edit, settings: View"] {
        assert!(shown.contains(told), "{told}: {said}");
    }
    assert!(!shown.contains("custom:idle"), "{said}");
    assert_snapshot!(said);
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
fn what_is_not_read_and_differs_is_a_change() {
    let desk = revisions(&[], &[]);
    for revision in ["one", "two"] {
        std::fs::create_dir(desk.path(revision).join("prod")).unwrap();
        for (file, text) in UNREAD {
            std::fs::write(desk.path(revision).join(file), text).unwrap();
        }
    }
    let plan = "plan --from one --to two --detailed-exitcode";
    assert!(desk.said(plan).contains("No changes: both revisions have the same effect"));
    for (number, (file, from, to)) in [
        ("secret.yaml", "@one/", "@two/"),
        ("prod/kustomization.yaml", "]\n", "]\npatches: [{path: patch.yaml}]\n"),
        ("prod/patch.yaml", "true", "false"),
    ]
    .into_iter()
    .enumerate()
    {
        let path = desk.path("two").join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace(from, to)).unwrap();
        let said = desk.said(plan);
        assert!(said.starts_with("exit code 2") && said.contains(&format!("{} other change", number + 1)), "{said}");
    }
    let (text, markdown) = (desk.said(plan), desk.said(&format!("{plan} -o markdown")));
    let data = desk.said(&format!("{plan} -o json"));
    assert!([&text, &markdown, &data].iter().all(|said| !said.contains("hunter2")), "{text}{markdown}{data}");
    assert_snapshot!(text);
    assert_snapshot!(markdown);
    std::fs::remove_file(desk.path("two/secret.yaml")).unwrap();
    let said = desk.said(plan);
    assert!(said.contains("- Secret roster-system/pg"), "{said}");
}

#[test]
fn a_block_for_another_reason_is_a_change() {
    let desk = revisions(
        &[STORE],
        &[("{email: mallory@acme.example, reason: fraud}", "{email: Mallory@acme.example, reason: none}")],
    );
    let said = desk.said("plan --from one --to two --detailed-exitcode");
    assert!(said.starts_with("exit code 2") && said.contains("[Mallory@acme.example].reason: fraud → none"), "{said}");
    assert!(!said.contains("Limits loosened") && !said.contains("Other changes"), "{said}");
}

/// Advice is not among what an account tells of its sections.
#[test]
fn what_is_advised_on_is_told_beside_a_section_that_changes() {
    let advisories = ", advisories: [{above: Denied, message: Money.}]";
    let desk = revisions(
        &[("- {name: billing}", &format!("- {{name: billing{advisories}}}"))],
        &[
            (advisories, ""),
            ("{name: orders, levels: [Hide, View, Edit]}", "{name: orders, levels: [Hide, View, Edit, Own]}"),
        ],
    );
    let said = desk.said("plan --from one --to two");
    assert!(said.contains("sections  orders") && said.contains("spec.sections[billing].advisories"), "{said}");
}

#[test]
fn the_approval_of_a_definition_is_a_limit() {
    let approved = "annotations: {roster.dev/approve-definition: \"2026-05-01T00:00:00Z\"}}";
    let desk = revisions(
        &[],
        &[("metadata: {name: acme, namespace: shop}", &format!("metadata: {{name: acme, namespace: shop, {approved}"))],
    );
    let said = desk.said("plan --from one --to two");
    assert!(said.contains("Limits loosened") && said.contains("1 limit loosened."), "{said}");
}

/// A controller asks first; who reads the plan should know.
#[test]
fn the_deletion_of_an_account_with_many_people_waits_for_an_approval() {
    let desk = Desk::new();
    desk.revised("one", |text| text);
    desk.revised("two", |text| if text.contains("kind: Account\n") { String::new() } else { text });
    let told = "only after an approval (roster.dev/approve-removal): 5 of 5 members would be";
    for format in ["text", "markdown"] {
        let said = desk.said(&format!("plan --from one --to two -o {format}"));
        assert!(said.split_whitespace().collect::<Vec<_>>().join(" ").contains(told), "{said}");
    }
    let few = desk.said("plan --from BEFORE --to AFTER");
    assert!(few.contains("the account is removed") && !few.contains("approve-removal"), "{few}");
}
