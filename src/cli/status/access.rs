//! Counts access by the statuses of Memberships, and lists memberships that end. Called by `status::gather`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use kube::ResourceExt;
use schemars::JsonSchema;
use serde::Serialize;

use super::reason::ReadyReason;
use crate::{
    api::{Account, IdentityStore, MemberAccess, Membership},
    evaluate::EXPIRES_SOON,
    model::Email,
};

/// Access of the members that were asked about.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccessSummary {
    /// Memberships by their `status.access`.
    pub members: BTreeMap<&'static str, usize>,
    /// Memberships of whose access nothing is known, by the reason of `Ready`.
    pub not_known: BTreeMap<String, usize>,
    /// Memberships that end within seven days, soonest first.
    pub ends_soon: Vec<AccessEnd>,
    /// Memberships that have expired, latest first.
    pub expired: Vec<AccessEnd>,
    /// Owners of accounts whom the account's store blocks.
    pub blocked_owners: Vec<BlockedOwner>,
}

/// Owner of an account who is blocked.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BlockedOwner {
    /// `namespace/name` of the Account.
    pub account: String,
    /// Address of the owner.
    pub user: String,
}

/// The end of a member's access.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccessEnd {
    /// `namespace/name` of the Membership.
    pub membership: String,
    /// Address of the user.
    pub user: String,
    /// Time of the end.
    #[schemars(with = "String")]
    pub at: Timestamp,
}

impl AccessSummary {
    /// Takes a Membership in.
    pub fn take(&mut self, member: &Membership, now: Timestamp) {
        let status = member.status.as_ref();
        let Some((status, access)) = status.and_then(|status| Some((status, status.access?))) else {
            *self.not_known.entry(why_not_known(member)).or_default() += 1;
            return;
        };
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

    /// Adds the owner of an account if the account's store blocks them.
    pub fn take_owner(&mut self, account: &Account, store: Option<&IdentityStore>) {
        let Some(user) = account.spec.owner.as_ref().map(|owner| &owner.email) else { return };
        let Ok(owner) = Email::parse(user) else { return };
        let mut blocked = store.into_iter().flat_map(|store| &store.spec.blocked);
        if blocked.any(|blocked| Email::parse(&blocked.email).is_ok_and(|blocked| blocked == owner)) {
            let account = format!("{}/{}", account.namespace().unwrap_or_default(), account.name_any());
            self.blocked_owners.push(BlockedOwner { account, user: user.clone() });
        }
    }

    /// Returns the counts as text; unknown access has a reason if all share it.
    #[must_use]
    pub fn counts(&self) -> String {
        let mut counts: Vec<String> = self.members.iter().map(|(word, count)| format!("{count} {word}")).collect();
        let not_known: usize = self.not_known.values().sum();
        match self.not_known.keys().collect::<Vec<_>>().as_slice() {
            [] => {}
            [reason] => counts.push(format!("{not_known} not known ({reason})")),
            _ => counts.push(format!("{not_known} not known")),
        }
        if counts.is_empty() { "no Memberships".to_owned() } else { counts.join(", ") }
    }

    /// Puts them into their order.
    pub fn sort(&mut self) {
        self.ends_soon.sort_by(|a, b| (a.at, &a.membership).cmp(&(b.at, &b.membership)));
        self.expired.sort_by(|a, b| (b.at, &a.membership).cmp(&(a.at, &b.membership)));
    }
}

/// Returns why a member's access is unknown: the reason of `Ready`, if the controller has reconciled the object.
fn why_not_known(member: &Membership) -> String {
    let status = member.status.as_ref().filter(|status| status.observed_generation >= member.metadata.generation);
    let ready = status.and_then(|status| status.conditions.iter().find(|one| one.type_ == "Ready"));
    ready.map_or_else(|| ReadyReason::NotReconciled.to_string(), |ready| ready.reason.clone())
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;
    use crate::api::{MembershipSpec, MembershipStatus};

    #[test]
    fn ending_and_ended_members_are_sorted_by_time() {
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
        assert_eq!(summary.counts(), "3 Active, 2 Expired, 1 Held, 1 Suspended");
    }

    #[test]
    fn members_with_unknown_access_are_counted() {
        let mut summary = AccessSummary::default();
        assert_eq!(summary.counts(), "no Memberships");
        let mut member = Membership::new("a", MembershipSpec::default());
        summary.take(&member, Timestamp::UNIX_EPOCH);
        assert_eq!(summary.counts(), "1 not known (NotReconciled)");
        let ready = serde_json::json!({"type": "Ready", "status": "False", "reason": "StoreUnavailable", "message": "",
            "lastTransitionTime": "2026-06-01T08:00:00Z"});
        let conditions = vec![serde_json::from_value(ready).unwrap()];
        member.status = Some(MembershipStatus { conditions, ..MembershipStatus::default() });
        summary.take(&member, Timestamp::UNIX_EPOCH);
        assert_eq!(summary.counts(), "2 not known");
    }
}
