//! Tests how Invitations resolve, every fault that they can have, and the Memberships that need one.

use roster_core::api::InvalidReason;

use crate::members::{portal, ruled};

#[test]
fn a_member_by_invitation_needs_one_that_was_accepted() {
    let invited = |phase: &str, address: &str| {
        format!(
            "---\nkind: Invitation\nmetadata: {{name: i}}\nspec: {{accountRef: {{name: acme}}, email: {address}}}\nstatus: {{phase: {phase}}}\n"
        )
    };
    let by_invitation = "members: {direct: ByInvitationOnly}";
    let direct = ruled(by_invitation, "roleRef: {name: reader}");
    direct.says(
        "acme",
        "membership dana",
        InvalidReason::InvitationRequired,
        "the catalog admits members by invitation only; create an Invitation instead",
    );
    assert_eq!(direct.resolve("acme").access("dana@acme.example"), "at most nothing");
    for rules in [by_invitation, ""] {
        let world = ruled(rules, "roleRef: {name: reader}, invitationRef: {name: i}");
        let accepted = world.with(&invited("Accepted", "dana@acme.example"));
        accepted.is_valid("acme", "membership dana");
        assert_eq!(accepted.resolve("acme").access("dana@acme.example"), "docs: Allowed");
        for gone in [
            world.clone(),
            world.with(&invited("Sent", "dana@acme.example")),
            world.with(&invited("Accepted", "eve@acme.example")),
        ] {
            gone.says(
                "acme",
                "membership dana",
                InvalidReason::InvitationRequired,
                r#"spec.invitationRef: there is no accepted Invitation "i" for this address; invite the member again"#,
            );
            assert_eq!(gone.resolve("acme").access("dana@acme.example"), "at most nothing");
        }
    }
}

#[test]
fn an_invitation_is_checked_as_the_membership_it_becomes() {
    let invitation = |rest: &str| {
        format!("---\nkind: Invitation\nmetadata: {{name: i}}\nspec: {{accountRef: {{name: acme}}, {rest}}}\n")
    };
    for (rest, reason, message) in [
        (
            "email: OLGA@acme.example",
            InvalidReason::OwnerIsMember,
            "spec.email: olga@acme.example is the account's owner and needs no Invitation; delete this one",
        ),
        (
            "email: a@b..c",
            InvalidReason::AddressInvalid,
            r#"spec.email: "a@b..c" is not an address: "b..c" is no domain name"#,
        ),
        (
            "email: new@acme.example, roleRef: {name: owner}",
            InvalidReason::RoleNotAvailable,
            r#"spec.roleRef: role "owner" is held by the account's owner only"#,
        ),
        (
            "email: new@acme.example, groupRefs: [{name: no}]",
            InvalidReason::GroupNotFound,
            r#"spec.groupRefs: this account has no UserGroup "no""#,
        ),
        (
            "email: new@acme.example, restrictions: {apply: [no]}",
            InvalidReason::RestrictionNotFound,
            r#"spec.restrictions: the catalog has no restriction "no""#,
        ),
    ] {
        portal(&[invitation(rest)]).says("acme", "invitation i", reason, message);
    }
    portal(&[invitation("email: new@acme.example, roleRef: {name: editor}")]).is_valid("acme", "invitation i");
    let world = ruled("invitations: {requiresPlanFeature: committed-spend}", "roleRef: {name: reader}")
        .with(&invitation("email: new@acme.example"));
    world.says(
        "acme",
        "invitation i",
        InvalidReason::PlanNotEligible,
        r#"invitations need the plan feature "committed-spend", which account "acme" does not have"#,
    );
    world
        .with("kind: Account\nmetadata: {name: acme}\nspec: {catalogRef: {name: portal}, plan: {features: [committed-spend]}}")
        .is_valid("acme", "invitation i");
}
