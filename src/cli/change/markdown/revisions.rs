//! Writes the differences of two revisions that are not changes in a store as Markdown. Called by `change::markdown`;
//! dangerous differences are never folded.

use std::fmt::Write as _;

use super::{NAMES, more, section};
use crate::{
    cli::{
        change::{
            alike::{Alike, LOOSENED},
            report::{Action, RefusedBy, Report},
        },
        output::Table,
    },
    limits::Direction,
};

impl Report {
    pub(super) fn markdown_of_refused(&self) -> String {
        let mut out = String::new();
        for by in RefusedBy::ALL {
            let mut table = Table::new(["object", "field", "from", "to", "why"]);
            for one in self.refused.iter().filter(|one| one.by == by) {
                table.row([&one.object, &one.field, &one.from, &one.to, &one.message]);
            }
            if !table.is_empty() {
                let _ = write!(out, "### ⛔ {}\n\n{}\n", by.title(), table.markdown());
            }
        }
        out
    }

    /// Limits that are not tightened: never folded.
    pub(super) fn markdown_of_loosened(&self, rows: usize) -> String {
        let mut out = String::new();
        for (direction, title) in [(Direction::Loosened, "⚠️ Limits loosened"), (Direction::Changed, "Limits changed")]
        {
            let limits = self.limits_of(direction);
            let rows = if direction == Direction::Loosened { rows.max(LOOSENED) } else { rows };
            if !limits.is_empty() {
                let table = limits_table(&limits, rows).markdown();
                let _ = write!(out, "### {title}\n\n{table}{}\n", more(rows, limits.len()));
            }
        }
        out
    }

    pub(super) fn markdown_of_tightened(&self, rows: usize) -> String {
        let limits = self.limits_of(Direction::Tightened);
        if limits.is_empty() {
            return String::new();
        }
        section("Limits tightened", &limits_table(&limits, rows), limits.len(), rows)
    }

    pub(super) fn markdown_of_others(&self, rows: usize) -> String {
        if self.other_changes.is_empty() {
            return String::new();
        }
        let mut table = Table::new(["", "object", "what"]);
        for one in self.other_changes.iter().take(rows) {
            let fields = one.fields.iter().map(|field| format!("{}: {} → {}", field.field, field.from, field.to));
            let fields: Vec<String> = fields.collect();
            let mark = match one.action {
                Action::Add => "+",
                Action::Remove => "−",
                Action::Change | Action::Adopt => "~",
            };
            let what = if fields.is_empty() { one.what.clone() } else { fields.join(", ") };
            table.row([mark.to_owned(), one.object.clone(), what]);
        }
        format!("### Other changes\n\n{}{}\n", table.markdown(), more(rows, self.other_changes.len()))
    }
}

fn limits_table(limits: &[Alike<'_>], rows: usize) -> Table {
    let names = if rows == usize::MAX { rows } else { NAMES };
    let mut table = Table::new(["object", "field", "from", "to", "what it means"]);
    for alike in limits.iter().take(rows) {
        let (limit, objects) = (alike.limit, alike.objects(names));
        table.row([&objects, &limit.field, &limit.from, &limit.to, &limit.meaning]);
    }
    table
}
