//! Plans the changes to members: who gains, loses or keeps access. Called by `plan::diff` after the definitions are
//! planned.

use std::borrow::Cow;

use jiff::Timestamp;

use super::{
    Cause, Change, Content, Drift, Existing, Hold, NotOwned, ObjectKey, Phase, drift,
    fingerprint::Fingerprinted,
    ownership::{DiffOutcome, Ownership, ownership},
    planner::Planner,
};
use crate::{
    api::{DriftPolicy, Unmanaged},
    model::{Email, Name, Scope},
    resolve::{Access, AccountRevocations, MemberContent, Origin, RevocationReason},
};

/// Plans all members in scope: first the desired ones, then those that are in the store and not desired.
pub(super) fn plan_members(planner: &mut Planner<'_>) {
    let (desired, observed) = (planner.desired, planner.observed);
    for (email, want) in &desired.members {
        planner.member(email, &want.access, Some(&want.origin), observed.members.get(email));
    }
    for (email, existing) in observed.members.iter().filter(|(email, _)| !desired.members.contains_key(*email)) {
        planner.undesired(email, existing);
    }
}

/// Returns whether access by `content` is over: explicitly revoked, or expired by `now`.
fn has_ended(content: &MemberContent, now: Timestamp) -> bool {
    content.ended.is_some() || content.window.is_over(now)
}

/// Returns whether removing the member takes access away: it has neither been revoked or expired before, nor is it
/// revoked now.
pub(super) fn loses_access(
    email: &Email,
    existing: &Existing<MemberContent>,
    ends: &AccountRevocations,
    now: Timestamp,
) -> bool {
    // A block or a suspended account is an explicit revocation, which the guard does not count.
    ends.of(email).is_none() && existing.content.as_ref().is_some_and(|content| !has_ended(content, now))
}

/// Returns `content`, reduced to what `limit` allows; both must be in one layout.
#[must_use]
pub fn limited(mut content: MemberContent, limit: &MemberContent) -> MemberContent {
    if limit.ended.is_some() {
        content.ranks.clear();
    }
    content.ranks.lower_to(limit.ranks.as_slice());
    content.window = content.window.intersection(&limit.window);
    content
}

impl Planner<'_> {
    /// Returns the content with one rank for each section; a store may hold any number of ranks.
    pub(super) fn fitted(&self, content: &MemberContent) -> MemberContent {
        content.fitted(self.layout().len())
    }

    pub(super) fn member(
        &mut self,
        email: &Email,
        access: &Access,
        origin: Option<&Origin>,
        existing: Option<&Existing<MemberContent>>,
    ) {
        // A member whose access is over loses it even if the entry has lost its mark: adoption only decides about
        // grants.
        let is_over = self.policy.is_declared && self.account_is_ours && access.is_over(self.policy.now);
        let counts = |existing: &&Existing<MemberContent>| match ownership(existing.mark.as_ref(), &self.policy.mark) {
            Ownership::Ours => true,
            Ownership::Unmarked => is_over,
            Ownership::Foreign => false,
        };
        let held = existing.filter(counts).and_then(|existing| existing.content.as_ref());
        let target = self.target(email, access, held);
        let Some(target) = self.in_force(target, held) else {
            self.keep(email, origin, held);
            return;
        };
        let exact = matches!(access, Access::Exactly(_));
        let observed = existing.and_then(|existing| existing.content.as_ref());
        let outcome = self.judge(&ObjectKey::Member(email.clone()), target.as_ref(), existing);
        match outcome {
            DiffOutcome::Nothing => {
                if !exact {
                    self.plan.kept.insert(email.clone(), Some(target.into_owned()));
                }
                return;
            }
            DiffOutcome::NotOwned if is_over && held.is_some_and(|held| self.has_access(held)) => {}
            DiffOutcome::NotOwned => {
                let object = ObjectKey::Member(email.clone());
                if let Some(existing) = existing {
                    let why = NotOwned::of(&object, Some(target.as_ref()), existing, self.policy, self.layout());
                    self.not_owned(object, why);
                }
                self.plan.kept.insert(email.clone(), None);
                return;
            }
            DiffOutcome::Drifted | DiffOutcome::Put(_) => {}
        }
        let before = observed.map(|content| self.fitted(content));
        let cause = if let DiffOutcome::Put(cause) = outcome {
            cause
        } else if outcome == DiffOutcome::NotOwned {
            Cause::Adoption
        } else if self.drifted(email, target.as_ref(), observed, before.as_ref()) {
            Cause::Drift
        } else {
            self.plan.kept.insert(email.clone(), before);
            return;
        };
        let had = self.stored.members.get(email).and_then(|existing| existing.content.as_ref());
        self.put(email, MemberChange { target: target.as_ref(), had, before: before.as_ref(), cause, exact }, origin);
    }

    fn has_access(&self, content: &MemberContent) -> bool {
        !content.allows_nothing() && !has_ended(content, self.policy.now)
    }

    /// Keeps a member's stored content, in the plan's layout. If that layout leaves nothing of the content, the row is
    /// written as a change, so that the guard counts the member like all others who lose access by a change of the
    /// catalog.
    fn keep(&mut self, email: &Email, origin: Option<&Origin>, held: Option<&MemberContent>) {
        let held = held.map(|content| self.fitted(content));
        if let Some(left) = held.as_ref().filter(|_| self.loses_all_by_layout(email)) {
            let had = self.stored.members.get(email).and_then(|existing| existing.content.as_ref());
            let put = MemberChange { target: left, had, before: Some(left), cause: Cause::Spec, exact: false };
            self.put(email, put, origin);
            return;
        }
        self.plan.kept.insert(email.clone(), held);
    }

    /// Records a member's drift and returns whether to correct it. A member whose access was revoked or has expired
    /// must not get it back by a change of the store: this drift is corrected under any policy. Levels stored with a
    /// revocation are corrected, too, because a reader of the store might look at levels only.
    fn drifted(
        &mut self,
        email: &Email,
        wanted: &MemberContent,
        observed: Option<&MemberContent>,
        before: Option<&MemberContent>,
    ) -> bool {
        let object = ObjectKey::Member(email.clone());
        let now = self.policy.now;
        let has_access =
            |before: &MemberContent| !before.allows_nothing() && (wanted.ended.is_some() || !has_ended(before, now));
        let returns = has_ended(wanted, now) && before.is_some_and(has_access);
        let corrected = self.policy.drift == DriftPolicy::Correct || returns;
        let entries = drift::entries(&object, wanted, observed, self.layout());
        if !corrected {
            self.plan.holds.insert(object.clone(), Hold::DriftReported);
        }
        self.plan.drift.push(Drift { object, entries, corrected });
        corrected
    }

    /// Returns the content that the member should have in the store; `None` to keep what is there.
    fn target<'m>(
        &self,
        email: &Email,
        access: &'m Access,
        held: Option<&MemberContent>,
    ) -> Option<Cow<'m, MemberContent>> {
        let held = || held.map(|held| self.fitted(held));
        let stays = self.plan.owner_kept.as_ref() == Some(email);
        let ended = |end| {
            let mut content = held().filter(|held| held.ended != Some(end) || !held.ranks.is_none())?;
            content.ranks.clear();
            content.ended = Some(end);
            Some(Cow::Owned(content))
        };
        match access {
            _ if stays => access.ended().or_else(|| self.desired.ends.of(email)).and_then(ended),
            Access::Exactly(content) => Some(Cow::Borrowed(content.as_ref())),
            Access::AtMost(content) => Some(Cow::Owned(limited(content.as_ref().clone(), &held()?))),
            Access::Kept => None,
            Access::KeptWithin(window) => {
                let mut content = held()?;
                let window = content.window.intersection(window);
                let shorter = window != content.window;
                content.window = window;
                shorter.then_some(Cow::Owned(content))
            }
            Access::Revoked(end) => ended(*end),
        }
    }

    /// Clears the permissions outside the member's time window, for stores that do not evaluate windows themselves;
    /// also for members whose content is otherwise kept.
    fn in_force<'m>(
        &self,
        target: Option<Cow<'m, MemberContent>>,
        held: Option<&MemberContent>,
    ) -> Option<Cow<'m, MemberContent>> {
        if self.policy.holds_windows {
            return target;
        }
        let waits = |content: &MemberContent| !content.window.contains(self.policy.now) && !content.ranks.is_none();
        match target {
            Some(mut content) if waits(&content) => {
                content.to_mut().ranks.clear();
                Some(content)
            }
            None => {
                let mut content = self.fitted(held.filter(|held| waits(held))?);
                content.ranks.clear();
                Some(Cow::Owned(content))
            }
            target => target,
        }
    }

    /// Returns what is left of a member's content where nothing is granted: reduced to `limit`, if any, and to its own
    /// time window for stores that do not evaluate windows. `None` if nothing changes.
    fn left(&self, before: &MemberContent, limit: Option<&MemberContent>) -> Option<MemberContent> {
        let left = limit.map_or_else(|| before.clone(), |limit| limited(before.clone(), limit));
        let left = self.in_force(Some(Cow::Owned(left)), None)?.into_owned();
        (left != *before).then_some(left)
    }

    fn put(&mut self, email: &Email, put: MemberChange<'_>, origin: Option<&Origin>) {
        let MemberChange { target, had, before, cause, mut exact } = put;
        let expected = self.stored.members.get(email).and_then(|existing| existing.fingerprint.clone());
        let object = ObjectKey::Member(email.clone());
        let mut written = target.clone();
        let narrows = before.is_some_and(|before| !before.is_within(&written));
        let widens = before.is_none_or(|before| !written.is_within(before));
        let mut fingerprint = target.fingerprint(self.layout());
        let ends = before.is_some_and(|before| written.ended.is_some() && written.ended != before.ended);
        if let Some(pause) = self.policy.paused
            && !ends
            && (widens || !narrows)
        {
            // Grants wait during a pause; the narrowing part of the same change does not.
            self.plan.holds.insert(object.clone(), pause.hold());
            if let Some(drift) = self.plan.drift.iter_mut().rfind(|drift| drift.object == object) {
                drift.corrected = false;
            }
            let Some(left) = before.and_then(|before| self.left(before, narrows.then_some(&written))) else {
                self.plan.kept.insert(email.clone(), before.cloned());
                return;
            };
            written = left;
            exact = false;
            fingerprint = written.fingerprint(self.layout());
        }
        if cause == Cause::Drift {
            // Uncorrected drift must still be drift in the next pass.
            fingerprint = target.fingerprint(self.layout());
        }
        if !exact {
            self.plan.kept.insert(email.clone(), Some(written.clone()));
        }
        let now = self.policy.now;
        // Missing ranks before the member's time begins are not a removal.
        let begins = !self.policy.holds_windows && written.window.starts_at.is_some_and(|start| start > now);
        self.plan.widens |= before.is_none_or(|before| !written.is_within(before));
        let origin = self.origin(email, &written, before, origin);
        let had_access = had.is_some_and(|had| self.has_access(had));
        // The written window leaves nothing of the former one, whatever else changes: an explicit revocation, too.
        let ends_by_time = had.is_some_and(|had| had.window.intersection(&written.window).is_empty());
        let authorised = self.policy.authorised.written(&object, expected.as_ref());
        self.plan.changes.push(Change {
            object,
            counted: had_access
                && written.allows_nothing()
                && !has_ended(&written, now)
                && !begins
                && !ends_by_time
                && cause != Cause::Drift,
            approved: false,
            expected,
            put: Some((Content::Member(Box::new(written)), fingerprint.with(authorised))),
            cause,
            origin,
            phase: if narrows { Phase::Revoke } else { Phase::Grant },
        });
    }

    /// Returns the origin of a member's change: the object that revokes access, or the Membership whose time begins or
    /// ends; otherwise `own`.
    fn origin(
        &self,
        email: &Email,
        written: &MemberContent,
        before: Option<&MemberContent>,
        own: Option<&Origin>,
    ) -> Option<Origin> {
        let ends = &self.desired.ends;
        if written.ended.is_some() && ends.of(email) == written.ended {
            return Some(ends.origin(&self.desired.account, email, written.ended));
        }
        let window = written.window;
        // A store that does not evaluate windows holds no levels until the member's time begins.
        let waited = before.is_some_and(|before| {
            before.window == window && before.ended.is_none() && before.ranks.is_none() && !written.ranks.is_none()
        });
        let why = match (window.starts_at, window.expires_at) {
            _ if self.policy.holds_windows || written.ended.is_some() => None,
            (Some(start), _) if window.contains(self.policy.now) => waited.then(|| format!("began at {start}")),
            _ if window.contains(self.policy.now) => None,
            (_, Some(end)) if end <= self.policy.now => Some(format!("expired at {end}")),
            (start, _) => start.map(|start| format!("begins at {start}")),
        };
        let own = own.cloned()?;
        Some(Origin { why: why.map(Name::from), ..own })
    }

    fn undesired(&mut self, email: &Email, existing: &Existing<MemberContent>) {
        let ownership = ownership(existing.mark.as_ref(), &self.policy.mark);
        if self.stays_as_owner(email) {
            if ownership != Ownership::Foreign {
                self.member(
                    email,
                    &self.desired.ends.of(email).map_or(Access::Kept, Access::Revoked),
                    None,
                    Some(existing),
                );
            }
            return;
        }
        let has_access = existing.content.as_ref().is_some_and(|content| self.has_access(content));
        let is_blocked =
            has_access && self.account_is_ours && self.desired.ends.of(email) == Some(RevocationReason::Blocked);
        let cause = match ownership {
            Ownership::Foreign => return,
            Ownership::Ours => Cause::Unwanted,
            // A block names the person: it applies also to undeclared members, under any policy.
            Ownership::Unmarked if is_blocked && self.policy.is_declared => {
                self.report_unmanaged(email, existing, true);
                Cause::Unmanaged
            }
            Ownership::Unmarked if self.desired.scope != Scope::Account || !self.whole => return,
            Ownership::Unmarked => match self.policy.unmanaged {
                Unmanaged::Ignore => return,
                Unmanaged::Report => {
                    self.report_unmanaged(email, existing, false);
                    return;
                }
                Unmanaged::Remove => {
                    self.report_unmanaged(email, existing, true);
                    Cause::Unmanaged
                }
            },
        };
        let counted = loses_access(email, existing, &self.desired.ends, self.policy.now);
        let removal = Change::removal(ObjectKey::Member(email.clone()), cause, Phase::Revoke);
        let desired = self.desired;
        let origin = match cause {
            _ if is_blocked => Some(desired.ends.origin(&desired.account, email, Some(RevocationReason::Blocked))),
            Cause::Unmanaged => self.policy.unmanaged_by.clone(),
            _ => None,
        };
        self.plan.changes.push(Change { origin, counted, ..removal });
    }

    /// Returns whether this member is the owner who stays: the catalog does not let the owner change, or the account
    /// does not resolve and keeps its content.
    fn stays_as_owner(&self, email: &Email) -> bool {
        if self.whole {
            return self.plan.owner_kept.as_ref() == Some(email);
        }
        let account = self.observed.account.as_ref().and_then(|existing| existing.content.as_ref());
        account.is_some_and(|account| account.owner.as_ref() == Some(email))
    }

    fn report_unmanaged(&mut self, email: &Email, existing: &Existing<MemberContent>, corrected: bool) {
        let object = ObjectKey::Member(email.clone());
        if !corrected {
            self.plan.holds.insert(object.clone(), Hold::DriftReported);
        }
        let observed = existing.content.as_ref().map_or_else(String::new, |content| content.summary(self.layout()));
        let entries = vec![drift::entry(&object, "object", drift::ABSENT, &observed)];
        self.plan.drift.push(Drift { object, entries, corrected });
    }
}

/// Planned content of one member.
#[derive(Clone, Copy)]
struct MemberChange<'a> {
    /// Desired content.
    target: &'a MemberContent,
    /// Stored content, in the store's layout.
    had: Option<&'a MemberContent>,
    /// Stored content, in the plan's layout.
    before: Option<&'a MemberContent>,
    cause: Cause,
    /// Whether `target` is exactly the desired content.
    exact: bool,
}
