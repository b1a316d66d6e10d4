//! Tests the rules of UserGroup.

use super::table::{Accepted, Refused, Table};

const BASE: &str = "
apiVersion: roster.dev/v1alpha1
kind: UserGroup
metadata: {name: support-desk}
spec: {accountRef: {name: acme}}
";

#[tokio::test]
async fn a_group_carries_permissions_and_roles() {
    let table = Table::new(BASE).await;
    table
        .on_create(&[
            ("", Accepted),
            (
                "spec: {title: Support desk, permissions: {a: View}, roleRefs: [{name: a}, {kind: Role, name: a}]}",
                Accepted,
            ),
            (
                "spec: {roleRefs: [{name: a}, {kind: PredefinedRole, name: a}]}",
                Refused("Duplicate value: {\"kind\":\"PredefinedRole\",\"name\":\"a\"}"),
            ),
            ("spec: {permissions: {A: View}}", Refused("each key must be the name of a section")),
            ("spec: {accountRef: {name: a b}}", Refused("spec.accountRef.name: Invalid value … must be")),
        ])
        .await;
    table
        .on_update(
            "",
            &[
                ("spec: {accountRef: {name: other}}", Refused("accountRef cannot be changed")),
                ("spec: {title: Other, permissions: {a: View}, roleRefs: [{name: b}]}", Accepted),
            ],
        )
        .await;
}
