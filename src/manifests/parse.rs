//! Splits text into documents and parses each of them, so that a broken one does not affect the others. Called by
//! `files`.

use std::fmt;

use anyhow::Context as _;
use serde::{
    Deserialize, Deserializer,
    de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value};

use super::{
    DiagnosticReason,
    position::{Marked, Part, Position},
};

/// One document of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chunk<'a> {
    /// First line of the document, from 1.
    pub line: usize,
    /// Text of the document.
    pub text: &'a str,
    /// Whether the text is JSON.
    pub is_json: bool,
}

/// Cause why a document cannot be read.
#[derive(Debug)]
pub(super) struct Broken {
    pub reason: DiagnosticReason,
    pub message: String,
    pub position: Option<Position>,
}

/// Splits a text into documents.
pub(super) fn chunks(text: &str, is_json: bool) -> Vec<Chunk<'_>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if is_json && let Some(chunks) = json_chunks(text) {
        return chunks;
    }
    yaml_chunks(text)
}

/// Splits YAML. A `---` or `...` at the beginning of a line always ends a document.
fn yaml_chunks(text: &str) -> Vec<Chunk<'_>> {
    let mut found = Vec::new();
    let (mut start, mut first, mut at) = (0, 1, 0);
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let rest = line.strip_prefix("---").or_else(|| line.strip_prefix("..."));
        if let Some(rest) = rest.filter(|rest| rest.chars().next().is_none_or(char::is_whitespace)) {
            found.push(Chunk { line: first, text: &text[start..at], is_json: false });
            // Text after the marker on its line belongs to the document, unless it is a comment.
            let inline = !rest.trim().is_empty() && !rest.trim_start().starts_with('#');
            (start, first) = if inline { (at + 3, number + 1) } else { (at + line.len(), number + 2) };
        }
        at += line.len();
    }
    found.push(Chunk { line: first, text: &text[start..], is_json: false });
    found.retain(|chunk| chunk.text.lines().any(|line| !line.trim().is_empty() && !line.starts_with(['#', '%'])));
    found
}

/// Splits a sequence of JSON documents; `None` if the text is not JSON.
fn json_chunks(text: &str) -> Option<Vec<Chunk<'_>>> {
    let mut found = Vec::new();
    let mut documents = serde_json::Deserializer::from_str(text).into_iter::<de::IgnoredAny>();
    let mut start = 0;
    while let Some(document) = documents.next() {
        document.ok()?;
        let end = documents.byte_offset();
        let space = text[start..end].len() - text[start..end].trim_start().len();
        let line = 1 + text[..start + space].matches('\n').count();
        found.push(Chunk { line, text: &text[start + space..end], is_json: true });
        start = end;
    }
    Some(found)
}

/// Parses one document.
///
/// # Errors
/// When the syntax is wrong, or a mapping contains a key twice: one of two values would be lost silently.
pub(super) fn value(chunk: &Chunk<'_>) -> Result<Value, Broken> {
    let read = if chunk.is_json {
        let mut text = serde_json::Deserializer::from_str(chunk.text);
        let read = Seed { merges: false }.deserialize(&mut text).and_then(|value| text.end().map(|()| Strict(value)));
        read.map_err(|error: serde_json::Error| (error.to_string(), Some((error.line(), error.column()))))
    } else {
        let read = serde_yaml_ng::from_str(chunk.text);
        read.map_err(|error: serde_yaml_ng::Error| {
            (error.to_string(), error.location().map(|location| (location.line(), location.column())))
        })
    };
    let (message, at) = match read {
        Ok(Strict(value)) => return Ok(value),
        Err(error) => error,
    };
    if message.contains(TWICE) {
        let marked = Marked::read(chunk.text);
        let twice = marked.as_ref().and_then(|marked| Some((marked, marked.repeated()?)));
        if let Some((marked, path)) = twice {
            let first = marked.find(&path, Part::Key, None);
            let line = first.line + chunk.line - 1;
            // These keys are in every object: if one is there twice, the text is probably two objects.
            let remedy = match path.to_string().as_str() {
                "apiVersion" | "kind" | "metadata" | "spec" => "keep one, or put a line --- between two objects",
                _ => "keep one",
            };
            let message = format!("{path} exists twice, first on line {line}; {remedy}");
            return Err(Broken {
                reason: DiagnosticReason::DuplicateKey,
                message,
                position: Some(marked.find(&path, Part::SecondKey, None)),
            });
        }
    }
    // The position is reported separately.
    let message = message.split(" at line ").next().unwrap_or_default().to_owned();
    let position = at.map(|(line, column)| Position { line: line.max(1), column: column.max(1), width: 1 });
    let line = position.and_then(|position| chunk.text.lines().nth(position.line - 1)).unwrap_or_default();
    let indent = &line[..line.len() - line.trim_start().len()];
    let message = if indent.contains('\t') { format!("{message}; indent with spaces, not with tabs") } else { message };
    Err(Broken { reason: DiagnosticReason::Syntax, message, position })
}

/// Reads a file, or standard input.
pub(super) fn load(path: &std::path::Path) -> anyhow::Result<String> {
    let bytes = if path == std::path::Path::new("-") {
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut std::io::stdin(), &mut bytes).context("cannot read standard input")?;
        bytes
    } else {
        std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?
    };
    String::from_utf8(bytes).with_context(|| format!("cannot read {}: it is not UTF-8", path.display()))
}

const TWICE: &str = "exists twice";

/// JSON value without duplicate keys. Merge keys (`<<`) of YAML are applied as kubectl applies them.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Seed { merges: true }.deserialize(deserializer).map(Self)
    }
}

/// Reader of one value.
#[derive(Clone, Copy)]
struct Seed {
    /// Whether `<<` is a merge key; JSON has none.
    merges: bool,
}

impl<'de> DeserializeSeed<'de> for Seed {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value that exists in JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = entries.next_key_seed(Key)? {
            let value = entries.next_value_seed(self)?;
            if map.contains_key(&key) {
                return Err(de::Error::custom(format_args!("{key:?} {TWICE}")));
            }
            if key == "<<" && !self.merges {
                return Err(de::Error::custom("kubectl does not resolve the merge key << here and sends it unchanged"));
            }
            if key == "<<" && !map.is_empty() {
                return Err(de::Error::custom(
                    "a merge key (<<) must be first: in kubectl it overrides the keys before it",
                ));
            }
            map.insert(key, value);
        }
        if let Some(merged) = map.remove("<<") {
            let from = match merged {
                Value::Array(several) => several,
                one => vec![one],
            };
            for (key, value) in from.into_iter().filter_map(as_map).flatten() {
                map.entry(key).or_insert(value);
            }
        }
        Ok(Value::Object(map))
    }
}

fn as_map(value: Value) -> Option<Map<String, Value>> {
    match value {
        Value::Object(map) => Some(map),
        _ => None,
    }
}

/// Reader of a key: always text, as in JSON, whatever type YAML would give it.
struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for Key {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key that is a word")
    }

    fn visit_bool<E>(self, key: bool) -> Result<String, E> {
        Ok(key.to_string())
    }

    fn visit_i64<E>(self, key: i64) -> Result<String, E> {
        Ok(key.to_string())
    }

    fn visit_u64<E>(self, key: u64) -> Result<String, E> {
        Ok(key.to_string())
    }

    fn visit_f64<E>(self, key: f64) -> Result<String, E> {
        Ok(key.to_string())
    }

    fn visit_str<E>(self, key: &str) -> Result<String, E> {
        Ok(key.to_owned())
    }

    fn visit_string<E>(self, key: String) -> Result<String, E> {
        Ok(key)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(text: &str, is_json: bool) -> Vec<(usize, &str)> {
        chunks(text, is_json).iter().map(|chunk| (chunk.line, chunk.text)).collect()
    }

    fn read(text: &str) -> Result<Value, Broken> {
        value(&Chunk { line: 1, text, is_json: false })
    }

    #[test]
    fn the_line_of_each_document_is_known() {
        let text = "# first\na: 1\n---\nb: 2\n--- # third\n\nc: |\n  ---\n---\n---\n# nothing\n";
        assert_eq!(found(text, false), [(1, "# first\na: 1\n"), (4, "b: 2\n"), (6, "\nc: |\n  ---\n")]);
        assert_eq!(found("%YAML 1.2\n---\na: 1\n...\n--- {b: 2}\n", false), [(3, "a: 1\n"), (5, " {b: 2}\n")]);
    }

    #[test]
    fn json_documents_follow_each_other() {
        assert_eq!(found("{\"a\": 1}\n\n{\"b\":\n2}\n", true), [(1, "{\"a\": 1}"), (3, "{\"b\":\n2}")]);
        // A text that is not JSON is read as YAML.
        assert_eq!(found("a: 1\n", true), [(1, "a: 1\n")]);
    }

    #[test]
    fn a_duplicate_key_is_shown_at_its_second_position() {
        let broken = value(&Chunk { line: 11, text: "a:\n  b: 1\n  c: 2\n  b: 3\n", is_json: false }).unwrap_err();
        assert_eq!(broken.reason, DiagnosticReason::DuplicateKey);
        assert_eq!(broken.message, "a.b exists twice, first on line 12; keep one");
        assert_eq!(broken.position, Some(Position { line: 4, column: 3, width: 1 }));
    }

    #[test]
    fn broken_yaml_has_a_line_and_a_column() {
        let broken = read("a: 1\nb: [1, 2\nc: 3\n").unwrap_err();
        assert_eq!(broken.reason, DiagnosticReason::Syntax);
        assert_eq!(broken.position.map(|position| position.line), Some(3));
        assert!(!broken.message.contains("line"), "{}", broken.message);
    }

    #[test]
    fn a_merge_key_behind_another_key_is_refused() {
        // kubectl lets such a merge key override the keys before it, and the keys after it override the merge key.
        let broken = read("base: &base {a: 1}\nown: {a: 2, <<: *base}\n").unwrap_err();
        assert!(broken.message.contains("a merge key (<<) must be first"), "{}", broken.message);
    }

    #[test]
    fn values_are_read_as_kubectl_reads_them() {
        let json = r#"{"a": {"<<": {"b": 1}}}"#;
        let broken = value(&Chunk { line: 1, text: json, is_json: true }).unwrap_err();
        assert!(broken.message.contains("kubectl does not resolve the merge key"), "{}", broken.message);
        let value = read("base: &base {a: 1, b: 2}\nown: {<<: *base, b: 3}\n1: yes\ntrue: 2026-01-01\n").unwrap();
        let base = json!({"a": 1, "b": 2});
        let own = json!({"a": 1, "b": 3});
        assert_eq!(value, json!({"base": base, "own": own, "1": "yes", "true": "2026-01-01"}));
    }
}
