//! Converts between rows and content. Called by `read` and `rows`.
//!
//! Reading never fails. A value that somebody wrote by hand and that cannot be parsed becomes content that differs from
//! everything desired, and never more access than the view grants.

use std::collections::HashMap;

use jiff::Timestamp;

use crate::{
    model::{AccountKey, Email, Ladder, Layout, Name, Ranks, RoleName},
    plan::{Existing, Fingerprint, Mark},
    resolve::{AccountContent, GroupContent, MemberContent, RevocationReason, RoleContent, Window},
};

/// Digits of ranks: one for each level that a ladder can have.
const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Replaces a name that cannot be read; no section or account has this name.
const UNREADABLE: &str = "(unreadable)";

/// Row of a mark. The owner is a number until all rows are read.
#[derive(Debug, Default)]
pub(in crate::store) struct MarkRow {
    pub(in crate::store) owner: Option<i64>,
    pub(in crate::store) fingerprint: Option<Fingerprint>,
}

impl MarkRow {
    pub(in crate::store) fn new(owner: Option<i64>, fingerprint: Option<&[u8]>) -> Self {
        Self { owner, fingerprint: fingerprint.and_then(Fingerprint::from_bytes) }
    }

    /// Returns the stored object with this mark. A mark whose owner is unknown counts as none.
    pub(in crate::store) fn existing<C>(&self, content: Option<C>, owners: &HashMap<i64, Mark>) -> Existing<C> {
        let mark = self.owner.and_then(|owner| owners.get(&owner)).cloned();
        Existing { content, mark, fingerprint: self.fingerprint.clone() }
    }
}

/// Returns the mark in an owner's row.
pub(in crate::store) fn mark_of(cluster: &str, account: &str, uid: &str) -> Mark {
    Mark { cluster: Name::new(cluster), account: account_key(account), uid: Name::new(uid) }
}

/// Row of an account.
#[derive(Debug)]
pub(in crate::store) struct AccountRow {
    pub(in crate::store) display_name: String,
    pub(in crate::store) catalog: String,
    pub(in crate::store) owner: Option<String>,
    pub(in crate::store) parent: Option<String>,
}

impl AccountRow {
    pub(in crate::store) fn content(self, layout: Layout) -> AccountContent {
        AccountContent {
            display_name: self.display_name.into(),
            catalog: self.catalog.into(),
            layout,
            owner: self.owner.as_deref().map(Email::as_stored),
            parent: self.parent.as_deref().map(account_key),
            anomalies: Box::default(),
        }
    }
}

/// Row of a role or a group.
#[derive(Debug)]
pub(in crate::store) struct DefinitionRow {
    pub(in crate::store) title: String,
    pub(in crate::store) ranks: String,
}

impl DefinitionRow {
    pub(in crate::store) fn role(self, layout: &Layout) -> RoleContent {
        RoleContent { ranks: ranks_of(&self.ranks, layout), title: self.title.into() }
    }

    pub(in crate::store) fn group(self, layout: &Layout) -> GroupContent {
        GroupContent { ranks: ranks_of(&self.ranks, layout), title: self.title.into() }
    }
}

/// Row of a member.
#[derive(Debug)]
pub(in crate::store) struct MemberRow {
    pub(in crate::store) display_name: Option<String>,
    pub(in crate::store) external_id: Option<String>,
    pub(in crate::store) role: Option<String>,
    pub(in crate::store) groups: String,
    pub(in crate::store) ranks: String,
    pub(in crate::store) starts_at: Option<i64>,
    pub(in crate::store) expires_at: Option<i64>,
    pub(in crate::store) ended: Option<String>,
}

impl MemberRow {
    pub(in crate::store) fn content(self, layout: &Layout) -> MemberContent {
        let ended = self.ended.as_deref().map(RevocationReason::parse);
        let readable = ended != Some(None);
        MemberContent {
            display_name: self.display_name.map(String::into_boxed_str),
            external_id: self.external_id.map(String::into_boxed_str),
            role: self.role.as_deref().map(RoleName::parse),
            groups: groups_of(self.groups),
            ranks: if readable { ranks_of(&self.ranks, layout) } else { unreadable_ranks(layout) },
            window: Window { starts_at: self.starts_at.map(instant_of), expires_at: self.expires_at.map(instant_of) },
            // The view grants nothing to a member with any value here.
            ended: ended.map(|end| end.unwrap_or(RevocationReason::Suspended)),
            anomalies: Box::default(),
        }
    }
}

/// Row of a section, with its levels.
#[derive(Debug)]
pub(in crate::store) struct LadderRow {
    pub(in crate::store) position: i64,
    pub(in crate::store) section: Name,
    /// Ranks and names of its levels, in order.
    pub(in crate::store) levels: Vec<(i64, Name)>,
}

/// Returns the layout of these rows, which must be in order. `sections` is the number with which the view compares
/// lengths. Rows with gaps become a layout that no catalog has, since the view reads positions and ranks, not only
/// their order.
pub(in crate::store) fn layout_of(rows: Vec<LadderRow>, sections: i64) -> Layout {
    let whole = usize::try_from(sections) == Ok(rows.len())
        && rows.iter().zip(0_i64..).all(|(row, position)| {
            row.position == position && row.levels.iter().zip(0_i64..).all(|((rank, _), place)| *rank == place)
        });
    let mut ladders: Vec<Ladder> = rows
        .into_iter()
        .map(|row| Ladder { section: row.section, levels: row.levels.into_iter().map(|(_, name)| name).collect() })
        .collect();
    if !whole {
        ladders.push(Ladder { section: Name::const_new(UNREADABLE), levels: Vec::new() });
    }
    Layout::new(ladders)
}

/// Returns ranks as stored in rows. A rank above 15 cannot be stored, and becomes 0.
pub(in crate::store) fn ranks_text(ranks: &Ranks) -> String {
    ranks.as_slice().iter().map(|rank| char::from(*DIGITS.get(usize::from(*rank)).unwrap_or(&b'0'))).collect()
}

/// Parses ranks from a row. A digit that is not valid counts as no access, as in the view. It also makes the ranks
/// longer than any desired ones, so that they differ.
fn ranks_of(text: &str, layout: &Layout) -> Ranks {
    if text.len() != layout.len() {
        return unreadable_ranks(layout);
    }
    let mut readable = true;
    let mut ranks: Vec<u8> = Vec::with_capacity(text.len() + 1);
    for (digit, ladder) in text.bytes().zip(layout.ladders()) {
        let rank = DIGITS.iter().position(|known| *known == digit).filter(|rank| *rank < ladder.levels.len().max(1));
        readable &= rank.is_some();
        ranks.push(rank.and_then(|rank| u8::try_from(rank).ok()).unwrap_or(0));
    }
    if !readable {
        ranks.push(0);
    }
    ranks.into_iter().collect()
}

fn unreadable_ranks(layout: &Layout) -> Ranks {
    Ranks::none(layout.len() + 1)
}

/// Returns group names as stored in rows: a JSON array.
pub(in crate::store) fn names_of_groups(groups: &[Name]) -> String {
    groups.iter().map(Name::as_str).collect::<serde_json::Value>().to_string()
}

fn groups_of(text: String) -> Box<[Name]> {
    serde_json::from_str::<Vec<String>>(&text)
        .map_or_else(|_| Box::from([Name::from(text)]), |names| names.into_iter().map(Name::from).collect())
}

/// Returns a time as stored in rows: whole seconds, as in the API.
pub(in crate::store) fn second_of(at: Timestamp) -> i64 {
    at.as_second()
}

/// Parses a time from a row. A value outside the range of times becomes an instant next to the end of that range that
/// is no whole second, so that it differs from every desired one.
fn instant_of(second: i64) -> Timestamp {
    let nearly_never = Timestamp::MIN.checked_add(jiff::SignedDuration::from_nanos(1)).unwrap_or(Timestamp::MIN);
    Timestamp::from_second(second).unwrap_or(if second > 0 { Timestamp::MAX } else { nearly_never })
}

/// Parses an account from a row. A text that is no valid key is kept unchanged, in no namespace.
pub(in crate::store) fn account_key(text: &str) -> AccountKey {
    AccountKey::parse(text).unwrap_or_else(|| AccountKey::new("", text))
}
