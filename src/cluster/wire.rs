//! Decodes watched objects, limited to the parts that the controller needs, so that many fit in memory
//! (docs/architecture.md "Speed"). Used by `watch`, `fresh` and `manifests::cluster`; managed fields, labels and
//! foreign annotations are skipped while parsing.

use std::{borrow::Cow, collections::BTreeMap, fmt::Debug, marker::PhantomData};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::Resource;
use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    api,
    model::{FieldPath, KindName, Name, ObjectRef},
    state::{Meta, Object, StatusDigest, Unreadable, WatchEvent, digest},
};

/// Kind with the types of its spec and status.
pub trait Kind: Resource<DynamicType = ()> + Clone + Debug + Send + Sync + 'static {
    /// Type of the spec.
    type Spec: DeserializeOwned + Clone + Debug + Send + 'static;
    /// Type of the status.
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

/// Watched object of kind `K`.
#[derive(Clone, Debug, Deserialize)]
#[serde(bound = "")]
pub struct Wire<K: Kind> {
    /// Name, version, generation, finalizers and Roster's own annotations.
    #[serde(deserialize_with = "slim_metadata")]
    pub metadata: ObjectMeta,
    /// Spec, or why it cannot be read: one object that this release does not understand must not stop all others of its
    /// kind.
    #[serde(default = "no_spec::<K>", deserialize_with = "read_spec::<_, K>")]
    pub spec: Result<K::Spec, Box<UnreadableSpec>>,
    /// Status; `None` if it cannot be read, so that it is written again.
    #[serde(default, deserialize_with = "read_status")]
    pub status: Option<K::Status>,
    #[serde(skip)]
    kind: PhantomData<K>,
}

/// Spec that cannot be read.
#[derive(Clone, Debug)]
pub struct UnreadableSpec {
    /// Account that it names, if that can be read.
    account: Option<Name>,
    /// Field that cannot be read.
    field: FieldPath,
    /// Message of the parser.
    how: Box<str>,
}

/// Longest message that is kept, in characters.
const LONGEST: usize = 200;

fn read_spec<'de, D: Deserializer<'de>, K: Kind>(
    deserializer: D,
) -> Result<Result<K::Spec, Box<UnreadableSpec>>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    let account = value.pointer("/accountRef/name").and_then(Value::as_str).map(Name::new);
    Ok(serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let field = if path == "." { FieldPath::new("spec") } else { FieldPath::spec(&path) };
        let how = error.into_inner().to_string().chars().take(LONGEST).collect::<String>();
        Box::new(UnreadableSpec { account, field, how: how.into() })
    }))
}

fn no_spec<K: Kind>() -> Result<K::Spec, Box<UnreadableSpec>> {
    Err(Box::new(UnreadableSpec { account: None, field: FieldPath::new("spec"), how: "it is missing".into() }))
}

fn read_status<'de, D: Deserializer<'de>, S: DeserializeOwned>(deserializer: D) -> Result<Option<S>, D::Error> {
    Ok(serde_json::from_value(Value::deserialize(deserializer)?).unwrap_or_default())
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

/// Metadata that are kept.
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

/// Kind that is read from the wire.
pub trait FromWire: Kind {
    /// Name of the kind.
    const KIND: KindName;

    /// Returns the record of an object.
    fn record(metadata: &ObjectMeta, spec: Self::Spec, status: StatusDigest) -> Object;

    /// Returns the digest of a status.
    fn digest(status: &Self::Status) -> StatusDigest;

    /// Returns the watch event of an object.
    fn watch_event(wire: Wire<Self>) -> WatchEvent {
        let status = wire.status.as_ref().map(Self::digest).unwrap_or_default();
        let metadata = wire.metadata;
        match wire.spec {
            Ok(spec) => WatchEvent::Object(Self::record(&metadata, spec, status)),
            Err(unreadable) => {
                let object = ObjectRef {
                    kind: Self::KIND,
                    namespace: metadata.namespace.as_deref().unwrap_or_default().into(),
                    name: metadata.name.as_deref().unwrap_or_default().into(),
                };
                let UnreadableSpec { account, field, how } = *unreadable;
                let meta = Meta::new(Self::KIND, &metadata, status);
                let unreadable = Unreadable { object, account, meta, field, how };
                tracing::warn!("{unreadable}");
                WatchEvent::Unreadable(Box::new(unreadable))
            }
        }
    }
}

macro_rules! from_wire {
    ($($root:ident($metadata:ident, $spec:ident, $status:ident) => $record:expr;)*) => {
        $(impl FromWire for api::$root {
            const KIND: KindName = KindName::$root;

            fn record($metadata: &ObjectMeta, $spec: Self::Spec, $status: StatusDigest) -> Object {
                $record
            }

            fn digest(status: &Self::Status) -> StatusDigest {
                digest(status)
            }
        })*
    };
}

from_wire! {
    PermissionCatalog(metadata, spec, status) => Object::catalog(metadata, spec, status);
    IdentityStore(metadata, spec, status) => Object::store(metadata, spec, status);
    Account(metadata, spec, status) => Object::account(metadata, spec, status);
    Role(metadata, spec, status) => Object::role(metadata, spec, status);
    UserGroup(metadata, spec, status) => Object::group(metadata, spec, status);
    Membership(metadata, spec, status) => Object::member(metadata, &spec, status);
    Invitation(metadata, spec, status) => Object::invitation(metadata, &spec, status);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event_of(spec: Option<Value>) -> WatchEvent {
        let mut object =
            json!({"metadata": {"name": "dana", "namespace": "acme", "generation": 3}, "status": {"conditions": 7}});
        if let Some(spec) = spec {
            object["spec"] = spec;
        }
        api::Membership::watch_event(serde_json::from_value(object).unwrap())
    }

    #[test]
    fn a_malformed_spec_is_reported_with_its_field_and_a_malformed_status_is_ignored() {
        let spec = json!({"accountRef": {"name": "shop"}, "user": {"email": "dana@shop.example"}, "suspended": "yes"});
        let WatchEvent::Unreadable(unreadable) = event_of(Some(spec)) else { panic!() };
        assert_eq!(
            unreadable.to_string(),
            r#"Membership dana cannot be read: spec.suspended: invalid type: string "yes", expected a boolean"#
        );
        assert_eq!((unreadable.account.as_deref(), unreadable.meta.generation), (Some("shop"), 3));
        let WatchEvent::Unreadable(unreadable) = event_of(None) else { panic!() };
        assert_eq!(unreadable.to_string(), "Membership dana cannot be read: spec: it is missing");
        let spec = json!({"accountRef": {"name": "shop"}, "user": {"email": "dana@shop.example"}});
        assert!(matches!(event_of(Some(spec)), WatchEvent::Object(Object::Member(_))));
    }
}
