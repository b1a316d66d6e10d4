//! Effective levels: those that a member can use now. Computed from the rows alone, without the engine, for tests that
//! check the engine.

use std::collections::BTreeMap;

use jiff::Timestamp;
use roster_core::{
    model::{AccountKey, Email},
    resolve::MemberContent,
};

use super::{Kind, Levels, MemoryStore, levels::known, rows::AccountRows};

impl MemoryStore {
    /// Returns the effective levels of one member at a time; empty if there are none.
    #[must_use]
    pub fn access(&self, account: &AccountKey, email: &Email, at: Timestamp) -> Levels {
        self.accounts.get(account).map(|rows| self.in_account(rows, email, at)).unwrap_or_default()
    }

    /// Returns the effective levels at a time, of all members who have any.
    #[must_use]
    pub fn all_access(&self, at: Timestamp) -> BTreeMap<(AccountKey, Email), Levels> {
        let everybody =
            self.accounts.iter().flat_map(|(key, rows)| rows.members.keys().map(move |who| (key, rows, who)));
        let access = everybody.map(|(key, rows, who)| ((key.clone(), who.clone()), self.in_account(rows, who, at)));
        access.filter(|(_, levels)| !levels.is_empty()).collect()
    }

    /// Returns the effective levels in one account at a time, of all members who have any.
    #[must_use]
    pub fn account_access(&self, account: &AccountKey, at: Timestamp) -> BTreeMap<Email, Levels> {
        let Some(rows) = self.accounts.get(account) else { return BTreeMap::new() };
        let access = rows.members.keys().map(|who| (who.clone(), self.in_account(rows, who, at)));
        access.filter(|(_, levels)| !levels.is_empty()).collect()
    }

    fn in_account(&self, rows: &AccountRows, email: &Email, at: Timestamp) -> Levels {
        let account = rows.account.as_ref().and_then(|existing| existing.content.as_ref());
        let member = rows.members.get(email).and_then(|existing| existing.content.as_ref());
        match (account, member) {
            (Some(account), Some(member)) if self.lets_in(&member.content, at) => {
                known(&member.levels, &account.layout)
            }
            _ => Levels::new(),
        }
    }

    /// Returns whether the store itself lets a member use their levels at a time.
    fn lets_in(&self, content: &MemberContent, at: Timestamp) -> bool {
        let begun = content.window.starts_at.is_none_or(|start| start <= at);
        let over = content.window.expires_at.is_some_and(|end| end <= at);
        self.kind == Kind::Plain || (content.ended.is_none() && begun && !over)
    }
}
