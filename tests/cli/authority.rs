//! Tests questions about changes of access on files: who may make them, and what they would do; and `reset`.

use insta::assert_snapshot;

use crate::support::roster;

/// What a change is about, who would make it, and its objects. `-` stands for a deletion.
type Question = (&'static str, &'static str, &'static str);

const QUESTIONS: [Question; 12] = [
    ("secondary-users", "petra@tidewater.example", LIFT),
    ("secondary-users", "sam@tidewater.example", LIFT),
    ("secondary-users", "olivia@tidewater.example", LIFT_BESIDE),
    ("partner-accounts", "carol@interlink.example", NEWCOMER),
    ("partner-accounts", "rhea@retail.example", NEWCOMER),
    ("partner-accounts", "system:serviceaccount:flux-system:tenant", NEWCOMER),
    ("partner-accounts", "carol@interlink.example", MANAGED),
    ("field-operations", "sasha@longhaul.example", MATRIX),
    ("field-operations", "alma@longhaul.example", MATRIX),
    ("field-operations", "system:serviceaccount:flux-system:tenant", MATRIX),
    ("field-operations", "administrator", "- examples/field-operations/roles.yaml"),
    ("field-operations", "sunil@longhaul.example", "- examples/field-operations/roles.yaml"),
];

const LIFT: &str = "
apiVersion: roster.dev/v1alpha1
kind: Membership
metadata: {name: sam, namespace: secondary-users}
spec:
  accountRef: {name: tidewater}
  user: {email: sam@tidewater.example, displayName: Sam}
  restrictions: {lift: [secondary-user-management]}
  acknowledge: [secondary-user-management]
";

const LIFT_BESIDE: &str = "
apiVersion: roster.dev/v1alpha1
kind: Membership
metadata: {name: paul, namespace: secondary-users}
spec:
  accountRef: {name: tidewater}
  user: {email: paul@tidewater.example, displayName: Paul}
  restrictions: {lift: [secondary-user-management], apply: [payments]}
  acknowledge: [secondary-user-management]
";

const NEWCOMER: &str = "
apiVersion: roster.dev/v1alpha1
kind: Membership
metadata: {name: nils, namespace: partner-accounts}
spec:
  accountRef: {name: interlink-retail}
  user: {email: nils@retail.example, displayName: Nils}
  roleRef: {name: finance}
";

const MANAGED: &str = "
apiVersion: roster.dev/v1alpha1
kind: Account
metadata: {name: interlink-wholesale, namespace: partner-accounts}
spec: {catalogRef: {name: partner-accounts}, parentRef: {name: interlink}}
---
apiVersion: roster.dev/v1alpha1
kind: Account
metadata: {name: interlink-cargo, namespace: partner-accounts}
spec: {catalogRef: {name: partner-accounts}, parentRef: {name: interlink}, deletionPolicy: Orphan}
";

const MATRIX: &str = "
apiVersion: roster.dev/v1alpha1
kind: Role
metadata: {name: supervisor-matrix, namespace: field-operations}
spec:
  accountRef: {name: longhaul}
  overrides: supervisor
  permissions: {manage-general-settings: Allowed, view-api-integration: Allowed}
";

#[test]
fn who_may_make_a_change_and_what_it_would_do() {
    let mut said = String::new();
    for (portal, who, change) in QUESTIONS {
        let from = format!("examples/{portal}");
        let run = match change.strip_prefix("- ") {
            Some(file) => roster(&format!("can-i --change --delete -f {file} --as {who} --from {from}")),
            None => roster(&format!("can-i --change -f - --as {who} --from {from}")).stdin(change),
        };
        let run = run.arg("--from").arg("examples/store.yaml").env("ROSTER_NOW", "2026-06-01T12:00:00Z");
        said += &format!("$ {portal}, by {who}:{}\n{}\n", change.trim_end(), run.printed());
    }
    assert_snapshot!(said);
}

#[test]
fn a_pipeline_may_grant_what_it_is_given() {
    let question = "can-i --change -f - --as system:serviceaccount:a:b --from examples/partner-accounts --from examples/store.yaml";
    let allowed = roster(&format!("{question} --grant partner-accounts:finance")).stdin(NEWCOMER).printed();
    assert!(allowed.starts_with("exit code 0\n---- stdout\nyes  Membership partner-accounts/nils\n"), "{allowed}");
    let other = roster(&format!("{question} --grant partner-accounts:read-only")).stdin(NEWCOMER).printed();
    assert!(other.starts_with("exit code 1\n---- stdout\nno   Membership partner-accounts/nils\n"), "{other}");
}

#[test]
fn what_is_asked_must_be_whole() {
    let cases = [
        "can-i --as sam@tidewater.example -f examples/secondary-users",
        "can-i --change --as sam@tidewater.example",
        "can-i --change --as sam -f examples/secondary-users/people.yaml --from examples/secondary-users",
        "can-i --change --as sam@tidewater.example -f examples/gitops --from examples/secondary-users",
        "can-i Allowed payments --change --as sam@tidewater.example -f examples/secondary-users",
    ];
    let said: String = cases.iter().map(|case| format!("$ roster {case}\n{}\n", roster(case).printed())).collect();
    assert_snapshot!(said);
}

#[test]
fn a_matrix_is_reset_to_its_defaults() {
    let files = "-f examples/field-operations -f examples/store.yaml";
    let cases = [
        format!("reset --all --account meridian {files}"),
        format!("reset admin --account field-operations/meridian {files}"),
        format!("reset auditor --account field-operations/meridian {files}"),
        format!("reset supervisors --account meridian {files}"),
        format!("reset --account meridian {files}"),
    ];
    let said: String = cases.iter().map(|case| format!("$ roster {case}\n{}\n", roster(case).printed())).collect();
    assert_snapshot!(said);
}
