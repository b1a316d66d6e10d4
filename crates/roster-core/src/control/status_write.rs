//! Status write, and its result. The loop requests it (`statuses`), and the controller's shell sends it.

use super::PassId;
use crate::model::{Name, ObjectRef};

/// Status write to be sent.
#[derive(Clone, Debug)]
pub struct StatusWrite {
    /// The object.
    pub object: ObjectRef,
    /// Version of the object that the status was rendered against. A patch of a former leader has an old one and is
    /// refused.
    pub resource_version: Name,
    /// The status.
    pub status: serde_json::Value,
    /// Whether to replace the whole status; server-side apply would keep fields that others have added.
    pub replace: bool,
    /// Pass that reports it, if a user waits for it.
    pub pass: Option<PassId>,
}

/// Object whose status was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusWritten {
    /// UID; an object of the same name may have another one by now.
    pub uid: Name,
    /// New resourceVersion.
    pub resource_version: Name,
}
