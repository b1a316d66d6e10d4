//! Defines why a catalog, store or partner does not admit an account, and says it. Part of
//! [`FindingKind`](super::FindingKind); created by `resolve::admission`.

use std::fmt;

use super::{
    Unknown,
    shorten::{List, MOST, Quoted, Short},
};
use crate::model::{KindName, Name};

/// Refusal of a catalog or store to admit a namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamespaceRefusal {
    /// Kind of the object that does not admit it: `PermissionCatalog` or `IdentityStore`.
    pub by: KindName,
    /// Name of the catalog or store.
    pub name: Name,
    /// Namespace of the account.
    pub namespace: Name,
    /// Labels that would be right; `None` if the object has no valid selector.
    pub labels: Option<LabelMismatch>,
}

impl fmt::Display for NamespaceRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (by, name, namespace) = (self.by.as_str(), Quoted(&self.name), Quoted(&self.namespace));
        write!(f, "{by} {name} does not admit namespace {namespace}")?;
        match &self.labels {
            Some(labels) => write!(f, ", which {labels}"),
            None => f.write_str(" (its spec.allowedNamespaces)"),
        }
    }
}

/// Selector of labels, and the labels of a namespace that it does not match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelMismatch {
    /// The selector, as `kubectl get -l` takes it.
    pub selector: Name,
    /// What the namespace has of the selector's keys; `None` if its labels are not known yet.
    pub has: Option<Name>,
}

impl fmt::Display for LabelMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "needs labels {} ", Short(&self.selector))?;
        match &self.has {
            Some(has) => write!(f, "and has {}", Short(has)),
            None => f.write_str("and has labels that are not known yet"),
        }
    }
}

/// Reason why a parent does not admit an account. A status never says it, since it would reveal something about a foreign
/// namespace; the command line says it to somebody who has the files of both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParentFault {
    /// The parent is no partner.
    NoPartner,
    /// The parent is a managed account itself.
    IsManaged,
    /// The parent has no `managedAccounts`.
    AdmitsNone,
    /// The parent admits only its own namespace.
    OwnNamespaceOnly,
    /// The parent admits other namespaces.
    Labels(Option<LabelMismatch>),
    /// The parent admits other catalogs.
    Catalog {
        /// Catalog of the account, and the one that was probably meant.
        catalog: Unknown,
        /// Catalogs that the parent admits.
        admitted: Box<[Name]>,
    },
}

impl fmt::Display for ParentFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPartner => f.write_str("the parent needs spec.partner: true"),
            Self::IsManaged => f.write_str("the parent is a managed account itself, and cannot own others"),
            Self::AdmitsNone => f.write_str("the parent needs spec.managedAccounts"),
            Self::OwnNamespaceOnly => {
                f.write_str("the parent's managedAccounts.allowedNamespaces.from is Same: its own namespace only")
            }
            Self::Labels(Some(labels)) => {
                write!(f, "for the parent's managedAccounts.allowedNamespaces, the namespace {labels}")
            }
            Self::Labels(None) => {
                f.write_str("the parent's managedAccounts.allowedNamespaces has no selector that matches a namespace")
            }
            Self::Catalog { catalog, admitted } => {
                write!(f, "the parent's managedAccounts admit catalog {}{}", List(admitted, MOST), catalog.hint(f))
            }
        }
    }
}
