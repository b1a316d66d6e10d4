//! The controller's own account: every test runs with exactly the rights that the chart gives it.

use std::fs;
use std::path::PathBuf;

use kube::config::Kubeconfig;
use tokio::sync::OnceCell;

use super::tools::{stdout_of, tool};
use super::{ControlPlane, SYSTEM};

/// Gives the account what the chart gives it; it is there at once.
pub(super) async fn grant(plane: &ControlPlane) {
    static RIGHTS: OnceCell<String> = OnceCell::const_new();
    let rights = RIGHTS
        .get_or_init(|| async {
            let rendered = tokio::task::spawn_blocking(|| {
                stdout_of(tool("helm").args([
                    "template",
                    "roster",
                    "charts/roster",
                    "-n",
                    SYSTEM,
                    "--show-only",
                    "templates/rbac.yaml",
                ]))
            });
            rendered.await.expect("helm ends")
        })
        .await;
    plane.kubectl_ok(&["apply", "--server-side", "--force-conflicts", "-f", "-"], Some(rights)).await;
    log_in(plane).await;
}

/// The kubeconfig of a ServiceAccount of the controller's namespace, which is there.
pub async fn kubeconfig(plane: &ControlPlane, account: &str) -> String {
    let token = plane.kubectl_ok(&["create", "token", account, "-n", SYSTEM, "--duration=12h"], None).await;
    let mut kubeconfig = Kubeconfig::read_from(plane.kubeconfig()).expect("the kubeconfig can be read");
    for user in &mut kubeconfig.auth_infos {
        user.auth_info =
            Some(kube::config::AuthInfo { token: Some(token.trim().to_owned().into()), ..Default::default() });
    }
    serde_json::to_string(&kubeconfig).expect("a kubeconfig")
}

/// Writes the kubeconfig by which controllers of this control plane are started; its account is there.
pub async fn log_in(plane: &ControlPlane) {
    let text = kubeconfig(plane, "roster").await;
    // Whole, or not at all: another test may read it just now.
    let (path, new) = (path(plane), path(plane).with_extension(format!("{}.new", std::process::id())));
    fs::write(&new, text).expect("it can be written");
    fs::rename(&new, path).expect("it can be put in its place");
}

/// Its kubeconfig.
pub(super) fn path(plane: &ControlPlane) -> PathBuf {
    plane.data().join("controller.kubeconfig")
}
