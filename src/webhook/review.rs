//! Reads an admission review: the object before and after a change, and the user who makes it. Called by `judge` and
//! `stamp`.

use k8s_openapi::api::authentication::v1::UserInfo;
use kube::core::{
    DynamicObject,
    admission::{AdmissionRequest, AdmissionReview},
};
use serde_json::Value;

use crate::{
    api,
    authority::Change,
    cluster::{
        rights::User,
        wire::{FromWire, Wire},
    },
    state::{Object, WatchEvent},
};

/// Review as the API server sends it.
pub(super) type Review = AdmissionReview<DynamicObject>;
/// Request of a review.
pub(super) type Request = AdmissionRequest<DynamicObject>;

/// Change that a review is about.
pub(super) struct Reviewed {
    /// JSON of the object before the change; `None` if it is created.
    pub(super) before: Option<Value>,
    /// JSON of the object after the change; `None` if it is deleted.
    pub(super) after: Option<Value>,
    /// Kind of the object.
    kind: String,
}

impl Reviewed {
    /// Reads both versions of the object.
    ///
    /// # Errors
    /// When one of them is not JSON.
    pub(super) fn of(request: &Request) -> Result<Self, serde_json::Error> {
        let json = |object: &Option<DynamicObject>| object.as_ref().map(serde_json::to_value).transpose();
        Ok(Self { before: json(&request.old_object)?, after: json(&request.object)?, kind: request.kind.kind.clone() })
    }

    /// Returns the change; `None` if it is none of access.
    ///
    /// # Errors
    /// When the object after the change cannot be read, with the field. One that cannot be read before it counts as
    /// absent, so that it can be corrected.
    pub(super) fn change(&self) -> Result<Option<Change>, String> {
        let after = self.after.as_ref().map(|after| object(&self.kind, after)).transpose()?;
        let before = self.before.as_ref().and_then(|before| object(&self.kind, before).ok());
        Ok(Change::of(before.flatten(), after.flatten()))
    }
}

/// Decodes an object of one of Roster's kinds; `None` for other kinds.
fn object(kind: &str, json: &Value) -> Result<Option<Object>, String> {
    fn of<K: FromWire>(json: &Value) -> Result<Option<Object>, String> {
        let wire: Wire<K> = serde_json::from_value(json.clone()).map_err(|error| error.to_string())?;
        match K::watch_event(wire) {
            WatchEvent::Object(object) => Ok(Some(object)),
            WatchEvent::Unreadable(unreadable) => Err(unreadable.to_string()),
            _ => Ok(None),
        }
    }
    match kind {
        "PermissionCatalog" => of::<api::PermissionCatalog>(json),
        "IdentityStore" => of::<api::IdentityStore>(json),
        "Account" => of::<api::Account>(json),
        "Role" => of::<api::Role>(json),
        "UserGroup" => of::<api::UserGroup>(json),
        "Membership" => of::<api::Membership>(json),
        "Invitation" => of::<api::Invitation>(json),
        _ => Ok(None),
    }
}

/// Returns the user of a request.
pub(super) fn user(info: &UserInfo) -> User {
    User {
        name: info.username.clone().unwrap_or_default(),
        uid: info.uid.clone(),
        groups: info.groups.clone().unwrap_or_default(),
        extra: info.extra.clone().unwrap_or_default(),
    }
}
