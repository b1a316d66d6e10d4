//! Rows of one account, and their conversion from and to the engine's content. Used by the other modules of the store
//! in memory.

use std::collections::BTreeMap;

use roster_core::{
    model::{Email, Layout, Name, Ranks, RoleName, Scope},
    plan::{Change, Existing, Mark, ObjectKey, Observed},
    resolve::{AccountContent, GroupContent, MemberContent, RoleContent},
};

use super::levels::{Levels, ranks_of};

/// Content of a role or a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DefinitionRow {
    pub(super) title: Name,
    pub(super) levels: Levels,
}

/// Content of a member. Its ranks are empty; `levels` replace them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MemberRow {
    pub(super) content: MemberContent,
    pub(super) levels: Levels,
}

impl MemberRow {
    pub(super) fn new(content: &MemberContent, levels: Levels) -> Self {
        Self { content: MemberContent { ranks: Ranks::default(), ..content.clone() }, levels }
    }
}

/// Everything that a store holds of one account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct AccountRows {
    pub(super) account: Option<Existing<AccountContent>>,
    pub(super) roles: BTreeMap<RoleName, Existing<DefinitionRow>>,
    pub(super) groups: BTreeMap<Name, Existing<DefinitionRow>>,
    pub(super) members: BTreeMap<Email, Existing<MemberRow>>,
}

/// Objects of an account to read, in addition to the account itself.
#[derive(Clone, Copy, Debug)]
pub(super) enum Selection<'a> {
    /// Every object.
    Whole,
    /// Members with these addresses.
    Members(&'a [Email]),
    /// Objects of these changes.
    Changes(&'a [Change]),
}

impl<'a> Selection<'a> {
    pub(super) fn of(scope: &'a Scope) -> Self {
        match scope {
            Scope::Account => Self::Whole,
            Scope::Members(emails) => Self::Members(emails),
        }
    }
}

impl AccountRows {
    /// Returns whether nothing is left, not even a mark.
    pub(super) fn is_empty(&self) -> bool {
        self.account.is_none() && self.roles.is_empty() && self.groups.is_empty() && self.members.is_empty()
    }

    pub(super) fn layout(&self) -> Layout {
        let content = self.account.as_ref().and_then(|existing| existing.content.as_ref());
        content.map(|content| content.layout.clone()).unwrap_or_default()
    }

    pub(super) fn member_count(&self) -> u64 {
        self.members.values().filter(|existing| existing.content.is_some()).count() as u64
    }

    /// Returns a word for anything left in the account besides itself.
    pub(super) fn left(&self) -> Option<&'static str> {
        let kinds = [
            (self.members.is_empty(), "a member"),
            (self.groups.is_empty(), "a group"),
            (self.roles.is_empty(), "a role"),
        ];
        kinds.into_iter().find(|(none, _)| !none).map(|(_, what)| what)
    }

    /// Returns the levels that a member holds.
    pub(super) fn held(&self, email: &Email) -> Levels {
        let row = self.members.get(email).and_then(|existing| existing.content.as_ref());
        row.map(|row| row.levels.clone()).unwrap_or_default()
    }

    /// Returns the levels of an object that has any.
    pub(super) fn levels_mut(&mut self, object: &ObjectKey) -> Option<&mut Levels> {
        let definition = match object {
            ObjectKey::Account => None,
            ObjectKey::Role(name) => self.roles.get_mut(name),
            ObjectKey::Group(name) => self.groups.get_mut(name),
            ObjectKey::Member(email) => {
                return self.members.get_mut(email)?.content.as_mut().map(|row| &mut row.levels);
            }
        };
        definition?.content.as_mut().map(|row| &mut row.levels)
    }

    /// Returns the rows as observed by the engine, without recent removals.
    pub(super) fn observed(&self, selection: Selection<'_>) -> Observed {
        let layout = self.layout();
        let mut observed =
            Observed { account: self.account.clone(), member_count: self.member_count(), ..Observed::default() };
        match selection {
            Selection::Whole => {
                let roles = self.roles.iter().map(|(name, existing)| (name.clone(), role(existing, &layout)));
                observed.roles = roles.collect();
                let groups = self.groups.iter().map(|(name, existing)| (name.clone(), group(existing, &layout)));
                observed.groups = groups.collect();
                let members = self.members.iter().map(|(email, existing)| (email.clone(), member(existing, &layout)));
                observed.members = members.collect();
            }
            Selection::Members(emails) => {
                let found = emails.iter().filter_map(|email| self.members.get_key_value(email));
                observed.members = found.map(|(email, existing)| (email.clone(), member(existing, &layout))).collect();
            }
            Selection::Changes(changes) => {
                for change in changes {
                    self.add(&mut observed, &change.object, &layout);
                }
            }
        }
        observed.layout = layout;
        observed
    }

    fn add(&self, observed: &mut Observed, object: &ObjectKey, layout: &Layout) {
        match object {
            ObjectKey::Account => {}
            ObjectKey::Role(name) => {
                observed.roles.extend(self.roles.get(name).map(|existing| (name.clone(), role(existing, layout))));
            }
            ObjectKey::Group(name) => {
                observed.groups.extend(self.groups.get(name).map(|existing| (name.clone(), group(existing, layout))));
            }
            ObjectKey::Member(email) => {
                observed
                    .members
                    .extend(self.members.get(email).map(|existing| (email.clone(), member(existing, layout))));
            }
        }
    }

    /// Removes an object with its mark.
    pub(super) fn remove(&mut self, object: &ObjectKey) {
        match object {
            ObjectKey::Account => self.account = None,
            ObjectKey::Role(name) => drop(self.roles.remove(name)),
            ObjectKey::Group(name) => drop(self.groups.remove(name)),
            ObjectKey::Member(email) => drop(self.members.remove(email)),
        }
    }

    /// Returns whether a member exists and carries this mark.
    pub(super) fn is_member_of(&self, email: &Email, mark: &Mark) -> bool {
        self.members
            .get(email)
            .is_some_and(|existing| existing.content.is_some() && existing.mark.as_ref() == Some(mark))
    }
}

fn with<R, C>(existing: &Existing<R>, content: impl FnOnce(&R) -> C) -> Existing<C> {
    Existing {
        content: existing.content.as_ref().map(content),
        mark: existing.mark.clone(),
        fingerprint: existing.fingerprint.clone(),
    }
}

fn role(existing: &Existing<DefinitionRow>, layout: &Layout) -> Existing<RoleContent> {
    with(existing, |row| RoleContent { title: row.title.clone(), ranks: ranks_of(&row.levels, layout) })
}

fn group(existing: &Existing<DefinitionRow>, layout: &Layout) -> Existing<GroupContent> {
    with(existing, |row| GroupContent { title: row.title.clone(), ranks: ranks_of(&row.levels, layout) })
}

fn member(existing: &Existing<MemberRow>, layout: &Layout) -> Existing<MemberContent> {
    with(existing, |row| MemberContent { ranks: ranks_of(&row.levels, layout), ..row.content.clone() })
}
