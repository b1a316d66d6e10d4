//! Tests the rules of Account.

use super::table::{Accepted, Refused, Table};

const BASE: &str = "
apiVersion: roster.dev/v1alpha1
kind: Account
metadata: {name: acme}
spec: {catalogRef: {name: developer-platform}}
";

#[tokio::test]
async fn an_account_is_a_partner_or_managed() {
    let exclusive = "a managed account cannot be a partner: set either partner or parentRef";
    let selector = "selector must be set with from: Selector, and only then";
    Table::new(BASE)
        .await
        .on_create(&[
            ("", Accepted),
            ("spec: {partner: true, managedAccounts: {}}", Accepted),
            ("spec: {parentRef: {name: parent}}", Accepted),
            ("spec: {parentRef: {name: parent, namespace: other}, partner: false}", Accepted),
            ("spec: {parentRef: {name: parent}, partner: true}", Refused(exclusive)),
            ("spec: {parentRef: {name: parent, namespace: a.b}}", Refused("spec.parentRef.namespace: Invalid value … must be")),
            ("spec: {managedAccounts: {}}", Refused("spec.managedAccounts: Invalid value: managedAccounts needs partner: true")),
            ("spec: {partner: true, managedAccounts: {allowedNamespaces: {from: All}}}", Accepted),
            ("spec: {partner: true, managedAccounts: {allowedNamespaces: {from: Selector}}}", Refused(selector)),
            ("spec: {partner: true, managedAccounts: {allowedNamespaces: {from: Selector, selector: {}}}}", Accepted),
            ("spec: {partner: true, managedAccounts: {allowedNamespaces: {selector: {}}}}", Refused(selector)),
            ("spec: {partner: true, managedAccounts: {grantable: [viewer, clerk]}}", Accepted),
            ("spec: {partner: true, managedAccounts: {grantable: [a, a]}}", Refused("grantable[1]: Duplicate value: \"a\"")),
            ("spec: {partner: true, managedAccounts: {catalogs: [a, a]}}", Refused("catalogs[1]: Duplicate value: \"a\"")),
            (
                "spec: {partner: true, managedAccounts: {approved: [{namespace: a, name: b}, {namespace: b, name: b}]}}",
                Accepted,
            ),
            (
                "spec: {partner: true, managedAccounts: {approved: [{namespace: a, name: b}, {namespace: a, name: b}]}}",
                Refused("Duplicate value: {\"name\":\"b\",\"namespace\":\"a\"}"),
            ),
        ])
        .await;
}

#[tokio::test]
async fn what_an_account_overrides_has_the_bounds_of_the_store() {
    Table::new(BASE)
        .await
        .on_create(&[
            ("spec: {drift: {policy: Correct, unmanaged: Remove, checkEvery: 1m}, enforcement: Enforce}", Accepted),
            ("spec: {enforcement: Disabled, deletionPolicy: Orphan}", Accepted),
            // kubectl reads an unquoted Off as false, so this word is not one of the values.
            ("spec: {enforcement: 'Off'}", Refused("Unsupported value: \"Off\"")),
            ("spec: {drift: {checkEvery: 9s}}", Refused("must be between 10s and 24h")),
            ("spec: {drift: {checkEvery: 24h1s}}", Refused("must be between 10s and 24h")),
            ("spec: {removalGuard: {maximumPercent: 0, minimumCount: 0}}", Accepted),
            ("spec: {removalGuard: {maximumPercent: 100}}", Accepted),
            ("spec: {removalGuard: {maximumPercent: 101}}", Refused("should be less than or equal to 100")),
            ("spec: {removalGuard: {maximumPercent: -1}}", Refused("should be greater than or equal to 0")),
            ("spec: {removalGuard: {minimumCount: -1}}", Refused("should be greater than or equal to 0")),
            ("spec: {plan: {name: Growth 2026, features: [committed-spend]}}", Accepted),
            ("spec: {plan: {features: [a, a]}}", Refused("spec.plan.features[1]: Duplicate value: \"a\"")),
            ("spec: {plan: {features: [Committed]}}", Refused("spec.plan.features[0]: Invalid value … must be")),
            ("spec: {owner: {email: pat@acme.example, displayName: Pat}, displayName: Acme & Söhne}", Accepted),
            ("spec: {owner: {email: pat}}", Refused("spec.owner.email: Invalid value … must be")),
            ("spec: {owner: {displayName: Pat}}", Refused("spec.owner.email: Required value")),
            ("spec: {catalogRef: null}", Refused("spec.catalogRef: Required value")),
        ])
        .await;
}

#[tokio::test]
async fn store_and_parent_are_for_life() {
    let table = Table::new(BASE).await;
    table
        .on_update(
            "",
            &[
                (
                    "spec: {storeRef: {name: other}}",
                    Refused("spec.storeRef: Invalid value: storeRef cannot be changed"),
                ),
                // Left out, it is `default` again.
                ("spec: {storeRef: null}", Accepted),
                ("spec: {parentRef: {name: parent}}", Refused("parentRef cannot be changed")),
                ("spec: {catalogRef: {name: other}, partner: true}", Accepted),
                // One object cannot know whether its catalog lets the platform change the owner.
                ("spec: {owner: {email: pat@acme.example}}", Accepted),
            ],
        )
        .await;
    table
        .on_update(
            "spec: {storeRef: {name: eu}, parentRef: {name: parent}}",
            &[
                ("spec: {storeRef: null}", Refused("storeRef cannot be changed")),
                ("spec: {parentRef: null}", Refused("parentRef cannot be changed")),
                ("spec: {parentRef: {name: other}}", Refused("parentRef cannot be changed")),
                ("spec: {parentRef: {namespace: other}}", Refused("parentRef cannot be changed")),
                ("spec: {suspended: true}", Accepted),
            ],
        )
        .await;
}
