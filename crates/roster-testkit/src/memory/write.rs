//! Single writes of the plain kind. Planned by `plain` and made by [`perform`].

use std::collections::BTreeMap;

use roster_core::{
    model::{Email, Name},
    plan::{Existing, Fingerprint, Mark, ObjectKey, RecentRemoval},
    resolve::{AccountContent, MemberContent},
};

use super::{
    Levels, MemoryStore,
    rows::{DefinitionRow, MemberRow},
};

/// Single write.
#[derive(Clone, Debug)]
pub(super) enum Write {
    /// Records removals that the guard counts.
    Remember(Vec<RecentRemoval>),
    /// Counts an approval of removals as used.
    UseUp,
    /// Lowers a member's levels: to this one, or to none.
    Take(Email, BTreeMap<Name, Option<Name>>),
    /// Raises a member's levels.
    Give(Email, Levels),
    /// Writes a member's content, except levels, and the mark. Without a fingerprint the content counts as unfinished.
    Describe(Email, Box<MemberContent>, Option<Fingerprint>),
    /// Writes a role or a group.
    Define(ObjectKey, DefinitionRow, Fingerprint),
    /// Writes the levels of a role or a group.
    Redefine(ObjectKey, Levels),
    /// Writes the account. Without a fingerprint it counts as unfinished.
    Account(Box<AccountContent>, Option<Fingerprint>),
    /// Removes an object with its mark.
    Remove(ObjectKey),
}

impl Write {
    /// Returns the object that is written.
    pub(super) fn object(&self) -> ObjectKey {
        match self {
            Self::Remember(_) | Self::UseUp | Self::Account(..) => ObjectKey::Account,
            Self::Take(email, _) | Self::Give(email, _) | Self::Describe(email, ..) => ObjectKey::Member(email.clone()),
            Self::Define(object, ..) | Self::Redefine(object, _) | Self::Remove(object) => object.clone(),
        }
    }
}

/// Makes one single write.
pub(super) fn perform(store: &mut MemoryStore, mark: &Mark, write: Write) {
    let key = &mark.account;
    if let Write::Remember(removals) = write {
        store.removals.entry(key.clone()).or_default().extend(removals);
        return;
    }
    if let Write::UseUp = write {
        *store.approvals.entry(key.clone()).or_default() += 1;
        return;
    }
    let rows = store.accounts.entry(key.clone()).or_default();
    match write {
        Write::Remember(_) | Write::UseUp => {}
        Write::Take(email, taken) => {
            if let Some(levels) = rows.levels_mut(&ObjectKey::Member(email)) {
                lower(levels, &taken);
            }
        }
        Write::Give(email, given) => {
            if let Some(levels) = rows.levels_mut(&ObjectKey::Member(email)) {
                levels.extend(given);
            }
        }
        Write::Describe(email, content, fingerprint) => {
            let row = MemberRow::new(&content, rows.held(&email));
            rows.members.insert(email, Existing { content: Some(row), mark: Some(mark.clone()), fingerprint });
        }
        Write::Define(object, row, fingerprint) => {
            let existing = Existing { content: Some(row), mark: Some(mark.clone()), fingerprint: Some(fingerprint) };
            match object {
                ObjectKey::Role(name) => drop(rows.roles.insert(name, existing)),
                ObjectKey::Group(name) => drop(rows.groups.insert(name, existing)),
                ObjectKey::Account | ObjectKey::Member(_) => {}
            }
        }
        Write::Redefine(object, after) => {
            if let Some(levels) = rows.levels_mut(&object) {
                *levels = after;
            }
        }
        Write::Account(content, fingerprint) => {
            rows.account = Some(Existing { content: Some(*content), mark: Some(mark.clone()), fingerprint });
        }
        Write::Remove(object) => rows.remove(&object),
    }
    if rows.is_empty() {
        store.accounts.remove(key);
    }
}

/// Lowers levels: to this one, or to none.
pub(super) fn lower(held: &mut Levels, taken: &BTreeMap<Name, Option<Name>>) {
    for (section, level) in taken {
        match (held.contains_key(section), level) {
            (true, Some(level)) => drop(held.insert(section.clone(), level.clone())),
            _ => drop(held.remove(section)),
        }
    }
}
