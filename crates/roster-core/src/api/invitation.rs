//! Invitation: an e-mail invitation that becomes a Membership.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube_derive::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::limits::MAX_REFS;
use super::{Conditions, NameRef, RestrictionChoice, RoleRef, rules, schema};

/// An e-mail invitation that becomes a Membership.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[kube(
    crates(kube_core = "::kube_core"),
    group = "roster.dev",
    version = "v1alpha1",
    kind = "Invitation",
    plural = "invitations",
    shortname = "invite",
    category = "roster",
    namespaced,
    status = "InvitationStatus",
    selectable = ".spec.accountRef.name",
    selectable = ".spec.email",
    derive = "PartialEq"
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::immutable("accountRef"))]
#[x_kube(validation = rules::immutable("email"))]
#[x_kube(validation = rules::rule(".resend", "self.resend >= oldSelf.resend", "resend must not decrease"))]
pub struct InvitationSpec {
    /// The account; immutable.
    pub account_ref: NameRef,
    /// E-mail address; immutable.
    #[schemars(schema_with = "schema::email")]
    pub email: String,
    /// Name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::title")]
    pub display_name: Option<String>,
    /// The role; absent means the catalog's default role, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role_ref: Option<RoleRef>,
    /// The groups.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = MAX_REFS),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub group_refs: Vec<NameRef>,
    /// Restrictions that are applied to this user or lifted for this user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restrictions: Option<RestrictionChoice>,
    /// How long the link works; at most 30 days. Absent means as long as the catalog says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::expire_after")]
    pub expire_after: Option<String>,
    /// Counter for sending again; a higher number than ever before sends a new mail, and earlier links stop working.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub resend: i64,
}

/// Phase of an invitation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum InvitationPhase {
    /// Not sent yet.
    #[default]
    Pending,
    /// Sent, not answered.
    Sent,
    /// Accepted; a Membership exists.
    Accepted,
    /// Declined.
    Declined,
    /// Not answered in time.
    Expired,
    /// The mail could not be delivered.
    Undeliverable,
}

/// Status of an invitation, as the controller last reported it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InvitationStatus {
    /// Most recent generation observed by the controller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Conditions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::conditions")]
    pub conditions: Conditions,
    /// Phase of the invitation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<InvitationPhase>,
    /// Number of times that it was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::total")]
    pub sent_count: Option<i64>,
    /// Time at which it was last sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_sent_time: Option<Time>,
    /// Time at which the link stops working.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
    /// Time at which it was accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted_at: Option<Time>,
    /// The Membership that was created when it was accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub membership_ref: Option<NameRef>,
}
