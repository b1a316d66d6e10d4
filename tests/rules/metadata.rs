//! Tests names, labels, and how values are read: rules of the server itself, which no schema of Roster contains.

use super::table::{Accepted, Refused, Table};

const BASE: &str = "
apiVersion: roster.dev/v1alpha1
kind: Membership
metadata: {name: dana}
spec: {accountRef: {name: acme}, user: {email: dana@acme.example}}
";

#[tokio::test]
async fn names_labels_and_annotations() {
    Table::new(BASE)
        .await
        .on_create(&[
            ("metadata: {name: a.b-c.0}", Accepted),
            ("metadata: {name: Dana}", Refused("metadata.name")),
            ("metadata: {name: a_b}", Refused("metadata.name")),
            ("metadata: {name: -a}", Refused("metadata.name")),
            ("metadata: {name: a..b}", Refused("metadata.name")),
            ("metadata: {labels: {team: support, example.com/Tier_1: ''}}", Accepted),
            ("metadata: {labels: {team: night shift}}", Refused("metadata.labels")),
            ("metadata: {labels: {team: -a}}", Refused("metadata.labels")),
            ("metadata: {labels: {'a b': c}}", Refused("metadata.labels")),
            ("metadata: {labels: {a/b/c: d}}", Refused("metadata.labels")),
            ("metadata: {labels: {Example.com/a: d}}", Refused("metadata.labels")),
            ("metadata: {labels: {'': d}}", Refused("metadata.labels")),
            (
                "metadata: {labels: {a: aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggg}}",
                Refused("metadata.labels"),
            ),
            ("metadata: {annotations: {Example.com/A: \"any\\nthing\"}}", Accepted),
            ("metadata: {annotations: {'a b': c}}", Refused("metadata.annotations")),
        ])
        .await;
}

#[tokio::test]
async fn values_are_of_their_type() {
    let time = "spec.startsAt in body must be of type date-time";
    Table::new(BASE)
        .await
        .on_create(&[
            ("spec: {suspended: 'true'}", Refused("spec.suspended in body must be of type boolean")),
            ("spec: {suspended: 1}", Refused("spec.suspended in body must be of type boolean")),
            ("spec: {user: dana@acme.example}", Refused("spec.user in body must be of type object")),
            ("spec: {groupRefs: {name: a}}", Refused("spec.groupRefs in body must be of type array")),
            ("spec: {groupRefs: [a]}", Refused("spec.groupRefs[0]")),
            ("spec: {groupRefs: [null]}", Refused("spec.groupRefs[0]")),
            ("spec: {groupRefs: [{name: null}]}", Refused("spec.groupRefs[0].name: Required value")),
            ("spec: {acknowledge: [null]}", Refused("spec.acknowledge[0]")),
            ("spec: {user: {displayName: 12}}", Refused("spec.user.displayName in body must be of type string")),
            // A time to the schema, and none to the rule that compares it.
            ("spec: {startsAt: '2026-01-01t00:00:00z'}", Refused("Invalid date-time formatted string")),
            ("spec: {startsAt: '2026-01-01T00:00:00.123456789Z'}", Accepted),
            ("spec: {startsAt: '2026-01-01'}", Refused(time)),
            ("spec: {startsAt: '2026-01-01 00:00:00Z'}", Refused(time)),
            ("spec: {startsAt: '2026-01-01T00:00:00'}", Refused(time)),
            ("spec: {startsAt: '2026-02-30T00:00:00Z'}", Refused(time)),
            ("spec: {startsAt: '2026-01-01T24:00:00Z'}", Refused(time)),
        ])
        .await;
    let store = "
apiVersion: roster.dev/v1alpha1
kind: IdentityStore
metadata: {name: rules}
spec: {sqlite: {file: roster.db}}
";
    Table::new(store)
        .await
        .on_create(&[
            ("spec: {accountDefaults: {removalGuard: {maximumPercent: 25.0}}}", Accepted),
            ("spec: {accountDefaults: {removalGuard: {maximumPercent: 25.5}}}", Refused("must be of type integer")),
            ("spec: {accountDefaults: {removalGuard: {maximumPercent: '25'}}}", Refused("must be of type integer")),
        ])
        .await;
}
