//! Members: who gains, who loses, who is kept as they are.

use super::{
    Cause, Change, Content, Drift, Hold, ObjectKey, Phase, Plan, Seen,
    diff::{Layouts, Ownership, Planner, Verdict, judge, ownership},
    drift,
    fingerprint::Fingerprinted,
};
use crate::{
    api::Unmanaged,
    model::{Email, Layout},
    resolve::{Access, DesiredMember, MemberContent, Origin, Scope},
};

/// Plans all members in scope: those desired, then those that are there and not desired.
pub(super) fn plan_members(planner: &mut Planner<'_>) {
    let (desired, observed) = (planner.desired, planner.observed);
    for (email, want) in &desired.members {
        planner.member(email, want, observed.members.get(email));
    }
    for (email, seen) in observed.members.iter().filter(|(email, _)| !desired.members.contains_key(*email)) {
        planner.undesired(email, seen);
    }
}

/// `content` in the layout that is desired.
pub(super) fn translated(mut content: MemberContent, layouts: Layouts<'_>) -> MemberContent {
    content.ranks = layouts.desired.translate(&content.ranks, layouts.observed);
    content
}

/// The plan in the layout that stays in the store, since the account's own definition waits.
pub(super) fn rewrite(plan: &mut Plan, layout: &Layout) {
    for change in &mut plan.changes {
        if let Some((Content::Member(content), fingerprint)) = &mut change.put {
            content.ranks = layout.translate(&content.ranks, &plan.layout);
            *fingerprint = content.fingerprint(layout);
        }
    }
    plan.layout = layout.clone();
}

/// Whether somebody with `content` may do anything at some time, unless somebody's word has ended it.
fn has_access(content: &MemberContent) -> bool {
    content.ended.is_none() && !content.ranks.is_none()
}

/// Whether `content` allows nothing that `limit` does not.
fn is_within(content: &MemberContent, limit: &MemberContent) -> bool {
    content.ranks.is_none() || (content.ranks.is_at_most(&limit.ranks) && content.window.is_within(&limit.window))
}

/// `content`, allowing no more than `limit`.
fn limited(mut content: MemberContent, limit: &MemberContent) -> MemberContent {
    content.ranks.lower_to(limit.ranks.as_slice());
    content.window = content.window.intersection(&limit.window);
    content
}

impl Planner<'_> {
    fn member(&mut self, email: &Email, want: &DesiredMember, seen: Option<&Seen<MemberContent>>) {
        let object = ObjectKey::Member(email.clone());
        let ours = seen.filter(|seen| ownership(seen.mark.as_ref(), &self.policy.mark) == Ownership::Ours);
        let held = ours.and_then(|seen| seen.content.as_ref());
        let Some(target) = self.target(email, want, held) else {
            self.plan.kept.insert(email.clone(), held.map(|content| translated(content.clone(), self.layouts())));
            return;
        };
        let verdict = judge(&object, &target, seen, self.layouts(), self.policy);
        let cause = match verdict {
            Verdict::Nothing => {
                self.keep_unless_exact(email, want, target);
                return;
            }
            Verdict::NotOwned => {
                self.plan.holds.insert(object, Hold::NotOwned);
                self.plan.kept.insert(email.clone(), None);
                return;
            }
            Verdict::Report(entries) => {
                self.plan.holds.insert(object.clone(), Hold::DriftReported);
                self.plan.drift.push(Drift { object, entries, corrected: false });
                return;
            }
            Verdict::Correct(entries) => {
                self.plan.drift.push(Drift { object, entries, corrected: true });
                Cause::Drift
            }
            Verdict::Put(cause) => cause,
        };
        // Drift is in the layout that was applied; a change may come with another layout.
        let before = seen.and_then(|seen| seen.content.clone()).map(|content| match cause {
            Cause::Drift => content,
            _ => translated(content, self.layouts()),
        });
        self.put(email, want, target, before.as_ref(), cause);
    }

    /// What the member should be in the store; nothing where what is there is kept.
    fn target(&self, email: &Email, want: &DesiredMember, held: Option<&MemberContent>) -> Option<MemberContent> {
        let owner_stays = self.plan.owner_kept.is_some();
        if owner_stays && (self.plan.owner_kept.as_ref() == Some(email) || want.origin.kind == "Account") {
            return None;
        }
        match &want.access {
            Access::Exactly(content) => Some(content.as_ref().clone()),
            Access::AtMost(content) => {
                let held = translated(held?.clone(), self.layouts());
                Some(limited(content.as_ref().clone(), &held))
            }
            Access::Kept => None,
            Access::Ended(end) => {
                let mut content = held?.clone();
                content.ranks.clear();
                content.ended = Some(*end);
                Some(content)
            }
        }
    }

    fn keep_unless_exact(&mut self, email: &Email, want: &DesiredMember, target: MemberContent) {
        if !matches!(want.access, Access::Exactly(_)) {
            self.plan.kept.insert(email.clone(), Some(target));
        }
    }

    fn put(
        &mut self,
        email: &Email,
        want: &DesiredMember,
        target: MemberContent,
        before: Option<&MemberContent>,
        cause: Cause,
    ) {
        let object = ObjectKey::Member(email.clone());
        let narrows = before.is_some_and(|before| !is_within(before, &target));
        let widens = before.is_none_or(|before| !is_within(&target, before));
        let mut target = target;
        if self.policy.paused && (widens || !narrows) {
            // Grants wait; what narrows at the same time does not.
            self.plan.holds.insert(object.clone(), Hold::Paused);
            let narrowed = before.map(|before| limited(before.clone(), &target));
            if let Some(drift) = self.plan.drift.iter_mut().rfind(|drift| drift.object == object) {
                drift.corrected = false;
            }
            match narrowed {
                Some(narrowed) if narrows => target = narrowed,
                _ => {
                    self.plan.kept.insert(email.clone(), before.cloned());
                    return;
                }
            }
            self.plan.kept.insert(email.clone(), Some(target.clone()));
        } else {
            self.keep_unless_exact(email, want, target.clone());
        }
        let loses_all = before.is_some_and(has_access) && target.ranks.is_none() && target.ended.is_none();
        self.plan.changes.push(Change {
            object,
            put: Some((Content::Member(Box::new(target.clone())), target.fingerprint(self.layouts().desired))),
            cause,
            origin: Some(want.origin.clone()),
            phase: if narrows { Phase::Narrow } else { Phase::Grant },
            counted: loses_all && cause != Cause::Drift,
        });
    }

    fn undesired(&mut self, email: &Email, seen: &Seen<MemberContent>) {
        if self.plan.owner_kept.as_ref() == Some(email) {
            return;
        }
        let cause = match ownership(seen.mark.as_ref(), &self.policy.mark) {
            Ownership::Foreign => return,
            Ownership::Ours => Cause::Unwanted,
            Ownership::Unmarked if self.desired.scope != Scope::Account || self.desired.definitions.is_none() => return,
            Ownership::Unmarked => match self.policy.unmanaged {
                Unmanaged::Ignore => return,
                Unmanaged::Report => {
                    self.report_unmanaged(email, false);
                    return;
                }
                Unmanaged::Remove => {
                    self.report_unmanaged(email, true);
                    Cause::Unmanaged
                }
            },
        };
        self.plan.changes.push(Change {
            object: ObjectKey::Member(email.clone()),
            put: None,
            cause,
            origin: None::<Origin>,
            phase: Phase::Narrow,
            counted: seen.content.as_ref().is_some_and(|content| content.ended.is_none()),
        });
    }

    fn report_unmanaged(&mut self, email: &Email, corrected: bool) {
        let object = ObjectKey::Member(email.clone());
        if !corrected {
            self.plan.holds.insert(object.clone(), Hold::DriftReported);
        }
        let entries = vec![drift::entry(&object, "object", drift::ABSENT, "a member nobody declared")];
        self.plan.drift.push(Drift { object, entries, corrected });
    }
}
