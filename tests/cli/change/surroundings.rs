//! Tests what a plan between two revisions says about objects around the accounts: their store, their namespace, and the
//! RBAC objects that say who may administer them.

use insta::assert_snapshot;

use super::workspace::Workspace;

const NAMESPACE: &str = "\n---\n{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {tier: gold}}}\n";

/// Two revisions: `before` with more documents in its portal, and that with some words replaced.
fn revisions(documents: &str, selects: &str, changes: &[(&str, &str)]) -> Workspace {
    let earlier = |text: String| {
        let text =
            text.replace("spec: {sqlite: {file: shop.db}}", &format!("spec: {{sqlite: {{file: shop.db}}{selects}}}"));
        if text.contains("kind: PermissionCatalog") { text + documents } else { text }
    };
    let workspace = Workspace::new();
    workspace.revised("one", earlier);
    workspace.revised("two", |text| changes.iter().fold(earlier(text), |text, (from, to)| text.replace(from, to)));
    workspace
}

/// `plan` and `validate` say the same about a store that the files do not have.
#[test]
fn a_misspelt_store_is_a_fault_in_a_plan_as_well() {
    let misspelt = ("catalogRef: {name: shop}", "catalogRef: {name: shop}\n  storeRef: {name: defualt}");
    let workspace = revisions("", "", &[misspelt]);
    let says = "spec.storeRef: there is no IdentityStore \"defualt\"";
    for arguments in ["validate two", "plan --from one --to two", "plan --from two --to two"] {
        let printed = workspace.printed(arguments);
        assert!(printed.contains(says), "{arguments}: {printed}");
    }
}

#[test]
fn a_label_of_a_namespace_is_a_limit_if_it_admits_accounts() {
    let selects = ", allowedNamespaces: {from: Selector, selector: {matchLabels: {tier: gold}}}";
    let workspace = revisions(NAMESPACE, selects, &[("tier: gold}}}\n", "tier: tin}}}\n")]);
    assert_snapshot!("excluded", workspace.printed("plan --from one --to two"));
    let admitted = workspace.printed("plan --from two --to one");
    assert!(admitted.starts_with("exit code 0\n---- stdout\nshop/acme\n  could not be resolved before"), "{admitted}");
    let limit = "Limits loosened\n  ~ Namespace shop metadata.labels[tier]: tin → gold; IdentityStore default admits accounts of";
    assert!(admitted.contains(limit) && admitted.contains("dana@acme.example\n      gains"), "{admitted}");
    assert!(!admitted.contains("Other changes"), "said once: {admitted}");
}

const RBAC: &str = "
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: roster-admins}
rules: [{apiGroups: [roster.dev], resources: [accounts/authority], verbs: [administer]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: admins, namespace: shop}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: roster-admins}
subjects: [{kind: User, name: mallory@acme.example}]
";

#[test]
fn who_gains_administration_by_rbac_is_a_limit() {
    let added = "subjects: [{kind: User, name: mallory@acme.example}, {kind: Group, name: everybody}]";
    let removed = "subjects: [{kind: User, name: mallory@acme.example}]";
    let workspace = revisions(RBAC, "", &[(removed, added)]);
    assert_snapshot!("rbac_gained", workspace.printed("plan --from one --to two"));
    assert_snapshot!("rbac_lost", workspace.printed("plan --from two --to one -o markdown"));
    let elsewhere = revisions(RBAC, "", &[("name: roster-admins}\nsubjects", "name: elsewhere}\nsubjects")]);
    let printed = elsewhere.printed("plan --from one --to two").split_whitespace().collect::<Vec<_>>().join(" ");
    let unknown = "+ RoleBinding shop/admins ClusterRole elsewhere for User mallory@acme.example; not compared, since these \
                   files do not contain the role";
    assert!(printed.contains(unknown) && printed.contains("may no longer administer accounts"), "{printed}");
}

/// Text and Markdown name the same grants that have no effect now.
#[test]
fn grants_without_effect_are_told_apart() {
    // Dana is suspended in both revisions.
    let dana = |more: &str| format!("roleRef: {{name: viewer}}, suspended: true{more}}}");
    let workspace = Workspace::new();
    workspace.revised("one", |text| text.replace("roleRef: {name: viewer}}", &dana("")));
    workspace.revised("two", |text| {
        text.replace("roleRef: {name: viewer}}", &dana(", groupRefs: [{name: counter}]"))
            .replace("roleRef: {name: developer}", "roleRef: {name: admin}")
    });
    let text = workspace.printed("plan --from one --to two");
    assert_snapshot!("dormant", text);
    let heading = "Granted, but without effect now";
    let markdown = workspace.printed("plan --from one --to two -o markdown");
    assert!(text.contains(heading) && markdown.contains(heading), "{text}\n{markdown}");
}
