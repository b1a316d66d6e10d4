//! Turns patterns into rules, so that a user who breaks one reads what would be right instead of a regular expression.
//! Called by `crds`.
//!
//! The API server limits the cost of a definition's rules by an estimate: lengths times the largest number of items of
//! each list around a field. A pattern that would cost too much as a rule stays a pattern.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool, ValidationRule,
};

use super::pattern_in_words;

/// Largest estimated cost of one rule. The API server's own limit is 10,000,000.
const MOST_OF_ONE: u64 = 5_000_000;
/// Largest estimated cost of all these rules of one definition. The limit for all rules is 100,000,000.
const MOST_OF_ALL: u64 = 40_000_000;

/// Beginning and end of a rule that replaces a pattern.
const RULE: (&str, &str) = ("self.matches(r\"", "\")");

/// Turns the patterns of a schema, and of all schemas in it, into rules that say what would be right.
pub(super) fn as_rules(schema: &mut JSONSchemaProps) {
    convert(schema, 1, &mut 0);
}

/// Returns the pattern that a value must match, whether it is a pattern or a rule of the schema.
#[must_use]
pub fn pattern_of(schema: &JSONSchemaProps) -> Option<&str> {
    let mut rules = schema.x_kubernetes_validations.iter().flatten();
    schema.pattern.as_deref().or_else(|| rules.find_map(pattern_of_rule))
}

/// Returns the pattern that a rule replaces.
#[must_use]
pub fn pattern_of_rule(rule: &ValidationRule) -> Option<&str> {
    rule.rule.strip_prefix(RULE.0)?.strip_suffix(RULE.1)
}

fn convert(schema: &mut JSONSchemaProps, times: u64, spent: &mut u64) {
    if let Some(rule) = affordable(schema, times, spent) {
        schema.pattern = None;
        // Before the other rules, which may assume that the value has the right form.
        schema.x_kubernetes_validations.get_or_insert_default().insert(0, rule);
    }
    for property in schema.properties.iter_mut().flat_map(|properties| properties.values_mut()) {
        convert(property, times, spent);
    }
    let most = |most: Option<i64>| most.and_then(|most| u64::try_from(most).ok()).unwrap_or(u64::MAX);
    let items = times.saturating_mul(most(schema.max_items));
    match schema.items.as_mut() {
        Some(JSONSchemaPropsOrArray::Schema(item)) => convert(item, items, spent),
        Some(JSONSchemaPropsOrArray::Schemas(all)) => all.iter_mut().for_each(|item| convert(item, items, spent)),
        None => {}
    }
    let values = times.saturating_mul(most(schema.max_properties));
    if let Some(JSONSchemaPropsOrBool::Schema(value)) = schema.additional_properties.as_mut() {
        convert(value, values, spent);
    }
}

/// Returns the rule for the pattern of a schema, if there are words for it and its cost is within the limits.
fn affordable(schema: &JSONSchemaProps, times: u64, spent: &mut u64) -> Option<ValidationRule> {
    let pattern = schema.pattern.as_deref()?;
    let words = pattern_in_words(pattern)?;
    // As the API server estimates it: a character may have four bytes.
    let length = u64::try_from(schema.max_length?).ok()?;
    let cost = (4 * length + 1).div_ceil(10) * (pattern.len() as u64).div_ceil(4) + 1;
    let cost = cost.saturating_mul(times);
    if cost > MOST_OF_ONE || *spent + cost > MOST_OF_ALL {
        return None;
    }
    *spent += cost;
    Some(ValidationRule {
        rule: format!("{}{pattern}{}", RULE.0, RULE.1),
        message: Some(format!("must be {words}")),
        ..ValidationRule::default()
    })
}
