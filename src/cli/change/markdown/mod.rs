//! Writes a plan as Markdown for a comment on a pull request. Called by `roster plan -o markdown`.

mod revisions;

use std::fmt::Write as _;

use super::{
    effect::Person,
    report::{AccountChanges, Action, Compares, DORMANT, Guarded, Report, Step},
    text::{DELETION_WAITS, ORPHANED, PAUSED, by_reason, counted_people, had, level, orphaned, thousands, time},
};
use crate::{
    cli::output::{Table, counted, escape_markdown},
    plan::Hold,
    report::drift_sentence,
};

/// Rows of one table, unless all are asked for: a comment has its limits, too.
const ROWS: usize = 50;
/// Objects that one row names, unless all are asked for.
const NAMES: usize = 20;
/// Rows from which on a table is folded.
const FOLDED: usize = 15;

impl Report {
    /// Returns the report as Markdown; long lists are cut unless `all` is set.
    #[must_use]
    pub fn markdown(&self, all: bool) -> String {
        let rows = if all { usize::MAX } else { ROWS };
        let title = match self.compares {
            Compares::Store => "What would change in the store",
            Compares::Revisions => "What this change means for people",
        };
        let mut out = format!("## {title}\n\n**{}**\n\n", plain(&self.in_short()));
        if let Some(hidden) = self.hidden_limits(rows) {
            let _ = write!(out, "> ⚠️ {hidden}\n\n");
        }
        out += &self.markdown_of_refused();
        out += &self.markdown_of_loosened(rows);
        for account in self.accounts.iter().filter(|account| account.says_something()) {
            out += &markdown_of(account, rows);
        }
        out += &self.markdown_of_others(rows);
        out += &self.markdown_of_tightened(rows);
        if !self.left_in_store.is_empty() {
            out += "### Applied before, not in these files, and left unchanged\n\n";
            for one in self.left_in_store.iter().take(rows) {
                let _ = writeln!(out, "- {}", escape_markdown(&one.account));
            }
            out += &more(rows, self.left_in_store.len());
        }
        out.trim_end().to_owned() + "\n"
    }
}

/// Removes colours from a text.
fn plain(text: &str) -> String {
    anstream::adapter::strip_str(text.trim()).to_string()
}

fn more(shown: usize, all: usize) -> String {
    if all > shown { format!("\n… and {} more\n", thousands(all - shown)) } else { String::new() }
}

/// Returns a table under a summary, folded if it is long.
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
        let _ =
            write!(out, "> ⚠️ could not be resolved before: {}; all of it is shown as new\n\n", escape_markdown(why));
    }
    if let Some(why) = &account.unresolved {
        let _ = write!(out, "> ⚠️ not resolved: {}; the current content is kept\n\n", escape_markdown(why));
    }
    if let Some(kept) = account.orphaned {
        let _ = write!(out, "> ⚠️ {ORPHANED}{}\n\n", orphaned(kept));
    }
    if let Some(why) = &account.deletion_waits {
        let _ = write!(out, "> ⚠️ {DELETION_WAITS}: {}\n\n", escape_markdown(why));
    }
    if account.paused {
        let _ = write!(out, "> ⚠️ {PAUSED}\n\n");
    }
    out += &people(&account.people, rows);
    if let Some(guarded) = &account.guarded {
        let is_sentence = account.is_of_revisions();
        let _ = write!(
            out,
            "> ⚠️ {} held back by the removal guard: {}. To approve them: {}\n\n",
            counted(guarded.members.len(), "removal"),
            escape_markdown(&guarded.why),
            if is_sentence { escape_markdown(&guarded.approve) } else { format!("`{}`", guarded.approve) }
        );
        out += &held(guarded, rows.max(HELD));
    }
    out + &steps(account, rows) + &notes(account)
}

/// People whose removal is held back that are named in any case.
const HELD: usize = 100;

/// Returns the people whose removal is held back, with what each of them loses when it is approved.
fn held(guarded: &Guarded, rows: usize) -> String {
    let mut out = String::new();
    if !guarded.people.is_empty() {
        let people: Vec<&Person> = guarded.people.iter().collect();
        let (table, more) = (people_table(&people, rows).markdown(), more(rows, people.len()));
        let _ = write!(out, "When they are approved:\n\n{table}{more}\n");
    }
    let untold = guarded.untold();
    for member in untold.iter().take(rows) {
        let _ = writeln!(out, "- {}", escape_markdown(member));
    }
    if !untold.is_empty() {
        out = out + &more(rows, untold.len()) + "\n";
    }
    out
}

/// Returns the people who gain or lose access. Long lists are folded, except for people who gain something.
fn people(people: &[Person], rows: usize) -> String {
    if people.len() <= FOLDED {
        let (all, count): (Vec<&Person>, _) = (people.iter().collect(), people.len());
        let affected = if count == 1 { "1 person affected".to_owned() } else { format!("{count} people affected") };
        return if count == 0 { String::new() } else { section(&affected, &people_table(&all, rows), count, rows) };
    }
    let (gain, others): (Vec<&Person>, Vec<&Person>) = people.iter().partition(|person| person.gains_something());
    let mut out = String::new();
    if !gain.is_empty() {
        let table = people_table(&gain, rows).markdown();
        let summary = counted_people(gain.len(), "gains", "gain");
        let _ = write!(out, "{summary}:\n\n{table}{}\n", more(rows, gain.len()));
    }
    if !others.is_empty() {
        let summary = counted_people(others.len(), "gains nothing", "gain nothing");
        out += &section(&summary, &people_table(&others, rows), others.len(), rows);
    }
    out
}

fn people_table(people: &[&Person], rows: usize) -> Table {
    let mut table = Table::new(["who", "gains", "loses", "why"]);
    for person in people.iter().take(rows) {
        let times = |gains: bool| person.times.iter().filter(move |change| change.gains == gains).map(time);
        let gains: Vec<String> = person.gains.iter().map(level).chain(times(true)).collect();
        let mut loses: Vec<String> = if person.loses_all() {
            vec![format!("all access ({})", person.loses.iter().map(had).collect::<Vec<_>>().join(", "))]
        } else {
            person.loses.iter().map(level).collect()
        };
        loses.extend(times(false));
        let reasons = by_reason(&person.loses).into_iter().chain(by_reason(&person.gains));
        let mut why: Vec<&str> = Vec::new();
        for reason in reasons.map(|(why, _)| why).chain(person.separate_note()) {
            if !why.contains(&reason) {
                why.push(reason);
            }
        }
        table.row([person.email.clone(), gains.join(", "), loses.join(", "), why.join("; ")]);
    }
    table
}

/// Returns the single changes. Some are never folded, because the list of people does not show them: new or changed
/// grants of roles and groups, which nobody may have yet, and grants to people whose access is withheld now.
fn steps(account: &AccountChanges, rows: usize) -> String {
    let steps: Vec<&Step> = account.changes.iter().filter(|step| step.action != Action::Adopt).collect();
    let (granted, rest): (Vec<&Step>, Vec<&Step>) = steps.into_iter().partition(|step| step.changes_what_is_granted());
    let (dormant, folded) = account.split_dormant(rest);
    let mut out = String::new();
    for (title, open) in [("Roles and groups", &granted), (DORMANT, &dormant)] {
        if !open.is_empty() {
            let (table, more) = (steps_table(open, rows).markdown(), more(rows, open.len()));
            let _ = write!(out, "{title}:\n\n{table}{more}\n");
        }
    }
    let open = granted.len() + dormant.len();
    if !folded.is_empty() {
        let (table, more) = (steps_table(&folded, rows).markdown(), more(rows, folded.len()));
        let summary = counted(folded.len(), if open == 0 { "change" } else { "other change" });
        let _ = write!(out, "<details>\n<summary>{summary}</summary>\n\n{table}{more}\n</details>\n\n");
    }
    out
}

fn steps_table(steps: &[&Step], rows: usize) -> Table {
    let mut table = Table::new(["", "object", "what"]);
    for step in steps.iter().take(rows) {
        let mark = match step.action {
            Action::Add => "+",
            Action::Remove => "−",
            Action::Change | Action::Adopt => "~",
        };
        let fields: Vec<String> =
            step.fields.iter().map(|field| format!("{}: {} → {}", field.field, field.from, field.to)).collect();
        let what = if fields.is_empty() { step.why(usize::MAX).into_owned() } else { fields.join(", ") };
        table.row([mark.to_owned(), format!("{} {}", step.kind, step.name).trim().to_owned(), what]);
    }
    table
}

fn notes(account: &AccountChanges) -> String {
    let mut notes = Table::new(["object", "note"]);
    for held in account.holds.iter().filter(|held| !matches!(held.hold, Hold::Guarded | Hold::DriftReported)) {
        notes.row([&held.object, held.hold.as_str()]);
    }
    for entry in account.drift.iter().filter(|drift| !drift.corrected).flat_map(|drift| &drift.entries) {
        notes.row([&entry.object, &drift_sentence(entry)]);
    }
    for one in account.invalid_besides() {
        notes.row([&one.object, &format!("{}: {}", one.reason, one.message)]);
    }
    if notes.is_empty() {
        return String::new();
    }
    format!("<details>\n<summary>Notes</summary>\n\n{}\n</details>\n\n", notes.markdown())
}
