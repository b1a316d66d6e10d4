//! Plans for an account whose new section layout must wait. Called by `plan::diff` if the store or the account is
//! paused, if the removal guard holds back what the new layout would take away, or if somebody changed the layout in
//! the store and drift is only reported.
//!
//! Access stays in the stored layout. Nothing is granted. Sections and levels that the new catalog does not have stay,
//! because their removal is part of what waits; all other narrowing is done at once.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    Hold, ObjectKey, Observed, Plan, Policy,
    diff::attempt,
    fingerprint::Fingerprinted,
    ownership::{Ownership, ownership},
    planner::{Outcome, Waiting},
};
use crate::{
    model::{Email, Layout},
    resolve::{Access, Desired, DesiredMember, MemberContent},
};

/// Returns the plan for the time of waiting; `first` is the plan without waiting.
pub(super) fn plan_while_layout_waits(
    desired: &Desired,
    observed: &Observed,
    policy: &Policy,
    first: Plan,
    hold: Hold,
) -> Plan {
    let sections = Sections::new(&observed.layout, &desired.layout);
    let waiting = |(email, member): (&Email, &DesiredMember)| {
        let existing =
            observed.members.get(email).filter(|s| ownership(s.mark.as_ref(), &policy.mark) == Ownership::Ours);
        let held = existing.and_then(|existing| existing.content.as_ref());
        // The content is as last applied. Only the layout differs, and that drift is reported on the account.
        let is_applied = |content: &Arc<MemberContent>| {
            let fingerprint = existing.and_then(|existing| existing.fingerprint.as_ref());
            held == Some(content.as_ref()) && content.fingerprint(&desired.layout).is_of(fingerprint)
        };
        if matches!(&member.access, Access::Exactly(content) if is_applied(content)) {
            let access = Access::Kept;
            return (email.clone(), DesiredMember { access, ..member.clone() });
        }
        let access = sections.waiting(&member.access, held, &desired.layout, &observed.layout);
        (email.clone(), DesiredMember { access, ..member.clone() })
    };
    let members: BTreeMap<_, _> = desired.members.iter().map(waiting).collect();
    let frozen = Desired { definitions: None, members, ..desired.clone() };
    let Outcome { mut plan, .. } = attempt(&frozen, observed, policy, &Waiting::Yes(first.owner_kept));
    if hold == Hold::Guarded {
        plan.changes.retain(|change| !change.counted && !change.approved);
        plan.guarded = first.guarded;
    }
    let drifted = first.drift.into_iter().filter(|drift| !matches!(drift.object, ObjectKey::Member(_)));
    plan.drift.splice(0..0, drifted);
    let definitions = first.holds.into_iter().filter(|(object, _)| !matches!(object, ObjectKey::Member(_)));
    plan.holds.extend(definitions);
    plan.holds.insert(ObjectKey::Account, hold);
    let guarded = plan.guarded.iter().flat_map(|guarded| &guarded.members);
    let guarded: Vec<_> = guarded.map(|email| (email.clone(), Hold::Guarded)).collect();
    for (email, hold) in guarded.into_iter().chain(desired.members.keys().map(|email| (email.clone(), hold))) {
        plan.holds.entry(ObjectKey::Member(email)).or_insert(hold);
    }
    plan
}

/// For each section of the stored layout, its index in the desired layout; `None` if it is not there.
struct Sections(Vec<Option<usize>>);

impl Sections {
    fn new(observed: &Layout, desired: &Layout) -> Self {
        let indexes: BTreeMap<&str, usize> =
            desired.ladders().iter().enumerate().map(|(index, ladder)| (ladder.section.as_str(), index)).collect();
        Self(observed.ladders().iter().map(|ladder| indexes.get(ladder.section.as_str()).copied()).collect())
    }

    fn waiting(&self, access: &Access, held: Option<&MemberContent>, desired: &Layout, observed: &Layout) -> Access {
        if let Some(end) = access.ended() {
            return Access::Revoked(end);
        }
        let (Access::Exactly(content) | Access::AtMost(content)) = access else { return access.clone() };
        let Some(held) = held else { return Access::Kept };
        let known = observed.translate(&content.ranks, desired);
        let held = held.fitted(observed.len());
        let mut now = held.clone();
        for (section, rank) in now.ranks.as_mut_slice().iter_mut().enumerate() {
            let Some(index) = self.0.get(section).copied().flatten() else { continue };
            let wanted = content.ranks.as_slice().get(index).copied().unwrap_or(0);
            let level = observed.ladders()[section].levels.get(usize::from(*rank));
            let is_known = level.is_some_and(|level| desired.ladders()[index].levels.contains(level));
            if wanted == 0 {
                *rank = 0;
            } else if is_known {
                *rank = (*rank).min(known.as_slice()[section]);
            }
        }
        now.window = held.window.intersection(&content.window);
        if now == held { Access::Kept } else { Access::AtMost(Arc::new(now)) }
    }
}
