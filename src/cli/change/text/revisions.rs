//! Writes the differences of two revisions that are not changes in a store as text. Called by `change::text`.

use super::{Text, thousands};
use crate::{
    cli::{
        change::{
            alike::LOOSENED,
            report::{Action, RefusedBy, Report, Summary},
        },
        output::{BAD, BOLD, DIM, GOOD, WARN, counted, paint},
    },
    limits::Direction,
};

impl Summary {
    /// Returns these differences as the end of the summary.
    pub(super) fn between_revisions(&self) -> String {
        let Self { orphaned, limits_loosened, limits_changed, limits_tightened, other_changes, .. } = *self;
        let limits = |count: usize, what: &str| (count > 0).then(|| format!("{} {what}", counted(count, "limit")));
        let loosened = limits(limits_loosened, "loosened").map(|words| paint(BAD, words));
        let orphaned = match orphaned {
            0 => None,
            1 => Some("1 account is no longer managed by Roster".to_owned()),
            several => Some(format!("{} accounts are no longer managed by Roster", thousands(several))),
        };
        let others = (other_changes > 0).then(|| counted(other_changes, "other change"));
        let words =
            [orphaned, loosened, limits(limits_changed, "changed"), limits(limits_tightened, "tightened"), others];
        let words: Vec<String> = words.into_iter().flatten().collect();
        if words.is_empty() { String::new() } else { format!("; {}", words.join(", ")) }
    }
}

impl Text {
    pub(super) fn limits(&mut self, report: &Report) {
        for (direction, title, style) in [
            (Direction::Loosened, "Limits loosened", BAD),
            (Direction::Changed, "Limits changed", WARN),
            (Direction::Tightened, "Limits tightened", GOOD),
        ] {
            let limits = report.limits_of(direction);
            if limits.is_empty() {
                continue;
            }
            self.line(&paint(BOLD, title));
            let rows = if direction == Direction::Loosened { self.rows.max(LOOSENED) } else { self.rows };
            for alike in limits.iter().take(rows) {
                let (limit, objects) = (alike.limit, alike.objects(self.parts));
                let words = format!("{objects} {}: {} → {}; {}", limit.field, limit.from, limit.to, limit.meaning);
                self.wrapped(2, style, "~ ", &words);
            }
            self.more(2, rows, limits.len());
            self.out.push('\n');
        }
    }

    pub(super) fn others(&mut self, report: &Report) {
        if report.other_changes.is_empty() {
            return;
        }
        self.line(&paint(BOLD, "Other changes"));
        for one in report.other_changes.iter().take(self.rows) {
            let (mark, style) = match one.action {
                Action::Add => ("+ ", GOOD),
                Action::Remove => ("- ", BAD),
                Action::Change | Action::Adopt => ("~ ", WARN),
            };
            self.wrapped(2, style, mark, format!("{}  {}", one.object, one.what).trim_end());
            for field in one.fields.iter().take(self.parts) {
                self.wrapped(6, DIM, "", &format!("{}  {} → {}", field.field, field.from, field.to));
            }
            self.more(6, self.parts, one.fields.len());
        }
        self.more(2, self.rows, report.other_changes.len());
        self.out.push('\n');
    }

    pub(super) fn refused(&mut self, report: &Report) {
        for by in RefusedBy::ALL {
            let refused: Vec<_> = report.refused.iter().filter(|one| one.by == by).collect();
            if refused.is_empty() {
                continue;
            }
            self.line(&paint(BOLD, by.title()));
            for one in refused {
                let words = format!("{} {}: {} → {}; {}", one.object, one.field, one.from, one.to, one.message);
                self.wrapped(2, BAD, "! ", &words);
            }
            self.out.push('\n');
        }
    }
}
