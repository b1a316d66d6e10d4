//! Words without quotes that kubectl takes for something else: it reads YAML 1.1, in which `On` is true and `0049` is a
//! number. Who calls a level `Off` hears so here, and not first from the API server.

use std::sync::LazyLock;

use regex::Regex;
use saphyr::{LoadableYamlNode as _, MarkedYaml, YamlData};
use serde_json::{Map, Value};

use super::position;

/// Numbers, once their underscores are out.
static NUMBER: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$").ok());

/// Makes of the words of a document what kubectl makes of them. Whether a word has quotes is looked up only where there is
/// one that needs them.
pub(super) fn as_kubectl_reads(value: &mut Value, text: &str) {
    if !has_any(value) {
        return;
    }
    let Ok(documents) = MarkedYaml::load_from_str(text) else { return };
    let lines: Vec<&str> = text.lines().collect();
    if let Some(node) = documents.first() {
        reread(value, node, &lines);
    }
}

/// What a word without quotes is; nothing where it is just text.
fn meant(word: &str) -> Option<Value> {
    // The three ways of writing each that YAML 1.1 knows.
    let lower = word.to_ascii_lowercase();
    let mut letters = word.chars();
    let capital = letters.next().is_some_and(|first| first.is_ascii_uppercase());
    let rest = letters.as_str();
    let one_way = word == lower || (capital && (rest == &lower[1..] || word == lower.to_ascii_uppercase()));
    match lower.as_str() {
        "y" | "yes" | "on" if one_way => return Some(Value::Bool(true)),
        "n" | "no" | "off" if one_way => return Some(Value::Bool(false)),
        _ => {}
    }
    if !word.starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first)) {
        return None;
    }
    let number = word.replace('_', "");
    let is_number = NUMBER.as_ref().is_some_and(|pattern| pattern.is_match(&number));
    is_number.then(|| number.parse::<f64>().ok().map(Value::from)).flatten()
}

/// Whether a word in it, or a key, may be meant otherwise. A whole number as YAML 1.2 has it would be none any more if it
/// had no quotes.
fn has_any(value: &Value) -> bool {
    let may = |word: &str| {
        let short = word.len() <= 3 && meant(word).is_some_and(|meant| meant.is_boolean());
        let odd = word.starts_with(['0', '+', '-', '.']) || word.contains('_');
        short || (odd && meant(word).is_some())
    };
    match value {
        Value::String(word) => may(word),
        Value::Array(items) => items.iter().any(has_any),
        Value::Object(fields) => fields.iter().any(|(key, value)| may(key) || has_any(value)),
        _ => false,
    }
}

fn reread(value: &mut Value, node: &MarkedYaml<'_>, lines: &[&str]) {
    match (value, &node.data) {
        (value @ Value::String(_), _) => {
            let Value::String(word) = &*value else { return };
            if let Some(meant) = meant(word).filter(|_| is_plain(node, word, lines)) {
                *value = meant;
            }
        }
        (Value::Array(items), YamlData::Sequence(nodes)) => {
            std::iter::zip(items, nodes).for_each(|(item, node)| reread(item, node, lines));
        }
        (Value::Object(fields), YamlData::Mapping(nodes)) => {
            let found = std::mem::take(fields).into_iter().map(|(key, mut value)| {
                let node = nodes.iter().find(|(name, _)| position::is(name, &key));
                let Some((name, node)) = node else { return (key, value) };
                reread(&mut value, node, lines);
                let meant = meant(&key).filter(|meant| meant.is_boolean() && is_plain(name, &key, lines));
                (meant.map_or(key, |meant| meant.to_string()), value)
            });
            *fields = found.collect::<Map<_, _>>();
        }
        _ => {}
    }
}

/// Whether a word stands there just so: without quotes, not below a `|` or `>`, and not by another name.
fn is_plain(node: &MarkedYaml<'_>, word: &str, lines: &[&str]) -> bool {
    let start = node.span.start;
    let Some(number) = start.line().checked_sub(1) else { return false };
    let Some(line) = lines.get(number) else { return false };
    let place = line.char_indices().nth(start.col()).map_or(line.len(), |(place, _)| place);
    let (before, there) = line.split_at(place);
    let anchored = there.strip_prefix('&').and_then(|rest| rest.split_once(char::is_whitespace));
    let there = anchored.map_or(there, |(_, rest)| rest.trim_start());
    let is_block = before.trim().is_empty() && {
        let above = lines.iter().take(number).rev().find(|line| !line.trim().is_empty());
        let mark = above.and_then(|line| line.split_whitespace().next_back());
        mark.is_some_and(|mark| mark.starts_with(['|', '>']) && mark.len() <= 3)
    };
    !is_block && there.starts_with(word)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> Value {
        let mut value = serde_yaml_ng::from_str(text).unwrap();
        as_kubectl_reads(&mut value, text);
        value
    }

    #[test]
    fn words_are_what_kubectl_makes_of_them() {
        assert_eq!(
            read("a: [Off, \"Off\", 'on', y, NO, yEs, oFF, office]"),
            json!({
                "a": [false, "Off", "on", true, false, "yEs", "oFF", "office"]
            })
        );
        assert_eq!(
            read("a: |-\n  on\nb: >-\n  off\nc: &c on\nd: off\n"),
            json!({
                "a": "on", "b": "off", "c": true, "d": false
            })
        );
        assert_eq!(read("On: {\"off\": no}\n"), json!({"true": {"off": false}}));
        assert_eq!(
            read("a: [0049, '0049', 1_000, 2026-12-31, 12:30, 1.2.3, +4, _1]"),
            json!({
                "a": [49.0, "0049", 1000.0, "2026-12-31", "12:30", "1.2.3", 4, "_1"]
            })
        );
        assert_eq!(read("# über\nä: {ö: off, ü: 'off'}\n"), json!({"ä": {"ö": false, "ü": "off"}}));
    }
}
