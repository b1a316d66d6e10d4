//! Verdicts of the admission webhook: a patch that it judges against the same patch with a webhook that allows
//! everything. Called by `main`.

use std::{
    fs,
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use axum::{Json, Router, extract::State, routing::post};
use axum_server::tls_rustls::RustlsConfig;
use jiff::Timestamp;
use kube::{
    Api, Client, Config,
    api::{Patch, PatchParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use roster::{
    api::{IdentityStore, Membership, Role},
    webhook::certificate::Pair,
};
use serde_json::{Value, json};

use crate::{
    cluster,
    controller::Controller,
    environment::Environment,
    objects, progress,
    report::{Row, Target},
    size::Size,
    summary::{median, milliseconds, percentile},
    support::apply_yaml,
};

const NAMESPACE: &str = "authority";
const ACCOUNT: &str = "judged";
/// Begins the names of members; their address follows.
const PREFIX: &str = "bench:";
/// Patches of each kind.
const ROUNDS: u32 = 100;

/// The owner may write everything; what decides is the webhook.
const RIGHTS: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: writers}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: writers}
subjects: [{kind: Group, name: 'bench:members', apiGroup: rbac.authorization.k8s.io}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: writers}
rules: [{apiGroups: [roster.dev], resources: [memberships, accessroles], verbs: [get, patch]}]
";

pub async fn measure(environment: &Environment, size: &Size) -> Result<Vec<Row>> {
    let client = &environment.client;
    let holders = size.holders / 2;
    cluster::create_accounts(client, NAMESPACE, &[ACCOUNT.to_owned()]).await?;
    apply_yaml(client, "default", RIGHTS).await;
    let stores: Api<IdentityStore> = Api::all(client.clone());
    let enforce = json!({"spec": {"accountDefaults": {"enforcement": "Enforce"}}});
    stores.patch("default", &PatchParams::default(), &Patch::Merge(&enforce)).await?;
    progress(&format!("creating {} memberships", size.large));
    let members = (0..size.large).map(|number| objects::member(NAMESPACE, ACCOUNT, number, holders));
    cluster::fill(client, NAMESPACE, members.collect()).await?;

    progress("a webhook that judges, and one that allows everything");
    let folder = environment.folder("authority").await?;
    let authority = Pair::authority(Timestamp::now())?;
    fs::write(folder.join("tls.crt"), &authority.certificate)?;
    fs::write(folder.join("tls.key"), &authority.key)?;
    let bare = Bare::start(&authority).await?;
    let (mut webhook, judge) = Controller::webhook(environment, &folder, PREFIX)?;
    register(client, &authority, &bare.url, &judge).await?;

    let owner = as_owner(environment).await?;
    let memberships: Api<Membership> = Api::namespaced(owner.clone(), NAMESPACE);
    let roles: Api<Role> = Api::namespaced(owner, NAMESPACE);
    let member = objects::name(ACCOUNT, size.large - 1);
    let role = format!("{ACCOUNT}-{}", objects::SHIFT);
    // Each patch changes something: a role that the member does not have.
    let role_ref = |round: u32| {
        let role = objects::ROLES[(size.large + round % 2) as usize % objects::ROLES.len()];
        json!({"roleRef": {"kind": "PredefinedRole", "name": role}})
    };
    let level = |round: u32| {
        let level = if round.is_multiple_of(2) { "Edit" } else { "Manage" };
        serde_json::to_value(objects::shift(NAMESPACE, ACCOUNT, level).spec).unwrap_or_default()
    };
    let another = objects::name(ACCOUNT, size.large - 4);
    until_called(&memberships, &another, &bare, &mut webhook, &role_ref).await?;
    let (mut of_member, mut of_role) = (Times::default(), Times::default());
    for round in 0..ROUNDS {
        of_member.measure(&memberships, &member, &role_ref(round)).await?;
        of_role.measure(&roles, &role, &level(round)).await?;
    }
    let memory = webhook.memory()?.resident;
    webhook.stop().await?;
    let row = |id, figure: String, target, ratio, times: &Times| {
        let spread = |times: &[Duration]| {
            let times = milliseconds(times);
            vec![percentile(&times, 10), median(&times), percentile(&times, 99)]
        };
        Row::new(id, figure, "", Target::AtMost(target), ratio)
            .with("judged_ms_p10_p50_p99", spread(&times.judged))
            .with("bare_ms_p10_p50_p99", spread(&times.bare))
    };
    let (judged, bare) = (milliseconds(&of_member.judged), milliseconds(&of_member.bare));
    let figure = format!("verdict about a Membership of {}: patch ÷ the same with a bare webhook", size.large);
    let membership = row("verdict-membership", figure, 1.5, median(&judged) / median(&bare), &of_member)
        .with("webhook_resident_kib_each", vec![memory / f64::from(size.large) / 1_024.0]);
    let (judged, bare) = (milliseconds(&of_role.judged), milliseconds(&of_role.bare));
    let figure = format!("verdict about a Role that {holders} hold: p99 of a patch ÷ the same with a bare webhook");
    let ratio = percentile(&judged, 99) / median(&bare);
    Ok(vec![membership, row("verdict-role", figure, 10.0, ratio, &of_role)])
}

/// Times of patches with both webhooks.
#[derive(Default)]
struct Times {
    judged: Vec<Duration>,
    bare: Vec<Duration>,
}

impl Times {
    /// Patches an object, as a dry run, with each webhook once.
    async fn measure<K>(&mut self, api: &Api<K>, name: &str, spec: &Value) -> Result<()>
    where
        K: Clone + std::fmt::Debug + serde::de::DeserializeOwned,
    {
        self.bare.push(patch(api, name, "bare", spec, true).await?);
        self.judged.push(patch(api, name, "judge", spec, true).await?);
        Ok(())
    }
}

async fn patch<K>(api: &Api<K>, name: &str, webhook: &str, spec: &Value, dry_run: bool) -> Result<Duration>
where
    K: Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    let patch = Patch::Merge(json!({"metadata": {"annotations": {"bench": webhook}}, "spec": spec}));
    let started = Instant::now();
    match api.patch(name, &PatchParams { dry_run, ..PatchParams::default() }, &patch).await {
        Ok(_) => {}
        // A refusal is a verdict, too.
        Err(kube::Error::Api(status)) if status.code == 403 => {}
        Err(error) => return Err(error.into()),
    }
    Ok(started.elapsed())
}

/// Waits until the API server calls both webhooks.
async fn until_called(
    api: &Api<Membership>,
    name: &str,
    bare: &Bare,
    webhook: &mut Controller,
    spec: &impl Fn(u32) -> Value,
) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(120);
    let mut turn = 0;
    loop {
        for webhook in ["bare", "judge"] {
            turn += 1;
            // While a webhook does not answer, the request is refused. Verdicts about dry runs are not counted.
            let _ = patch(api, name, webhook, &spec(turn), false).await;
        }
        let judged = webhook.sum("roster_admissions_total").await.unwrap_or_default();
        if bare.calls.load(Ordering::Relaxed) > 0 && judged > 0.0 {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "the API server does not call the webhooks");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// A webhook that allows everything.
struct Bare {
    url: String,
    calls: Arc<AtomicU64>,
}

impl Bare {
    async fn start(authority: &Pair) -> Result<Self> {
        async fn allow(State(calls): State<Arc<AtomicU64>>, Json(review): Json<Value>) -> Json<Value> {
            calls.fetch_add(1, Ordering::Relaxed);
            let response = json!({"uid": review["request"]["uid"], "allowed": true});
            Json(json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}))
        }
        let calls = Arc::new(AtomicU64::new(0));
        let routes = Router::new().route("/", post(allow)).with_state(calls.clone());
        let listener = TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let url = format!("https://localhost:{}/", listener.local_addr()?.port());
        let config = authority.server(&["localhost".to_owned()], Timestamp::now())?.server_config()?;
        let tls = RustlsConfig::from_config(Arc::new(config));
        let server = axum_server::from_tcp_rustls(listener, tls)?;
        tokio::spawn(server.serve(routes.into_make_service()));
        Ok(Self { url, calls })
    }
}

/// Registers both webhooks: the annotation of an object says which one a patch is for.
async fn register(client: &Client, authority: &Pair, bare: &str, judge: &str) -> Result<()> {
    use k8s_openapi::{ByteString, api::admissionregistration::v1::ValidatingWebhookConfiguration};
    let bundle = ByteString(authority.certificate.clone().into_bytes());
    let webhook = |name: &str, url: &str| {
        json!({
            "name": format!("{name}.roster.dev"),
            "admissionReviewVersions": ["v1"],
            "clientConfig": {"url": url, "caBundle": bundle},
            "sideEffects": "None",
            "matchConditions": [{
                "name": "asked-for",
                "expression": format!("object.metadata.?annotations[?'bench'].orValue('') == '{name}'"),
            }],
            "rules": [{
                "apiGroups": ["roster.dev"],
                "apiVersions": ["*"],
                "operations": ["UPDATE"],
                "resources": ["memberships", "accessroles"],
            }],
        })
    };
    let configuration = json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "bench"},
        "webhooks": [webhook("bare", bare), webhook("judge", judge)],
    });
    let api: Api<ValidatingWebhookConfiguration> = Api::all(client.clone());
    let configuration: ValidatingWebhookConfiguration = serde_json::from_value(configuration)?;
    api.patch("bench", &PatchParams::apply("bench").force(), &Patch::Apply(&configuration)).await?;
    Ok(())
}

/// Returns a client that acts as the account's owner.
async fn as_owner(environment: &Environment) -> Result<Client> {
    let kubeconfig = Kubeconfig::read_from(&environment.kubeconfig).context("the kubeconfig")?;
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    config.auth_info.impersonate = Some(format!("{PREFIX}owner@{ACCOUNT}.example"));
    config.auth_info.impersonate_groups = Some(vec!["bench:members".to_owned(), "system:authenticated".to_owned()]);
    Ok(Client::try_from(config)?)
}
