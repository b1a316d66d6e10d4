//! Tests what the charts render with kubeconform. The schemas are made from what the API server itself publishes,
//! including the Prometheus operator's definitions and Roster's, because those that kubeconform would fetch are of
//! other versions.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::charts::{ACCESS, CHART, template};
use crate::support::tools::{tool, tool_file};
use crate::support::{ControlPlane, PATIENCE, SYSTEM, eventually_or, install_crds};

/// Makes the kinds of the Prometheus operator known to an API server, as a cluster that has it knows them.
async fn install_operator(plane: &ControlPlane) {
    plane.kubectl_ok(&["create", "-f", tool_file("crds").to_str().unwrap()], None).await;
    plane.definitions_established().await;
}

/// Schemas that the API server publishes when it knows all kinds.
async fn published(plane: &ControlPlane, kinds: &[&str]) -> Value {
    let mut published = Value::Null;
    eventually_or(PATIENCE, format!("the API server to publish {kinds:?}"), async || {
        published = serde_json::from_str(&plane.kubectl_ok(&["get", "--raw", "/openapi/v2"], None).await).unwrap();
        let all: Vec<String> = described(&published).map(|(_, kind)| kind["kind"].to_string()).collect();
        let missing: Vec<_> = kinds.iter().filter(|kind| !all.contains(&format!("\"{kind}\""))).collect();
        if missing.is_empty() { Ok(()) } else { Err(format!("{missing:?} are missing")) }
    })
    .await;
    published
}

/// The definitions that describe a kind, and the group, version and kind that each describes.
fn described(published: &Value) -> impl Iterator<Item = (&String, &Value)> {
    published["definitions"].as_object().unwrap().iter().flat_map(|(name, schema)| {
        let kinds = schema["x-kubernetes-group-version-kind"].as_array().into_iter().flatten();
        kinds.map(move |kind| (name, kind))
    })
}

/// Adds to the published schemas what the server's own types check, as JSON Schema: an unknown field is an error, a
/// port may be a name, and a quantity a number.
fn strict(schema: &mut Value) {
    if let Value::Object(object) = schema {
        let open = ["additionalProperties", "x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource"];
        if object.get("properties").is_some_and(Value::is_object) && !open.iter().any(|key| object.contains_key(*key)) {
            object.insert("additionalProperties".to_owned(), json!(false));
        }
        if object.get("format").is_some_and(|format| format == "int-or-string") {
            object.insert("type".to_owned(), json!(["integer", "string"]));
        }
    }
    match schema {
        Value::Object(object) => object.values_mut().for_each(strict),
        Value::Array(array) => array.iter_mut().for_each(strict),
        _ => {}
    }
}

/// Writes a file for each kind, under the name that kubeconform asks for, and one with all that these refer to.
fn write_schemas(published: &Value, folder: &Path) {
    let mut definitions = published["definitions"].clone();
    definitions.as_object_mut().unwrap().values_mut().for_each(strict);
    let quantity = "io.k8s.apimachinery.pkg.api.resource.Quantity";
    definitions[quantity]["type"] = json!(["string", "number"]);
    fs::write(folder.join("all.json"), json!({"definitions": definitions}).to_string()).unwrap();
    for (name, kind) in described(published) {
        let text = |field: &str| kind[field].as_str().unwrap().to_lowercase();
        let file = format!("{}-{}-{}.json", text("kind"), text("group").split('.').next().unwrap(), text("version"));
        let file = file.replace("--", "-");
        let schema = json!({"$ref": format!("all.json#/definitions/{name}")});
        fs::write(folder.join(file), schema.to_string()).unwrap();
    }
}

fn kubeconform(schemas: &Path, rendered: &str) -> Output {
    let file = schemas.join("rendered.yaml");
    fs::write(&file, rendered).unwrap();
    let location = format!("{}/{{{{ .ResourceKind }}}}{{{{ .KindSuffix }}}}.json", schemas.display());
    let mut command: Command = tool("kubeconform");
    command.args(["-strict", "-summary", "-schema-location", &location]).arg(&file).output().unwrap()
}

#[tokio::test]
async fn what_is_rendered_conforms_to_the_schemas_of_the_api_server_and_it_takes_all_of_it() {
    let plane = ControlPlane::own("helm-conform").await;
    install_crds(&plane.client().await).await;
    install_operator(&plane).await;
    let published = published(&plane, &["Account", "ServiceMonitor", "PrometheusRule"]).await;
    let schemas = tempfile::tempdir().unwrap();
    write_schemas(&published, schemas.path());

    let plain = template(CHART, &["--set", "defaultStore.create=true,rbac.aggregate=false"]);
    let everything = template(CHART, &["-f", "charts/roster/ci/postgres.yaml"]);
    let access = template(ACCESS, &["-f", "charts/roster-access/ci/portal.yaml"]);
    plane.kubectl_ok(&["create", "namespace", SYSTEM], None).await;
    // A dry run makes no account, and no Pod, that of `helm test`, is taken without.
    plane.kubectl_ok(&["create", "serviceaccount", "roster", "-n", SYSTEM], None).await;
    for rendered in [&plain, &everything, &access] {
        let out = kubeconform(schemas.path(), rendered);
        let says = String::from_utf8_lossy(&out.stdout).into_owned();
        assert!(out.status.success(), "{says}{}", String::from_utf8_lossy(&out.stderr));
        let documents = rendered.lines().filter(|line| line.starts_with("kind: ")).count();
        assert!(says.contains(&format!("Valid: {documents}, Invalid: 0, Errors: 0, Skipped: 0")), "{says}");
        // And the server itself, which has more to say than its schemas.
        let dry = ["apply", "--dry-run=server", "--server-side", "--force-conflicts", "--validate=strict", "-f", "-"];
        let taken = plane.kubectl_ok(&dry, Some(rendered)).await;
        assert_eq!(taken.lines().count(), documents, "{taken}");
        assert_eq!(taken.contains("pod/roster-test "), rendered != &access, "{taken}");
    }
    // It reports a wrong type, an unknown field, and a wrong object of Roster's kinds.
    for (rendered, good, wrong, says) in [
        (&everything, "replicas: 3", "replicas: three", "/spec/replicas"),
        (&everything, "terminationGracePeriodSeconds:", "terminationGraceSeconds:", "terminationGraceSeconds"),
        (&everything, "restartPolicy: Never", "restartPolicies: Never", "roster-test"),
        (&everything, "endpoints:", "endpoint:", "ServiceMonitor"),
        (&access, "catalogRef:", "catalog:", "Account"),
    ] {
        assert!(rendered.contains(good), "{good}");
        let out = kubeconform(schemas.path(), &rendered.replacen(good, wrong, 1));
        assert!(!out.status.success(), "{wrong} passes");
        let output = String::from_utf8_lossy(&out.stdout);
        assert!(output.contains(says), "{wrong}: {output}");
    }
}
