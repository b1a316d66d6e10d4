//! Lists the differences between two contents, field by field. Called by `plan::diff` and `plan::members` for objects
//! that have drifted, and by `report` for changes.

use std::collections::HashMap;

use super::{Change, Content, Existing, ObjectKey, Observed, Plan, fingerprint::Translated};
use crate::{
    api::DriftEntry,
    model::{Email, Layout, Name, Ranks, counted},
    resolve::{AccountContent, GroupContent, MemberContent, RevocationReason, RoleContent},
};

/// Maximum length of a text in an entry, in characters.
const LONGEST: usize = 512;
/// Maximum number of names of a list in an entry; the others are counted.
const NAMED: usize = 5;

/// Maximum number of sections in a summary of a member's content.
const SUMMARIZED: usize = 8;

/// Word for a section that allows nothing any more because the catalog changed.
const NO_ACCESS: &str = "(no access)";

/// Word for an absent value in an entry.
pub(crate) const ABSENT: &str = "(absent)";

/// Content that can list its differences to another value.
pub(super) trait Differs {
    /// Returns the fields that differ: name, desired value, observed value.
    fn differences(&self, observed: &Self, layout: &Layout) -> Vec<(String, String, String)>;

    /// Returns the permissions that it gives or grants; `None` for the account itself.
    fn ranks(&self) -> Option<&Ranks>;
}

/// Returns the drift of one object: each field that differs, or one entry if the object is missing.
pub(super) fn entries<C: Differs>(
    object: &ObjectKey,
    desired: &C,
    observed: Option<&C>,
    layout: &Layout,
) -> Vec<DriftEntry> {
    let Some(observed) = observed else {
        return vec![entry(object, "object", "present", ABSENT)];
    };
    desired
        .differences(observed, layout)
        .into_iter()
        .map(|(field, desired, observed)| entry(object, &field, &desired, &observed))
        .collect()
}

impl Plan {
    /// Returns the fields that `change` changes in the stored object; `desired` is the new value. Empty if the object
    /// is not stored, or is removed.
    #[must_use]
    pub fn fields(&self, change: &Change, observed: &Observed) -> Vec<DriftEntry> {
        let Some((content, _)) = &change.put else { return Vec::new() };
        let (from, to) = (&observed.layout, &self.layout);
        let object = &change.object;
        match (object, content) {
            (_, Content::Account(content)) => between(object, content, observed.account.as_ref(), from, to),
            (ObjectKey::Role(name), Content::Role(content)) => {
                between(object, content, observed.roles.get(name), from, to)
            }
            (ObjectKey::Group(name), Content::Group(content)) => {
                between(object, content, observed.groups.get(name), from, to)
            }
            (ObjectKey::Member(email), Content::Member(content)) => {
                between(object, content.as_ref(), observed.members.get(email), from, to)
            }
            _ => Vec::new(),
        }
    }
}

impl Plan {
    /// Returns whether a change gives a member more access than before, and whether it gives them less.
    pub(crate) fn direction(
        &self,
        content: &MemberContent,
        before: &MemberContent,
        observed: &Observed,
    ) -> (bool, bool) {
        let is_lost = loses_a_level((&before.ranks, &observed.layout), &self.layout);
        let before = before.translated(&observed.layout, &self.layout);
        (!content.is_within(&before), is_lost || !before.is_within(content))
    }
}

fn between<C: Differs + Translated>(
    object: &ObjectKey,
    content: &C,
    existing: Option<&Existing<C>>,
    from: &Layout,
    to: &Layout,
) -> Vec<DriftEntry> {
    let Some(there) = existing.and_then(|existing| existing.content.as_ref()) else { return Vec::new() };
    let mut fields = entries(object, content, Some(there.translated(from, to).as_ref()), to);
    if let Some((after, before)) = content.ranks().zip(there.ranks()).filter(|_| from != to) {
        name_former_levels(object, (before, from), (after, to), &mut fields);
    }
    fields
}

/// Names the observed level of each section as the store's layout names it. Adds the sections where only these names
/// differ: a comparison in the new layout does not show a level that the new layout does not have.
fn name_former_levels(
    object: &ObjectKey,
    (before, from): (&Ranks, &Layout),
    (after, to): (&Ranks, &Layout),
    fields: &mut Vec<DriftEntry>,
) {
    let now: HashMap<&str, &str> = to.named(after).collect();
    for (section, level) in from.named(before) {
        let field = format!("permissions.{section}");
        let is = now.get(section).copied();
        match fields.iter_mut().find(|known| known.field == field) {
            Some(known) => known.observed = short(level),
            None if is != Some(level) => fields.push(entry(object, &field, is.unwrap_or(NO_ACCESS), level)),
            None => {}
        }
    }
}

/// Returns whether the new layout takes a level from somebody that it does not have: a section or a level that is gone,
/// or a level that is now the lowest one. A comparison in the new layout does not show that.
fn loses_a_level((before, from): (&Ranks, &Layout), to: &Layout) -> bool {
    let is_there = |section: &str, level: &str| {
        let ladder = to.ladders().iter().find(|ladder| ladder.section == section);
        ladder.is_some_and(|ladder| ladder.levels.iter().skip(1).any(|one| one == level))
    };
    from != to && from.named(before).any(|(section, level)| !is_there(section, level))
}

/// Returns one entry, each text cut to [`LONGEST`]: somebody else may have written any length to the store.
pub(super) fn entry(object: &ObjectKey, field: &str, desired: &str, observed: &str) -> DriftEntry {
    DriftEntry {
        object: short(&object.to_string()),
        field: short(field),
        desired: short(desired),
        observed: short(observed),
    }
}

/// Returns the text, cut to [`LONGEST`] characters.
fn short(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Returns the first [`NAMED`] names, and the number of the others.
fn listed(names: &[Name]) -> String {
    let shown = names.iter().take(NAMED).map(|name| short(name)).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// Sorts the names that are not among `others` first, so that a shortened list shows the differences.
fn others_first(names: &[Name], others: &[Name]) -> Vec<Name> {
    let mut names = names.to_vec();
    if names.len() > NAMED {
        names.sort_by_key(|name| others.contains(name));
    }
    names
}

/// Collects the fields that differ.
#[derive(Default)]
struct Differences(Vec<(String, String, String)>);

impl Differences {
    fn field(&mut self, name: &str, desired: &str, observed: &str) -> &mut Self {
        if desired != observed {
            self.0.push((name.to_owned(), desired.to_owned(), observed.to_owned()));
        }
        self
    }

    fn optional(&mut self, name: &str, desired: Option<&str>, observed: Option<&str>) -> &mut Self {
        self.field(name, desired.unwrap_or(ABSENT), observed.unwrap_or(ABSENT))
    }

    fn anomalies(&mut self, desired: &[Name], observed: &[Name]) -> &mut Self {
        let shown = |anomalies: &[Name]| if anomalies.is_empty() { ABSENT.to_owned() } else { listed(anomalies) };
        if desired != observed {
            self.0.push(("anomalies".to_owned(), shown(desired), shown(observed)));
        }
        self
    }

    fn groups(&mut self, desired: &[Name], observed: &[Name]) -> &mut Self {
        if desired != observed {
            let (desired, observed) = (others_first(desired, observed), others_first(observed, desired));
            let shown = |groups: &[Name]| if groups.is_empty() { ABSENT.to_owned() } else { listed(groups) };
            self.0.push(("groups".to_owned(), shown(&desired), shown(&observed)));
        }
        self
    }

    fn ranks(&mut self, desired: &Ranks, observed: &Ranks, layout: &Layout) -> &mut Self {
        for (index, ladder) in layout.ladders().iter().enumerate() {
            let rank = |ranks: &Ranks| ranks.as_slice().get(index).copied();
            if rank(desired) == rank(observed) {
                continue;
            }
            let level = |ranks: &Ranks| {
                let rank = ranks.as_slice().get(index).map(|rank| usize::from(*rank));
                rank.and_then(|rank| ladder.levels.get(rank))
                    .map_or_else(|| "(unknown)".to_owned(), ToString::to_string)
            };
            self.field(&format!("permissions.{}", ladder.section), &level(desired), &level(observed));
        }
        self
    }
}

impl Differs for AccountContent {
    fn ranks(&self) -> Option<&Ranks> {
        None
    }

    fn differences(&self, observed: &Self, _: &Layout) -> Vec<(String, String, String)> {
        let mut fields = Differences::default();
        let parent = |content: &Self| content.parent.as_ref().map(ToString::to_string);
        fields
            .field("displayName", &self.display_name, &observed.display_name)
            .field("catalog", &self.catalog, &observed.catalog)
            .optional("owner", self.owner.as_ref().map(Email::as_str), observed.owner.as_ref().map(Email::as_str))
            .optional("parent", parent(self).as_deref(), parent(observed).as_deref())
            .anomalies(&self.anomalies, &observed.anomalies);
        if self.layout != observed.layout {
            let sections = |content: &Self| counted(content.layout.len(), "section");
            fields.field(
                "sections",
                &format!("the {} of the catalog", sections(self)),
                &format!("{} with other names or levels", sections(observed)),
            );
        }
        fields.0
    }
}

impl Differs for RoleContent {
    fn ranks(&self) -> Option<&Ranks> {
        Some(&self.ranks)
    }

    fn differences(&self, observed: &Self, layout: &Layout) -> Vec<(String, String, String)> {
        let mut fields = Differences::default();
        fields.field("title", &self.title, &observed.title).ranks(&self.ranks, &observed.ranks, layout);
        fields.0
    }
}

impl Differs for GroupContent {
    fn ranks(&self) -> Option<&Ranks> {
        Some(&self.ranks)
    }

    fn differences(&self, observed: &Self, layout: &Layout) -> Vec<(String, String, String)> {
        let mut fields = Differences::default();
        fields.field("title", &self.title, &observed.title).ranks(&self.ranks, &observed.ranks, layout);
        fields.0
    }
}

impl MemberContent {
    /// Returns what a member has, for people: role, revocation and levels, and `no permission` if that is nothing.
    pub(super) fn summary(&self, layout: &Layout) -> String {
        let mut parts: Vec<String> = self.role.iter().map(|role| format!("role {role}")).collect();
        parts.extend(self.ended.map(|ended| ended.in_words().to_owned()));
        let levels: Vec<String> =
            layout.named(&self.ranks).map(|(section, level)| format!("{section}={level}")).collect();
        let more = levels.len().saturating_sub(SUMMARIZED);
        parts.extend(levels.into_iter().take(SUMMARIZED));
        if more > 0 {
            parts.push(format!("and {} more", counted(more, "section")));
        }
        if parts.is_empty() { "no permission".to_owned() } else { parts.join(", ") }
    }
}

impl Differs for MemberContent {
    fn ranks(&self) -> Option<&Ranks> {
        Some(&self.ranks)
    }

    fn differences(&self, observed: &Self, layout: &Layout) -> Vec<(String, String, String)> {
        let mut fields = Differences::default();
        let role = |content: &Self| content.role.as_ref().map(ToString::to_string);
        let time = |at: Option<jiff::Timestamp>| at.map(|at| at.to_string());
        let (window, other) = (&self.window, &observed.window);
        fields
            .optional("displayName", self.display_name.as_deref(), observed.display_name.as_deref())
            .optional("externalId", self.external_id.as_deref(), observed.external_id.as_deref())
            .optional("role", role(self).as_deref(), role(observed).as_deref())
            .groups(&self.groups, &observed.groups)
            .optional("startsAt", time(window.starts_at).as_deref(), time(other.starts_at).as_deref())
            .optional("expiresAt", time(window.expires_at).as_deref(), time(other.expires_at).as_deref())
            .optional("ended", self.ended.map(RevocationReason::as_str), observed.ended.map(RevocationReason::as_str))
            .ranks(&self.ranks, &observed.ranks, layout)
            .anomalies(&self.anomalies, &observed.anomalies);
        fields.0
    }
}
