//! Messages about one position in a file: object, field, fault and remedy. Created by `files` and the `roster`
//! commands, and printed by `roster validate` and others.

use std::{fmt, path::Path, sync::Arc};

use serde::{Serialize, Serializer};

use super::{ObjectId, document::SourceSpan};
use crate::api::InvalidReason;

/// Severity of a diagnostic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The API server would refuse the object, or Roster would not apply it as written.
    Error,
    /// Advice: Roster applies the object as written all the same.
    Advice,
    /// Note: nothing is wrong, but something was skipped or assumed.
    Note,
}

impl Severity {
    /// Returns the word for output.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Advice => "advice",
            Self::Note => "note",
        }
    }
}

/// Reason of a diagnostic; one word in every output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiagnosticReason {
    /// Roster would set `Valid=False` with this reason.
    Invalid(InvalidReason),
    /// Advice.
    Advice,
    /// The API server would refuse the object by its schema.
    Schema,
    /// The API server would refuse the object by a CEL rule.
    Rule,
    /// The API server would refuse the metadata.
    Metadata,
    /// The kind has no such field.
    UnknownField,
    /// The API group has no such kind.
    UnknownKind,
    /// This release does not know the API version or group.
    UnknownVersion,
    /// The text is neither YAML nor JSON.
    Syntax,
    /// A mapping contains a key twice.
    DuplicateKey,
    /// The input contains an object twice.
    DuplicateObject,
    /// Note: documents of other kinds were skipped.
    Skipped,
    /// Note: the input has no IdentityStore, so one with all defaults is assumed.
    StoreAssumed,
}

impl fmt::Display for DiagnosticReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(reason) => write!(f, "{reason}"),
            other => write!(f, "{other:?}"),
        }
    }
}

impl Serialize for DiagnosticReason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Message about one position in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Severity.
    pub severity: Severity,
    /// File; `-` for standard input.
    pub file: Arc<Path>,
    /// Line, from 1; 0 for the whole file.
    pub line: usize,
    /// Column, from 1; 0 for the whole line.
    pub column: usize,
    /// Text of that line; empty if no line is given.
    pub excerpt: String,
    /// Number of characters from that column.
    pub width: usize,
    /// Object; `None` if the document is not one.
    pub object: Option<ObjectId>,
    /// Field, such as `spec.user.email`; empty for the whole object.
    pub field: String,
    /// Reason.
    pub reason: DiagnosticReason,
    /// Fault and remedy.
    pub message: String,
}

impl Diagnostic {
    /// Returns a diagnostic about a position in a file, without object and field.
    #[must_use]
    pub fn new(
        severity: Severity,
        file: &Arc<Path>,
        span: SourceSpan,
        reason: DiagnosticReason,
        message: impl Into<String>,
    ) -> Self {
        let SourceSpan { position, text } = span;
        Self {
            severity,
            file: file.clone(),
            line: position.line,
            column: position.column,
            excerpt: text,
            width: position.width,
            object: None,
            field: String::new(),
            reason,
            message: message.into(),
        }
    }

    /// Sets the object and its field.
    #[must_use]
    pub fn about(mut self, object: &ObjectId, field: impl Into<String>) -> Self {
        (self.object, self.field) = (Some(object.clone()), field.into());
        self
    }

    /// Returns whether the input is invalid because of it.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        for number in [self.line, self.column].into_iter().take_while(|number| *number > 0) {
            write!(f, ":{number}")?;
        }
        write!(f, ": {} {}", self.severity.word(), self.reason)?;
        if let Some(object) = &self.object {
            write!(f, ": {object}")?;
        }
        if !self.field.is_empty() {
            write!(f, " {}", self.field)?;
        }
        write!(f, ": {}", self.message)
    }
}
