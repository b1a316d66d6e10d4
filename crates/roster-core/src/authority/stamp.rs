//! Defines the stamp of an object: the annotation that says whose its present spec is. The admission webhook writes it;
//! the admission policy of the chart lets nobody else do so.
//!
//! `GENERATION:USER`, `GENERATION:administrator:USER`, or `GENERATION:for:ADDRESS:USER` if a portal's service account
//! acted for a member. A stamp of another generation than the object's says nothing about the present spec.

use std::fmt;

use serde_json::{Map, Value};

/// Begins the user in the stamp of an administrator.
const ADMINISTRATOR: &str = "administrator:";
/// Begins the address in the stamp of somebody who acts for a member.
const FOR: &str = "for:";

/// Whose the spec of an object is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Generation of the object that this stamp is about.
    pub generation: i64,
    /// In which capacity the user wrote it.
    pub capacity: Capacity,
    /// Name of the user, as the API server authenticated it.
    pub user: String,
}

/// Capacity in which a user writes a spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Capacity {
    /// By their own authority: a member, or a pipeline.
    Own,
    /// As an administrator.
    Administrator,
    /// For the member with this address.
    For(String),
}

impl Stamp {
    /// Parses a stamp; `None` if it has another form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (generation, rest) = text.split_once(':')?;
        let (capacity, user) = if let Some(user) = rest.strip_prefix(ADMINISTRATOR) {
            (Capacity::Administrator, user)
        } else if let Some((address, user)) = rest.strip_prefix(FOR).and_then(|rest| rest.split_once(':')) {
            (Capacity::For(address.to_owned()), user)
        } else {
            (Capacity::Own, rest)
        };
        let generation = generation.parse().ok().filter(|number| *number > 0)?;
        is_user(user).then(|| Self { generation, capacity, user: user.to_owned() })
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.generation)?;
        match &self.capacity {
            Capacity::Own => {}
            Capacity::Administrator => f.write_str(ADMINISTRATOR)?,
            Capacity::For(address) => write!(f, "{FOR}{address}:")?,
        }
        f.write_str(&self.user)
    }
}

/// Returns whether a user's name can stand in a stamp: one that begins like a capacity could pass for another user.
#[must_use]
pub fn is_user(name: &str) -> bool {
    !name.is_empty() && !name.starts_with(ADMINISTRATOR) && !name.starts_with(FOR)
}

/// Returns the generation that the API server gives an object whose JSON changes so. It counts changes of everything
/// but `metadata` and `status` (apiextensions-apiserver, `customResourceStrategy.PrepareForUpdate`).
#[must_use]
pub fn generation_after(before: Option<&Value>, after: &Value) -> i64 {
    let Some(before) = before else { return 1 };
    let generation = before.pointer("/metadata/generation").and_then(Value::as_i64).unwrap_or(0);
    if content(before).eq(content(after)) { generation } else { generation + 1 }
}

fn content(object: &Value) -> impl Iterator<Item = (&String, &Value)> {
    let fields = object.as_object().into_iter().flat_map(Map::iter);
    fields.filter(|(key, _)| !["metadata", "status"].contains(&key.as_str()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn stamps_are_read_as_they_are_written() {
        let stamps = [
            ("3:oidc:dana@acme.example", Capacity::Own, "oidc:dana@acme.example"),
            ("12:administrator:pia", Capacity::Administrator, "pia"),
            (
                "1:for:dana@acme.example:system:serviceaccount:shop:portal",
                Capacity::For("dana@acme.example".to_owned()),
                "system:serviceaccount:shop:portal",
            ),
        ];
        for (text, capacity, user) in stamps {
            let stamp = Stamp::parse(text).unwrap();
            assert_eq!((&stamp.capacity, stamp.user.as_str(), stamp.to_string().as_str()), (&capacity, user, text));
        }
    }

    #[test]
    fn what_could_pass_for_another_user_is_no_stamp() {
        let refused = [
            "",
            "3",
            "3:",
            ":dana",
            "x:dana",
            "-1:dana",
            "0:dana",
            "3:administrator:",
            "3:for:dana@acme.example:",
            "3:for:x",
        ];
        for text in refused {
            assert_eq!(Stamp::parse(text), None, "{text}");
        }
        for name in ["administrator:dana", "for:dana@acme.example:x", ""] {
            assert!(!is_user(name), "{name}");
        }
        let twice = "3:administrator:administrator:dana";
        assert_eq!(Stamp::parse(twice), None);
    }

    #[test]
    fn the_generation_counts_changes_of_the_spec_alone() {
        let object = |generation: i64, label: &str, role: &str| {
            json!({
                "metadata": {"generation": generation, "labels": {"a": label}},
                "spec": {"role": role},
                "status": {"note": label},
            })
        };
        let before = object(4, "x", "developer");
        assert_eq!(generation_after(None, &before), 1);
        assert_eq!(generation_after(Some(&before), &object(4, "y", "developer")), 4);
        assert_eq!(generation_after(Some(&before), &object(4, "x", "admin")), 5);
    }
}
