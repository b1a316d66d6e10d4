//! Changes as a comment on a pull request.

use std::fmt::Write as _;

use super::{
    report::{AccountChanges, Action, Compares, Report, Step},
    text::{by_reason, had, level, thousands},
};
use crate::{
    cli::output::{Table, counted, escape_markdown},
    plan::Hold,
};

/// Rows of one table, unless all are asked for: a comment has its limits, too.
const ROWS: usize = 50;
/// Rows from which on a table is folded.
const FOLDED: usize = 15;

impl Report {
    /// For a comment on a pull request; long lists are cut unless `all` is asked for.
    #[must_use]
    pub fn markdown(&self, all: bool) -> String {
        let rows = if all { usize::MAX } else { ROWS };
        let title = match self.compares {
            Compares::Store => "What would change in the store",
            Compares::Revisions => "What this change means for people",
        };
        let mut out = format!("## {title}\n\n**{}**\n\n", plain(&self.last_line()));
        if !self.refused.is_empty() {
            out += "### ⛔ Refused by an API server\n\n";
            let mut table = Table::new(["object", "field", "from", "to", "why"]);
            for one in &self.refused {
                table.row([&one.object, &one.field, &one.from, &one.to, &one.message]);
            }
            out += &(table.markdown() + "\n");
        }
        for account in self.accounts.iter().filter(|account| account.says_something()) {
            out += &markdown_of(account, rows);
        }
        if !self.left_in_store.is_empty() {
            out += "### Applied before, not in these files, and left as they are\n\n";
            for one in self.left_in_store.iter().take(rows) {
                let _ = writeln!(out, "- {}", escape_markdown(&one.account));
            }
            out += &more(rows, self.left_in_store.len());
        }
        out.trim_end().to_owned() + "\n"
    }
}

/// The text without colours.
fn plain(text: &str) -> String {
    anstream::adapter::strip_str(text.trim()).to_string()
}

fn more(shown: usize, all: usize) -> String {
    if all > shown { format!("\n… and {} more\n", thousands(all - shown)) } else { String::new() }
}

/// A table under a summary that folds it away where it is long.
fn section(summary: &str, table: &Table, count: usize, rows: usize) -> String {
    let body = format!("{}{}", table.markdown(), more(rows, count));
    if count > FOLDED {
        format!("<details>\n<summary>{summary}</summary>\n\n{body}\n</details>\n\n")
    } else {
        format!("{summary}:\n\n{body}\n")
    }
}

fn markdown_of(account: &AccountChanges, rows: usize) -> String {
    let mut out = format!("### {}\n\n", escape_markdown(&account.account));
    if let Some(why) = &account.unresolved_before {
        let _ = write!(out, "> ⚠️ did not resolve before: {}; everything counts as new\n\n", escape_markdown(why));
    }
    if let Some(why) = &account.unresolved {
        let _ = write!(out, "> ⚠️ not resolved: {}; what is there is kept\n\n", escape_markdown(why));
    }
    if !account.people.is_empty() {
        let mut table = Table::new(["who", "gains", "loses", "why"]);
        for person in account.people.iter().take(rows) {
            let words = |levels: &[super::effect::Level]| levels.iter().map(level).collect::<Vec<_>>().join(", ");
            let loses = if person.has_none && !person.loses.is_empty() {
                format!("all access ({})", person.loses.iter().map(had).collect::<Vec<_>>().join(", "))
            } else {
                words(&person.loses)
            };
            let reasons = by_reason(&person.loses).into_iter().chain(by_reason(&person.gains));
            let mut why: Vec<&str> = reasons.map(|(why, _)| why).collect();
            why.extend(person.note.as_deref());
            let mut seen = Vec::new();
            why.retain(|one| {
                !seen.contains(one) && {
                    seen.push(*one);
                    true
                }
            });
            table.row([person.email.clone(), words(&person.gains), loses, why.join("; ")]);
        }
        let summary = format!(
            "{} affected",
            if account.people.len() == 1 { "1 person".to_owned() } else { format!("{} people", account.people.len()) }
        );
        out += &section(&summary, &table, account.people.len(), rows);
    }
    if let Some(guarded) = &account.guarded {
        let _ = write!(
            out,
            "> ⚠️ {} held back by the removal guard: {}. To let them pass: `--approve {}`\n\n",
            counted(guarded.members.len(), "removal"),
            escape_markdown(&guarded.why),
            guarded.hash
        );
    }
    let steps: Vec<&Step> = account.changes.iter().filter(|step| step.action != Action::Adopt).collect();
    if !steps.is_empty() {
        let _ = write!(out, "<details>\n<summary>{}</summary>\n\n", counted(steps.len(), "change"));
        let mut table = Table::new(["", "object", "what"]);
        for step in steps.iter().take(rows) {
            let mark = match step.action {
                Action::Add => "+",
                Action::Remove => "−",
                Action::Change | Action::Adopt => "~",
            };
            let fields: Vec<String> =
                step.fields.iter().map(|field| format!("{}: {} → {}", field.field, field.from, field.to)).collect();
            let what = if fields.is_empty() { step.why().to_owned() } else { fields.join(", ") };
            table.row([mark.to_owned(), format!("{} {}", step.kind, step.name).trim().to_owned(), what]);
        }
        let _ = write!(out, "{}{}\n</details>\n\n", table.markdown(), more(rows, steps.len()));
    }
    let mut notes = Table::new(["object", "what is to be said"]);
    for held in account.holds.iter().filter(|held| !matches!(held.hold, Hold::Guarded | Hold::DriftReported)) {
        notes.row([&held.object, held.hold.as_str()]);
    }
    for drift in account.drift.iter().filter(|drift| !drift.corrected) {
        for entry in &drift.entries {
            notes.row([
                &entry.object,
                &format!("{}: {} desired, {} in the store", entry.field, entry.desired, entry.observed),
            ]);
        }
    }
    for one in &account.invalid {
        notes.row([&one.object, &format!("{}: {}", one.reason, one.message)]);
    }
    if !notes.is_empty() {
        let _ = write!(out, "<details>\n<summary>Notes</summary>\n\n{}\n</details>\n\n", notes.markdown());
    }
    out
}
