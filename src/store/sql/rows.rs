//! Rows that a batch writes, as JSON arrays of columns. Filled by `write`; one statement then takes thousands of rows.

use serde_json::{Value, json};

use super::content::{names_of_groups, ranks_text, second_of};
use crate::{
    contract::{decide::Translation, hex, object_name},
    plan::{Change, Content, Fingerprint, ObjectKey},
    resolve::{MemberContent, RevocationReason},
};

/// Rows to write.
#[derive(Debug, Default)]
pub(in crate::store) struct Rows {
    /// Columns: name, title, ranks.
    pub(in crate::store) put_roles: Vec<Value>,
    /// Columns: name, title, ranks.
    pub(in crate::store) put_groups: Vec<Value>,
    /// Columns: address, display name, external id, role, groups, ranks, start, expiry, revocation.
    pub(in crate::store) put_members: Vec<Value>,
    /// Names of roles.
    pub(in crate::store) remove_roles: Vec<Value>,
    /// Names of groups.
    pub(in crate::store) remove_groups: Vec<Value>,
    /// Addresses of members.
    pub(in crate::store) remove_members: Vec<Value>,
    /// Columns: kind, name, fingerprint.
    pub(in crate::store) mark: Vec<Value>,
    /// Columns: kind, name.
    pub(in crate::store) unmark: Vec<Value>,
}

impl Rows {
    /// Adds the rows of one change, apart from the account's own row.
    pub(in crate::store) fn add(&mut self, change: &Change) {
        let name = object_name(&change.object);
        let kind = change.object.kind();
        if let Some((content, fingerprint)) = &change.put {
            self.mark.push(json!([kind, name, hex(&fingerprint.to_bytes())]));
            match content {
                Content::Account(_) => {}
                Content::Role(content) => {
                    self.put_roles.push(json!([name, content.title.as_str(), ranks_text(&content.ranks)]));
                }
                Content::Group(content) => {
                    self.put_groups.push(json!([name, content.title.as_str(), ranks_text(&content.ranks)]));
                }
                Content::Member(content) => self.put_members.push(member_row(&name, content)),
            }
            return;
        }
        self.unmark.push(json!([kind, name]));
        match &change.object {
            ObjectKey::Account => {}
            ObjectKey::Role(_) => self.remove_roles.push(name.into()),
            ObjectKey::Group(_) => self.remove_groups.push(name.into()),
            ObjectKey::Member(_) => self.remove_members.push(name.into()),
        }
    }
}

/// Returns the row of the account's own mark.
pub(in crate::store) fn account_mark(fingerprint: &Fingerprint) -> Value {
    json!([ObjectKey::Account.kind(), "", hex(&fingerprint.to_bytes())])
}

fn member_row(email: &str, content: &MemberContent) -> Value {
    json!([
        email,
        content.display_name,
        content.external_id,
        content.role.as_ref().map(ToString::to_string),
        names_of_groups(&content.groups),
        ranks_text(&content.ranks),
        content.window.starts_at.map(second_of),
        content.window.expires_at.map(second_of),
        content.ended.map(RevocationReason::as_str),
    ])
}

/// New ranks for rows that stay. Columns: name, ranks.
#[derive(Debug, Default)]
pub(in crate::store) struct RankRows {
    pub(in crate::store) roles: Vec<Value>,
    pub(in crate::store) groups: Vec<Value>,
    pub(in crate::store) members: Vec<Value>,
}

impl RankRows {
    pub(in crate::store) fn of(translations: &[Translation]) -> Self {
        let mut rows = Self::default();
        for Translation { object, after, .. } in translations {
            let (ranks, rows) = match after {
                Content::Account(_) => continue,
                Content::Role(content) => (&content.ranks, &mut rows.roles),
                Content::Group(content) => (&content.ranks, &mut rows.groups),
                Content::Member(content) => (&content.ranks, &mut rows.members),
            };
            rows.push(json!([object_name(object), ranks_text(ranks)]));
        }
        rows
    }
}
