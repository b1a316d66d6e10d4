//! Writes a plan as text for a terminal. Called by `roster plan` and `apply`.

use std::fmt::Write as _;

use anstyle::Style;

mod people;
mod revisions;

pub(super) use self::people::{by_reason, had, level, time};
use super::report::{AccountChanges, Action, Compares, DORMANT, Invalid, Report, Step, Summary};
use crate::{
    cli::output::{self, BAD, BOLD, DIM, GOOD, WARN, counted, paint, prose_width},
    plan::{Hold, Phase},
    report::drift_sentence,
};

/// Lines of one list, and fields or sections of one line, unless all are asked for.
const ROWS: usize = 20;
const PARTS: usize = 5;
/// Mark of an account that is no longer managed and stays in the store.
pub(super) const ORPHANED: &str = "no longer managed by Roster: ";
/// Mark of an account that the later revision does not have, if the removal guard would hold its deletion.
pub(super) const DELETION_WAITS: &str =
    "a controller deletes the account only after an approval (roster.dev/approve-removal)";
/// Mark of an account that is paused in the later revision.
pub(super) const PAUSED: &str = "paused: only revocations are applied";
/// Stands for a space at which no line ends.
const TIED: &str = "\u{a0}";

impl Report {
    /// Returns the report as text; long lists are cut unless `all` is set.
    #[must_use]
    pub fn text(&self, all: bool) -> String {
        let mut text = Text {
            out: String::new(),
            rows: if all { usize::MAX } else { ROWS },
            parts: if all { usize::MAX } else { PARTS },
        };
        if let Some(hidden) = self.hidden_limits(text.rows) {
            text.remark(WARN, &hidden);
        }
        for account in self.accounts.iter().filter(|account| account.says_something()) {
            text.account(account);
        }
        text.limits(self);
        text.others(self);
        text.refused(self);
        for store in &self.kept_by_cluster {
            text.remark(
                WARN,
                &format!(
                    "{store} is managed by a cluster's controller. The plan shows what the controller would do with \
                     these objects."
                ),
            );
        }
        for store in &self.new_stores {
            text.remark(WARN, &format!("{store} does not exist yet: all of it is shown as new."));
        }
        text.left(self);
        text.out.push_str(&self.last_line());
        text.out
    }

    /// Returns the summary line, wrapped.
    #[must_use]
    pub fn last_line(&self) -> String {
        output::wrap("", 0, &self.in_short())
    }

    /// Returns how many accounts that is, and of how many: `2 of 3 accounts`. Without the part if it is all or none.
    fn of_all(&self, count: usize) -> String {
        let all = counted(self.summary.accounts, "account");
        if count == 0 || count == self.summary.accounts { all } else { format!("{} of {all}", thousands(count)) }
    }

    /// Returns the summary line.
    #[must_use]
    pub fn in_short(&self) -> String {
        let Summary { accounts, add, change, remove, adopt, gain, lose, guarded, .. } = self.summary;
        let accounts = counted(accounts, "account");
        let mut line = if self.changes {
            let (mut gains, mut loses) = (counted_people(gain, "gains", "gain"), counted_people(lose, "loses", "lose"));
            if gain > 0 {
                gains = paint(GOOD, gains);
            }
            if lose > 0 {
                loses = paint(BAD, loses);
            }
            let [add, change, remove] = [add, change, remove].map(thousands);
            let more = self.summary.between_revisions();
            if self.summary.accounts == 0 {
                format!("These files contain no account, so gains and losses are unknown{more}.")
            } else {
                let within = self.of_all(self.changed().count());
                format!("{add} to add, {change} to change, {remove} to remove in {within}; {gains}, {loses}{more}.")
            }
        } else {
            let same = match self.compares {
                Compares::Store => "the store is up to date",
                Compares::Revisions => "both revisions have the same effect",
            };
            let waits = |account: &&AccountChanges| !account.holds.is_empty() || account.guarded.is_some();
            let waiting = self.accounts.iter().filter(waits).count();
            let reported = waiting > 0;
            let unresolved = self.accounts.iter().any(|account| account.unresolved.is_some());
            if self.summary.accounts == 0 && matches!(self.compares, Compares::Store) {
                format!("Nothing was compared: {}.", super::NO_ACCOUNT)
            } else if unresolved && !reported {
                format!("No changes in {accounts}.")
            } else if reported {
                format!("Nothing can be changed now in {}: the listed changes wait.", self.of_all(waiting))
            } else {
                format!("No changes: {same} ({accounts}).")
            }
        };
        if adopt > 0 {
            let _ = write!(line, " {} adopted unchanged.", counted(adopt, "object"));
        }
        let unresolved = self.accounts.iter().filter(|account| account.unresolved.is_some()).count();
        if unresolved > 0 {
            let what = format!(
                "{} {} not resolve: only revocations are applied there.",
                counted(unresolved, "account"),
                crate::model::agree(&unresolved, "does", "do")
            );
            let _ = write!(line, " {}", paint(WARN, what));
        }
        if guarded > 0 {
            let _ = write!(line, " {}", paint(WARN, format!("{} held back.", counted(guarded, "removal"))));
        }
        line
    }
}

/// Returns a counted phrase: `1 person gains`, `3 people gain`.
pub(super) fn counted_people(count: usize, one: &str, many: &str) -> String {
    match count {
        0 => format!("nobody {one}"),
        1 => format!("1 person {one}"),
        count => format!("{} people {many}", thousands(count)),
    }
}

impl AccountChanges {
    /// Returns whether there is anything to show.
    #[must_use]
    pub fn says_something(&self) -> bool {
        !self.changes.iter().all(|step| step.action == Action::Adopt)
            || !self.people.is_empty()
            || self.orphaned.is_some()
            || self.guarded.is_some()
            || !self.holds.is_empty()
            || !self.drift.is_empty()
            || !self.invalid.is_empty()
            || self.unresolved.is_some()
            || self.unresolved_before.is_some()
    }
}

struct Text {
    out: String,
    rows: usize,
    parts: usize,
}

impl Text {
    fn line(&mut self, line: &str) {
        self.out.push_str(line);
        self.out.push('\n');
    }

    /// Adds wrapped words; `mark` is styled, and later lines are indented by four more columns.
    fn wrapped(&mut self, indent: usize, style: Style, mark: &str, words: &str) {
        let mut lines = wrap(&format!("{mark}{words}"), usize::from(prose_width()) - indent, 4).into_iter();
        let first = lines.next().unwrap_or_default();
        let rest = first
            .strip_prefix(mark)
            .filter(|_| !mark.is_empty())
            .map_or_else(|| first.clone(), |rest| paint(style, mark) + rest);
        let space = " ".repeat(indent);
        self.line(&format!("{space}{}", rest.replace(TIED, " ")));
        lines.for_each(|line| self.line(&format!("{space}{}", line.replace(TIED, " "))));
    }

    fn remark(&mut self, style: Style, words: &str) {
        self.wrapped(0, style, "", words);
        self.out.push('\n');
    }

    fn more(&mut self, indent: usize, shown: usize, all: usize) {
        if all > shown {
            let line = format!("{}… and {} more", " ".repeat(indent), thousands(all - shown));
            self.line(&paint(DIM, line));
        }
    }

    fn account(&mut self, account: &AccountChanges) {
        let place = account.store.as_ref().map(|store| paint(DIM, format!("  in {store}"))).unwrap_or_default();
        self.line(&format!("{}{place}", paint(BOLD, &account.account)));
        if let Some(why) = &account.unresolved_before {
            self.wrapped(2, WARN, "could not be resolved before: ", &format!("{why}; all of it is shown as new"));
        }
        if let Some(why) = &account.unresolved {
            self.wrapped(2, WARN, "not resolved: ", &format!("{why}; the current content is kept"));
        }
        if let Some(kept) = account.orphaned {
            self.wrapped(2, WARN, ORPHANED, &orphaned(kept));
        }
        if let Some(why) = &account.deletion_waits {
            self.wrapped(2, WARN, DELETION_WAITS, &format!(": {why}"));
        }
        if account.paused {
            self.wrapped(2, WARN, PAUSED, "");
        }
        self.changes(account);
        self.people(&account.people);
        self.guarded(account);
        self.holds(account);
        self.drift(account);
        self.invalid(account);
        self.out.push('\n');
    }

    fn changes(&mut self, account: &AccountChanges) {
        let steps: Vec<&Step> = account.changes.iter().filter(|step| step.action != Action::Adopt).collect();
        let (dormant, shown) = account.split_dormant(steps);
        for phase in [Phase::Revoke, Phase::Define, Phase::Grant, Phase::Delete] {
            let steps: Vec<&Step> = shown.iter().copied().filter(|step| step.phase == phase).collect();
            if steps.is_empty() {
                continue;
            }
            let gains = steps.iter().any(|step| {
                account
                    .people
                    .iter()
                    .any(|one| step.kind == "member" && one.email == step.name && one.gains_something())
            });
            self.steps(title_of(phase, gains), &steps);
        }
        if !dormant.is_empty() {
            self.steps(DORMANT, &dormant);
        }
    }

    fn steps(&mut self, title: &str, steps: &[&Step]) {
        self.line(&paint(DIM, format!("  {title}")));
        let wide = steps.iter().take(self.rows).map(|step| step.name.chars().count()).max().unwrap_or(0).min(40);
        for step in steps.iter().take(self.rows) {
            self.step(step, wide);
        }
        self.more(4, self.rows, steps.len());
    }

    fn step(&mut self, step: &Step, wide: usize) {
        let (mark, style) = match step.action {
            Action::Add => ("+ ", GOOD),
            Action::Remove => ("- ", BAD),
            Action::Change | Action::Adopt => ("~ ", WARN),
        };
        let why = step.why(self.parts);
        let words = format!("{:<7} {:<wide$}  {why}", step.kind, step.name);
        self.wrapped(4, style, mark, words.trim_end());
        let field_wide =
            step.fields.iter().take(self.parts).map(|field| field.field.chars().count()).max().unwrap_or(0);
        for field in step.fields.iter().take(self.parts) {
            let words = format!("{:<field_wide$}  {} → {}", field.field, field.from, field.to);
            self.wrapped(8, DIM, "", &words);
        }
        self.more(8, self.parts, step.fields.len());
    }

    fn holds(&mut self, account: &AccountChanges) {
        for (hold, words) in [
            (Hold::NotOwned, "not managed by Roster, and not changed"),
            (Hold::Paused, "waits, because its store or account is paused"),
            (Hold::StoreReplaced, "waits, because the store is not the one used so far"),
            (Hold::Unauthorized, "waits, because somebody without the authority changed the account"),
        ] {
            let objects: Vec<&str> =
                account.holds.iter().filter(|held| held.hold == hold).map(|held| held.object.as_str()).collect();
            if objects.is_empty() {
                continue;
            }
            self.wrapped(2, WARN, hold.as_str(), &format!(": {words}"));
            for object in objects.iter().take(self.rows) {
                self.line(&format!("    {object}"));
            }
            self.more(4, self.rows, objects.len());
        }
    }

    fn drift(&mut self, account: &AccountChanges) {
        // Corrected drift is listed among the changes.
        let left: Vec<_> =
            account.drift.iter().filter(|drift| !drift.corrected).flat_map(|drift| &drift.entries).collect();
        if left.is_empty() {
            return;
        }
        self.line(&paint(DIM, "  Drift that is reported and not corrected"));
        for entry in left.iter().take(self.rows) {
            self.wrapped(4, DIM, "", &drift_sentence(entry));
        }
        self.more(4, self.rows, left.len());
    }

    fn invalid(&mut self, account: &AccountChanges) {
        let invalid: Vec<&Invalid> = account.invalid_besides().collect();
        if invalid.is_empty() {
            return;
        }
        self.line(&paint(DIM, "  Invalid (the invalid part has no effect)"));
        for one in invalid.iter().take(self.rows) {
            self.wrapped(4, WARN, "! ", &format!("{} {}: {}", one.object, one.reason, one.message));
        }
        self.more(4, self.rows, invalid.len());
    }

    fn left(&mut self, report: &Report) {
        if report.left_in_store.is_empty() {
            return;
        }
        self.line(&paint(BOLD, "Applied before, not in these files, and left unchanged (--prune removes them)"));
        for one in report.left_in_store.iter().take(self.rows) {
            self.line(&format!("  {}{}", one.account, paint(DIM, format!("  in {}", one.store))));
        }
        self.more(2, self.rows, report.left_in_store.len());
        self.out.push('\n');
    }
}

/// Returns the heading of a phase; `gains` is set if a person in it also gains access.
const fn title_of(phase: Phase, gains: bool) -> &'static str {
    match phase {
        Phase::Revoke if gains => "Loses and gains access (applied first)",
        Phase::Revoke => "Loses access (applied first)",
        Phase::Define => "Account, roles and groups",
        Phase::Grant => "Members",
        Phase::Delete => "No longer used",
    }
}

/// Returns the message on the people of an account that is no longer managed.
pub(super) fn orphaned(kept: usize) -> String {
    let people = match kept {
        0 => "everybody keeps their access".to_owned(),
        1 => "1 person keeps their access".to_owned(),
        kept => format!("{} people keep their access", thousands(kept)),
    };
    format!("{people} (deletionPolicy: Orphan), and no object can remove it any more")
}

/// Formats a number with separators: `9,980`.
pub(super) fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Lines of at most `width` columns; those after the first begin with `indent` spaces. Runs of spaces stay.
fn wrap(text: &str, width: usize, indent: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut gap = 0;
    for word in text.split(' ') {
        let line = lines.last().map_or(0, |line| line.chars().count());
        if word.is_empty() && line > 0 {
            gap += 1;
            continue;
        }
        let space = if line == 0 { 0 } else { gap + 1 };
        gap = 0;
        if line > indent && line + space + word.chars().count() > width {
            lines.push(" ".repeat(indent) + word);
        } else if let Some(last) = lines.last_mut() {
            last.push_str(&" ".repeat(space));
            last.push_str(word);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!([7, 980, 9_980, 1_234_567].map(thousands), ["7", "980", "9,980", "1,234,567"]);
    }

    #[test]
    fn long_lines_are_wrapped_and_columns_stay() {
        assert_eq!(wrap("a   b", 10, 2), ["a   b"]);
        assert_eq!(wrap("one two three four", 9, 2), ["one two", "  three", "  four"]);
    }
}
