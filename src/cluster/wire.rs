//! What is read of an object on the wire: only what the controller needs, so that very many fit (docs/architecture.md
//! "Speed"). Managed fields, labels and foreign annotations are passed over while parsing.

use std::{borrow::Cow, collections::BTreeMap, fmt::Debug, marker::PhantomData};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::Resource;
use serde::{Deserialize, Deserializer, de::DeserializeOwned};

use crate::{
    api,
    state::{Digestible, Object, StatusDigest, digest},
};

/// A kind with the types of its spec and status.
pub trait Kind: Resource<DynamicType = ()> + Clone + Debug + Send + Sync + 'static {
    /// Its spec.
    type Spec: DeserializeOwned + Clone + Debug + Send + 'static;
    /// Its status.
    type Status: DeserializeOwned + Clone + Debug + Send + 'static;
}

macro_rules! kinds {
    ($($root:ident: $spec:ident, $status:ident;)*) => {
        $(impl Kind for api::$root {
            type Spec = api::$spec;
            type Status = api::$status;
        })*
    };
}

kinds! {
    PermissionCatalog: PermissionCatalogSpec, PermissionCatalogStatus;
    IdentityStore: IdentityStoreSpec, IdentityStoreStatus;
    Account: AccountSpec, AccountStatus;
    Role: RoleSpec, RoleStatus;
    UserGroup: UserGroupSpec, UserGroupStatus;
    Membership: MembershipSpec, MembershipStatus;
    Invitation: InvitationSpec, InvitationStatus;
}

/// An object of kind `K` as it is watched.
#[derive(Clone, Debug, Deserialize)]
#[serde(bound = "")]
pub struct Wire<K: Kind> {
    /// Name, version, generation, finalizers and our own annotations.
    #[serde(deserialize_with = "slim_metadata")]
    pub metadata: ObjectMeta,
    /// Spec.
    pub spec: K::Spec,
    /// Status.
    #[serde(default)]
    pub status: Option<K::Status>,
    #[serde(skip)]
    kind: PhantomData<K>,
}

impl<K: Kind> Resource for Wire<K> {
    type DynamicType = ();
    type Scope = K::Scope;

    fn kind((): &()) -> Cow<'_, str> {
        K::kind(&())
    }

    fn group((): &()) -> Cow<'_, str> {
        K::group(&())
    }

    fn version((): &()) -> Cow<'_, str> {
        K::version(&())
    }

    fn plural((): &()) -> Cow<'_, str> {
        K::plural(&())
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

/// What is kept of the metadata.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SlimMetadata {
    name: Option<String>,
    namespace: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
    generation: Option<i64>,
    deletion_timestamp: Option<Time>,
    #[serde(default)]
    finalizers: Option<Vec<String>>,
    #[serde(default, deserialize_with = "our_annotations")]
    annotations: Option<BTreeMap<String, String>>,
}

fn slim_metadata<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ObjectMeta, D::Error> {
    let slim = SlimMetadata::deserialize(deserializer)?;
    Ok(ObjectMeta {
        name: slim.name,
        namespace: slim.namespace,
        uid: slim.uid,
        resource_version: slim.resource_version,
        generation: slim.generation,
        deletion_timestamp: slim.deletion_timestamp,
        finalizers: slim.finalizers,
        annotations: slim.annotations,
        ..ObjectMeta::default()
    })
}

fn our_annotations<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<BTreeMap<String, String>>, D::Error> {
    let mut annotations = Option::<BTreeMap<String, String>>::deserialize(deserializer)?;
    if let Some(annotations) = &mut annotations {
        annotations.retain(|key, _| key.starts_with("roster.dev/"));
    }
    Ok(annotations.filter(|annotations| !annotations.is_empty()))
}

/// Kinds that are read from the wire.
pub trait FromWire: Sized {
    /// Returns the record of an object.
    fn object(wire: Wire<Self>) -> Object
    where
        Self: Kind;
}

macro_rules! from_wire {
    ($($root:ident($wire:ident) => $record:expr;)*) => {
        $(impl FromWire for api::$root {
            fn object($wire: Wire<Self>) -> Object {
                $record
            }
        })*
    };
}

from_wire! {
    PermissionCatalog(wire) => Object::catalog(&wire.metadata, wire.spec, digest_of(wire.status.as_ref()));
    IdentityStore(wire) => Object::store(&wire.metadata, wire.spec, digest_of(wire.status.as_ref()));
    Account(wire) => Object::account(&wire.metadata, wire.spec, digest_of(wire.status.as_ref()));
    Role(wire) => Object::role(&wire.metadata, wire.spec, digest_of(wire.status.as_ref()));
    UserGroup(wire) => Object::group(&wire.metadata, wire.spec, digest_of(wire.status.as_ref()));
    Membership(wire) => Object::member(&wire.metadata, &wire.spec, digest_of(wire.status.as_ref()));
    Invitation(wire) => Object::invitation(&wire.metadata, &wire.spec, digest_of(wire.status.as_ref()));
}

fn digest_of<S: Digestible>(status: Option<&S>) -> StatusDigest {
    status.map(digest).unwrap_or_default()
}
