//! Applies a batch by single writes, without a transaction. Used by [`Apply`](super::Apply) for plain stores.
//!
//! Each change is a series of writes that can be repeated. Wherever it stops, nobody has more access than before or
//! than desired: levels are taken first and given last, members are marked before they get levels, and the fingerprint
//! comes last, so that half a change does not look like a change by somebody else.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use roster_core::{
    contract::{
        Outcome, StoreError,
        decide::{Step, decide, translations},
    },
    model::Email,
    plan::{Change, Content, Fingerprint, ObjectKey, RecentRemoval},
    resolve::MemberContent,
};

use super::{
    Levels, MemoryStore, OwnedBatch,
    levels::{levels_of, to_give, to_take},
    rows::{AccountRows, DefinitionRow, Selection},
    write::{Write, lower, perform},
};

/// Part of the work, converted into writes when its turn comes. The number is the change's index.
#[derive(Clone, Copy, Debug)]
enum Task {
    /// Revokes what the change revokes, limited to levels that the layout before the batch knows.
    Revoke(usize),
    /// Makes the change.
    Make(usize),
}

/// Work on a batch, as tasks and single writes.
#[derive(Clone, Debug)]
pub(super) struct Work {
    tasks: VecDeque<Task>,
    writes: VecDeque<Write>,
    /// Change that `writes` belong to; `None` for those before the first change.
    current: Option<usize>,
    /// Changes that are not finished.
    open: BTreeSet<usize>,
    /// Whether the layout of the account changes.
    flips: bool,
    /// Whether content in the former layout must be translated.
    translates: bool,
    /// Error of the account's own change, if nothing can be put without it.
    blocked: Option<StoreError>,
}

impl Work {
    /// Reads the account and compares. Returns the work, and the outcomes that are known so far.
    pub(super) fn new(store: &MemoryStore, batch: &OwnedBatch) -> (Self, Vec<Outcome>) {
        let account = &batch.mark.account;
        let observed = store.observe_rows(account, Selection::Changes(&batch.changes));
        let decision = decide(&batch.as_batch(), &observed);
        let open: BTreeSet<usize> = (0..)
            .zip(&decision.steps)
            .filter_map(|(index, step)| matches!(step, Ok(Step::Put | Step::Remove)).then_some(index))
            .collect();
        let is_put = |index: &usize| batch.changes.get(*index).is_some_and(|change| change.put.is_some());
        let is = |index: &usize, object: &ObjectKey| batch.changes.get(*index).is_some_and(|c| c.object == *object);
        let at = open.iter().copied().find(|index| is_put(index) && is(index, &ObjectKey::Account));
        let flips = at.is_some() && observed.layout != batch.layout;
        // A put that precedes the account's new layout waits for that layout, but its revocations do not wait.
        let early: Vec<usize> =
            open.iter().copied().filter(|index| flips && is_put(index) && at.is_some_and(|at| *index < at)).collect();
        let mut tasks = VecDeque::new();
        for index in &open {
            tasks.push_back(if early.contains(index) { Task::Revoke(*index) } else { Task::Make(*index) });
            if at == Some(*index) {
                tasks.extend(early.iter().map(|index| Task::Make(*index)));
            }
        }
        let removals: Vec<RecentRemoval> = open
            .iter()
            .filter_map(|index| batch.changes.get(*index).filter(|change| change.counted))
            .filter_map(|change| match &change.object {
                ObjectKey::Member(email) => Some(RecentRemoval { email: email.clone(), at: batch.now }),
                _ => None,
            })
            .collect();
        let approved = open.iter().filter_map(|index| batch.changes.get(*index)).any(|change| change.approved);
        let remember = (!removals.is_empty()).then_some(Write::Remember(removals));
        let writes = remember.into_iter().chain(approved.then_some(Write::UseUp)).collect();
        let outcomes = decision.steps.iter().map(|step| step.clone().map(drop)).collect();
        let translates = decision.translate_from.is_some();
        (Self { tasks, writes, current: None, open, flips, translates, blocked: None }, outcomes)
    }

    /// Makes the next single write and returns its object; `None` if nothing is left to do.
    pub(super) fn step(
        &mut self,
        store: &mut MemoryStore,
        batch: &OwnedBatch,
        outcomes: &mut [Outcome],
    ) -> Option<ObjectKey> {
        let account = &batch.mark.account;
        loop {
            let Some(write) = self.writes.pop_front() else {
                self.next(store, batch, outcomes)?;
                continue;
            };
            if let Err(error) = store.faults.write(Some(account)) {
                for index in std::mem::take(&mut self.open) {
                    set(outcomes, index, Err(error.clone()));
                }
                self.tasks.clear();
                self.writes.clear();
                return None;
            }
            let object = write.object();
            if let Some(error) = store.faults.refusal(account, &object).filter(|_| self.current.is_some()) {
                self.fail(batch, outcomes, error);
                continue;
            }
            perform(store, &batch.mark, write);
            store.writes += 1;
            return Some(object);
        }
    }

    /// Ends the change in progress with an error.
    fn fail(&mut self, batch: &OwnedBatch, outcomes: &mut [Outcome], error: StoreError) {
        self.writes.clear();
        let Some(index) = self.current.take() else { return };
        self.open.remove(&index);
        self.tasks.retain(|task| !matches!(task, Task::Make(other) if *other == index));
        let change = batch.changes.get(index);
        if change.is_some_and(|change| change.object == ObjectKey::Account && change.put.is_some()) {
            self.blocked = Some(error.clone());
        }
        set(outcomes, index, Err(error));
    }

    /// Converts the next task into writes.
    fn next(&mut self, store: &MemoryStore, batch: &OwnedBatch, outcomes: &mut [Outcome]) -> Option<()> {
        if let Some(done) = self.current.take()
            && !self.tasks.iter().any(|task| matches!(task, Task::Make(index) if *index == done))
        {
            self.open.remove(&done);
        }
        let task = self.tasks.pop_front()?;
        let (Task::Revoke(index) | Task::Make(index)) = task;
        self.current = Some(index);
        let change = batch.changes.get(index)?;
        let nothing = AccountRows::default();
        let rows = store.accounts.get(&batch.mark.account).unwrap_or(&nothing);
        let has_account = rows.account.as_ref().is_some_and(|existing| existing.content.is_some());
        match (task, &self.blocked) {
            (Task::Make(_), Some(error)) if change.put.is_some() && (self.flips || !has_account) => {
                let error = error.clone();
                self.fail(batch, outcomes, error);
            }
            (Task::Revoke(_), _) => self.writes = narrow(rows, batch, change).into_iter().collect(),
            (Task::Make(_), _) if change.object == ObjectKey::Account && change.put.is_none() => match rows.left() {
                Some(what) => {
                    let account = &batch.mark.account;
                    let why = format!("account {account} cannot be removed: it still has {what}");
                    self.fail(batch, outcomes, StoreError::Conflict(why));
                }
                None => self.writes = [Write::Remove(ObjectKey::Account)].into(),
            },
            (Task::Make(_), _) => self.writes = writes(rows, batch, change, self.translates),
        }
        Some(())
    }
}

fn set(outcomes: &mut [Outcome], index: usize, outcome: Outcome) {
    if let Some(slot) = outcomes.get_mut(index) {
        *slot = outcome;
    }
}

/// Returns the write that revokes what a put of a member revokes.
fn narrow(rows: &AccountRows, batch: &OwnedBatch, change: &Change) -> Option<Write> {
    let (ObjectKey::Member(email), Some((Content::Member(content), _))) = (&change.object, &change.put) else {
        return None;
    };
    let wanted = levels_of(&content.ranks, &batch.layout);
    take(rows, batch, email, &wanted)
}

fn take(rows: &AccountRows, batch: &OwnedBatch, email: &Email, wanted: &Levels) -> Option<Write> {
    let taken = to_take(&rows.held(email), &rows.layout(), wanted, &batch.layout);
    (!taken.is_empty()).then(|| Write::Take(email.clone(), taken))
}

/// Returns the writes that make a change.
fn writes(rows: &AccountRows, batch: &OwnedBatch, change: &Change, translates: bool) -> VecDeque<Write> {
    let object = change.object.clone();
    match (&change.object, &change.put) {
        (ObjectKey::Member(email), None) => {
            let taken: BTreeMap<_, _> = rows.held(email).into_keys().map(|section| (section, None)).collect();
            let take = (!taken.is_empty()).then(|| Write::Take(email.clone(), taken));
            take.into_iter().chain([Write::Remove(object)]).collect()
        }
        (_, None) => [Write::Remove(object)].into(),
        (ObjectKey::Member(email), Some((Content::Member(content), fingerprint))) => {
            put_member(rows, batch, email, content, fingerprint.clone())
        }
        (ObjectKey::Account, Some((Content::Account(content), fingerprint))) => {
            let content = Box::new(content.clone());
            let mut writes = if translates { translate(rows, batch) } else { VecDeque::new() };
            writes.push_back(Write::Account(content.clone(), None));
            writes.push_back(Write::Account(content, Some(fingerprint.clone())));
            writes
        }
        (_, Some((Content::Role(content), fingerprint))) => {
            let levels = levels_of(&content.ranks, &batch.layout);
            [Write::Define(object, DefinitionRow { title: content.title.clone(), levels }, fingerprint.clone())].into()
        }
        (_, Some((Content::Group(content), fingerprint))) => {
            let levels = levels_of(&content.ranks, &batch.layout);
            [Write::Define(object, DefinitionRow { title: content.title.clone(), levels }, fingerprint.clone())].into()
        }
        // Content of another kind than its object was refused before.
        _ => VecDeque::new(),
    }
}

fn put_member(
    rows: &AccountRows,
    batch: &OwnedBatch,
    email: &Email,
    content: &MemberContent,
    fingerprint: Fingerprint,
) -> VecDeque<Write> {
    let wanted = levels_of(&content.ranks, &batch.layout);
    let mut held = rows.held(email);
    let mut writes = VecDeque::new();
    if let Some(Write::Take(email, taken)) = take(rows, batch, email, &wanted) {
        lower(&mut held, &taken);
        writes.push_back(Write::Take(email, taken));
    }
    let given = to_give(&held, &wanted);
    if !given.is_empty() {
        if !rows.is_member_of(email, &batch.mark) {
            writes.push_back(Write::Describe(email.clone(), Box::new(content.clone()), None));
        }
        writes.push_back(Write::Give(email.clone(), given));
    }
    writes.push_back(Write::Describe(email.clone(), Box::new(content.clone()), Some(fingerprint)));
    writes
}

/// Returns the writes that translate everything in the account to the layout of the batch, before the account gets it.
fn translate(rows: &AccountRows, batch: &OwnedBatch) -> VecDeque<Write> {
    let observed = rows.observed(Selection::Whole);
    let translated = translations(&observed, &observed.layout, &batch.layout).into_iter();
    let writes =
        translated.filter_map(|translation| match (&translation.object, &translation.before, &translation.after) {
            (ObjectKey::Member(email), _, Content::Member(after)) => {
                take(rows, batch, email, &levels_of(&after.ranks, &batch.layout))
            }
            (object, Content::Role(before), Content::Role(after)) => {
                redefine(object, &levels_of(&before.ranks, &observed.layout), levels_of(&after.ranks, &batch.layout))
            }
            (object, Content::Group(before), Content::Group(after)) => {
                redefine(object, &levels_of(&before.ranks, &observed.layout), levels_of(&after.ranks, &batch.layout))
            }
            _ => None,
        });
    writes.collect()
}

fn redefine(object: &ObjectKey, before: &Levels, after: Levels) -> Option<Write> {
    (*before != after).then(|| Write::Redefine(object.clone(), after))
}
