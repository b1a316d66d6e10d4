//! Tests the rules of IdentityStore.

use super::table::{Accepted, Refused, Table};

const BASE: &str = "
apiVersion: roster.dev/v1alpha1
kind: IdentityStore
metadata: {name: rules}
spec: {sqlite: {file: roster.db}}
";

#[tokio::test]
async fn a_store_has_exactly_one_backend_in_a_plain_file() {
    let file = "spec.sqlite.file: Invalid value … must be";
    let table = Table::new(BASE).await;
    table
        .on_create(&[
            ("", Accepted),
            ("spec: {sqlite: null}", Refused("exactly one backend must be set: sqlite")),
            ("spec: {sqlite: {file: eu-1_roster.v2.sqlite}}", Accepted),
            ("spec: {sqlite: {file: null}}", Refused("spec.sqlite.file: Required value")),
            ("spec: {sqlite: {file: ''}}", Refused("spec.sqlite.file")),
            ("spec: {sqlite: {file: a/b}}", Refused(file)),
            ("spec: {sqlite: {file: /etc/passwd}}", Refused(file)),
            ("spec: {sqlite: {file: 'a\\b'}}", Refused(file)),
            ("spec: {sqlite: {file: .}}", Refused(file)),
            ("spec: {sqlite: {file: ..}}", Refused(file)),
            ("spec: {sqlite: {file: .hidden}}", Refused(file)),
            ("spec: {sqlite: {file: -x}}", Refused(file)),
            ("spec: {sqlite: {file: 'roster.db?mode=memory'}}", Refused(file)),
            ("spec: {sqlite: {file: ':memory:'}}", Refused(file)),
            (r#"spec: {sqlite: {file: "a\u0000"}}"#, Refused(file)),
        ])
        .await;
    table
        .on_update(
            "",
            &[
                ("spec: {sqlite: {file: other.db}}", Refused("sqlite cannot be changed")),
                ("spec: {sqlite: null}", Refused("cannot be changed")),
                ("spec: {paused: true, adoption: Always}", Accepted),
            ],
        )
        .await;
}

#[tokio::test]
async fn defaults_and_blocked_people_are_bounded() {
    Table::new(BASE)
        .await
        .on_create(&[
            ("spec: {blocked: [{email: a@b.example, reason: Left}, {email: c@b.example}]}", Accepted),
            ("spec: {blocked: [{email: a@b.example}, {email: a@b.example}]}", Refused("Duplicate value")),
            ("spec: {blocked: [{email: a}]}", Refused("spec.blocked[0].email: Invalid value … must be")),
            ("spec: {accountDefaults: {drift: {policy: Report, checkEvery: 10s}}}", Accepted),
            ("spec: {accountDefaults: {drift: {checkEvery: 24h}}}", Accepted),
            ("spec: {accountDefaults: {drift: {checkEvery: 9s}}}", Refused("must be between 10s and 24h")),
            ("spec: {accountDefaults: {drift: {checkEvery: 25h}}}", Refused("must be between 10s and 24h")),
            ("spec: {accountDefaults: {removalGuard: {maximumPercent: 101}}}", Refused("less than or equal to 100")),
            ("spec: {accountDefaults: {enforcement: Maybe}}", Refused("Unsupported value: \"Maybe\"")),
            ("spec: {adoption: Sometimes}", Refused("Unsupported value: \"Sometimes\"")),
        ])
        .await;
}

#[tokio::test]
async fn a_selector_is_required_with_from_selector_and_must_be_valid() {
    let selector = "selector must be set with from: Selector, and only then";
    let values = "values are needed with In and NotIn, and only there";
    let expression = |patch: &str| -> &'static str {
        format!("spec: {{allowedNamespaces: {{from: Selector, selector: {{matchExpressions: [{patch}]}}}}}}").leak()
    };
    Table::new(BASE)
        .await
        .on_create(&[
            ("spec: {allowedNamespaces: {from: All}}", Accepted),
            ("spec: {allowedNamespaces: {from: All, selector: {}}}", Refused(selector)),
            ("spec: {allowedNamespaces: {from: Selector}}", Refused(selector)),
            (
                "spec: {allowedNamespaces: {from: Selector, selector: {matchLabels: {roster.dev/x: 'yes', y: ''}}}}",
                Accepted,
            ),
            (
                "spec: {allowedNamespaces: {from: Selector, selector: {matchLabels: {'a b': c}}}}",
                Refused("each key must be a label key"),
            ),
            (
                "spec: {allowedNamespaces: {from: Selector, selector: {matchLabels: {a: b c}}}}",
                Refused("must be a label value"),
            ),
            (expression("{key: a, operator: In, values: [b]}, {key: c, operator: Exists}"), Accepted),
            (expression("{key: a, operator: In}"), Refused(values)),
            (expression("{key: a, operator: NotIn, values: []}"), Refused(values)),
            (expression("{key: a, operator: Exists, values: [b]}"), Refused(values)),
            (expression("{key: a, operator: Like, values: [b]}"), Refused("Unsupported value: \"Like\"")),
        ])
        .await;
}
