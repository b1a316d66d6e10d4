//! Advice on time windows that end soon, and the instants at which a member must be judged again. `judge` calls it.

use jiff::{SignedDuration, Timestamp};

use crate::{
    model::{Email, FindingKind, FindingsBuilder, KindName, Name},
    resolve::ResolvedMember,
    state::{MemberFacts, Members},
};

/// Time before the end of a member's access at which it is advised of.
pub const EXPIRES_SOON: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Advises on Memberships whose window has ended, or soon will.
pub(super) fn advise_on_time(member: &mut ResolvedMember, namespace: &Name, facts: &[&MemberFacts], now: Timestamp) {
    for (view, facts) in std::iter::zip(&mut member.views, facts) {
        let Some(end) = facts.window().expires_at else { continue };
        let kind = match end {
            // An unreadable time reads as the minimum; the schema reports it.
            end if end == Timestamp::MIN => continue,
            _ if facts.suspended => continue,
            end if end <= now => FindingKind::HasExpired(end),
            end if advised_from(end).is_none_or(|from| from <= now) => FindingKind::ExpiresSoon(end),
            _ => continue,
        };
        let mut findings = FindingsBuilder::new(KindName::Membership, namespace, &facts.name);
        findings.add("spec.expiresAt", kind);
        view.findings.extend(findings.finish());
    }
}

/// Returns the time from which an end is advised of; `None` if that would be before the earliest timestamp.
fn advised_from(end: Timestamp) -> Option<Timestamp> {
    end.checked_sub(EXPIRES_SOON).ok()
}

/// Returns the future instants at which access begins or ends, or an end must be advised of.
pub(super) fn deadlines(members: &Members<'_>, now: Timestamp) -> Vec<(Timestamp, Email)> {
    let mut deadlines = Vec::new();
    for (email, memberships) in &members.addresses {
        for facts in memberships {
            let window = facts.window();
            let advised = window.expires_at.and_then(advised_from);
            let instants = [window.starts_at, advised, window.expires_at].into_iter().flatten();
            deadlines.extend(instants.filter(|at| *at > now).map(|at| (at, (*email).clone())));
        }
    }
    deadlines
}
