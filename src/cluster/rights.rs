//! Asks the API server what a user may do, and determines in which capacity they change access: as an administrator, a
//! pipeline or a member. Used by `webhook`, by `controller` and by `roster can-i --change`.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use kube::{Api, Client, api::PostParams};

use crate::{
    api::GROUP,
    authority::{Actor, Place, SERVICE_ACCOUNT},
    model::{Email, Name},
    state::CatalogFacts,
};

/// Time for which a right that was granted is not asked for again. A right that was denied is always asked for again.
const KNOWN: Duration = Duration::from_secs(10);
/// Maximum number of rights that are kept for that time.
const KEPT: usize = 10_000;

/// User, as the API server authenticated them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct User {
    /// Name of the user.
    pub name: String,
    /// Unique id, if the authenticator sets one.
    pub uid: Option<String>,
    /// Groups of the user.
    pub groups: Vec<String>,
    /// What else the authenticator says about them.
    pub extra: BTreeMap<String, Vec<String>>,
}

impl User {
    /// Returns a user of this name, with the groups that the API server gives everybody of that name, and further
    /// ones.
    #[must_use]
    pub fn named(name: &str, further: &[String]) -> Self {
        let mut groups = further.to_vec();
        groups.push("system:authenticated".to_owned());
        if let Some(account) = name.strip_prefix(SERVICE_ACCOUNT) {
            let namespace = account.split(':').next().unwrap_or_default();
            groups.extend(["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{namespace}")]);
        }
        Self { name: name.to_owned(), groups, ..Self::default() }
    }

    /// Returns whether this is a service account.
    #[must_use]
    pub fn is_service_account(&self) -> bool {
        self.name.starts_with(SERVICE_ACCOUNT)
    }
}

/// Right to change access, besides the rights to change objects.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Right {
    /// Administers access: `administer` on `accounts/authority`.
    Administer,
    /// Acts for members: `speak-for` on `accounts/authority`.
    SpeakFor,
    /// Grants what a predefined role grants: `grant` on `permissioncatalogs/roles`, by the name `CATALOG:ROLE`.
    Grant(String),
}

impl Right {
    /// Returns verb, resource, subresource and name.
    fn attributes(&self) -> (&'static str, &'static str, &'static str, Option<&str>) {
        match self {
            Self::Administer => ("administer", "accounts", "authority", None),
            Self::SpeakFor => ("speak-for", "accounts", "authority", None),
            Self::Grant(role) => ("grant", "permissioncatalogs", "roles", Some(role)),
        }
    }
}

/// A user's right in a namespace, or in all of them.
type Question = (User, Right, Option<Name>);

/// Rights of users, as the API server knows them.
pub struct Rights {
    client: Client,
    /// Rights that were granted, and when.
    granted: Mutex<HashMap<Question, Instant>>,
}

impl Rights {
    /// Returns rights of which nothing is known yet.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client, granted: Mutex::default() }
    }

    /// Determines in which capacity a user makes a change. `address` is that of the member whom the user is, if any.
    ///
    /// # Errors
    /// When the API server does not answer, or this process may not ask it.
    pub async fn actor(&self, user: &User, place: &Place, address: Option<Email>) -> kube::Result<Actor> {
        if self.administers(user, place).await? {
            return Ok(Actor::Administrator);
        }
        if !user.is_service_account() {
            return Ok(address.map_or_else(|| Actor::Unknown(user.name.clone()), Actor::Member));
        }
        let (Some(catalog), Some(namespace)) = (&place.catalog, &place.namespace) else {
            return Ok(Actor::Pipeline(BTreeSet::new()));
        };
        Ok(Actor::Pipeline(self.grants(user, namespace, catalog).await?))
    }

    /// Returns the predefined roles of a catalog that a user may grant in a namespace.
    ///
    /// # Errors
    /// As [`Self::actor`].
    pub async fn grants(&self, user: &User, namespace: &Name, catalog: &CatalogFacts) -> kube::Result<BTreeSet<Name>> {
        let mut roles = BTreeSet::new();
        for role in &catalog.spec.roles {
            let right = Right::Grant(format!("{}:{}", catalog.name, role.name));
            if self.has(user, right, Some(namespace.clone())).await? {
                roles.insert(Name::new(&role.name));
            }
        }
        Ok(roles)
    }

    /// Returns whether a user administers access in every namespace of a change.
    ///
    /// # Errors
    /// As [`Self::actor`].
    pub async fn administers(&self, user: &User, place: &Place) -> kube::Result<bool> {
        if place.namespaces.is_empty() {
            return self.has(user, Right::Administer, None).await;
        }
        for namespace in &place.namespaces {
            if !self.has(user, Right::Administer, Some(namespace.clone())).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Returns whether a user has a right in a namespace, or in all of them.
    ///
    /// # Errors
    /// As [`Self::actor`].
    pub async fn has(&self, user: &User, right: Right, namespace: Option<Name>) -> kube::Result<bool> {
        let question = (user.clone(), right, namespace);
        let now = Instant::now();
        let granted = || self.granted.lock().unwrap_or_else(PoisonError::into_inner);
        if granted().get(&question).is_some_and(|since| now.duration_since(*since) < KNOWN) {
            return Ok(true);
        }
        let allowed = self.ask(&question).await?;
        let mut granted = granted();
        if allowed {
            if granted.len() >= KEPT {
                granted.retain(|_, since| now.duration_since(*since) < KNOWN);
            }
            if granted.len() < KEPT {
                granted.insert(question, now);
            }
        } else {
            granted.remove(&question);
        }
        Ok(allowed)
    }

    async fn ask(&self, (user, right, namespace): &Question) -> kube::Result<bool> {
        let (verb, resource, subresource, name) = right.attributes();
        let review = SubjectAccessReview {
            spec: SubjectAccessReviewSpec {
                user: Some(user.name.clone()),
                uid: user.uid.clone(),
                groups: Some(user.groups.clone()),
                extra: Some(user.extra.clone()).filter(|extra| !extra.is_empty()),
                resource_attributes: Some(ResourceAttributes {
                    group: Some(GROUP.to_owned()),
                    resource: Some(resource.to_owned()),
                    subresource: Some(subresource.to_owned()),
                    verb: Some(verb.to_owned()),
                    namespace: namespace.as_deref().map(ToOwned::to_owned),
                    name: name.map(ToOwned::to_owned),
                    ..ResourceAttributes::default()
                }),
                ..SubjectAccessReviewSpec::default()
            },
            ..SubjectAccessReview::default()
        };
        let api: Api<SubjectAccessReview> = Api::all(self.client.clone());
        let answer = api.create(&PostParams::default(), &review).await?;
        Ok(answer.status.is_some_and(|status| status.allowed))
    }
}
