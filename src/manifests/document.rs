//! A YAML document and the identity of its object. Created by `files`; used by the commands that report positions in
//! files.

use std::{fmt, path::Path, sync::Arc};

use serde::Serialize;
use serde_json::Value;

use super::{
    path::{DocumentPath, Step},
    position::{Marked, Part, Position},
};
use crate::model::{Name, ObjectRef};

/// Identity of an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, schemars::JsonSchema)]
pub struct ObjectId {
    /// Kind of the object.
    #[schemars(with = "String")]
    pub kind: Name,
    /// Namespace; empty for a cluster-scoped object.
    #[schemars(with = "String")]
    pub namespace: Name,
    /// Name of the object.
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

/// Document that contains an object of Roster's.
#[derive(Clone, Debug)]
pub struct Document {
    /// File; `-` for standard input.
    pub file: Arc<Path>,
    /// First line of the document, from 1.
    pub line: usize,
    /// Text, for finding the line of a field. For an object in a List, the text of the whole List.
    pub text: Arc<str>,
    /// Path of the object in its text: empty, or an item of a List.
    pub inside: DocumentPath,
    /// Identity of the object. Its content is not kept, since many documents would need much memory.
    pub id: ObjectId,
}

/// Position of a field in its file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceSpan {
    /// Line and column in the file.
    pub position: Position,
    /// Text of that line.
    pub text: String,
}

impl Document {
    /// Returns the position of a field, as found by [`Marked::find`]; the beginning of the document if the text cannot
    /// be read.
    #[must_use]
    pub fn place(&self, path: &DocumentPath, part: Part, word: Option<&str>) -> SourceSpan {
        let whole = DocumentPath(self.inside.0.iter().chain(&path.0).cloned().collect());
        let found = Marked::read(&self.text).map(|marked| marked.find(&whole, part, word));
        place_in(&self.text, self.line, found)
    }

    /// Parses the object again; `None` if the text cannot be read, which was reported when it was read first.
    #[must_use]
    pub fn value(&self) -> Option<Value> {
        Reader::default().value(self)
    }

    /// Returns a field's name or value as it is written without quotes, as is possible only in YAML; `None` if it is in
    /// quotes, or is no scalar.
    #[must_use]
    pub fn plain(&self, path: &DocumentPath, part: Part) -> Option<String> {
        let whole = DocumentPath(self.inside.0.iter().chain(&path.0).cloned().collect());
        Some(Marked::read(&self.text)?.plain(&whole, part)?.to_owned())
    }
}

/// Parses objects again; the text of a List only once for all of its objects.
#[derive(Default)]
pub struct Reader {
    text: Option<Arc<str>>,
    whole: Value,
}

impl Reader {
    /// Returns the object of a document; see [`Document::value`].
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

/// Converts a position in a text that begins on line `first` of its file. Without a position, returns the first line
/// that is neither empty nor a comment.
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
