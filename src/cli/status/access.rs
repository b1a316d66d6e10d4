//! Who has access, by the statuses of Memberships: how many, and whose access ends by itself.

use std::collections::BTreeMap;

use jiff::Timestamp;
use kube::ResourceExt;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    api::{MemberAccess, Membership},
    evaluate::EXPIRES_SOON,
};

/// Access of the members that were asked about.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccessSummary {
    /// Memberships by their `status.access`; those without one are not counted.
    pub members: BTreeMap<&'static str, usize>,
    /// Whose access ends within seven days, the first of them first.
    pub ends_soon: Vec<AccessEnd>,
    /// Whose access has ended by itself, and whose Membership is still there; the last of them first.
    pub expired: Vec<AccessEnd>,
}

/// The end of a member's access.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccessEnd {
    /// `namespace/name` of the Membership.
    pub membership: String,
    /// Address of the user.
    pub user: String,
    /// When.
    #[schemars(with = "String")]
    pub at: Timestamp,
}

impl AccessSummary {
    /// Takes a Membership in.
    pub fn take(&mut self, member: &Membership, now: Timestamp) {
        let Some(status) = &member.status else { return };
        let Some(access) = status.access else { return };
        *self.members.entry(access.as_str()).or_default() += 1;
        let Some(until) = &status.access_until else { return };
        let membership = format!("{}/{}", member.namespace().unwrap_or_default(), member.name_any());
        let end = AccessEnd { membership, user: member.spec.user.email.clone(), at: until.0 };
        match access {
            MemberAccess::Expired => self.expired.push(end),
            access if access.is_in_force() && end.at.duration_since(now) <= EXPIRES_SOON => self.ends_soon.push(end),
            _ => {}
        }
    }

    /// Puts them into their order.
    pub fn sort(&mut self) {
        self.ends_soon.sort_by(|a, b| (a.at, &a.membership).cmp(&(b.at, &b.membership)));
        self.expired.sort_by(|a, b| (b.at, &a.membership).cmp(&(a.at, &b.membership)));
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;
    use crate::api::{MembershipSpec, MembershipStatus};

    #[test]
    fn who_ends_soon_and_who_has_ended_come_in_the_order_of_time() {
        let now = Timestamp::from_second(1_000_000).unwrap();
        let member = |name: &str, access, until: Option<i64>| {
            let mut member = Membership::new(name, MembershipSpec::default());
            member.metadata.namespace = Some("shop".to_owned());
            let until = until.map(|days| Time(now + SignedDuration::from_hours(24 * days)));
            member.status =
                Some(MembershipStatus { access: Some(access), access_until: until, ..MembershipStatus::default() });
            member
        };
        let mut summary = AccessSummary::default();
        for member in [
            member("b", MemberAccess::Active, Some(7)),
            member("a", MemberAccess::Held, Some(2)),
            member("far", MemberAccess::Active, Some(8)),
            member("gone", MemberAccess::Expired, Some(-3)),
            member("just", MemberAccess::Expired, Some(-1)),
            member("stopped", MemberAccess::Suspended, Some(1)),
            member("ever", MemberAccess::Active, None),
        ] {
            summary.take(&member, now);
        }
        summary.sort();
        let names = |ends: &[AccessEnd]| ends.iter().map(|end| end.membership.clone()).collect::<Vec<_>>();
        assert_eq!(names(&summary.ends_soon), ["shop/a", "shop/b"]);
        assert_eq!(names(&summary.expired), ["shop/just", "shop/gone"]);
        assert_eq!(summary.members, BTreeMap::from([("Active", 3), ("Expired", 2), ("Held", 1), ("Suspended", 1)]));
    }
}
