//! References to objects: which kind, which namespace, which name.

use std::fmt;

use serde::Serialize;

use super::Name;

/// Kinds of objects that decide about access: the seven kinds, namespaces (admitted by their labels), and the internal
/// record of a catalog's last revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum KindName {
    /// A core namespace.
    Namespace,
    /// `PermissionCatalog`
    PermissionCatalog,
    /// `IdentityStore`
    IdentityStore,
    /// `Account`
    Account,
    /// `Role`
    Role,
    /// `UserGroup`
    UserGroup,
    /// `Membership`
    Membership,
    /// `Invitation`
    Invitation,
    /// The record of a catalog's last revision: a ConfigMap in the controller's namespace.
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
    /// Kind.
    pub kind: KindName,
    /// Namespace.
    pub namespace: Name,
    /// Name.
    pub name: Name,
}

impl fmt::Debug for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.kind.as_str(), self.namespace, self.name)
    }
}
