//! Compares what should be with what is.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Cause, Change, Content, Drift, Guarded, Mark, ObjectKey, Observed, Phase, Policy, Seen,
    drift::{self, Differs},
    fingerprint::Fingerprinted,
    guard::{self, Judgement},
    members,
};
use crate::{
    api::{Adoption, DriftPolicy},
    model::{Email, Layout},
    resolve::{AccountContent, Desired, DesiredDefinitions, MemberContent, Origin, Scope},
};

/// What is to be done, and what is to be said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The changes, in the order in which a store should make them.
    pub changes: Vec<Change>,
    /// What ranks in `changes` mean: the layout the store has once the changes are made.
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
}

/// Why something is not made as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hold {
    /// Something is there that is not ours.
    NotOwned,
    /// Store or account are paused.
    Paused,
    /// The removal guard holds it back.
    Guarded,
    /// It differs and the policy is to report.
    DriftReported,
}

impl Plan {
    /// Whether somebody would be removed: then Account, namespace and definitions are to be read afresh before.
    #[must_use]
    pub fn removes(&self) -> bool {
        self.changes.iter().any(|change| change.put.is_none() || change.counted)
    }

    /// The plan without removals and without what leaves anybody without access.
    pub fn drop_removals(&mut self) {
        self.changes.retain(|change| change.put.is_some() && !change.counted);
    }
}

/// Whose something is, seen from an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ownership {
    /// It carries our mark.
    Ours,
    /// It carries none, or one of an earlier Account of the same name: adoption decides.
    Unmarked,
    /// It carries another cluster's mark: never touched.
    Foreign,
}

pub(super) fn ownership(mark: Option<&Mark>, ours: &Mark) -> Ownership {
    match mark {
        None => Ownership::Unmarked,
        Some(mark) if mark.cluster != ours.cluster => Ownership::Foreign,
        Some(mark) if mark == ours => Ownership::Ours,
        Some(_) => Ownership::Unmarked,
    }
}

/// What to do about one thing that is desired.
pub(super) enum Verdict {
    /// It is as it should be.
    Nothing,
    /// Make it so.
    Put(Cause),
    /// It drifted; correct it.
    Correct(Vec<crate::api::DriftEntry>),
    /// It drifted; say so.
    Report(Vec<crate::api::DriftEntry>),
    /// It is not ours.
    NotOwned,
}

/// Fingerprint ≠ wanted is a change of the spec, made under any policy. Fingerprint = wanted but another content is
/// drift. Not ours: adoption decides.
pub(super) fn judge<C: Fingerprinted + Differs>(
    object: &ObjectKey,
    desired: &C,
    seen: Option<&Seen<C>>,
    layouts: Layouts<'_>,
    policy: &Policy,
) -> Verdict {
    let Some(seen) = seen else { return Verdict::Put(Cause::Spec) };
    let same = seen.content.as_ref() == Some(desired);
    match (ownership(seen.mark.as_ref(), &policy.mark), &seen.content) {
        (Ownership::Foreign, _) => Verdict::NotOwned,
        (Ownership::Unmarked, None) => Verdict::Put(Cause::Spec),
        (Ownership::Unmarked, Some(_)) => match policy.adoption {
            Adoption::Always => Verdict::Put(Cause::Adoption),
            // What others wrote has ranks of the layout that is there.
            Adoption::IfIdentical if same && layouts.observed == layouts.desired => Verdict::Put(Cause::Adoption),
            Adoption::IfIdentical | Adoption::Never => Verdict::NotOwned,
        },
        (Ownership::Ours, content) => {
            if seen.fingerprint != Some(desired.fingerprint(layouts.desired)) {
                Verdict::Put(Cause::Spec)
            } else if same {
                // The fingerprint covers the layout: what we applied has ranks of the one that is desired.
                Verdict::Nothing
            } else {
                let entries = drift::entries(object, desired, content.as_ref(), layouts.desired);
                match policy.drift {
                    DriftPolicy::Correct => Verdict::Correct(entries),
                    DriftPolicy::Report => Verdict::Report(entries),
                }
            }
        }
    }
}

/// What ranks mean on both sides.
#[derive(Clone, Copy)]
pub(super) struct Layouts<'a> {
    pub(super) desired: &'a Layout,
    pub(super) observed: &'a Layout,
}

/// Puts a plan together.
pub(super) struct Planner<'a> {
    pub(super) desired: &'a Desired,
    pub(super) observed: &'a Observed,
    pub(super) policy: &'a Policy,
    pub(super) plan: Plan,
}

/// What is to be done so that the store holds what is desired, as far as marks, adoption, policy and guard allow.
#[must_use]
pub fn plan(desired: &Desired, observed: &Observed, policy: &Policy) -> Plan {
    let mut planner = Planner { desired, observed, policy, plan: Plan::default() };
    planner.plan.layout = desired.layout.clone();
    if !planner.may_touch_account() {
        return planner.plan;
    }
    if let Some(definitions) = &desired.definitions {
        planner.definitions(definitions);
    }
    if planner.plan.needs_account {
        return planner.plan;
    }
    members::plan_members(&mut planner);
    planner.apply_guard();
    planner.finish()
}

/// What is to be done when an Account is deleted: everything that carries its mark goes, and with it the unmarked members
/// of its own container; what another cluster has marked stays, and keeps the container.
#[must_use]
pub fn deletion(observed: &Observed, mark: &Mark) -> Plan {
    let ours = |seen: Option<&Mark>| ownership(seen, mark) == Ownership::Ours;
    let mut plan = Plan { layout: observed.layout.clone(), ..Plan::default() };
    let account_is_ours = observed.account.as_ref().is_some_and(|seen| ours(seen.mark.as_ref()));
    let mut foreign = false;
    let mut remove = |object: ObjectKey, seen: Option<&Mark>, phase: Phase| {
        if ownership(seen, mark) == Ownership::Foreign {
            foreign = true;
        } else if ours(seen) || account_is_ours {
            plan.changes.push(Change {
                object,
                put: None,
                cause: Cause::AccountDeleted,
                origin: None,
                phase,
                counted: false,
            });
        }
    };
    for (email, seen) in &observed.members {
        remove(ObjectKey::Member(email.clone()), seen.mark.as_ref(), Phase::Narrow);
    }
    for (name, seen) in &observed.groups {
        remove(ObjectKey::Group(name.clone()), seen.mark.as_ref(), Phase::Demolish);
    }
    for (name, seen) in &observed.roles {
        remove(ObjectKey::Role(name.clone()), seen.mark.as_ref(), Phase::Demolish);
    }
    if account_is_ours && !foreign {
        plan.changes.push(Change {
            object: ObjectKey::Account,
            put: None,
            cause: Cause::AccountDeleted,
            origin: None,
            phase: Phase::Demolish,
            counted: false,
        });
    }
    plan
}

impl<'a> Planner<'a> {
    pub(super) fn layouts(&self) -> Layouts<'a> {
        let observed = &self.observed.layout;
        // An account that does not resolve has no layout of its own to wish for.
        let desired = if self.desired.definitions.is_some() { &self.desired.layout } else { observed };
        Layouts { desired, observed }
    }

    /// Whether the account's container is ours, or may become so; nothing in a container that is not is touched.
    fn may_touch_account(&mut self) -> bool {
        let seen = self.observed.account.as_ref();
        let refused = match (seen, &self.desired.definitions) {
            // Nothing is there, and what should be cannot be said.
            (None, None) => return false,
            (None, Some(_)) => false,
            (Some(seen), None) => ownership(seen.mark.as_ref(), &self.policy.mark) != Ownership::Ours,
            (Some(seen), Some(definitions)) => {
                let (account, _) = self.account_content(definitions);
                let verdict = judge(&ObjectKey::Account, &account, Some(seen), self.layouts(), self.policy);
                matches!(verdict, Verdict::NotOwned)
            }
        };
        if refused {
            self.plan.holds.insert(ObjectKey::Account, Hold::NotOwned);
        }
        !refused
    }

    /// The account as it should be, and the owner who stays where the catalog does not let the owner change.
    fn account_content(&self, definitions: &DesiredDefinitions) -> (AccountContent, Option<Email>) {
        let mut content = definitions.account.clone();
        let seen = self.observed.account.as_ref();
        let ours = seen.filter(|seen| ownership(seen.mark.as_ref(), &self.policy.mark) == Ownership::Ours);
        let was = ours.and_then(|seen| seen.content.as_ref()).and_then(|content| content.owner.clone());
        if was.is_some()
            && was != content.owner
            && !definitions.owner_may_change
            && self.last_applied_owner(definitions, &was)
        {
            content.owner.clone_from(&was);
            return (content, was);
        }
        (content, None)
    }

    /// Whether the owner that the store shows is the one Roster applied, not one somebody wrote there: with that owner in
    /// it, the account's content has the fingerprint that was kept, or at least differs from it in nothing the store shows.
    fn last_applied_owner(&self, definitions: &DesiredDefinitions, was: &Option<Email>) -> bool {
        let Some(seen) = &self.observed.account else { return false };
        let observed = seen.content.as_ref().map(|content| content.fingerprint(&self.observed.layout));
        let desired = AccountContent { owner: was.clone(), ..definitions.account.clone() };
        observed == seen.fingerprint || seen.fingerprint == Some(desired.fingerprint(&self.desired.layout))
    }

    fn definitions(&mut self, definitions: &DesiredDefinitions) {
        let (account, owner_kept) = self.account_content(definitions);
        self.plan.owner_kept = owner_kept;
        if self.desired.scope != Scope::Account {
            let seen = self.observed.account.as_ref();
            let current = seen.is_some_and(|seen| {
                ownership(seen.mark.as_ref(), &self.policy.mark) == Ownership::Ours
                    && self.observed.layout == self.desired.layout
                    && seen.content.as_ref().is_some_and(|content| content.owner == account.owner)
            });
            self.plan.needs_account = !current;
            return;
        }
        let origin = Some(&definitions.origin);
        let seen = self.observed.account.as_ref();
        self.consider(ObjectKey::Account, &account, seen, origin, Content::Account);
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
        let verdict = judge(&object, desired, seen, self.layouts(), self.policy);
        let cause = match verdict {
            Verdict::Nothing => return,
            Verdict::NotOwned => {
                self.plan.holds.insert(object, Hold::NotOwned);
                return;
            }
            Verdict::Report(entries) => {
                self.plan.holds.insert(object.clone(), Hold::DriftReported);
                self.plan.drift.push(Drift { object, entries, corrected: false });
                return;
            }
            Verdict::Correct(entries) => {
                let corrected = !self.policy.paused;
                self.plan.drift.push(Drift { object: object.clone(), entries, corrected });
                Cause::Drift
            }
            Verdict::Put(cause) => cause,
        };
        if self.policy.paused {
            self.plan.holds.insert(object, Hold::Paused);
            return;
        }
        let fingerprint = desired.fingerprint(&self.desired.layout);
        self.plan.changes.push(Change {
            object,
            put: Some((content(desired.clone()), fingerprint)),
            cause,
            origin: origin.cloned(),
            phase: Phase::Define,
            counted: false,
        });
    }

    fn demolish(&mut self, object: ObjectKey) {
        if self.policy.paused {
            self.plan.holds.insert(object, Hold::Paused);
            return;
        }
        self.plan.changes.push(Change {
            object,
            put: None,
            cause: Cause::Unwanted,
            origin: None,
            phase: Phase::Demolish,
            counted: false,
        });
    }

    fn apply_guard(&mut self) {
        let emails: BTreeSet<Email> = self
            .plan
            .changes
            .iter()
            .filter(|change| change.counted)
            .filter_map(|change| match &change.object {
                ObjectKey::Member(email) => Some(email.clone()),
                _ => None,
            })
            .collect();
        let pending: Vec<guard::Pending<'_>> = emails
            .iter()
            .map(|email| {
                let content = self.observed.members.get(email).and_then(|seen| seen.content.as_ref());
                guard::Pending { email, role: content.and_then(|content| content.role.as_ref()) }
            })
            .collect();
        let guarded = match guard::check(&pending, self.observed, self.policy) {
            Judgement::Pass => return,
            Judgement::Approved => {
                self.plan.changes.iter_mut().for_each(|change| change.counted = false);
                return;
            }
            Judgement::Hold(guarded) => guarded,
        };
        if self.desired.scope != Scope::Account {
            // Only the whole account shows all that is pending, which is what somebody approves.
            self.plan.needs_account = true;
        }
        self.plan.changes.retain(|change| !change.counted);
        for email in emails {
            let content = self.observed.members.get(&email).and_then(|seen| seen.content.clone());
            let content = content.map(|content| members::translated(content, self.layouts()));
            self.plan.kept.insert(email.clone(), content);
            self.plan.holds.insert(ObjectKey::Member(email), Hold::Guarded);
        }
        self.plan.guarded = Some(guarded);
    }

    fn finish(mut self) -> Plan {
        self.plan.changes.sort_by_key(|change| change.phase);
        let waits = self.plan.holds.contains_key(&ObjectKey::Account);
        if waits && self.observed.account.is_some() && self.observed.layout != self.desired.layout {
            members::rewrite(&mut self.plan, &self.observed.layout);
        } else if self.desired.definitions.is_none() {
            self.plan.layout = self.observed.layout.clone();
        }
        self.plan
    }
}
