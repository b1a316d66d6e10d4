//! One YAML document, and the object it is.

use std::{fmt, path::Path, sync::Arc};

use serde::Serialize;
use serde_json::Value;

use super::{
    path::{DocumentPath, Step},
    position::{Marked, Part, Position},
};
use crate::model::{Name, ObjectRef};

/// Which object something is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, schemars::JsonSchema)]
pub struct ObjectId {
    /// Kind.
    #[schemars(with = "String")]
    pub kind: Name,
    /// Namespace; empty for a cluster-scoped one.
    #[schemars(with = "String")]
    pub namespace: Name,
    /// Name.
    #[schemars(with = "String")]
    pub name: Name,
}

impl From<&ObjectRef> for ObjectId {
    fn from(object: &ObjectRef) -> Self {
        let ObjectRef { kind, namespace, name } = object;
        Self { kind: Name::const_new(kind.as_str()), namespace: namespace.clone(), name: name.clone() }
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.kind)?;
        if !self.namespace.is_empty() {
            write!(f, "{}/", self.namespace)?;
        }
        write!(f, "{}", self.name)
    }
}

/// One document of ours.
#[derive(Clone, Debug)]
pub struct Document {
    /// The file; `-` for standard input.
    pub file: Arc<Path>,
    /// The line on which it begins, from 1.
    pub line: usize,
    /// Its text, for finding the line of a field; of an object in a List, the whole List's.
    pub text: Arc<str>,
    /// Where in its text the object is: nowhere in particular, or among the items of a List.
    pub inside: DocumentPath,
    /// The object it is. What it says is not kept: very many documents would be very large.
    pub id: ObjectId,
}

/// Where a field of a document is, in its file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceSpan {
    /// Line and column in the file.
    pub position: Position,
    /// What stands on that line.
    pub text: String,
}

impl Document {
    /// Where a field is; see [`Marked::find`]. The beginning of the document where nothing is found.
    #[must_use]
    pub fn place(&self, path: &DocumentPath, part: Part, word: Option<&str>) -> SourceSpan {
        let whole = DocumentPath(self.inside.0.iter().chain(&path.0).cloned().collect());
        let found = Marked::read(&self.text).map(|marked| marked.find(&whole, part, word));
        place_in(&self.text, self.line, found)
    }

    /// What it says, read again; nothing where it is not to be read, which was said when it was read first.
    #[must_use]
    pub fn value(&self) -> Option<Value> {
        Reader::default().value(self)
    }

    /// Whether a field's name or value is written without quotes, as YAML only can.
    #[must_use]
    pub fn is_plain(&self, path: &DocumentPath, part: Part) -> bool {
        let whole = DocumentPath(self.inside.0.iter().chain(&path.0).cloned().collect());
        Marked::read(&self.text).is_some_and(|marked| marked.is_plain(&whole, part))
    }
}

/// Reads what documents say once more: the text of a List once for all of its objects.
#[derive(Default)]
pub struct Reader {
    text: Option<Arc<str>>,
    whole: Value,
}

impl Reader {
    /// Returns what a document says; see [`Document::value`].
    pub fn value(&mut self, document: &Document) -> Option<Value> {
        if self.text.as_ref() != Some(&document.text) {
            self.whole = serde_yaml_ng::from_str(&document.text).ok()?;
            self.text = Some(document.text.clone());
        }
        let found = document.inside.0.iter().try_fold(&self.whole, |value, step| match step {
            Step::Field(name) => value.get(name),
            Step::Item(place) => value.get(place),
            Step::Named(_) => None,
        });
        found.cloned()
    }
}

/// A position in a text that begins on line `first` of its file; without one, the first line that says something.
#[must_use]
pub(super) fn place_in(text: &str, first: usize, position: Option<Position>) -> SourceSpan {
    let position = position.unwrap_or_else(|| {
        let says = |line: &str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
        let line = 1 + text.lines().position(says).unwrap_or(0);
        Position { line, column: 1, width: 1 }
    });
    let line = text.lines().nth(position.line.saturating_sub(1)).unwrap_or_default().to_owned();
    SourceSpan { position: Position { line: position.line + first - 1, ..position }, text: line }
}
