//! Finds objects of a cluster whose statuses say that their store may hold something else than they declare. Called by
//! the commands that answer from the objects without asking a store.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{Api, Client, ResourceExt as _};

use super::{list, list_all};
use crate::{
    api::{Account, ConditionType, IdentityStore, Membership, Role, SyncReason, UserGroup},
    model::Email,
};

/// Maximum number of objects named in one note.
const NAMED: usize = 3;

/// Objects whose store may hold something else.
#[derive(Debug, Default)]
pub struct OutOfSync {
    /// Accounts, each as `namespace/name`, with the reason.
    accounts: Vec<(String, String)>,
    /// Memberships, Roles and `UserGroup`s.
    objects: Vec<Unsynced>,
    /// People whose block is not known to be in force, each with the IdentityStore.
    blocks: Vec<(Email, String)>,
}

/// Object of an account that is not in sync.
#[derive(Debug)]
struct Unsynced {
    /// Account, as `namespace/name`.
    account: String,
    /// User of a Membership; `None` for an object that affects several people.
    email: Option<Email>,
    /// Kind, with `namespace/name`.
    object: String,
    reason: String,
}

impl OutOfSync {
    /// Reads the statuses of the objects in one namespace, or in all. Objects that must not be read are left out.
    pub async fn of_cluster(client: &Client, within: Option<&str>) -> Self {
        let accounts = list::<Account>(client, within).await.unwrap_or_default();
        let members = list::<Membership>(client, within).await.unwrap_or_default();
        let mut found = Self::new(&accounts, &members);
        macro_rules! add {
            ($($kind:ident),+) => {$(
                for object in list::<$kind>(client, within).await.unwrap_or_default() {
                    let status = object.status.as_ref();
                    let conditions = status.map(|status| status.conditions.as_slice()).unwrap_or_default();
                    let observed = status.and_then(|status| status.observed_generation);
                    let Some(reason) = reason(object.metadata.generation, observed, conditions) else { continue };
                    let namespace = object.namespace().unwrap_or_default();
                    found.objects.push(Unsynced {
                        account: format!("{namespace}/{}", object.spec.account_ref.name),
                        email: None,
                        object: format!("{} {namespace}/{}", stringify!($kind), object.name_any()),
                        reason,
                    });
                }
            )+};
        }
        add!(Role, UserGroup);
        for store in list_all::<IdentityStore>(Api::all(client.clone())).await.unwrap_or_default() {
            found.add_blocks(&store);
        }
        found
    }

    fn add_blocks(&mut self, store: &IdentityStore) {
        let in_force = store.status.as_ref().and_then(|status| status.blocked_in_force);
        if in_force < store.metadata.generation {
            let blocked = store.spec.blocked.iter().filter_map(|blocked| Email::parse(&blocked.email).ok());
            self.blocks.extend(blocked.map(|email| (email, store.name_any())));
        }
    }

    fn new(accounts: &[Account], members: &[Membership]) -> Self {
        let path = |namespace: Option<String>, name: &str| format!("{}/{name}", namespace.unwrap_or_default());
        let account = |account: &Account| {
            let status = account.status.as_ref();
            let observed = status.and_then(|status| status.observed_generation);
            let conditions = status.map(|status| status.conditions.as_slice()).unwrap_or_default();
            let reason = reason(account.metadata.generation, observed, conditions)?;
            Some((path(account.namespace(), &account.name_any()), reason))
        };
        let member = |member: &Membership| {
            let status = member.status.as_ref();
            let observed = status.and_then(|status| status.observed_generation);
            let conditions = status.map(|status| status.conditions.as_slice()).unwrap_or_default();
            let reason = reason(member.metadata.generation, observed, conditions)?;
            let account = path(member.namespace(), &member.spec.account_ref.name);
            let email = Email::parse(&member.spec.user.email).ok();
            let object = format!("Membership {}", path(member.namespace(), &member.name_any()));
            Some(Unsynced { account, email, object, reason })
        };
        Self {
            accounts: accounts.iter().filter_map(account).collect(),
            objects: members.iter().filter_map(member).collect(),
            blocks: Vec::new(),
        }
    }

    /// Returns a note that the store may give something else in these accounts, about one person or about everybody;
    /// `None` if nothing hints at it.
    #[must_use]
    pub fn note(&self, accounts: &[String], who: Option<&Email>) -> Option<String> {
        let mut found: Vec<String> = Vec::new();
        for (account, reason) in self.accounts.iter().filter(|(account, _)| accounts.contains(account)) {
            found.push(format!("Account {account} is {reason}"));
        }
        let is_about = |email: &Email| who.is_none_or(|who| email == who);
        let objects = self.objects.iter().filter(|object| accounts.contains(&object.account));
        for Unsynced { object, reason, .. } in objects.filter(|object| object.email.as_ref().is_none_or(is_about)) {
            found.push(format!("{object} is {reason}"));
        }
        for (email, store) in self.blocks.iter().filter(|(email, _)| is_about(email)) {
            found.push(format!("the block of {email} in IdentityStore {store} is not in force"));
        }
        let more = found.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let named = found.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
        (!found.is_empty()).then(|| {
            format!(
                "note: the answer is from the objects, and the store may differ: {named}{more}. Pass --store or \
                 --sqlite-dir to read the store"
            )
        })
    }
}

/// Returns why the store of an object may hold something else; `None` if its status says that it does not, or that the
/// object is invalid, which the objects themselves show.
fn reason(generation: Option<i64>, observed: Option<i64>, conditions: &[Condition]) -> Option<String> {
    if observed.is_none() || observed < generation {
        return Some("not reconciled yet".to_owned());
    }
    let find = |kind: ConditionType| conditions.iter().find(|condition| condition.type_ == kind.as_str());
    let is_valid = find(ConditionType::Valid).is_none_or(|valid| valid.status == "True");
    let synced = find(ConditionType::Synced).filter(|synced| synced.status == "False");
    let ready = find(ConditionType::Ready).filter(|ready| ready.status == "False" && is_valid);
    // Nothing enforces or delivers these yet; the store holds the rest.
    let harmless = [SyncReason::NotEnforced, SyncReason::NotDelivered].map(|reason| reason.to_string());
    synced.or(ready).map(|condition| condition.reason.clone()).filter(|reason| !harmless.contains(reason))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn member(name: &str, status: &Value) -> Membership {
        serde_json::from_value(json!({
            "apiVersion": "roster.dev/v1alpha1", "kind": "Membership",
            "metadata": {"name": name, "namespace": "shop", "generation": 2},
            "spec": {"accountRef": {"name": "acme"}, "user": {"email": format!("{name}@acme.example")}},
            "status": status,
        }))
        .unwrap()
    }

    fn condition(kind: &str, status: &str, reason: &str) -> Value {
        json!({"type": kind, "status": status, "reason": reason, "message": "", "lastTransitionTime": "2026-06-01T08:00:00Z"})
    }

    #[test]
    fn what_the_store_may_not_hold_is_named_and_what_it_holds_is_not() {
        let with =
            |observed: i64, conditions: &[Value]| json!({"observedGeneration": observed, "conditions": conditions});
        let members = [
            member("fine", &with(2, &[condition("Ready", "True", "Ready"), condition("Synced", "True", "InSync")])),
            member("late", &with(1, &[condition("Ready", "True", "Ready")])),
            member(
                "paused",
                &with(2, &[condition("Valid", "True", "Resolved"), condition("Synced", "False", "Paused")]),
            ),
            member(
                "wrong",
                &with(2, &[condition("Valid", "False", "RoleNotFound"), condition("Ready", "False", "RoleNotFound")]),
            ),
            member(
                "waits",
                &with(2, &[condition("Valid", "True", "Resolved"), condition("Ready", "False", "Terminating")]),
            ),
        ];
        let found = OutOfSync::new(&[], &members);
        let accounts = ["shop/acme".to_owned()];
        let note = found.note(&accounts, None).unwrap();
        let names = "Membership shop/late is not reconciled yet, Membership shop/paused is Paused, Membership \
                     shop/waits is Terminating.";
        assert!(note.contains(names), "{note}");
        assert_eq!(found.note(&["shop/other".to_owned()], None), None);
        let about = |name: &str| found.note(&accounts, Email::parse(&format!("{name}@acme.example")).ok().as_ref());
        assert_eq!((about("fine"), about("wrong")), (None, None));
        assert!(about("paused").unwrap().contains("Membership shop/paused is Paused."));
    }
    #[test]
    fn a_block_that_is_not_in_force_yet_is_named() {
        let store = |in_force: i64| -> IdentityStore {
            serde_json::from_value(json!({
                "apiVersion": "roster.dev/v1alpha1", "kind": "IdentityStore", "metadata": {"name": "main", "generation": 3},
                "spec": {"blocked": [{"email": "Eve@acme.example"}]}, "status": {"blockedInForce": in_force},
            }))
            .unwrap()
        };
        let note = |in_force: i64, who: &str| {
            let mut found = OutOfSync::default();
            found.add_blocks(&store(in_force));
            found.note(&["shop/acme".to_owned()], Email::parse(who).ok().as_ref())
        };
        let said = note(2, "eve@acme.example").unwrap();
        assert!(said.contains("the block of eve@acme.example in IdentityStore main is not in force"), "{said}");
        assert_eq!((note(3, "eve@acme.example"), note(2, "ann@acme.example")), (None, None));
    }
}
