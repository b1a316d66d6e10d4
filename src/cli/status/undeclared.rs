//! Lists people whom a store has and no object names, by the statuses of Accounts. Called by `status::gather` and
//! `status::show`.

use kube::ResourceExt;
use schemars::JsonSchema;
use serde::Serialize;

use super::reason::ReadyReason;
use crate::{
    api::{Account, ConditionType, SyncReason},
    cli::output::{WARN, paint, wrap},
    model::{counted, first_of},
    report::undeclared_member,
};

/// People whom the store of an account has and no object names. Where `drift.unmanaged` is `Ignore`, they are not
/// reported.
#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UndeclaredMembers {
    /// `namespace/name` of the Account.
    pub account: String,
    /// Addresses, as far as the Account's status lists them: the first 20 differences.
    pub members: Vec<String>,
    /// Whether the status counts differences that it does not list, which may be more undeclared members.
    pub may_be_more: bool,
    /// Whether the message of the Account names them already.
    #[serde(skip)]
    pub is_in_message: bool,
}

impl UndeclaredMembers {
    /// Returns the undeclared members that an account's status lists; `None` if there are none.
    pub fn of(account: &Account) -> Option<Self> {
        let status = account.status.as_ref()?;
        let drift = status.drift.as_ref()?;
        let members: Vec<String> = drift.entries.iter().filter_map(undeclared_member).map(ToOwned::to_owned).collect();
        let ready = status.conditions.iter().find(|condition| condition.type_ == ConditionType::Ready.as_str());
        let reason = ready.map(|ready| ReadyReason::parse(&ready.reason));
        (!members.is_empty()).then(|| Self {
            account: format!("{}/{}", account.namespace().unwrap_or_default(), account.name_any()),
            members,
            may_be_more: usize::try_from(drift.count).is_ok_and(|count| count > drift.entries.len()),
            is_in_message: reason == Some(ReadyReason::Sync(SyncReason::DriftReported)),
        })
    }
}

/// Maximum number of undeclared members that are named for one account.
const NAMED: usize = 5;

/// Returns the undeclared members of accounts whose message is about something else.
pub fn text(members: &[UndeclaredMembers]) -> String {
    let line = |one: &UndeclaredMembers| {
        let count = one.members.len();
        let more = if one.may_be_more { "at least " } else { "" };
        let title = format!("{}: the store has {more}{}:", one.account, counted(count, "undeclared member"));
        format!("\n{}\n{}", paint(WARN, title), wrap("  ", 2, &first_of(&one.members, NAMED)))
    };
    members.iter().filter(|one| !one.is_in_message).map(line).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn account(reason: &str, undeclared: usize, count: usize) -> Account {
        let entry = |number: usize| json!({"object": format!("member m{number}@x.example"), "field": "object", "desired": "(absent)", "observed": "a"});
        let entries: Vec<_> = (0..undeclared).map(entry).collect();
        let now = "2026-06-01T08:00:00Z";
        let ready =
            json!({"type": "Ready", "status": "False", "reason": reason, "message": "", "lastTransitionTime": now});
        serde_json::from_value(json!({
            "apiVersion": "roster.dev/v1alpha1", "kind": "Account", "metadata": {"name": "acme", "namespace": "shop"},
            "spec": {"catalogRef": {"name": "shop"}},
            "status": {"conditions": [ready], "drift": {"count": count, "entries": entries}},
        }))
        .unwrap()
    }

    #[test]
    fn undeclared_members_are_listed_whatever_the_account_waits_for() {
        let found = UndeclaredMembers::of(&account("RemovalGuarded", 2, 2)).unwrap();
        assert_eq!((found.account.as_str(), found.may_be_more, found.is_in_message), ("shop/acme", false, false));
        assert_eq!(found.members, ["m0@x.example", "m1@x.example"]);
        assert!(
            UndeclaredMembers::of(&account("DriftReported", 2, 30))
                .is_some_and(|found| found.may_be_more && found.is_in_message)
        );
        assert_eq!(UndeclaredMembers::of(&account("RemovalGuarded", 0, 3)), None);
    }

    #[test]
    fn undeclared_members_are_named_up_to_five() {
        let members = (0..7).map(|number| format!("m{number}@x.example")).collect();
        let account = "shop/acme".to_owned();
        let one = UndeclaredMembers { account, members, may_be_more: false, is_in_message: false };
        let shown = anstream::adapter::strip_str(&text(&[one])).to_string();
        let names = "m0@x.example, m1@x.example, m2@x.example, m3@x.example, m4@x.example and 2 more";
        assert_eq!(shown, format!("\nshop/acme: the store has 7 undeclared members:\n  {names}\n"));
    }
}
