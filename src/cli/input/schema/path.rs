//! Where in an object something is.

use std::fmt;

/// One step into an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A field or a key.
    Key(String),
    /// An item of a list.
    Item(usize),
}

/// A way into an object, as long as somebody is on it: costs nothing until it is written down.
#[derive(Clone, Copy)]
pub enum Path<'a> {
    /// The object itself.
    Root,
    /// A field or a key.
    Key(&'a Path<'a>, &'a str),
    /// An item of a list.
    Item(&'a Path<'a>, usize),
}

impl Path<'_> {
    /// The same, to keep.
    #[must_use]
    pub fn steps(&self) -> Vec<Step> {
        let (mut steps, last) = match self {
            Self::Root => return Vec::new(),
            Self::Key(parent, key) => (parent.steps(), Step::Key((*key).to_owned())),
            Self::Item(parent, place) => (parent.steps(), Step::Item(*place)),
        };
        steps.push(last);
        steps
    }
}

impl Step {
    /// The steps of a path as it is written: `spec.blocked[0].email`.
    #[must_use]
    pub fn parse(text: &str) -> Vec<Self> {
        let mut steps = Vec::new();
        for part in text.split('.').filter(|part| !part.is_empty()) {
            let (key, items) = part.split_once('[').map_or((part, ""), |(key, items)| (key, items));
            steps.push(Self::Key(key.to_owned()));
            let places = items.split('[').filter_map(|item| item.trim_end_matches(']').parse().ok());
            steps.extend(places.map(Self::Item));
        }
        steps
    }

    /// Steps as they are written.
    #[must_use]
    pub fn join(steps: &[Self]) -> String {
        let mut text = String::new();
        for step in steps {
            if matches!(step, Self::Key(_)) && !text.is_empty() {
                text.push('.');
            }
            text += &step.to_string();
        }
        text
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => f.write_str(key),
            Self::Item(place) => write!(f, "[{place}]"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_reads_as_it_is_written() {
        for text in ["spec.blocked[0].email", "metadata.name", "spec", "spec.rows[1][2].x", ""] {
            assert_eq!(Step::join(&Step::parse(text)), text);
        }
        let (spec, blocked) = (Path::Key(&Path::Root, "spec"), "blocked");
        let blocked = Path::Key(&spec, blocked);
        assert_eq!(Step::join(&Path::Item(&blocked, 3).steps()), "spec.blocked[3]");
    }
}
