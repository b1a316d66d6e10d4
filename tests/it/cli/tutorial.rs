//! Runs the tutorial from the first file to the cluster. `tests/cli/docs.rs` also runs the part without a cluster.

use std::path::Path;

use crate::contract::doc_commands::{Setting, assert_commands_print_what_is_written};
use crate::support::ControlPlane;

/// The tutorial creates an IdentityStore `default` and a namespace `roster-system`, so it has a control plane of its
/// own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_portal_reaches_a_cluster_as_the_tutorial_says() {
    let plane = ControlPlane::own("tutorial").await;
    let kubectl = plane.kubectl_command();
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let folder = tempfile::tempdir().unwrap();
    let setting = Setting {
        folder: folder.path(),
        programs: Path::new(kubectl.get_program()).parent(),
        environment: vec![
            ("KUBECONFIG", text(plane.kubeconfig())),
            ("KUBECACHEDIR", text(&plane.data().join("kubectl-cache"))),
        ],
        // Other tests have controllers, too: each needs a port of its own.
        names: vec![("roster controller", "roster controller --http 127.0.0.1:0".to_owned())],
        without: &[],
    };
    tokio::task::block_in_place(|| assert_commands_print_what_is_written("docs/tutorials/first-portal.md", &setting));
}
