//! Families of similar CEL rules, each as a function of the field that it is about. The types of the seven kinds name them
//! in their attributes.

use kube_core::{Reason, Rule};

/// A rule that points at a field of its object; `path` starts with a dot. Lines of the rule are joined.
pub(super) fn rule(path: &str, rule: &str, message: &str) -> Rule {
    let rule = rule.split_whitespace().collect::<Vec<_>>().join(" ");
    Rule::new(rule).message(message).field_path(path).reason(Reason::FieldValueInvalid)
}

/// Rule that a required field, or one with a default, never changes. It belongs on the spec, where it is also checked
/// if a block around the field is replaced.
///
/// This message, and those of the rules below, must not say "immutable": Flux with `force` deletes and recreates an
/// object if an answer has that word. Deleting a Membership or an Account would remove people's access.
pub(super) fn immutable(field: &str) -> Rule {
    rule(&format!(".{field}"), &format!("self.{field} == oldSelf.{field}"), &format!("{field} cannot be changed"))
}

/// Rule that an optional field is never set, changed or removed later. It belongs on the level above, because a rule on
/// the field itself is bypassed by removing the field and adding it again.
pub(super) fn immutable_optional(field: &str) -> Rule {
    let (new, old) = (format!("self.{field}"), format!("oldSelf.{field}"));
    // Without a field path: if the field was removed, the path would name a missing field.
    Rule::new(format!("has({new}) == has({old}) && (!has({new}) || {new} == {old})"))
        .message(format!("{field} cannot be changed").as_str())
        .reason(Reason::FieldValueInvalid)
}

/// Rule that an optional block is never set or removed later, and that these parts of it never change.
pub(super) fn immutable_parts(field: &str, parts: &[&str]) -> Rule {
    let (new, old) = (format!("self.{field}"), format!("oldSelf.{field}"));
    let same = parts.iter().map(|part| format!("{new}.{part} == {old}.{part}")).collect::<Vec<_>>().join(" && ");
    Rule::new(format!("has({new}) == has({old}) && (!has({new}) || ({same}))"))
        .message(format!("{field} ({}) cannot be changed", parts.join(", ")).as_str())
        .reason(Reason::FieldValueInvalid)
}

/// Rule that exactly one of these optional fields is set.
pub(super) fn exactly_one(fields: &[&str]) -> Rule {
    let set: Vec<_> = fields.iter().map(|field| format!("has(self.{field})")).collect();
    Rule::new(format!("[{}].filter(x, x).size() == 1", set.join(", ")))
        .message(format!("exactly one backend must be set: {}", fields.join(", ")).as_str())
        .reason(Reason::FieldValueInvalid)
}

/// Rule that a selector is set if and only if `from` requires it.
pub(super) fn selector_iff_asked() -> Rule {
    Rule::new("has(self.selector) == (self.from == 'Selector')")
        .message("selector must be set with from: Selector, and only then")
        .reason(Reason::FieldValueInvalid)
}
