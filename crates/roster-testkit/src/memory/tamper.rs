//! Changes by others with rights in the store. Made by tests and by the simulator. They leave no audit records, and
//! faults do not stop them.

use roster_core::{
    model::{AccountKey, Email, Name},
    plan::{Existing, ObjectKey},
    resolve::{AccountContent, MemberContent},
};

use super::{
    Kind, Levels, MemoryStore,
    rows::{AccountRows, MemberRow},
};

impl MemoryStore {
    /// Removes the content of an object; its mark stays. In a plain store, removing an account also removes its
    /// members' levels. Returns whether there was content.
    pub fn tamper_delete(&mut self, account: &AccountKey, object: &ObjectKey) -> bool {
        let plain = self.kind == Kind::Plain;
        self.tamper(account, |rows| match object {
            ObjectKey::Account => {
                if plain {
                    rows.members.values_mut().filter_map(|s| s.content.as_mut()).for_each(|row| row.levels.clear());
                }
                forget(rows.account.as_mut())
            }
            ObjectKey::Role(name) => forget(rows.roles.get_mut(name)),
            ObjectKey::Group(name) => forget(rows.groups.get_mut(name)),
            ObjectKey::Member(email) => forget(rows.members.get_mut(email)),
        })
    }

    /// Puts a member with these levels and without a mark; replaces an existing one.
    pub fn tamper_member(&mut self, account: &AccountKey, email: &Email, levels: Levels) {
        let row = MemberRow::new(&MemberContent::default(), levels);
        let existing = Existing { content: Some(row), mark: None, fingerprint: None };
        self.accounts.entry(account.clone()).or_default().members.insert(email.clone(), existing);
    }

    /// Edits a member; the ranks of the content have no meaning. Returns whether there is such a member.
    pub fn tamper_with_member(
        &mut self,
        account: &AccountKey,
        email: &Email,
        edit: impl FnOnce(&mut MemberContent, &mut Levels),
    ) -> bool {
        self.tamper(account, |rows| {
            let row = rows.members.get_mut(email).and_then(|existing| existing.content.as_mut());
            row.map(|row| edit(&mut row.content, &mut row.levels)).is_some()
        })
    }

    /// Edits a role or a group: its title and levels. Returns whether there is such an object.
    pub fn tamper_with_definition(
        &mut self,
        account: &AccountKey,
        object: &ObjectKey,
        edit: impl FnOnce(&mut Name, &mut Levels),
    ) -> bool {
        self.tamper(account, |rows| {
            let existing = match object {
                ObjectKey::Role(name) => rows.roles.get_mut(name),
                ObjectKey::Group(name) => rows.groups.get_mut(name),
                ObjectKey::Account | ObjectKey::Member(_) => None,
            };
            let row = existing.and_then(|existing| existing.content.as_mut());
            row.map(|row| edit(&mut row.title, &mut row.levels)).is_some()
        })
    }

    /// Edits an account. Returns whether there is such an account.
    pub fn tamper_with_account(&mut self, account: &AccountKey, edit: impl FnOnce(&mut AccountContent)) -> bool {
        self.tamper(account, |rows| {
            let content = rows.account.as_mut().and_then(|existing| existing.content.as_mut());
            content.map(edit).is_some()
        })
    }

    fn tamper(&mut self, account: &AccountKey, edit: impl FnOnce(&mut AccountRows) -> bool) -> bool {
        let changed = self.accounts.get_mut(account).is_some_and(edit);
        self.accounts.retain(|_, rows| !rows.is_empty());
        changed
    }
}

fn forget<C>(existing: Option<&mut Existing<C>>) -> bool {
    existing.is_some_and(|existing| existing.content.take().is_some())
}
