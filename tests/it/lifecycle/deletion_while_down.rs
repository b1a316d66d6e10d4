//! Tests objects that are deleted while the controller is down, in any order: afterwards it does what `deletionPolicy`
//! says, and nothing else.

use std::ops::Deref;
use std::path::Path;

use futures::future::join_all;
use kube::Api;
use kube::api::{DeleteParams, ListParams};

use super::Site;
use super::file::Line;
use super::namespaces::{delete_namespace, namespace_gone};
use crate::support::{ControlPlane, Controller, Namespace, PATIENCE, apply_yaml, eventually_or, wait_condition};

/// Enough that a guard would speak up, were they removed one by one.
const SIX: [&str; 6] = ["ann", "bob", "cid", "dan", "eva", "fay"];

/// An account `acme` with a role of its own and six members, and another namespace's account `other` in the same store.
pub struct StaffedSite<'p> {
    site: Site<'p>,
    elsewhere: Namespace,
    policy: &'static str,
}

/// Content of a store.
#[derive(Debug, PartialEq)]
pub struct Left {
    /// Every row of every table.
    dump: Vec<Line>,
    /// Content of the accounts.
    pub content: Vec<Line>,
    /// Cause, kind and name of each change.
    pub audit: Vec<Line>,
}

impl<'p> Deref for StaffedSite<'p> {
    type Target = Site<'p>;

    fn deref(&self) -> &Site<'p> {
        &self.site
    }
}

impl<'p> StaffedSite<'p> {
    pub async fn new(plane: &'p ControlPlane, folder: &Path, prefix: &str, policy: &'static str) -> Self {
        let site = Site::on(plane, folder, prefix).await;
        let elsewhere = Namespace::new(plane, &format!("{prefix}-far")).await;
        let this = Self { site, elsewhere, policy };
        this.apply_all().await;
        this
    }

    /// Everything there is of it, as from Git.
    pub async fn apply_all(&self) {
        self.apply(super::site::CATALOG).await;
        // What is tried here is the order; the guard has tests of its own.
        self.store("accountDefaults: {removalGuard: {maximumPercent: 100}}").await;
        self.account("acme", &format!("deletionPolicy: {}", self.policy)).await;
        self.apply(
            "{apiVersion: roster.dev/v1alpha1, kind: Role, metadata: {name: staff}, spec: {accountRef: {name: acme}, \
             permissions: {orders: View}}}",
        )
        .await;
        for name in SIX {
            self.member_of("acme", name, "roleRef: {kind: Role, name: staff}").await;
        }
        // Kept whatever happens, so that it is still there when all definitions have been deleted.
        let neighbour = "
apiVersion: roster.dev/v1alpha1
kind: Account
metadata: {name: other}
spec: {catalogRef: {name: $it}, storeRef: {name: $it}, deletionPolicy: Orphan}
---
apiVersion: roster.dev/v1alpha1
kind: Membership
metadata: {name: zoe}
spec: {accountRef: {name: other}, user: {email: zoe@acme.example}, roleRef: {name: admin}}
";
        apply_yaml(&self.client, self.elsewhere.name(), &neighbour.replace("$it", self.name())).await;
    }

    /// Waits until everything is ready.
    pub async fn ready(&self) {
        self.members_ready(&SIX).await;
        self.site.ready("Account", "acme").await;
        for (kind, name) in [("Membership", "zoe"), ("Account", "other")] {
            wait_condition(&self.client, kind, self.elsewhere.name(), name, "Ready", "True").await;
        }
    }

    /// Returns the content of its store.
    pub async fn left(&self) -> Left {
        let file = self.file();
        let audit = file.audit_since(0).await.into_iter();
        Left {
            dump: file.dump().await,
            content: file.content().await,
            audit: audit.map(|change| format!("{} {} {}", change.cause, change.kind, change.name)).collect(),
        }
    }

    /// The account is not there any more, and what is not of that account is as before; nobody was removed for any
    /// other reason.
    pub async fn only_the_account_is_removed(&self, before: &Left) {
        let now = self.left().await;
        let neighbour = format!("{}/other", self.elsewhere.name());
        let of_neighbour = |content: &[Line]| -> Vec<Line> {
            content.iter().filter(|line| line.contains(&neighbour)).cloned().collect()
        };
        assert!(!of_neighbour(&now.content).is_empty());
        assert_eq!(of_neighbour(&now.content), of_neighbour(&before.content));
        let key = self.key("acme");
        assert_eq!(self.file().rows("SELECT key FROM account_ids").await, [neighbour]);
        for table in ["accounts", "roles", "members", "marks"] {
            let id = if table == "accounts" { "id" } else { "account_id" };
            let sql = format!("SELECT count(*) FROM {table} WHERE {id} NOT IN (SELECT id FROM account_ids)");
            assert_eq!(self.file().number(&sql).await, 0, "{key}: {table}");
        }
        let since = &now.audit[before.audit.len()..];
        assert_eq!(since.len(), 10, "six members, three roles, the account: {since:#?}");
        assert!(since.iter().all(|change| change.starts_with("account-deleted")), "{since:#?}");
        self.file().verify().await;
    }

    /// The neighbour's access is still Roster's to keep.
    async fn neighbour_is_kept(&self) {
        self.file().tamper("UPDATE members SET ranks = '00' WHERE email = 'zoe@acme.example'").await;
        let key = format!("{}/other", self.elsewhere.name());
        let now = jiff::Timestamp::now().to_string();
        let note = format!("roster.dev/reconcile-at={now}");
        let args = ["annotate", "account.roster.dev", "other", "-n", self.elsewhere.name(), &note];
        self.plane().kubectl_ok(&args, None).await;
        crate::support::wait_view(self.file().path().into(), key, "zoe@acme.example".into(), super::ADMIN).await;
    }

    async fn delete_all(&self, kind: &str) {
        let deleted = self.api(kind).delete_collection(&DeleteParams::default(), &ListParams::default()).await;
        deleted.unwrap_or_else(|error| panic!("{kind}: {error}"));
    }
}

/// Objects that are deleted, in this order.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Namespace,
    MembersFirst,
    AccountFirst,
    StoreAndCatalogFirst,
}

impl Way {
    async fn go(self, site: &StaffedSite<'_>) {
        match self {
            Self::Namespace => {
                delete_namespace(site).await;
                // So that there is nothing left but what has a finalizer.
                eventually_or(PATIENCE, "the members' objects to be gone".to_owned(), async || {
                    let left = site.api("Membership").list(&ListParams::default()).await.unwrap().items.len();
                    if left == 0 { Ok(()) } else { Err(left.to_string()) }
                })
                .await;
            }
            Self::MembersFirst => {
                site.delete_all("Membership").await;
                site.delete_all("Role").await;
                site.delete("Account", "acme").await;
            }
            Self::AccountFirst => {
                site.delete("Account", "acme").await;
                site.delete_all("Role").await;
                site.delete_all("Membership").await;
            }
            Self::StoreAndCatalogFirst => {
                site.delete("IdentityStore", site.name()).await;
                site.delete("PermissionCatalog", site.name()).await;
                site.delete("Account", "acme").await;
                site.delete_all("Membership").await;
            }
        }
    }
}

#[tokio::test]
async fn deletions_during_downtime_follow_the_deletion_policy_in_any_order() {
    let plane = ControlPlane::own("gone").await;
    let folder = plane.data().join("stores");
    let roster = Controller::process(&plane, &folder).await;
    let ways = [Way::Namespace, Way::MembersFirst, Way::AccountFirst, Way::StoreAndCatalogFirst];
    let cases = ways.into_iter().flat_map(|way| [(way, "Orphan"), (way, "Delete")]);
    let sites = join_all(cases.map(async |(way, policy)| {
        let prefix = format!("{way:?}-{policy}").to_lowercase();
        let site = StaffedSite::new(&plane, &folder, &prefix, policy).await;
        site.ready().await;
        (way, site)
    }))
    .await;
    assert_eq!(roster.stop().await.code(), Some(0));
    let before = join_all(sites.iter().map(|(_, site)| site.left())).await;
    join_all(sites.iter().map(|(way, site)| way.go(site))).await;

    let mut roster = Controller::spawn(&plane, &folder, |_| {});
    for ((way, site), before) in sites.iter().zip(&before) {
        site.gone("Account", "acme").await;
        match site.policy {
            "Orphan" => assert_eq!(&site.left().await, before, "{way:?}"),
            _ => site.only_the_account_is_removed(before).await,
        }
    }
    for (way, site) in &sites {
        match way {
            Way::Namespace => namespace_gone(site).await,
            // The neighbour still needs them, and has them.
            Way::StoreAndCatalogFirst => {
                site.wait("IdentityStore", site.name(), "Ready", "False InUse").await;
                site.neighbour_is_kept().await;
                let accounts: Api<_> = crate::support::api(&site.client, "Account", site.elsewhere.name());
                accounts.delete("other", &DeleteParams::default()).await.unwrap();
                site.gone("IdentityStore", site.name()).await;
                site.gone("PermissionCatalog", site.name()).await;
            }
            Way::MembersFirst | Way::AccountFirst => site.neighbour_is_kept().await,
        }
    }
    assert_eq!(roster.ended(), None);
}
