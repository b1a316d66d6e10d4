//! Messages about an address that no object declares. Used by `cluster` and `file`.

use crate::{
    cli::output::{WARN, paint, wrap},
    model::Email,
};

/// Returns the warning about an unknown address: it may be mistyped, and then the intended person still has access.
pub(super) fn unknown(who: &Email, near: Option<&str>) -> String {
    let near = meant(near);
    let text = format!("No object names {who}. Check that the address is right.{near}");
    wrap(&paint(WARN, "! "), 2, &text)
}

/// Returns a sentence that suggests a similar address.
pub(super) fn meant(near: Option<&str>) -> String {
    near.map_or_else(String::new, |near| format!(" Did you mean {near}? {near} was not changed."))
}
