//! Fault of an object, as the checks of a schema give it. Made by `walk` and `metadata`; shown by the commands as a
//! diagnostic.

use std::sync::LazyLock;

use regex::Regex;

use crate::manifests::{DiagnosticReason, path::DocumentPath};

/// Fault that the API server would refuse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Path of the field.
    pub path: DocumentPath,
    /// Reason: `Schema`, `Rule`, `UnknownField` or `Metadata`.
    pub reason: DiagnosticReason,
    /// Fault and remedy.
    pub message: String,
    /// Whether the fault is in the field's name rather than its value.
    pub is_key: bool,
    /// Whether it is a fault only without quotes: YAML 1.1, which kubectl reads, takes some words for booleans.
    pub if_plain: bool,
    /// Whether the value is a number or boolean where a text is wanted. The message then quotes the value as it was read,
    /// and [`needs_quotes`] gives the one for the value as it is written.
    pub unquoted: bool,
}

/// Returns the fault of a number or boolean without quotes, where a text is wanted.
#[must_use]
pub fn needs_quotes(written: &str) -> String {
    format!("must be a string, but this is {written}; put it in quotes: \"{written}\"")
}

/// Returns whether kubectl, which reads YAML 1.1, takes this word without quotes for a boolean.
pub(super) fn is_boolean_in_kubectl(text: &str) -> bool {
    matches!(
        text,
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" | "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF"
    )
}

/// Returns the fault of a text that kubectl takes for a boolean or a number if it is written without quotes: kubectl reads
/// YAML 1.1, and this program YAML 1.2.
pub(super) fn misread_by_kubectl(text: &str) -> Option<String> {
    /// Leading zeros, and digits parted by `_`.
    static NUMBER: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new("^[-+]?(0[0-9_]+|[0-9]+_[0-9_]*|0[xX][0-9a-fA-F_]+|0[bB][01_]+)$").ok());
    let is_number = || NUMBER.as_ref().is_some_and(|shape| shape.is_match(text));
    let kind = if is_boolean_in_kubectl(text) {
        "boolean"
    } else if is_number() {
        "number"
    } else {
        return None;
    };
    Some(format!("kubectl reads {text} without quotes as a {kind}; write \"{text}\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_numbers_of_yaml_1_1_need_quotes() {
        for (text, kind) in
            [("no", "boolean"), ("On", "boolean"), ("007", "number"), ("1_000", "number"), ("08", "number")]
        {
            let fault = misread_by_kubectl(text).unwrap();
            assert_eq!(fault, format!("kubectl reads {text} without quotes as a {kind}; write \"{text}\""));
        }
        for text in ["nobody", "0", "acme-1", "1-000", "_1", "true"] {
            assert_eq!(misread_by_kubectl(text), None, "{text}");
        }
    }
}
