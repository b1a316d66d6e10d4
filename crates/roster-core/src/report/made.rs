//! Describes the changes of people's access that were made in a store, one log line for each. Called by the
//! controller's passes after a batch was applied.

use crate::{
    api::DriftEntry,
    contract::{Batch, Outcome},
    model::{Email, KindName, Layout, Name},
    plan::{Content, ObjectKey, Observed, Plan},
    resolve::MemberContent,
};

/// Maximum number of fields and sections in one line; the others are counted.
const SHOWN: usize = 8;

/// Change of one person's access that was made in a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessChange {
    /// Name of the Membership; `None` for the owner of an Account and for undeclared members.
    pub membership: Option<Name>,
    /// Address of the member.
    pub email: Email,
    /// Kind of change: `granted`, `added` (without access for now), `raised`, `lowered`, `changed`, `ended`, `restored`
    /// or `removed`.
    pub action: &'static str,
    /// Former and new values; at most eight fields, then the number of the others.
    pub change: String,
    /// Word for the cause, as in the audit.
    pub cause: &'static str,
    /// Object whose generation caused the change, as `Kind name@generation`.
    pub origin: Option<String>,
    /// Whether the change was held back until it was approved.
    pub approved: bool,
}

/// Returns the changes of access that were made, from those of a plan. `membership` returns the name of an address's
/// Membership, if there is one.
pub(crate) fn access_changes<'a>(
    membership: impl Fn(&Email) -> Option<Name> + 'a,
    plan: &'a Plan,
    observed: &'a Observed,
    batch: &'a Batch<'a>,
    outcomes: &'a [Outcome],
) -> impl Iterator<Item = AccessChange> + 'a {
    let made = std::iter::zip(batch.changes, outcomes).filter(|(_, outcome)| outcome.is_ok());
    made.filter_map(move |(change, _)| {
        let ObjectKey::Member(email) = &change.object else { return None };
        let before = observed.members.get(email).and_then(|seen| seen.content.as_ref());
        let (action, text) = match (&change.put, before) {
            (Some((Content::Member(after), _)), None) => {
                let has_access = after.is_in_force(batch.now) && !after.ranks.is_none();
                let action = if has_access { "granted" } else { "added" };
                (action, content(after, &plan.layout))
            }
            (Some((Content::Member(after), _)), Some(before)) => {
                let in_force = |content: &MemberContent| content.is_in_force(batch.now);
                let had_levels = before.ended.is_none() && !before.ranks.is_none();
                let lost_all = had_levels && (after.ranks.is_none() || in_force(before) && !in_force(after));
                let action = match (before.ended, after.ended) {
                    (None, Some(_)) => "ended",
                    (Some(_), None) => "restored",
                    _ if lost_all => "ended",
                    _ => match plan.direction(after, before, observed) {
                        (true, false) => "raised",
                        (false, true) => "lowered",
                        _ => "changed",
                    },
                };
                let fields = plan.fields(change, observed).into_iter();
                (action, listed(fields.map(changed).collect()))
            }
            (None, Some(before)) => ("removed", content(before, &observed.layout)),
            _ => return None,
        };
        // The Membership may be deleted; then the change's origin still has its name.
        let of_cause = || change.origin.as_ref().filter(|origin| origin.kind == KindName::Membership.as_str());
        let membership = membership(email).or_else(|| of_cause().map(|origin| origin.name.clone()));
        let origin = change.origin.as_ref().map(ToString::to_string);
        let cause = change.cause.as_str();
        // A change of only the mark or the fingerprint changes nobody's access.
        (!text.is_empty()).then(|| AccessChange {
            membership,
            email: email.clone(),
            action,
            change: text,
            cause,
            origin,
            approved: change.approved,
        })
    })
}

/// Returns a field that changed, in words. Names and ids of people must not be logged.
fn changed(entry: DriftEntry) -> String {
    let DriftEntry { field, observed, desired, .. } = entry;
    match field.as_str() {
        "displayName" | "externalId" => format!("{field} changed"),
        _ => format!("{field}: {observed} → {desired}"),
    }
}

/// Returns a member's access in words.
fn content(content: &MemberContent, layout: &Layout) -> String {
    let mut fields: Vec<String> = content.role.iter().map(|role| format!("role: {role}")).collect();
    fields.extend(content.ended.map(|end| format!("ended: {}", end.as_str())));
    let levels = layout.named(&content.ranks).map(|(section, level)| format!("permissions.{section}: {level}"));
    fields.extend(levels);
    if fields.is_empty() {
        fields.push("no permission".to_owned());
    }
    fields.extend(content.window.starts_at.map(|at| format!("startsAt: {at}")));
    fields.extend(content.window.expires_at.map(|at| format!("expiresAt: {at}")));
    listed(fields)
}

fn listed(mut fields: Vec<String>) -> String {
    let more = fields.len().saturating_sub(SHOWN);
    fields.truncate(SHOWN);
    let shown = fields.join(", ");
    if more == 0 { shown } else { format!("{shown}, and {more} more") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_eight_fields_and_counts_the_rest() {
        let fields = |count: usize| listed((0..count).map(|number| number.to_string()).collect());
        assert_eq!(fields(8), "0, 1, 2, 3, 4, 5, 6, 7");
        assert_eq!(fields(10), "0, 1, 2, 3, 4, 5, 6, 7, and 2 more");
    }
}
