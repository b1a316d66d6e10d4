//! Tests the harness itself, on which the other tests rely.

use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{ListParams, PostParams};
use kube::{Api, Client};

use crate::support::{Component, ControlPlane, Namespace, eventually};

async fn count(client: &Client) -> Result<usize, kube::Error> {
    Api::<ConfigMap>::namespaced(client.clone(), "default").list(&ListParams::default()).await.map(|l| l.items.len())
}

#[tokio::test]
async fn a_user_has_the_rights_given_to_the_user_or_a_group() {
    let plane = ControlPlane::shared().await;
    let namespace = Namespace::new(plane, "harness").await;
    let (dana, eve) = (plane.client_as("dana", &["staff"]).await, plane.client_as("eve", &[]).await);
    let list = async |client: &Client| {
        Api::<ConfigMap>::namespaced(client.clone(), namespace.name()).list(&ListParams::default()).await
    };
    let Err(kube::Error::Api(refused)) = list(&dana).await else { panic!("no rights yet") };
    assert_eq!(refused.code, 403);
    let args = ["create", "rolebinding", "staff", "--clusterrole=view", "--group=staff", "-n", namespace.name()];
    plane.kubectl_ok(&args, None).await;
    eventually(Duration::from_secs(5), "staff may read", async || list(&dana).await.ok()).await;
    assert!(list(&eve).await.is_err());
}

#[tokio::test]
async fn a_control_plane_of_ones_own_is_stopped_in_parts_and_purged() {
    let kubeconfig = {
        let plane = ControlPlane::own("harness").await;
        let client = plane.client().await;
        let map: ConfigMap = serde_json::from_value(serde_json::json!({"metadata": {"name": "kept"}})).unwrap();
        Api::namespaced(client.clone(), "default").create(&PostParams::default(), &map).await.unwrap();
        let before = count(&client).await.unwrap();
        plane.stop(Component::ApiServer).await;
        count(&client).await.expect_err("the API server is stopped");
        plane.start(Component::ApiServer).await;
        // The same client, the same port, the same data.
        let after = eventually(Duration::from_secs(10), "it answers again", async || count(&client).await.ok()).await;
        assert!(after >= before);
        plane.kubeconfig().to_owned()
    };
    assert!(!kubeconfig.exists());
}

#[tokio::test]
#[should_panic(expected = "for: the impossible")]
async fn waiting_returns_the_awaited_value() {
    eventually(Duration::from_millis(50), "the impossible", async || None::<()>).await;
}
