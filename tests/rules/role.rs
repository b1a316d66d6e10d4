//! Tests the rules of Role.

use super::table::{Accepted, Refused, Table};

const BASE: &str = "
apiVersion: roster.dev/v1alpha1
kind: Role
metadata: {name: night-shift}
spec: {accountRef: {name: acme}}
";

#[tokio::test]
async fn a_role_is_based_on_a_predefined_one_or_overrides_it() {
    let table = Table::new(BASE).await;
    table
        .on_create(&[
            ("", Accepted),
            ("spec: {title: Night shift, permissions: {settings: View}}", Accepted),
            ("spec: {basedOn: support}", Accepted),
            ("spec: {overrides: admin}", Accepted),
            ("spec: {basedOn: support, overrides: admin}", Refused("set either basedOn or overrides, not both")),
            ("spec: {basedOn: Support}", Refused("spec.basedOn: Invalid value … must be")),
            ("spec: {overrides: a.b}", Refused("spec.overrides: Invalid value … must be")),
        ])
        .await;
    for (before, field) in [("spec: {basedOn: support}", "basedOn"), ("spec: {overrides: support}", "overrides")] {
        let cases: Vec<_> = [
            format!("spec: {{{field}: admin}}"),
            format!("spec: {{{field}: null}}"),
            "spec: {basedOn: null, overrides: null}".to_owned(),
        ]
        .into_iter()
        .map(|patch| (&*patch.leak(), Refused("cannot be changed")))
        .chain([("spec: {title: New, permissions: {settings: Edit}}", Accepted)])
        .collect();
        table.on_update(before, &cases).await;
    }
    table
        .on_update(
            "",
            &[
                ("spec: {basedOn: support}", Refused("basedOn cannot be changed")),
                ("spec: {overrides: support}", Refused("overrides cannot be changed")),
                ("spec: {accountRef: {name: other}}", Refused("accountRef cannot be changed")),
            ],
        )
        .await;
}

#[tokio::test]
async fn permissions_are_levels_by_section() {
    let key = "each key must be the name of a section";
    Table::new(BASE)
        .await
        .on_create(&[
            ("spec: {permissions: {}}", Accepted),
            ("spec: {permissions: {a-1: View, '2': Read_Only, b: top-3}}", Accepted),
            ("spec: {permissions: {Settings: View}}", Refused(key)),
            ("spec: {permissions: {'': View}}", Refused(key)),
            ("spec: {permissions: {a.b: View}}", Refused(key)),
            ("spec: {permissions: {-a: View}}", Refused(key)),
            (
                "spec: {permissions: {aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggg: View}}",
                Refused(key),
            ),
            ("spec: {permissions: {a: ''}}", Refused("spec.permissions.a in body should be at least 1 chars long")),
            ("spec: {permissions: {a: 'View all'}}", Refused("must be the name of a level")),
            ("spec: {permissions: {a: 'a:b'}}", Refused("must be the name of a level")),
            ("spec: {permissions: {a: true}}", Refused("spec.permissions.a in body must be of type string")),
        ])
        .await;
}
