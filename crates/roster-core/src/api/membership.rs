//! Membership: one user's place in one account.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube_derive::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::limits::MAX_REFS;
use super::{Conditions, DriftStatus, NameRef, Permissions, RestrictionChoice, RoleRef, schema};

/// One user's place in one account.
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
#[x_kube(validation = schema::immutable("accountRef"))]
#[x_kube(validation = schema::immutable("user.email"))]
#[x_kube(validation = schema::immutable_optional("invitationRef"))]
#[x_kube(validation = schema::rule(
    ".expiresAt",
    "!has(self.startsAt) || !has(self.expiresAt) || self.startsAt < self.expiresAt",
    "expiresAt must be after startsAt",
))]
#[x_kube(validation = schema::rule(
    ".startsAt",
    "!has(self.startsAt) || self.startsAt < timestamp('9999-01-01T00:00:00Z')",
    "must lie before the year 9999",
))]
#[x_kube(validation = schema::rule(
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
    /// Restrictions applied to and lifted for this user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restrictions: Option<RestrictionChoice>,
    /// Confirms the lifting of restrictions that need confirmation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::label_set")]
    pub acknowledge: Vec<String>,
    /// Takes all access away while it is true.
    #[serde(default)]
    pub suspended: bool,
    /// No access before; before the year 9999.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "starts_at")]
    pub starts_at: Option<Time>,
    /// No access from then on; before the year 9999.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "expires_at")]
    pub expires_at: Option<Time>,
    /// Set by the controller: without that live, accepted Invitation this grants nothing; immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invitation_ref: Option<NameRef>,
}

/// A time that nobody can read never comes: the access waits. The rules above refuse such times; one that got past them must
/// not keep the controller from reading everybody else's objects.
fn starts_at<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Time>, D::Error> {
    Ok(time(deserializer)?.map(|read| read.unwrap_or(Time(Timestamp::MAX))))
}

/// As [`starts_at`], but what nobody can read is over, unless it lies at the end of all time.
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
    /// Address; immutable. Compared in one canonical form: ASCII lower case, domain as A-label.
    #[schemars(schema_with = "schema::email")]
    pub email: String,
    /// Name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::title")]
    pub display_name: Option<String>,
    /// The user's id in the store, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::external_id")]
    pub external_id: Option<String>,
}

/// Whether a member has access at present.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum MemberAccess {
    /// The permissions are in force.
    Active,
    /// It begins at `spec.startsAt`.
    NotStarted,
    /// The membership or its account is suspended.
    Suspended,
    /// The IdentityStore blocks this address.
    Blocked,
    /// It ended at `spec.expiresAt`.
    Expired,
    /// The managed account is not approved, or no longer.
    Unapproved,
    /// Nothing is granted, since the spec is invalid.
    Invalid,
    /// It would end, and the removal guard holds that back: what the store had is in force.
    Held,
}

impl MemberAccess {
    /// The word that status and people see.
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

    /// Whether the user may do something at present.
    #[must_use]
    pub const fn is_in_force(self) -> bool {
        matches!(self, Self::Active | Self::Held)
    }
}

/// What the controller says of a membership.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MembershipStatus {
    /// Generation this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Conditions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::conditions")]
    pub conditions: Conditions,
    /// Sections above their first level; left out above 64 entries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::effective_permissions")]
    pub effective_permissions: Option<Permissions>,
    /// SHA-256 over the effective permissions, where they are left out for their number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::status_name")]
    pub effective_permissions_digest: Option<String>,
    /// Restrictions in force.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::status_names")]
    pub restrictions: Vec<String>,
    /// Whether the user has access at present, and why not. Absent where nobody can tell: the store could not be read, holds
    /// somebody else's user of this address, or did not take the last change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<MemberAccess>,
    /// When the access ends by itself, or ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_until: Option<Time>,
    /// The role in force, be it the catalog's default; a Role of the account as `custom:name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::status_role")]
    pub role: Option<String>,
    /// Differences.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<DriftStatus>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_time_that_nobody_can_read_grants_nothing_and_stops_nobody() {
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
