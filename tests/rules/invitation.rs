//! Tests the rules of Invitation.

use super::table::{Accepted, Refused, Table};

const BASE: &str = "
apiVersion: roster.dev/v1alpha1
kind: Invitation
metadata: {name: dana}
spec: {accountRef: {name: acme}, email: dana@acme.example}
";

#[tokio::test]
async fn an_invitation_works_for_a_second_to_thirty_days() {
    let range = "must be between 1s and 720h (30 days)";
    let shape = "spec.expireAfter: Invalid value … must be";
    Table::new(BASE)
        .await
        .on_create(&[
            ("", Accepted),
            ("spec: {expireAfter: 168h}", Accepted),
            ("spec: {expireAfter: 720h}", Accepted),
            ("spec: {expireAfter: 1s}", Accepted),
            ("spec: {expireAfter: 1h30m}", Accepted),
            ("spec: {expireAfter: 719h59m60s}", Accepted),
            ("spec: {expireAfter: 0s}", Refused(range)),
            ("spec: {expireAfter: 720h1s}", Refused(range)),
            ("spec: {expireAfter: 99999h9999999m9999s}", Refused(range)),
            ("spec: {expireAfter: 30d}", Refused(shape)),
            ("spec: {expireAfter: 1.5h}", Refused(shape)),
            ("spec: {expireAfter: -5h}", Refused(shape)),
            ("spec: {expireAfter: 5m1h}", Refused(shape)),
            ("spec: {expireAfter: '60'}", Refused(shape)),
            ("spec: {expireAfter: 999999h}", Refused(shape)),
            ("spec: {expireAfter: ''}", Refused("spec.expireAfter")),
        ])
        .await;
}

#[tokio::test]
async fn an_invitation_stays_that_of_one_address_to_one_account() {
    let table = Table::new(BASE).await;
    table
        .on_create(&[
            ("spec: {email: dana}", Refused("spec.email: Invalid value … must be")),
            ("spec: {resend: -1}", Refused("spec.resend in body should be greater than or equal to 0")),
            (
                "spec: {restrictions: {apply: [a], lift: [a]}}",
                Refused("apply and lift must not name the same restriction"),
            ),
            ("spec: {groupRefs: [{name: a}, {name: a}]}", Refused("Duplicate value: {\"name\":\"a\"}")),
        ])
        .await;
    table
        .on_update(
            "spec: {resend: 2}",
            &[
                ("spec: {accountRef: {name: other}}", Refused("accountRef cannot be changed")),
                ("spec: {email: eve@acme.example}", Refused("email cannot be changed")),
                ("spec: {resend: 1}", Refused("spec.resend: Invalid value: resend must not decrease")),
                // Left out, it is 0 again.
                ("spec: {resend: null}", Refused("resend must not decrease")),
                ("spec: {resend: 3, roleRef: {name: admin}, displayName: Dana}", Accepted),
                ("spec: {resend: 2}", Accepted),
            ],
        )
        .await;
}
