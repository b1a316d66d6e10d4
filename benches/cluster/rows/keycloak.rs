//! Measures very many groups and users in a Keycloak, from nothing until all are Ready: time, requests, and the time
//! until a change by others is corrected.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use crate::{
    cluster,
    controller::Controller,
    environment::Environment,
    keycloak::Server,
    objects, progress,
    report::{Row, Target},
    size::Size,
    watcher::MembershipWatcher,
};

/// Time limit of each step.
const PATIENCE: Duration = Duration::from_secs(600);
/// Name of namespace, account, store, Secret and realm.
const NAME: &str = "keycloak";

pub async fn measure(environment: &Environment, size: &Size) -> Result<Vec<Row>> {
    progress("starting Keycloak");
    let server = Server::start().await;
    server.realm(NAME, &["manage-clients", "manage-realm", "manage-users", "view-events"]).await;
    let (counter, port) = Counter::in_front_of(server.port()).await?;
    let client = &environment.client;
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": NAME, "annotations": {"roster.dev/store": NAME}},
        "stringData": {"secret": "hush"},
    });
    let secrets: Api<Secret> = Api::namespaced(client.clone(), "roster-system");
    secrets.patch(NAME, &PatchParams::apply("bench").force(), &Patch::Apply(&secret)).await?;
    let count = size.keycloak;
    progress(&format!("creating {count} groups and {count} users for Keycloak"));
    let store = objects::keycloak(NAME, &format!("http://127.0.0.1:{port}"), NAME);
    cluster::create_accounts_in(client, NAME, &[NAME.to_owned()], &store).await?;
    cluster::create(client, NAME, (0..count).map(|number| objects::group(NAME, NAME, number)).collect()).await?;
    cluster::fill(client, NAME, (0..count).map(|number| objects::member_in(NAME, NAME, number)).collect()).await?;
    let watcher = MembershipWatcher::open(client).await?;
    let folder = environment.folder(NAME).await?;
    progress("converging");
    let started = Instant::now();
    let mut controller = Controller::start(environment, &folder)?;
    let took = (watcher.all_ready(count, PATIENCE).await? - started).as_secs_f64();
    let memory = controller.memory()?;
    let requests = counter.requests() as f64;
    controller.quiet().await?;
    let least = least(&server, count).await? as f64;
    progress("correcting");
    let group = group(&server, 1).await?;
    let path = format!("/{NAME}/groups/{}", group["id"].as_str().unwrap_or_default());
    let mut changed = group.clone();
    changed["attributes"]["title"] = json!(["Changed"]);
    let attribute = corrected(&server, Method::PUT, &path, changed, 1).await?;
    let deleted = corrected(&server, Method::DELETE, &path, Value::Null, 1).await?;
    controller.stop().await?;
    cluster::clear(client, NAME).await?;
    let objects = f64::from(count * 2);
    let rate = Row::new(
        "keycloak-rate",
        format!("Keycloak: {count} groups and {count} users until all are Ready"),
        "objects/s",
        Target::AtLeast(45.0),
        objects / took,
    );
    Ok(vec![
        rate.with("seconds", vec![took])
            .with("resident_mib", vec![memory.resident / 1_048_576.0])
            .with("peak_mib", vec![memory.peak / 1_048_576.0]),
        Row::new("keycloak-group", "Keycloak: a deleted group is put right after", "s", Target::AtMost(10.0), deleted),
        Row::new("keycloak-attribute", "the same of a changed attribute", "s", Target::AtMost(10.0), attribute),
        Row::new(
            "keycloak-requests",
            "its requests ÷ the least that make that state",
            "",
            Target::AtMost(1.5),
            requests / least,
        )
        .with("requests", vec![requests])
        .with("least", vec![least]),
    ])
}

/// Returns the smallest number of requests that creates this state by Keycloak's API: one for each object, for each member
/// of the organization, for all client roles of a member, for a group of a member, and for the roles that the client scope
/// lets pass. Reads are not counted.
async fn least(server: &Server, members: u32) -> Result<u64> {
    let client = &server.get(&format!("/{NAME}/clients?clientId={NAME}/{NAME}")).await[0];
    let client = client["id"].as_str().unwrap_or_default();
    let roles = server.get(&format!("/{NAME}/clients/{client}/roles?max=1000")).await;
    let top = server.get(&format!("/{NAME}/groups?exact=true&search={NAME}/{NAME}")).await;
    let groups = top[0]["subGroupCount"].as_u64().unwrap_or(0);
    let organization = &server.get(&format!("/{NAME}/organizations?exact=true&search={NAME}/{NAME}")).await[0];
    let organization = organization["id"].as_str().unwrap_or_default();
    let people = server.get(&format!("/{NAME}/organizations/{organization}/members/count")).await.as_u64().unwrap_or(0);
    ensure!(groups >= u64::from(members) && people >= u64::from(members), "{groups} groups, {people} people");
    // Client, organization, client scope, group; and the scope's mapping.
    Ok(5 + roles.as_array().map_or(0, Vec::len) as u64 + groups + people * 3 + u64::from(members))
}

/// Returns a group as Keycloak has it, or null if it does not exist.
async fn group(server: &Server, number: u32) -> Result<Value> {
    let top = server.get(&format!("/{NAME}/groups?exact=true&search={NAME}/{NAME}")).await;
    let parent = top[0]["id"].as_str().unwrap_or_default();
    let name = format!("group:{}", objects::group_name(number));
    let path = format!("/{NAME}/groups/{parent}/children?briefRepresentation=false&exact=true&search={name}");
    Ok(server.get(&path).await[0].clone())
}

/// Changes a group behind Roster's back; returns the seconds until it is corrected.
async fn corrected(server: &Server, method: Method, path: &str, body: Value, number: u32) -> Result<f64> {
    let was = group(server, number).await?["attributes"].clone();
    let started = Instant::now();
    server.send(method, path, body).await;
    while group(server, number).await?["attributes"] != was {
        ensure!(started.elapsed() < PATIENCE, "group {number} is not corrected");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(started.elapsed().as_secs_f64())
}

/// Counts the requests to Keycloak.
struct Counter(Arc<AtomicU64>);

impl Counter {
    /// Starts a proxy in front of a local port; returns it with its own port.
    async fn in_front_of(target: u16) -> Result<(Self, u16)> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let count = Arc::new(AtomicU64::new(0));
        let shared = count.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, target, shared.clone()));
            }
        });
        Ok((Self(count), port))
    }

    fn requests(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

async fn pass(client: TcpStream, target: u16, count: Arc<AtomicU64>) -> Result<()> {
    let server = TcpStream::connect(("127.0.0.1", target)).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
        (client.into_split(), server.into_split());
    let up = async {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let length = from_client.read(&mut buffer).await?;
            if length == 0 {
                return Ok::<_, std::io::Error>(());
            }
            let text = buffer.get(..length).unwrap_or_default();
            let requests = text.windows(11).filter(|window| *window == b" HTTP/1.1\r\n").count();
            count.fetch_add(requests as u64, Ordering::Relaxed);
            to_server.write_all(text).await?;
        }
    };
    let down = tokio::io::copy(&mut from_server, &mut to_client);
    tokio::select! {
        _ = up => {}
        _ = down => {}
    }
    Ok(())
}
