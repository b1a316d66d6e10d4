//! Tests the charts without a cluster: rendering, values, alerts.

use std::fs;

use serde_json::Value;

use crate::support::parse_yaml;
use crate::support::tools::{repository, stderr_of, stdout_of, tool};

pub const CHART: &str = "charts/roster";
pub const ACCESS: &str = "charts/roster-access";

pub fn template(chart: &str, args: &[&str]) -> String {
    stdout_of(tool("helm").args(["template", "roster", chart, "-n", "roster-system"]).args(args))
}

#[test]
fn the_charts_have_no_lint_findings() {
    stdout_of(tool("helm").args(["lint", "--strict", CHART]));
    stdout_of(tool("helm").args(["lint", "--strict", CHART, "-f", "charts/roster/ci/postgres.yaml"]));
    stdout_of(tool("helm").args(["lint", "--strict", ACCESS, "-f", "charts/roster-access/ci/portal.yaml"]));
}

#[test]
fn the_rendered_charts_match_the_snapshots() {
    let postgres = template(CHART, &["--set", "crds.install=false", "-f", "charts/roster/ci/postgres.yaml"]);
    insta::assert_snapshot!("postgres", postgres);
    insta::assert_snapshot!("access", template(ACCESS, &["-f", "charts/roster-access/ci/portal.yaml"]));
}

#[test]
fn the_charts_contain_the_definitions_of_this_build() {
    let rendered: Vec<Value> = parse_yaml(&template(CHART, &["-s", "templates/crds.yaml"]));
    let files = roster::api::crds_files().unwrap();
    let ours: Vec<Value> = files.into_iter().flat_map(|(_, content)| parse_yaml(content.as_ref())).collect();
    assert_eq!(rendered.len(), ours.len());
    for crd in ours {
        let found = rendered.iter().find(|one| one["metadata"]["name"] == crd["metadata"]["name"]).expect("rendered");
        assert_eq!(found["spec"], crd["spec"]);
        assert_eq!(found["metadata"]["annotations"]["helm.sh/resource-policy"], "keep");
    }
}

#[test]
fn valid_values_are_accepted() {
    for set in [
        "image.repository=localhost:5000/team/roster_dev/roster",
        "image.repository=123456789012.dkr.ecr.eu-central-1.amazonaws.com/roster",
        "image.repository=Registry.Example/a__b/c--d",
        "image.tag=null,image.digest=null,controller.clusterId=null",
        "controller.logLevel=INFO",
        "controller.logLevel=warn\\,roster::controller=trace\\,[pass{account=a}]=debug",
        "http.address=[::]",
        "http.address=$(POD_IP)",
        "fullnameOverride=r2",
        "controller.extraArgs={--otlp-endpoint=http://collector:4318,--context=a}",
        "resources=null,affinity=null,nodeSelector=null,tolerations=null",
        "controller.extraVolumes[0].name=ca,controller.extraVolumes[0].configMap.name=ca,\
         controller.extraVolumeMounts[0].name=ca,controller.extraVolumeMounts[0].mountPath=/etc/ca",
        // As `--reuse-values` would have it from a release that did not know them.
        "controller.extraVolumes=null,controller.extraVolumeMounts=null",
        "metrics.rules.removalsHeldFor=null,metrics.rules.storeNotReadyFor=null",
    ] {
        stdout_of(tool("helm").args(["template", "roster", CHART, "--set", set]));
    }
}

#[test]
fn invalid_values_are_refused_with_a_reason() {
    for (set, says) in [
        ("sqlite.enabld=false", "additional properties 'enabld' not allowed"),
        ("image.pullPolicy=Sometimes", "/image/pullPolicy"),
        ("controller.maxConcurrentAccounts=0", "/controller/maxConcurrentAccounts"),
        ("controller.shards=65", "/controller/shards"),
        ("metrics.rules.driftFor=soon", "/metrics/rules/driftFor"),
        ("image.repository=images.example/Roster", "/image/repository"),
        ("image.repository=images.example/roster:1", "/image/repository"),
        ("image.tag=a/b", "/image/tag"),
        ("http.address=everywhere", "/http/address"),
        ("controller.logLevel=loud", "/controller/logLevel"),
        ("http.address=127.0.0.1", "/http/address"),
        (
            "controller.extraArgs={--log=debug}",
            "controller.extraArgs: --log=debug is set already, by controller.logLevel",
        ),
        (
            "controller.extraVolumes[0].name=stores,controller.extraVolumes[0].configMap.name=a",
            "/controller/extraVolumes/0/name",
        ),
        (
            "controller.extraVolumeMounts[0].name=ca,controller.extraVolumeMounts[0].mountPath=/etc/ca",
            "controller.extraVolumeMounts: there is no ca in controller.extraVolumes",
        ),
        (
            "controller.extraVolumes[0].name=ca,controller.extraVolumes[0].configMap.name=ca,\
             controller.extraVolumeMounts[0].name=ca,controller.extraVolumeMounts[0].mountPath=/var/lib/roster",
            "/controller/extraVolumeMounts/0/mountPath",
        ),
        ("resources.limit.memory=1Gi", "/resources"),
        ("controller.shards=null", "missing property 'shards'"),
        ("image.repository=null", "missing property 'repository'"),
        ("fullnameOverride=Foo_Bar", "/fullnameOverride"),
        ("fullnameOverride=1roster", "/fullnameOverride"),
        ("metrics.rules.enabled=true,metrics.rules.driftFor=null", "missing property 'driftFor'"),
        ("livenessProbe.successThreshold=2", "/livenessProbe/successThreshold"),
        (
            "sqlite.enabled=false,defaultStore.create=true,rbac.secretNames={other},\
             defaultStore.spec.postgres.connectionSecretRef.name=roster-postgres",
            "rbac.secretNames: roster-postgres is missing, which defaultStore.spec names",
        ),
        ("terminationGracePeriodSeconds=5", "/terminationGracePeriodSeconds"),
        ("sqlite.enabled=false,defaultStore.create=true", "missing property 'postgres'"),
        ("sqlite.persistence.accessModes={ReadWriteMany}", "/sqlite/persistence/accessModes"),
    ] {
        let out = tool("helm").args(["template", "roster", CHART, "--set", set]).output().unwrap();
        let says_instead = stderr_of(&out);
        assert!(says_instead.contains(says), "{set}: {says_instead}");
    }
    let both = "accounts.a.spec.catalogRef.name=c,accounts.a.members.x@y\\.z.role=one,accounts.a.members.x@y\\.z.spec.roleRef.name=two";
    let out = tool("helm").args(["template", "x", ACCESS, "--set", both]).output().unwrap();
    assert!(stderr_of(&out).contains("accounts.a.members.x@y.z: both role and spec.roleRef are given"));
    let cases =
        "accounts.a.spec.catalogRef.name=c,accounts.a.members.x@y\\.z.role=one,accounts.a.members.X@y\\.z.role=one";
    let out = tool("helm").args(["template", "x", ACCESS, "--set", cases]).output().unwrap();
    assert!(stderr_of(&out).contains("write the address once"));
    for (of_a, of_b, says) in [
        (
            "members.x@y\\.z.name=one",
            "members.x@y\\.z.name=one",
            "accounts.b.members.x@y.z: a Membership \"one\" is there",
        ),
        ("roles.night.title=A", "roles.night.title=B", "accounts.b.roles.night: a Role \"night\" is there"),
        ("groups.desk.title=A", "groups.desk.title=B", "accounts.b.groups.desk: a UserGroup \"desk\" is there"),
    ] {
        let twice = format!(
            "accounts.a.{of_a},accounts.b.{of_b},accounts.a.spec.catalogRef.name=c,accounts.b.spec.catalogRef.name=c"
        );
        let out = tool("helm").args(["template", "x", ACCESS, "--set", &twice]).output().unwrap();
        let says_instead = stderr_of(&out);
        assert!(says_instead.contains(says), "{says_instead}");
    }
}

#[test]
fn alerts_fire_exactly_when_they_should() {
    let folder = tempfile::tempdir().unwrap();
    let rule: Vec<Value> = parse_yaml(&template(
        CHART,
        &["--set", "metrics.rules.enabled=true,webhook.enabled=true", "-s", "templates/monitoring.yaml"],
    ));
    let rules = serde_yaml_ng::to_string(&rule[0]["spec"]).unwrap();
    std::fs::write(folder.path().join("rules.yaml"), rules).unwrap();
    std::fs::copy(repository("tests/helm/alerts.yaml"), folder.path().join("alerts.yaml")).unwrap();
    stdout_of(tool("promtool").current_dir(folder.path()).args(["test", "rules", "alerts.yaml"]));
}

#[test]
fn kube_score_finds_nothing_unintended() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rendered.yaml");
    let plain =
        ["--no-hooks", "--set", "crds.install=false,metrics.rules.enabled=false,metrics.serviceMonitor.enabled=false"];
    for values in ["charts/roster/values.yaml", "charts/roster/ci/postgres.yaml"] {
        std::fs::write(&file, template(CHART, &[&plain[..], &["-f", values]].concat())).unwrap();
        // Not meant: a limit of CPU, pulling what is there, a Service without an address.
        let ignored = "container-image-pull-policy,statefulset-has-servicename";
        stdout_of(
            tool("kube-score").args(["score", "--ignore-container-cpu-limit", "--ignore-test", ignored]).arg(&file),
        );
    }
}

/// Content of a Chart.yaml.
fn metadata(chart: &str) -> Value {
    let text = fs::read_to_string(repository(chart).join("Chart.yaml")).unwrap();
    parse_yaml(&text).remove(0)
}

/// Data of a chart that a registry shows.
#[test]
fn the_charts_name_their_owner_and_content() {
    for folder in [CHART, ACCESS] {
        let chart = metadata(folder);
        for field in ["home", "icon", "description"] {
            assert!(chart[field].is_string(), "{folder}: {field}");
        }
        assert!(chart["sources"][0].is_string() && chart["maintainers"][0]["name"].is_string(), "{folder}");
        assert_eq!(chart["annotations"]["artifacthub.io/license"], "Apache-2.0");
        // The picture is in it, so that it needs no host.
        assert!(chart["icon"].as_str().unwrap().starts_with("data:image/svg+xml;base64,"), "{folder}");
    }
    let chart = metadata(CHART);
    let annotated: Vec<Value> = parse_yaml(chart["annotations"]["artifacthub.io/crds"].as_str().unwrap());
    let annotated = annotated[0]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["kind"].clone(), one["name"].clone(), one["version"].clone()));
    let crds = roster::api::crds().into_iter().map(|crd| {
        let version = crd.spec.versions[0].name.clone();
        (crd.spec.names.kind.into(), crd.metadata.name.unwrap().into(), version.into())
    });
    assert_eq!(annotated.collect::<Vec<_>>(), crds.collect::<Vec<(Value, Value, Value)>>());
}

#[test]
fn an_alert_links_to_its_entry_of_the_runbook_or_to_nothing() {
    let rules = ["--set", "metrics.rules.enabled=true", "-s", "templates/monitoring.yaml"];
    let without = template(CHART, &rules);
    assert!(without.contains("alert: RosterDown") && !without.contains("runbook"), "{without}");
    let address = ["--set", "metrics.rules.runbookUrl=https://docs.example/runbook.md"];
    let with: Vec<Value> = parse_yaml(&template(CHART, &[&rules[..], &address[..]].concat()));
    let runbook = fs::read_to_string(repository("docs/runbook.md")).unwrap();
    let headings: Vec<String> =
        runbook.lines().filter_map(|line| line.strip_prefix("### ")).map(str::to_lowercase).collect();
    let rules = with.iter().find(|one| one["kind"] == "PrometheusRule").unwrap();
    let groups = rules["spec"]["groups"].as_array().unwrap().iter();
    let alerts: Vec<&Value> = groups.flat_map(|group| group["rules"].as_array().unwrap()).collect();
    assert!(alerts.len() > 5, "{rules}");
    for alert in alerts {
        let link = alert["annotations"]["runbook_url"].as_str().unwrap();
        let anchor = link.strip_prefix("https://docs.example/runbook.md#").unwrap();
        assert!(headings.iter().any(|heading| heading == anchor), "{link} leads to nothing");
    }
}
