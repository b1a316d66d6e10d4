//! What is to be said of one place in a file: which object, which field, what is wrong, what would be right.

use std::{fmt, path::Path, sync::Arc};

use serde::{Serialize, Serializer};

use super::{ObjectId, document::SourceSpan};
use crate::api::InvalidReason;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The API server would refuse the object, or Roster would not do as it says.
    Error,
    /// Advice; Roster does as it says all the same.
    Advice,
    /// Nothing is wrong: something was passed over.
    Note,
}

impl Severity {
    /// Its name.
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
    /// Roster would say `Valid=False`, for this reason.
    Invalid(InvalidReason),
    /// Advice.
    Advice,
    /// The API server would refuse it by its schema.
    Schema,
    /// The API server would refuse it by one of its rules.
    Rule,
    /// The API server would refuse its metadata.
    Metadata,
    /// A field that its kind does not have.
    UnknownField,
    /// A kind that the group does not have.
    UnknownKind,
    /// A version, or a group, that this release does not know.
    UnknownVersion,
    /// No YAML or JSON.
    Syntax,
    /// A key that is twice in a mapping.
    DuplicateKey,
    /// An object that is twice in the input.
    DuplicateObject,
    /// Note: documents of other kinds were passed over.
    Skipped,
    /// Note: no IdentityStore was given, so one without limits is assumed.
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

/// Something to be said of one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// The file; `-` for standard input.
    pub file: Arc<Path>,
    /// Line, from 1; 0 where the whole file is meant.
    pub line: usize,
    /// Column, from 1; 0 where the whole line is meant.
    pub column: usize,
    /// What stands on that line; empty where no line is meant.
    pub excerpt: String,
    /// How many characters of it are meant.
    pub width: usize,
    /// The object, where it got as far as being one.
    pub object: Option<ObjectId>,
    /// The field, as `spec.user.email`; empty where the whole object is meant.
    pub field: String,
    /// Reason.
    pub reason: DiagnosticReason,
    /// What is wrong and what would be right.
    pub message: String,
}

impl Diagnostic {
    /// Something to be said of a place in a file.
    #[must_use]
    pub fn new(
        severity: Severity,
        file: &Arc<Path>,
        place: SourceSpan,
        reason: DiagnosticReason,
        message: impl Into<String>,
    ) -> Self {
        let SourceSpan { position, text } = place;
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

    /// The same about a field of an object.
    #[must_use]
    pub fn about(mut self, object: &ObjectId, field: impl Into<String>) -> Self {
        (self.object, self.field) = (Some(object.clone()), field.into());
        self
    }

    /// Whether it makes the input invalid.
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
