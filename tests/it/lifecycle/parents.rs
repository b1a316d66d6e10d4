//! Tests partner accounts and the accounts that they manage, across namespaces.

use serde_json::json;

use super::{NONE, Site, VIEWER};
use crate::support::{Namespace, PATIENCE, apply_yaml, eventually_or, wait_condition, wait_view};

/// A partner account `partner`, and another namespace for accounts it manages.
async fn partner(prefix: &str, managed: &str) -> (Site<'static>, Namespace) {
    let site = Site::shared(prefix).await;
    site.store("").await;
    site.account("partner", &format!("partner: true, managedAccounts: {{{managed}}}")).await;
    site.ready("Account", "partner").await;
    let elsewhere = Namespace::new(site.plane(), &format!("{prefix}-far")).await;
    (site, elsewhere)
}

/// An account `child` elsewhere with one member.
async fn child(site: &Site<'_>, elsewhere: &Namespace) {
    let it = site.name();
    apply_yaml(
        &site.client,
        elsewhere.name(),
        &format!(
            "
apiVersion: roster.dev/v1alpha1
kind: Account
metadata: {{name: child}}
spec:
  catalogRef: {{name: {it}}}
  storeRef: {{name: {it}}}
  parentRef: {{name: partner, namespace: {it}}}
  removalGuard: {{maximumPercent: 1, minimumCount: 1}}
---
apiVersion: roster.dev/v1alpha1
kind: Membership
metadata: {{name: dana}}
spec: {{accountRef: {{name: child}}, user: {{email: dana@acme.example}}, roleRef: {{name: viewer}}}}
"
        ),
    )
    .await;
}

struct Child<'a>(&'a Site<'static>, &'a Namespace);

impl Child<'_> {
    async fn is(&self, of: &str, wanted: &str) {
        wait_condition(&self.0.client, "Account", self.1.name(), "child", of, wanted).await;
    }

    async fn member_is(&self, of: &str, wanted: &str) {
        wait_condition(&self.0.client, "Membership", self.1.name(), "dana", of, wanted).await;
    }

    async fn view(&self, wanted: &str) {
        let (path, account) = (self.0.file().path().to_owned(), format!("{}/child", self.1.name()));
        wait_view(path, account, "dana@acme.example".to_owned(), wanted).await;
    }
}

#[tokio::test]
async fn approval_grants_access_and_its_withdrawal_revokes_it() {
    let (site, elsewhere) = partner("parent-approval", "allowedNamespaces: {from: All}, needApproval: true").await;
    child(&site, &elsewhere).await;
    let child = Child(&site, &elsewhere);
    child.is("Valid", "False ApprovalPending").await;
    child.member_is("Valid", "False ApprovalPending").await;
    let granted = site.file().rows("SELECT email FROM effective_permissions WHERE rank > 0").await;
    assert!(granted.is_empty(), "{granted:?}");

    let approve = json!([{"namespace": elsewhere.name(), "name": "child"}]);
    let approved = |list| json!({"spec": {"managedAccounts": {"approved": list}}});
    site.patch("Account", "partner", approved(approve.clone())).await;
    child.member_is("Ready", "True").await;
    child.view(VIEWER).await;
    // Withdrawn on purpose: no guard holds it back, however strict.
    let length = site.file().audit_length().await;
    site.patch("Account", "partner", approved(json!([]))).await;
    child.view(NONE).await;
    // Whose word it was, the audit names with the namespace: it is another account's.
    let audit = site.file().audit_since(length).await;
    let origins: Vec<&str> = audit.iter().map(|record| record.origin.as_str()).collect();
    assert_eq!(origins, [format!("Account {}/partner@3", site.name())]);
    child.is("Ready", "False ApprovalPending").await;
    site.patch("Account", "partner", approved(approve)).await;
    child.view(VIEWER).await;
    child.member_is("Ready", "True").await;
}

#[tokio::test]
async fn a_parent_admits_by_namespace_and_waits_for_those_it_admitted() {
    let selector = "allowedNamespaces: {from: Selector, selector: {matchLabels: {lifecycle/admitted: 'yes'}}}";
    let (site, elsewhere) = partner("parent-waits", selector).await;
    child(&site, &elsewhere).await;
    let child = Child(&site, &elsewhere);
    child.is("Valid", "False ParentNotAllowed").await;
    let managed = async |wanted: i64| {
        eventually_or(PATIENCE, format!("{wanted} managed accounts"), async || {
            let status = site.status("Account", "partner").await;
            if status["managedAccounts"] == wanted { Ok(()) } else { Err(status.to_string()) }
        })
        .await;
    };
    managed(0).await;
    let label = async |value: &str| {
        site.plane().kubectl_ok(&["label", "namespace", elsewhere.name(), "--overwrite", value], None).await;
    };
    label("lifecycle/admitted=yes").await;
    child.member_is("Ready", "True").await;
    child.view(VIEWER).await;
    managed(1).await;

    site.delete("Account", "partner").await;
    let message = site.wait("Account", "partner", "Ready", "False ManagedAccountsExist").await;
    assert!(message.contains(&format!("{}/child", elsewhere.name())), "{message}");
    site.wait("Account", "partner", "Reconciling", "True ManagedAccountsExist").await;
    child.view(VIEWER).await;
    // The guard of the child would hold it; its people keep their access.
    let orphan = r#"{"spec": {"deletionPolicy": "Orphan"}}"#;
    let far = elsewhere.name();
    site.plane().kubectl_ok(&["patch", "acct", "child", "-n", far, "--type=merge", "-p", orphan], None).await;
    site.plane().kubectl_ok(&["delete", "account.roster.dev", "child", "-n", far], None).await;
    site.gone("Account", "partner").await;
    child.view(VIEWER).await;
    assert_eq!(site.file().number("SELECT count(*) FROM account_ids").await, 1);
}

#[tokio::test]
async fn a_refused_account_does_not_block_the_deletion_of_its_parent() {
    let (site, elsewhere) = partner("parent-stranger", "allowedNamespaces: {from: Same}").await;
    child(&site, &elsewhere).await;
    let child = Child(&site, &elsewhere);
    child.is("Valid", "False ParentNotAllowed").await;
    site.delete("Account", "partner").await;
    site.gone("Account", "partner").await;
    child.is("Valid", "False ParentNotAllowed").await;
}
