//! Tests who may change access on a real API server: the chart's webhook with its policies, and what still holds while
//! no webhook answers. No pods run here, so the webhook and the job of its certificate run beside the cluster, with the
//! accounts that the chart gives them.

use std::{fmt::Write as _, fs, path::PathBuf, process::Command};

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::{
    charts::CHART,
    release::Release,
    support::{
        ControllerProcess, PATIENCE, SYSTEM,
        account::kubeconfig,
        eventually, eventually_or, ready,
        tools::{stdout_of, tool},
    },
};

const VALUES: [&str; 5] = ["--no-hooks", "--set", "webhook.enabled=true", "--set-string", "webhook.memberPrefix=oidc:"];
const NAME: &str = "roster-system-roster";

/// A store that enforces authority, and who may do what with objects. Everybody here may write them: what decides is who
/// holds what.
const STORE: &str = "
apiVersion: roster.dev/v1alpha1
kind: IdentityStore
metadata: {name: default}
spec:
  sqlite: {file: roster.db}
  accountDefaults: {enforcement: Enforce}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: writers}
rules:
- {apiGroups: [roster.dev], resources: [accounts, accessroles, usergroups, memberships, invitations, identitystores, permissioncatalogs], verbs: ['*']}
- {apiGroups: [''], resources: [namespaces], verbs: ['*']}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: writers}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: writers}
subjects:
- {apiGroup: rbac.authorization.k8s.io, kind: Group, name: 'system:authenticated'}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: portal}
rules: [{apiGroups: [roster.dev], resources: [accounts/authority], verbs: [speak-for]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: portal, namespace: partner-accounts}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: portal}
subjects: [{kind: ServiceAccount, name: portal, namespace: shop}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: grants-finance}
rules:
- {apiGroups: [roster.dev], resources: [permissioncatalogs/roles], resourceNames: ['partner-accounts:finance'], verbs: [grant]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: pipeline, namespace: partner-accounts}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: grants-finance}
subjects: [{kind: ServiceAccount, name: pipeline, namespace: flux-system}]
";

pub const CAROL: &str = "oidc:carol@interlink.example";
const RHEA: &str = "oidc:rhea@retail.example";
const PORTAL: &str = "system:serviceaccount:shop:portal";
pub const PIPELINE: &str = "system:serviceaccount:flux-system:pipeline";
/// In the group `platform`, which administers.
pub const PIA: &str = "pia";

/// A release with the webhook.
pub struct Scene {
    pub release: Release,
    pub webhook: Option<ControllerProcess>,
    folder: PathBuf,
}

impl Scene {
    pub async fn new(name: &str) -> Self {
        let release = Release::install(name, CHART, &VALUES).await;
        release.plane.definitions_established().await;
        let folder = release.folder.join("ca");
        fs::create_dir_all(&folder).unwrap();
        let mut scene = Self { release, webhook: None, folder };
        scene.make_authority().await;
        scene.start().await;
        scene.release.kubectl(&["apply", "-f", "examples/partner-accounts/00-namespace.yaml"]).await;
        scene.release.apply(STORE).await;
        let mut examples = Command::new("cat");
        examples.args(["catalog", "account", "people"].map(|name| format!("examples/partner-accounts/{name}.yaml")));
        scene.administer(&stdout_of(&mut examples).replace("\napiVersion", "\n---\napiVersion")).await;
        scene
            .release
            .kubectl(&[
                "create",
                "clusterrolebinding",
                "platform",
                "--clusterrole=roster-system-roster-platform-admin",
                "--group=platform",
            ])
            .await;
        scene
    }

    /// Applies objects as the cluster's administrator, until the webhook knows what they refer to.
    async fn administer(&self, yaml: &str) {
        eventually_or(PATIENCE, "the objects to be applied".to_owned(), async || {
            let out = self.release.plane.kubectl(&["apply", "-f", "-"], Some(yaml)).await;
            if out.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&out.stderr).into_owned()) }
        })
        .await;
    }

    /// Runs the job of the certificate, with its own account and rights, and keeps what it made for the webhook.
    async fn make_authority(&self) {
        let mut helm = tool("helm");
        helm.args(["template", "roster", CHART, "-n", SYSTEM, "--show-only", "templates/webhook-certificate.yaml"])
            .args(&VALUES[1..]);
        let rendered = stdout_of(&mut helm);
        let documents: Vec<&str> = rendered.split("\n---\n").collect();
        let (jobs, rights): (Vec<&str>, Vec<&str>) =
            documents.into_iter().partition(|document| document.contains("\nkind: Job"));
        self.release.apply(&rights.join("\n---\n")).await;
        let job = self
            .release
            .plane
            .kubectl_ok(&["create", "--dry-run=client", "-o", "json", "-f", "-"], Some(jobs[0]))
            .await;
        let job: Value = serde_json::from_str(&job).unwrap();
        let pod = &job["spec"]["template"]["spec"];
        let args: Vec<String> = serde_json::from_value(pod["containers"][0]["args"].clone()).unwrap();
        let file = self.release.folder.join("certificate.kubeconfig");
        fs::write(&file, kubeconfig(&self.release.plane, pod["serviceAccountName"].as_str().unwrap()).await).unwrap();
        let run = || stdout_of(Command::new(env!("CARGO_BIN_EXE_roster")).args(&args).env("KUBECONFIG", &file));
        assert_eq!(run(), "the certificate authority was made; the API server trusts it\n");
        assert_eq!(run(), "the certificate authority is valid; the API server trusts it\n");
        for name in ["tls.crt", "tls.key"] {
            let path = format!("-o=go-template={{{{index .data \"{name}\" | base64decode}}}}");
            let text = self.release.kubectl(&["get", "secret", "-n", SYSTEM, "roster-webhook-ca", &path]).await;
            fs::write(self.folder.join(name), text).unwrap();
        }
        // It changes nothing else of the webhooks.
        let account = format!("system:serviceaccount:{SYSTEM}:roster-webhook-certificate");
        let weaker = "[{\"op\": \"replace\", \"path\": \"/webhooks/0/failurePolicy\", \"value\": \"Ignore\"}]";
        let patch = ["patch", "validatingwebhookconfiguration", NAME, "--type=json", "-p", weaker];
        let rights = "
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: patches}
rules: [{apiGroups: [admissionregistration.k8s.io], resources: [validatingwebhookconfigurations], verbs: [get, patch]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: patches}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: patches}
subjects: [{kind: ServiceAccount, name: roster-webhook-certificate, namespace: roster-system}]
";
        self.release.apply(rights).await;
        let refused = self.kubectl_as(&account, &[], &patch, None).await;
        assert!(refused.contains("this account may change clientConfig.caBundle only"), "{refused}");
    }

    /// Starts the webhook as its pod would, and lets the API server call it here.
    pub async fn start(&mut self) {
        let release = &self.release;
        let spec = release.json(&["get", "-n", SYSTEM, "deployment/roster-webhook"]).await;
        let spec = &spec["spec"]["template"]["spec"];
        let args: Vec<String> = serde_json::from_value(spec["containers"][0]["args"].clone()).unwrap();
        let own = ["--address=", "--http=", "--ca-dir=", "--dns-name="];
        let args = args.into_iter().filter(|arg| !own.iter().any(|own| arg.starts_with(own)));
        let file = release.folder.join("webhook.kubeconfig");
        fs::write(&file, kubeconfig(&release.plane, spec["serviceAccountName"].as_str().unwrap()).await).unwrap();
        let mut webhook = ControllerProcess::start(&release.folder, |command| {
            command.args(args).env("KUBECONFIG", &file).args(["--dns-name=localhost", "--address=127.0.0.1:0"]);
            command.arg("--http=127.0.0.1:0").arg("--ca-dir").arg(&self.folder);
        });
        let line: Value = serde_json::from_str(&webhook.logged("serving the admission webhook").await).unwrap();
        let port = line["address"].as_str().unwrap().rsplit_once(':').unwrap().1.to_owned();
        ready(&mut webhook, "200 OK").await;
        for kind in ["mutatingwebhookconfiguration", "validatingwebhookconfiguration"] {
            let mut object = release.json(&["get", kind, NAME]).await;
            for webhook in object["webhooks"].as_array_mut().unwrap() {
                let config = webhook["clientConfig"].as_object_mut().unwrap();
                let path = if kind.starts_with('m') { "stamp" } else { "judge" };
                config.remove("service");
                config.insert("url".to_owned(), json!(format!("https://localhost:{port}/{path}")));
            }
            release.plane.kubectl_ok(&["replace", "-f", "-"], Some(&object.to_string())).await;
        }
        self.webhook = Some(webhook);
        // The API server reads the configurations by a watch.
        let probe = "
apiVersion: roster.dev/v1alpha1
kind: Membership
metadata: {name: probe, namespace: default}
spec: {accountRef: {name: probe}, user: {email: probe@shop.example}}
";
        eventually(PATIENCE, "the API server to call the webhook", async || {
            let args = ["apply", "--dry-run=server", "-f", "-", "-o", "jsonpath={.metadata.annotations}"];
            let out = self.release.plane.kubectl(&args, Some(probe)).await;
            String::from_utf8_lossy(&out.stdout).contains("roster.dev/actor").then_some(())
        })
        .await;
    }

    /// Returns what kubectl prints for a user: errors and warnings first.
    pub async fn kubectl_as(&self, user: &str, groups: &[&str], args: &[&str], stdin: Option<&str>) -> String {
        let mut all = vec!["--as", user];
        let groups: Vec<String> = groups.iter().map(|group| format!("--as-group={group}")).collect();
        all.extend(groups.iter().map(String::as_str));
        all.push("--as-group=system:authenticated");
        let out = self.release.plane.kubectl(&[&all, args].concat(), stdin).await;
        format!("{}{}", String::from_utf8_lossy(&out.stderr), String::from_utf8_lossy(&out.stdout))
    }

    /// Applies an object as a user, and returns what kubectl prints.
    pub async fn apply_as(&self, user: &str, yaml: &str) -> String {
        let groups: &[&str] = if user == PIA { &["platform"] } else { &[] };
        self.kubectl_as(user, groups, &["apply", "--server-side", "--force-conflicts", "-f", "-"], Some(yaml)).await
    }

    async fn stamp(&self, kind: &str, name: &str) -> String {
        let path = "-o=jsonpath={.metadata.annotations.roster\\.dev/actor}";
        self.release.kubectl(&["get", kind, "-n", "partner-accounts", name, path]).await
    }
}

/// A Membership with this role in an account; `more` are further fields of its spec.
pub fn membership(name: &str, account: &str, role: &str, more: &str) -> String {
    format!(
        "
apiVersion: roster.dev/v1alpha1
kind: Membership
metadata: {{name: {name}, namespace: partner-accounts}}
spec:
  accountRef: {{name: {account}}}
  user: {{email: {name}@retail.example, displayName: {name}}}
  roleRef: {{name: {role}}}
{more}"
    )
}

fn annotated(yaml: &str, annotation: &str) -> String {
    yaml.replace(
        "namespace: partner-accounts}",
        &format!("namespace: partner-accounts, annotations: {{{annotation}}}}}"),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_of_access_are_judged_and_stamped() {
    let mut scene = Scene::new("webhook").await;
    let mut said = String::new();
    let finance = membership("nils", "interlink-retail", "finance", "");
    let on_behalf = |address: &str| annotated(&finance, &format!("roster.dev/on-behalf-of: {address}"));
    let forged = annotated(&finance, "roster.dev/actor: '1:administrator:pia'");
    let attempts = [
        ("a member of the managed account", RHEA, finance.clone()),
        ("somebody whom nobody knows", "jane", finance.clone()),
        ("a portal for a member of the managed account", PORTAL, on_behalf("rhea@retail.example")),
        ("a service account that may not act for members", PIPELINE, on_behalf("carol@interlink.example")),
        ("a portal for the partner's administrator", PORTAL, on_behalf("carol@interlink.example")),
        ("the portal for nobody", PORTAL, membership("neo", "interlink-retail", "finance", "")),
        ("an account that does not exist", "jane", membership("nemo", "later", "finance", "")),
        ("the partner's administrator", CAROL, membership("nora", "interlink-retail", "finance", "")),
        ("the same, more than her role", CAROL, membership("nick", "interlink-retail", "managed-company-admin", "")),
        ("a pipeline within its role", PIPELINE, membership("nina", "interlink-retail", "finance", "")),
        ("a pipeline beyond its role", PIPELINE, membership("nell", "interlink-retail", "managed-company-admin", "")),
        ("an administrator", PIA, membership("noor", "interlink-retail", "managed-company-admin", "")),
        ("a forged stamp", CAROL, forged),
        ("a forged invitation", CAROL, membership("nate", "interlink-retail", "finance", "  invitationRef: {name: x}")),
    ];
    for (what, user, yaml) in attempts {
        let printed = scene.apply_as(user, &yaml).await;
        let _ = writeln!(said, "# {what}: {user}\n{printed}");
    }
    for name in ["nils", "nora", "nina", "nell", "noor"] {
        let _ = writeln!(said, "{name}: {}", scene.stamp("membership", name).await);
    }
    assert_snapshot!("judged", said);

    // Locks that need no webhook's verdict.
    let mut said = String::new();
    let annotate =
        |key: &'static str| ["annotate", "--overwrite", "account", "-n", "partner-accounts", "interlink", key];
    let relabel = ["label", "namespace", "partner-accounts", "roster.dev/tier=gold"];
    let steal = [
        "annotate",
        "--overwrite",
        "membership",
        "-n",
        "partner-accounts",
        "nils",
        "roster.dev/actor=1:oidc:rhea@retail.example",
    ];
    // What somebody owns who does not exist is deleted by the garbage collector.
    let owner = "{\"metadata\": {\"ownerReferences\": [{\"apiVersion\": \"v1\", \"kind\": \"ConfigMap\", \"name\": \"x\", \
                 \"uid\": \"11111111-2222-3333-4444-555555555555\"}]}}";
    let finalizer = "{\"metadata\": {\"finalizers\": [\"roster.dev/store\"]}}";
    let patch = |what: &'static str, patch: &'static str| {
        vec!["patch", what, "-n", "partner-accounts", "interlink", "--type=merge", "-p", patch]
    };
    let locks: [(&str, Vec<&str>); 8] = [
        (CAROL, patch("account", owner)),
        (CAROL, patch("account", finalizer)),
        (CAROL, annotate("roster.dev/paused=true").to_vec()),
        (CAROL, annotate("roster.dev/approve-removal=abc").to_vec()),
        (CAROL, annotate("team=shop").to_vec()),
        (CAROL, relabel.to_vec()),
        (CAROL, vec!["delete", "identitystore", "default"]),
        (RHEA, steal.to_vec()),
    ];
    for (user, args) in locks {
        let _ =
            writeln!(said, "$ {user}: kubectl {}\n{}", args.join(" "), scene.kubectl_as(user, &[], &args, None).await);
    }
    assert_eq!(
        scene.stamp("membership", "nils").await,
        "1:for:carol@interlink.example:system:serviceaccount:shop:portal"
    );
    let of_pia =
        [annotate("roster.dev/paused=true").to_vec(), annotate("roster.dev/paused-").to_vec(), relabel.to_vec()];
    for args in of_pia {
        let _ = writeln!(
            said,
            "$ {PIA}: kubectl {}\n{}",
            args.join(" "),
            scene.kubectl_as(PIA, &["platform"], &args, None).await
        );
    }
    assert_snapshot!("locks", said);

    // Called once more for the same request, as after a change by another webhook, it knows for whom the portal acts.
    let mut again = scene.release.json(&["get", "mutatingwebhookconfiguration", NAME]).await;
    again["metadata"] = json!({"name": "zzz-again"});
    again["webhooks"][0]["name"] = json!("again.roster.dev");
    scene.release.apply(&again.to_string()).await;
    let beyond = on_behalf("rhea@retail.example").replace("nils", "nono");
    eventually(PATIENCE, "the second webhook to be called", async || {
        let metrics = scene.release.kubectl(&["get", "--raw", "/metrics"]).await;
        let called = metrics
            .lines()
            .any(|line| line.contains("webhook_admission_duration_seconds_count{name=\"again.roster.dev\""));
        if !called {
            scene.apply_as(PORTAL, &beyond).await;
        }
        called.then_some(())
    })
    .await;
    let refused = scene.apply_as(PORTAL, &beyond).await;
    assert!(refused.contains("rhea@retail.example does not hold"), "{refused}");
    scene.apply_as(PORTAL, &on_behalf("carol@interlink.example").replace("nils", "norm")).await;
    let stamp = scene.stamp("membership", "norm").await;
    assert_eq!(stamp, "1:for:carol@interlink.example:system:serviceaccount:shop:portal");
    scene.release.kubectl(&["delete", "mutatingwebhookconfiguration", "zzz-again"]).await;

    // A dry run shows the effect, and makes nothing.
    let again = membership("nora", "interlink-retail", "read-only", "");
    let args = ["apply", "--server-side", "--force-conflicts", "--dry-run=server", "-f", "-"];
    let mut said = scene.kubectl_as(CAROL, &[], &args, Some(&again)).await;
    assert_eq!(scene.stamp("membership", "nora").await, format!("1:{CAROL}"));

    // Without any webhook, what may grant is refused; what takes away, and what administrators do, is not.
    scene.webhook.take().unwrap().kill().await;
    let suspended = membership("nora", "interlink-retail", "finance", "  suspended: true");
    let away = [
        (CAROL, membership("nate", "interlink-retail", "finance", "")),
        (CAROL, suspended),
        (CAROL, membership("nina", "interlink-retail", "managed-company-admin", "  suspended: true")),
        (PIA, membership("neil", "interlink-retail", "read-only", "")),
        (PORTAL, on_behalf("carol@interlink.example").replace("finance", "read-only")),
    ];
    for (user, yaml) in away {
        let printed = scene.apply_as(user, &yaml).await;
        // The API server's own words differ from release to release.
        let printed = printed.split("https://").next().unwrap_or_default();
        let _ = writeln!(said, "# {user}, without a webhook\n{printed}");
    }
    let delete = ["delete", "membership", "-n", "partner-accounts", "nils"];
    said += &scene.kubectl_as(CAROL, &[], &delete, None).await;
    let _ = writeln!(
        said,
        "nora: {}\nneil: {:?}",
        scene.stamp("membership", "nora").await,
        scene.stamp("membership", "neil").await
    );
    assert_snapshot!("away", said);
}
