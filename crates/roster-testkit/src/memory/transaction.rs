//! Applies a batch in one transaction. Used by [`Apply`](super::Apply) for transactional stores.

use roster_core::{
    contract::{
        AuditBuilder, Claim, Outcome, StoreError,
        decide::{Decision, Step, Translation, decide, translations},
        slot,
    },
    model::Layout,
    plan::{Change, Content, Existing, Fingerprint, Mark, ObjectKey, RecentRemoval},
};

use super::{
    MemoryStore, OwnedBatch,
    levels::levels_of,
    rows::{AccountRows, DefinitionRow, MemberRow, Selection},
};

/// Result of a transaction.
pub(super) struct Committed {
    /// One outcome for each change.
    pub(super) outcomes: Vec<Outcome>,
    /// Objects that were written.
    pub(super) touched: Vec<ObjectKey>,
}

/// Makes the changes of a batch, all at once. Fails as a whole if the store cannot be written, if a later leader has
/// fenced the writer out, or if the account itself is refused.
pub(super) fn commit(store: &mut MemoryStore, batch: &OwnedBatch, claim: Claim) -> Result<Committed, StoreError> {
    let (key, cluster) = (&batch.mark.account, batch.mark.cluster.as_str());
    store.faults.check_write(Some(key))?;
    let rises = store.check_fence(cluster, claim, slot(key))?;
    let mut observed = store.observe_rows(key, Selection::Changes(&batch.changes));
    let mut decision = decide(&batch.as_batch(), &observed);
    if decision.translate_from.is_some() {
        observed = store.observe_rows(key, Selection::Whole);
        decision = decide(&batch.as_batch(), &observed);
    }
    for (step, change) in decision.steps.iter_mut().zip(&batch.changes) {
        let refusal = if is_write(step) { store.faults.refusal(key, &change.object) } else { None };
        match refusal {
            Some(error) if change.object == ObjectKey::Account && change.put.is_some() => return Err(error),
            Some(error) => *step = Err(error),
            None => {}
        }
    }
    let outcomes: Vec<Outcome> = decision.steps.iter().map(|step| step.clone().map(drop)).collect();
    let mut committed = Committed { outcomes, touched: Vec::new() };
    let writes = decision.steps.iter().any(is_write);
    if !writes && !rises {
        return Ok(committed);
    }
    store.faults.write(Some(key))?;
    store.writes += 1;
    if writes {
        let borrowed = batch.as_batch();
        let audit = AuditBuilder { batch: &borrowed, observed: &observed, epoch: claim.epoch };
        write(store, batch, &decision, &audit, &mut committed);
    }
    if rises {
        store.raise_fence(cluster, claim);
    }
    Ok(committed)
}

fn is_write(step: &Result<Step, StoreError>) -> bool {
    matches!(step, Ok(Step::Put | Step::Remove))
}

fn write(
    store: &mut MemoryStore,
    batch: &OwnedBatch,
    decision: &Decision,
    audit: &AuditBuilder<'_>,
    committed: &mut Committed,
) {
    let key = &batch.mark.account;
    let mut rows = store.accounts.remove(key).unwrap_or_default();
    let (mut entries, mut removals, mut approved) = (Vec::new(), Vec::new(), false);
    if let Some(from) = &decision.translate_from {
        let translated = translations(audit.observed, from, &batch.layout);
        for translation in &translated {
            translate(&mut rows, translation, &batch.layout);
            committed.touched.push(translation.object.clone());
        }
        entries = audit.translations(&translated);
    }
    for ((change, step), outcome) in batch.changes.iter().zip(&decision.steps).zip(&mut committed.outcomes) {
        if !is_write(step) {
            continue;
        }
        if let (ObjectKey::Account, None, Some(what)) = (&change.object, &change.put, rows.left()) {
            *outcome = Err(StoreError::Conflict(format!("account {key} cannot be removed: it still has {what}")));
            continue;
        }
        make(&mut rows, change, &batch.mark, &batch.layout);
        committed.touched.push(change.object.clone());
        approved |= change.approved;
        let entry = audit.change(change);
        if let (ObjectKey::Member(email), true, true) = (&change.object, change.counted, entry.is_some()) {
            removals.push(RecentRemoval { email: email.clone(), at: batch.now });
        }
        entries.extend(entry);
    }
    if !rows.is_empty() {
        store.accounts.insert(key.clone(), rows);
    }
    if approved {
        *store.approvals.entry(key.clone()).or_default() += 1;
    }
    if !removals.is_empty() {
        store.removals.entry(key.clone()).or_default().extend(removals);
    }
    store.record(entries);
}

fn translate(rows: &mut AccountRows, translation: &Translation, layout: &Layout) {
    let after = match &translation.after {
        Content::Account(_) => return,
        Content::Role(after) => levels_of(&after.ranks, layout),
        Content::Group(after) => levels_of(&after.ranks, layout),
        Content::Member(after) => levels_of(&after.ranks, layout),
    };
    if let Some(levels) = rows.levels_mut(&translation.object) {
        *levels = after;
    }
}

fn make(rows: &mut AccountRows, change: &Change, mark: &Mark, layout: &Layout) {
    let Some((content, fingerprint)) = &change.put else { return rows.remove(&change.object) };
    match (&change.object, content) {
        (ObjectKey::Account, Content::Account(content)) => {
            rows.account = Some(marked(content.clone(), mark, fingerprint.clone()));
        }
        (ObjectKey::Role(name), Content::Role(content)) => {
            let row = DefinitionRow { title: content.title.clone(), levels: levels_of(&content.ranks, layout) };
            rows.roles.insert(name.clone(), marked(row, mark, fingerprint.clone()));
        }
        (ObjectKey::Group(name), Content::Group(content)) => {
            let row = DefinitionRow { title: content.title.clone(), levels: levels_of(&content.ranks, layout) };
            rows.groups.insert(name.clone(), marked(row, mark, fingerprint.clone()));
        }
        (ObjectKey::Member(email), Content::Member(content)) => {
            let row = MemberRow::new(content, levels_of(&content.ranks, layout));
            rows.members.insert(email.clone(), marked(row, mark, fingerprint.clone()));
        }
        // Content of another kind than its object was refused before.
        _ => {}
    }
}

fn marked<C>(content: C, mark: &Mark, fingerprint: Fingerprint) -> Existing<C> {
    Existing { content: Some(content), mark: Some(mark.clone()), fingerprint: Some(fingerprint) }
}
