//! Every reason of `Valid` and `Synced`, each on a real object (design/api.md "Status").

use crate::support::Scene;

#[tokio::test]
async fn smoke() {
    let scene = Scene::new("smoke").await;
    scene
        .apply(
            r"
apiVersion: roster.dev/v1alpha1
kind: PermissionCatalog
metadata: {name: $it}
spec:
  sections: [{name: orders, levels: [None, View, Edit]}]
  roles: [{name: clerk, permissions: {orders: View}}]
---
apiVersion: roster.dev/v1alpha1
kind: Account
metadata: {name: acme}
spec: {catalogRef: {name: $it}, storeRef: {name: $it}}
---
apiVersion: roster.dev/v1alpha1
kind: Membership
metadata: {name: dana}
spec: {accountRef: {name: acme}, user: {email: dana@acme.example}, roleRef: {name: clerk}}
",
        )
        .await;
    scene.ready("Membership", "dana").await;
    scene.wait_view("dana@acme.example", "orders=View").await;
}
