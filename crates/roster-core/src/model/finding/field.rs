//! Defines paths of fields in objects. Used by findings and the checks that create them.

use std::fmt;

use serde::Serialize;

use crate::model::Name;

/// Path of a field as users write it: `spec.sections[docs].levels`. Serialized as that text.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct FieldPath(Name);

impl FieldPath {
    /// Path of the whole object; an empty text.
    pub const WHOLE: Self = Self(Name::const_new(""));

    /// Returns a path that is known at compile time; never allocates.
    #[must_use]
    pub const fn new(path: &'static str) -> Self {
        Self(Name::const_new(path))
    }

    /// Returns the path of a field of `spec`.
    #[must_use]
    pub fn spec(field: &str) -> Self {
        Self::new("spec").field(field)
    }

    /// Returns the path of a field below this one: `spec.roles[admin]` → `spec.roles[admin].permissions`.
    #[must_use]
    pub fn field(&self, field: &str) -> Self {
        Self(compact_str::format_compact!("{}.{field}", self.0))
    }

    /// Returns the path of the list item with this name (in `spec.administration`, with this action): `spec.roles` →
    /// `spec.roles[admin]`.
    #[must_use]
    pub fn item(&self, name: &str) -> Self {
        Self(compact_str::format_compact!("{}[{name}]", self.0))
    }

    /// Returns whether the path is that of the whole object.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the path as a text; empty for the whole object.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&'static str> for FieldPath {
    fn from(path: &'static str) -> Self {
        Self::new(path)
    }
}
