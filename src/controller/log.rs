//! Writes changes of access and events to the log, for monitoring. Called by `shell`, `trace` and `pass_environment`.

use std::borrow::Cow;

use crate::{
    model::AccountKey,
    report::{AccessChange, Notice, NoticeReason},
};

/// Replaces an address that must not be in the log.
const HIDDEN: &str = "<address>";

/// Logs a change of a member's access that was made in a store.
pub(super) fn access_changed(account: &AccountKey, change: &AccessChange, with_addresses: bool) {
    let AccessChange { membership, email, action, change, cause, origin, approved } = change;
    let address = with_addresses.then(|| email.as_str());
    let origin = origin.as_deref().map(|origin| shown(origin, with_addresses));
    let (membership, change) = (membership.as_deref(), shown(change, with_addresses));
    let (change, origin) = (&*change, origin.as_deref());
    let approved = approved.then_some(true);
    tracing::info!(%account, membership, address, action, change, cause, origin, approved, "access changed");
}

/// Logs an event. The sum of applied changes is left out, since each change has its own line.
pub(super) fn notice(notice: &Notice, with_addresses: bool) {
    let note = shown(&notice.note, with_addresses);
    let (kind, namespace, name) = (notice.about.kind.as_str(), &*notice.about.namespace, &*notice.about.name);
    let reason = notice.reason.to_string();
    match notice.reason {
        NoticeReason::Applied => {}
        urgent if urgent.is_warning() => tracing::warn!(reason, kind, namespace, name, note = &*note, "event"),
        _ => tracing::info!(reason, kind, namespace, name, note = &*note, "event"),
    }
}

/// Returns whether the log level includes changes of access.
pub(super) fn reads_changes() -> bool {
    tracing::enabled!(tracing::Level::INFO)
}

/// Returns a text for the log. Without `with_addresses`, replaces each address by [`HIDDEN`].
pub(super) fn shown(text: &str, with_addresses: bool) -> Cow<'_, str> {
    if with_addresses || !(text.contains('@') || text.contains("%40")) {
        return Cow::Borrowed(text);
    }
    let is_between = |c: char| c.is_whitespace() || "()[]<>,;:\"".contains(c);
    let words = text.split_inclusive(is_between).map(|word| {
        let end = word.trim_end_matches(is_between);
        // `Membership dana@3` is an object and its generation, not an address.
        let is_address =
            end.rsplit_once('@').is_some_and(|(_, domain)| domain.parse::<i64>().is_err()) || end.contains("%40");
        if is_address { Cow::Owned(format!("{HIDDEN}{}", &word[end.len()..])) } else { Cow::Borrowed(word) }
    });
    Cow::Owned(words.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_hidden_and_generations_are_not() {
        for (text, expected) in [
            ("3 people (ada@x.example, bob@x.example)", "3 people (<address>, <address>)"),
            ("member ada@x.example: not theirs", "member <address>: not theirs"),
            ("IdentityStore main@12: left in October", "IdentityStore main@12: left in October"),
            ("owner: a@x.example → b@x.example", "owner: <address> → <address>"),
            ("o'brien{x}@x.example has the role owner", "<address> has the role owner"),
            ("no answer from https://k.example/users?email=a%40x.example", "no answer from https:<address>"),
            ("nobody", "nobody"),
        ] {
            assert_eq!(shown(text, false), expected);
            assert_eq!(shown(text, true), text);
        }
    }
}
