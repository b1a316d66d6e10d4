//! Tests users whom an identity provider keeps in an organization. Keycloak deletes them when they are removed from it,
//! or when it is removed. Roster removes its own data, and leaves these users.

use roster::{evaluate, model::Scope, store::Store as _};
use serde_json::{Value, json};

use super::{Keycloak, id};
use crate::contract::world::{NOW, World, email, member, members, world};

const DANA: &str = "dana@corp.example";

impl Keycloak<'_> {
    async fn membership(&self, world: &World, user: &str) -> Value {
        let organization = self.organization(world.key()).await;
        self.get(&format!("/organizations/{organization}/members/{user}")).await["membershipType"].clone()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_managed_member_is_never_deleted_by_taking_their_access() {
    let backend = Keycloak::fresh().await;
    let store = backend.store().await;
    let mut world = world("acme");
    world.converge(&store).await;
    let dana = email(DANA);
    let user = backend.log_in_by_provider(&backend.organization(world.key()).await, DANA).await;
    assert_eq!(backend.membership(&world, &user).await, "MANAGED");
    // A user whom no object declares is not a member, and not drift.
    let plan = world.converge(&store).await;
    assert!(plan.changes.is_empty() && plan.drift.is_empty(), "{plan:?}");
    for made_by_roster in [false, true] {
        world.members.insert(dana.clone(), member(&[1, 0, 0]));
        world.converge(&store).await;
        world.assert_held(&world.observe(&store).await);
        if made_by_roster {
            // Even then.
            let cluster = world.mark().cluster.to_string();
            backend.change_user(&user, |user| user["attributes"]["roster-made-by"] = json!([cluster])).await;
        }
        world.members.remove(&dana);
        let scope = if made_by_roster { Scope::Account } else { members(&[&dana]) };
        let plan = world.converge_in(&store, scope).await;
        assert_eq!(plan.changes.len(), 1);
        assert_eq!(backend.membership(&world, &user).await, "MANAGED");
        assert_eq!(backend.held(&user).await, Value::Null);
        let left = backend.get(&format!("/users/{user}")).await;
        for attribute in ["roster", "roster-account", "roster-address"] {
            assert!(left["attributes"].get(attribute).is_none(), "{left}");
        }
        assert_eq!(store.with_access(std::slice::from_ref(&dana), NOW).await.unwrap(), []);
        world.assert_held(&world.observe(&store).await);
        assert_eq!(world.plan(&store, Scope::Account).await.changes, []);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleting_an_account_keeps_managed_members_of_its_organization() {
    let backend = Keycloak::fresh().await;
    let store = backend.store().await;
    let mut world = world("acme");
    world.converge(&store).await;
    let user = backend.log_in_by_provider(&backend.organization(world.key()).await, DANA).await;
    world.members.insert(email(DANA), member(&[1, 0, 0]));
    world.converge(&store).await;
    for changes in [7, 0] {
        let plan = evaluate::delete(&world.observe(&store).await, world.mark());
        assert_eq!(world.apply(&store, &plan).await, vec![Ok(()); changes]);
        assert_eq!(id(&backend.get(&format!("/users/{user}")).await), user);
        assert_eq!(backend.membership(&world, &user).await, "MANAGED");
        assert_eq!(backend.held(&user).await, Value::Null);
        assert_eq!(store.accounts().await.unwrap(), []);
        assert_eq!(store.keys().await.unwrap(), []);
        assert_eq!(backend.get("/clients?clientId=shop/acme").await, json!([]));
    }
    // And it can come again.
    world.converge(&store).await;
    world.assert_held(&world.observe(&store).await);
}
