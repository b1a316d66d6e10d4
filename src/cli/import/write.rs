//! Writes manifests as files, in a stable order. Called by `roster import`.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use serde_json::Value;
use serde_yaml_ng::{Mapping, Value as Yaml};

/// Fields that come first where they are, in this order; the others follow by name.
const FIRST: &[&str] = &[
    "apiVersion",
    "kind",
    "metadata",
    "name",
    "namespace",
    "accountRef",
    "title",
    "user",
    "email",
    "displayName",
    "catalogRef",
    "owner",
    "parentRef",
    "partner",
    "roleRef",
    "groupRefs",
    "overrides",
    "sections",
    "levels",
    "ownerRole",
    "roles",
    "restrictions",
    "caps",
];

/// Object with the comment above it.
struct Manifest {
    comment: Option<String>,
    value: Value,
}

/// Files by path below the folder.
#[derive(Default)]
pub(super) struct Manifests(BTreeMap<PathBuf, Vec<Manifest>>);

impl Manifests {
    /// Adds an object to a file.
    pub(super) fn add(&mut self, path: impl Into<PathBuf>, comment: Option<String>, value: Value) {
        self.0.entry(path.into()).or_default().push(Manifest { comment, value });
    }

    /// Returns whether a file exists.
    pub(super) fn has(&self, path: &str) -> bool {
        self.0.contains_key(Path::new(path))
    }

    /// Writes all files below `folder`.
    pub(super) fn write(&self, folder: &Path) -> anyhow::Result<()> {
        for (path, objects) in &self.0 {
            let path = folder.join(path);
            let folder = path.parent().unwrap_or(&path);
            fs::create_dir_all(folder).with_context(|| format!("cannot create the folder {}", folder.display()))?;
            let text = text(objects).with_context(|| format!("cannot write {}", path.display()))?;
            fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    }
}

fn text(objects: &[Manifest]) -> anyhow::Result<String> {
    let mut text = "# Written by `roster import`.\n".to_owned();
    for (place, object) in objects.iter().enumerate() {
        if place > 0 {
            text += "---\n";
        }
        for line in object.comment.iter().flat_map(|comment| comment.split(ends_a_line)).filter(|line| !line.is_empty())
        {
            let _ = writeln!(text, "# {line}");
        }
        text += &yaml(&object.value)?;
    }
    Ok(text)
}

/// Returns whether a character ends a line, and with it a comment, for any reader of YAML: YAML 1.1 has three more of
/// them than 1.2. Texts come from a store, where somebody may have put one in to write an object of their own.
const fn ends_a_line(letter: char) -> bool {
    matches!(letter, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Returns YAML that readers of YAML 1.1, such as kubectl, understand alike: ambiguous words and numbers are quoted.
/// The YAML 1.2 writer does not quote them, so a marker stands for the quotes until the end.
fn yaml(value: &Value) -> anyhow::Result<String> {
    let plain = value.to_string();
    let mut marker = "QUOTED".to_owned();
    while plain.contains(&marker) {
        marker.push('X');
    }
    let text = serde_yaml_ng::to_string(&ordered(value, &marker))?;
    Ok(text.replace(&format!("{marker}."), "'").replace(&format!(".{marker}"), "'"))
}

/// Returns whether YAML 1.1 reads the text as something other than text.
pub(in crate::cli) fn is_ambiguous(text: &str) -> bool {
    const WORDS: &[&str] = &["y", "n", "yes", "no", "on", "off", "true", "false", "null", "~"];
    let of_a_number = |letter: char| letter.is_ascii_hexdigit() || "xXoO_.:+-TZ".contains(letter);
    WORDS.contains(&text.to_ascii_lowercase().as_str())
        || (text.starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first))
            && text.chars().all(of_a_number))
}

/// Returns the value with its fields in order, and `marker` around texts to be quoted.
fn ordered(value: &Value, marker: &str) -> Yaml {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<(&String, &Value)> = fields.iter().collect();
            let rank = |name: &str| FIRST.iter().position(|first| *first == name).unwrap_or(FIRST.len());
            fields.sort_by(|(one, _), (other, _)| (rank(one), one).cmp(&(rank(other), other)));
            Yaml::Mapping(
                fields
                    .into_iter()
                    .map(|(name, value)| (text_of(name, marker), ordered(value, marker)))
                    .collect::<Mapping>(),
            )
        }
        Value::Array(items) => Yaml::Sequence(items.iter().map(|item| ordered(item, marker)).collect()),
        Value::String(text) => text_of(text, marker),
        Value::Bool(yes) => Yaml::Bool(*yes),
        Value::Number(number) => number.as_i64().map_or(Yaml::Null, |number| Yaml::Number(number.into())),
        Value::Null => Yaml::Null,
    }
}

fn text_of(text: &str, marker: &str) -> Yaml {
    Yaml::String(if is_ambiguous(text) { format!("{marker}.{text}.{marker}") } else { text.to_owned() })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_have_the_order_in_which_people_write_them() {
        let value = json!({"spec": {"user": {"email": "a@b.c"}, "accountRef": {"name": "x"}}, "kind": "Membership"});
        let yaml = text(&[Manifest { comment: Some("why".to_owned()), value }]).unwrap();
        let expected = "# Written by `roster import`.\n# why\nkind: Membership\nspec:\n  accountRef:\n    name: x\n  user:\n    email: a@b.c\n";
        assert_eq!(yaml, expected);
    }

    #[test]
    fn a_comment_never_ends_before_its_text_does() {
        for end in ["\n", "\r", "\r\n", "\u{85}", "\u{2028}", "\u{2029}"] {
            let comment = Some(format!("held: x{end}---{end}kind: Membership"));
            let yaml = text(&[Manifest { comment, value: json!({"kind": "Account"}) }]).unwrap();
            let lines: Vec<&str> = yaml.split(ends_a_line).filter(|line| !line.is_empty()).collect();
            assert_eq!(lines[1..], ["# held: x", "# ---", "# kind: Membership", "kind: Account"], "{end:?}");
        }
    }

    /// kubectl reads YAML 1.1, where these are booleans and numbers unless they are quoted.
    #[test]
    fn strings_stay_strings() {
        for word in
            ["Off", "on", "no", "Yes", "y", "N", "true", "null", "~", "1.0", "0x10", "1e3", "012", "1_000", "12:30"]
        {
            let yaml = text(&[Manifest { comment: None, value: json!({"level": word}) }]).unwrap();
            let value = yaml.lines().last().unwrap().strip_prefix("level: ").unwrap();
            assert_eq!(value, format!("'{word}'"));
            assert_eq!(serde_yaml_ng::from_str::<Value>(&yaml).unwrap(), json!({"level": word}));
        }
    }
}
