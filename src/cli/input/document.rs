//! One object of a file, and where it stands.

use std::{fmt, path::Path, sync::Arc};

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value};

use super::{Diagnostic, Severity, position, schema::Step};
use crate::model::Name;

/// Which object something is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId {
    /// Kind.
    pub kind: Name,
    /// Namespace; empty for a cluster-scoped one.
    pub namespace: Name,
    /// Name.
    pub name: Name,
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.kind)?;
        if !self.namespace.is_empty() {
            write!(f, "{}/", self.namespace)?;
        }
        write!(f, "{}", self.name)
    }
}

/// A piece of a file between two `---`.
#[derive(Clone, Debug)]
pub struct Piece {
    /// The file; `-` for standard input.
    pub file: Arc<Path>,
    /// The line on which it begins, from 1.
    pub line: usize,
    /// Its text.
    pub text: Arc<str>,
}

impl Piece {
    /// Something to be said of a place in it; of the whole piece without a path.
    #[must_use]
    pub fn diagnostic(&self, severity: Severity, path: &[Step], reason: &str, message: String) -> Diagnostic {
        let (line, column) = position::find(&self.text, path).unwrap_or((1, 1));
        Diagnostic {
            severity,
            file: self.file.clone(),
            line: self.line + line - 1,
            column,
            object: None,
            field: Step::join(path),
            reason: reason.to_owned(),
            message,
        }
    }
}

/// One object of ours.
#[derive(Clone, Debug)]
pub struct Document {
    /// Where it stands.
    pub piece: Piece,
    /// Where in the piece it is, if that is a `List`.
    pub inside: Vec<Step>,
    /// The object it is.
    pub id: ObjectId,
    /// What it says, with the server's defaults.
    pub value: Value,
}

impl Document {
    /// Something to be said of a field of the object.
    #[must_use]
    pub fn diagnostic(&self, severity: Severity, path: &[Step], reason: &str, message: String) -> Diagnostic {
        let whole = [self.inside.as_slice(), path].concat();
        let said = self.piece.diagnostic(severity, &whole, reason, message);
        Diagnostic { object: Some(self.id.clone()), field: Step::join(path), ..said }
    }
}

/// Any YAML value, but for a mapping that says something twice: which of both was meant nobody can know.
pub(super) struct Strict(pub(super) Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Strict;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    /// Nothing but comments.
    fn visit_none<E>(self) -> Result<Strict, E> {
        Ok(Strict(Value::Null))
    }

    fn visit_unit<E>(self) -> Result<Strict, E> {
        Ok(Strict(Value::Null))
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Strict, E> {
        Ok(Strict(Value::Bool(truth)))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Strict, E> {
        Ok(Strict(number.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Strict, E> {
        Ok(Strict(number.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Strict, E> {
        let number = Number::from_f64(number).ok_or_else(|| E::custom(format!("{number} is no number in JSON")))?;
        Ok(Strict(Value::Number(number)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Strict, E> {
        Ok(Strict(Value::String(text.to_owned())))
    }

    fn visit_string<E>(self, text: String) -> Result<Strict, E> {
        Ok(Strict(Value::String(text)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Strict, A::Error> {
        let mut list = Vec::new();
        while let Some(Strict(value)) = items.next_element()? {
            list.push(value);
        }
        Ok(Strict(Value::Array(list)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Strict, A::Error> {
        let mut map = Map::new();
        while let Some((Key(key), Strict(value))) = entries.next_entry()? {
            if map.contains_key(&key) {
                return Err(A::Error::custom(format!("{key:?} is said twice in one mapping")));
            }
            map.insert(key, value);
        }
        if let Some(merged) = map.remove("<<") {
            merge(&mut map, merged).map_err(A::Error::custom)?;
        }
        Ok(Strict(Value::Object(map)))
    }
}

/// `<<: *anchor` brings what the mapping does not say itself; of several, the first that says it.
fn merge(map: &mut Map<String, Value>, merged: Value) -> Result<(), &'static str> {
    match merged {
        Value::Object(fields) => {
            for (key, value) in fields {
                map.entry(key).or_insert(value);
            }
            Ok(())
        }
        Value::Array(all) if all.iter().all(Value::is_object) => {
            all.into_iter().try_for_each(|fields| merge(map, fields))
        }
        _ => Err("<< needs a mapping, or a list of them"),
    }
}

/// A key: numbers and truths are taken as they are written, as kubectl does.
struct Key(String);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Strict::deserialize(deserializer)?.0 {
            Value::String(text) => Ok(Self(text)),
            other @ (Value::Number(_) | Value::Bool(_)) => Ok(Self(other.to_string())),
            other => Err(D::Error::custom(format!("{other} is no key"))),
        }
    }
}
