//! A store in memory that keeps the promises of a backend in the simplest way. Used by the tests.

use std::collections::BTreeMap;

use jiff::Timestamp;
use roster_core::{
    model::{Email, Layout, Name, RoleName, Scope},
    plan::{Content, Existing, Fingerprint, GUARD_WINDOW, Mark, ObjectKey, Observed, Phase, Plan, RecentRemoval},
    resolve::{AccountContent, GroupContent, MemberContent, RoleContent, Window},
};

/// Content of a store for one account.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Memory {
    pub id: Option<Name>,
    pub account: Option<Existing<AccountContent>>,
    pub roles: BTreeMap<RoleName, Existing<RoleContent>>,
    pub groups: BTreeMap<Name, Existing<GroupContent>>,
    pub members: BTreeMap<Email, Existing<MemberContent>>,
    pub removals: Vec<RecentRemoval>,
    pub approvals: u64,
}

impl Memory {
    pub fn layout(&self) -> Layout {
        let content = self.account.as_ref().and_then(|existing| existing.content.as_ref());
        content.map(|content| content.layout.clone()).unwrap_or_default()
    }

    pub fn observe(&self, scope: &Scope, now: Timestamp) -> Observed {
        let mut observed = Observed {
            store: self.id.clone(),
            layout: self.layout(),
            account: self.account.clone(),
            members: self.members.clone(),
            member_count: self.members.len() as u64,
            approvals: self.approvals,
            recent_removals: self.removals.iter().filter(|r| r.at >= now - GUARD_WINDOW).cloned().collect(),
            ..Observed::default()
        };
        match scope {
            Scope::Account => {
                observed.roles = self.roles.clone();
                observed.groups = self.groups.clone();
            }
            Scope::Members(emails) => observed.members.retain(|email, _| emails.contains(email)),
        }
        observed
    }

    /// Makes the changes of a plan, in their order, and checks what every plan promises to a store.
    #[track_caller]
    pub fn apply(&mut self, plan: &Plan, mark: &Mark, now: Timestamp) {
        self.translate(plan);
        self.approvals += u64::from(plan.approved().next().is_some());
        let mut phase = Phase::Revoke;
        for change in &plan.changes {
            assert!(change.phase >= phase, "out of order: {change:?}");
            phase = change.phase;
            let Some((content, fingerprint)) = &change.put else {
                match &change.object {
                    ObjectKey::Account => drop(self.account.take()),
                    ObjectKey::Role(name) => drop(self.roles.remove(name)),
                    ObjectKey::Group(name) => drop(self.groups.remove(name)),
                    ObjectKey::Member(email) => drop(self.members.remove(email)),
                }
                self.count(change.counted, &change.object, now);
                continue;
            };
            match (&change.object, content) {
                (ObjectKey::Account, Content::Account(content)) => {
                    self.account = existing(content, mark, fingerprint.clone())
                }
                (ObjectKey::Role(name), Content::Role(content)) => {
                    self.roles
                        .extend(existing(content, mark, fingerprint.clone()).map(|existing| (name.clone(), existing)));
                }
                (ObjectKey::Group(name), Content::Group(content)) => {
                    self.groups
                        .extend(existing(content, mark, fingerprint.clone()).map(|existing| (name.clone(), existing)));
                }
                (ObjectKey::Member(email), Content::Member(content)) => {
                    assert_eq!(content.ranks.as_slice().len(), plan.layout.len(), "ranks of another layout: {email}");
                    self.members.extend(
                        existing(content.as_ref(), mark, fingerprint.clone()).map(|existing| (email.clone(), existing)),
                    );
                }
                other => panic!("{other:?}"),
            }
            self.count(change.counted, &change.object, now);
        }
        if self.account.is_some() {
            assert_eq!(self.layout(), plan.layout, "the plan promises another layout than the store has after it");
        }
    }

    /// If the account gets another layout, every row is translated to it first, also rows that the plan does not name.
    /// Rows are not translated if the account's own fingerprint shows that the applied layout only comes back: then
    /// somebody else changed the account, and the rows are still in the applied layout.
    fn translate(&mut self, plan: &Plan) {
        let account = plan.changes.iter().find(|change| change.object == ObjectKey::Account);
        let Some((_, fingerprint)) = account.and_then(|change| change.put.as_ref()) else { return };
        let Some(existing) = &self.account else { return };
        let (from, to) = (self.layout(), &plan.layout);
        if existing.fingerprint == Some(fingerprint.clone()) || from == *to {
            return;
        }
        let members = self.members.values_mut().filter_map(|existing| existing.content.as_mut()).map(|c| &mut c.ranks);
        let roles = self.roles.values_mut().filter_map(|existing| existing.content.as_mut()).map(|c| &mut c.ranks);
        let groups = self.groups.values_mut().filter_map(|existing| existing.content.as_mut()).map(|c| &mut c.ranks);
        for ranks in members.chain(roles).chain(groups) {
            *ranks = to.translate(ranks, &from);
        }
    }

    fn count(&mut self, counted: bool, object: &ObjectKey, now: Timestamp) {
        if let (true, ObjectKey::Member(email)) = (counted, object) {
            self.removals.push(RecentRemoval { email: email.clone(), at: now });
        }
    }

    /// Returns the content of a member, as the store shows it.
    pub fn access(&self, address: &str) -> String {
        let existing = self.members.get(&Email::as_stored(address));
        let content = existing.and_then(|existing| existing.content.as_ref());
        content.map_or_else(|| "nobody".to_owned(), |content| describe(content, &self.layout()))
    }

    /// Changes a member in the store, behind Roster's back.
    pub fn tamper(&mut self, address: &str, change: impl FnOnce(&mut MemberContent)) {
        let existing = self.members.get_mut(&Email::as_stored(address)).unwrap();
        change(existing.content.as_mut().unwrap());
    }
}

#[allow(clippy::unnecessary_wraps)]
fn existing<C: Clone>(content: &C, mark: &Mark, fingerprint: Fingerprint) -> Option<Existing<C>> {
    Some(Existing { content: Some(content.clone()), mark: Some(mark.clone()), fingerprint: Some(fingerprint) })
}

pub fn window(window: &Window) -> String {
    let time = |at: Option<Timestamp>| at.map_or_else(|| "…".to_owned(), |at| at.to_string());
    format!("{}..{}", time(window.starts_at), time(window.expires_at))
}

/// `section: level, …` and, where there are any, `within start..end` and `ended: why`.
pub fn describe(content: &MemberContent, layout: &Layout) -> String {
    let mut parts: Vec<String> =
        layout.named(&content.ranks).map(|(section, level)| format!("{section}: {level}")).collect();
    if parts.is_empty() {
        parts.push("nothing".to_owned());
    }
    let mut text = parts.join(", ");
    if content.window != Window::default() {
        text += &format!(" within {}", window(&content.window));
    }
    if let Some(end) = content.ended {
        text += &format!(" ended: {}", end.as_str());
    }
    text
}
