//! Compares desired with observed content and plans the changes, once. Called by `plan::changes`, `plan::waiting` and
//! `plan::revocations`.

use std::collections::BTreeSet;

use super::{
    Cause, Change, Content, Drift, Existing, Hold, Mark, NotOwned, ObjectKey, Observed, Phase, Plan, Policy,
    drift::{self, Differs},
    fingerprint::Fingerprinted,
    guard::{self, GuardDecision},
    members,
    ownership::{DiffOutcome, Ownership, Wanted, judge, ownership},
    planner::{Outcome, Planner, Waiting},
};
use crate::{
    api::DriftPolicy,
    model::{Email, Layout, Scope},
    resolve::{Access, AccountContent, Desired, DesiredDefinitions, Origin, Window},
};

/// Plans once, without handling a layout that must wait.
pub(super) fn attempt(desired: &Desired, stored: &Observed, policy: &Policy, waiting: &Waiting) -> Outcome {
    // An account that does not resolve has no desired layout.
    let layout = if desired.definitions.is_some() { &desired.layout } else { &stored.layout };
    let account = desired.definitions.as_ref().map(|definitions| account_content(definitions, stored, &policy.mark));
    let observed = stored.translated(rows_layout(account.as_ref().map(|(account, _)| account), stored), layout);
    let (waits, owner_kept) = match waiting {
        Waiting::No => (false, None),
        Waiting::RevocationsOnly => (true, None),
        Waiting::Yes(owner) => (true, owner.clone()),
    };
    let whole = desired.definitions.is_some() || waits;
    let plan = Plan { store: observed.store.clone(), layout: layout.clone(), owner_kept, ..Plan::default() };
    let observed = observed.as_ref();
    let owner = stored.account.as_ref().map(|existing| ownership(existing.mark.as_ref(), &policy.mark));
    let account_is_ours = owner == Some(Ownership::Ours);
    let mut planner =
        Planner { desired, stored, observed, policy, account, whole, account_is_ours, layout_waits: None, plan };
    // A revocation may be written to an account that has lost its mark, but not to one with another cluster's mark.
    let may_end = matches!(waiting, Waiting::RevocationsOnly) && owner == Some(Ownership::Unmarked);
    if !may_end {
        if !planner.may_touch_account() {
            return planner.finish();
        }
        planner.account_is_ours = true;
    }
    if let Some(definitions) = &desired.definitions {
        planner.definitions(definitions);
    }
    if planner.plan.needs_account || planner.layout_waits.is_some() {
        return planner.finish();
    }
    members::plan_members(&mut planner);
    if matches!(waiting, Waiting::RevocationsOnly) {
        // A revocation is explicit, so the guard does not count it; a missing object is not.
        planner.plan.changes.iter_mut().for_each(|change| change.counted &= change.put.is_none());
    }
    planner.apply_guard();
    planner.finish()
}

/// Returns the layout in which stored ranks are written: usually the account's stored layout. If the account's
/// fingerprint equals that of the desired account, somebody else has changed the stored layout since it was applied,
/// and the ranks are still in the applied layout. Stores decide by the same rule ([`crate::contract::decide`]).
fn rows_layout<'a>(account: Option<&'a AccountContent>, stored: &'a Observed) -> &'a Layout {
    let applied = stored.account.as_ref().and_then(|existing| existing.fingerprint.as_ref());
    let account = account.filter(|account| account.fingerprint(&account.layout).is_of(applied));
    account.map_or(&stored.layout, |account| &account.layout)
}

/// Returns whether the owner named by the Account is the effective owner. The answer is `false` where the owner in the
/// store stays, or where the account does not resolve and the store shows another owner. Returns `None` if the store
/// does not show what was last applied.
pub(crate) fn is_owner_in_force(email: &Email, desired: &Desired, observed: &Observed, mark: &Mark) -> Option<bool> {
    if let Some(definitions) = &desired.definitions {
        return Some(account_content(definitions, observed, mark).0.owner.as_ref() == Some(email));
    }
    let existing = observed.account.as_ref()?;
    let content = existing.content.as_ref()?;
    let is_applied = content.fingerprint(&content.layout).is_of(existing.fingerprint.as_ref());
    is_applied.then(|| content.owner.as_ref() == Some(email))
}

/// Returns the desired content of the account, and the owner who stays where the catalog does not let the owner change.
fn account_content(
    definitions: &DesiredDefinitions,
    stored: &Observed,
    mark: &Mark,
) -> (AccountContent, Option<Email>) {
    let mut content = definitions.account.clone();
    let ours = stored.account.as_ref();
    let ours = ours.filter(|existing| ownership(existing.mark.as_ref(), mark) == Ownership::Ours);
    let was = ours.and_then(|existing| existing.content.as_ref()).and_then(|content| content.owner.clone());
    if was.is_some()
        && was != content.owner
        && !definitions.owner_may_change
        && last_applied_owner(definitions, stored, was.as_ref())
    {
        content.owner.clone_from(&was);
        return (content, was);
    }
    (content, None)
}

/// Returns whether the owner in the store is the one that Roster applied, and not written by somebody else: with that
/// owner, the account's content has the stored fingerprint, or the stored content still matches its own fingerprint.
fn last_applied_owner(definitions: &DesiredDefinitions, stored: &Observed, was: Option<&Email>) -> bool {
    let Some(existing) = &stored.account else { return false };
    let desired = AccountContent { owner: was.cloned(), ..definitions.account.clone() };
    let is_applied =
        |content: &AccountContent| content.fingerprint(&content.layout).is_of(existing.fingerprint.as_ref());
    existing.content.as_ref().is_some_and(is_applied) || is_applied(&desired)
}

impl Planner<'_> {
    /// Returns the layout of the plan.
    pub(super) fn layout(&self) -> &Layout {
        &self.plan.layout
    }

    /// Returns whether the account's container is ours or may be adopted, and records a hold if not. Nothing is changed
    /// in a container that is not ours.
    fn may_touch_account(&mut self) -> bool {
        let existing = self.stored.account.as_ref();
        let Some(existing) = existing else {
            // If the desired account is unknown, too, there is nothing to touch.
            return self.account.is_some();
        };
        let desired = self.account.as_ref().map(|(account, _)| account);
        let refused = match desired {
            None => ownership(existing.mark.as_ref(), &self.policy.mark) != Ownership::Ours,
            Some(account) => self.judge(&ObjectKey::Account, account, Some(existing)) == DiffOutcome::NotOwned,
        };
        if refused {
            let why = NotOwned::of(&ObjectKey::Account, desired, existing, self.policy, self.layout());
            self.not_owned(ObjectKey::Account, why);
        }
        !refused
    }

    /// Leaves an entry of the store that is not ours as it is.
    pub(super) fn not_owned(&mut self, object: ObjectKey, why: NotOwned) {
        self.plan.holds.insert(object.clone(), Hold::NotOwned);
        self.plan.not_owned.insert(object, why);
    }

    /// Returns what to do about one desired object.
    pub(super) fn judge<C: Fingerprinted>(
        &self,
        object: &ObjectKey,
        desired: &C,
        existing: Option<&Existing<C>>,
    ) -> DiffOutcome {
        let stored = existing.and_then(|existing| existing.fingerprint.as_ref());
        let fingerprint = desired.fingerprint(self.layout()).with(self.policy.authorised.expected(object, stored));
        let wanted = Wanted { desired, fingerprint, same_layout: self.stored.layout == *self.layout() };
        judge(&wanted, existing, self.policy)
    }

    fn definitions(&mut self, definitions: &DesiredDefinitions) {
        let Some((account, owner_kept)) = self.account.clone() else { return };
        self.plan.owner_kept = owner_kept;
        if self.desired.scope != Scope::Account {
            let existing = self.stored.account.as_ref();
            let current = existing.is_some_and(|existing| {
                ownership(existing.mark.as_ref(), &self.policy.mark) == Ownership::Ours
                    && self.stored.layout == self.desired.layout
                    && existing.content.as_ref().is_some_and(|content| content.owner == account.owner)
            });
            self.plan.needs_account = !current;
            return;
        }
        let origin = Some(&definitions.origin);
        let existing = self.stored.account.as_ref();
        self.consider(ObjectKey::Account, &account, existing, origin, Content::Account);
        if let (Some(_), Some(hold)) = (existing, self.plan.holds.get(&ObjectKey::Account))
            && self.stored.layout != self.desired.layout
        {
            // The stored layout stays, so all writes must use it.
            self.layout_waits = Some(*hold);
        }
        for (name, (content, origin)) in &definitions.roles {
            let existing = self.observed.roles.get(name);
            self.consider(ObjectKey::Role(name.clone()), content, existing, Some(origin), Content::Role);
        }
        for (name, (content, origin)) in &definitions.groups {
            let existing = self.observed.groups.get(name);
            self.consider(ObjectKey::Group(name.clone()), content, existing, Some(origin), Content::Group);
        }
        let unwanted_roles = self.observed.roles.iter().filter(|(name, _)| !definitions.roles.contains_key(*name));
        let unwanted_roles =
            unwanted_roles.map(|(name, existing)| (ObjectKey::Role(name.clone()), existing.mark.as_ref()));
        let unwanted_groups = self.observed.groups.iter().filter(|(name, _)| !definitions.groups.contains_key(*name));
        let unwanted_groups =
            unwanted_groups.map(|(name, existing)| (ObjectKey::Group(name.clone()), existing.mark.as_ref()));
        let unwanted: Vec<_> = unwanted_roles.chain(unwanted_groups).collect();
        for (object, mark) in unwanted {
            if ownership(mark, &self.policy.mark) == Ownership::Ours {
                self.delete(object);
            }
        }
    }

    /// Plans one definition: the account, a role or a group. Definitions wait while the store is paused; members'
    /// access does not depend on them.
    fn consider<C: Fingerprinted + Differs + Clone>(
        &mut self,
        object: ObjectKey,
        desired: &C,
        existing: Option<&Existing<C>>,
        origin: Option<&Origin>,
        content: impl Fn(C) -> Content,
    ) {
        let cause = match self.judge(&object, desired, existing) {
            DiffOutcome::Nothing => return,
            DiffOutcome::NotOwned => {
                if let Some(existing) = existing {
                    let why = NotOwned::of(&object, Some(desired), existing, self.policy, self.layout());
                    self.not_owned(object, why);
                }
                return;
            }
            DiffOutcome::Drifted => {
                let observed = existing.and_then(|existing| existing.content.as_ref());
                let entries = drift::entries(&object, desired, observed, self.layout());
                let corrected = self.policy.drift == DriftPolicy::Correct && self.policy.paused.is_none();
                self.plan.drift.push(Drift { object: object.clone(), entries, corrected });
                if self.policy.drift == DriftPolicy::Report {
                    self.plan.holds.insert(object, Hold::DriftReported);
                    return;
                }
                Cause::Drift
            }
            DiffOutcome::Put(cause) => cause,
        };
        if let Some(pause) = self.policy.paused {
            self.plan.holds.insert(object, pause.hold());
            return;
        }
        let stored = existing.and_then(|existing| existing.fingerprint.as_ref());
        let fingerprint = desired.fingerprint(self.layout()).with(self.policy.authorised.written(&object, stored));
        self.plan.changes.push(Change {
            object,
            put: Some((content(desired.clone()), fingerprint)),
            cause,
            origin: origin.cloned(),
            phase: Phase::Define,
            counted: false,
            approved: false,
            expected: stored.cloned(),
        });
    }

    fn delete(&mut self, object: ObjectKey) {
        if let Some(pause) = self.policy.paused {
            self.plan.holds.insert(object, pause.hold());
            return;
        }
        self.plan.changes.push(Change::removal(object, Cause::Unwanted, Phase::Delete));
    }

    fn apply_guard(&mut self) {
        let emails: BTreeSet<Email> = self
            .plan
            .changes
            .iter()
            .filter(|change| change.counted)
            .filter_map(|change| change.object.person().cloned())
            .collect();
        let whole = self.desired.scope == Scope::Account;
        let roles = guard::held_roles(&emails, self.observed, self.policy);
        if !whole && !roles.is_empty() {
            // Only a plan of the whole account shows who else holds these roles.
            self.plan.needs_account = true;
            return;
        }
        let last = guard::without_holder(roles, self.desired, &self.plan, self.policy.now);
        let guarded = match guard::check(&emails, last, self.observed, whole, self.policy) {
            GuardDecision::Pass => return,
            GuardDecision::Approved => {
                for change in self.plan.changes.iter_mut().filter(|change| change.counted) {
                    (change.counted, change.approved) = (false, true);
                }
                return;
            }
            GuardDecision::Hold(guarded) => guarded,
        };
        if !whole {
            // Only a plan of the whole account shows all pending removals, which the approval covers, and all remaining
            // members.
            self.plan.needs_account = true;
        }
        if emails.iter().any(|email| self.loses_all_by_layout(email)) {
            self.layout_waits = Some(Hold::Guarded);
        }
        self.plan.changes.retain(|change| !change.counted);
        for email in emails {
            let content = self.observed.members.get(&email).and_then(|existing| existing.content.as_ref());
            let content = content.map(|content| self.fitted(content));
            self.plan.kept.insert(email.clone(), content);
            self.plan.holds.insert(ObjectKey::Member(email.clone()), Hold::Guarded);
            self.limit_held(&email);
        }
        self.plan.guarded = Some(guarded);
    }

    /// Applies the membership's time window to a member whose removal is held back.
    fn limit_held(&mut self, email: &Email) {
        let Some(own) = self.desired.members.get(email) else { return };
        if let Access::Exactly(content) | Access::AtMost(content) = &own.access
            && content.window != Window::default()
        {
            let existing = self.observed.members.get(email);
            self.member(email, &Access::KeptWithin(content.window), Some(&own.origin), existing);
        }
    }

    /// Returns whether the plan's layout leaves nothing of the access that a member has in the store's layout.
    pub(super) fn loses_all_by_layout(&self, email: &Email) -> bool {
        let held = |observed: &Observed| {
            let content = observed.members.get(email).and_then(|existing| existing.content.as_ref());
            content.is_some_and(|content| !content.ranks.is_none())
        };
        held(self.stored) && !held(self.observed)
    }

    fn finish(mut self) -> Outcome {
        self.plan.changes.sort_by_key(|change| change.phase);
        Outcome { plan: self.plan, layout_waits: self.layout_waits }
    }
}
