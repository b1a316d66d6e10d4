//! Patterns of strings, and what each means in words. The schemas of the seven kinds use the patterns, and the offline
//! validation of files the words.

pub(super) const LABEL: &str = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";
pub(super) const SUBDOMAIN: &str = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";
pub(super) const LEVEL: &str = "^[A-Za-z0-9]([-_A-Za-z0-9]*[A-Za-z0-9])?$";
/// An ASCII dot-atom, one `@`, labels of letters, marks, digits and inner hyphens of any script.
pub(super) const EMAIL: &str = concat!(
    r"^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*",
    r"@[\p{L}\p{M}\p{N}]([\p{L}\p{M}\p{N}-]*[\p{L}\p{M}\p{N}])?",
    r"(\.[\p{L}\p{M}\p{N}]([\p{L}\p{M}\p{N}-]*[\p{L}\p{M}\p{N}])?)*$",
);
/// Hours, minutes and seconds, in this order. The number of digits is bounded so that `duration()` cannot overflow.
pub(super) const DURATION: &str = "^([0-9]{1,5}h)?([0-9]{1,7}m)?([0-9]{1,8}s)?$";
/// Any text on one line. Control characters are refused, because a title could change a terminal with them.
pub(super) const TEXT: &str = r"^[^\x00-\x1f\x7f-\x9f]+$";
/// A plain file name: no slash, no leading dot or dash.
pub(super) const FILE: &str = "^[A-Za-z0-9_][-._A-Za-z0-9]*$";
pub(super) const LABEL_KEY: &str = r"^([a-z0-9]([-.a-z0-9]*[a-z0-9])?/)?[A-Za-z0-9]([-._A-Za-z0-9]*[A-Za-z0-9])?$";
pub(super) const LABEL_VALUE: &str = "^([A-Za-z0-9]([-._A-Za-z0-9]*[A-Za-z0-9])?)?$";
pub(super) const URL: &str = r"^https?://[^/?#@\s\\]+(/[-._~A-Za-z0-9/%]*)?$";
pub(super) const PREFIX: &str = r"^([a-zA-Z0-9._:-]*[.:])?$";
pub(super) const REALM: &str = "^[A-Za-z0-9][-._A-Za-z0-9]*$";
pub(super) const SCHEMA: &str = "^[a-z_][a-z0-9_]*$";
pub(super) const KEY: &str = "^[-._a-zA-Z0-9]+$";

/// Returns a description of the values that match one of the patterns above, for messages.
#[must_use]
pub fn pattern_in_words(pattern: &str) -> Option<&'static str> {
    Some(match pattern {
        LABEL => "a DNS label: lower-case letters, digits and inner hyphens",
        SUBDOMAIN => "the name of an object: lower-case letters, digits, inner hyphens and dots",
        LEVEL => "the name of a level: letters, digits, inner hyphens and underscores",
        EMAIL => "an e-mail address such as dana@acme.example",
        DURATION => "a duration such as 5m or 1h30m: hours, minutes and seconds, in this order",
        TEXT => "on one line, without control characters",
        FILE => "a plain file name: letters, digits, '.', '-' and '_', no leading dot or hyphen",
        LABEL_KEY => "a label key such as team or example.com/team",
        LABEL_VALUE => "a label value: letters, digits, '-', '_' and '.', or empty",
        KEY => "a key of a Secret: letters, digits, '-', '_' and '.'",
        SCHEMA => "the name of a schema: lower-case letters, digits and '_', not beginning with a digit",
        REALM => "the name of a realm: letters, digits, '-', '.' and '_', beginning with a letter or digit",
        PREFIX => "letters, digits, '-', '_', '.' and ':', with '.' or ':' at its end",
        URL => "an address such as https://keycloak.example, without user, query and fragment",
        _ => return None,
    })
}
