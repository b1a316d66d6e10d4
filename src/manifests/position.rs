//! Finds the position of a field: parses the document again with a parser that keeps positions. Called by `document`,
//! `files` and `parse` only for messages, since parsing all documents that way would cost more than all rules together.

use saphyr_parser::{Event, Parser, ScalarStyle, Span, StrInput};

use super::path::{DocumentPath, Step};

/// Position in a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Number of characters on that line, at least 1.
    pub width: usize,
}

/// Document with positions.
#[derive(Debug)]
pub struct Marked {
    span: Span,
    shape: Shape,
}

#[derive(Debug)]
enum Shape {
    Scalar { text: String, plain: bool },
    List(Vec<Marked>),
    Map(Vec<(Marked, Marked)>),
    Alias,
}

/// Part of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Name of the field.
    Key,
    /// Value of the field.
    Value,
    /// Second occurrence of the field's name.
    SecondKey,
}

impl Marked {
    /// Parses one document; `None` if it is not valid.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let mut parser = Parser::new_from_str(text);
        loop {
            match parser.next_event()?.ok()? {
                (Event::StreamStart | Event::DocumentStart(_) | Event::Nothing, _) => {}
                (event, span) => return node(&mut parser, event, span, 0),
            }
        }
    }

    /// Returns the position of a field, or of the last existing step towards it. Below it, searches for `word`: the key
    /// or value that a message quotes.
    #[must_use]
    pub fn find(&self, path: &DocumentPath, part: Part, word: Option<&str>) -> Position {
        let (mut at, mut key) = (self, None);
        for (place, step) in path.0.iter().enumerate() {
            let last = place + 1 == path.0.len();
            let Some((name, value)) = at.step(step, last && part == Part::SecondKey) else {
                // A missing field is reported at its parent.
                return key.unwrap_or(at).position();
            };
            (at, key) = (value, name);
        }
        if let Some(found) = word.and_then(|word| at.word(word)) {
            return found.position();
        }
        match (part, &at.shape) {
            (Part::Value, Shape::Scalar { .. }) => at.position(),
            _ => key.unwrap_or(at).position(),
        }
    }

    /// Returns a field's name or value as it is written; `None` unless it is a scalar without quotes.
    #[must_use]
    pub fn plain(&self, path: &DocumentPath, part: Part) -> Option<&str> {
        let start = Some((None, self));
        let found = path.0.iter().fold(start, |at, step| at.and_then(|(_, at)| at.step(step, false)));
        let found = found.and_then(|(key, value)| if part == Part::Value { Some(value) } else { key });
        match &found?.shape {
            Shape::Scalar { plain: true, text } => Some(text),
            _ => None,
        }
    }

    /// Returns the path of a key that a mapping contains twice, at any depth.
    #[must_use]
    pub fn repeated(&self) -> Option<DocumentPath> {
        match &self.shape {
            Shape::Scalar { .. } | Shape::Alias => None,
            Shape::List(items) => items
                .iter()
                .enumerate()
                .find_map(|(place, item)| item.repeated().map(|path| before(Step::Item(place), path))),
            Shape::Map(entries) => entries.iter().enumerate().find_map(|(place, (key, value))| {
                let name = key.text()?;
                if entries[..place].iter().any(|(other, _)| other.text() == Some(name)) {
                    return Some(DocumentPath::default().field(name));
                }
                value.repeated().map(|path| before(Step::Field(name.to_owned()), path))
            }),
        }
    }

    fn step(&self, step: &Step, second: bool) -> Option<(Option<&Self>, &Self)> {
        match (step, &self.shape) {
            (Step::Field(name), Shape::Map(entries)) => {
                let mut same = entries.iter().filter(|(key, _)| key.text() == Some(name));
                let found = if second { same.nth(1) } else { same.next() };
                found.map(|(key, value)| (Some(key), value))
            }
            (Step::Item(place), Shape::List(items)) => items.get(*place).map(|item| (None, item)),
            (Step::Named(name), Shape::List(items)) => {
                let called = |item: &&Self| {
                    ["name", "action"].iter().any(|key| {
                        let step = item.step(&Step::Field((*key).to_owned()), false);
                        step.is_some_and(|(_, value)| value.text() == Some(name))
                    })
                };
                items.iter().find(called).map(|item| (None, item))
            }
            _ => None,
        }
    }

    fn word(&self, word: &str) -> Option<&Self> {
        match &self.shape {
            Shape::Scalar { text, .. } => (text == word).then_some(self),
            Shape::Alias => None,
            Shape::List(items) => items.iter().find_map(|item| item.word(word)),
            Shape::Map(entries) => entries.iter().find_map(|(key, value)| key.word(word).or_else(|| value.word(word))),
        }
    }

    fn text(&self) -> Option<&str> {
        match &self.shape {
            Shape::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    fn position(&self) -> Position {
        let (start, end) = (self.span.start, self.span.end);
        let scalar = matches!(self.shape, Shape::Scalar { .. }) && start.line() == end.line();
        let width = if scalar { end.col().saturating_sub(start.col()).max(1) } else { 1 };
        Position { line: start.line(), column: start.col() + 1, width }
    }
}

fn before(step: Step, mut path: DocumentPath) -> DocumentPath {
    path.0.insert(0, step);
    path
}

/// Depth limit, greater than that of any valid document. A deeper document counts as not valid.
const DEPTH: usize = 64;

fn node(parser: &mut Parser<'_, StrInput<'_>>, event: Event<'_>, start: Span, depth: usize) -> Option<Marked> {
    if depth > DEPTH {
        return None;
    }
    let shape = match event {
        Event::Scalar(text, style, ..) => Shape::Scalar { text: text.into_owned(), plain: style == ScalarStyle::Plain },
        Event::Alias(_) => Shape::Alias,
        Event::SequenceStart(..) => {
            let mut items = Vec::new();
            loop {
                match parser.next_event()?.ok()? {
                    (Event::SequenceEnd, _) => break Shape::List(items),
                    (event, span) => items.push(node(parser, event, span, depth + 1)?),
                }
            }
        }
        Event::MappingStart(..) => {
            let mut entries = Vec::new();
            loop {
                match parser.next_event()?.ok()? {
                    (Event::MappingEnd, _) => break Shape::Map(entries),
                    (event, span) => {
                        let key = node(parser, event, span, depth + 1)?;
                        let (event, span) = parser.next_event()?.ok()?;
                        entries.push((key, node(parser, event, span, depth + 1)?));
                    }
                }
            }
        }
        _ => return None,
    };
    Some(Marked { span: start, shape })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# a member
kind: Membership
spec:
  user: {email: \"dana@acme.example\", displayName: Dana}
  groupRefs:
  - name: support
  - {name: Ünïcode, kind: \"Off\"}
  a.b: &anchor {x: 1}
  c: *anchor
  user: again
";

    fn find(path: &str, part: Part, word: Option<&str>) -> (usize, usize, usize) {
        let position = Marked::read(TEXT).unwrap().find(&DocumentPath::parse(path), part, word);
        (position.line, position.column, position.width)
    }

    #[test]
    fn values_and_keys_are_found() {
        assert_eq!(find("kind", Part::Value, None), (2, 7, 10));
        assert_eq!(find("spec.user.email", Part::Value, None), (4, 17, 19));
        assert_eq!(find("spec.user.displayName", Part::Key, None), (4, 38, 11));
        assert_eq!(find("spec.groupRefs[1].name", Part::Value, None), (7, 12, 7));
        assert_eq!(find("spec.groupRefs[support].name", Part::Value, None), (6, 11, 7));
    }

    #[test]
    fn a_block_is_shown_by_its_key_and_a_quoted_word_inside_it() {
        assert_eq!(find("spec.groupRefs", Part::Value, None), (5, 3, 9));
        assert_eq!(find("spec.groupRefs", Part::Value, Some("support")), (6, 11, 7));
        assert_eq!(find("spec.groupRefs", Part::Value, Some("nobody")), (5, 3, 9));
    }

    #[test]
    fn a_missing_field_is_reported_at_its_parent() {
        assert_eq!(find("spec.user.externalId", Part::Value, None), (4, 3, 4));
        assert_eq!(find("metadata.name", Part::Value, None), (2, 1, 1));
        // Fields inside an alias have the alias's position.
        assert_eq!(find("spec.c.x", Part::Value, None), (9, 3, 1));
    }

    #[test]
    fn a_repeated_key_is_found_at_its_second_position() {
        let marked = Marked::read(TEXT).unwrap();
        let path = marked.repeated().unwrap();
        assert_eq!(path.to_string(), "spec.user");
        assert_eq!(marked.find(&path, Part::SecondKey, None), Position { line: 10, column: 3, width: 4 });
    }

    #[test]
    fn quotes_are_seen() {
        let marked = Marked::read(TEXT).unwrap();
        let plain = |path: &str, part| marked.plain(&DocumentPath::parse(path), part);
        assert_eq!(plain("spec.groupRefs[0].name", Part::Value), Some("support"));
        assert_eq!(plain("spec.groupRefs[1].kind", Part::Value), None);
        assert_eq!(plain("spec.groupRefs[1].kind", Part::Key), Some("kind"));
        assert_eq!(plain("spec.groupRefs[7].kind", Part::Value), None);
        assert_eq!(plain("spec.groupRefs", Part::Value), None);
    }
}
