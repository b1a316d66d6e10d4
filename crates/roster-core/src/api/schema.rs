//! Schemas that many fields share (`schema_with`). The types of the seven kinds name them in their attributes.
//!
//! Every string, list and map of the API is bounded here or by an attribute on its field. The bounds are in
//! [`super::limits`], and the tests of this folder find a field without one.

use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::json;

use super::{
    limits::{
        MAX_BLOCKED_WITH_ACCESS, MAX_EFFECTIVE_PERMISSIONS, MAX_EMAIL, MAX_LABEL, MAX_LEVEL_NAME, MAX_LEVELS,
        MAX_MESSAGE, MAX_NAME, MAX_ORPHANED_ACCOUNTS, MAX_REFS, MAX_SECTIONS, MAX_TEXT, MAX_TITLE,
    },
    string_patterns::{
        DURATION, EMAIL, FILE, KEY, LABEL, LABEL_KEY, LABEL_VALUE, LEVEL, PREFIX, REALM, SCHEMA, SUBDOMAIN, TEXT, URL,
    },
};

fn string(pattern: &str, max: usize) -> Schema {
    json_schema!({"type": "string", "minLength": 1, "maxLength": max, "pattern": pattern})
}

fn set(items: &Schema, max: usize) -> Schema {
    json_schema!({"type": "array", "items": items, "maxItems": max, "x-kubernetes-list-type": "set"})
}

/// A map from sections to levels. Keys have no schema of their own in a CRD, so a rule bounds them.
fn by_section(max: usize) -> Schema {
    json_schema!({
        "type": "object",
        "additionalProperties": string(LEVEL, MAX_LEVEL_NAME),
        "maxProperties": max,
        "x-kubernetes-validations": [{
            "rule": format!("self.all(k, k.size() <= {MAX_LABEL} && k.matches('{LABEL}'))"),
            "message": "each key must be the name of a section: a DNS label of at most 63 characters",
        }],
    })
}

/// A duration between two bounds, each as CEL writes it.
fn duration(least: &str, most: &str, message: &str) -> Schema {
    json_schema!({
        "type": "string",
        "minLength": 2,
        "maxLength": 20,
        "pattern": DURATION,
        "x-kubernetes-validations": [{
            // The pattern reports values without the form of a duration.
            "rule": format!(
                "!self.matches('{DURATION}') || duration(self) >= duration('{least}') && duration(self) <= duration('{most}')"
            ),
            "message": message,
        }],
    })
}

/// Name of a section, role, restriction or feature: a DNS label.
pub(super) fn label(_: &mut SchemaGenerator) -> Schema {
    string(LABEL, MAX_LABEL)
}

/// Name of a Kubernetes object: a DNS subdomain.
pub(super) fn object_name(_: &mut SchemaGenerator) -> Schema {
    string(SUBDOMAIN, MAX_NAME)
}

/// Name of a level: ASCII letters, digits, inner hyphens and underscores.
pub(super) fn level(_: &mut SchemaGenerator) -> Schema {
    string(LEVEL, MAX_LEVEL_NAME)
}

/// A ladder: 2 to 16 different levels. Atomic, since merging two ladders makes no sense.
pub(super) fn levels(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "items": string(LEVEL, MAX_LEVEL_NAME),
        "minItems": 2,
        "maxItems": MAX_LEVELS,
        "x-kubernetes-list-type": "atomic",
        "x-kubernetes-validations": [{
            "rule": "self.all(x, self.exists_one(y, x == y))",
            "message": "levels must not repeat",
        }],
    })
}

/// A title or a person's name, on one line.
pub(super) fn title(_: &mut SchemaGenerator) -> Schema {
    string(TEXT, MAX_TITLE)
}

/// Advice, or a reason that a user gives, on one line.
pub(super) fn text(_: &mut SchemaGenerator) -> Schema {
    string(TEXT, MAX_TEXT)
}

/// An id given by another system, on one line.
pub(super) fn external_id(_: &mut SchemaGenerator) -> Schema {
    string(TEXT, 255)
}

/// An e-mail address: ASCII local part, domain in any script.
pub(super) fn email(_: &mut SchemaGenerator) -> Schema {
    string(EMAIL, MAX_EMAIL)
}

/// A plain file name. It is shorter than the 255 bytes that a file system accepts, so that `-journal` can be appended.
pub(super) fn file_name(_: &mut SchemaGenerator) -> Schema {
    string(FILE, 200)
}

/// Key of a Secret.
pub(super) fn secret_key(_: &mut SchemaGenerator) -> Schema {
    string(KEY, MAX_NAME)
}

/// Name of a PostgreSQL schema that needs no quotes. Schemas of the system are refused.
pub(super) fn postgres_schema(_: &mut SchemaGenerator) -> Schema {
    let mut schema = string(SCHEMA, 63);
    let rule = "!self.startsWith('pg_') && self != 'information_schema'";
    schema.insert(
        "x-kubernetes-validations".to_owned(),
        json!([{"rule": rule, "message": "the schema is PostgreSQL's own"}]),
    );
    schema
}

/// Name of a Keycloak realm. `master` is refused, because its administrators administer all realms.
pub(super) fn keycloak_realm(_: &mut SchemaGenerator) -> Schema {
    let mut schema = string(REALM, 255);
    let message = "the realm master must not be a store";
    schema.insert(
        "x-kubernetes-validations".to_owned(),
        json!([{"rule": "self.lowerAscii() != 'master'", "message": message}]),
    );
    schema
}

/// Clients of portals.
pub(super) fn portal_clients(generator: &mut SchemaGenerator) -> Schema {
    set(&external_id(generator), 16)
}

/// Prefix of client ids; empty by default.
pub(super) fn client_id_prefix(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "maxLength": 64, "pattern": PREFIX})
}

/// An https address without user, query and fragment; http only on this machine; never link-local.
pub(super) fn https_url(_: &mut SchemaGenerator) -> Schema {
    let mut schema = string(URL, MAX_TEXT);
    let host = "url(self).getHostname()";
    let loopback = format!("{host} in ['localhost', '127.0.0.1', '::1', '[::1]']");
    let link_local = r"self.matches('^https?://(169[.]254[.]|\\[[fF][eE][89abAB][0-9a-fA-F]:)')";
    let rules = json!([
        {"rule": "isURL(self)", "message": "must be an address such as https://keycloak.example"},
        {
            "rule": format!("!isURL(self) || url(self).getScheme() == 'https' || {loopback}"),
            "message": "must begin with https://; http:// is for this machine only",
        },
        {"rule": format!("!{link_local}"), "message": "link-local addresses are refused"},
    ]);
    schema.insert("x-kubernetes-validations".to_owned(), rules);
    schema
}

/// Interval between checks: 10s to 24h.
pub(super) fn check_every(_: &mut SchemaGenerator) -> Schema {
    duration("10s", "24h", "must be between 10s and 24h")
}

/// Lifetime of an invitation: 1s to 30 days.
pub(super) fn expire_after(_: &mut SchemaGenerator) -> Schema {
    duration("1s", "720h", "must be between 1s and 720h (30 days)")
}

/// A part in percent.
pub(super) fn percent(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "integer", "format": "int32", "minimum": 0, "maximum": 100})
}

/// A number of members or holders.
pub(super) fn count(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "integer", "format": "int32", "minimum": 0, "maximum": 1_000_000})
}

/// How much of what is kept apart one person may hold.
pub(super) fn maximum_together(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "integer", "format": "int32", "minimum": 1, "maximum": MAX_REFS})
}

/// A number in status.
pub(super) fn total(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "integer", "format": "int64", "minimum": 0})
}

/// Names of sections, each once.
pub(super) fn section_set(_: &mut SchemaGenerator) -> Schema {
    set(&string(LABEL, MAX_LABEL), MAX_SECTIONS)
}

/// Names of roles, restrictions or features, each once.
pub(super) fn label_set(_: &mut SchemaGenerator) -> Schema {
    set(&string(LABEL, MAX_LABEL), MAX_REFS)
}

/// Names of objects, each once.
pub(super) fn object_name_set(_: &mut SchemaGenerator) -> Schema {
    set(&string(SUBDOMAIN, MAX_NAME), MAX_REFS)
}

/// Level by section.
pub(super) fn permissions(_: &mut SchemaGenerator) -> Schema {
    by_section(MAX_SECTIONS)
}

/// Highest level kept, by section; at least one.
pub(super) fn caps(_: &mut SchemaGenerator) -> Schema {
    let mut schema = by_section(MAX_SECTIONS);
    schema.insert("minProperties".to_owned(), 1.into());
    schema
}

/// Level by section in status. It is written as a whole, and not checked again.
fn status_permissions_up_to(max: usize) -> Schema {
    json_schema!({
        "type": "object",
        "additionalProperties": {"type": "string", "maxLength": MAX_LEVEL_NAME},
        "maxProperties": max,
        "x-kubernetes-map-type": "atomic",
    })
}

/// Level by section in status.
pub(super) fn status_permissions(_: &mut SchemaGenerator) -> Schema {
    status_permissions_up_to(MAX_SECTIONS)
}

/// Effective permissions in status.
pub(super) fn effective_permissions(_: &mut SchemaGenerator) -> Schema {
    status_permissions_up_to(MAX_EFFECTIVE_PERMISSIONS)
}

/// A message of the controller.
pub(super) fn message(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "maxLength": MAX_MESSAGE})
}

/// A name in status, which must never be refused.
pub(super) fn status_name(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "maxLength": MAX_NAME})
}

/// Name of a role. The name of an account's own role has the prefix `custom:`.
pub(super) fn status_role(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "maxLength": "custom:".len() + MAX_NAME})
}

/// `namespace/name` of accounts whose objects are gone.
pub(super) fn orphaned_accounts(_: &mut SchemaGenerator) -> Schema {
    let item = json_schema!({"type": "string", "maxLength": MAX_LABEL + 1 + MAX_NAME});
    json_schema!({
        "type": "array",
        "items": item,
        "maxItems": MAX_ORPHANED_ACCOUNTS,
        "x-kubernetes-list-type": "atomic",
    })
}

/// `namespace/name address` of blocked people who still have access.
pub(super) fn blocked_with_access(_: &mut SchemaGenerator) -> Schema {
    let item = json_schema!({"type": "string", "maxLength": MAX_LABEL + 1 + MAX_NAME + 1 + MAX_EMAIL});
    json_schema!({
        "type": "array",
        "items": item,
        "maxItems": MAX_BLOCKED_WITH_ACCESS,
        "x-kubernetes-list-type": "atomic",
    })
}

/// Short names in status, written as a whole.
pub(super) fn status_names(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "items": {"type": "string", "maxLength": MAX_NAME},
        "maxItems": MAX_SECTIONS,
        "x-kubernetes-list-type": "atomic",
    })
}

/// `metav1.Condition` with the bounds of Kubernetes itself, which `k8s-openapi` leaves out.
pub(super) fn conditions(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 32,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
        "items": {
            "description": "Condition of the current state of the object.",
            "type": "object",
            "required": ["type", "status", "reason", "message", "lastTransitionTime"],
            "properties": {
                "type": {"description": "Type of the condition.", "type": "string", "minLength": 1, "maxLength": 316},
                "status": {"description": "Status of the condition.", "type": "string", "enum": ["True", "False", "Unknown"]},
                "reason": {
                    "description": "Reason of the last transition, in one word for programs.",
                    "type": "string", "minLength": 1, "maxLength": 1024,
                    "pattern": "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
                },
                "message": {"description": "Explanation of the last transition, for people.", "type": "string", "maxLength": MAX_MESSAGE},
                "lastTransitionTime": {
                    "description": "Last time the condition changed from one status to another.", "type": "string", "format": "date-time",
                },
                "observedGeneration": {
                    "description": "Value of metadata.generation for which the condition was set.",
                    "type": "integer", "format": "int64", "minimum": 0,
                },
            },
        },
    })
}

/// A label selector with bounds, and with rules of the type that otherwise only code would check.
pub(super) fn label_selector(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "x-kubernetes-map-type": "atomic",
        "properties": {
            "matchLabels": {
                "description": "Labels that the namespace must have, with these values.",
                "type": "object",
                "maxProperties": MAX_REFS,
                "additionalProperties": {"type": "string", "maxLength": MAX_LABEL, "pattern": LABEL_VALUE},
                "x-kubernetes-validations": [{
                    "rule": format!("self.all(k, k.size() <= 317 && k.matches('{LABEL_KEY}'))"),
                    "message": "each key must be a label key",
                }],
            },
            "matchExpressions": {
                "description": "Requirements on the labels of the namespace; all of them must be met.",
                "type": "array",
                "maxItems": MAX_REFS,
                "x-kubernetes-list-type": "atomic",
                "items": {
                    "description": "Requirement on one label.",
                    "type": "object",
                    "required": ["key", "operator"],
                    "properties": {
                        "key": with_description(string(LABEL_KEY, 317), "Label key that the requirement applies to."),
                        "operator": {
                            "description": "Relation of the label to the values.",
                            "type": "string", "enum": ["In", "NotIn", "Exists", "DoesNotExist"],
                        },
                        "values": {
                            "description": "Values, for In and NotIn.",
                            "type": "array",
                            "maxItems": MAX_REFS,
                            "x-kubernetes-list-type": "atomic",
                            "items": {"type": "string", "maxLength": MAX_LABEL, "pattern": LABEL_VALUE},
                        },
                    },
                    "x-kubernetes-validations": [{
                        "rule": "(self.operator in ['In', 'NotIn']) == (has(self.values) && self.values.size() > 0)",
                        "message": "values are needed with In and NotIn, and only there",
                    }],
                },
            },
        },
    })
}

fn with_description(mut schema: Schema, description: &str) -> Schema {
    schema.insert("description".to_owned(), description.into());
    schema
}
