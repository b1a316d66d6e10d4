//! Compares what should be with what is.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Cause, Change, Content, Drift, Guarded, Mark, ObjectKey, Observed, Phase, Policy, Seen,
    drift::{self, Differs},
    ends::{self, Gone},
    fingerprint::Fingerprinted,
    guard::{self, GuardDecision},
    judge::{DiffOutcome, Ownership, Wanted, judge, ownership},
    members, waiting,
};
use crate::{
    api::DriftPolicy,
    model::{Email, Layout, Name, Scope},
    resolve::{Access, AccountContent, Desired, DesiredDefinitions, MemberContent, Origin, Window},
};

/// What is to be done, and what is to be said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Id of the store that was observed; absent where it has none. No other store takes the changes.
    pub store: Option<Name>,
    /// The changes, in the order in which a store should make them.
    pub changes: Vec<Change>,
    /// What ranks in `changes` mean: the layout the store has once the changes are made. A store that keeps ranks brings
    /// all others it has of the account to this layout, too ([`Layout::translate`]), where `changes` give the account
    /// another one: those of members held back, kept, or not ours stand in no change.
    pub layout: Layout,
    /// Differences, corrected by `changes` or only reported.
    pub drift: Vec<Drift>,
    /// What is not made as it should be, and why.
    pub holds: BTreeMap<ObjectKey, Hold>,
    /// What the store holds of a member once the changes are made, where that is not just what is desired.
    pub kept: BTreeMap<Email, Option<MemberContent>>,
    /// Removals that the guard holds back.
    pub guarded: Option<Guarded>,
    /// The owner who stays, since the catalog does not let the owner change.
    pub owner_kept: Option<Email>,
    /// The scope is too small for what is to be done: plan again for the whole account.
    pub needs_account: bool,
    /// Whether another store was observed than the one that has been used so far.
    pub replaced: bool,
    pub(super) widens: bool,
}

/// Why something is not made as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub enum Hold {
    /// Something is there that is not ours.
    NotOwned,
    /// Store or account are paused.
    Paused,
    /// Another store answers than the one that is known.
    StoreReplaced,
    /// The removal guard holds it back.
    Guarded,
    /// It differs and the policy is to report.
    DriftReported,
}

impl Hold {
    /// Returns whether grants and definitions wait, whatever the object.
    #[must_use]
    pub const fn is_pause(self) -> bool {
        matches!(self, Self::Paused | Self::StoreReplaced)
    }

    /// Returns the word that reports have for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotOwned => "NotOwned",
            Self::Paused => "Paused",
            Self::StoreReplaced => "StoreReplaced",
            Self::Guarded => "Guarded",
            Self::DriftReported => "DriftReported",
        }
    }
}

impl Plan {
    /// Whether somebody would be removed: then Account, namespace and definitions are to be read afresh before.
    #[must_use]
    pub fn removes(&self) -> bool {
        self.changes.iter().any(Self::is_removal)
    }

    /// Returns who is removed or left without access since somebody approved it: the guard does not count them.
    pub fn approved(&self) -> impl Iterator<Item = &Email> {
        self.changes.iter().filter(|change| change.approved).filter_map(|change| change.object.person())
    }

    /// The plan without removals and without what leaves anybody without access.
    pub fn drop_removals(&mut self) {
        let mut changes = std::mem::take(&mut self.changes);
        changes.retain(|change| !Self::is_removal(change));
        self.changes = changes;
    }

    /// Whether somebody would gain something, also who loses something else.
    #[must_use]
    pub const fn raises(&self) -> bool {
        self.widens
    }

    fn is_removal(change: &Change) -> bool {
        change.put.is_none() || change.counted || change.approved
    }
}

/// Puts a plan together, all of it in one layout: that of the plan.
pub(super) struct Planner<'a> {
    pub(super) desired: &'a Desired,
    /// What the store holds, as it holds it.
    pub(super) stored: &'a Observed,
    /// The same in the layout of the plan.
    pub(super) observed: &'a Observed,
    pub(super) policy: &'a Policy,
    /// The account as it should be, and the owner who stays where the catalog does not let the owner change; absent where
    /// the account does not resolve.
    account: Option<(AccountContent, Option<Email>)>,
    /// Whether the account resolves, also where its definitions wait.
    pub(super) whole: bool,
    /// Whether the account carries our mark, or is taken over by this plan.
    pub(super) account_is_ours: bool,
    pub(super) layout_waits: Option<Hold>,
    pub(super) plan: Plan,
}

/// What is to be done so that the store holds what is desired, as far as marks, adoption, policy and guard allow.
pub(crate) fn plan(desired: &Desired, observed: &Observed, policy: &Policy) -> Plan {
    let Outcome { plan, layout_waits } = attempt(desired, observed, policy, &Waiting::No);
    if plan.holds.get(&ObjectKey::Account) == Some(&Hold::NotOwned) {
        // What carries our mark in it is ours all the same, and its end is somebody's word.
        let mut ends = ends::plan(desired, observed, policy, Gone::Kept);
        ends.holds.insert(ObjectKey::Account, Hold::NotOwned);
        return ends;
    }
    match layout_waits {
        Some(hold) => waiting::plan(desired, observed, policy, plan, hold),
        None => plan,
    }
}

/// A plan, and why the account's new layout, if it has one, has to wait.
pub(super) struct Outcome {
    pub(super) plan: Plan,
    pub(super) layout_waits: Option<Hold>,
}

/// Whether another layout waits.
pub(super) enum Waiting {
    /// It does not.
    No,
    /// It does, and this owner stays.
    Yes(Option<Email>),
    /// Everything does but ends by somebody's word.
    OnlyEnds,
}

/// Plans once.
pub(super) fn attempt(desired: &Desired, stored: &Observed, policy: &Policy, waiting: &Waiting) -> Outcome {
    // An account that does not resolve has no layout of its own to wish for.
    let layout = if desired.definitions.is_some() { &desired.layout } else { &stored.layout };
    let account = desired.definitions.as_ref().map(|definitions| account_content(definitions, stored, &policy.mark));
    let observed = stored.translated(rows_layout(account.as_ref().map(|(account, _)| account), stored), layout);
    let (waits, owner_kept) = match waiting {
        Waiting::No => (false, None),
        Waiting::OnlyEnds => (true, None),
        Waiting::Yes(owner) => (true, owner.clone()),
    };
    let whole = desired.definitions.is_some() || waits;
    let plan = Plan { store: observed.store.clone(), layout: layout.clone(), owner_kept, ..Plan::default() };
    let observed = observed.as_ref();
    let owner = stored.account.as_ref().map(|seen| ownership(seen.mark.as_ref(), &policy.mark));
    let account_is_ours = owner == Some(Ownership::Ours);
    let mut planner =
        Planner { desired, stored, observed, policy, account, whole, account_is_ours, layout_waits: None, plan };
    // An end may be written where the account has lost its mark, but not where it has another cluster's.
    let may_end = matches!(waiting, Waiting::OnlyEnds) && owner == Some(Ownership::Unmarked);
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
    if matches!(waiting, Waiting::OnlyEnds) {
        // Ends are somebody's word; that an object is gone is none.
        planner.plan.changes.iter_mut().for_each(|change| change.counted &= change.put.is_none());
    }
    planner.apply_guard();
    planner.finish()
}

/// Returns the layout that the ranks in a store are of: the account's as it is there. But where the account's fingerprint
/// is that of what is desired, the account was applied like that, and its layout was changed by somebody else since: the
/// ranks are still of the one that was applied. Stores judge alike ([`crate::contract::decide`]).
fn rows_layout<'a>(account: Option<&'a AccountContent>, stored: &'a Observed) -> &'a Layout {
    let applied = stored.account.as_ref().and_then(|seen| seen.fingerprint);
    let account = account.filter(|account| applied == Some(account.fingerprint(&account.layout)));
    account.map_or(&stored.layout, |account| &account.layout)
}

/// Returns whether somebody whom the Account names is the owner in force: not where the owner in the store stays, nor, where
/// the account does not resolve, where the store shows another one. Returns nothing where nobody can tell, since the store
/// does not show what was applied.
pub(crate) fn is_owner_in_force(email: &Email, desired: &Desired, observed: &Observed, mark: &Mark) -> Option<bool> {
    if let Some(definitions) = &desired.definitions {
        return Some(account_content(definitions, observed, mark).0.owner.as_ref() == Some(email));
    }
    let seen = observed.account.as_ref()?;
    let content = seen.content.as_ref()?;
    (seen.fingerprint == Some(content.fingerprint(&content.layout))).then(|| content.owner.as_ref() == Some(email))
}

/// Returns the account as it should be, and the owner who stays where the catalog does not let the owner change.
fn account_content(
    definitions: &DesiredDefinitions,
    stored: &Observed,
    mark: &Mark,
) -> (AccountContent, Option<Email>) {
    let mut content = definitions.account.clone();
    let ours = stored.account.as_ref();
    let ours = ours.filter(|seen| ownership(seen.mark.as_ref(), mark) == Ownership::Ours);
    let was = ours.and_then(|seen| seen.content.as_ref()).and_then(|content| content.owner.clone());
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

/// Whether the owner that the store shows is the one Roster applied, not one somebody wrote there: with that owner in
/// it, the account's content has the fingerprint that was kept, or at least differs from it in nothing the store shows.
fn last_applied_owner(definitions: &DesiredDefinitions, stored: &Observed, was: Option<&Email>) -> bool {
    let Some(seen) = &stored.account else { return false };
    let observed = seen.content.as_ref().map(|content| content.fingerprint(&content.layout));
    let desired = AccountContent { owner: was.cloned(), ..definitions.account.clone() };
    observed == seen.fingerprint || seen.fingerprint == Some(desired.fingerprint(&desired.layout))
}

impl Planner<'_> {
    /// Returns the layout in which everything is planned.
    pub(super) fn layout(&self) -> &Layout {
        &self.plan.layout
    }

    /// Whether the account's container is ours, or may become so; nothing in a container that is not is touched.
    fn may_touch_account(&mut self) -> bool {
        let seen = self.stored.account.as_ref();
        let refused = match (seen, &self.account) {
            // Nothing is there, and what should be cannot be said.
            (None, None) => return false,
            (None, Some(_)) => false,
            (Some(seen), None) => ownership(seen.mark.as_ref(), &self.policy.mark) != Ownership::Ours,
            (Some(seen), Some((account, _))) => self.judge(account, Some(seen)) == DiffOutcome::NotOwned,
        };
        if refused {
            self.plan.holds.insert(ObjectKey::Account, Hold::NotOwned);
        }
        !refused
    }

    /// Returns what is to be done about one thing that is desired.
    pub(super) fn judge<C: Fingerprinted>(&self, desired: &C, seen: Option<&Seen<C>>) -> DiffOutcome {
        let fingerprint = desired.fingerprint(self.layout());
        let wanted = Wanted { desired, fingerprint, same_layout: self.stored.layout == *self.layout() };
        judge(&wanted, seen, self.policy)
    }

    fn definitions(&mut self, definitions: &DesiredDefinitions) {
        let Some((account, owner_kept)) = self.account.clone() else { return };
        self.plan.owner_kept = owner_kept;
        if self.desired.scope != Scope::Account {
            let seen = self.stored.account.as_ref();
            let current = seen.is_some_and(|seen| {
                ownership(seen.mark.as_ref(), &self.policy.mark) == Ownership::Ours
                    && self.stored.layout == self.desired.layout
                    && seen.content.as_ref().is_some_and(|content| content.owner == account.owner)
            });
            self.plan.needs_account = !current;
            return;
        }
        let origin = Some(&definitions.origin);
        let seen = self.stored.account.as_ref();
        self.consider(ObjectKey::Account, &account, seen, origin, Content::Account);
        if let (Some(_), Some(hold)) = (seen, self.plan.holds.get(&ObjectKey::Account))
            && self.stored.layout != self.desired.layout
        {
            // The layout in the store stays as it is, and whatever is written has to be of it.
            self.layout_waits = Some(*hold);
        }
        for (name, (content, origin)) in &definitions.roles {
            let seen = self.observed.roles.get(name);
            self.consider(ObjectKey::Role(name.clone()), content, seen, Some(origin), Content::Role);
        }
        for (name, (content, origin)) in &definitions.groups {
            let seen = self.observed.groups.get(name);
            self.consider(ObjectKey::Group(name.clone()), content, seen, Some(origin), Content::Group);
        }
        let unwanted_roles = self.observed.roles.iter().filter(|(name, _)| !definitions.roles.contains_key(*name));
        let unwanted_roles = unwanted_roles.map(|(name, seen)| (ObjectKey::Role(name.clone()), seen.mark.as_ref()));
        let unwanted_groups = self.observed.groups.iter().filter(|(name, _)| !definitions.groups.contains_key(*name));
        let unwanted_groups = unwanted_groups.map(|(name, seen)| (ObjectKey::Group(name.clone()), seen.mark.as_ref()));
        let unwanted: Vec<_> = unwanted_roles.chain(unwanted_groups).collect();
        for (object, mark) in unwanted {
            if ownership(mark, &self.policy.mark) == Ownership::Ours {
                self.demolish(object);
            }
        }
    }

    /// Definitions wait while the store is paused; members' access never hangs on them.
    fn consider<C: Fingerprinted + Differs + Clone>(
        &mut self,
        object: ObjectKey,
        desired: &C,
        seen: Option<&Seen<C>>,
        origin: Option<&Origin>,
        content: impl Fn(C) -> Content,
    ) {
        let cause = match self.judge(desired, seen) {
            DiffOutcome::Nothing => return,
            DiffOutcome::NotOwned => {
                self.plan.holds.insert(object, Hold::NotOwned);
                return;
            }
            DiffOutcome::Drifted => {
                let observed = seen.and_then(|seen| seen.content.as_ref());
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
        self.plan.changes.push(Change {
            object,
            put: Some((content(desired.clone()), desired.fingerprint(self.layout()))),
            cause,
            origin: origin.cloned(),
            phase: Phase::Define,
            counted: false,
            approved: false,
            seen: seen.and_then(|seen| seen.fingerprint),
        });
    }

    fn demolish(&mut self, object: ObjectKey) {
        if let Some(pause) = self.policy.paused {
            self.plan.holds.insert(object, pause.hold());
            return;
        }
        self.plan.changes.push(Change::removal(object, Cause::Unwanted, Phase::Demolish));
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
            // Only the whole account shows who else holds them.
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
            // Only the whole account shows all that is pending, which is what somebody approves, and who is still there.
            self.plan.needs_account = true;
        }
        if emails.iter().any(|email| self.loses_all_by_layout(email)) {
            self.layout_waits = Some(Hold::Guarded);
        }
        self.plan.changes.retain(|change| !change.counted);
        for email in emails {
            let content = self.observed.members.get(&email).and_then(|seen| seen.content.as_ref());
            let content = content.map(|content| self.fitted(content));
            self.plan.kept.insert(email.clone(), content);
            self.plan.holds.insert(ObjectKey::Member(email.clone()), Hold::Guarded);
            self.limit_held(&email);
        }
        self.plan.guarded = Some(guarded);
    }

    /// Whose removal is held back has access no longer than is written down all the same.
    fn limit_held(&mut self, email: &Email) {
        let Some(own) = self.desired.members.get(email) else { return };
        if let Access::Exactly(content) | Access::AtMost(content) = &own.access
            && content.window != Window::default()
        {
            let seen = self.observed.members.get(email);
            self.member(email, &Access::KeptWithin(content.window), Some(&own.origin), seen);
        }
    }

    /// Whether nothing of a member's access is left in the layout that is desired.
    pub(super) fn loses_all_by_layout(&self, email: &Email) -> bool {
        let held = |observed: &Observed| {
            let content = observed.members.get(email).and_then(|seen| seen.content.as_ref());
            content.is_some_and(|content| !content.ranks.is_none())
        };
        held(self.stored) && !held(self.observed)
    }

    fn finish(mut self) -> Outcome {
        self.plan.changes.sort_by_key(|change| change.phase);
        Outcome { plan: self.plan, layout_waits: self.layout_waits }
    }
}
