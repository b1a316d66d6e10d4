//! Defines references to objects: kind, namespace and name. Used by findings, events and the controller's queues.

use std::fmt;

use serde::Serialize;

use super::{AccountKey, Name};

/// Kinds of objects that decide about access: the seven kinds, namespaces (admitted by their labels), and the internal
/// record of a catalog's last revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum KindName {
    /// Kubernetes namespace, cluster-scoped.
    Namespace,
    /// PermissionCatalog, cluster-scoped.
    PermissionCatalog,
    /// IdentityStore, cluster-scoped.
    IdentityStore,
    /// Account, namespaced.
    Account,
    /// Role, namespaced.
    Role,
    /// UserGroup, namespaced.
    UserGroup,
    /// Membership, namespaced.
    Membership,
    /// Invitation, namespaced.
    Invitation,
    /// Record of a catalog's last revision: a ConfigMap in the controller's namespace.
    #[serde(rename = "ConfigMap")]
    CatalogRecord,
}

impl KindName {
    /// All kinds that the controller watches.
    pub const ALL: [Self; 9] = [
        Self::Namespace,
        Self::PermissionCatalog,
        Self::IdentityStore,
        Self::Account,
        Self::Role,
        Self::UserGroup,
        Self::Membership,
        Self::Invitation,
        Self::CatalogRecord,
    ];

    /// Returns the kind's name as Kubernetes writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Namespace => "Namespace",
            Self::PermissionCatalog => "PermissionCatalog",
            Self::IdentityStore => "IdentityStore",
            Self::Account => "Account",
            Self::Role => "Role",
            Self::UserGroup => "UserGroup",
            Self::Membership => "Membership",
            Self::Invitation => "Invitation",
            Self::CatalogRecord => "ConfigMap",
        }
    }
}

/// Reference to an object: kind, namespace (empty for a cluster-scoped object) and name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectRef {
    /// Kind of the object.
    pub kind: KindName,
    /// Namespace of the object; empty if it is cluster-scoped.
    pub namespace: Name,
    /// Name of the object.
    pub name: Name,
}

impl fmt::Debug for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.kind.as_str(), self.namespace, self.name)
    }
}

impl AccountKey {
    /// Returns the reference to the Account object.
    #[must_use]
    pub fn object(&self) -> ObjectRef {
        ObjectRef { kind: KindName::Account, namespace: self.namespace.clone(), name: self.name.clone() }
    }
}
