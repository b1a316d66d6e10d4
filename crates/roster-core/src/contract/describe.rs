//! Descriptions of changes for the audit: content before and after, by names, so that records keep their meaning when
//! the catalog changes. Stores with an audit build their entries here.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{AuditEntry, Batch, Epoch, decide::Translation};
use crate::{
    model::{Layout, Name, Ranks},
    plan::{Change, Content, Mark, ObjectKey, Observed},
    resolve::MemberContent,
};

/// Builds the audit entries of a batch.
#[derive(Clone, Copy, Debug)]
pub struct AuditBuilder<'a> {
    /// The batch whose changes are described.
    pub batch: &'a Batch<'a>,
    /// Content of the account before the batch: at least the account, and the objects that the batch names.
    pub observed: &'a Observed,
    /// The writer's epoch.
    pub epoch: Epoch,
}

impl AuditBuilder<'_> {
    /// Returns the entry of a change that was made; `None` if only the fingerprint is new.
    #[must_use]
    pub fn change(&self, change: &Change) -> Option<AuditEntry> {
        let before = describe_observed(self.observed, &change.object);
        let after = change.put.as_ref().map(|(content, _)| described(content, self.batch.layout));
        if before.is_some() && before == after && observed_mark(self.observed, &change.object) == Some(self.batch.mark)
        {
            return None;
        }
        let origin = change.origin.as_ref().map(ToString::to_string);
        Some(AuditEntry {
            counted: change.counted,
            origin,
            ..self.record(&change.object, change.cause.as_str(), before.as_ref(), after.as_ref())
        })
    }

    /// Returns the entries of objects that the batch does not name and whose permissions change because the account
    /// has other sections.
    #[must_use]
    pub fn translations(&self, translations: &[Translation]) -> Vec<AuditEntry> {
        let named: BTreeSet<&ObjectKey> = self.batch.changes.iter().map(|change| &change.object).collect();
        let account = self.batch.changes.iter().find(|change| change.object == ObjectKey::Account);
        let origin = account.and_then(|change| change.origin.as_ref()).map(ToString::to_string);
        let stay = translations.iter().filter(|translation| !named.contains(&translation.object));
        stay.filter_map(|Translation { object, before, after }| {
            let before = described(before, &self.observed.layout);
            let after = described(after, self.batch.layout);
            let record = || self.record(object, "sections-changed", Some(&before), Some(&after));
            (before != after).then(|| AuditEntry { origin: origin.clone(), ..record() })
        })
        .collect()
    }

    fn record(&self, object: &ObjectKey, cause: &str, before: Option<&Value>, after: Option<&Value>) -> AuditEntry {
        AuditEntry {
            at: self.batch.now.as_microsecond(),
            account: self.batch.mark.account.to_string(),
            kind: object.kind().to_owned(),
            name: object_name(object),
            cause: cause.to_owned(),
            before: before.map(ToString::to_string),
            after: after.map(ToString::to_string),
            origin: None,
            epoch: self.epoch.0,
            counted: false,
        }
    }
}

/// Returns the name of an object within its kind, as stores write it; empty for the account itself.
#[must_use]
pub fn object_name(object: &ObjectKey) -> String {
    match object {
        ObjectKey::Account => String::new(),
        ObjectKey::Role(name) => name.to_string(),
        ObjectKey::Group(name) => name.to_string(),
        ObjectKey::Member(email) => email.to_string(),
    }
}

fn observed_mark<'a>(observed: &'a Observed, object: &ObjectKey) -> Option<&'a Mark> {
    match object {
        ObjectKey::Account => observed.account.as_ref()?.mark.as_ref(),
        ObjectKey::Role(name) => observed.roles.get(name)?.mark.as_ref(),
        ObjectKey::Group(name) => observed.groups.get(name)?.mark.as_ref(),
        ObjectKey::Member(email) => observed.members.get(email)?.mark.as_ref(),
    }
}

/// Describes the content of an object before the batch.
fn describe_observed(observed: &Observed, object: &ObjectKey) -> Option<Value> {
    let layout = &observed.layout;
    match object {
        ObjectKey::Account => {
            observed.account.as_ref()?.content.clone().map(|content| described(&Content::Account(content), layout))
        }
        ObjectKey::Role(name) => {
            observed.roles.get(name)?.content.clone().map(|content| described(&Content::Role(content), layout))
        }
        ObjectKey::Group(name) => {
            observed.groups.get(name)?.content.clone().map(|content| described(&Content::Group(content), layout))
        }
        ObjectKey::Member(email) => {
            observed.members.get(email)?.content.as_ref().map(|content| member(content, layout))
        }
    }
}

/// Describes content by names only.
fn described(content: &Content, layout: &Layout) -> Value {
    match content {
        Content::Account(content) => {
            let ladders = content.layout.ladders().iter();
            let sections: Vec<Value> =
                ladders.map(|ladder| json!({"name": ladder.section.as_str(), "levels": ladder.levels})).collect();
            let mut fields = Map::new();
            fields.insert("displayName".into(), content.display_name.as_str().into());
            fields.insert("catalog".into(), content.catalog.as_str().into());
            optional(&mut fields, "owner", content.owner.as_ref().map(ToString::to_string));
            optional(&mut fields, "parent", content.parent.as_ref().map(ToString::to_string));
            fields.insert("sections".into(), sections.into());
            fields.into()
        }
        Content::Role(content) => definition(&content.title, &content.ranks, layout),
        Content::Group(content) => definition(&content.title, &content.ranks, layout),
        Content::Member(content) => member(content, layout),
    }
}

fn definition(title: &str, ranks: &Ranks, layout: &Layout) -> Value {
    let mut fields = Map::new();
    fields.insert("title".into(), title.into());
    permissions(&mut fields, ranks, layout);
    fields.into()
}

fn member(content: &MemberContent, layout: &Layout) -> Value {
    let mut fields = Map::new();
    optional(&mut fields, "displayName", content.display_name.as_deref().map(str::to_owned));
    optional(&mut fields, "externalId", content.external_id.as_deref().map(str::to_owned));
    optional(&mut fields, "role", content.role.as_ref().map(ToString::to_string));
    if !content.groups.is_empty() {
        fields.insert("groups".into(), content.groups.iter().map(Name::as_str).collect());
    }
    permissions(&mut fields, &content.ranks, layout);
    optional(&mut fields, "startsAt", content.window.starts_at.map(|at| at.to_string()));
    optional(&mut fields, "expiresAt", content.window.expires_at.map(|at| at.to_string()));
    optional(&mut fields, "ended", content.ended.map(|end| end.as_str().to_owned()));
    fields.into()
}

/// Adds the level of each section in which the rank is above the first.
fn permissions(fields: &mut Map<String, Value>, ranks: &Ranks, layout: &Layout) {
    let named: Map<String, Value> =
        layout.named(ranks).map(|(section, level)| (section.to_owned(), level.into())).collect();
    fields.insert("permissions".into(), named.into());
    if ranks.as_slice().len() != layout.len() {
        fields.insert("unreadable".into(), true.into());
    }
}

fn optional(fields: &mut Map<String, Value>, name: &str, value: Option<String>) {
    if let Some(value) = value {
        fields.insert(name.to_owned(), value.into());
    }
}
