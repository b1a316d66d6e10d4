//! Comparison of a batch with the content of a store. Every backend calls [`decide`] before it writes anything,
//! inside the same transaction or lock.

use std::collections::BTreeSet;

use super::{Batch, StoreError};
use crate::{
    model::{Ladder, Layout, Name, Ranks},
    plan::{Cause, Change, Content, Existing, Fingerprint, Mark, ObjectKey, Observed},
    resolve::{AccountContent, GroupContent, MemberContent, RoleContent},
};

/// Decision about one change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Leave the object: content, mark and fingerprint match.
    Nothing,
    /// Write the object.
    Put,
    /// Remove the object, with its mark.
    Remove,
}

/// Decision about a batch.
#[derive(Debug)]
pub struct Decision {
    /// Step for each change, in the order of the batch; an error if the change is refused.
    pub steps: Vec<Result<Step, StoreError>>,
    /// Former layout of the account, if the batch changes it. The store must then translate all ranks of the account
    /// to the layout of the batch, also those that the batch does not name: see [`translations`].
    pub translate_from: Option<Layout>,
}

/// Compares a batch with the content of the account. `observed` holds at least the account and the objects that the
/// batch names.
///
/// The rules repeat those of the plan, since the store may have changed after it was observed (docs/concepts.md
/// "Marks, drift, removal"). Objects with another cluster's mark are never changed. Unmarked objects are taken over
/// only by adoption, and only objects with Roster's mark are removed as unwanted.
///
/// If the account is refused, the whole batch is refused: without it ranks would lose their meaning.
#[must_use]
pub fn decide(batch: &Batch<'_>, observed: &Observed) -> Decision {
    decided(batch, observed).unwrap_or_else(|refused| Decision {
        steps: batch.changes.iter().map(|_| Err(refused.clone())).collect(),
        translate_from: None,
    })
}

fn decided(batch: &Batch<'_>, observed: &Observed) -> Result<Decision, StoreError> {
    if batch.store.is_some() && batch.store != observed.store.as_ref() {
        return Err(StoreError::Conflict("the store is not the one that was observed".to_owned()));
    }
    let account = batch.changes.iter().find(|change| change.object == ObjectKey::Account);
    let put = account.and_then(|change| change.put.as_ref().map(|put| (change, put)));
    let layout = match put {
        Some((change, (content, fingerprint))) => {
            let step = step_account(batch, observed, change, content, fingerprint)?;
            let Content::Account(content) = content else { return Err(not_its_content(&change.object)) };
            Some((content.layout.clone(), step == Step::Put, Some(fingerprint)))
        }
        None => observed.account.as_ref().and_then(|existing| existing.content.as_ref()).map(|content| {
            // No translation is needed: the layout stays.
            (content.layout.clone(), false, None)
        }),
    };
    let translate_from = layout.as_ref().and_then(|(layout, written, fingerprint)| {
        // With the plan's fingerprint in the store, the rows have that layout already: someone else changed the
        // account's layout.
        let stored = observed.account.as_ref().and_then(|existing| existing.fingerprint.as_ref());
        let applied = fingerprint.is_some_and(|fingerprint| fingerprint.is_of(stored));
        (*written && !applied && *layout != observed.layout).then(|| observed.layout.clone())
    });
    let mut named = BTreeSet::new();
    let steps = batch
        .changes
        .iter()
        .map(|change| {
            if !named.insert(&change.object) {
                return Err(StoreError::Invalid(format!("{} is changed twice in one batch", change.object)));
            }
            let Some(put) = &change.put else { return removal(batch, observed, change) };
            match &layout {
                None => Err(StoreError::Conflict(format!("account {} does not exist", batch.mark.account))),
                Some((layout, ..)) if layout != batch.layout => Err(StoreError::Invalid(format!(
                    "the permissions of {} are for other sections than account {} has",
                    change.object, batch.mark.account
                ))),
                Some(_) => step_put(batch, observed, change, &put.0, &put.1),
            }
        })
        .collect();
    Ok(Decision { steps, translate_from })
}

fn step_account(
    batch: &Batch<'_>,
    observed: &Observed,
    change: &Change,
    content: &Content,
    fingerprint: &Fingerprint,
) -> Result<Step, StoreError> {
    let step = step_put(batch, observed, change, content, fingerprint)?;
    match content {
        Content::Account(content) if content.layout == *batch.layout => Ok(step),
        Content::Account(_) => {
            Err(StoreError::Invalid(format!("account {} has other sections than the batch", batch.mark.account)))
        }
        _ => Err(not_its_content(&change.object)),
    }
}

fn step_put(
    batch: &Batch<'_>,
    observed: &Observed,
    change: &Change,
    content: &Content,
    fingerprint: &Fingerprint,
) -> Result<Step, StoreError> {
    foreign_account(batch, observed)?;
    let (same, was_written) = match (&change.object, content) {
        (ObjectKey::Account, Content::Account(content)) => {
            valid_account(content)?;
            may_put(batch, change, observed.account.as_ref())?.compared(change, content, fingerprint)
        }
        (ObjectKey::Role(name), Content::Role(content)) => {
            valid_definition(&change.object, &content.title, &content.ranks, batch.layout)?;
            may_put(batch, change, observed.roles.get(name))?.compared(change, content, fingerprint)
        }
        (ObjectKey::Group(name), Content::Group(content)) => {
            valid_definition(&change.object, &content.title, &content.ranks, batch.layout)?;
            may_put(batch, change, observed.groups.get(name))?.compared(change, content, fingerprint)
        }
        (ObjectKey::Member(email), Content::Member(content)) => {
            valid_member(&change.object, content, batch.layout)?;
            may_put(batch, change, observed.members.get(email))?.compared(change, content.as_ref(), fingerprint)
        }
        _ => return Err(not_its_content(&change.object)),
    };
    match (same, was_written) {
        (true, _) => Ok(Step::Nothing),
        // A grant that was planned before a revocation must not be written after it.
        (false, true) if !grants_nothing(content) => {
            Err(StoreError::Conflict(format!("{} has changed since the plan was made", change.object)))
        }
        _ => Ok(Step::Put),
    }
}

/// Returns whether this content gives no access.
fn grants_nothing(content: &Content) -> bool {
    matches!(content, Content::Member(content) if content.ranks.is_none())
}

fn removal(batch: &Batch<'_>, observed: &Observed, change: &Change) -> Result<Step, StoreError> {
    let (is_there, mark) = match &change.object {
        ObjectKey::Account => mark_of(observed.account.as_ref()),
        ObjectKey::Role(name) => mark_of(observed.roles.get(name)),
        ObjectKey::Group(name) => mark_of(observed.groups.get(name)),
        ObjectKey::Member(email) => mark_of(observed.members.get(email)),
    };
    match mark {
        Some(mark) if mark.cluster != batch.mark.cluster => Err(marked_by(&change.object, mark)),
        mark if is_there && change.cause == Cause::Unwanted && mark != Some(batch.mark) => Err(StoreError::Conflict(
            format!("{} no longer has the mark of this account and cannot be removed", change.object),
        )),
        Some(mark) if change.cause == Cause::Unmanaged && mark == batch.mark => {
            Err(StoreError::Conflict(format!("{} has received the mark of this account meanwhile", change.object)))
        }
        _ => Ok(if is_there { Step::Remove } else { Step::Nothing }),
    }
}

fn mark_of<C>(existing: Option<&Existing<C>>) -> (bool, Option<&Mark>) {
    (existing.is_some(), existing.and_then(|existing| existing.mark.as_ref()))
}

/// Existing object that may be overwritten.
struct Overwritable<'a, C> {
    existing: Option<&'a Existing<C>>,
    ours: bool,
}

impl<C: PartialEq> Overwritable<'_, C> {
    /// Returns whether the object matches, and whether another pass has written it since the change was planned.
    fn compared(&self, change: &Change, content: &C, fingerprint: &Fingerprint) -> (bool, bool) {
        let stored = self.existing.and_then(|existing| existing.fingerprint.as_ref());
        (self.is(content, fingerprint), stored != change.expected.as_ref())
    }

    fn is(&self, content: &C, fingerprint: &Fingerprint) -> bool {
        self.ours
            && self.existing.is_some_and(|existing| {
                existing.content.as_ref() == Some(content) && existing.fingerprint.as_ref() == Some(fingerprint)
            })
    }
}

fn may_put<'a, C>(
    batch: &Batch<'_>,
    change: &Change,
    existing: Option<&'a Existing<C>>,
) -> Result<Overwritable<'a, C>, StoreError> {
    let mark = existing.and_then(|existing| existing.mark.as_ref());
    let ours = mark == Some(batch.mark);
    match mark {
        Some(mark) if mark.cluster != batch.mark.cluster => return Err(marked_by(&change.object, mark)),
        _ if ours || change.cause == Cause::Adoption => {}
        _ if existing.is_some_and(|existing| existing.content.is_some()) => {
            return Err(StoreError::Conflict(format!("{} exists without the mark of this account", change.object)));
        }
        _ => {}
    }
    Ok(Overwritable { existing, ours })
}

fn foreign_account(batch: &Batch<'_>, observed: &Observed) -> Result<(), StoreError> {
    match observed.account.as_ref().and_then(|existing| existing.mark.as_ref()) {
        Some(mark) if mark.cluster != batch.mark.cluster => Err(marked_by(&ObjectKey::Account, mark)),
        _ => Ok(()),
    }
}

fn marked_by(object: &ObjectKey, mark: &Mark) -> StoreError {
    StoreError::Conflict(format!("{object} belongs to account {} of cluster {}", mark.account, mark.cluster))
}

fn not_its_content(object: &ObjectKey) -> StoreError {
    StoreError::Invalid(format!("the new content of {object} is of another kind"))
}

fn valid_account(content: &AccountContent) -> Result<(), StoreError> {
    if content.layout.ladders().iter().any(|ladder| ladder.levels.is_empty() || ladder.levels.len() > 16) {
        return Err(StoreError::Invalid("a section has no level, or more than 16".to_owned()));
    }
    let ladders = content.layout.ladders().iter();
    let names = ladders.flat_map(|ladder| std::iter::once(&ladder.section).chain(&ladder.levels));
    let texts = [content.display_name.as_str(), content.catalog.as_str()];
    storable(&ObjectKey::Account, texts.into_iter().chain(names.map(Name::as_str)))
}

fn valid_definition(object: &ObjectKey, title: &str, ranks: &Ranks, layout: &Layout) -> Result<(), StoreError> {
    valid_ranks(object, ranks, layout)?;
    let name = match object {
        ObjectKey::Role(role) => role.name.as_str(),
        ObjectKey::Group(name) => name.as_str(),
        ObjectKey::Account | ObjectKey::Member(_) => "",
    };
    storable(object, [name, title])
}

fn valid_member(object: &ObjectKey, content: &MemberContent, layout: &Layout) -> Result<(), StoreError> {
    valid_ranks(object, &content.ranks, layout)?;
    let email = if let ObjectKey::Member(email) = object { email.as_str() } else { "" };
    let texts = [content.display_name.as_deref(), content.external_id.as_deref(), Some(email)];
    let role = content.role.as_ref().map(|role| role.name.as_str());
    storable(object, texts.into_iter().chain([role]).flatten().chain(content.groups.iter().map(Name::as_str)))
}

fn valid_ranks(object: &ObjectKey, ranks: &Ranks, layout: &Layout) -> Result<(), StoreError> {
    // Content without access fits every ladder, also the empty one of a damaged layout: revocations must not fail.
    let on_ladder = |(rank, ladder): (&u8, &Ladder)| usize::from(*rank) < ladder.levels.len().max(1);
    if ranks.as_slice().len() == layout.len() && ranks.as_slice().iter().zip(layout.ladders()).all(on_ladder) {
        return Ok(());
    }
    Err(StoreError::Invalid(format!("the permissions of {object} do not fit the sections of the account")))
}

/// No supported SQL store holds a NUL in text, and one that truncates names there would confuse two of them.
fn storable<'a>(object: &ObjectKey, texts: impl IntoIterator<Item = &'a str>) -> Result<(), StoreError> {
    if texts.into_iter().any(|text| text.contains('\0')) {
        return Err(StoreError::Invalid(format!("{object} has a NUL character in one of its texts")));
    }
    Ok(())
}

/// Content of one object before and after a change of the layout.
#[derive(Clone, Debug)]
pub struct Translation {
    /// The object.
    pub object: ObjectKey,
    /// Its content, with ranks of the former layout.
    pub before: Content,
    /// Its content, with ranks of the new layout.
    pub after: Content,
}

/// Translates all content of the account from one layout to another. Rows that the batch does not write, because of
/// another mark or the guard, must keep their meaning.
#[must_use]
pub fn translations(observed: &Observed, from: &Layout, to: &Layout) -> Vec<Translation> {
    let roles = observed.roles.iter().filter_map(|(name, existing)| {
        let before = existing.content.clone()?;
        let after = RoleContent { ranks: to.translate(&before.ranks, from), ..before.clone() };
        Some((ObjectKey::Role(name.clone()), Content::Role(before), Content::Role(after)))
    });
    let groups = observed.groups.iter().filter_map(|(name, existing)| {
        let before = existing.content.clone()?;
        let after = GroupContent { ranks: to.translate(&before.ranks, from), ..before.clone() };
        Some((ObjectKey::Group(name.clone()), Content::Group(before), Content::Group(after)))
    });
    let members = observed.members.iter().filter_map(|(email, existing)| {
        let before = existing.content.clone()?;
        let after = MemberContent { ranks: to.translate(&before.ranks, from), ..before.clone() };
        let (before, after) = (Content::Member(Box::new(before)), Content::Member(Box::new(after)));
        Some((ObjectKey::Member(email.clone()), before, after))
    });
    roles.chain(groups).chain(members).map(|(object, before, after)| Translation { object, before, after }).collect()
}
