//! What two revisions must not hide: limits, time, and accounts that leave Roster's care.

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

/// What an account writes down and inherits anyway is no change, nor is a default.
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
    assert!(said.starts_with("exit code 0") && said.contains("No changes: both revisions mean the same"), "{said}");
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

/// Somebody who ends a pause does not see again what waits for it.
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
