//! A store in its simplest form: applies plans, and answers what they need to know. The comparisons of plans use it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use roster_core::{
    api::{Adoption, DriftPolicy, Unmanaged},
    model::{AccountKey, Email, Layout, RoleName},
    plan::{AuthorisedObjects, Content, Existing, GuardPolicy, GuardState, Mark, ObjectKey, Observed, Plan, Policy},
    resolve::{AccountContent, GroupContent, MemberContent, RoleContent},
};

pub type Named = BTreeMap<String, String>;

/// A store in its simplest form.
#[derive(Clone, Default)]
pub struct Memory {
    pub account: Option<Existing<AccountContent>>,
    pub roles: BTreeMap<RoleName, Existing<RoleContent>>,
    pub groups: BTreeMap<roster_core::model::Name, Existing<GroupContent>>,
    pub members: BTreeMap<Email, Existing<MemberContent>>,
}

impl Memory {
    pub fn layout(&self) -> Layout {
        let content = self.account.as_ref().and_then(|existing| existing.content.as_ref());
        content.map(|content| content.layout.clone()).unwrap_or_default()
    }

    pub fn owner(&self) -> Option<String> {
        let owner = self.account.as_ref()?.content.as_ref()?.owner.as_ref()?;
        Some(owner.as_str().to_owned())
    }

    pub fn observe(&self) -> Observed {
        Observed {
            store: None,
            layout: self.layout(),
            account: self.account.clone(),
            roles: self.roles.clone(),
            groups: self.groups.clone(),
            members: self.members.clone(),
            member_count: self.members.len() as u64,
            recent_removals: Vec::new(),
            approvals: 0,
        }
    }

    /// Carries out a plan. Rows that no change names come to the new layout, too.
    pub fn apply(&mut self, plan: &Plan) {
        let from = self.layout();
        if from != plan.layout && self.account.is_some() {
            for content in self.members.values_mut().filter_map(|existing| existing.content.as_mut()) {
                content.ranks = plan.layout.translate(&content.ranks, &from);
            }
        }
        for change in &plan.changes {
            match (&change.object, &change.put) {
                (ObjectKey::Account, None) => self.account = None,
                (ObjectKey::Role(name), None) => drop(self.roles.remove(name)),
                (ObjectKey::Group(name), None) => drop(self.groups.remove(name)),
                (ObjectKey::Member(email), None) => drop(self.members.remove(email)),
                (ObjectKey::Account, Some((Content::Account(content), print))) => {
                    self.account = Some(existing(content.clone(), print.clone()));
                }
                (ObjectKey::Role(name), Some((Content::Role(content), print))) => {
                    self.roles.insert(name.clone(), existing(content.clone(), print.clone()));
                }
                (ObjectKey::Group(name), Some((Content::Group(content), print))) => {
                    self.groups.insert(name.clone(), existing(content.clone(), print.clone()));
                }
                (ObjectKey::Member(email), Some((Content::Member(content), print))) => {
                    self.members.insert(email.clone(), existing((**content).clone(), print.clone()));
                }
                other => panic!("{other:?}"),
            }
        }
    }

    /// Changes the levels of some members behind Roster's back.
    pub fn tamper(&mut self, mask: u8) {
        let layout = self.layout();
        let some = self.members.values_mut().enumerate().filter(|(place, _)| mask >> (place % 8) & 1 == 1);
        for content in some.filter_map(|(_, existing)| existing.content.as_mut()) {
            let levels = std::iter::zip(layout.ladders(), content.ranks.as_slice());
            content.ranks = levels.map(|(ladder, rank)| (rank + 1 + mask % 2) % ladder.levels.len() as u8).collect();
            content.ended = content.ended.filter(|_| mask % 4 > 1);
        }
    }

    pub fn held(&self, address: &str) -> Option<&MemberContent> {
        let row = self.members.iter().find(|(email, _)| email.as_str() == address);
        row.and_then(|(_, existing)| existing.content.as_ref())
    }
}

pub fn existing<C>(content: C, fingerprint: roster_core::plan::Fingerprint) -> Existing<C> {
    Existing { content: Some(content), mark: Some(mark()), fingerprint: Some(fingerprint) }
}

pub fn mark() -> Mark {
    Mark { cluster: "cluster".into(), account: AccountKey::new("acme", "portal"), uid: "uid".into() }
}

/// A policy without a removal guard.
pub fn policy(holds_windows: bool, now: Timestamp) -> Policy {
    let guarded_roles = BTreeSet::new();
    Policy {
        mark: mark(),
        adoption: Adoption::IfIdentical,
        is_declared: true,
        drift: DriftPolicy::Correct,
        unmanaged: Unmanaged::Report,
        unmanaged_by: None,
        paused: None,
        authorised: AuthorisedObjects::Unknown,
        guard: GuardPolicy {
            maximum_percent: 100,
            minimum_count: u32::MAX,
            approved: Vec::new(),
            guarded_roles,
            holding: GuardState::Passes,
        },
        holds_windows,
        now,
    }
}

pub fn drift_policy(policy: Policy, reports: bool) -> Policy {
    Policy { drift: if reports { DriftPolicy::Report } else { DriftPolicy::Correct }, ..policy }
}

pub fn named(layout: &Layout, content: &MemberContent) -> Named {
    layout.named(&content.ranks).map(|(section, level)| (section.to_owned(), level.to_owned())).collect()
}

/// Levels that a row gives at a time, in a store that evaluates windows or does not.
pub fn in_force(layout: &Layout, content: Option<&MemberContent>, holds_windows: bool, now: Timestamp) -> Named {
    let open = |content: &&MemberContent| content.ended.is_none() && (!holds_windows || content.window.contains(now));
    content.filter(open).map(|content| named(layout, content)).unwrap_or_default()
}

/// Per section the lower of two levels on one layout.
pub fn lower(layout: &Layout, one: &Named, other: &Named) -> Named {
    let mut lowest = Named::new();
    for ladder in layout.ladders() {
        let place = |levels: &Named| {
            let level = levels.get(ladder.section.as_str())?;
            ladder.levels.iter().position(|known| known == level)
        };
        let (Some(one), Some(other)) = (place(one), place(other)) else { continue };
        lowest.insert(ladder.section.to_string(), ladder.levels[one.min(other)].to_string());
    }
    lowest
}
