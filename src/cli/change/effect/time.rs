//! Compares the time windows of a person's access. Called by `change::effect`.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{model::Ranks, resolve::MemberContent};

/// A change of when somebody has access.
#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct TimeChange {
    /// Whether access lasts longer.
    pub gains: bool,
    /// Former window as text: `until 2026-12-31T00:00:00Z`, or why there was no access.
    pub from: String,
    /// New window as text.
    pub to: String,
}

/// Returns what somebody may do now or later; nothing where access is over, has ended, or allows nothing.
pub(super) fn due(content: Option<&MemberContent>, now: Timestamp) -> Option<&Ranks> {
    let content = content.filter(|content| content.ended.is_none() && !content.ranks.is_none())?;
    (!content.window.is_over(now) && !content.window.is_empty()).then_some(&content.ranks)
}

/// Returns whether access begins later.
pub(super) fn begins_later(content: Option<&MemberContent>, now: Timestamp) -> bool {
    content.is_some_and(|content| content.ended.is_none() && content.window.starts_at.is_some_and(|start| now < start))
}

/// Compares the time windows of two versions of a member. Leaves out a start or an end of access that other parts of the
/// effect already report.
pub(super) fn time_changes(
    before: Option<&MemberContent>,
    after: Option<&MemberContent>,
    now: Timestamp,
) -> Vec<TimeChange> {
    let Some(after) = after.filter(|after| due(Some(*after), now).is_some()) else { return Vec::new() };
    let Some(before) = before.filter(|before| due(Some(*before), now).is_some()) else {
        return returned(before, after, now).into_iter().collect();
    };
    let start = |content: &MemberContent| content.window.starts_at.filter(|start| now < *start);
    let (starts, starts_now) = (start(before), start(after));
    let mut changes = Vec::new();
    if starts != starts_now {
        let worded =
            |start: Option<Timestamp>| start.map_or("starts now".to_owned(), |start| format!("starts {start}"));
        changes.push(TimeChange { gains: starts_now < starts, from: worded(starts), to: worded(starts_now) });
    }
    let (ends, ends_now) = (before.window.expires_at, after.window.expires_at);
    if ends != ends_now {
        let worded = |end: Option<Timestamp>| end.map_or("no end".to_owned(), |end| format!("until {end}"));
        let gains = ends.is_some_and(|end| ends_now.is_none_or(|end_now| end < end_now));
        changes.push(TimeChange { gains, from: worded(ends), to: worded(ends_now) });
    }
    changes
}

/// Access that somebody has again, or has for a time only.
fn returned(before: Option<&MemberContent>, after: &MemberContent, now: Timestamp) -> Option<TimeChange> {
    let from = after.window.starts_at.filter(|start| now < *start).map(|start| format!("from {start}"));
    let until = after.window.expires_at.map(|end| format!("until {end}"));
    let words: Vec<String> = from.into_iter().chain(until.clone()).collect();
    let words = words.join(" ");
    let over = before.and_then(|before| match (before.ended, before.window.expires_at) {
        (Some(end), _) => Some(end.in_words().to_owned()),
        (None, Some(end)) if end <= now => Some(format!("expired at {end}")),
        _ => None,
    });
    match over {
        None => until.map(|_| TimeChange { gains: true, from: "no access".to_owned(), to: words }),
        Some(from) => Some(TimeChange { gains: true, from, to: format!("access {words}").trim_end().to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resolve::{RevocationReason, Window};

    fn content(starts: Option<&str>, expires: Option<&str>) -> MemberContent {
        let time = |text: &str| format!("{text}T00:00:00Z").parse().unwrap();
        let window = Window { starts_at: starts.map(time), expires_at: expires.map(time) };
        MemberContent { window, ranks: [1].into_iter().collect(), ..MemberContent::default() }
    }

    fn worded(before: &MemberContent, after: &MemberContent) -> Vec<(bool, String)> {
        let now = "2026-06-01T08:00:00Z".parse().unwrap();
        let changes = time_changes(Some(before), Some(after), now);
        let short = |text: String| text.replace("T00:00:00Z", "");
        changes.into_iter().map(|one| (one.gains, short(format!("{} → {}", one.from, one.to)))).collect()
    }

    #[test]
    fn more_time_is_a_gain_and_less_is_a_loss() {
        let always = content(None, None);
        let year = content(None, Some("2026-12-31"));
        assert_eq!(worded(&year, &always), [(true, "until 2026-12-31 → no end".to_owned())]);
        assert_eq!(worded(&always, &year), [(false, "no end → until 2026-12-31".to_owned())]);
        assert_eq!(
            worded(&content(Some("2027-01-01"), None), &content(Some("2026-12-01"), None)),
            [(true, "starts 2027-01-01 → starts 2026-12-01".to_owned())]
        );
        assert_eq!(
            worded(&content(Some("2027-01-01"), None), &year),
            [(true, "starts 2027-01-01 → starts now".to_owned()), (false, "no end → until 2026-12-31".to_owned())]
        );
    }

    #[test]
    fn a_start_that_is_over_changes_nothing() {
        assert_eq!(worded(&content(Some("2026-01-01"), None), &content(Some("2026-02-01"), None)), []);
    }

    #[test]
    fn regained_access_says_why_it_was_missing() {
        let suspended = MemberContent { ended: Some(RevocationReason::Suspended), ..content(None, None) };
        let year = content(None, Some("2026-12-31"));
        assert_eq!(worded(&suspended, &content(None, None)), [(true, "suspended → access".to_owned())]);
        assert_eq!(worded(&suspended, &year), [(true, "suspended → access until 2026-12-31".to_owned())]);
        let over = content(None, Some("2026-05-01"));
        assert_eq!(worded(&over, &year), [(true, "expired at 2026-05-01 → access until 2026-12-31".to_owned())]);
        assert_eq!(worded(&year, &suspended), []);
    }
}
