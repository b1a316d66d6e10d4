//! Finds objects of a cluster whose statuses say that their store may hold something else than they declare. Called by
//! the commands that answer from the objects without asking a store.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{Api, Client, Resource, ResourceExt as _};

use super::{list, list_all};
use crate::{
    api::{Account, ConditionType, IdentityStore, InvalidReason, Membership, Role, SyncReason, UserGroup},
    model::{Email, first_of},
};

/// Maximum number of objects named in one note.
const NAMED: usize = 3;

/// Objects whose store may hold something else.
#[derive(Debug, Default)]
pub struct OutOfSync {
    /// Accounts, Memberships, Roles and `UserGroup`s.
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
        let mut found = Self::default();
        for account in list::<Account>(client, within).await.unwrap_or_default() {
            let status = account.status.as_ref().map(|status| (status.observed_generation, &*status.conditions));
            found.add(&account, &account.name_any(), None, status);
        }
        for member in list::<Membership>(client, within).await.unwrap_or_default() {
            found.add_member(&member);
        }
        for role in list::<Role>(client, within).await.unwrap_or_default() {
            let status = role.status.as_ref().map(|status| (status.observed_generation, &*status.conditions));
            found.add(&role, &role.spec.account_ref.name, None, status);
        }
        for group in list::<UserGroup>(client, within).await.unwrap_or_default() {
            let status = group.status.as_ref().map(|status| (status.observed_generation, &*status.conditions));
            found.add(&group, &group.spec.account_ref.name, None, status);
        }
        for store in list_all::<IdentityStore>(Api::all(client.clone())).await.unwrap_or_default() {
            found.add_blocks(&store);
        }
        found
    }

    fn add_member(&mut self, member: &Membership) {
        let status = member.status.as_ref().map(|status| (status.observed_generation, &*status.conditions));
        let email = Email::parse(&member.spec.user.email).ok();
        self.add(member, &member.spec.account_ref.name, email, status);
    }

    /// Adds an object of an account if its status, generation and conditions, says that it is not in sync.
    fn add<K: Resource<DynamicType = ()>>(
        &mut self,
        object: &K,
        account: &str,
        email: Option<Email>,
        status: Option<(Option<i64>, &[Condition])>,
    ) {
        let (observed, conditions) = status.unwrap_or_default();
        let Some(reason) = reason(object.meta().generation, observed, conditions) else { return };
        let namespace = object.namespace().unwrap_or_default();
        let account = format!("{namespace}/{account}");
        let object = format!("{} {namespace}/{}", K::kind(&()), object.name_any());
        self.objects.push(Unsynced { account, email, object, reason });
    }

    fn add_blocks(&mut self, store: &IdentityStore) {
        let in_force = store.status.as_ref().and_then(|status| status.blocked_in_force);
        if in_force < store.metadata.generation {
            let blocked = store.spec.blocked.iter().filter_map(|blocked| Email::parse(&blocked.email).ok());
            self.blocks.extend(blocked.map(|email| (email, store.name_any())));
        }
    }

    /// Returns a note that the store may give something else in these accounts, about one person or about everybody;
    /// `None` if nothing hints at it.
    #[must_use]
    pub fn note(&self, accounts: &[String], who: Option<&Email>) -> Option<String> {
        let mut found: Vec<String> = Vec::new();
        let is_about = |email: &Email| who.is_none_or(|who| email == who);
        let objects = self.objects.iter().filter(|object| accounts.contains(&object.account));
        for Unsynced { object, reason, .. } in objects.filter(|object| object.email.as_ref().is_none_or(is_about)) {
            found.push(format!("{object} is {reason}"));
        }
        for (email, store) in self.blocks.iter().filter(|(email, _)| is_about(email)) {
            found.push(format!("the block of {email} in IdentityStore {store} is not in force"));
        }
        let named = first_of(&found, NAMED);
        (!found.is_empty()).then(|| {
            format!(
                "note: the answer is from the objects, and the store may differ: {named}. Pass --store or \
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
    let invalid = find(ConditionType::Valid).filter(|valid| valid.status != "True");
    if invalid.is_some_and(|valid| valid.reason == InvalidReason::OwnerImmutable.to_string()) {
        return Some("OwnerImmutable (another owner stays in the store)".to_owned());
    }
    let is_valid = invalid.is_none();
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
    fn objects_that_the_store_may_lack_are_named_and_others_are_not() {
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
        let mut found = OutOfSync::default();
        for member in &members {
            found.add_member(member);
        }
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
        let text = note(2, "eve@acme.example").unwrap();
        assert!(text.contains("the block of eve@acme.example in IdentityStore main is not in force"), "{text}");
        assert_eq!((note(3, "eve@acme.example"), note(2, "ann@acme.example")), (None, None));
    }
}
