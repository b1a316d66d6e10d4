//! Transcript of a run in plain sentences, which can be filtered by account. Recorded by all parts of the simulator, and
//! printed by `transcript_of`.

use std::{collections::BTreeMap, fmt};

use roster_core::{
    control::{Deleted, Pass, PassResult, PassWork},
    model::{AccountKey, Email, Name, Scope},
    report::PassCompletion,
    state::Object,
};

use super::clock::{MILLI, SECOND, Time};
use crate::memory::Levels;

/// Broken promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Name of the invariant.
    pub invariant: &'static str,
    /// Account with the violation.
    pub account: Option<AccountKey>,
    /// Time when it was found.
    pub time: Time,
    /// Message.
    pub message: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let account = self.account.as_ref().map(|account| format!(" of {account}")).unwrap_or_default();
        write!(f, "{} at {}{account}: {}", self.invariant, shown(self.time), self.message)
    }
}

fn shown(time: Time) -> String {
    format!("{}.{:03} s", time / SECOND, time % SECOND / MILLI)
}

struct Line {
    time: Time,
    namespace: Option<Name>,
    account: Option<Name>,
    text: String,
}

/// Recorded sentences; none unless the run asks for them.
pub struct Transcript {
    records: bool,
    lines: Vec<Line>,
}

impl Transcript {
    /// Returns an empty transcript.
    #[must_use]
    pub fn new(records: bool) -> Self {
        Self { records, lines: Vec::new() }
    }

    /// Records a sentence about a namespace, or about the whole run.
    pub fn record(&mut self, time: Time, namespace: Option<&Name>, text: impl FnOnce() -> String) {
        if self.records {
            let namespace = namespace.filter(|name| !name.is_empty()).cloned();
            self.lines.push(Line { time, namespace, account: None, text: text() });
        }
    }

    /// Records a sentence about an account.
    pub fn record_of_account(&mut self, time: Time, account: &AccountKey, text: impl FnOnce() -> String) {
        if self.records {
            let (namespace, account) = (Some(account.namespace.clone()), Some(account.name.clone()));
            self.lines.push(Line { time, namespace, account, text: text() });
        }
    }

    /// Records a sentence about an object.
    pub fn record_of_object(&mut self, time: Time, object: &Object, text: impl FnOnce(&str) -> String) {
        if !self.records {
            return;
        }
        let (kind, name, generation) = object.identity();
        let (namespace, account) = match object {
            Object::Account(record) => (Some(&record.namespace), Some(&record.account)),
            Object::Role(record) => (Some(&record.namespace), Some(&record.account)),
            Object::Group(record) => (Some(&record.namespace), Some(&record.account)),
            Object::Member(record) => (Some(&record.namespace), Some(&record.account)),
            _ => (None, None),
        };
        let text = text(&format!("{} {name} (generation {generation})", kind.as_str()));
        self.lines.push(Line { time, namespace: namespace.cloned(), account: account.cloned(), text });
    }

    /// Returns the sentences about one account, and about the whole run.
    #[must_use]
    pub fn of(&self, account: Option<&AccountKey>) -> String {
        let concerns = |line: &&Line| {
            let Some(account) = account else { return true };
            line.namespace.as_ref().is_none_or(|namespace| *namespace == account.namespace)
                && line.account.as_ref().is_none_or(|name| *name == account.name)
        };
        let lines = self.lines.iter().filter(concerns);
        let lines: Vec<String> = lines.map(|line| format!("{:>12}  {}", shown(line.time), line.text)).collect();
        lines.join("\n")
    }
}

/// Describes a pass that begins.
#[must_use]
pub fn describe(pass: &Pass) -> String {
    match &pass.work {
        PassWork::Reconcile(work) => {
            let scope = match &work.objects.scope {
                Scope::Account => "the whole account".to_owned(),
                Scope::Members(emails) => emails.iter().map(Email::as_str).collect::<Vec<_>>().join(", "),
            };
            let what = if work.is_change { "a pass" } else { "a check" };
            let only = work.revocations_only.as_ref().map_or("", |_| ", for ends only");
            let parallel = pass.parallel.as_ref().map_or("", |_| ", in parallel with another one");
            format!("{what} over {scope} with epoch {}{only}{parallel}", pass.permit.claim.epoch.0)
        }
        PassWork::Delete(work) => {
            format!("the deletion of the account; {} managed accounts", work.children.len())
        }
        PassWork::SetFinalizers(objects, _) => format!("to set {} finalizers", objects.len()),
        PassWork::OrphanedAccount(people) => {
            format!("to end the access of {} people whom no object names", people.len())
        }
    }
}

/// Describes the end of a pass.
#[must_use]
pub fn describe_result(result: &PassResult) -> String {
    match result {
        PassResult::Reconciled(report) => match &report.completion {
            PassCompletion::Done => format!("the pass is done, {} changes", report.changes.len()),
            PassCompletion::NeedsAccount => "the pass needs the whole account".to_owned(),
            PassCompletion::Interrupted => format!("the pass made way after {} changes", report.changes.len()),
            PassCompletion::Waits => "the rest waits until more is known".to_owned(),
            PassCompletion::Retry { why, .. } => format!("the pass failed and is tried again: {why}"),
        },
        PassResult::Deleted(Deleted::Done(changes)) => format!("the deletion is done, {changes} changes"),
        PassResult::Deleted(Deleted::Waits(children, _)) => format!("the deletion waits for {children:?}"),
        PassResult::Deleted(Deleted::Replaced(_)) => "the deletion waits for the store that was used so far".to_owned(),
        PassResult::Deleted(Deleted::Held(guarded, _)) => format!("the deletion is held back: {}", guarded.why),
        PassResult::Deleted(Deleted::Retry { error, .. }) => format!("the deletion is tried again: {error}"),
        PassResult::FinalizersSet(Ok(())) => "finalizers set".to_owned(),
        PassResult::FinalizersSet(Err((fault, _))) => format!("finalizers not set: {fault}"),
        PassResult::OrphanedRevoked(Ok(changed)) => format!("their access has ended, {changed}"),
        PassResult::OrphanedRevoked(Err(error)) => format!("their access has not ended: {error}"),
        PassResult::Aborted => "the pass broke off".to_owned(),
    }
}

/// Describes a write.
#[must_use]
pub fn describe_write(
    number: usize,
    store: &str,
    touched: usize,
    before: &BTreeMap<Email, Levels>,
    after: &BTreeMap<Email, Levels>,
) -> String {
    let everybody = before.keys().chain(after.keys().filter(|email| !before.contains_key(*email)));
    let changed = everybody.filter(|email| before.get(*email) != after.get(*email));
    let levels = |of: Option<&Levels>| {
        let all: Vec<String> = of.into_iter().flatten().map(|(section, level)| format!("{section}={level}")).collect();
        if all.is_empty() { "nothing".to_owned() } else { all.join(" ") }
    };
    let changes: Vec<String> = changed
        .map(|email| format!("{} from {} to {}", email.as_str(), levels(before.get(email)), levels(after.get(email))))
        .collect();
    format!("replica {number} writes {touched} objects in store {store}: {}", changes.join("; "))
}
