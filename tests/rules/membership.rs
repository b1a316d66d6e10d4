//! Tests the rules of Membership, and of types that it shares: addresses, times, restrictions, references.

use super::table::{Accepted, Refused, Table};

const BASE: &str = "
apiVersion: roster.dev/v1alpha1
kind: Membership
metadata: {name: dana}
spec:
  accountRef: {name: acme}
  user: {email: dana@acme.example}
";

const EMAIL: &str = "spec.user.email: Invalid value … must be";

#[tokio::test]
async fn an_address_has_an_ascii_local_part_and_a_domain_of_any_script() {
    Table::new(BASE)
        .await
        .on_create(&[
            ("", Accepted),
            ("spec: {user: {email: Dana.O'Hara+x_y-z@Mail.ACME.example}}", Accepted),
            ("spec: {user: {email: root@localhost}}", Accepted),
            ("spec: {user: {email: a@b-c.example}}", Accepted),
            ("spec: {user: {email: info@bücher.example}}", Accepted),
            ("spec: {user: {email: info@例え.テスト}}", Accepted),
            ("spec: {user: {email: info@उदाहरण.परीक्षा}}", Accepted),
            ("spec: {user: {email: info@xn--bcher-kva.example}}", Accepted),
            ("spec: {user: {email: ''}}", Refused("spec.user.email")),
            ("spec: {user: {email: dana}}", Refused(EMAIL)),
            ("spec: {user: {email: '@acme.example'}}", Refused(EMAIL)),
            ("spec: {user: {email: dana@}}", Refused(EMAIL)),
            ("spec: {user: {email: dana@acme@example}}", Refused(EMAIL)),
            ("spec: {user: {email: jürgen@acme.example}}", Refused(EMAIL)),
            ("spec: {user: {email: dana smith@acme.example}}", Refused(EMAIL)),
            ("spec: {user: {email: ' dana@acme.example'}}", Refused(EMAIL)),
            (r#"spec: {user: {email: "dana@acme.example\n"}}"#, Refused(EMAIL)),
            (r#"spec: {user: {email: "dana@acme\u0000.example"}}"#, Refused(EMAIL)),
            (r#"spec: {user: {email: "dana@acme\u200b.example"}}"#, Refused(EMAIL)),
            (r#"spec: {user: {email: "dana@acme\u00a0.example"}}"#, Refused(EMAIL)),
            (r#"spec: {user: {email: "\"dana\"@acme.example"}}"#, Refused(EMAIL)),
            ("spec: {user: {email: Dana <dana@acme.example>}}", Refused(EMAIL)),
            ("spec: {user: {email: .dana@acme.example}}", Refused(EMAIL)),
            ("spec: {user: {email: dana..x@acme.example}}", Refused(EMAIL)),
            ("spec: {user: {email: dana@acme..example}}", Refused(EMAIL)),
            ("spec: {user: {email: dana@acme.example.}}", Refused(EMAIL)),
            ("spec: {user: {email: dana@-acme.example}}", Refused(EMAIL)),
            ("spec: {user: {email: dana@acme_.example}}", Refused(EMAIL)),
            ("spec: {user: {email: 'dana@[10.0.0.1]'}}", Refused(EMAIL)),
            ("spec: {user: null}", Refused("spec.user: Required value")),
        ])
        .await;
}

#[tokio::test]
async fn names_for_people_are_one_line_in_any_script() {
    let control = "must be on one line, without control characters";
    Table::new(BASE)
        .await
        .on_create(&[
            ("spec: {user: {displayName: Dana Müller 山田 🙂, externalId: 'auth0|5f7c'}}", Accepted),
            (
                "spec: {user: {displayName: ''}}",
                Refused("spec.user.displayName in body should be at least 1 chars long"),
            ),
            (r#"spec: {user: {displayName: "Dana\nroot"}}"#, Refused(control)),
            (r#"spec: {user: {displayName: "\e[31mDana"}}"#, Refused(control)),
            (r#"spec: {user: {externalId: "a\u0085b"}}"#, Refused(control)),
        ])
        .await;
}

#[tokio::test]
async fn references_name_an_object_and_each_once() {
    Table::new(BASE)
        .await
        .on_create(&[
            ("spec: {accountRef: null}", Refused("spec.accountRef: Required value")),
            ("spec: {accountRef: {name: ''}}", Refused("spec.accountRef.name in body should be at least 1 chars long")),
            ("spec: {accountRef: {name: Acme}}", Refused("spec.accountRef.name: Invalid value … must be")),
            ("spec: {accountRef: {name: other/acme}}", Refused("spec.accountRef.name: Invalid value … must be")),
            ("spec: {accountRef: {name: acme.eu}}", Accepted),
            ("spec: {roleRef: {name: admin}}", Accepted),
            ("spec: {roleRef: {kind: Role, name: night-shift}}", Accepted),
            ("spec: {roleRef: {kind: ClusterRole, name: admin}}", Refused("Unsupported value: \"ClusterRole\"")),
            ("spec: {roleRef: {kind: Role}}", Refused("spec.roleRef.name: Required value")),
            ("spec: {groupRefs: [{name: a}, {name: b}]}", Accepted),
            ("spec: {groupRefs: [{name: a}, {name: a}]}", Refused("Duplicate value: {\"name\":\"a\"}")),
        ])
        .await;
}

#[tokio::test]
async fn restrictions_are_applied_or_lifted() {
    let both = "apply and lift must not name the same restriction";
    Table::new(BASE)
        .await
        .on_create(&[
            ("spec: {restrictions: {}}", Accepted),
            ("spec: {restrictions: {apply: [a], lift: [b]}, acknowledge: [b]}", Accepted),
            ("spec: {restrictions: {apply: [a, b], lift: [c, b]}}", Refused(both)),
            ("spec: {restrictions: {apply: [a, a]}}", Refused("spec.restrictions.apply[1]: Duplicate value: \"a\"")),
            ("spec: {restrictions: {lift: [a, a]}}", Refused("spec.restrictions.lift[1]: Duplicate value: \"a\"")),
            ("spec: {restrictions: {apply: [A]}}", Refused("spec.restrictions.apply[0]: Invalid value … must be")),
            ("spec: {acknowledge: [a, a]}", Refused("spec.acknowledge[1]: Duplicate value: \"a\"")),
        ])
        .await;
}

#[tokio::test]
async fn access_ends_after_it_starts() {
    let order = "spec.expiresAt: Invalid value: expiresAt must be after startsAt";
    Table::new(BASE)
        .await
        .on_create(&[
            ("spec: {startsAt: '2026-01-01T00:00:00Z'}", Accepted),
            ("spec: {expiresAt: '2026-01-01T00:00:00Z'}", Accepted),
            ("spec: {startsAt: '2026-01-01T00:00:00Z', expiresAt: '2026-01-01T00:00:01Z'}", Accepted),
            // The same moment in another zone.
            ("spec: {startsAt: '2026-01-01T00:00:00Z', expiresAt: '2026-01-01T01:00:00+01:00'}", Refused(order)),
            ("spec: {startsAt: '2026-01-02T00:00:00Z', expiresAt: '2026-01-01T00:00:00Z'}", Refused(order)),
            ("spec: {expiresAt: '9998-12-31T23:59:59Z'}", Accepted),
            (
                "spec: {expiresAt: '9999-12-31T23:59:59Z'}",
                Refused("spec.expiresAt: Invalid value: must lie before the year 9999"),
            ),
            (
                "spec: {startsAt: '9999-01-01T00:00:00Z'}",
                Refused("spec.startsAt: Invalid value: must lie before the year 9999"),
            ),
            ("spec: {startsAt: tomorrow}", Refused("spec.startsAt in body must be of type date-time")),
        ])
        .await;
}

#[tokio::test]
async fn a_membership_stays_that_of_one_user_in_one_account() {
    let table = Table::new(BASE).await;
    table
        .on_update(
            "",
            &[
                (
                    "spec: {accountRef: {name: other}}",
                    Refused("spec.accountRef: Invalid value: accountRef cannot be changed"),
                ),
                (
                    "spec: {user: {email: eve@acme.example}}",
                    Refused("spec.user.email: Invalid value: user.email cannot be changed"),
                ),
                ("spec: {invitationRef: {name: dana}}", Refused("invitationRef cannot be changed")),
                ("spec: {user: {displayName: Dana}, suspended: true, roleRef: {name: admin}}", Accepted),
            ],
        )
        .await;
    table
        .on_update(
            "spec: {invitationRef: {name: dana}}",
            &[
                ("spec: {invitationRef: {name: other}}", Refused("invitationRef cannot be changed")),
                ("spec: {invitationRef: null}", Refused("invitationRef cannot be changed")),
                ("spec: {suspended: true}", Accepted),
            ],
        )
        .await;
}
