//! Tests the command line on a realm, with the client's secret from the environment.

use super::Keycloak;
use crate::contract::round::{output_text, roster, there_and_back};

impl Keycloak<'_> {
    fn given(&self) -> String {
        let url = self.server.url().replace("://", "://roster@");
        format!("keycloak+{url}/realms/{}?portalClients=portal", self.realm)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_are_applied_to_a_realm_and_come_back() {
    for portal in ["secondary-users", "partner-accounts"] {
        let backend = Keycloak::fresh().await;
        there_and_back(portal, &backend.given(), &[("ROSTER_KEYCLOAK_CLIENT_SECRET", "hush")]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_problem_of_a_realm_is_reported_in_one_line() {
    let backend = Keycloak::fresh().await;
    let store = backend.given();
    let files = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/secondary-users");
    let plan = ["plan", "-f", files, "--store", &store];
    for (secret, why) in
        [("wrong-one", "logging in as client roster: it responded 401"), ("", "in ROSTER_KEYCLOAK_CLIENT_SECRET")]
    {
        let output = roster(&plan, &[("ROSTER_KEYCLOAK_CLIENT_SECRET", secret)]);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let printed = output_text(&output);
        assert!(printed.starts_with("error: ") && printed.contains(why) && printed.lines().count() == 1, "{printed}");
        assert!(!printed.contains("wrong-one"), "{printed}");
    }
    let audit = roster(&["audit", "query", &store], &[("ROSTER_KEYCLOAK_CLIENT_SECRET", "hush")]);
    assert_eq!(audit.status.code(), Some(2), "{audit:?}");
}
