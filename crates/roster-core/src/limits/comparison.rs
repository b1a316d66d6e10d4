//! Compares single values of two revisions and records the limits that change. Called by the modules of `limits`.

use std::{cmp::Ordering, collections::BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde::Serialize;

use super::{ABSENT, Direction, Limit, Limits};

/// Consequences of a change in each direction, as the rest of a sentence.
#[derive(Clone, Copy)]
pub(super) struct Meaning {
    pub(super) looser: &'static str,
    pub(super) stricter: &'static str,
}

/// Namespaces that are admitted, from fewest to most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reach {
    Same,
    Selector,
    All,
}

impl Limits {
    /// Records that a field was compared.
    pub(super) fn compare(&mut self, field: &str) {
        self.compared.insert(field.to_owned());
    }

    /// Records a limit that changes.
    pub(super) fn add(
        &mut self,
        field: &str,
        (from, to): (impl Into<String>, impl Into<String>),
        direction: Direction,
        meaning: &str,
    ) {
        self.compare(field);
        let (field, meaning) = (field.to_owned(), meaning.to_owned());
        self.changed.push(Limit { field, from: from.into(), to: to.into(), direction, meaning });
    }

    /// Appends words to the consequence of a field, if the field changes.
    pub(super) fn remark(&mut self, field: &str, words: &str) {
        for limit in self.changed.iter_mut().filter(|limit| limit.field == field) {
            limit.meaning = format!("{}; {words}", limit.meaning);
        }
    }

    /// Compares ordered values: the greater one is looser.
    pub(super) fn ordered<T: Ord>(&mut self, field: &str, from: (T, String), to: (T, String), meaning: Meaning) {
        self.compare(field);
        match to.0.cmp(&from.0) {
            Ordering::Equal => {}
            Ordering::Greater => self.add(field, (from.1, to.1), Direction::Loosened, meaning.looser),
            Ordering::Less => self.add(field, (from.1, to.1), Direction::Tightened, meaning.stricter),
        }
    }

    /// Compares values for which `is_loose` tells the one that is looser than all others.
    pub(super) fn either<T: Serialize>(
        &mut self,
        field: &str,
        (from, to): (T, T),
        is_loose: impl Fn(&T) -> bool,
        meaning: Meaning,
    ) {
        self.ordered(field, (is_loose(&from), word(&from)), (is_loose(&to), word(&to)), meaning);
    }

    /// Compares an annotation whose value approves or permits something. A new value loosens the limit, with the
    /// consequence `named`; a removed annotation has the direction and consequence `none`.
    pub(super) fn annotation(
        &mut self,
        name: &str,
        (from, to): (Option<&str>, Option<&str>),
        named: &'static str,
        none: (Direction, &'static str),
    ) {
        let field = format!("metadata.annotations[{name}]");
        self.compare(&field);
        if from != to {
            let (direction, meaning) = if to.is_some() { (Direction::Loosened, named) } else { none };
            self.add(&field, (from.unwrap_or(ABSENT), to.unwrap_or(ABSENT)), direction, meaning);
        }
    }

    /// Compares sets of allowed values: an added value loosens.
    pub(super) fn allowed(&mut self, field: &str, from: &BTreeSet<String>, to: &BTreeSet<String>, meaning: Meaning) {
        self.sets(field, (from, to), !to.is_subset(from), meaning);
    }

    /// Compares sets of forbidden values: a removed value loosens.
    pub(super) fn forbidden(&mut self, field: &str, from: &BTreeSet<String>, to: &BTreeSet<String>, meaning: Meaning) {
        self.sets(field, (from, to), !from.is_subset(to), meaning);
    }

    fn sets(
        &mut self,
        field: &str,
        (from, to): (&BTreeSet<String>, &BTreeSet<String>),
        loosens: bool,
        meaning: Meaning,
    ) {
        self.compare(field);
        if from != to {
            let (direction, meaning) =
                if loosens { (Direction::Loosened, meaning.looser) } else { (Direction::Tightened, meaning.stricter) };
            self.add(field, (listed(from), listed(to)), direction, meaning);
        }
    }

    /// Compares the namespaces that are admitted. A selector with more requirements admits fewer.
    pub(super) fn namespaces(
        &mut self,
        field: &str,
        from: (Reach, Option<&LabelSelector>),
        to: (Reach, Option<&LabelSelector>),
        meaning: Meaning,
    ) {
        self.compare(field);
        let (asked, asks) = (requirements(from.1), requirements(to.1));
        let direction = match (from.0, to.0) {
            (Reach::Selector, Reach::Selector) if asked == asks => return,
            (Reach::Selector, Reach::Selector) if asks.is_superset(&asked) => Direction::Tightened,
            (Reach::Selector, Reach::Selector) if asks.is_subset(&asked) => Direction::Loosened,
            (one, other) if one == other && one != Reach::Selector => return,
            // Any selector admits other namespaces than the account's own.
            (_, Reach::All) | (Reach::Same, Reach::Selector) => Direction::Loosened,
            (Reach::All, _) => Direction::Tightened,
            _ => Direction::Changed,
        };
        let meaning = match direction {
            Direction::Tightened => meaning.stricter,
            Direction::Loosened => meaning.looser,
            Direction::Changed => "accounts of other namespaces than before are admitted",
        };
        self.add(field, (reached(from.0, &asked), reached(to.0, &asks)), direction, meaning);
    }
}

fn reached(reach: Reach, requirements: &BTreeSet<String>) -> String {
    match reach {
        Reach::Same => "Same".to_owned(),
        Reach::All => "All".to_owned(),
        Reach::Selector => format!("Selector ({})", listed(requirements)),
    }
}

/// Returns the requirements of a selector, each in words.
fn requirements(selector: Option<&LabelSelector>) -> BTreeSet<String> {
    let labels = selector.and_then(|selector| selector.match_labels.as_ref()).into_iter().flatten();
    let labels = labels.map(|(key, value)| format!("{key} In {value}"));
    let expressions = selector.and_then(|selector| selector.match_expressions.as_ref()).into_iter().flatten();
    let expressions = expressions.map(|one| {
        let mut values = one.values.clone().unwrap_or_default();
        values.sort();
        format!("{} {} {}", one.key, one.operator, values.join(" or ")).trim_end().to_owned()
    });
    labels.chain(expressions).collect()
}

/// Returns a value as it is written in a spec.
pub(super) fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(text)) => text,
        Ok(serde_json::Value::Null) | Err(_) => ABSENT.to_owned(),
        Ok(other) => other.to_string(),
    }
}

/// Returns names as a list separated by commas.
pub(super) fn listed(names: &BTreeSet<String>) -> String {
    if names.is_empty() {
        return ABSENT.to_owned();
    }
    names.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// Returns a number, and its text.
pub(super) fn number(number: impl Into<u64>) -> (u64, String) {
    let number = number.into();
    (number, number.to_string())
}

/// Returns names as a set.
pub(super) fn set<S: ToString>(names: impl IntoIterator<Item = S>) -> BTreeSet<String> {
    names.into_iter().map(|name| name.to_string()).collect()
}
