//! Membership: the access of one user to one account.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube_derive::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::limits::MAX_REFS;
use super::{Conditions, DriftStatus, NameRef, Permissions, RestrictionChoice, RoleRef, rules, schema};

/// The access of one user to one account.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[kube(
    crates(kube_core = "::kube_core"),
    group = "roster.dev",
    version = "v1alpha1",
    kind = "Membership",
    plural = "memberships",
    shortname = "mship",
    category = "roster",
    namespaced,
    status = "MembershipStatus",
    selectable = ".spec.accountRef.name",
    selectable = ".spec.user.email",
    derive = "PartialEq"
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::immutable("accountRef"))]
#[x_kube(validation = rules::immutable("user.email"))]
#[x_kube(validation = rules::immutable_optional("invitationRef"))]
#[x_kube(validation = rules::rule(
    ".expiresAt",
    "!has(self.startsAt) || !has(self.expiresAt) || self.startsAt < self.expiresAt",
    "expiresAt must be after startsAt",
))]
#[x_kube(validation = rules::rule(
    ".startsAt",
    "!has(self.startsAt) || self.startsAt < timestamp('9999-01-01T00:00:00Z')",
    "must lie before the year 9999",
))]
#[x_kube(validation = rules::rule(
    ".expiresAt",
    "!has(self.expiresAt) || self.expiresAt < timestamp('9999-01-01T00:00:00Z')",
    "must lie before the year 9999; leave it out for access that does not expire",
))]
pub struct MembershipSpec {
    /// The account; immutable.
    pub account_ref: NameRef,
    /// The user.
    pub user: User,
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
    /// Confirms the lifting of restrictions that need confirmation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::label_set")]
    pub acknowledge: Vec<String>,
    /// Takes all access away while it is true.
    #[serde(default)]
    pub suspended: bool,
    /// Time before which there is no access; before the year 9999.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "starts_at")]
    pub starts_at: Option<Time>,
    /// Time from which there is no access any more; before the year 9999.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "expires_at")]
    pub expires_at: Option<Time>,
    /// Invitation of this membership, set by the controller; immutable. Without that accepted Invitation the membership
    /// grants nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invitation_ref: Option<NameRef>,
}

/// Reads `startsAt`. An unreadable time counts as one that never comes, so the access does not begin. The rules above
/// refuse such times; if one got past them, it must not prevent the controller from reading all other objects.
fn starts_at<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Time>, D::Error> {
    Ok(time(deserializer)?.map(|read| read.unwrap_or(Time(Timestamp::MAX))))
}

/// Reads `expiresAt`. An unreadable time counts as past, unless it is in the year 9999, which counts as no expiry.
fn expires_at<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Time>, D::Error> {
    let over = |text: String| Time(if text.starts_with("9999-") { Timestamp::MAX } else { Timestamp::MIN });
    Ok(time(deserializer)?.map(|read| read.unwrap_or_else(over)))
}

fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Result<Time, String>>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.map(|text| text.parse().map(Time).map_err(|_| text)))
}

/// A user.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// E-mail address; immutable. It is compared in a canonical form: ASCII lower case, domain as A-label.
    #[schemars(schema_with = "schema::email")]
    pub email: String,
    /// Name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::title")]
    pub display_name: Option<String>,
    /// The user's id in the store, if the store has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::external_id")]
    pub external_id: Option<String>,
}

/// Whether a member has access at present.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum MemberAccess {
    /// The permissions are in force.
    Active,
    /// The access begins at `spec.startsAt`.
    NotStarted,
    /// The membership or its account is suspended.
    Suspended,
    /// The IdentityStore blocks this address.
    Blocked,
    /// The access ended at `spec.expiresAt`.
    Expired,
    /// The managed account is not approved, or not any more.
    Unapproved,
    /// Nothing is granted, because the spec is invalid.
    Invalid,
    /// The access should end, but the removal guard holds this back: the access in the store is still in force.
    Held,
}

impl MemberAccess {
    /// Returns the word that is shown in status.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "Active",
            Self::NotStarted => "NotStarted",
            Self::Suspended => "Suspended",
            Self::Blocked => "Blocked",
            Self::Expired => "Expired",
            Self::Unapproved => "Unapproved",
            Self::Invalid => "Invalid",
            Self::Held => "Held",
        }
    }

    /// Returns whether the user may do something at present.
    #[must_use]
    pub const fn is_in_force(self) -> bool {
        matches!(self, Self::Active | Self::Held)
    }
}

/// Status of a membership, as the controller last reported it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MembershipStatus {
    /// Most recent generation observed by the controller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Conditions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::conditions")]
    pub conditions: Conditions,
    /// Effective permissions: sections above their first level; left out if there are more than 64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::effective_permissions")]
    pub effective_permissions: Option<Permissions>,
    /// SHA-256 of the effective permissions, if they are left out because of their number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::status_name")]
    pub effective_permissions_digest: Option<String>,
    /// Restrictions in force.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::status_names")]
    pub restrictions: Vec<String>,
    /// Whether the user has access at present, and why not. Absent if that is not known: the store could not be read,
    /// has a user with this address that is not Roster's, or did not accept the last change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<MemberAccess>,
    /// Time at which the access expires or expired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_until: Option<Time>,
    /// The role in force, which may be the catalog's default; a Role of the account is shown as `custom:name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::status_role")]
    pub role: Option<String>,
    /// Differences between the store and what was applied to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<DriftStatus>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_unreadable_time_grants_nothing_and_ends_nothing() {
        let window = |starts: &str, expires: &str| {
            let spec = json!({
                "accountRef": {"name": "acme"}, "user": {"email": "dana@acme.example"}, "startsAt": starts, "expiresAt": expires,
            });
            let spec: MembershipSpec = serde_json::from_value(spec).unwrap();
            (spec.starts_at.unwrap().0, spec.expires_at.unwrap().0)
        };
        let (starts, expires) = window("2026-01-01T00:00:00Z", "2026-01-01T01:00:00+01:00");
        assert_eq!(starts, expires);
        assert_eq!(window("9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"), (Timestamp::MAX, Timestamp::MAX));
        assert_eq!(window("2026-01-01T00:00:00+99:99", "2026-01-01T00:00:00+99:99"), (Timestamp::MAX, Timestamp::MIN));
    }
}
