//! Writes the people who gain or lose access as text. Called by `change::text`; Markdown uses the same phrases.

use anstyle::Style;

use super::{TIED, Text};
use crate::cli::{
    change::{
        effect::{Level, Person, TimeChange},
        report::AccountChanges,
    },
    output::{BAD, DIM, GOOD, WARN, counted, paint},
};

impl Text {
    pub(super) fn people(&mut self, people: &[Person]) {
        if people.is_empty() {
            return;
        }
        self.line(&paint(DIM, "  Who gains and loses what"));
        for person in people.iter().take(self.rows) {
            self.person(person);
        }
        self.more(4, self.rows, people.len());
    }

    pub(super) fn guarded(&mut self, account: &AccountChanges) {
        let Some(guarded) = &account.guarded else { return };
        self.wrapped(2, WARN, "held back by the removal guard: ", &guarded.why);
        let untold = guarded.untold();
        if !guarded.people.is_empty() {
            self.line(&paint(DIM, "    When they are approved"));
        }
        for person in guarded.people.iter().take(self.rows) {
            self.person(person);
        }
        let left = self.rows.saturating_sub(guarded.people.len());
        for member in untold.iter().take(left) {
            self.line(&format!("    {member}"));
        }
        self.more(4, self.rows, guarded.people.len() + untold.len());
        self.approval(account, &guarded.approve);
    }

    /// Writes how to approve held removals. A command is never wrapped, so that it can be copied.
    fn approval(&mut self, account: &AccountChanges, approve: &str) {
        if account.is_of_revisions() {
            self.wrapped(4, Style::new(), "to approve them: ", approve);
        } else {
            self.line(&format!("    to approve them: {approve}"));
        }
    }

    fn person(&mut self, person: &Person) {
        self.line(&format!("    {}", person.email));
        let mut loses = person.loses.as_slice();
        if person.loses_all() {
            let why = person.loses.first().map(|level| level.because.clone()).unwrap_or_default();
            let sections = self.levels(person.loses.iter(), had);
            self.wrapped(6, BAD, "loses all access", &format!(": {why} (had {sections})"));
            loses = &[];
        }
        for (mark, style, levels) in [("loses ", BAD, loses), ("gains ", GOOD, person.gains.as_slice())] {
            for (why, levels) in by_reason(levels) {
                let words = format!("{}, {why}", self.levels(levels.into_iter(), level));
                self.wrapped(6, style, mark, &words);
            }
        }
        for change in &person.times {
            let (mark, style) = if change.gains { ("gains ", GOOD) } else { ("loses ", BAD) };
            self.wrapped(6, style, mark, &time(change));
        }
        if let Some(note) = person.separate_note() {
            self.wrapped(6, WARN, note, "");
        }
    }

    fn levels<'a>(&self, levels: impl ExactSizeIterator<Item = &'a Level>, say: fn(&Level) -> String) -> String {
        let count = levels.len();
        let mut words: Vec<String> = levels.take(self.parts).map(|one| say(one).replace(' ', TIED)).collect();
        if count > self.parts {
            words.push(format!("and {} more", counted(count - self.parts, "section").replace(' ', TIED)));
        }
        words.join(", ")
    }
}

/// Formats a change of time: `time: until 2026-12-31T00:00:00Z → no end`.
pub(in crate::cli::change) fn time(change: &TimeChange) -> String {
    let sets_time = |words: &str| words.starts_with("until ") || words.starts_with("starts") || words == "no end";
    let what = if sets_time(&change.from) { "time" } else { "access" };
    format!("{what}: {} → {}", change.from, change.to)
}

/// Formats a level: `settings: Edit (from View)`.
pub(in crate::cli::change) fn level(level: &Level) -> String {
    let none = "none".to_owned();
    let to = level.to.as_ref().unwrap_or(&none);
    match &level.from {
        Some(from) => format!("{}: {to} (from {from})", level.section),
        None => format!("{}: {to}", level.section),
    }
}

/// Formats a lost level: `settings: Edit`.
pub(in crate::cli::change) fn had(level: &Level) -> String {
    format!("{}: {}", level.section, level.from.as_deref().unwrap_or("none"))
}

/// Levels with the same reason together, in the order of their first.
pub(in crate::cli::change) fn by_reason(levels: &[Level]) -> Vec<(&str, Vec<&Level>)> {
    let mut groups: Vec<(&str, Vec<&Level>)> = Vec::new();
    for level in levels {
        match groups.iter_mut().find(|(why, _)| *why == level.because) {
            Some((_, group)) => group.push(level),
            None => groups.push((&level.because, vec![level])),
        }
    }
    groups
}
