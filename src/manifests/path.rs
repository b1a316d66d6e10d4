//! Paths of fields, for searching documents. Used by the other modules of `manifests`, and by the commands that report
//! positions.

use std::fmt;

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Field, or key of a map.
    Field(String),
    /// Index in a list, from 0.
    Item(usize),
    /// Item of a list with this `name` or `action`.
    Named(String),
}

/// Path of a field in a document: `spec.sections[0].name`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DocumentPath(pub Vec<Step>);

impl DocumentPath {
    /// Parses a path in the engine's notation: `spec.sections[billing].requires`.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut steps = Vec::new();
        for part in text.split(['.', '[']).filter(|part| !part.is_empty()) {
            steps.push(match part.strip_suffix(']') {
                None => Step::Field(part.to_owned()),
                Some(inner) => match inner.parse() {
                    Ok(place) => Step::Item(place),
                    Err(_) => Step::Named(inner.trim_matches('"').to_owned()),
                },
            });
        }
        Self(steps)
    }

    /// Returns the path with one more field.
    #[must_use]
    pub fn field(mut self, name: impl Into<String>) -> Self {
        self.0.push(Step::Field(name.into()));
        self
    }
}

impl fmt::Display for DocumentPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, step) in self.0.iter().enumerate() {
            match step {
                Step::Field(name) if name.is_empty() || name.contains(['.', '/', ' ']) => write!(f, "[{name:?}]")?,
                Step::Field(name) if place == 0 => write!(f, "{name}")?,
                Step::Field(name) => write!(f, ".{name}")?,
                Step::Item(place) => write!(f, "[{place}]")?,
                Step::Named(name) => write!(f, "[{name}]")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_parses_to_what_was_formatted() {
        for text in ["spec.sections[billing].requires", "spec.roles[2].permissions.a", "metadata.name"] {
            assert_eq!(DocumentPath::parse(text).to_string(), text);
        }
        let path = DocumentPath::parse("metadata.labels").field("a.b/c");
        assert_eq!(path.to_string(), "metadata.labels[\"a.b/c\"]");
    }
}
