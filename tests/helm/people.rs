//! Tests which rights the chart's roles give to people, by asking the API server.

use std::collections::BTreeSet;

use crate::charts::CHART;
use crate::release::Release;
use crate::support::tools::stdout_of;
use crate::support::{PATIENCE, SYSTEM, eventually_or};

const READ: &[&str] = &["get", "list", "watch"];
const WRITE: &[&str] = &["create", "update", "patch", "delete", "deletecollection"];
const ADMINISTER: &[&str] = &["administer"];
/// Kinds that a namespace's admins may change.
const OF_TENANTS: &[&str] = &["accessroles", "usergroups", "memberships", "invitations"];
const OF_NAMESPACES: &[&str] = &["accounts", "accessroles", "usergroups", "memberships", "invitations"];
const ALL: &[&str] =
    &["permissioncatalogs", "identitystores", "accounts", "accessroles", "usergroups", "memberships", "invitations"];

/// People, and what they are bound to: by a RoleBinding in `acme`, or everywhere.
const BINDINGS: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: vera, namespace: acme}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: vera}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: edna, namespace: acme}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: edit}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: edna}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: adam, namespace: acme}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: admin}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: adam}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: cleo}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: roster-system-roster-catalog-viewer}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: cleo}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: pia}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: roster-system-roster-platform-admin}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: pia}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: platform}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: roster-system-roster-platform}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: platform}]
";

/// User, namespace, and the expected rights for Roster's kinds: exactly these, and no others.
type Row = (&'static str, &'static str, Vec<(&'static [&'static str], &'static [&'static str])>);

fn table() -> Vec<Row> {
    let platform = || vec![(ALL, READ), (ALL, WRITE), (&["accounts/authority"][..], ADMINISTER)];
    vec![
        ("vera", "acme", vec![(OF_NAMESPACES, READ)]),
        ("vera", "globex", vec![]),
        ("edna", "acme", vec![(OF_NAMESPACES, READ)]),
        ("adam", "acme", vec![(OF_NAMESPACES, READ), (OF_TENANTS, WRITE)]),
        ("adam", "globex", vec![]),
        ("cleo", "globex", vec![(&["permissioncatalogs"], READ)]),
        ("pia", "globex", platform()),
        ("paul", "globex", platform()),
        ("nora", "acme", vec![]),
    ]
}

/// Single questions of a user; the last part is the answer. Without a namespace they are about all namespaces.
const QUESTIONS: &[(&str, &str, &str, &str, bool)] = &[
    ("vera", "list", "memberships.roster.dev", "acme", true),
    ("vera", "create", "memberships.roster.dev", "acme", false),
    ("vera", "list", "memberships.roster.dev", "", false),
    ("adam", "create", "memberships.roster.dev", "acme", true),
    ("adam", "delete", "accessroles.roster.dev", "acme", true),
    ("adam", "create", "accounts.roster.dev", "acme", false),
    ("adam", "update", "accounts.roster.dev", "acme", false),
    ("adam", "administer", "accounts.roster.dev/authority", "acme", false),
    ("adam", "create", "identitystores.roster.dev", "", false),
    ("adam", "patch", "permissioncatalogs.roster.dev", "", false),
    ("adam", "get", "permissioncatalogs.roster.dev", "", false),
    ("cleo", "watch", "permissioncatalogs.roster.dev", "", true),
    ("cleo", "update", "permissioncatalogs.roster.dev", "", false),
    ("cleo", "get", "identitystores.roster.dev", "", false),
    ("pia", "delete", "identitystores.roster.dev", "", true),
    ("paul", "create", "permissioncatalogs.roster.dev", "", true),
    ("paul", "update", "accounts.roster.dev", "", true),
    ("paul", "administer", "accounts.roster.dev/authority", "", true),
    ("paul", "create", "configmaps", "", false),
];

/// `kubectl auth can-i` as somebody; Paul is of the platform's team.
async fn can_i(release: &Release, who: &str, question: &[&str]) -> String {
    let group = if who == "paul" { "platform" } else { "everybody-else" };
    let args = [&["auth", "can-i", "--as", who, "--as-group", group], question].concat();
    let out = release.plane.kubectl(&args, None).await;
    String::from_utf8(out.stdout).unwrap()
}

async fn may_do(release: &Release, who: &str, verb: &str, resource: &str, place: &str) -> bool {
    let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    let subresource = format!("--subresource={subresource}");
    let place = if place.is_empty() { vec!["--all-namespaces"] } else { vec!["-n", place] };
    match can_i(release, who, &[&[verb, resource, &subresource], &place[..]].concat()).await.trim() {
        "yes" => true,
        "no" => false,
        other => panic!("may {who} {verb} {resource}? {other:?}"),
    }
}

/// All that somebody may of our kinds, as `kubectl auth can-i --list` prints it: resource, two columns that are of no
/// use here, and verbs in brackets.
async fn may(release: &Release, who: &str, place: &str) -> BTreeSet<String> {
    let list = can_i(release, who, &["--list", "-n", place]).await;
    assert!(list.contains("selfsubjectreviews"), "nothing is listed of {who}: {list}");
    let mut all = BTreeSet::new();
    for line in list.lines() {
        // Lines of URLs have nothing in the first column.
        let resource = line.split(' ').next().unwrap_or_default();
        let Some((kind, subresource)) = resource.split_once(".roster.dev") else {
            assert!(!resource.contains('*'), "{who} may everything: {line}");
            continue;
        };
        let (_, verbs) = line.rsplit_once('[').unwrap();
        all.extend(verbs.trim_end_matches([']', ' ']).split(' ').map(|verb| format!("{verb} {kind}{subresource}")));
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_have_exactly_the_rights_of_the_roles_for_people() {
    let release = Release::install("helm-people", CHART, &[]).await;
    for namespace in ["acme", "globex"] {
        release.kubectl(&["create", "namespace", namespace]).await;
    }
    release.apply(BINDINGS).await;
    for (who, place, rules) in table() {
        let each = |(resources, verbs): &(&[&str], &[&str])| -> Vec<String> {
            resources.iter().flat_map(|kind| verbs.iter().map(move |verb| format!("{verb} {kind}"))).collect()
        };
        let wanted: BTreeSet<String> = rules.iter().flat_map(each).collect();
        // What is aggregated is so a moment later.
        eventually_or(PATIENCE, format!("{who} to have exactly the rights of the table in {place}"), async || {
            let may = may(&release, who, place).await;
            let differs: Vec<_> = may.symmetric_difference(&wanted).collect();
            if differs.is_empty() { Ok(()) } else { Err(format!("these differ: {differs:?}")) }
        })
        .await;
    }
    for (who, verb, resource, place, answer) in QUESTIONS {
        assert_eq!(
            may_do(&release, who, verb, resource, place).await,
            *answer,
            "may {who} {verb} {resource} {place:?}"
        );
    }

    // Others may add to what the platform may, as to the cluster's own roles.
    let added = "
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: portals, labels: {roster.dev/aggregate-to-platform: \"true\"}}
rules: [{apiGroups: [\"\"], resources: [configmaps], verbs: [create]}]
";
    release.apply(added).await;
    eventually_or(PATIENCE, "the platform to learn it".to_owned(), async || {
        if may_do(&release, "paul", "create", "configmaps", "").await { Ok(()) } else { Err("it may not".to_owned()) }
    })
    .await;
    assert!(!may_do(&release, "pia", "create", "configmaps", "").await);

    // Without aggregation the cluster's roles forget our kinds; who was bound to the chart's own roles may what they
    // say.
    stdout_of(&mut release.helm(&["upgrade", "roster", CHART, "-n", SYSTEM, "--set", "rbac.aggregate=false"]));
    for (who, place) in [("vera", "acme"), ("edna", "acme"), ("adam", "acme"), ("paul", "globex")] {
        eventually_or(PATIENCE, format!("{who} to have lost what was aggregated"), async || {
            let still = may(&release, who, place).await;
            if still.is_empty() { Ok(()) } else { Err(format!("{still:?}")) }
        })
        .await;
    }
    assert!(may_do(&release, "pia", "administer", "accounts.roster.dev/authority", "").await);
    assert!(may_do(&release, "cleo", "get", "permissioncatalogs.roster.dev", "").await);
}
