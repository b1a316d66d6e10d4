//! Tests several replicas that are all active.

use crate::charts::CHART;
use crate::release::Release;
use crate::rights::{given, missing};
use crate::support::{ControllerProcess, PATIENCE, SYSTEM, eventually_or, ready};

async fn hold(roster: &mut ControllerProcess, shards: f64) {
    eventually_or(PATIENCE, format!("{shards} shards to be held"), async || {
        let held = roster.metric("roster_shards_held ").await;
        if held == shards { Ok(()) } else { Err(held.to_string()) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_active_replicas_have_the_rights_they_need() {
    let values = ["--set", "controller.shards=2,sqlite.enabled=false,replicas=2"];
    let release = Release::install("helm-shards", CHART, &values).await;
    let pod = release.pod("deployment/roster").await;
    let proxy = release.log_in(&pod).await;
    let (mut first, mut second) = (release.controller(&pod, &proxy), release.controller(&pod, &proxy));
    for replica in [&mut first, &mut second] {
        ready(replica, "200 OK").await;
    }
    for replica in [&mut first, &mut second] {
        hold(replica, 1.0).await;
    }
    // One goes, and the other has all.
    assert_eq!(first.stop().await.code(), Some(0));
    hold(&mut second, 2.0).await;
    assert!(proxy.refused().is_empty(), "{:?}", proxy.refused());

    let role = release.json(&["get", "-n", SYSTEM, "role/roster-controller"]).await;
    let (own, _) = proxy.needed(SYSTEM);
    assert_eq!(missing(&given(&role["rules"]), &own), Vec::<String>::new(), "not by the Role");
    for verb in ["create", "delete", "get", "list", "update"] {
        let of_leases = |verb: &str| {
            own.iter().any(|needed| needed.resource == "coordination.k8s.io/leases" && needed.verb == verb)
        };
        assert!(of_leases(verb), "nobody asks to {verb} leases: {own:#?}");
    }
}
